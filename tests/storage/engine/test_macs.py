"""The MAC of a check: whatever is changed in its record beside the bot is noticed, and never sealed again."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import PostKind
from bot.domain.privacy.holds import HoldCause
from bot.domain.results.trust_rules import Disposition, Source
from bot.domain.review.requests import RequestKind, ReviewRequest
from bot.domain.review.review import Decision, Proposal
from bot.errors import RecordAltered
from storage import (
    attempts,
    audit,
    capture_links,
    check_facts,
    checks,
    exports,
    holds,
    meta,
    outbox,
    receipts,
    review_requests,
    reviews,
)
from storage.engine import first_macs, inspect, macs, older_macs
from storage.engine.connection import sql_of
from storage.engine.covered import COVERED, ELSEWHERE, FRACTIONS
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate, migrations
from storage.engine.sealing import Sealer
from tests import engines
from tests.engines import Beside, beside
from tests.storage.older import before_macs, before_macs_of_records

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY, OTHER = b"k" * 32, b"o" * 32
SEALER = Sealer([KEY])
FIRST = {
    "verifications": 45,
    "photos": 7,
    "attempts": 14,
    "receipts": 9,
    "reviews": 15,
    "decisions": 9,
    "review_notes": 6,
    "review_requests": 7,
    "facts": 21,
    "posts": 7,
}
"""How many columns each MAC covered at first."""


@asynccontextmanager
async def opened(path: Path, sealer: Sealer = SEALER, **options: Any) -> AsyncIterator[Database]:
    database = await Database.open(engines.lay(path, sealer), sealer=sealer, migrate=migrate, **options)
    try:
        await database.write(meta.check_key)
        yield database
    finally:
        await database.close()


def fill(tx: Transaction, ref: str, *, number: str = "00000000000", reference: str = "invented") -> None:
    """A check in review with a row in every table that belongs to a check."""
    request = Request(
        requester="U1",
        team="T1",
        channel="C1",
        thread_ts="1.1",
        view_id=f"V-{ref}",
        country="NG",
        id_type="BVN",
        id_info={"id_number": number},
        customer_reference=reference,
        photos=(PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id="F1"),),
        consent_at=NOON,
    )
    checks.add(tx, request, ref=ref, now=NOON)
    job_id = attempts.record(tx, ref=ref, asked_at=NOON, now=NOON).job_id
    message = receipts.Incoming(
        id=f"R-{ref}",
        job_id=job_id,
        source=Source.CALLBACK,
        code="0811",
        body_sha256="ab",
        body={"ResultCode": "0811"},
        fate=Disposition.COUNTED,
        at=NOON,
    )
    receipt = receipts.keep(tx, message).id
    for state, reason in ((State.SUBMITTING, None), (State.IN_REVIEW, ReviewReason.UNKNOWN_CODE)):
        checks.move(tx, ref, state, reason=reason, now=NOON)
    reviews.ensure(tx, ref, 1, now=NOON)
    reviews.reopen(tx, ref, 1, now=NOON)
    proposal = Proposal(decision=Decision.REJECTED, reason="other", by="U2", at=NOON, is_override=False, words="no")
    reviews.add_decision(tx, ref, 1, 1, proposal, confirmed_by=None, now=NOON)
    reviews.add_note(tx, ref, 1, author="U2", words="a note", source="form", now=NOON)
    asked = ReviewRequest(
        id=f"Q-{ref}", ref=ref, round=1, kind=RequestKind.REVIEW, person="U1", reason="other", words="please", at=NOON
    )
    review_requests.add(tx, asked)
    outbox.enqueue(tx, PostKind.NOT_FINAL, key=ref, destination="C1", ref=ref, receipt=receipt, now=NOON)
    holds.add(tx, ref, HoldCause.LEGAL, by="U2", now=NOON)
    capture_links.add(tx, ref, f"invented {ref}", by="U1", expires_at=NOON, remind_at=NOON, now=NOON)


@dataclass(frozen=True, slots=True)
class Change:
    """Another value in one column of a row."""

    column: str
    put: tuple[str, Sequence[object]]
    back: tuple[str, Sequence[object]]


def changes(path: Path, ref: str = "K-1") -> Iterator[Change]:
    """Each covered column, with what puts another value into a row of this check, and what puts the old one back."""
    with closing(beside(path)) as db:
        for table in COVERED:
            keys = table.key if table.through_job or table.key == ("ref",) else ("ref", *table.key)
            columns = (*keys, *(column for column in table.columns if column not in keys))
            found = db.execute(f"SELECT {', '.join(columns)} FROM {table.name} WHERE {of_check(table.name)}", [ref])  # noqa: S608 - names from the schema
            row = found.fetchone()
            if row is None:
                continue  # a caller says which tables it must have met
            of_row = dict(zip(columns, row, strict=True))
            for column in table.columns:
                if column == "ref":
                    continue  # another row, not another value: the check itself is gone then
                kind = engines.kinds_of_columns()[table.name][column]
                other = {"INTEGER": 77, "REAL": 77.5, "BLOB": b"\x77"}.get(kind, "altered")
                set_to = f"UPDATE {table.name} SET {column} = ? WHERE {' AND '.join(f'{key} = ?' for key in keys)}"  # noqa: S608 - as above
                before = [of_row[key] for key in keys]
                after = [other if key == column else of_row[key] for key in keys]
                yield Change(f"{table.name}.{column}", (set_to, [other, *before]), (set_to, [of_row[column], *after]))


@pytest.mark.slow
async def test_every_column_that_changes_beside_the_bot_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(fill, "K-2")
        told: list[str] = []
        database.on_altered(told.extend)
        unnoticed, wrong = [], []
        assert {one.column.partition(".")[0] for one in changes(path)} == {table.name for table in COVERED}
        with closing(beside(path)) as db:
            for change in list(changes(path)):
                db.execute(*change.put)
                if not (await database.read(checks.get, "K-1")).is_altered:
                    unnoticed.append(change.column)
                db.execute(*change.back)
                if (await database.read(checks.get, "K-1")).is_altered:
                    wrong.append(change.column)
        assert (unnoticed, wrong) == ([], [])
        assert told == ["K-1"]
        assert database.altered == {"K-1"}
        assert not (await database.read(checks.get, "K-2")).is_altered


@pytest.mark.slow
async def test_a_row_that_is_added_or_taken_away_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for number, table in enumerate(COVERED[1:]):
            ref = f"K-{number}"
            await database.write(fill, ref)
            with closing(beside(path)) as db:
                db.execute(f"DELETE FROM {table.name} WHERE {of_check(table.name)}", [ref])  # noqa: S608 - names from the schema
            assert (await database.read(checks.get, ref)).is_altered, table.name
        await database.write(fill, "K-audit")
        with closing(beside(path)) as db, unguarded_trail(db):
            db.execute("DELETE FROM audit WHERE ref = 'K-audit' AND seq = (SELECT MAX(seq) FROM audit)")
        assert (await database.read(checks.get, "K-audit")).is_altered
        await database.write(fill, "K-added")
        with closing(beside(path)) as db:
            db.execute(
                "INSERT INTO decisions (ref, round, number, decision, reason, decided_by, override, at)"
                " VALUES ('K-added', 1, 2, 'approved', 'other', 'U9', 0, '2026-11-22T12:00:00.000000Z')"
            )
        assert (await database.read(checks.get, "K-added")).is_altered


async def test_a_nul_in_somebodys_text_is_stored_alike_on_either_engine(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1", reference="sealed\0")
        await database.write(audit.record, at=NOON, actor="U\0", act="summary.opened", detail="\0")
        await database.write(lambda tx: tx.update("verifications", "ref = 'K-1'", {}, channel="C\0 1"))
        check = await database.read(checks.get, "K-1")
        assert (check.channel, check.is_altered) == ("C\ufffd 1", False)
        assert check.customer_reference == "sealed\0"
        found = "SELECT ref FROM verifications WHERE channel = :channel"
        assert await database.read(lambda tx: tx.value(found, channel="C\0 1")) == "K-1"
    async with opened(path) as database:
        assert not database.is_trail_broken


@pytest.mark.slow
async def test_an_altered_check_shows_nothing_and_takes_no_decision_and_gets_no_new_mac(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        with closing(beside(path)) as db:
            db.execute(
                "UPDATE verifications"
                " SET state = 'approved', reason = NULL, verdict_outcome = 'approved', verdict = '0810'"
            )
            db.execute("UPDATE facts SET state = 'approved', reason = NULL, settled_at = asked_at, ended_at = asked_at")
        seen = await database.read(checks.get, "K-1")
        assert (seen.state, seen.reason, seen.verdict) == (State.IN_REVIEW, ReviewReason.ALTERED, None)
        assert (seen.verdict_outcome, seen.decision, seen.final_verdict) == (None, None, None)
        assert dict(seen.id_info) == {}
        (line,) = await database.read(exports.page, exports.ExportRange(), None)
        assert (line.state, line.reason, line.verdict) == ("altered", "altered", "")
        day = timedelta(days=1)
        assert await database.read(check_facts.settled, NOON - day, NOON + day) == ([], [NOON, NOON])
        assert await database.read(check_facts.in_review) == []
        assert await database.read(check_facts.altered, NOON - day, NOON + day) == 1
        assert await database.read(reviews.open_now) == []
        proposal = Proposal(decision=Decision.APPROVED, reason="other", by="U3", at=NOON, is_override=False, words="")
        for attack in (
            lambda tx: checks.decide(tx, "K-1", proposal, now=NOON),
            lambda tx: reviews.propose(tx, "K-1", 1, proposal),
            lambda tx: reviews.claim(tx, "K-1", 1, by="U3", now=NOON),
            lambda tx: reviews.add_decision(tx, "K-1", 1, 2, proposal, confirmed_by=None, now=NOON),
            lambda tx: checks.move(tx, "K-1", State.IN_REVIEW, reason=ReviewReason.SECOND_FINAL, now=NOON),
            lambda tx: attempts.record(tx, ref="K-1", asked_at=NOON, now=NOON),
        ):
            with pytest.raises(RecordAltered):
                await database.write(attack)
        # What Smile ID says, and who looked, is kept all the same, and seals nothing.
        await database.write(audit.record, at=NOON, actor="U3", act="details.opened", ref="K-1")
        assert (await database.read(checks.get, "K-1")).is_altered
        # Nor does another function of the same commit, which may be about another check.
        await database.write(fill, "K-2")
        assert not (await database.read(checks.get, "K-2")).is_altered


def rows(path: Path, ref: str) -> dict[str, list[tuple[object, ...]]]:
    """All that the file has of a check, its MAC and its lines in the audit trail among it."""
    with closing(beside(path)) as db:
        names = [*(table.name for table in COVERED), "audit", "check_macs"]
        return {name: db.execute(f"SELECT * FROM {name} WHERE {of_check(name)}", [ref]).fetchall() for name in names}  # noqa: S608 - names from the schema


@contextmanager
def unguarded_trail(db: Beside) -> Iterator[None]:
    """Meanwhile lines can be changed and removed, by a thief who leaves the schema as it was."""
    if not engines.is_sqlite():
        yield  # no trigger stops them
        return
    guards = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'").fetchall()
    assert guards
    for name, _sql in guards:
        db.execute(f"DROP TRIGGER {name}")
    yield
    for _name, sql in guards:
        db.execute(sql)


def put_back(path: Path, ref: str, older: dict[str, list[tuple[object, ...]]], *, but: str = "") -> None:
    with closing(beside(path)) as db, unguarded_trail(db):
        for name in reversed(older):
            if name != but:
                db.execute(f"DELETE FROM {name} WHERE {of_check(name)}", [ref])  # noqa: S608 - names from the schema
        for name, found in older.items():
            for row in found if name != but else ():
                db.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - names from the schema


def of_check(name: str) -> str:
    """SQL for the rows of a table that belong to the check whose reference is bound."""
    return "job_id IN (SELECT job_id FROM attempts WHERE ref = ?)" if name == "receipts" else "ref = ?"


@pytest.mark.slow
async def test_an_older_copy_put_back_with_its_own_mac_is_noticed_while_the_bot_runs(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
    async with opened(path) as database:
        older = rows(path, "K-1")
        await database.write(checks.move, "K-1", State.REJECTED, now=NOON)
        put_back(path, "K-1", older)
        assert (await database.read(checks.get, "K-1")).is_altered
        with pytest.raises(RecordAltered):
            await database.write(checks.move, "K-1", State.FAILED, now=NOON)


@pytest.mark.slow
async def test_an_older_copy_put_back_while_no_bot_ran_does_not_fit_the_trail_nor_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(fill, "K-2")
        older = rows(path, "K-1")
        await database.write(checks.move, "K-1", State.REJECTED, now=NOON)
    put_back(path, "K-1", older, but="audit")
    async with opened(path) as database:
        assert (await database.read(checks.get, "K-1")).is_altered
        assert database.is_older
    # With its lines in the trail gone too, the check fits itself, and the sum over all checks does not.
    put_back(path, "K-1", older)
    for _start in range(2):
        async with opened(path) as database:
            assert not (await database.read(checks.get, "K-1")).is_altered
            assert database.is_older
            await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-2")


@pytest.mark.slow
async def test_of_a_large_file_an_older_copy_is_noticed_behind_the_start(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(fill, "K-2")
        older = rows(path, "K-1")
        await database.write(checks.move, "K-1", State.REJECTED, now=NOON)
        newer = rows(path, "K-1")
    put_back(path, "K-1", older)
    for _start in range(2):
        async with opened(path, learn_at_once=1) as database:
            # What is written before the versions are known hides nothing.
            await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-2")
            await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-1")
            await database.learned()
            assert database.is_older
    assert newer != older


@pytest.mark.slow
async def test_who_writes_while_the_versions_of_a_large_file_are_read_is_not_taken_for_a_thief(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for number in range(20):
            await database.write(fill, f"K-{number}")
    async with opened(path, learn_at_once=5) as database:
        for number in range(20):
            await database.write(checks.move, f"K-{number}", State.REJECTED, now=NOON)
        await database.learned()
        assert not database.is_older
        assert not database.altered
        older = rows(path, "K-1")
        await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-1")
        put_back(path, "K-1", older)
        assert (await database.read(checks.get, "K-1")).is_altered
        # One that nobody has written since is known from the file.
        older = rows(path, "K-2")
    async with opened(path) as database:
        await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-2")
    async with opened(path, learn_at_once=5) as database:
        await database.learned()
        put_back(path, "K-2", older)
        assert (await database.read(checks.get, "K-2")).is_altered


@pytest.mark.slow
async def test_the_end_does_not_wait_until_all_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
    with closing(beside(path)) as db:
        db.executemany(
            "INSERT INTO check_macs (ref, version, mac) VALUES (?, 1, '')",
            [(f"K-X{number}",) for number in range(40_000)],
        )
    async with opened(path, learn_at_once=5) as database:
        await database.close()
        await database.learned()
        assert not database.is_older  # nothing was learned


@pytest.mark.slow
async def test_who_reads_while_it_is_written_sees_no_alteration(tmp_path: Path) -> None:
    """A reader's snapshot may be older than what the process knows by then."""
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")

        async def write() -> None:
            for _time in range(200):
                await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-1")

        async def read() -> None:
            while not writing.done():
                await database.read(checks.get, "K-1")

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, read(), read())
        assert database.altered == set()
        assert not database.is_older


