"""What is done to the audit trail or to the records beside it is found, and the line is named."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlite_utils

from storage import audit, checks, retention, trail_check
from storage.engine import backup, chain, macs, restored
from storage.engine.chain import ChainedLine, Head
from storage.engine.connection import sql_of
from storage.engine.database import Database
from storage.engine.migrations import migrations
from storage.engine.record_versions import RecordSum
from storage.trail_check import Fault, FaultKind, gathered
from tests.engines import Beside, beside, beside_file, saved, storage_of
from tests.storage.engine.test_macs import NOON, SEALER, fill, opened, put_back, rows, unguarded_trail
from tests.storage.engine.test_thief import run_lax
from tests.storage.older import before_chain, before_slack_removals, without_links, without_views
from tests.storage.test_retention import two_that_ended

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

Tamper = Callable[[Beside], object]


async def found(database: Database, kept_elsewhere: Head | None = None) -> list[Fault]:
    faults: list[Fault] = []
    lines = trail_check.Progress()
    while not lines.done:
        lines = await database.read(trail_check.compare_lines, lines, kept_elsewhere=kept_elsewhere)
        faults += lines.faults
    records = trail_check.RecordProgress()
    while not records.done:
        records = await database.read(trail_check.compare_records, records)
        faults += records.faults
    return gathered(faults)


async def holds_for(database: Database, ref: str) -> bool:
    own = await database.read(trail_check.before_lines_of, ref)
    while not own.is_over:
        own = await database.read(trail_check.compare_lines_of, own)
    if own.hold:
        assert [line.seq for line in own.lines] == [line.seq for line in await database.read(audit.lines_of, ref)]
    return own.hold


async def trail(path: Path) -> Head:
    """Two checks and some lines that name none; where it ends."""
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        await database.write(without_links)
        for number in range(4):
            await database.write(audit.record, at=NOON, actor="U1", act="summary.opened", detail=str(number))
        assert await found(database) == []
        return await database.read(audit.head)


COLUMNS = [name for name in ChainedLine._fields if name != "seq"] + ["chain"]


@pytest.mark.slow
@pytest.mark.parametrize("is_running", [True, False])
async def test_each_field_of_each_line_that_is_changed_is_found(tmp_path: Path, is_running: bool) -> None:
    path = tmp_path / "kyc.db"
    head = await trail(path)
    for seq in (1, 3, head.seq - 1, head.seq):
        for column in COLUMNS:
            with closing(beside(path)) as db, unguarded_trail(db):
                (was,) = db.execute(f"SELECT {column} FROM audit WHERE seq = ?", [seq]).fetchone()  # noqa: S608 - names from the code
                other = 77 if column == "version" else "f" * 64 if column in {"chain", "person"} else "other"
                db.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", [other, seq])  # noqa: S608 - as above
            async with opened(path) as database:
                told = await found(database)
                assert told, (seq, column)
                kinds = {fault.kind for fault in told}
                if column == "chain":
                    # What follows a changed hash does not fit it, either; of the last line the head tells.
                    assert kinds & {FaultKind.CHANGED, FaultKind.MADE_ANEW}, (seq, kinds)
                else:
                    assert Fault(kind=FaultKind.CHANGED, seq=seq) in told, (seq, column)
                if is_running:
                    await database.write(audit.record, at=NOON, actor="U1", act="summary.opened")
                    assert await found(database) != []
            if is_running:
                return
            with closing(beside(path)) as db, unguarded_trail(db):
                db.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", [was, seq])  # noqa: S608 - as above
    async with opened(path) as database:
        assert await found(database) == []


@pytest.mark.sqlite("a server's column holds no other type")
@pytest.mark.slow
async def test_a_value_of_another_type_is_a_changed_line_and_keeps_nobody_from_working(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    head = await trail(path)
    of_line = {**dict(enumerate(COLUMNS, 2)), head.seq: "chain"}
    assert len(of_line) == len(COLUMNS) + 1
    for seq, column in of_line.items():
        put_past_schema(path, seq, column, "x''" if seq == head.seq else "x'00FF'")
    async with opened(path) as database:
        told = [fault for fault in await found(database) if fault.kind is FaultKind.CHANGED]
        changed = {seq for fault in told if fault.seq for seq in range(fault.seq, fault.seq + fault.lines)}
        assert changed >= of_line.keys()
        await database.write(audit.record, at=NOON, actor="U1", act="summary.opened")
        await database.write(checks.also_asked_by, "K-2", "U9")


@pytest.mark.sqlite("a server's column holds no other type")
@pytest.mark.slow
async def test_a_last_line_of_another_type_keeps_no_check_from_being_changed(tmp_path: Path) -> None:
    """Whose own line has the time of the last one."""
    path = tmp_path / "kyc.db"
    head = await trail(path)
    async with opened(path) as database:
        put_past_schema(path, head.seq, "at", "x'00FF'")
        await database.write(checks.also_asked_by, "K-1", "U9")
        assert not (await database.read(checks.get, "K-1")).is_altered
        assert Fault(kind=FaultKind.CHANGED, seq=head.seq) in await found(database)


def put_past_schema(path: Path, seq: int, column: str, blob: str) -> None:
    with closing(beside_file(path)) as db, unguarded_trail(db):
        run_lax(path, "audit", [f"UPDATE audit SET {column} = {blob} WHERE seq = {seq}"])  # noqa: S608 - names from the code
        assert db.execute(f"SELECT typeof({column}) FROM audit WHERE seq = ?", [seq]).fetchone() == ("blob",)  # noqa: S608 - as above


def remove(*seqs: int) -> Tamper:
    return lambda db: [db.execute("DELETE FROM audit WHERE seq = ?", [seq]) for seq in seqs]


def swap(one: int, other: int) -> Tamper:
    def change(db: Beside) -> None:
        for before, after in ((one, -1), (other, one), (-1, other)):
            db.execute("UPDATE audit SET seq = ? WHERE seq = ?", [after, before])

    return change


def renumber(removed: int) -> Tamper:
    """Close the gap."""

    def change(db: Beside) -> None:
        remove(removed)(db)
        db.execute("UPDATE audit SET seq = -(seq - 1) WHERE seq > ?", [removed])
        db.execute("UPDATE audit SET seq = -seq WHERE seq < 0")

    return change


def add(chained: bool) -> Tamper:
    def change(db: Beside) -> None:
        last = chain.last(storage_of(db))
        db.execute("INSERT INTO audit (at, actor, act) VALUES ('2026-11-22T12:00:00.000000Z', 'U9', 'check.moved')")
        if chained:
            chain.complete(storage_of(db), last, chain.lines_after(storage_of(db), last.seq), versions={})

    return change


def make_anew(db: Beside) -> None:
    """Everything from a changed line on, as whoever has no key can."""
    db.execute("UPDATE audit SET actor = 'U9' WHERE seq = 2")
    head = chain.NOWHERE
    for line in chain.lines_after(storage_of(db), 0):
        head = Head(seq=line.seq, chain=chain.following(head.chain, line))
        db.execute("UPDATE audit SET chain = ? WHERE seq = ?", [head.chain, line.seq])


def without_hashes(db: Beside) -> None:
    """As if it were a trail from before: it would be begun anew, with whatever stands in it."""
    db.execute("UPDATE audit SET chain = NULL, version = NULL, actor = 'U9'")
    db.execute("INSERT INTO meta (name, value) VALUES ('chain_due', '')")


def faults_of(kind: FaultKind, seq: int, lines: int = 1) -> list[Fault]:
    return [Fault(kind=kind, seq=seq, lines=lines)]


@pytest.mark.slow
async def test_lines_that_are_removed_moved_or_put_in_are_found(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    end = (await trail(path)).seq
    missing, changed, cut, added = FaultKind.MISSING, FaultKind.CHANGED, FaultKind.CUT, FaultKind.ADDED
    in_the_middle: list[tuple[Tamper, list[Fault]]] = [
        (remove(2), faults_of(missing, 3)),
        (remove(1), faults_of(missing, 2)),
        (remove(end - 2, end - 1), faults_of(missing, end, 2)),
        (swap(end - 2, end - 1), faults_of(changed, end - 2, 3)),
        (swap(end - 3, end - 1), faults_of(changed, end - 3, 4)),
    ]
    at_the_end: list[tuple[Tamper, list[Fault]]] = [
        (remove(end), faults_of(cut, end - 1)),
        (remove(end, end - 1, end - 2), faults_of(cut, end - 3, 3)),
        (renumber(end - 2), [*faults_of(changed, end - 2, 2), *faults_of(cut, end - 1)]),
        (add(chained=False), [*faults_of(FaultKind.UNCHAINED, end + 1), *faults_of(added, end + 1)]),
        (add(chained=True), faults_of(added, end + 1)),
        (make_anew, faults_of(FaultKind.MADE_ANEW, end)),
    ]
    put_all_back = saved(path)
    for tamper, told in (*in_the_middle, *at_the_end):
        ends_elsewhere = (tamper, told) in at_the_end
        put_all_back()
        async with opened(path) as database:
            with closing(beside(path)) as db, unguarded_trail(db):
                tamper(db)
            assert lines_among(await found(database)) == told
            # The bot's next line hides nothing: it follows the one that the bot wrote last.
            await database.write(audit.record, at=NOON, actor="U1", act="summary.opened")
            assert database.is_trail_broken is ends_elsewhere
            assert await found(database) != []
        put_all_back()
        with closing(beside(path)) as db, unguarded_trail(db):
            tamper(db)
        async with opened(path) as database:
            assert database.is_trail_broken is ends_elsewhere
            assert lines_among(await found(database)) == told


def lines_among(faults: list[Fault]) -> list[Fault]:
    """Those of lines; what is wrong with records follows from them."""
    return [fault for fault in faults if fault.ref is None]


async def of_before(path: Path) -> bytes:
    """The sealed sum of all records as an upgrade finds it, which knows no head."""
    async with opened(path) as database:
        kept = await database.read(lambda tx: RecordSum.read(tx.connection, SEALER))
    assert kept is not None
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value_sealed BLOB)")
        replace(kept, head=chain.NOWHERE, commits=1).write(sql_of(db), SEALER)
        return bytes(db.execute("SELECT value_sealed FROM meta").fetchone()[0])


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["kept", "gone", "older"])
async def test_a_trail_without_its_hashes_is_not_begun_anew(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "kyc.db"
    await trail(path)
    older = await of_before(path)
    async with opened(path) as database:
        await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-1")
        head = await database.read(audit.head)
    with closing(beside(path)) as db, unguarded_trail(db):
        without_hashes(db)
        if kept == "gone":
            db.execute("DELETE FROM meta WHERE name = 'macs'")
        elif kept == "older":
            db.execute("UPDATE meta SET value_sealed = ? WHERE name = 'macs'", [older])
    told = {"kept": FaultKind.MADE_ANEW, "gone": FaultKind.NO_HEAD, "older": FaultKind.ADDED}[kept]
    async with opened(path) as database:
        assert database.is_trail_broken
        assert [fault.kind for fault in lines_among(await found(database))] == [told]
        assert await database.read(audit.head) == Head(seq=head.seq, chain="")
        # Nor does the bot's own next line make them part of a chain.
        await database.write(audit.record, at=NOON, actor="U1", act="summary.opened")
    async with opened(path) as database:
        assert faults_of(FaultKind.NOT_BEGUN, 1, head.seq)[0] in await found(database)


@pytest.mark.slow
async def test_lines_under_numbers_that_the_bot_never_gives_are_found(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await trail(path)
    forged = "INSERT INTO audit (seq, at, actor, act, chain) VALUES (?, ?, 'U9', 'role.gained', ?)"
    async with opened(path) as database:
        with closing(beside(path)) as db:
            for seq, hashed in ((0, None), (-7, "f" * 64)):
                db.execute(forged, [seq, "2026-11-22T12:00:00.000000Z", hashed])
        before_first = FaultKind.BEFORE_FIRST
        assert await found(database) == [*faults_of(before_first, -7), *faults_of(before_first, 0)]


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_what_an_older_trail_lacks_is_no_fault_and_what_it_loses_is_one(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await trail(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        without_views(db)
        before_slack_removals(db)
        before_chain(db, SEALER)
        # Nothing kept anybody from it.
        db.execute("DELETE FROM audit WHERE act = 'summary.opened' AND detail = '1'")
    async with opened(path) as database:
        assert await found(database) == []
        with closing(beside(path)) as other, unguarded_trail(other):
            other.execute("DELETE FROM audit WHERE act = 'summary.opened' AND detail = '2'")
        assert [fault.kind for fault in await found(database)] == [FaultKind.OLDER_CHANGED]


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
@pytest.mark.parametrize("is_before", [True, False], ids=["before the upgrade", "since"])
async def test_a_value_of_another_type_in_an_older_trail_is_part_of_what_it_was_or_a_fault(
    tmp_path: Path, *, is_before: bool
) -> None:
    path = tmp_path / "kyc.db"
    await trail(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        without_views(db)
        before_slack_removals(db)
        before_chain(db, SEALER)
        [(newest,)] = db.execute("SELECT MAX(seq) FROM audit")
    if is_before:
        for seq, column in ((2, "detail"), (newest, "at")):
            run_lax(path, "audit", [f"UPDATE audit SET {column} = x'00FF' WHERE seq = {seq}"])  # noqa: S608 - names from the code
    async with opened(path) as database:
        assert lines_among(await found(database)) == []
        put_past_schema(path, 2, "detail", "x'00FE'")
        assert [fault.kind for fault in lines_among(await found(database))] == [FaultKind.OLDER_CHANGED]
        put_past_schema(path, 3, "chain", "x'00FE'")
        assert FaultKind.CHANGED in {fault.kind for fault in await found(database)}


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_a_backup_from_the_midst_of_an_upgrade_is_chained_by_the_next_start(tmp_path: Path) -> None:
    path, copy = tmp_path / "kyc.db", tmp_path / "copy.backup"
    await trail(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        without_views(db)
        before_slack_removals(db)
        before_chain(db, SEALER)
    with closing(sqlite3.connect(path)) as db:
        # Killed between the migrations and the first line of the chain.
        migrations.apply(sqlite_utils.Database(db))
    backup.take(path, copy, SEALER)
    backup.restore(copy, path, SEALER, now=NOON + timedelta(days=1), force=True)
    async with opened(path) as database:
        assert await found(database) == []
        acts = await database.read(lambda tx: tx.column("SELECT act FROM audit ORDER BY seq DESC LIMIT 2"))
        assert acts == [chain.BEGUN, "database.restored"]


@pytest.mark.slow
async def test_a_head_that_was_kept_elsewhere_finds_a_whole_older_file(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    older = await trail(path)
    put_all_back = saved(path)
    async with opened(path) as database:
        await database.write(audit.record, at=NOON, actor="U1", act="summary.opened", detail="one more")
        head = await database.read(audit.head)
        for kept in (older, head, Head.parse(f" {head} ")):
            assert await found(database, kept) == []
        for kept in (replace(older, chain="0" * 64), Head(seq=head.seq + 1, chain=head.chain)):
            assert await found(database, kept) == faults_of(FaultKind.OTHER_HEAD, kept.seq)
    put_all_back()
    async with opened(path) as database:
        assert await found(database) == []
        assert await found(database, head) == faults_of(FaultKind.OTHER_HEAD, head.seq)


@pytest.mark.slow
async def test_a_record_that_does_not_fit_its_last_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    refs = ("K-1", "K-2", "K-3", "K-4")
    async with opened(path) as database:
        for ref in refs:
            await database.write(fill, ref)
        older = rows(path, "K-1")
        for ref in refs:
            await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref=ref)
    # While no bot runs: nobody remembers the versions.
    put_back(path, "K-1", older, but="audit")
    with closing(beside(path)) as db:
        db.execute("UPDATE verifications SET channel = 'C9' WHERE ref = 'K-2'")
        for name in (*older, "trail_people"):
            if name not in {"audit", "receipts"}:
                db.execute(f"DELETE FROM {name} WHERE ref = 'K-3'")  # noqa: S608 - names from the schema
        # By somebody who has the key, and not the trail.
        text = macs.texts_of(storage_of(db), ["K-4"])["K-4"]
        made = [macs.mac_of(SEALER, 9, text), text.rest]
        db.execute("UPDATE check_macs SET version = 9, mac = ?, rest_sha256 = ? WHERE ref = 'K-4'", made)
    async with opened(path) as database:
        kinds = {fault.ref: fault.kind for fault in await found(database)}
        assert kinds == {
            # Its MAC does not know the line either.
            "K-1": FaultKind.RECORD_ALTERED,
            "K-2": FaultKind.RECORD_ALTERED,
            "K-3": FaultKind.RECORD_GONE,
            "K-4": FaultKind.RECORD_OLDER,
        }


@pytest.mark.slow
async def test_what_the_bot_erases_leaves_the_trail_whole(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        before = [line.person for line in await database.read(audit.lines_of, "K-1")]
        assert all(before)
        for erase in (retention.erase_photos, retention.erase_personal, retention.erase_record):
            await database.write(erase, "K-1", at=NOON)
            assert await found(database) == []
        after = await database.read(audit.lines_of, "K-1")
        assert [line.person for line in after] == [*before, before[0], None, None]
        assert (await database.read(checks.get, "K-2")).ref == "K-2"


@pytest.mark.slow
async def test_a_trail_of_an_earlier_hour_with_its_own_head_is_found_by_the_bot_at_work(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"

    async def look(database: Database, person: str, *, times: int) -> None:
        for _time in range(times):
            await database.write(audit.record, at=NOON, actor=person, act="summary.opened")

    await trail(path)
    async with opened(path) as bot:
        with closing(beside(path)) as db:
            older, end = RecordSum.read(storage_of(db), SEALER), chain.last(storage_of(db))
            assert older is not None
        await look(bot, "U1", times=2)
        with closing(beside(path)) as db, unguarded_trail(db):
            db.execute("DELETE FROM audit WHERE seq > ?", [end.seq])
            older.write(storage_of(db), SEALER)
        # A command beside it has no memory: by its lines the sum counts as many commits as the bot's own, and more.
        async with opened(path) as command:
            await look(command, "operator", times=3)
            assert await found(command) == []
        before = bot.is_trail_broken
        await look(bot, "U1", times=1)
        assert (before, bot.is_trail_broken) == (False, True)
    async with opened(path) as bot:
        assert await found(bot) == faults_of(FaultKind.CHANGED, end.seq + 4)


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_a_trail_from_before_is_chained_by_the_digest_of_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        for ref in ("K-1", "K-2"):
            await database.write(fill, ref)
        await database.write(without_links)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        without_views(db)
        before_slack_removals(db)
        before_chain(db, SEALER)
        lines = db.execute("SELECT COUNT(*), MAX(seq) FROM audit").fetchone()
    async with opened(path) as database:
        with closing(sqlite3.connect(path)) as db:
            begun = chain.last(sql_of(db))
        assert begun.seq == lines[1] + 1
        assert await found(database) == []
        await database.write(audit.record, at=NOON, actor="U1", act="details.opened", ref="K-1")
        assert await found(database) == []
        with closing(beside(path)) as db:
            db.execute("UPDATE audit SET actor = 'U9' WHERE seq = 2")
        assert faults_of(FaultKind.OLDER_CHANGED, begun.seq)[0] in await found(database)


@pytest.mark.sqlite("upgrades are of files")
async def test_the_lines_of_a_file_from_before_the_chain_hold(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await trail(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        without_views(db)
        before_slack_removals(db)
        before_chain(db, SEALER)
        db.execute("DELETE FROM audit WHERE act = 'summary.opened' AND detail = '1'")
        db.execute("UPDATE audit SET ref = 'B-1' WHERE act = 'summary.opened'")
    async with opened(path) as database:
        await database.write(audit.record, at=NOON, actor="U1", act="batch.moved", ref="B-1")
        await database.write(audit.record, at=NOON, actor="U1", act="batch.moved", ref="B-2")
        assert [await holds_for(database, ref) for ref in ("B-1", "B-2", "K-1")] == [True] * 3
    with closing(beside(path)) as thief, unguarded_trail(thief):
        thief.execute("UPDATE audit SET detail = 'other' WHERE ref = 'B-1' AND detail = '2'")
    async with opened(path) as database:
        assert [await holds_for(database, ref) for ref in ("B-1", "B-2")] == [False, True]


@pytest.mark.sqlite("restores are of files")
async def test_the_lines_of_a_file_hold_in_a_database_that_was_marked_restored(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await trail(path)
    with closing(sqlite3.connect(path)) as db, db:
        restored.mark(sql_of(db), SEALER, now=NOON + timedelta(days=1))
    async with opened(path) as database:
        await database.write(audit.record, at=NOON, actor="U1", act="batch.moved", ref="B-1")
        assert [await holds_for(database, ref) for ref in ("B-1", "K-1", "K-2")] == [True] * 3


async def test_nothing_holds_of_a_file_that_the_trail_does_not_name(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        own = await database.read(trail_check.before_lines_of, "B-1")
        assert own.is_over
        assert own.lines == ()


@pytest.mark.parametrize("which", ["before", "own", "after", "last"])
async def test_a_line_counts_from_the_first_that_names_the_file(tmp_path: Path, which: str) -> None:
    """What lies before is the trail's own affair: whoever sends a file can do nothing about it."""
    path = tmp_path / "kyc.db"
    await trail(path)
    async with opened(path) as database:
        for ref in ("B-1", None, None):
            await database.write(audit.record, at=NOON, actor="U1", act="batch.moved", ref=ref)
        head = await database.read(audit.head)
    seq = head.seq - {"before": 3, "own": 2, "after": 1, "last": 0}[which]
    with closing(beside(path)) as db, unguarded_trail(db):
        db.execute("UPDATE audit SET actor = 'U9' WHERE seq = ?", [seq])
    async with opened(path) as database:
        assert await holds_for(database, "B-1") is (which == "before")


@pytest.mark.sqlite("types are of files")
@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("table", ["check_macs", "verifications", "audit"])
async def test_a_reference_of_another_type_ends_no_round(tmp_path: Path, table: str, is_running: bool) -> None:
    """Bytes come after every text, and are no text to go on from."""
    path = tmp_path / "kyc.db"
    await trail(path)

    def spoil() -> None:
        with closing(beside(path)) as db, unguarded_trail(db):
            statement = f"UPDATE {table} SET ref = CAST(ref AS BLOB) WHERE ref = 'K-1'"  # noqa: S608 - as above
            run_lax(path, table, ["PRAGMA foreign_keys = OFF", statement])

    if not is_running:
        spoil()
    async with opened(path) as database:
        if is_running:
            spoil()
        assert await found(database) != []
        last, pages = await database.read(checks.examine_after, ""), 1
        while last:
            last, pages = await database.read(checks.examine_after, last), pages + 1
            assert pages < 5
        assert database.altered == {"K-1"}
