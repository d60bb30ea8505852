"""Erasure on a customer's wish: what goes, what stays and why, what is proven, and that no restore brings them back."""

import asyncio
import base64
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from bot.domain.check.states import State
from bot.domain.privacy.clocks import Clock, Periods, Retention
from bot.domain.privacy.erasures import Erasure, FoundBy, Standing, Traces, Wish
from bot.domain.privacy.holds import HoldCause, Stay
from bot.domain.review.review import ReviewState
from bot.privacy import certificate, erasure, signing
from storage import audit, checks, erasures, holds, reviews, slack_removals
from storage.engine import backup
from storage.engine.database import Database, Transaction
from storage.engine.lifespans import LIFESPANS
from storage.engine.sealing import Sealer
from tests.storage.engine.test_macs import NOON, SEALER, fill, opened
from tests.storage.older import before_erasures
from tests.storage.test_retention import end, two_that_ended

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
LATER = NOON + 2 * DAY
WANTED = Retention(photos=Periods.parse("30d"), personal=Periods.parse("30d"), record=Periods.parse("5y"))
NUMBER = Wish(found_by=FoundBy.ID_NUMBER, value="000 000 000 00")
REFERENCE = Wish(found_by=FoundBy.CUSTOMER_REFERENCE, value="Invented")


def places(path: Path) -> erasure.Places:
    return erasure.Places(database=path, backup_dir=path.parent / "backups", backup_every=DAY, backup_keep=7)


async def erased(database: Database, path: Path, wish: Wish, *, number: int = 1) -> Standing:
    """All that the command does."""
    began = await database.write(erasure.begin, wish, number=number, by="operator", now=LATER)
    assert began is not None
    await erasure.carry_out(database, began.id, WANTED, now=lambda: LATER)
    return await look(database, path, began)


async def look(database: Database, path: Path, of: Erasure) -> Standing:
    return await erasure.look(database, of.id, WANTED, places(path), now=lambda: LATER)


async def slack_is_clean(database: Database) -> None:
    """What only the bot can do, in Slack, is done."""

    def all_done(tx: Transaction) -> None:
        for one in slack_removals.open_list(tx):
            slack_removals.done(tx, one.id, why=None, now=LATER)

    await database.write(all_done)


def personal_bytes(path: Path) -> set[bytes]:
    """Every value that goes with the clocks of photos and of what is personal, as it lies in the file."""
    found: set[bytes] = set()
    with closing(sqlite3.connect(path)) as db:
        for table, lifespan in LIFESPANS.items():
            names = [column for column, clock in lifespan.columns.items() if clock is Clock.PERSONAL]
            if lifespan.row is Clock.PHOTOS:
                names = ["file_id", "file_print", "file_sha256_sealed"]
            for name in set(names) - {"held_note", "files", "view_print"}:
                for (value,) in db.execute(f"SELECT {name} FROM {table} WHERE {name} <> ''").fetchall():  # noqa: S608 - names of the table
                    found.add(value if isinstance(value, bytes) else str(value).encode())
        found |= {row[0].encode() for row in db.execute("SELECT person_print FROM trail_people")}
        found |= {row[0] for row in db.execute("SELECT person_sealed FROM trail_people")}
    # The ids of these photos are so short that they are everywhere.
    return {each for each in found if len(each) > 8}


def found_in(folder: Path, needles: set[bytes]) -> list[str]:
    """Which files hold any of them; of a long value each piece of it counts."""
    pieces = {each[at : at + 24] for each in needles for at in range(0, max(1, len(each) - 23), 24)}
    files = [(file.name, file.read_bytes()) for file in folder.rglob("*") if file.is_file()]
    return sorted(name for name, content in files if any(piece in content for piece in pieces))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "kyc.db"


