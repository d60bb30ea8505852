"""Every row of a file comes to its end, and nothing is sent that was not confirmed, whatever happens in between."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST, settings_for
from bot.slack.blocks import ids
from storage import checks, spending
from storage.engine.database import Transaction
from tests.journeys.capture.test_asking_by_link import WHOLE
from tests.journeys.intake.test_batches import batch_message, bots_files, csv_of, drop, person, photos, send
from tests.journeys.privacy.test_forget import say
from tests.journeys.runtime.test_id_type_sync import listing, nigeria
from tests.journeys.world import ADMIN, Journey, bot_between, journey

pytestmark = pytest.mark.anyio


async def _drop_two(world: Journey, *numbers: str) -> None:
    people = [person(n, number) for n, number in enumerate(numbers or ("22222222220", "22222222221"))]
    await drop(world, {"people.csv": csv_of(people), **photos(2)})


async def _confirm(world: Journey) -> None:
    """Its rows become checks, and none is sent yet."""
    assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
    for batch_id in await world.bot.batches.claim(2):
        await world.bot.batches.work(batch_id)


async def _rerun(world: Journey, ref: str, *, by_link: bool) -> None:
    await world.analyst.command(f"rerun {ref}")
    modal = await world.analyst.modal()
    await world.slack.wait_for(lambda: "One moment" not in modal.text())
    await (modal.choose("photos_by", "link") if by_link else modal.choose("consent", ["consented"]))
    submission = await modal.submit()
    assert submission.closed, submission.errors


async def _states(world: Journey) -> list[str]:
    return await world.bot.database.read(lambda tx: tx.column("SELECT state FROM verifications ORDER BY batch_row"))


async def _file(world: Journey) -> str:
    return await world.bot.database.read(lambda tx: tx.value("SELECT state FROM batches"))


async def _id(world: Journey) -> str:
    return await world.bot.database.read(lambda tx: tx.value("SELECT id FROM batches"))


async def _counted(world: Journey) -> int:
    """Checks, for the day."""
    return await world.bot.database.read(lambda tx: tx.value("SELECT COALESCE(SUM(checks), 0) FROM spending"))


async def _takes(world: Journey, regex: str) -> None:
    """Smile ID's list of products is learned anew, as each day."""
    world.smile_id.services = listing(NG=nigeria(id_number_regex=regex))
    assert await world.bot.refresh()


