"""A change of the keys: everything is renewed, whatever falls between two steps, and no key goes that is needed."""

import asyncio
import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.mentions.incoming import MessageIds
from bot.domain.privacy.erasures import Erased, Erasure, FoundBy
from bot.domain.privacy.slack_removals import Removal, RemovalPlace
from bot.domain.results.attempt import Attempt
from bot.domain.results.trust_rules import Disposition, Source
from bot.domain.review.review import Decision, Proposal
from bot.errors import DatabaseFault, SettingsFault, WrongKey
from bot.runtime import key_renewal
from storage import (
    attempts,
    audit,
    batches,
    blind_index,
    checks,
    day_sums,
    erasures,
    home_tabs,
    keys,
    meta,
    receipts,
    rekey,
    reviews,
    search,
    slack_removals,
    trail_check,
    trail_people,
)
from storage.engine import backup, sealed_values
from storage.engine.connection import sql_of
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealed_values import KEYED, OF_CHECKS, OTHERS
from storage.engine.sealing import Sealer
from tests import engines
from tests.engines import beside
from tests.patience import GIVE_UP_SECONDS
from tests.storage.engine.test_backup import may_trace
from tests.storage.engine.test_macs import NOON, fill, opened

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("engine")]

ROOT = Path(__file__).parents[2]
OLD, NEW = b"k" * 32, b"n" * 32
BOTH = Sealer([NEW, OLD])
NUMBER = "00000000000"
DAY = (NOON, NOON + timedelta(days=1))
CHECKS = 5
ERASURE = Erasure(
    id="F-222222",
    found_by=FoundBy.CUSTOMER_REFERENCE,
    asked_by="operator",
    asked_at=NOON,
    checks={"K-0": Erased(at=NOON, gone={"photos": 1}), "K-1": None},
    looked_for=("invented print",),
)


def furnish(tx: Transaction) -> None:
    """A value in every column that a key makes."""
    for number in range(CHECKS):
        ref = f"K-{number}"
        fill(tx, ref)
        checks.photos_checked(tx, ref, [(photo, 9, "ab" * 32) for photo in checks.photos(tx, ref)], now=NOON)
        attempts.prepared(tx, attempts.of_check(tx, ref)[0].job_id, smile_job_id="1", checkpoint={"url": "invented"})
        proposal = Proposal(decision=Decision.REJECTED, reason="x", by="U2", at=NOON, is_override=True, words="no")
        assert reviews.propose(tx, ref, 1, proposal)
    message = MessageIds(user="U1", team="T1", channel="C1", ts="1.2", thread_ts=None)
    batches.add(tx, "B-1", message, ["F1"], now=NOON)
    batches.keep_preview(tx, "B-1", {"rows": ["invented"]}, total=1, ready=1, repeats=0)
    home_tabs.opened(tx, "U1", now=NOON)
    print_ = home_tabs.prints_of(tx, "a view")[0]
    home_tabs.shown(tx, "U1", view_print=print_, sees=(), again_at=None, now=NOON)
    erasures.add(tx, ERASURE)
    day_sums.begin(tx, [DAY], making="invented")
    assert day_sums.keep(tx, {DAY: day_sums.written([])}, making="invented") == 1
    slack_removals.add(tx, "K-0", [(Removal.FILE, RemovalPlace(file="F1"), "U1")], at=NOON)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(meta.begin)
        await database.write(furnish)
    return path


async def renewed(path: Path, *, forget_old: bool = False) -> key_renewal.Renewal:
    async with opened(path, BOTH) as database:
        return await key_renewal.renew(database, forget_old=forget_old, now=lambda: NOON, on_page=lambda _done: None)


def used(path: Path) -> set[str]:
    with closing(beside(path)) as db:
        return set(sealed_values.key_ids(engines.storage_of(db)))


