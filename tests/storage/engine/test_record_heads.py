"""The head of a record: all that lists, queues and figures show, compared with its MAC without reading the rest."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.check import SearchFilter
from bot.domain.mentions.incoming import MessageIds
from storage import attempts, audit, batches, check_facts, checks, reviews, search
from storage.engine import inspect, macs
from storage.engine.connection import sql_of
from storage.engine.covered import COVERED
from storage.engine.database import Database, Transaction
from storage.engine.sealing import Sealer
from tests import engines
from tests.engines import beside
from tests.storage.engine.test_macs import NOON, OTHER, SEALER, changes, fill, of_check, opened
from tests.storage.older import before_heads

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine"), pytest.mark.slow]

HEADS = {table.name for table in COVERED if table.in_head}
DAY = timedelta(days=1)


def shown(tx: Transaction) -> list[Any]:
    """All that many checks at once are shown by."""
    page = search.page(tx, SearchFilter(requester="U1"), size=10)
    refs = [check.ref for check in page.checks]
    return [
        # How often it was sent to Smile ID is counted with the check, and shown by no list.
        *(replace(check, attempts=0) for check in page.checks),
        reviews.of_checks(tx, refs),
        reviews.open_now(tx),
        check_facts.still_open(tx),
        check_facts.in_review(tx),
        check_facts.settled(tx, NOON - DAY, NOON + DAY),
        batches.counts_examined(tx, "B-1"),
    ]


def _as_row_of_a_file(tx: Transaction, ref: str) -> None:
    message = MessageIds(user="U1", team="T1", channel="C1", ts="1.1", thread_ts=None)
    batches.add(tx, "B-1", message, ["F1"], now=NOON)
    tx.update("verifications", "ref = :ref", {"ref": ref}, batch="B-1", batch_row=1)


async def altered_heads(database: Database, *refs: str) -> set[str]:
    return set(await database.read(lambda tx: tx.altered_heads(refs)))


async def test_a_list_is_made_of_the_heads_alone_and_says_what_was_altered_in_them(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(_as_row_of_a_file, "K-1")
        as_it_is = await database.read(shown)
        unlike, noticed, met = [], [], set[str]()
        with closing(beside(path)) as db:
            for change in list(changes(path)):
                met.add(table := change.column.partition(".")[0])
                db.execute(*change.put)
                if table in HEADS:
                    noticed.append(await altered_heads(database, "K-1") == {"K-1"})
                elif await database.read(shown) != as_it_is:
                    unlike.append(change.column)
                db.execute(*change.back)
                # A process that remembered what proved altered would look at the whole from now on.
                database._connections.records.found.forget()
        assert unlike == []
        assert noticed
        assert all(noticed)
        assert met == {table.name for table in COVERED}


async def test_no_row_that_is_put_in_or_taken_away_changes_what_a_list_shows_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    for table in COVERED[1:]:
        async with opened(path) as database:
            ref = f"K-{table.name}"
            await database.write(fill, ref)
            as_it_is = await database.read(shown)
            with closing(beside(path)) as db:
                db.execute(f"DELETE FROM {table.name} WHERE {of_check(table.name)}", [ref])  # noqa: S608 - names from the schema
            if table.in_head:
                assert await altered_heads(database, ref) == {ref}, table.name
            else:
                assert await database.read(shown) == as_it_is, table.name


async def test_what_was_altered_in_the_rest_is_said_by_lists_once_anybody_has_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        with closing(beside(path)) as db:
            (note,) = db.execute("SELECT note FROM posts WHERE ref = 'K-1'").fetchone()
            db.execute("UPDATE posts SET note = 'altered' WHERE ref = 'K-1'")
            assert await altered_heads(database, "K-1", "K-2") == set()
            # Each hour all are examined, and each that is opened at once.
            await database.read(checks.examine_after, "")
            assert await altered_heads(database, "K-1", "K-2") == {"K-1"}
            [altered] = [check for check in (await database.read(shown))[:2] if check.is_altered]
            assert altered.ref == "K-1"
            # Whoever has put it right again need not start the bot anew.
            db.execute("UPDATE posts SET note = ? WHERE ref = 'K-1'", [note])
        assert await altered_heads(database, "K-1", "K-2") == set()


async def test_what_one_process_has_found_in_the_rest_the_lists_of_the_next_one_say_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        with closing(beside(path)) as db:
            db.execute("UPDATE posts SET note = 'altered' WHERE ref = 'K-1'")
        await database.read(checks.examine_after, "")
        # As whoever tells it does: a line that no MAC of this check will ever know.
        await database.write(audit.record_first, at=NOON, actor=audit.BOT, act="check.altered", ref="K-1")
    async with opened(path) as database:
        assert await altered_heads(database, "K-1") == {"K-1"}


async def test_a_job_that_somebody_gave_to_another_check_finds_none_that_is_shown_as_it_stands(tmp_path: Path) -> None:
    """Which check a job belongs to stands in the rest of its record, and is what is searched by."""

    def learn(tx: Transaction) -> None:
        job_id = tx.value("SELECT job_id FROM attempts WHERE ref = 'K-2'")
        attempts.learned_job(tx, job_id, "0000000007")

    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        await database.write(learn)
        [ours] = await database.read(lambda tx: tx.column("SELECT job_id FROM attempts WHERE ref = 'K-2'"))
        with closing(beside(path)) as db:
            db.execute("UPDATE attempts SET ref = 'K-1', number = 2 WHERE ref = 'K-2'")
        for job in ("0000000007", ours):
            database._connections.records.found.forget()
            refs = await database.read(search.by_job, job)
            found = await database.read(search.page, SearchFilter(refs=tuple(refs)), size=5)
            assert [check.ref for check in found.checks if not check.is_altered] == []


async def test_an_older_head_does_not_fit_the_trail(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-1")
    with closing(beside(path)) as db:
        # As if the line had never been: by a copy of all else from before it.
        text = _without_last_line(path)
        db.execute("UPDATE check_macs SET version = 1, mac = ?, rest_sha256 = ?", text)
    async with opened(path, learn_at_once=0) as database:
        assert await altered_heads(database, "K-1") == {"K-1"}


def _without_last_line(path: Path) -> Sequence[object]:
    with closing(beside(path)) as db:
        parts = [*(macs._stored(engines.storage_of(db), ["K-1"])["K-1"].parts or ())]
        [(lines, last)] = db.execute("SELECT COUNT(*), MAX(seq) FROM audit WHERE ref = 'K-1'").fetchall()
    parts[-1] = parts[-1].replace(f"[{lines},{last}]".encode(), f"[{lines - 1},{last - 1}]".encode())
    text = macs.text_of(parts)
    return [macs.mac_of(SEALER, 1, text), text.rest]


async def test_a_mac_that_covers_less_than_it_did_is_none(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(fill, "K-2")
        with closing(beside(path)) as db:
            rests = dict(db.execute("SELECT ref, rest_sha256 FROM check_macs").fetchall())
            for put in (None, bytes(32), rests["K-2"]):
                db.execute("UPDATE check_macs SET rest_sha256 = ? WHERE ref = 'K-1'", [put])
                assert await altered_heads(database, "K-1") == {"K-1"}, put
                assert (await database.read(checks.get, "K-1")).is_altered, put
                database._connections.records.found.forget()


@pytest.mark.sqlite("upgrades are of files")
async def test_macs_of_all_at_once_hold_until_a_commit_touches_their_check(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for number in range(4):
            await database.write(fill, f"K-{number}")
    refs = [f"K-{number}" for number in range(4)]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_heads(db, SEALER)
        assert inspect.examine(path, SEALER, patience=timedelta(0)).pending == ("m0036_heads_of_records",)
    both = Sealer([OTHER, b"k" * 32])
    async with opened(path, both) as database:
        assert await altered_heads(database, *refs) == set()
        assert [check.is_altered for check in await database.read(checks.get_all, refs)] == [False] * 4
        with closing(beside(path)) as db:
            db.execute("UPDATE posts SET note = 'altered' WHERE ref = 'K-1'")
            db.execute("UPDATE verifications SET channel = 'C9' WHERE ref = 'K-2'")
        # Such a record is compared whole, in a list as well.
        assert await altered_heads(database, *refs) == {"K-1", "K-2"}
        for ref in ("K-0", "K-1"):
            await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref=ref)
        assert _of_heads(path) == {"K-0"}
        assert await altered_heads(database, *refs) == {"K-1", "K-2"}
        # With the keys, all that fit are made anew.
        assert await database.write(macs.renew, most=5) == 1
        assert _of_heads(path) == {"K-0", "K-3"}
        assert not database.is_older
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # From before, and put in place of the newer: another MAC, and an older version.
        stored = macs._stored(sql_of(db), ["K-0"])["K-0"]
        made = SEALER.mac(macs.message_at_once(1, stored.parts or ()), purpose="record-mac")
        db.execute("UPDATE check_macs SET version = 1, mac = ?, rest_sha256 = NULL WHERE ref = 'K-0'", [made])
    async with opened(path, both) as database:
        assert database.is_older


def _of_heads(path: Path) -> set[str]:
    with closing(beside(path)) as db:
        return {ref for (ref,) in db.execute("SELECT ref FROM check_macs WHERE rest_sha256 IS NOT NULL")}