@pytest.mark.slow
async def test_afterwards_no_byte_of_the_customer_is_in_database_log_or_new_backups(path: Path) -> None:
    async with two_that_ended(path) as database:
        assert await database.clear_traces() is Traces.NONE
        needles = personal_bytes(path)
        assert len(needles) > 20
        assert found_in(path.parent, needles) == ["kyc.db"], "the search finds what is there"
        standing = await erased(database, path, NUMBER)
        await slack_is_clean(database)
        backup.take(path, path.parent / "new.backup", SEALER)
        # While the bot runs on: its log is emptied, not only closed.
        assert found_in(path.parent, needles) == []
        standing = await look(database, path, standing.erasure)
        assert standing.is_whole
        assert standing.erasure.done_at == LATER
        assert not standing.erasure.looked_for
        check = await database.read(checks.get, "K-1")
        assert (check.state, check.is_altered, dict(check.id_info)) == (State.REJECTED, False, {})
        assert not database.is_older
    assert found_in(path.parent, needles) == []


@pytest.mark.slow
async def test_a_wish_finds_all_checks_of_a_customer_and_says_what_stays(path: Path) -> None:
    async with two_that_ended(path) as database:
        await database.write(fill, "K-3")  # in review, and held
        await database.write(end, "K-4")
        await database.write(holds.add, "K-4", HoldCause.RELATIONSHIP, by="U2", now=NOON)
        standing = await erased(database, path, REFERENCE)
        left = {check.ref: check for check in standing.checks}
        assert left.keys() == {"K-1", "K-2", "K-3", "K-4"}
        assert {ref: check.stay for ref, check in left.items()} == {
            "K-1": None,
            "K-2": None,
            "K-3": Stay.NOT_ENDED,
            "K-4": Stay.HELD,
        }
        assert not standing.is_whole
        assert left["K-1"].erased is not None
        assert dict(left["K-1"].erased.gone) == {"photos": 1, "customers": 1, "messages": 3, "words": 3}
        said = "\n".join(certificate.lines(standing))
        assert (
            "K-4: stays: it is held; erased by the bot as soon as the hold is ended (the customer relationship" in said
        )
        assert (
            "K-1: its record, without the customer, stays until 2031-11-22 13:00 UTC (KYC_RETENTION_RECORD, 5y)" in said
        )
        assert "invented" not in said
        # The same wish again is the same erasure, although two checks are found by nothing any more.
        again = await database.write(erasure.begin, REFERENCE, number=2, by="operator", now=LATER)
        assert again == standing.erasure
        # What stood against it is gone: the bot goes on by itself.
        await database.write(holds.end, "K-4", by="U2", now=LATER)
        await erasure.go_on(database, WANTED, places(path), now=lambda: LATER)
        standing = await look(database, path, standing.erasure)
        assert [check.ref for check in standing.checks if check.erased is None] == ["K-3"]


@pytest.mark.slow
async def test_two_who_ask_at_once_erase_once(path: Path) -> None:
    async with two_that_ended(path) as database:
        one, other = await asyncio.gather(*(erased(database, path, NUMBER, number=number) for number in (1, 2)))
        assert one.erasure.id == other.erasure.id
        lines = await database.read(audit.lines_of, "K-1")
        assert [line.act for line in lines].count("personal.erased") == 1
        assert [line.act for line in lines].count("erasure.asked") == 1


@pytest.mark.slow
async def test_after_a_kill_in_the_middle_the_rest_is_erased(path: Path) -> None:
    async with two_that_ended(path) as database:
        began = await database.write(erasure.begin, NUMBER, number=1, by="operator", now=LATER)
        assert began is not None
        await database.write(erasure._erase, began.id, "K-1", WANTED, now=LATER)
    async with opened(path) as database:
        await erasure.go_on(database, WANTED, places(path), now=lambda: LATER)
        after = await database.read(erasures.get, began.id)
        assert all(after.checks.values())


