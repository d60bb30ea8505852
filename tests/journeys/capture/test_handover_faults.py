"""A customer's photos reach Smile ID once, whatever becomes of the calls that send them; their page hears what to do.

Each fault strikes one of the three calls. The page hands in the same photos again when it is told to; a worker asks
Smile ID about what is in doubt, and never has photos of its own.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.capture.links import LinkEnding, LinkStep
from bot.errors import LinkGone, NotNow
from bot.sandbox.smile_id import Fault
from bot.submission.retries import MAX_TRIES
from storage import checks
from tests.journeys.capture.customer import Customer, agreed
from tests.journeys.capture.test_handover import link_of, never_read, nothing_is_kept
from tests.journeys.smile import message
from tests.journeys.submission.test_submission_faults import (
    BROKEN,
    EXPIRED,
    SHORT,
    SLOW,
    _start_again,
    count,
    finish,
    job_ids,
    no,
    no_zip,
    uploads,
)
from tests.journeys.world import ADMIN, PATIENT, Journey, StoppedClock, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio


async def until_taken(world: Journey, customer: Customer) -> int:
    """The page tries again whenever it is told to; how often it was."""
    for told in range(60):
        try:
            assert await customer.hand_in() is LinkStep.TAKEN
        except NotNow as wait:
            world.clock.move(seconds=wait.retry_after)
            await world.work()
        else:
            return told
    raise AssertionError(f"never taken: {(await world.check(customer.ref)).state}")


async def assert_sent_once_and_approved(world: Journey, customer: Customer) -> None:
    check = await finish(world, customer.ref)
    assert check.state == "approved", world.thread()
    assert len(world.smile_id.jobs) == 1
    assert world.job().upload_count == 1
    assert world.job().usable
    assert len(job_ids(world)) == 1
    assert (await link_of(world, customer)).ending is LinkEnding.USED
    assert len([text for text in world.thread() if "Approved — face and ID number verified" in text]) == 1
    assert world.notices() == world.direct(ADMIN) == []


@pytest.mark.parametrize("call", ["upload", "put"])
@pytest.mark.parametrize("name", [*BROKEN, *SLOW])
async def test_a_customers_photos_are_sent_once_when_smile_id(tmp_path: Path, name: str, call: str) -> None:
    fault = {**BROKEN, **SLOW}[name]
    async with journey(tmp_path, timeouts=SHORT if name in SLOW else None) as world:
        customer = await agreed(world)
        world.smile_id.fail_next(call, fault)
        await until_taken(world, customer)
        await assert_sent_once_and_approved(world, customer)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_lost_answer_is_settled_though_the_question_about_it_fails_too(tmp_path: Path, name: str) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", BROKEN[name], BROKEN[name])
        await until_taken(world, customer)
        await assert_sent_once_and_approved(world, customer)
        assert count(world, "put") == 1


async def test_while_smile_id_is_away_the_check_waits_for_its_customer_and_no_try_is_counted(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        await world.smile_id.stop()
        for _try in range(MAX_TRIES + 2):
            with pytest.raises(NotNow):
                await customer.hand_in()
            await nothing_is_kept(world, customer)
        assert (await world.check(customer.ref)).tries == 0
        await world.work()
        assert "Waiting for the customer" in world.slack.plain(world.root())
        await world.smile_id.start()
        assert await until_taken(world, customer) == 0
        await assert_sent_once_and_approved(world, customer)


async def test_photos_that_did_not_arrive_are_taken_again_for_the_same_job(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.status(500))
        with pytest.raises(NotNow):
            await customer.hand_in()
        await nothing_is_kept(world, customer)
        assert await customer.hand_in() is LinkStep.TAKEN
        assert count(world, "upload") == 1  # its URL was kept, as for photos from Slack
        await assert_sent_once_and_approved(world, customer)


async def test_an_upload_url_that_has_died_meanwhile_is_replaced(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.status(500), Fault.status(403, EXPIRED))
        assert await until_taken(world, customer) == 1
        assert [body.get("retry") for body in uploads(world)] == [None, None, True]
        await assert_sent_once_and_approved(world, customer)


async def test_while_it_is_in_doubt_whether_photos_arrived_no_others_are_read(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.reset_before())
        with pytest.raises(NotNow):
            await customer.hand_in()
        assert (await world.check(customer.ref)).state == "submitting"
        await world.work()
        assert [r.call for r in world.smile_id.requests] == ["upload", "put", "job_status"]
        world.clock.move(seconds=9)
        await world.work()
        with pytest.raises(NotNow):
            await customer.hand_in(before=never_read)
        # Ten seconds after, Smile ID's record counts: it does not have them.
        world.clock.move(seconds=1.5)
        await world.work()
        await nothing_is_kept(world, customer)
        assert await customer.hand_in() is LinkStep.TAKEN
        assert (count(world, "upload"), count(world, "put")) == (1, 2)
        await assert_sent_once_and_approved(world, customer)


async def test_photos_that_arrived_although_the_answer_was_lost_are_found_by_the_worker(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_POLL_AFTER="1h", story="never") as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.reset_after())
        with pytest.raises(NotNow):
            await customer.hand_in()
        await world.work()
        assert (await world.check(customer.ref)).state == "processing"
        assert await customer.hand_in(before=never_read) is LinkStep.TAKEN
        assert world.job().upload_count == 1


async def test_a_job_that_nobody_answers_for_ends_unsettled_and_so_does_its_link(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fault = lambda call, _n: Fault.status(500) if call == "job_status" else None
        with pytest.raises(NotNow):
            await customer.hand_in()
        check = await finish(world, customer.ref, step_seconds=60)
        assert (check.state, check.failure) == ("failed", "unsettled")
        with pytest.raises(LinkGone):
            await customer.hand_in(before=never_read)
        assert count(world, "put") == 1
        assert len(world.direct(ADMIN)) == 1


async def test_a_check_that_smile_id_refuses_ends_and_its_link_is_gone(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("upload", no("2205"))
        with pytest.raises(LinkGone):
            await customer.hand_in()
        check = await finish(world, customer.ref)
        assert (check.state, check.failure) == ("failed", "refused")
        with pytest.raises(LinkGone):
            await customer.hand_in(before=never_read)
        assert (await link_of(world, customer)).ended_at is not None


async def test_a_user_id_that_is_taken_is_replaced_with_the_same_photos(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("upload", no("2209"))
        assert await customer.hand_in() is LinkStep.TAKEN
        assert len(job_ids(world)) == 2
        assert world.job().upload_count == 1


async def test_a_result_that_comes_before_the_answer_to_the_photos_counts(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        customer = await agreed(world)

        async def call_back() -> None:
            job = world.job()
            job.record[:] = [message(job, "0810")]
            assert await world.smile_id.send_callback(job.job_id, message(job, "0810")) == 200
            await world.heard()
            await world.bot.poller.work((await world.bot.poller.claim(1))[0])
            assert (await world.check(customer.ref)).state == "approved"

        world.smile_id.fail_next("put", Fault.call(after=call_back))
        assert await customer.hand_in() is LinkStep.TAKEN
        await assert_sent_once_and_approved(world, customer)


@pytest.mark.parametrize("answer_is", ["lost", "never sent"])
async def test_a_result_of_photos_that_smile_id_seemed_not_to_have_needs_no_others(
    tmp_path: Path, answer_is: str
) -> None:
    """Its record was late by more than ten seconds, and the customer was asked once more."""
    async with journey(tmp_path, story="never", clock=StoppedClock()) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", no_zip(world), no_zip(world))
        with pytest.raises(NotNow):
            await customer.hand_in()
        await world.work()
        world.clock.move(seconds=11)
        await world.work()
        await nothing_is_kept(world, customer)
        job = world.job()
        job.record[:] = [message(job, "0810")]
        assert await world.smile_id.send_callback(job.job_id, message(job, "0810")) == 200
        if answer_is == "lost":
            # The page is faster than the settling of the callback.
            with pytest.raises(NotNow):
                await customer.hand_in(before=never_read)
        await finish(world, customer.ref)
        assert await customer.hand_in(before=never_read) is LinkStep.TAKEN
        await assert_sent_once_and_approved(world, customer)
        assert count(world, "put") == 1


async def test_a_result_that_comes_while_smile_ids_record_denies_the_photos_keeps_them_known(tmp_path: Path) -> None:
    """What was sent is still known: how many liveness images, and which photos they were."""
    async with journey(tmp_path, story="never", clock=StoppedClock()) as world:
        customer = await agreed(world)

        async def call_back() -> None:
            job = world.job()
            job.record[:] = [message(job, "0810")]
            assert await world.smile_id.send_callback(job.job_id, message(job, "0810")) == 200

        world.smile_id.fail_next("put", Fault.reset_after())
        with pytest.raises(NotNow):
            await customer.hand_in()
        world.clock.move(seconds=11)
        world.smile_id.fail_next("job_status", replace(no_zip(world), before=call_back))
        await finish(world, customer.ref)
        await assert_sent_once_and_approved(world, customer)
        assert (await world.check(customer.ref)).liveness_images == 8
        assert len(await world.bot.database.read(checks.photos, customer.ref)) == 9


async def test_a_send_that_takes_too_long_is_in_doubt_and_the_customer_hears_in_time(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=replace(PATIENT, one_pass_seconds=1.5)) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.hang_after(GIVE_UP_SECONDS))
        with pytest.raises(NotNow):
            await customer.hand_in()
        assert (await world.check(customer.ref)).state == "submitting"
        await until_taken(world, customer)
        await assert_sent_once_and_approved(world, customer)
        assert count(world, "put") == 1


async def test_a_callback_that_comes_while_photos_are_read_makes_them_needless(tmp_path: Path) -> None:
    """Smile ID's record did not show the photos of before, and the customer has begun to hand them in again."""
    async with journey(tmp_path, story="never", clock=StoppedClock()) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", no_zip(world), no_zip(world))
        with pytest.raises(NotNow):
            await customer.hand_in()
        await world.work()
        world.clock.move(seconds=11)
        await world.work()

        async def call_back() -> None:
            job = world.job()
            job.record[:] = [message(job, "0810")]
            assert await world.smile_id.send_callback(job.job_id, message(job, "0810")) == 200

        with pytest.raises(NotNow):
            await customer.hand_in(before=call_back)
        await finish(world, customer.ref)
        await assert_sent_once_and_approved(world, customer)
        assert count(world, "put") == 1