async def as_before(database: Database) -> None:
    """Every value opens, everything is found by what it was found by, and no record counts as altered."""

    def look(tx: Transaction) -> None:
        for number in range(CHECKS):
            ref = f"K-{number}"
            check = checks.get(tx, ref)
            assert not check.is_altered
            assert check.id_info["id_number"] == NUMBER
            (attempt,) = attempts.of_check(tx, ref)
            assert attempt.callback_token is not None
            found = attempts.by_token(tx, attempt.callback_token, now=NOON)
            assert found is not None
            assert found.ref == ref
            assert attempt.checkpoint == {"url": "invented"}
            assert [receipt.body for receipt in receipts.of_check(tx, ref)] == ['{"ResultCode": "0811"}']
            review = reviews.find(tx, ref, 1)
            assert review is not None
            assert review.decided is not None
            assert review.proposal is not None
            assert (review.decided.words, review.proposal.words, review.notes) == ("no", "no", 1)
        assert len(search.by_number(tx, NUMBER, ["NG"])) == CHECKS
        assert len(search.by_reference(tx, "invented")) == CHECKS
        assert batches.get(tx, "B-1").preview == {"rows": ["invented"]}
        assert erasures.get(tx, ERASURE.id) == ERASURE
        assert [one.place.file for one in slack_removals.pending(tx, "K-0")] == ["F1"]

    def hear_again(tx: Transaction) -> bool:
        job_id = attempts.of_check(tx, "K-0")[0].job_id
        message = receipts.Incoming(
            id="R-again",
            job_id=job_id,
            source=Source.CALLBACK,
            code="0811",
            body_sha256="ab",
            body={"ResultCode": "0811"},
            fate=Disposition.COUNTED,
            at=NOON,
        )
        kept = receipts.keep(tx, message)
        return kept.is_new

    await database.read(look)
    assert not await database.write(hear_again)
    assert not database.is_older
    assert database.altered == set()
    trail = await database.read(trail_check.compare_lines, trail_check.Progress())
    assert (trail.done, trail.faults, database.is_trail_broken) == (True, (), False)