@pytest.mark.slow
async def test_a_record_over_its_clock_goes_too(path: Path) -> None:
    async with two_that_ended(path) as database:
        began = await database.write(erasure.begin, NUMBER, number=1, by="operator", now=LATER)
        assert began is not None
        await erasure.carry_out(database, began.id, WANTED, now=lambda: NOON + 6 * 365 * DAY)
        assert await database.read(checks.find, "K-1") is None
        standing = await look(database, path, began)
        assert dict(standing.checks[0].erased.gone)["records"] == 1  # type: ignore[union-attr]
        assert standing.checks[0].record is None or standing.checks[0].record.until is None


@pytest.mark.slow
async def test_nobody_without_the_keys_has_anybody_erased(path: Path) -> None:
    async with two_that_ended(path) as database:
        standing = await erased(database, path, Wish(found_by=FoundBy.REF, value="K-1"))
    with closing(sqlite3.connect(path)) as db, db:
        (sealed,) = db.execute("SELECT list_sealed FROM erasures").fetchone()
        forged = sealed[:5] + Sealer([b"x" * 32]).seal(json.dumps({"checks": {"K-2": None}}), place="x")[5:]
        for id_, content in (("F-forged", forged), ("F-copied", sealed)):
            db.execute("INSERT INTO erasures VALUES (?, 'operator', ?, NULL, ?)", [id_, NOON.isoformat(), content])
    async with opened(path) as database:
        assert standing.is_whole
        assert await erasure.go_on(database, WANTED, places(path), now=lambda: LATER) == 0
        assert dict((await database.read(checks.get, "K-2")).id_info) == {"id_number": "00000000000"}


# Copies


async def restored(path: Path, copy: Path) -> None:
    await asyncio.to_thread(backup.restore, copy, path, SEALER, now=LATER, force=True)


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [False, True])
async def test_a_backup_from_before_is_erased_again(path: Path, *, is_old: bool) -> None:
    copy = path.parent / "backups" / backup.scheduled_name(path, NOON)
    async with two_that_ended(path) as database:
        backup.take(path, copy, SEALER)
        await database.clear_traces()
        needles = personal_bytes(path)
        standing = await erased(database, path, NUMBER)
        assert (standing.copies.backups, standing.copies.backups_until) == ([copy.name], NOON + 7 * DAY)
        assert "stays in 1 backup until 2026-11-29 12:00 UTC" in "\n".join(certificate.lines(standing))
    if is_old:
        with closing(sqlite3.connect(copy)) as db, db:
            before_erasures(db)
    await restored(path, copy)
    assert found_in(path.parent, needles) != []
    async with opened(path) as database:
        assert await erasure.go_on(database, WANTED, places(path), now=lambda: LATER) == 1
        assert await database.write(erasures.take_again) == 0
        check = await database.read(checks.get, "K-1")
        assert dict(check.id_info) == {}
        assert not check.is_altered
        copy.unlink()
        await slack_is_clean(database)
        assert (await look(database, path, standing.erasure)).is_whole
    assert found_in(path.parent, needles) == []


@pytest.mark.slow
async def test_two_restores_in_a_row_lose_no_erasure(path: Path) -> None:
    copy = path.parent / "old.backup"
    async with two_that_ended(path) as database:
        backup.take(path, copy, SEALER)
        await erased(database, path, NUMBER)
    await restored(path, copy)
    # The bot has not been started in between.
    await asyncio.to_thread(backup.restore, copy, path, SEALER, now=LATER + DAY, force=True)
    async with opened(path) as database:
        assert await erasure.go_on(database, WANTED, places(path), now=lambda: LATER) == 1
        assert dict((await database.read(checks.get, "K-1")).id_info) == {}