@pytest.mark.parametrize("moment", ["upload", "put", "between", "before"])
async def test_a_restart_in_the_middle_of_an_upload_sends_nothing_twice(tmp_path: Path, moment: str) -> None:
    """What `serve` does at its start, done to a bot that was broken off at each of its commits."""
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        acted, over = asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            acted.set()
            await over.wait()

        match moment:
            case "before":
                task = asyncio.create_task(customer.hand_in(before=hang))
            case "between":
                world.smile_id.fail_next("put", Fault.call(before=hang))
                task = customer.handing_in()
            case call:
                world.smile_id.fail_next(call, Fault.call(after=hang))
                task = customer.handing_in()
        await acted.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        over.set()
        await world.bot.database.write(_start_again, world.clock())
        await until_taken(world, customer)
        await assert_sent_once_and_approved(world, customer)


async def test_a_restart_while_a_customer_takes_photos_again_asks_smile_id_first(tmp_path: Path) -> None:
    """A backup that was put back may know of an attempt, and not that its photos were sent."""
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        world.smile_id.fail_next("put", Fault.status(500))
        with pytest.raises(NotNow):
            await customer.hand_in()
        await world.bot.database.write(_start_again, world.clock())
        with pytest.raises(NotNow):
            await customer.hand_in(before=never_read)
        await until_taken(world, customer)
        assert count(world, "job_status") >= 1
        await assert_sent_once_and_approved(world, customer)
