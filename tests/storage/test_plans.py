"""Whatever storage asks reads along indexes: however many checks have ended, it costs the same.

SQLite itself explains every statement that the table modules and the MACs send, on a file like one that is years old,
before and after it knows figures of its tables.
"""

import asyncio
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from storage.engine.sealing import Sealer
from tests import large_file
from tests.storage import asked
from tests.storage.asked import Statement

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SMALL: Mapping[str, str] = {
    "homes": "a row for each person who opened a Home tab",
    "inbox": "messages that wait for their answer",
    "instances": "a row for each process of the last month",
    "turns": "a row for each periodic job",
    "cache_news": "what changed in the last hour",
    "pauses": "conversations in which Slack has just asked to wait",
    "meta": "what there is one of",
    "check_counts": "a row for each state",
    "notice_choices": "a row for each person who chose",
    "slack_requests": "ids of two days",
    "erasures": "a row for each wish; which one a check belongs to stands in sealed lists alone",
    "purges": "a row for each day",
    "temp.notes": "what one commit touches",
    "files": "files of which a row is under way, each found by one step along an index",
    "lanes": "conversations for which posts are due, each found by one step along an index",
    "pragma_table_info": "columns of one table",
    "pragma_index_list": "indexes of one table",
    "sqlite_schema": "what there is in the schema",
}
"""Tables that no number of checks makes long."""
OF_OPEN_ONES = frozenset(
    {
        "attempts_leased",
        "attempts_not_sent",
        "batches_given_up",
        "batches_due",
        "batches_sending",
        "batches_waiting",
        "capture_links_expire",
        "erasures_open",
        "holds_running",
        "posts_failed",
        "posts_leased",
        "posts_waiting",
        "receipts_stuck",
        "reviews_open",
        "reviews_replies",
        "slack_removals_due",
        "slack_removals_open",
        "verifications_leased",
        "verifications_unsettled",
        "receipts_unsettled",
    }
)
"""Partial indexes of what is open, or waits for people: reading one from end to end reads no more than there is."""
FROM_AN_END: Mapping[str, str] = {
    "exports.py page": "a page in the order of asking",
    "search.py _refs": "a page in the order of asking",
    "engine/chain.py last_later": "the last line of the trail",
    "engine/chain.py lines_of_all": "the last line of the trail",
    "engine/restored.py doubt": "the newest lines of the trail",
}
"""They read as many rows as they give, along a key or an index in their own order, and sort nothing."""
WHOLE: Mapping[str, str] = {
    "engine/catalog.py columns": "which tables and columns there are, however long they are",
    "engine/sealed_values.py key_ids": "whether a lost key is needed; by a start with other keys, and `rekey`",
    "rekey.py count": "`kyc-bot rekey` goes through all checks",
    "rekey.py finish": "once, at its end",
    "rekey.py _older": "what is left at the end of `kyc-bot rekey`; before, page by page",
    "rekey.py remains": "the same",
    "rekey.py renew_others": "values that belong to no check, by their key",
    "trail_people.py forget_looks_of_older_keys": "once, at the end of `kyc-bot rekey`",
    "erasures.py countries": "once for each wish to erase, along one narrow index",
    "exports.py count": "counts a span of days, once for each export, along an index of times",
    "engine/restored.py doubt_lost": "once, after a failover that may have lost commits",
    "engine/kept_sums.py digest": "a row for each day that was summed, along an index without the sums",
}
"""What may read all there is, or sort it, and why."""
PAGES: Mapping[str, str] = {
    "engine/macs.py refs_after": "a page of checks",
    "trail_check.py compare_records": "a page of checks",
    "looks.py not_listed": "the newest lines of the trail",
    "trail.py touches": "a span of lines",
    "outbox.py uploads_about": "ids that begin with a file's",
}
"""They sort the few rows that a limit or a span leaves."""
NOT_REACHED: Mapping[str, str] = {
    "batches.py _checks_to_come": "a file that does not open; one row of each table, by its key",
    "engine/chain.py append": "a restore",
    "engine/chain.py begin": "an upgrade",
    "engine/chain.py _older_lines": "an upgrade, and its proof",
    "engine/inspection.py compare_records": "`kyc-bot check`, and backups",
    "engine/kept_sums.py forget_all": "once, where somebody else has put sums of days there or taken some away",
    "engine/touched.py __init__": "the start",
    "engine/macs.py under_older_keys": "`kyc-bot rekey`",
    "engine/macs.py renew": "`kyc-bot rekey`",
    "engine/membership.py begin_anew": "one of several instances that was ended by another",
    "engine/membership.py prove": "several instances, by the key of one",
    "engine/moved.py of_file": "`kyc-bot migrate-database`, and what is refused after it",
    "engine/moved.py mark_file": "the same",
    "engine/record_versions.py add_line": "a restore",
    "engine/record_versions.py _pages": "on PostgreSQL",
    "engine/record_versions.py _pages_in_json": "the start, and behind it",
    "engine/record_versions.py are_at_most": "the start",
    "engine/traces.py clear": "an erasure's end, by a connection of its own",
    "engine/traces.py _noted": "the same",
    "engine/traces.py _vacuum": "the same",
    "engine/traces.py _write_anew": "the same",
    "erasures.py take_again": "a restore",
    "erasures.py _holds_person": "a restore",
    "meta.py read_installation": "`kyc-bot check`, of a file that is only looked at",
    "purges.py read_last": "the same",
    "rekey.py renew_checks": "`kyc-bot rekey`: only a MAC of an older key is renewed",
    "rekey.py _renew": "the same",
}
"""What no call of this test sends: commands beside a bot, restores, upgrades, and files that do not open."""