@pytest.mark.slow
async def test_a_check_that_had_not_ended_in_the_backup_is_erased_once_it_has(path: Path) -> None:
    copy = path.parent / "old.backup"
    async with opened(path) as database:
        await database.write(fill, "K-1")
        await database.write(holds.end, "K-1", by="U2", now=NOON)
        backup.take(path, copy, SEALER)
        await database.write(_end_now)
        await erased(database, path, NUMBER)
    await restored(path, copy)
    async with opened(path) as database:
        await erasure.go_on(database, WANTED, places(path), now=lambda: LATER)
        assert (await database.read(checks.get, "K-1")).id_info
        await database.write(_end_now)
        await erasure.go_on(database, WANTED, places(path), now=lambda: LATER)
        assert not (await database.read(checks.get, "K-1")).id_info


def _end_now(tx: Transaction) -> None:
    checks.move(tx, "K-1", State.REJECTED, now=NOON)
    reviews.close(tx, "K-1", 1, ReviewState.SETTLED, now=NOON + timedelta(hours=1))
    tx.run("UPDATE posts SET state = 'done', done_at = created_at WHERE ref = 'K-1'")


# The command


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a database with two checks of one customer that have ended."""
    key, database = bytes(range(60, 76)) + bytes(range(3, 50, 3)), tmp_path / "kyc.db"
    (tmp_path / "backups").mkdir()

    async def furnish() -> None:
        async with opened(database, Sealer([key])) as opened_one:
            await opened_one.write(end, "K-222222")
            await opened_one.write(end, "K-333333")

    asyncio.run(furnish())
    return {
        "KYC_DATABASE": str(database),
        "KYC_ENCRYPTION_KEYS": base64.urlsafe_b64encode(key).decode(),
        "KYC_BACKUP_DIR": str(tmp_path / "backups"),
    }


def run(environment: dict[str, str], *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environment, input=answer)


@pytest.mark.slow
def test_the_command_says_what_goes_and_erases_nothing_without_a_yes(environment: dict[str, str]) -> None:
    ran = run(environment, "erase", "--ref", "K-222222", answer="n\n")
    assert ran.exit_code == 1
    assert "K-222222: photos and what is known of the customer go" in ran.stdout
    assert "its record, without the customer, stays until 20" in ran.stdout
    assert "nothing was erased" in ran.stderr
    ran = run(environment, "erase", "--ref", "K-222222")
    assert (ran.exit_code, "Nobody is there to answer: add --yes." in ran.stderr) == (2, True)
    ran = run(environment, "erase", "--ref", "K-222222", answer="n\n")
    assert "photos and what is known of the customer go" in ran.stdout


@pytest.mark.slow
def test_the_command_reads_the_number_from_a_file_and_never_repeats_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    number, signed = tmp_path / "number", tmp_path / "certificate.json"
    number.write_text("\ufeff000-000-000-00\r\n", encoding="utf-8")
    ran = run(environment, "erase", "--id-number-file", str(number), "--yes", "--output", str(signed))
    assert ran.exit_code == 1, "Slack is for the bot to erase"
    assert "K-333333: still in Slack: file: due" in ran.stdout
    assert "00000" not in ran.stdout + ran.stderr
    assert signed.stat().st_mode & 0o777 == 0o600
    public = run(environment, "proof", "key").stdout.splitlines()[1]
    said = signing.verify(signed.read_bytes(), public)
    assert (said["kind"], said["whole"], said["erasure"]["found_by"]) == (certificate.KIND, False, "id_number")
    assert {check["ref"]: check["gone"]["photos"] for check in said["checks"]} == {"K-222222": 1, "K-333333": 1}
    with closing(sqlite3.connect(environment["KYC_DATABASE"])) as db:
        assert db.execute("SELECT chain FROM audit WHERE seq = ?", [said["trail"]["seq"]]).fetchone() == (
            said["trail"]["chain"],
        )
    # The same command again, with the number or with a check, tells how far it is; nobody is asked anything.
    for arguments in (("--id-number-file", str(number)), ("--ref", "k-222222"), ("--ref", "333333")):
        again = run(environment, "erase", *arguments)
        assert again.exit_code == 1
        assert said["erasure"]["id"] in again.stdout
        assert "K-222222: erased on" in again.stdout


@pytest.mark.slow
def test_a_database_that_a_restore_set_aside_goes_with_a_yes(environment: dict[str, str], tmp_path: Path) -> None:
    copy, database = tmp_path / "copy", Path(environment["KYC_DATABASE"])
    assert run(environment, "backup", str(copy)).exit_code == 0
    assert run(environment, "restore", str(copy)).exit_code == 0
    (aside,) = tmp_path.glob("kyc.db.before-restore-*")
    ran = run(environment, "erase", "--ref", "K-222222", answer="y\n")
    assert f"stays in {aside.name}, which a restore has set aside" in ran.stdout
    assert aside.exists()
    ran = run(environment, "erase", "--ref", "K-222222", "--yes")
    assert aside.name not in ran.stdout
    assert not aside.exists()
    # A restore erases at once, and not only when the bot starts.
    ran = run(environment, "restore", str(copy), "--force")
    assert (ran.exit_code, "erased again" in ran.stdout) == (0, True)
    with closing(sqlite3.connect(database)) as db:
        sql = "SELECT ref FROM verifications WHERE applicant_sealed IS NOT NULL"
        assert db.execute(sql).fetchall() == [("K-333333",)]


@pytest.mark.slow
def test_a_file_that_others_have_put_back_takes_over_who_was_erased_since(
    environment: dict[str, str], tmp_path: Path
) -> None:
    older, database = tmp_path / "older.db", Path(environment["KYC_DATABASE"])
    assert run(environment, "backup", str(older)).exit_code == 0
    run(environment, "erase", "--ref", "K-222222", "--yes")
    back = environment | {"KYC_DATABASE": str(older)}
    for wrong in (tmp_path / "none.db", "postgresql://kyc:secret@localhost/kyc"):
        refused = run(back, "mark-restored", "--erased-in", str(wrong))
        assert refused.exit_code in (1, 2)
        assert refused.stderr
        assert "secret" not in refused.stderr
    ran = run(back, "mark-restored", "--erased-in", str(database))
    assert (ran.exit_code, "erased again, as asked for since" in ran.stdout) == (0, True), ran.stderr
    with closing(sqlite3.connect(older)) as db:
        sql = "SELECT ref FROM verifications WHERE applicant_sealed IS NOT NULL"
        assert db.execute(sql).fetchall() == [("K-333333",)]
    assert run(back, "audit", "verify").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name one of"),
        (["--ref", "K-222222", "--customer-reference", "invented"], "Name one of"),
        (["--ref", "nonsense"], "no reference of a check"),
        (["--customer-reference", " "], "it is empty"),
        (["--id-number-file", "FILE"], "one ID number on one line"),
    ],
)
@pytest.mark.parametrize("command", ["erase", "subject-report"])
def test_what_names_nobody_is_refused_as_usage(
    environment: dict[str, str], tmp_path: Path, command: str, arguments: list[str], words: str
) -> None:
    file = tmp_path / "numbers"
    for content in (b"", b"4711\n4712\n", b"\xff\xfe4711", b"1" * 2_000, b"---"):
        file.write_bytes(content)
        output = ["--output", str(tmp_path / "report")]
        ran = run(environment, command, *output, *[str(file) if one == "FILE" else one for one in arguments])
        assert (ran.exit_code, words in ran.stderr) == (2, True), ran.stderr
        assert "4711" not in ran.stdout + ran.stderr


@pytest.mark.slow
def test_of_somebody_unknown_there_is_nothing_to_erase(environment: dict[str, str], tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("11111111111")
    for arguments in (("--ref", "K-777777"), ("--id-number-file", str(number)), ("--customer-reference", "nobody")):
        ran = run(environment, "erase", *arguments)
        assert (ran.exit_code, ran.stderr) == (0, "nothing is known of this customer\n")


@pytest.mark.slow
def test_a_report_tells_all_that_is_held_on_the_customer_alone(environment: dict[str, str], tmp_path: Path) -> None:
    file, number = tmp_path / "report.json", tmp_path / "number"
    number.write_text("00000000000")
    assert run(environment, "backup", str(tmp_path / "backups" / "kyc-20261122T120000Z.backup")).exit_code == 0
    ran = run(environment, "subject-report", "--id-number-file", str(number), "--output", str(file))
    assert (ran.exit_code, ran.stdout) == (0, f"{file}: all that is held, of 2 checks\n")
    assert file.stat().st_mode & 0o777 == 0o600
    report = json.loads(file.read_text())
    first, second = report["checks"]
    assert (first["ref"], second["ref"]) == ("K-222222", "K-333333")
    rows = first["rows"]
    # Every table that has rows of a check, but those that only prove.
    held = {table for table, one in LIFESPANS.items() if one.row is not None} | {"facts", "audit", "slack_removals"}
    assert rows.keys() == held - {"check_macs", "trail_people", "slack_removals"}
    assert rows["verifications"][0]["applicant"]["id_info"] == {"id_number": "00000000000"}
    assert rows["verifications"][0]["applicant"]["customer_reference"] == "invented"
    assert rows["photos"][0]["file_id"] == "F1"
    assert {one["body"].get("FullName") for one in rows["receipts"]} == {None, "Invented Person 1", "Invented Person 2"}
    assert [one["words"] for one in rows["review_requests"]] == ["please"]
    assert "K-333333" not in json.dumps(first)
    assert first["kept_until"]["record"].startswith("2031-11-22")
    assert report["copies"] == {"backups": ["kyc-20261122T120000Z.backup"], "databases_set_aside": []}
    with closing(sqlite3.connect(environment["KYC_DATABASE"])) as db:
        told = db.execute("SELECT actor, ref FROM audit WHERE act = 'subject.reported' ORDER BY seq").fetchall()
        assert told == [("operator", "K-222222"), ("operator", "K-333333")]
    # No key, no print and no MAC is handed out, and nothing that was erased.
    assert not any(name.endswith(("_print", "_sealed", "mac")) for of in rows.values() for row in of for name in row)
    run(environment, "erase", "--ref", "K-222222", "--yes")
    ran = run(environment, "subject-report", "--ref", "K-222222", "--output", str(file), answer="n\n")
    assert ran.exit_code == 1
    assert "Invented" in file.read_text(), "it was not replaced"
    ran = run(environment, "subject-report", "--ref", "K-222222", "--output", str(file), "--yes")
    assert ran.exit_code == 0
    assert not any(word in file.read_text() for word in ("00000000000", "Invented", "invented", '"please"'))


@pytest.mark.slow
def test_a_report_shows_that_half_a_character_was_kept(environment: dict[str, str], tmp_path: Path) -> None:
    """As an older version kept a note, and any version what Smile ID sent."""

    async def note() -> None:
        path, sealer = Path(environment["KYC_DATABASE"]), Sealer.from_text([environment["KYC_ENCRYPTION_KEYS"]])
        async with opened(path, sealer) as database:
            await database.write(
                reviews.add_note, "K-222222", 1, author="U2", words="half \ud83d", source="older", now=NOON
            )

    asyncio.run(note())
    file = tmp_path / "report.json"
    ran = run(environment, "subject-report", "--ref", "K-222222", "--output", str(file))
    assert (ran.exit_code, ran.stderr) == (0, "")
    notes = json.loads(file.read_text(encoding="utf-8"))["checks"][0]["rows"]["review_notes"]
    assert "half \ufffd" in [one["words"] for one in notes]


@pytest.mark.slow
def test_of_somebody_unknown_there_is_nothing_to_report(environment: dict[str, str], tmp_path: Path) -> None:
    ran = run(environment, "subject-report", "--ref", "K-777777", "--output", str(tmp_path / "report"))
    assert (ran.exit_code, ran.stderr) == (0, "nothing is known of this customer\n")
    assert not (tmp_path / "report").exists()