@pytest.mark.sqlite("of the schema, whichever engine has it")
async def test_every_column_that_a_key_makes_is_known_and_has_a_value_here(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        columns = {
            f"{table}.{column}"
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (_at, column, *_rest) in db.execute(f"PRAGMA table_info({table})").fetchall()
        }
        keyed = {name for name in columns if name.endswith(("_sealed", "_print", ".print", ".mac", "_mac"))}
        known = {column.name for column in (*OF_CHECKS, *OTHERS, *KEYED)}
        assert keyed == known
        made = sealed_values.key_ids(sql_of(db))[Sealer([OLD]).key_id]
    assert set(made) == {column.what for column in (*OF_CHECKS, *OTHERS, *KEYED)}


async def test_everything_is_renewed_and_then_the_old_key_opens_nothing(path: Path) -> None:
    renewal = await renewed(path, forget_old=True)
    assert renewal.checks == CHECKS
    assert renewal.forgotten
    assert used(path) == {BOTH.key_id}
    async with opened(path, Sealer([NEW])) as database:
        await as_before(database)
    with pytest.raises(WrongKey, match=r"has let go: take key 2 \(counted from the left\) out"):
        async with opened(path, BOTH):
            pass
    with pytest.raises(WrongKey, match="KYC_ENCRYPTION_KEYS does not hold"):
        async with opened(path, Sealer([OLD])):
            pass


async def test_between_any_two_steps_everything_is_there_and_the_rest_follows(path: Path, tmp_path: Path) -> None:
    for steps in range(CHECKS + 2):
        copy = tmp_path / f"{steps}.db"
        engines.copy(path, copy, Sealer([OLD]))
        async with opened(copy, BOTH) as database:
            await database.write(rekey.begin)
            last = ""
            for _step in range(steps):
                last = (await database.write(rekey.renew_checks, last, most=1)).last
        assert used(copy) == ({BOTH.key_id, Sealer([OLD]).key_id})
        async with opened(copy, BOTH) as database:
            await as_before(database)
        assert (await renewed(copy, forget_old=True)).renewed > 0
        async with opened(copy, Sealer([NEW])) as database:
            await as_before(database)


RENEWER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from bot.runtime import key_renewal
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer

async def main():
    sealer = Sealer([b"n" * 32, b"k" * 32])
    database = await Database.open(Path(sys.argv[1]), sealer=sealer, migrate=migrate)
    key_renewal.CHECKS_AT_A_TIME = 1
    await key_renewal.renew(
        database, forget_old=True, now=lambda: datetime(2026, 11, 22, tzinfo=UTC), on_page=lambda done: None)
    await database.close()

asyncio.run(main())
"""


@pytest.mark.sqlite("kills at the writes to a file")
@pytest.mark.processes
@pytest.mark.skipif(not may_trace(), reason="strace is not installed, or may not trace here")
async def test_killed_at_a_commit_it_goes_on_where_it_was(path: Path, tmp_path: Path) -> None:
    calls, codes = "fsync,fdatasync", []
    for number in range(1, 60, 3):
        copy = tmp_path / f"{number}.db"
        backup.take(path, copy, Sealer([OLD]))
        ended = await asyncio.to_thread(
            subprocess.run,
            [
                *("strace", "-f", "-qq", "-e", f"trace={calls}", "-o", os.devnull),
                *("-e", f"inject={calls}:signal=SIGKILL:when={number}", sys.executable, "-c", RENEWER, str(copy)),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            timeout=GIVE_UP_SECONDS,
        )
        codes.append(ended.returncode)
        if used(copy) != {BOTH.key_id}:
            async with opened(copy, BOTH) as database:
                await as_before(database)
            await renewed(copy, forget_old=True)
        async with opened(copy, Sealer([NEW])) as database:
            await as_before(database)
        if ended.returncode == 0:
            break
        assert ended.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert codes[-1] == 0
    assert len(codes) > 3


async def test_a_bot_between_two_runs_works_with_both_keys_or_not_at_all(path: Path) -> None:
    """In either order; and what it adds under the old one meanwhile is renewed by the next run."""
    async with opened(path, BOTH) as database:
        await database.write(rekey.begin)
        await database.write(rekey.renew_checks, "", most=2)
    for keys_ in ([OLD], [NEW], [b"x" * 32]):
        with pytest.raises(WrongKey, match="does not hold"):
            async with opened(path, Sealer(keys_)):
                pass
    async with opened(path, Sealer([OLD, NEW])) as database:
        await as_before(database)
        await database.write(fill, "K-9")
    assert used(path) == {BOTH.key_id, Sealer([OLD]).key_id}
    assert (await renewed(path, forget_old=True)).forgotten
    assert used(path) == {BOTH.key_id}
    with pytest.raises(WrongKey, match="has let go"):
        async with opened(path, BOTH):
            pass
    async with opened(path, Sealer([NEW])) as database:
        assert len(await database.read(search.by_number, NUMBER, ["NG"])) == CHECKS + 1
        last = ""
        while last := await database.read(checks.examine_after, last):
            pass
        assert database.altered == set()
        assert not database.is_older


async def test_a_print_without_its_value_keeps_the_old_key(path: Path) -> None:
    """As retention leaves it: the number is gone, and the print of it still tells who was checked before."""
    async with opened(path) as database:
        await database.write(lambda tx: tx.run("UPDATE verifications SET applicant_sealed = NULL WHERE ref = 'K-2'"))
    renewal = await renewed(path, forget_old=True)
    assert not renewal.forgotten
    assert renewal.remains.needed == {"prints of ID numbers": 1, "prints of customer references": 1}
    said = " / ".join(renewal.lines(key_count=2))
    assert (
        "an older key is needed for 1 prints of ID numbers, 1 prints of customer references: keep it"
        in said.replace(
            "1 prints of customer references, 1 prints of ID numbers",
            "1 prints of ID numbers, 1 prints of customer references",
        )
    )
    with pytest.raises(
        WrongKey, match=r"does not hold \([0-9a-f]{8}\): 1 prints of .* need it\. Put the older key behind"
    ):
        async with opened(path, Sealer([NEW])):
            pass
    async with opened(path, BOTH) as database:
        await database.write(
            lambda tx: tx.run("UPDATE verifications SET number_print = NULL, reference_print = NULL WHERE ref = 'K-2'")
        )
    assert (await renewed(path, forget_old=True)).forgotten


async def test_an_altered_check_stays_altered_and_holds_no_key_back(path: Path) -> None:
    with closing(beside(path)) as db:
        db.execute("UPDATE verifications SET verdict = '0810', state = 'approved' WHERE ref = 'K-1'")
        (token,) = db.execute("SELECT token_sealed FROM attempts WHERE ref = 'K-3'").fetchone()
        db.execute("UPDATE attempts SET upload_sealed = ? WHERE ref = 'K-3'", [b"\x01" + token[1:]])
    renewal = await renewed(path, forget_old=True)
    assert renewal.forgotten
    assert renewal.remains.altered == {
        "customers": 1,
        "prints of ID numbers": 1,
        "prints of customers beside the trail": 1,
        "prints of customer references": 1,
        "MACs of checks": 1,
        "MACs of figures": 1,
    }
    assert renewal.remains.broken == {"upload addresses": 1}
    assert "of checks whose record was altered: " in " ".join(renewal.lines(key_count=2))
    async with opened(path, Sealer([NEW])) as database:
        for number in range(CHECKS):
            assert (await database.read(checks.get, f"K-{number}")).is_altered == (number == 1)
        # A job of the altered check is still asked about: its token opens.
        assert len(await database.read(attempts.of_check, "K-1")) == 1


async def test_lines_point_to_the_same_customer_under_the_new_key_alone(path: Path) -> None:
    def open_details(tx: Transaction, ref: str | None) -> str | None:
        print_ = tx.sealer.fingerprint("an invented number of no check", purpose=blind_index.NUMBER)
        audit.record(tx, at=NOON, actor="U1", act="details.opened", ref=ref, number_print=print_)
        person: str | None = tx.value("SELECT person FROM audit ORDER BY seq DESC LIMIT 1")
        return person

    def edit(tx: Transaction) -> None:
        # The number that it had before stands nowhere any more.
        applicant = {"id_info": {"id_number": "11111111111"}, "customer_reference": "invented"}
        sealed = tx.sealer.seal(json.dumps(applicant), place=blind_index.applicant_place("K-1"))
        print_ = blind_index.numbers(tx.sealer, "NG", "11111111111")[0]
        tx.update("verifications", "ref = 'K-1'", {}, applicant_sealed=sealed, number_print=print_)

    async with opened(path) as database:
        before = await database.write(open_details, "K-0")
        first = await database.write(open_details, "K-1")
        await database.write(edit)
        edited = await database.write(open_details, "K-1")
        nobody = await database.write(open_details, None)
        assert len({before, first, edited, nobody, None}) == 5
    assert (await renewed(path, forget_old=True)).forgotten
    with closing(beside(path)) as db:
        # Nobody could find the look at a number of no check: the line stays, and points to nobody.
        assert db.execute("SELECT COUNT(*) FROM trail_people WHERE ref IS NULL").fetchone() == (0,)
        assert db.execute("SELECT COUNT(*) FROM trail_people WHERE person_print = ''").fetchone() == (1,)
    async with opened(path, Sealer([NEW])) as database:
        assert await database.write(open_details, "K-0") == before
        assert await database.write(open_details, "K-1") == edited
        # A row that somebody has altered holds up no act.
        with closing(beside(path)) as db:
            db.execute("UPDATE trail_people SET person_sealed = ? WHERE ref = 'K-0'", [b"\0"])
        assert await database.write(open_details, "K-0") not in {before, None}
        assert await database.write(trail_people.forget_check, "K-1") == 2


async def test_a_key_in_front_is_noted_and_a_lost_one_is_missed_at_once(path: Path) -> None:
    async with opened(path, BOTH) as database:
        await database.write(meta.begin)
        await database.write(fill, "K-NEW")
    with pytest.raises(WrongKey, match=r"does not hold \([0-9a-f]{8}\): "):
        async with opened(path, Sealer([NEW])):
            pass
    with pytest.raises(WrongKey, match=r"does not hold \([0-9a-f]{8}\): "):
        async with opened(path, Sealer([OLD])):
            pass
    # Renewed, it is missed by nobody, whether it was let go or not.
    await renewed(path)
    async with opened(path, Sealer([NEW])) as database:
        await database.write(meta.begin)
        assert not (await database.read(checks.get, "K-NEW")).is_altered


async def test_nothing_is_passed_over_while_an_upgrade_is_unfinished(path: Path) -> None:
    async with opened(path, BOTH) as database:
        for note in ("macs_due", "macs_of_records_due", "upkeep"):
            await database.write(meta.keep, note, "rows")
            with pytest.raises(DatabaseFault, match="not finished: start the bot once"):
                await database.write(rekey.begin)
            await database.write(lambda tx, name: tx.run("DELETE FROM meta WHERE name = :name", name=name), note)
        await database.write(rekey.begin)


async def test_a_command_writes_nothing_under_a_key_that_the_bot_may_not_know(path: Path) -> None:
    """It would look altered to a bot that still runs with the old setting."""

    async def begun(sealer: Sealer) -> None:
        database = await Database.open(engines.place_of(path), sealer=sealer, migrate=migrate, as_it_is=True)
        try:
            await database.write(keys.require_begun)
        finally:
            await database.close()

    await begun(Sealer([OLD]))
    with pytest.raises(WrongKey, match="has not been started with the first of KYC_ENCRYPTION_KEYS yet"):
        await begun(BOTH)
    async with opened(path, BOTH):
        pass
    await begun(BOTH)


async def test_job_ids_stay_what_they_are_in_a_backup_from_before_the_change(path: Path, tmp_path: Path) -> None:
    """Else Smile ID is asked about another job than the one that was sent and paid for."""
    copy = tmp_path / "before.db"
    engines.copy(path, copy, Sealer([OLD]))
    await renewed(path, forget_old=True)

    def again(tx: Transaction) -> Attempt:
        return attempts.record(tx, ref="K-0", asked_at=NOON, now=NOON + timedelta(hours=1))

    async with opened(path, Sealer([NEW])) as database:
        sent = await database.write(again)
    async with opened(copy, BOTH) as database:
        await database.write(meta.begin)
        restored = await database.write(again)
    assert (restored.job_id, restored.user_id) == (sent.job_id, sent.user_id)


@pytest.mark.sqlite("needs no database")
@pytest.mark.parametrize(
    ("key", "why"),
    [
        (bytes(32), "all its bytes are the same"),
        (b"\xff" * 32, "all its bytes are the same"),
        (bytes(range(32)), "it is a sequence"),
        (bytes(range(255, 223, -1)), "it is a sequence"),
        (b"0123456789abcdef" * 2, "it repeats itself"),
        (b"abcdefghijk" * 3 + b"", "is not 32 bytes"),
        (b"\x00" * 28 + b"\x01\x02\x03\x04", "few of its bytes differ"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_in_front_and_taken_behind(key: bytes, why: str) -> None:
    text, good = base64.urlsafe_b64encode(key).decode(), Sealer.new_key()
    with pytest.raises(SettingsFault, match=why) as refused:
        Sealer.from_text([text])
    assert text not in str(refused.value)
    if len(key) == 32:
        assert "kyc-bot check --new-key" in str(refused.value)
        assert Sealer.weak_ones([good, text]) == [2]
        assert len(Sealer.from_text([good, text]).key_ids) == 2


@pytest.mark.sqlite("needs no database")
def test_no_key_of_chance_is_called_weak() -> None:
    by_chance = [Sealer.new_key() for _one in range(2_000)]
    assert Sealer.weak_ones(by_chance) == Sealer.readable_ones(by_chance) == []
    phrase = base64.urlsafe_b64encode(b"a phrase that somebody thought u").decode()
    assert Sealer.readable_ones([by_chance[0], phrase]) == [2]