@pytest.fixture(scope="module")
async def everything(tmp_path_factory: pytest.TempPathFactory) -> Sequence[tuple[Statement, list[str]]]:
    """Every statement once for each of its plans."""
    path = tmp_path_factory.mktemp("plans") / "kyc.db"
    await asyncio.to_thread(large_file.make, path, checks=300, open_checks=10)
    return await asyncio.to_thread(lambda: list(_explained(path)))


def _explained(path: Path) -> Iterator[tuple[Statement, list[str]]]:
    with asked.asking(path, Sealer.from_text([large_file.KEY])) as asking:
        sent = list(asked.sent_by(asking.known, asking.once))
        # Each text once, and once each line that sends: some send what another one has sent.
        each = {one.sql: one for one in sent} | {f"{one.file}:{one.line}": one for one in sent}
        for figures in ("", "ANALYZE"):
            asking.connection.execute(figures).close()
            for statement in each.values():
                yield statement, plan(asking.connection, statement)


def plan(connection: sqlite3.Connection, statement: Statement) -> list[str]:
    """As SQLite plans it for whatever parameters."""
    params = statement.params
    nothing = dict.fromkeys(params) if isinstance(params, dict) else [None] * len(params)  # type: ignore[arg-type]
    with closing(connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", nothing)) as cursor:
        return [row[3] for row in cursor.fetchall()]


def faults(statement: Statement, lines: Sequence[str]) -> list[str]:
    """The lines that read a whole table, or a whole index of ended rows, or sort what is not one check's or one's."""
    where = f"{statement.file} {statement.function}"
    searches = [line for line in lines if "SEARCH" in line]
    few = all("=?" in line and not re.search("[<>]", line) for line in searches)
    scans = [line for line in lines if line.startswith("SCAN") and not _is_short(statement, line)]
    sorts = [line for line in lines if "TEMP B-TREE" in line]
    if where in FROM_AN_END and not sorts:
        scans = []
    if where in PAGES or (few and not scans):
        sorts = []
    return [] if where in WHOLE else scans + sorts


def _is_short(statement: Statement, line: str) -> bool:
    """Of rows that another line found, of a small table, or of what is open."""
    found = re.match(r"SCAN (\S+)(?: .*?USING (?:COVERING )?INDEX (\w+))?", line)
    assert found is not None
    alias, index = found.groups()
    names = re.findall(r"(?:FROM|JOIN|UPDATE|INTO)\s+([\w.]+)(?:\s+(?:AS\s+)?(\w+))?", statement.sql)
    table = next((table for table, other in names if alias in (table, other)), alias)
    if line == "SCAN CONSTANT ROW":
        return True
    is_found = line.startswith("SCAN (") or re.search(rf"\) {alias}\b", statement.sql) is not None
    return is_found or table in SMALL or index in OF_OPEN_ONES


async def test_every_statement_of_storage_reads_along_indexes(
    everything: Sequence[tuple[Statement, list[str]]],
) -> None:
    wrong = {
        f"{one.file}:{one.line} {one.function}": found for one, lines in everything if (found := faults(one, lines))
    }
    assert wrong == {}


async def test_every_statement_of_storage_was_asked(everything: Sequence[tuple[Statement, list[str]]]) -> None:
    assert asked.not_reached(one for one, _lines in everything) == set(NOT_REACHED)


async def test_no_exception_is_kept_that_nothing_needs(everything: Sequence[tuple[Statement, list[str]]]) -> None:
    needed = {f"{one.file} {one.function}" for one, lines in everything if _is_suspect(lines)}
    assert {*FROM_AN_END, *WHOLE, *PAGES} <= needed
    scanned = {line for _one, lines in everything for line in lines if line.startswith("SCAN")}
    assert {index for index in OF_OPEN_ONES if not any(index in line for line in scanned)} <= {
        "attempts_leased",
        "slack_removals_due",
        "verifications_leased",
    }


def _is_suspect(lines: Sequence[str]) -> bool:
    return any(line.startswith("SCAN") or "TEMP B-TREE" in line for line in lines)


async def test_a_statement_that_reads_a_whole_table_is_found_out() -> None:
    sql = "SELECT state, COUNT(*) FROM verifications v GROUP BY v.state"
    statement = Statement(sql, {}, "checks.py", 1, "counted")
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE verifications (ref TEXT PRIMARY KEY, state TEXT)")
        assert faults(statement, plan(db, statement)) == ["SCAN v", "USE TEMP B-TREE FOR GROUP BY"]
