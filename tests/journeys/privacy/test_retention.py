"""What is known of customers ends by three clocks: what goes when, what stays, and what people read then."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.dates import day_of
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.erasures import Traces
from bot.domain.privacy.holds import HoldCause, Stay
from bot.domain.privacy.purge import ERASED, Purge, kept
from bot.privacy import retention as privacy
from bot.runtime.doctor import about_retention
from bot.runtime.doctor.findings import Mark
from bot.runtime.health import Degraded
from bot.sandbox.slack import Modal
from bot.slack.blocks import ids
from bot.slack.blocks.words import AFTER_ERASED
from storage import audit, check_facts, checks, holds, purges, retention, trail_check
from storage.engine import traces
from storage.engine.database import Transaction
from storage.engine.lock import DatabaseLock
from tests.journeys.smile import call_back, pass_time, put_on_record, waiting
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey
from tests.large_file import KEY

pytestmark = pytest.mark.anyio

USUAL: dict[str, Any] = {
    "KYC_RETENTION_PHOTOS": "10d",
    "KYC_RETENTION_PERSONAL": "20d,KE=25d",
    "KYC_RETENTION_RECORD": "1y,KE=2y",
}
NUMBER = "00000000000"


@asynccontextmanager
async def site(folder: Path, *, story: str = "approved", **settings: Any) -> AsyncIterator[Journey]:
    async with journey(folder, story=story, **(settings or USUAL)) as world:
        yield world


async def ended(world: Journey, **fields: str) -> str:
    ref = await world.ask(**fields)
    await world.settle()
    assert (await world.check(ref)).ended_at is not None
    return ref


async def night(world: Journey, *, days: float = 0) -> Purge:
    """So many days later, and a night: what its purge has done."""
    world.clock.move(days=days)
    before = await world.bot.database.read(purges.last)
    await world.bot.purge.tick()
    done = await world.bot.database.read(purges.last)
    assert done is not None
    assert done != before
    return done


def people_without_a_check(tx: Transaction) -> int:
    return int(tx.value("SELECT COUNT(*) FROM trail_people WHERE ref IS NULL"))


def counts(done: Purge) -> tuple[int, int, int]:
    return done.of(Clock.PHOTOS), done.of(Clock.PERSONAL), done.of(Clock.RECORD)


async def test_each_clock_takes_its_own_and_the_figures_stay(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        nigeria = await ended(world, id_number=NUMBER, first_name="Adaobi", customer_reference="loan-4711")
        kenya = await ended(world, country="KE", id_type="NATIONAL_ID", id_number="00000000")
        open_ = await world.ask(id_number="22200000001")
        # Somebody without a check was looked for, whose country is known to nobody: the longest time counts.
        looked = {"actor": REVIEWER, "act": "checks.found", "number_print": "an invented print"}
        await world.bot.database.write(audit.record, at=world.clock(), **looked)
        begun = world.clock() - timedelta(days=1)
        figures = await world.bot.database.read(check_facts.settled, begun, world.clock() + timedelta(days=1))
        assert len(figures) == 2
        assert counts(await night(world, days=9)) == (0, 0, 0)
        await world.bot.purge.tick()
        assert counts(await night(world, days=2)) == (2, 0, 0)
        assert counts(await night(world, days=10)) == (0, 1, 0)
        assert await world.bot.database.read(people_without_a_check) == 1
        assert counts(await night(world, days=5)) == (0, 1, 0)
        assert await world.bot.database.read(people_without_a_check) == 0
        assert (await world.check(nigeria)).customer_reference == ""
        assert counts(await night(world, days=345)) == (0, 0, 1)
        assert await world.bot.database.read(checks.find, nigeria) is None
        assert counts(await night(world, days=366)) == (0, 0, 1)
        assert await world.bot.database.read(checks.find, kenya) is None
        # Nothing of a check that has not ended, however old; and nobody takes the others for altered.
        assert dict((await world.check(open_)).id_info)["id_number"] == "22200000001"
        assert await world.bot.database.read(checks.examine_after, "") == open_
        assert world.bot.database.altered == set()
        assert not world.bot.database.is_older
        still = await world.bot.database.read(check_facts.settled, begun, begun + timedelta(days=3))
        assert still == figures
        lines = await world.bot.database.read(trail_check.compare_lines, trail_check.Progress())
        assert (lines.done, lines.faults) == (True, ())


async def test_what_people_read_of_an_erased_check(tmp_path: Path) -> None:
    async with site(tmp_path, story="rejected") as world:
        ref = await ended(world, id_number=NUMBER, first_name="Adaobi", customer_reference="loan-4711")
        root = world.root()
        assert "ending" in world.slack.plain(root)
        await night(world, days=21)
        await world.settle()
        erased = f"Erased on {day_of((await world.check(ref)).erased_at)}"
        root = next(one for one in world.slack.messages(root.channel) if one.ts == root.ts)
        said = world.slack.plain(root)
        assert erased in said
        assert "Rejected" in said
        assert "ending" not in said
        assert AFTER_ERASED.partition(":")[2].partition("`")[0].strip() in said
        assert "Run again" not in json.dumps(root.blocks)
        reply = await world.analyst.command(f"status {ref}")
        assert erased in reply.text or erased in json.dumps(reply.blocks)
        admin = world.slack.person(ADMIN)
        assert (await admin.click(root, ids.DETAILS)).ok
        page = await admin.modal()
        await world.bot.background.done()
        text = page.text()
        assert erased.lower() in text.lower()
        assert not [secret for secret in (NUMBER, "Adaobi", "loan-4711") if secret in json.dumps(page.blocks)]
        # A button that was pressed before the message changed, and every other way to go on with it.
        for typed in (f"rerun {ref}",):
            answer = await world.analyst.command(typed)
            assert "Erased: the customer's data" in answer.text
        for typed in ("find", "list", ""):
            assert (await world.analyst.command(typed)).ok
        assert {one.ref for one in [await world.check(ref)] if one.erased_at} == {ref}


async def test_a_form_that_stood_open_while_it_was_erased_brings_nothing_back(tmp_path: Path) -> None:
    async with site(tmp_path, story="no_face") as world:
        ref = await ended(world, id_number=NUMBER)
        root = world.root()
        assert (await world.analyst.click(root, ids.SEND_PHOTOS)).ok
        photos_form: Modal = await world.analyst.modal()
        await photos_form.attach("selfie", await world.analyst.upload(b"x" * 100, "new.jpg"))
        await night(world, days=21)
        before = await world.bot.database.read(checks.get, ref)
        await photos_form.submit()
        await world.settle()
        assert await world.bot.database.read(checks.get, ref) == before
        assert len(world.smile_id.jobs) == 1


async def test_a_database_that_was_never_purged_is_only_reported_until_somebody_sets_a_clock(tmp_path: Path) -> None:
    key: dict[str, Any] = {"KYC_ENCRYPTION_KEYS": KEY}
    async with journey(tmp_path, **key) as world:
        ref = await ended(world, id_number=NUMBER)
        done = await night(world, days=31)
        assert not done.erases
        assert counts(done) == (1, 1, 0)
        assert (await world.check(ref)).erased_at is None
        await world.settle()
        (told,) = world.direct(ADMIN)
        assert told.startswith(
            "kyc-bot needs an admin: Nothing is erased yet. Over their time are the photos of 1 checks"
        )
        found = about_retention(world.bot.settings, done)
        assert [one.mark for one in found] == [Mark.NOTE]
        assert "over their time: photos of 1 check: to be erased" in found[0].text
        # Not each night again, but once a week.
        await night(world, days=1)
        await night(world, days=7)
        await world.settle()
        assert 2 <= len(world.direct(ADMIN)) <= 3
        assert (await world.check(ref)).erased_at is None
    async with journey(tmp_path, **USUAL, **key) as world:
        world.clock.move(days=60)
        done = await night(world)
        assert (done.erases, counts(done)) == (True, (1, 1, 0))
        await world.settle()
        assert [text for text in world.direct(ADMIN) if "Purge done. Photos erased: 1 checks." in text]
    # Once it has purged, it goes on although nobody sets a clock any more.
    async with journey(tmp_path, **key) as world:
        world.clock.move(days=90)
        assert (await night(world)).erases


async def test_the_older_name_alone_counts_as_a_clock(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_RETENTION_DAYS="5") as world:
        await ended(world)
        done = await night(world, days=6)
        assert (done.erases, counts(done)) == (True, (0, 1, 0))
        clocks, older = about_retention(world.bot.settings, done)
        assert (clocks.mark, older.mark) == (Mark.OK, Mark.NOTE)
        assert "personal data of 1 check: erased" in clocks.text
        assert older.text.endswith("counts as KYC_RETENTION_PERSONAL=5d. Set that instead.")


async def test_what_is_held_or_under_way_is_kept_and_said(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        customer, claim, under_way = [await ended(world, id_number=f"2220000000{n}") for n in (1, 2, 3)]

        def set_up(tx: Transaction) -> None:
            holds.add(tx, customer, HoldCause.RELATIONSHIP, by=REVIEWER, now=world.clock())
            holds.add(tx, claim, HoldCause.LEGAL, by=REVIEWER, now=world.clock())
            tx.run("UPDATE posts SET state = 'due', due_at = :far WHERE ref = :ref", ref=under_way, far=world.clock())

        await world.bot.database.write(set_up)
        done = await night(world, days=30)
        assert counts(done) == (0, 0, 0)
        assert kept(done.counts) == {Stay.HELD: 2, Stay.UNDER_WAY: 1}
        for ref in (customer, claim):
            await world.bot.database.write(holds.end, ref, by=ADMIN, now=world.clock())
        # The clocks of a customer begin when the relationship ends; those of a claim have run meanwhile.
        assert counts(await night(world, days=1)) == (1, 1, 0)
        assert (await world.check(claim)).personal_erased_at is not None
        assert (await world.check(customer)).personal_erased_at is None
        assert counts(await night(world, days=20)) == (1, 1, 0)
        assert (await world.check(customer)).personal_erased_at is not None


async def test_a_result_that_smile_ids_record_never_shows_is_erased_in_its_time(tmp_path: Path) -> None:
    async with waiting(tmp_path, **(USUAL | {"KYC_RETENTION_PHOTOS": "5d"})) as (world, ref):
        await call_back(world, "0811")
        await pass_time(world, 300, 3600)
        assert (await world.check(ref)).state == "rejected"
        done = await night(world, days=6)
        assert (counts(done), kept(done.counts)) == ((0, 0, 0), {Stay.UNCONFIRMED: 1})
        done = await night(world, days=2)
        assert (counts(done), kept(done.counts)) == ((1, 0, 0), {})
        assert counts(await night(world, days=13)) == (0, 1, 0)
        await world.work()
        assert "(not yet confirmed)" in world.slack.plain(world.root())
        assert counts(await night(world, days=366)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("recorded", "state", "says"),
    [
        ("0811", "rejected", "confirmed with Smile ID"),
        ("0810", "in_review", "We received Rejected, Smile ID's record says Approved."),
    ],
)
async def test_what_the_record_says_after_the_erasure_is_told_once_and_approves_nothing(
    tmp_path: Path, recorded: str, state: str, says: str
) -> None:
    async with waiting(tmp_path, **USUAL) as (world, ref):
        await call_back(world, "0811")
        await pass_time(world, 300)
        assert counts(await night(world, days=21)) == (1, 1, 0)
        await world.settle()
        put_on_record(world, recorded, FullName="Ada Clearly Invented")
        await pass_time(world, 86_400, 86_400, 86_400)
        check = await world.check(ref)
        assert (check.state, check.decision) == (state, None)
        told = [text for text in world.thread() if says in text]
        assert len(told) == 1
        assert "Invented" not in str(world.slack.messages(world.root().channel))
        assert not check.id_info


async def test_a_wrong_clock_erases_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        ref = await ended(world)
        world.clock.move(days=4000)
        # Slack's answers carry its own time.
        world.bot.health.note(Degraded.CLOCK_AGAINST_SLACK, "this machine is 4000 d fast")
        await world.bot.purge.tick()
        assert await world.bot.database.read(purges.last) is None
        assert await world.bot.database.read(checks.find, ref) is not None


async def test_a_purge_that_was_killed_goes_on_and_two_at_once_do_nothing_twice(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        refs = [await ended(world, id_number=f"2220000000{n}") for n in range(4)]
        world.clock.move(days=21)
        began = world.clock()
        # As a kill leaves it: a report that was begun, and some checks erased on one clock and not the other.
        await world.bot.database.write(purges.begin, actor=audit.BOT, erases=True, now=began)
        for ref in refs[:2]:
            await world.bot.database.write(privacy.erase, ref, Clock.PERSONAL, actor=audit.BOT, now=began)
        wanted, database = world.bot.settings.retention, world.bot.database
        (one, _clean), (other, _clean) = await asyncio.gather(
            privacy.purge(database, wanted, actor=audit.BOT, now=world.clock),
            privacy.purge(database, wanted, actor="operator", now=world.clock),
        )
        both = one, other
        assert sum(one.of(Clock.PERSONAL) for one in both) == 2
        assert sum(one.of(Clock.PHOTOS) for one in both) == 4

        def lines(tx: Transaction) -> list[str]:
            return tx.column("SELECT act || ' ' || ref FROM audit WHERE act LIKE '%.erased'")

        written = await database.read(lines)
        assert sorted(written) == sorted(f"{act}.erased {ref}" for act in ("photos", "personal") for ref in refs)
        again, _clean = await privacy.purge(database, wanted, actor=audit.BOT, now=world.clock)
        assert again.counts.get(Clock.PERSONAL, {}).get(ERASED, 0) == 0


async def test_a_check_that_is_held_while_the_purge_runs_is_kept(tmp_path: Path) -> None:
    async with site(tmp_path) as world:
        ref = await ended(world)
        world.clock.move(days=21)
        reads = world.bot.database.read
        page = await reads(retention.ended, Clock.PERSONAL, until=world.clock(), most=9)
        assert [one.ref for one in page] == [ref]
        hold = world.bot.database.write(holds.add, ref, HoldCause.LEGAL, by=ADMIN, now=world.clock())
        purge = privacy.purge(world.bot.database, world.bot.settings.retention, actor=audit.BOT, now=world.clock)
        _held, (done, _clean) = await asyncio.gather(hold, purge)
        assert counts(done) == (0, 0, 0)
        assert kept(done.counts) == {Stay.HELD: 1}


async def test_pieces_left_in_a_large_file_are_told_to_admins_until_a_purge_without_the_bot(tmp_path: Path) -> None:
    async with site(tmp_path, **USUAL, KYC_ENCRYPTION_KEYS=KEY) as world:
        await ended(world)
        await world.bot.database.write(grow, traces.AT_ONCE_BYTES)
        with DatabaseLock(tmp_path / "kyc.db"):  # as `kyc-bot serve` holds it
            await night(world, days=21)
            await night(world, days=1)
        await world.settle()
        told = [text for text in world.direct(ADMIN) if "Sealed pieces of what was erased" in text]
        assert 1 <= len(told) <= 2  # once a week, and the nights may lie in two
        wanted, now = world.bot.settings.retention, world.clock
    assert traces.clear(tmp_path / "kyc.db") is Traces.NONE
    async with site(tmp_path, **USUAL, KYC_ENCRYPTION_KEYS=KEY) as world:
        _done, left = await privacy.purge(world.bot.database, wanted, actor=audit.BOT, now=now)
        assert left is Traces.NONE


def grow(tx: Transaction, size: int) -> None:
    tx.run("INSERT INTO meta (name, value) VALUES ('ballast', CAST(zeroblob(:size) AS TEXT))", size=size)