async def test_a_row_of_a_cancelled_file_that_is_run_again_goes_on(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await _drop_two(world)
        await _confirm(world)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        await world.settle()
        assert await _states(world) == ["cancelled", "cancelled"]
        ref = await world.newest()
        await _rerun(world, ref, by_link=False)
        await world.bot.batches.tick()
        assert (await world.check(ref)).state is State.REQUESTED
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        assert len(world.smile_id.jobs) == 1


async def test_a_row_of_a_cancelled_file_that_is_run_again_by_link_waits_for_its_customer(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        await _drop_two(world)
        await _confirm(world)
        (sent,) = await world.bot.submission.claim(1)
        await world.bot.submission.work(sent)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        await world.settle()
        assert sorted(await _states(world)) == ["cancelled", "rejected"]
        await _rerun(world, sent, by_link=True)
        await world.settle()
        await world.bot.batches.tick()
        assert (await world.check(sent)).state is State.AWAITING_PHOTOS


async def test_a_file_whose_last_rows_end_while_it_is_paused_is_done(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await _drop_two(world)
        await _confirm(world)
        refs = await world.bot.submission.claim(6)
        assert len(refs) == 2
        (batch_id,) = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches"))
        await world.bot.batches.pause(ANALYST, batch_id)
        for ref in refs:
            await world.bot.submission.work(ref)
        for _round in range(4):
            await world.settle()
            world.clock.move(seconds=4)
        assert await _file(world) == "done"
        assert "Done · B-" in world.slack.plain(batch_message(world))
        assert [name for name in bots_files(world) if "results" in name]
        await say(world, ADMIN, f"forget {refs[0]}")
        form = await world.slack.person(ADMIN).modal()
        await world.slack.person(ADMIN).submit(form.view)
        world.clock.move(minutes=30)
        await world.bot.erasures.tick()
        assert (await world.check(refs[0])).personal_erased_at is not None


async def test_a_paused_file_of_which_rows_still_wait_is_not_done(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await _drop_two(world)
        await _confirm(world)
        (ref,) = await world.bot.submission.claim(1)
        (batch_id,) = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches"))
        await world.bot.batches.pause(ANALYST, batch_id)
        await world.bot.submission.work(ref)
        for _round in range(3):
            await world.settle()
            world.clock.move(seconds=4)
        assert await _file(world) == "paused"
        await world.bot.batches.resume(ANALYST, batch_id)
        await world.settle()
        assert await _file(world) == "done"
        assert len(world.smile_id.jobs) == 2


@pytest.mark.parametrize("is_confirmed", [False, True])
async def test_a_file_none_of_whose_rows_a_new_setting_allows_is_refused(tmp_path: Path, is_confirmed: bool) -> None:
    async with journey(tmp_path) as world:
        await _drop_two(world)
        if is_confirmed:
            assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.bot.database.close()
        environment = settings_for(
            world.slack,
            world.smile_id,
            database=tmp_path / "kyc.db",
            socket_mode=False,
            public=True,
            KYC_ENCRYPTION_KEYS=world.bot.settings.encryption_keys.get_secret_value(),
            KYC_LIVENESS="required",
            KYC_SLACK_POSTS_PER_SECOND="1000",
        )
        async with bot_between(world.slack, world.smile_id, environment, clock=world.clock) as again:
            if not is_confirmed:
                assert (await again.analyst.click(batch_message(again), ids.BATCH_CONFIRM)).ok
            for _round in range(4):
                await again.settle()
                again.clock.move(seconds=4)
            assert (await _states(again), await _file(again), await _counted(again)) == ([], "refused", 0)
            shown = again.slack.plain(batch_message(again))
            assert "Other rows can be sent now" in shown
            assert "see there which rows are ready" in shown


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("^[0-9]{11}$/i", "^[01][0-9]{10}$/i"),
        ("^[01][0-9]{10}$/i", "^[0-9]{11}$/i"),
        # As many as before, and others.
        ("^[01][0-9]{10}$/i", "^[02][0-9]{10}$/i"),
        ("^[0-9]{11}$/i", "^[03][0-9]{10}$/i"),
    ],
    ids=["fewer", "more", "others", "none"],
)
async def test_a_file_is_not_sent_with_other_rows_than_were_confirmed(tmp_path: Path, before: str, after: str) -> None:
    async with journey(tmp_path) as world:
        await _takes(world, before)
        await _drop_two(world, "11111111110", "22222222221")
        await _takes(world, after)
        await send(world)
        assert (await _states(world), await _file(world), await _counted(world)) == ([], "refused", 0)
        assert "Other rows can be sent now" in world.slack.plain(batch_message(world))
        assert world.smile_id.jobs == {}


async def _pause(world: Journey, *, sends: int) -> None:
    """A file of three rows, once so many of them are sent."""
    people = [person(n, f"2222222222{n}") for n in range(3)]
    await drop(world, {"people.csv": csv_of(people), **photos(3)})
    await _confirm(world)
    for ref in await world.bot.submission.claim(sends) if sends else []:
        await world.bot.submission.work(ref)
    await world.bot.batches.pause(ANALYST, await _id(world))
    await world.settle()


async def _resumed(world: Journey, tmp_path: Path, limits: str) -> str:
    """What *Resume* says a day later, under the settings that hold now, which were set since it was paused."""
    await world.bot.database.close()
    environment = settings_for(
        world.slack,
        world.smile_id,
        database=tmp_path / "kyc.db",
        socket_mode=False,
        public=True,
        KYC_ENCRYPTION_KEYS=world.bot.settings.encryption_keys.get_secret_value(),
        KYC_DAILY_CHECKS=limits,
        KYC_SLACK_POSTS_PER_SECOND="1000",
    )
    async with bot_between(world.slack, world.smile_id, environment, clock=world.clock) as again:
        again.clock.move(days=1)
        seen = len(again.slack.ephemerals(ANALYST))
        assert (await again.analyst.click(batch_message(again), ids.BATCH_RESUME)).ok
        await again.slack.wait_for(lambda: len(again.slack.ephemerals(ANALYST)) > seen)
        assert await _file(again) == "paused"
        return again.slack.ephemerals(ANALYST)[-1].text


@pytest.mark.parametrize(
    ("limits", "sends", "said"),
    [("total=2", 0, "3 checks, and the limit is 2 a day"), ("1,total=9", 1, "2 checks, and the limit is 1 a day")],
)
async def test_a_paused_file_that_fits_into_no_day_any_more_says_so(
    tmp_path: Path, limits: str, sends: int, said: str
) -> None:
    """And not that nothing was charged, which whoever sent the whole file again would pay twice for."""
    async with journey(tmp_path, KYC_DAILY_CHECKS="total=3") as world:
        await _pause(world, sends=sends)
        assert len(world.smile_id.jobs) == sends
        assert await _resumed(world, tmp_path, limits) == (
            f"Daily limit: to resume takes {said}, so no day has room. The file stays paused. Ask <@{ADMIN}> to raise "
            "the limit, or cancel the remaining checks."
        )


async def test_a_paused_file_for_which_this_day_has_no_room_says_how_much_of_it_is_left(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_DAILY_CHECKS="total=3") as world:
        await _pause(world, sends=2)

        def use(tx: Transaction) -> None:
            """All checks of tomorrow, by somebody else."""
            day = world.clock().date() + timedelta(days=1)
            spending.take_file(tx, "B-OTHERS", day=day, person=ADMIN, checks=3)

        await world.bot.database.write(use)
        assert await _resumed(world, tmp_path, "total=3") == (
            "Daily limit: to resume takes 1 check, and none is left today. The file stays paused. Resume it on another "
            f"day, ask <@{ADMIN}> to raise the limit, or cancel the remaining checks."
        )


async def test_rows_that_count_as_an_admins_need_room_in_the_day_of_all(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_DAILY_CHECKS="total=3") as world:
        await _pause(world, sends=0)
        ref = await world.newest()

        def let_pass(tx: Transaction) -> None:
            """As an admin does who answers its question."""
            check = checks.get(tx, ref)
            found = spending.of_check(tx, check)
            assert found is not None
            spending.take(tx, check, day=found[0], person=ADMIN)

        await world.bot.database.write(let_pass)
        said = await _resumed(world, tmp_path, "total=2")
        assert said.startswith("Daily limit: to resume takes 3 checks, and the limit is 2 a day, so no day has room.")


async def test_a_file_that_meets_a_fault_of_the_bot_is_refused_and_told(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await _drop_two(world)
        batch_id = await _id(world)

        def spoil(tx: Transaction) -> None:
            """What is stored of its preview is sealed by the bot, and nothing that this version can use."""
            preview = tx.sealer.seal("{}", place=f"batches.reading:{batch_id}")
            tx.update("batches", "id = :id", {"id": batch_id}, reading_sealed=preview)

        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.bot.database.write(spoil)
        for tries in range(1, 9):
            assert await world.bot.batches.claim(2) == [batch_id], f"{tries} tries"
            await world.bot.batches.work(batch_id)
            assert await _file(world) == ("confirmed" if tries < 8 else "refused")
            world.clock.move(minutes=5)
        await world.settle()
        shown = world.slack.plain(batch_message(world))
        assert "Ask an admin when to send it again." in shown
        assert "Something went wrong on our side, so nothing was sent and nothing was charged." in shown
        (alert,) = [text for text in world.direct(ADMIN) if "stops a file of customers" in text]
        assert batch_id in alert
        assert (await _states(world), await _counted(world)) == ([], 0)
