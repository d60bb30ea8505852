"""`kyc-bot audit access` and `touched`: who had which role when, and whose data was seen in a span."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from bot.privacy import trail_reports
from storage import audit
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file
from tests.storage.engine.test_macs import fill

pytestmark = pytest.mark.slow

KEY = Sealer.new_key()
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def prepare(folder: Path, *calls: Callable[[Transaction], object]) -> Path:
    """A database in which these were written, one commit each."""

    async def write() -> None:
        database = await Database.open(
            fresh_file.lay(folder / "kyc.db"), sealer=Sealer.from_text([KEY]), migrate=migrate
        )
        for call in calls:
            await database.write(call)
        await database.close()

    asyncio.run(write())
    return folder / "kyc.db"


def run(database: Path, *arguments: str) -> Result:
    environment = {"KYC_DATABASE": str(database), "KYC_ENCRYPTION_KEYS": KEY, "KYC_TIMEZONE": "UTC"}
    return CliRunner().invoke(main, ["audit", *arguments], env=environment)


def line(
    act: str, *, day: float, ref: str | None = None, detail: str = "", actor: str = "U0REMI00001"
) -> Callable[[Transaction], None]:
    return lambda tx: audit.record(tx, at=MARCH + day * DAY, actor=actor, act=act, ref=ref, detail=detail)


def role(act: str, who: str, day: float) -> Callable[[Transaction], None]:
    return line(f"role.{act}", day=day, detail=who, actor=audit.BOT)


def test_who_had_which_role_when(tmp_path: Path) -> None:
    database = prepare(
        tmp_path,
        role("gained", "reviewer:U0REMI00001", 0),
        role("gained", "viewer:*", 0),
        role("gained", "admin:U0MUSA00001", 1),
        role("lost", "reviewer:U0REMI00001", 2),
        role("gained", "reviewer:U0REMI00001", 5),
        role("lost", "admin:U0MUSA00001", 6),
    )
    assert run(database, "access").stdout.splitlines() == [
        "reviewer   U0REMI00001  2026-03-01 00:00:00 UTC  2026-03-03 00:00:00 UTC",
        "viewer     *            2026-03-01 00:00:00 UTC  now",
        "admin      U0MUSA00001  2026-03-02 00:00:00 UTC  2026-03-07 00:00:00 UTC",
        "reviewer   U0REMI00001  2026-03-06 00:00:00 UTC  now",
    ]
    # On the 4th and 5th nobody reviewed: the first period was over, the second not begun.
    between = run(database, "access", "--from", "2026-03-04", "--to", "2026-03-05", "--json")
    told = [json.loads(one) for one in between.stdout.splitlines()]
    assert [(one["role"], one["person"]) for one in told] == [("viewer", "*"), ("admin", "U0MUSA00001")]
    assert (told[0]["until"], told[1]["until"]) == (None, "2026-03-07T00:00:00+00:00")
    # A day's last second counts, and the next day's first does not.
    assert "admin" in run(database, "access", "--from", "2026-03-06", "--to", "2026-03-06").stdout
    assert "admin" not in run(database, "access", "--from", "2026-03-07").stdout


def test_whose_data_was_looked_at_or_changed_in_a_span(tmp_path: Path) -> None:
    def erased(tx: Transaction) -> None:
        audit.record(tx, at=MARCH + 3 * DAY, actor="U0REMI00001", act="details.opened", ref="K-ERASED")

    database = prepare(
        tmp_path,
        *(partial(fill, ref=ref) for ref in ("K-AAAAAA", "K-BBBBBB", "K-CCCCCC")),
        line("details.opened", day=1, ref="K-AAAAAA"),
        line("photos.opened", day=3.5, ref="K-AAAAAA"),
        line("check.moved", day=3, ref="K-AAAAAA", actor=audit.BOT),
        line("check.listed", day=3, ref="K-BBBBBB"),
        line("act.refused", day=3, ref="K-CCCCCC", detail="no_details:command"),
        line("batch.read", day=3, ref="B-AAAAAA", actor=audit.BOT),
        erased,
        lambda tx: audit.record(
            tx, at=MARCH + 3 * DAY, actor="U0REMI00001", act="checks.found", detail="number:0", number_print="x"
        ),
        line("details.opened", day=4, ref="K-CCCCCC"),
    )
    found = run(database, "touched", "--from", "2026-03-03", "--to", "2026-03-04")
    assert found.exit_code == 0, found.output
    header, *rows = csv.reader(io.StringIO(found.stdout.lstrip("\ufeff")))
    assert header == ["reference", "country", "looks", "changes", "first", "last"]
    at = [(MARCH + day * DAY).isoformat() for day in (3, 3.5)]
    assert rows == [
        ["K-AAAAAA", "NG", "1", "1", at[0], at[1]],
        ["K-BBBBBB", "NG", "1", "0", at[0], at[0]],
        ["K-ERASED", "", "1", "0", at[0], at[0]],
    ]
    assert "3 checks, of 2 customers at most; 1 search for an ID number that is of no check" in found.stderr
    # The same where a check's lines stand in several parts of the trail.
    in_parts = asyncio.run(touched_in_parts(database))
    assert [[one.ref, one.country, str(one.looks), str(one.changes)] for one in in_parts.checks] == [
        row[:4] for row in rows
    ]
    assert (in_parts.customers, in_parts.looks_for_nobody) == (2, 1)


async def touched_in_parts(path: Path) -> trail_reports.Touched:
    database = await Database.open(path, sealer=Sealer.from_text([KEY]), migrate=migrate)
    try:
        since, until = MARCH + 2 * DAY, MARCH + 4 * DAY
        return await trail_reports.touched(database, since=since, until=until, now=until, span="any", step=2)
    finally:
        await database.close()


def test_a_list_of_whose_data_was_seen_is_itself_recorded_and_private(tmp_path: Path) -> None:
    database = prepare(tmp_path, partial(fill, ref="K-AAAAAA"), line("details.opened", day=1, ref="K-AAAAAA"))
    target = tmp_path / "seen.csv"
    ended = run(database, "touched", "--from", "2026-03-02", "--to", "2026-03-02", "--output", str(target))
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "K-AAAAAA" in target.read_text("utf-8")
    assert target.stat().st_mode & 0o777 == 0o600
    lines: list[tuple[str, str, str]] = []
    prepare(tmp_path, lambda tx: lines.extend(tuple(row) for row in tx.rows("SELECT actor, act, detail FROM audit")))
    assert lines[-1] == ("operator", "touched.listed", "2026-03-02..2026-03-02:1")


def test_a_span_that_ends_before_it_begins_is_a_usage_fault(tmp_path: Path) -> None:
    database = prepare(tmp_path)
    for command in ("access", "touched"):
        assert run(database, command, "--from", "2026-03-05", "--to", "2026-03-01").exit_code == 2
    assert run(database, "touched", "--from", "2026-03-05").exit_code == 2
