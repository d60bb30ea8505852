"""What a day may cost: each way in which a check is started counts it once, and none gets round the limit."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.domain.applicants.batch import BatchState
from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Modal
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from storage import batches
from storage.engine.database import Transaction
from tests import engines
from tests.journeys.intake.test_batches import batch_message, csv_of, drop, person, photos
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.intake.test_rerun import run_again
from tests.journeys.smile import call_back, put_on_record
from tests.journeys.world import ADMIN, REVIEWER, SELFIE, Journey, MovedClock, bot_between, journey, patient_slack
from tests.journeys.writing import WHOLE, said_directly, write

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

LAGOS = ZoneInfo("Africa/Lagos")


def clock_at(hour: int, minute: int = 0) -> MovedClock:
    """A clock that begins tomorrow, at this local time."""
    clock = MovedClock()
    wanted = (clock() + timedelta(days=1)).astimezone(LAGOS).replace(hour=hour, minute=minute)
    clock.offset = wanted - clock()
    return clock


def used(tx: Transaction) -> dict[str, int]:
    """Checks by day, as they count."""
    found = tx.rows("SELECT day, SUM(checks) AS checks FROM spending GROUP BY day ORDER BY day")
    return {row["day"]: row["checks"] for row in found if row["checks"]}


async def counted(world: Journey) -> list[int]:
    return list((await world.bot.database.read(used)).values())


async def refused(modal: Modal) -> str:
    errors = (await modal.submit()).errors
    assert errors
    return " ".join(errors.values())


def alerts(world: Journey) -> list[str]:
    return [text for text in world.direct(ADMIN) if "needs an admin" in text]


async def test_forms_count_until_the_day_is_full_and_no_door_gets_round(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=clock_at(12), KYC_DAILY_CHECKS="9,total=3", KYC_REQUESTERS="*") as world:
        first = await world.fill(await world.form(), id_number="22222222222")
        view = first.view
        assert (await first.submit()).closed
        # The same form once more starts nothing, and counts nothing.
        await world.analyst.submit(view)
        assert await counted(world) == [1]
        await world.settle()
        rejected = await world.newest()
        assert (await world.check(rejected)).state is State.FAILED

        # Cancelled before it was sent: given back.
        held = await world.ask(selfie=blurred())
        await world.work()
        assert await counted(world) == [2]
        await world.bot.details.cancel(ANALYST, held)
        assert await counted(world) == [1]

        # Two forms at once, with room for one more.
        await world.ask()
        both = [world.analyst, world.slack.person(REVIEWER)]
        forms = [await world.fill(await world.form(one), person=one) for one in both]
        ends = await asyncio.gather(*(modal.submit() for modal in forms))
        assert sorted(end.closed for end in ends) == [False, True]
        assert (
            "Daily limit reached: all together may start 3 checks a day, and none is left today. Nothing was sent and "
            "nothing was charged."
        ) in str([end.errors for end in ends])
        await world.settle()
        jobs = len(world.smile_id.jobs)
        assert jobs == sum(await counted(world)) == 3
        assert len([text for text in alerts(world) if "All 3 checks for" in text]) == 1

        # *Run again* is a check like any other.
        check = await world.check(rejected)
        (root,) = [m for m in world.slack.messages(CHANNEL) if m.ts == check.message_ts]
        assert (await world.analyst.click(root, ids.RUN_AGAIN)).ok
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.choose("consent", [ids.CONSENTED])
        assert "none is left today" in await refused(modal)
        assert (await world.check(rejected)).round == 1


async def test_a_full_day_is_full_for_messages_files_other_photos_and_answers_too(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=clock_at(12), story="no_face", KYC_DAILY_CHECKS="total=1") as world:
        # Asked for on the day before, so that each of them would count anew.
        held = await world.ask(selfie=blurred())
        await world.work()
        question = [m for m in world.slack.thread(CHANNEL, world.root().ts) if ids.OTHER_PHOTOS in str(m.blocks)][-1]
        world.clock.move(days=1)
        ended = await world.ask()
        await world.settle()
        root = world.root()
        assert (await world.check(ended)).state is State.REJECTED
        jobs, full = len(world.smile_id.jobs), await counted(world)

        for message, action in ((root, ids.SEND_PHOTOS), (question, ids.OTHER_PHOTOS)):
            assert (await world.analyst.click(message, action)).ok
            form = await world.analyst.modal()
            await form.attach(ids.SELFIE, await world.analyst.upload(SELFIE, "better.jpg"))
            answer = await form.submit()
            assert not answer.closed
            assert "none is left today" in f"{answer.errors} {form.text()}"
            await form.close(all_views=True)
        await write(world, WHOLE, "selfie.jpg")
        assert (await world.analyst.click(await said_directly(world), ids.SEND_MESSAGE)).ok
        await world.answered()
        await world.work()
        assert "none is left today" in world.slack.plain(world.slack.ephemerals(ANALYST)[-1])
        await drop(world, {"people.csv": csv_of([person(0, "22222222224")]), **photos(1)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.settle()
        assert "these are 1 checks, and none is left today" in world.slack.ephemerals(ANALYST)[-1].text

        assert (len(world.smile_id.jobs), await counted(world)) == (jobs, full)
        assert (await world.check(ended)).round == 1
        assert str((await world.check(held)).held) == "photos"


async def test_a_check_that_is_planned_counts_for_the_day_of_its_sending(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=clock_at(12), story="never", KYC_DAILY_CHECKS="1") as world:
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "1015")
        await call_back(world, "1015")
        await world.work()
        modal = await run_again(world)
        await modal.choose("consent", [ids.CONSENTED])
        assert "none is left today" in await refused(modal)
        await modal.choose(ids.NOT_BEFORE, world.clock() + timedelta(days=1))
        assert (await modal.submit()).closed
        assert await counted(world) == [1, 1]
        assert (await world.check(ref)).round == 2
        world.clock.move(days=1, minutes=1)
        await world.work()
        assert len(world.smile_id.jobs) == 2
        assert await counted(world) == [1, 1]
        assert "none is left today" in await refused(await world.fill(await world.form()))


async def test_a_retry_of_the_bot_counts_no_second_time_and_midnight_begins_anew(tmp_path: Path) -> None:
    clock = clock_at(23, 58)
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(
        partner_id="0421", api_key="sandbox-api-key", story="approved", callback_delay_seconds=0.0, clock=clock
    )
    async with AsyncExitStack() as stack:
        for stand_in in (slack, smile_id):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        environment: Mapping[str, str] = settings_for(
            slack,
            smile_id,
            database=engines.lay(tmp_path / "kyc.db"),
            socket_mode=False,
            public=True,
            KYC_SLACK_POSTS_PER_SECOND="1000",
            KYC_DAILY_CHECKS="total=1",
        )
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            ref = await world.ask()
            assert await counted(world) == [1]
            # Taken up, and killed before anything was sent.
            assert await world.bot.submission.claim(1) == [ref]
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            assert await counted(world) == [1]
            modal = await world.fill(await world.form())
            assert "all together may start 1 checks a day, and none is left today" in await refused(modal)
            clock.move(minutes=15)
            # Sent after midnight, it counts for the day on which it was asked for.
            await world.settle()
            assert (await world.check(ref)).state is State.APPROVED
            assert await counted(world) == [1]
            assert (await modal.submit()).closed
            assert await counted(world) == [1, 1]
            await world.settle()
            assert len(smile_id.jobs) == 2
            assert len([text for text in alerts(world) if text.count("All 1 checks")]) == 2


async def test_an_answer_or_an_edit_on_another_day_counts_for_that_day(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=clock_at(9), KYC_DAILY_CHECKS="1") as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        assert str((await world.check(ref)).held) == "photos"
        world.clock.move(days=1)
        other = await world.ask(id_number="22222222222")
        await world.settle()
        assert await counted(world) == [1, 1]
        assert len([text for text in alerts(world) if "all 1 checks that one person may start" in text]) == 2

        held = next(m for m in world.slack.messages(CHANNEL) if ref in str(m.blocks))
        question = [m for m in world.slack.thread(CHANNEL, held.ts) if ids.SEND_HELD in str(m.blocks)][-1]
        seen = len(world.slack.ephemerals(ANALYST))
        assert (await world.analyst.click(question, ids.SEND_HELD)).ok
        await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) > seen)
        assert "none is left today" in world.slack.ephemerals(ANALYST)[-1].text
        assert str((await world.check(ref)).held) == "photos"
        assert await counted(world) == [1, 1]

        world.clock.move(days=1)
        assert (await world.analyst.click(question, ids.SEND_HELD)).ok
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        assert (await world.check(other)).state is State.FAILED
        assert await counted(world) == [1, 1]


async def test_a_file_begins_whole_or_not_at_all(tmp_path: Path) -> None:
    def people(count: int) -> dict[str, bytes]:
        rows = [person(n, f"2222222222{n}") for n in range(count)]
        return {"people.csv": csv_of(rows), **photos(count)}

    async with journey(tmp_path, clock=clock_at(12), KYC_DAILY_CHECKS="5") as world:

        async def pressed(action: str) -> str:
            seen = len(world.slack.ephemerals(ANALYST))
            assert (await world.analyst.click(batch_message(world), action)).ok
            await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) > seen)
            return world.slack.ephemerals(ANALYST)[-1].text

        # More than any day has room for.
        await drop(world, people(6))
        assert "Split the file into files of at most 5 rows" in await pressed(ids.BATCH_CONFIRM)
        assert await counted(world) == []

        await world.ask()
        await world.ask()
        await drop(world, people(4))
        said = await pressed(ids.BATCH_CONFIRM)
        assert said.startswith("Daily limit: these are 4 checks, and 3 are left today.")
        batch = (await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches ORDER BY asked_at")))[-1]
        assert (await world.bot.database.read(batches.get, batch)).state is BatchState.PREVIEW
        await world.settle()
        assert len(world.smile_id.jobs) == 2

        # The same button on the next day.
        world.clock.move(days=1)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        assert await counted(world) == [2, 4]
        # Its rows become checks, and are paused before any of them is sent.
        for claimed in await world.bot.batches.claim(2):
            await world.bot.batches.work(claimed)
        await world.bot.batches.pause(ANALYST, batch)
        assert await counted(world) == [2, 4]

        # What is sent on a later day counts for it; one that is cancelled counts for none.
        world.clock.move(days=1)
        unsent = await world.bot.database.read(batches.unsent, batch, limit=9)
        await world.bot.details.cancel(ANALYST, unsent[0])
        assert await counted(world) == [2, 3]
        await world.ask()
        await world.ask()
        await world.ask()
        await world.work()
        assert "3 checks, and 2 are left today" in await pressed(ids.BATCH_RESUME)
        assert (await world.bot.database.read(batches.get, batch)).state is BatchState.PAUSED
        assert await counted(world) == [2, 3, 3]
        world.clock.move(days=1)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_RESUME)).ok
        assert await counted(world) == [2, 3, 3]
        await world.settle()
        assert len(world.smile_id.jobs) == 2 + 3 + 3


async def test_what_was_accepted_before_checks_were_counted_counts_when_it_is_sent(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=clock_at(12), KYC_DAILY_CHECKS="9,total=10") as world:
        await world.ask()
        await world.bot.database.write(lambda tx: tx.run("DELETE FROM spending"))
        await world.settle()
        assert await counted(world) == [1]
        # Ten of ten, in steps: each mark is told once.
        for _ in range(8):
            await world.ask()
        await world.settle()
        assert len([text for text in alerts(world) if "of the 10 checks" in text]) == 1
        modal = await world.fill(await world.form())
        assert "you may start 9 checks a day" in await refused(modal)