@pytest.mark.slow
async def test_a_sum_that_is_gone_or_older_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        with closing(beside(path)) as db:
            (older,) = db.execute("SELECT value_sealed FROM meta WHERE name = 'macs'").fetchone()
        await database.write(fill, "K-2")
        with closing(beside(path)) as db:
            db.execute("UPDATE meta SET value_sealed = ? WHERE name = 'macs'", [older])
        await database.write(fill, "K-3")
        assert database.is_older
    with closing(beside(path)) as db:
        db.execute("DELETE FROM meta WHERE name = 'macs'")
    async with opened(path) as database:
        assert database.is_older


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_a_mac_that_is_taken_away_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
    with closing(beside(path)) as db:
        db.execute("UPDATE verifications SET requester = 'U9'")
        db.execute("DELETE FROM check_macs")
        # As if the upgrade had not been finished.
        db.execute("INSERT INTO meta (name, value) VALUES (?, '')", [first_macs.DUE])
    async with opened(path) as database:
        assert (await database.read(checks.get, "K-1")).is_altered
        assert await database.write(lambda tx: tx.value("SELECT COUNT(*) FROM check_macs")) == 0


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_checks_from_before_get_their_macs_once_and_a_kill_costs_a_page(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for number in range(7):
            await database.write(fill, f"K-{number}")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_macs(db, SEALER)
        migrations.apply(sqlite_utils.Database(db))
        assert first_macs.left(sql_of(db))
        # Killed after the first page: some have theirs.
        with sqlite_utils.Database(db).atomic():
            first_macs.make_page(db, SEALER, ["K-0", "K-1"])
    async with opened(path) as database:
        assert not database.is_older
        for number in range(7):
            assert not (await database.read(checks.get, f"K-{number}")).is_altered
        assert database.altered == set()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert not first_macs.left(sql_of(db))
        assert [version for (version,) in db.execute("SELECT version FROM check_macs")] == [1] * 7


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_older_macs_are_renewed_once_and_what_does_not_fit_stays_altered(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for number in range(6):
            await database.write(fill, f"K-{number}")
        await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-5")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        versions = db.execute("SELECT ref, version FROM check_macs").fetchall()
        before_macs_of_records(db, SEALER)
        db.execute("UPDATE photos SET file_id = 'F9' WHERE ref = 'K-1'")
        db.execute("UPDATE check_macs SET version = 1 WHERE ref = 'K-5'")
        seen = inspect.examine(path, SEALER, patience=timedelta(seconds=5))
        assert (seen.altered, seen.pending) == (0, ("m0032_macs_of_records",))  # not examined before it is renewed
        migrations.apply(sqlite_utils.Database(db))
        assert older_macs.left(engines.storage_of(db))
        # Killed after the first page: some have theirs.
        with sqlite_utils.Database(db).atomic():
            older_macs.renew_page(sql_of(db), SEALER, ["K-0", "K-1"])
        assert inspect.examine(path, SEALER, patience=timedelta(seconds=5)).unfinished
    for put_back in (False, True):
        if put_back:
            # Whoever puts the note back has nothing believed that was altered since.
            with closing(beside(path)) as db:
                db.execute("UPDATE facts SET person = 'U9' WHERE ref = 'K-2'")
                db.execute("INSERT INTO meta (name, value) VALUES (?, '')", [older_macs.DUE])
        async with opened(path) as database:
            whole = {ref for ref, _ in versions if not (await database.read(checks.get, ref)).is_altered}
            assert whole == {"K-0", "K-2", "K-3", "K-4"} - ({"K-2"} if put_back else set())
        with closing(beside(path)) as db:
            assert not older_macs.left(engines.storage_of(db))
            after = dict(db.execute("SELECT ref, version FROM check_macs"))
            assert after == dict(versions) | {"K-5": 1}


async def test_under_a_newer_key_old_macs_hold_and_new_ones_are_made(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(fill, "K-2")
    both = Sealer([OTHER, KEY])
    async with opened(path, both) as database:
        assert not (await database.read(checks.get, "K-1")).is_altered
        assert await database.read(macs.under_older_keys) == 2
        assert await database.write(macs.renew, most=1) == 1
        assert await database.write(macs.renew, most=5) == 1
        assert await database.read(macs.under_older_keys) == 0
        assert not database.is_older
        assert database.altered == set()
    with closing(beside(path)) as db:
        assert {mac.partition(":")[0] for (mac,) in db.execute("SELECT mac FROM check_macs")} == {both.key_id}
        assert {mac.partition(":")[0] for (mac,) in db.execute("SELECT mac FROM facts")} == {both.key_id}


@pytest.mark.slow
async def test_a_copy_of_the_whole_file_fits_itself(tmp_path: Path) -> None:
    """What nothing in a file can notice; docs/operations.md says so."""
    path, copy = tmp_path / "kyc.db", tmp_path / "copy.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
    engines.copy(path, copy, SEALER)
    async with opened(copy) as database:
        assert not (await database.read(checks.get, "K-1")).is_altered
        assert not database.is_older


@pytest.mark.slow
async def test_a_check_that_is_taken_away_whole_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(fill, "K-2")
        put_back(path, "K-1", {name: [] for name in rows(path, "K-1")})
        assert await database.read(checks.find, "K-1") is None
        assert await database.read(checks.examine_after, "") == "K-2"
        assert await database.read(checks.examine_after, "K-2") == ""
        assert database.is_older
    if engines.is_sqlite():
        seen = inspect.examine(path, SEALER, patience=timedelta(seconds=5))
        assert (seen.altered, seen.older) == (0, True)


@pytest.mark.sqlite("needs no database")
def test_macs_out_there_stay_valid() -> None:
    """A column is added at the end of its table's, so that a row from before it has the MAC that it always had."""
    first = "|".join(",".join(table.columns[: FIRST[table.name]]) for table in COVERED if table.name in FIRST)
    assert hashlib.sha256(first.encode()).hexdigest()[:16] == "f9fb15a9c236dff5"


@pytest.mark.sqlite("of the schema, whichever engine has it")
def test_every_column_of_the_schema_is_covered_or_says_why_not() -> None:
    with closing(sqlite_utils.Database(memory=True)) as db:
        migrations.apply(db)
        tables = {table.name: table for table in COVERED}
        of_checks = {
            name: {column.name for column in db[name].columns}
            for name in db.table_names()
            if name != migrations.migrations_table and name not in ELSEWHERE
        }
        assert of_checks.keys() == tables.keys()
        for name, columns in of_checks.items():
            table = tables[name]
            hangs_on = set() if table.through_job or name == "verifications" else {"ref"}
            assert set(table.columns) | set(table.left_out) | hangs_on == columns, name
            assert not set(table.columns) & set(table.left_out)
            assert set(table.decisive) <= set(table.columns)
            assert set(table.key) <= set(table.columns)
            types = {column.name: column.type for column in db[name].columns if column.name in table.columns}
            assert {column for column, type_ in types.items() if type_ == "BLOB"} == {
                column for column in types if column.endswith("_sealed")
            }
            assert {column for column, type_ in types.items() if type_ == "REAL"} == FRACTIONS & types.keys()
        assert ELSEWHERE.keys() <= set(db.table_names())
