"""A check is sent once, whatever becomes of the calls that send it, and its thread says what is true.

Each fault strikes one of the three calls. The clock is moved; nothing waits for real time but the hangs, for which
the bot's patience is short.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.domain.check.check import Check
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from bot.submission.retries import MAX_TRIES
from storage import attempts, leases, retention
from storage.engine.database import Transaction
from tests.journeys.review.test_review import STAFF, decide
from tests.journeys.world import ADMIN, PATIENT, REVIEWER, Journey, StoppedClock, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

APPROVED = "Approved — face and ID number verified"
SHORT = replace(PATIENT, smile_id=httpx.Timeout(1.5))
PAGE = "<html><body>Sign in to the hotel's network</body></html>"
EXPIRED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'


async def finish(world: Journey, ref: str, *, step_seconds: float = 5) -> Check:
    """Work and move the clock until the check ended, and everything about it is said."""
    for _round in range(4000):
        await world.work()
        check: Check = await world.check(ref)
        if check.ended_at is not None:
            await rest(world)
            found: Check = await world.check(ref)
            return found
        await asyncio.sleep(0.01)
        world.clock.move(seconds=step_seconds)
    raise AssertionError(f"{ref} never ended: {check.state}, {world.thread()}")


async def rest(world: Journey) -> None:
    """Time for whatever else might come: a repeated callback, a second result."""
    for _late_word in range(3):
        await asyncio.sleep(0.03)
        world.clock.move(seconds=1)
        await world.work()


def uploads(world: Journey) -> list[dict[str, Any]]:
    return [r.body for r in world.smile_id.requests if r.call == "upload" and r.body is not None]


def count(world: Journey, call: str) -> int:
    return sum(request.call == call for request in world.smile_id.requests)


def job_ids(world: Journey) -> set[str]:
    return {body["partner_params"]["job_id"] for body in uploads(world)}


async def assert_sent_once_and_approved(world: Journey, ref: str) -> None:
    check = await world.check(ref)
    assert check.state == "approved", world.thread()
    assert len(world.smile_id.jobs) == 1
    assert world.job().upload_count == 1
    assert world.job().usable
    assert len(job_ids(world)) == 1
    endings = [text for text in world.thread() if APPROVED in text]
    assert len(endings) == 1, world.thread()
    assert endings[0].startswith("@amina ")
    assert len(world.thread()) == 1
    assert "Approved — face and ID number verified" in world.slack.plain(world.root())
    assert world.notices() == world.direct(ADMIN) == []


def no(code: str, status: int = 400) -> Fault:
    return Fault.status(status, {"error": "Error - invented", "code": code})


def no_zip(world: Journey) -> Fault:
    """A signed answer of job_status that knows of no zip, though there may be one."""
    stamp = world.clock().isoformat(timespec="milliseconds")
    body = {"code": "2314", "result": "No zip uploaded yet", "job_complete": False, "job_success": False}
    return Fault.status(200, {**body, "timestamp": stamp, "signature": world.smile_id.sign(stamp)})


BROKEN = {
    "answers-500": Fault.status(500, {"error": "invented"}),
    "answers-502-in-html": Fault.status(502, PAGE),
    "asks-to-wait": Fault.rate_limited(40),
    "asks-to-wait-nonsense": Fault.rate_limited("soon"),
    "resets-before-acting": Fault.reset_before(),
    "resets-after-acting": Fault.reset_after(),
    "gives-half-an-answer": Fault.half_answer(),
    "answers-a-page-with-200": Fault.status(200, PAGE),
}
SLOW = {
    "hangs-before-acting": Fault.hang_before(GIVE_UP_SECONDS),
    "hangs-after-acting": Fault.hang_after(GIVE_UP_SECONDS),
}


@pytest.mark.parametrize("call", [pytest.param("upload", marks=pytest.mark.endurance), "put"])
@pytest.mark.parametrize("name", [*BROKEN, *SLOW])
async def test_a_check_is_sent_once_when_smile_id(tmp_path: Path, name: str, call: str) -> None:
    fault = {**BROKEN, **SLOW}[name]
    async with journey(tmp_path, timeouts=SHORT if name in SLOW else None) as world:
        world.smile_id.fail_next(call, fault)
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


@pytest.mark.parametrize("name", [*BROKEN, *SLOW])
async def test_a_lost_answer_is_settled_though_the_question_about_it_fails_too(tmp_path: Path, name: str) -> None:
    fault = {**BROKEN, **SLOW}[name]
    async with journey(tmp_path, timeouts=SHORT if name in SLOW else None) as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", fault, fault)
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert count(world, "put") == 1


@pytest.mark.parametrize("call", ["upload", "put", "job_status"])
async def test_nothing_is_lost_while_smile_id_refuses_connections(tmp_path: Path, call: str) -> None:
    async with journey(tmp_path) as world:
        if call == "put":
            world.smile_id.fail_next("put", Fault.status(500))
        elif call == "job_status":
            world.smile_id.fail_next("put", Fault.reset_before())
            world.smile_id.fail_next("job_status", Fault.status(503))
        if call == "upload":
            await world.smile_id.stop()
        ref = await world.ask()
        await world.work()
        if call != "upload":
            await world.smile_id.stop()
        for _minute in range(3):
            world.clock.move(minutes=1)
            await world.work()
        assert "it takes longer than usual, and we keep trying" in world.slack.plain(world.root())
        await world.smile_id.start()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


@pytest.mark.parametrize("call", ["upload", "put"])
async def test_smile_id_is_not_asked_again_before_it_wants_to(tmp_path: Path, call: str) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        world.smile_id.fail_next(call, Fault.rate_limited(40))
        ref = await world.ask()
        await world.work()
        world.clock.move(seconds=38)
        await world.work()
        assert count(world, call) == 1
        world.clock.move(seconds=3)
        await world.work()
        assert count(world, call) == 2
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


async def test_a_wait_of_a_day_is_cut_to_an_hour(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", Fault.rate_limited(86_400))
        ref = await world.ask()
        await world.work()
        world.clock.move(minutes=61)
        await world.work()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


# Doubt


async def test_after_a_lost_answer_smile_id_is_asked_at_once_and_ten_seconds_later(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        world.smile_id.fail_next("put", Fault.reset_before())
        ref = await world.ask()
        await world.work()
        assert [r.call for r in world.smile_id.requests] == ["upload", "put", "job_status"]
        world.clock.move(seconds=9)
        await world.work()
        assert count(world, "put") == 1
        world.clock.move(seconds=1.5)
        await world.work()
        assert [r.call for r in world.smile_id.requests][3:5] == ["job_status", "put"]
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert count(world, "upload") == 1


async def test_a_job_that_is_still_unknown_ten_seconds_later_is_announced_again_under_the_same_id(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        world.smile_id.fail_next("upload", Fault.reset_before())
        ref = await world.ask()
        await world.work()
        assert [r.call for r in world.smile_id.requests] == ["upload", "job_status"]
        world.clock.move(seconds=9)
        await world.work()
        assert count(world, "upload") == 1
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert [body.get("retry") for body in uploads(world)] == [None, None]


async def test_a_zip_that_shows_only_at_the_second_look_is_not_sent_again(tmp_path: Path) -> None:
    async with journey(tmp_path, public=False) as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", no_zip(world))
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert count(world, "put") == 1


async def test_a_callback_proves_that_the_zip_is_in_though_the_record_does_not_show_it_yet(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CONFIRM_WAIT="1h") as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", *[no_zip(world) for _ in range(5)])
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: len(world.smile_id.callbacks) >= 2)
        for _ in range(4):
            world.clock.move(seconds=6)
            await world.work()
        assert count(world, "put") == 1
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


async def test_a_job_id_that_is_taken_is_asked_for_once_more_with_retry(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", no("2215"))
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert [body.get("retry") for body in uploads(world)] == [None, True]


async def test_a_job_id_that_is_taken_by_our_own_lost_call_is_opened_again_with_retry(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", Fault.reset_after())
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert [body.get("retry") for body in uploads(world)] == [None, None, True]


async def test_a_job_that_opens_to_nobody_and_holds_no_zip_ends_in_doubt_and_admins_hear(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", no("2215"), no("2215"))
        ref = await world.ask()
        check = await finish(world, ref)
        assert (check.state, check.failure) == ("failed", "unsettled")
        assert [body.get("retry") for body in uploads(world)] == [None, True]
        assert len(job_ids(world)) == 1
        (told,) = world.thread()
        assert "unclear whether Smile ID has this check" in told
        assert "The admins have been told" in told
        assert len(world.direct(ADMIN)) == 1


async def test_a_job_that_opens_to_nobody_because_it_has_the_zip_goes_on(tmp_path: Path) -> None:
    async with journey(tmp_path, public=False) as world:
        world.smile_id.fail_next("put", Fault.reset_after(), Fault.status(403, EXPIRED))
        world.smile_id.fail_next("job_status", no_zip(world), no_zip(world))
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert [body.get("retry") for body in uploads(world)] == [None, None, True]


async def test_a_check_that_ended_in_doubt_still_hears_of_its_result_without_callbacks(tmp_path: Path) -> None:
    async with journey(tmp_path, public=False) as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fault = lambda call, _n: Fault.status(503) if call == "job_status" else None
        ref = await world.ask()
        check = await finish(world, ref, step_seconds=60)
        assert (check.state, check.failure) == ("failed", "unsettled")
        world.smile_id.fault = None
        world.clock.move(hours=1, minutes=1)
        await world.settle()
        assert (await world.check(ref)).state == "in_review", world.thread()
        assert any("Approved" in text for text in world.thread())
        assert world.job().upload_count == 1


@asynccontextmanager
async def unsettled(folder: Path, *, story: str = "approved", hours: int) -> AsyncIterator[tuple[Journey, str]]:
    """A check without callbacks whose zip Smile ID has: it ended in doubt, and Smile ID stayed away so long after."""
    async with journey(folder, story=story, public=False, **STAFF) as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        _always(world, "job_status", Fault.status(503))
        ref = await world.ask()
        check = await finish(world, ref, step_seconds=60)
        assert (check.state, check.failure) == ("failed", "unsettled")
        for _hour in range(hours):
            world.clock.move(hours=1, minutes=1)
            await world.work()
        assert (await world.check(ref)).state == "failed"
        yield world, ref


async def test_a_check_that_ended_in_doubt_hears_of_its_result_however_long_smile_id_stayed_away(
    tmp_path: Path,
) -> None:
    async with unsettled(tmp_path, hours=3) as (world, ref):
        notices = len(world.notices())
        world.smile_id.fault = None
        world.clock.move(hours=1, minutes=1)
        await world.settle()
        check = await world.check(ref)
        assert (check.state, check.reason, check.review) == ("in_review", "second_final", "open")
        (told,) = [text for text in world.thread() if "Smile ID sent another final result" in text]
        assert "first No result, now Approved" in told
        assert len(world.notices()) > notices, "reviewers are called"
        assert world.job().upload_count == 1


async def test_once_it_is_answered_that_there_is_no_result_smile_id_is_asked_no_more(tmp_path: Path) -> None:
    async with unsettled(tmp_path, story="never", hours=3) as (world, ref):
        world.smile_id.fault = None
        before = count(world, "job_status")
        for _hour in range(4):
            world.clock.move(hours=1, minutes=1)
            await world.work()
        assert count(world, "job_status") == before + 1
        assert (await world.check(ref)).failure == "unsettled"


async def test_a_smile_id_that_never_answers_is_asked_for_as_long_as_callbacks_are_taken(tmp_path: Path) -> None:
    async with unsettled(tmp_path, hours=1) as (world, _ref):
        world.clock.move(days=13, hours=20)
        before = count(world, "job_status")
        for _hour in range(6):
            await world.work()
            world.clock.move(hours=1, minutes=1)
        asked = count(world, "job_status")
        assert asked > before
        world.clock.move(days=1)
        await world.work()
        assert count(world, "job_status") == asked


async def test_an_erasure_while_smile_id_is_being_asked_is_the_end_of_the_asking(tmp_path: Path) -> None:
    async with unsettled(tmp_path, hours=1) as (world, ref):

        async def erase() -> None:
            await world.bot.database.write(retention.erase_personal, ref, at=world.clock())

        # Until somebody has, it cannot be erased.
        await decide(world, REVIEWER, "rejected", "different_person")
        _always(world, "job_status", replace(Fault.status(503), before=erase))
        before = count(world, "job_status")
        for _hour in range(3):
            world.clock.move(hours=1, minutes=1)
            await world.work()
        assert (await world.check(ref)).personal_erased_at is not None
        assert count(world, "job_status") == before + 1


# Refusals


async def test_a_user_id_that_is_enrolled_already_is_replaced_with_a_new_job(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", no("2209"))
        ref = await world.ask()
        await finish(world, ref)
        first, second = uploads(world)
        assert first["partner_params"]["user_id"] != second["partner_params"]["user_id"]
        assert first["partner_params"]["job_id"] != second["partner_params"]["job_id"]
        assert first["callback_url"] != second["callback_url"]
        assert len(world.smile_id.jobs) == 1
        assert world.job().upload_count == 1
        assert (await world.check(ref)).state == "approved"
        assert len(world.thread()) == 1


async def test_user_ids_are_not_tried_for_ever(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fault = lambda call, _n: no("2209") if call == "upload" else None
        ref = await world.ask()
        check = await finish(world, ref)
        assert (check.state, check.failure) == ("failed", "refused")
        assert count(world, "upload") == 3
        assert len(world.direct(ADMIN)) == 1


async def test_a_user_whom_our_own_lost_zip_enrolled_is_no_reason_for_a_second_job(tmp_path: Path) -> None:
    """The zip arrived, its answer did not, and Smile ID's record was late: 2209 is then about our own zip."""
    async with journey(tmp_path, public=False) as world:
        world.smile_id.fail_next("put", Fault.reset_after(), Fault.status(403, EXPIRED))
        world.smile_id.fail_next("job_status", no_zip(world), no_zip(world))
        world.smile_id.fail_next("upload", Fault.call(), no("2209"))
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


@pytest.mark.parametrize("code", ["2205", "2213", "2204", "2203", "2212", "2220", "2299"])
async def test_a_refusal_ends_the_check_and_is_told_to_admins(tmp_path: Path, code: str) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", no(code))
        ref = await world.ask()
        check = await finish(world, ref)
        assert (check.state, check.failure) == ("failed", "refused")
        assert world.smile_id.jobs == {}
        assert count(world, "upload") == 1
        (told,) = world.thread()
        assert told.startswith("@amina No result — Smile ID refused our request")
        assert "The admins have been told" in told
        (alert,) = world.direct(ADMIN)
        assert ref in alert
        assert "Approved" not in world.slack.plain(world.root())


async def test_admins_hear_of_one_kind_of_refusal_once_an_hour(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        codes = {"now": "2212"}
        world.smile_id.fault = lambda call, _n: no(codes["now"]) if call == "upload" else None
        for _check in range(3):
            await finish(world, await world.ask())
            assert "The admins have been told" in world.thread()[-1]
        assert len(world.direct(ADMIN)) == 1
        codes["now"] = "2213"
        await finish(world, await world.ask())
        assert len(world.direct(ADMIN)) == 2
        codes["now"] = "2212"
        world.clock.move(hours=1)
        await finish(world, await world.ask())
        assert len(world.direct(ADMIN)) == 3


async def test_a_refused_question_leaves_the_check_waiting_and_admins_hear_at_once(tmp_path: Path) -> None:
    async with journey(tmp_path, public=False) as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", no("2205"), no("2205"))
        ref = await world.ask()
        await world.work()
        (alert,) = world.direct(ADMIN)
        assert "Smile ID refuses to give the status of jobs" in alert
        check = await finish(world, ref)
        assert check.state == "approved"
        assert world.job().upload_count == 1
        assert len(world.direct(ADMIN)) == 1


async def test_an_undocumented_answer_to_the_question_settles_nothing_by_itself(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        world.smile_id.fail_next("job_status", no("2999"))
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)


async def test_an_attempt_that_an_older_version_left_to_be_retried_goes_on(tmp_path: Path) -> None:
    """Older versions kept in the database that the job id is taken; now Smile ID says so again."""
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", Fault.reset_after())
        ref = await world.ask()
        await world.work()
        await world.bot.database.write(lambda tx: tx.run("UPDATE attempts SET retry_flag = 1"))
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert [body.get("retry") for body in uploads(world)] == [None, None, True]


# The upload URL


async def test_an_upload_url_that_died_is_replaced_for_the_same_job(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("put", Fault.status(403, EXPIRED))
        ref = await world.ask()
        await world.work()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert world.job().prep_count == 2


async def test_an_upload_url_dies_of_age_while_storage_is_away(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("put", Fault.status(503), Fault.status(503))
        ref = await world.ask()
        await world.work()
        world.clock.move(seconds=2)
        await world.work()
        world.clock.move(minutes=20)
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert world.job().prep_count == 2


# Giving up


def _always(world: Journey, call: str, fault: Fault) -> None:
    world.smile_id.fault = lambda asked, _n: fault if asked == call else None


async def _gives_up(world: Journey) -> tuple[Check, timedelta]:
    ref = await world.ask()
    began: datetime = world.clock()
    check = await finish(world, ref, step_seconds=40)
    assert check.ended_at is not None
    return check, check.ended_at - began


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        pytest.param("upload", Fault.status(503), id="upload-503"),
        pytest.param("upload", Fault.rate_limited(1), id="upload-429-of-a-second"),
        pytest.param("put", Fault.status(500), id="put-500"),
    ],
)
async def test_twenty_failures_in_about_an_hour_end_a_check(tmp_path: Path, call: str, fault: Fault) -> None:
    async with journey(tmp_path) as world:
        _always(world, call, fault)
        check, took = await _gives_up(world)
        assert (check.state, check.failure) == ("failed", "smile_id_away")
        assert timedelta(minutes=30) < took < timedelta(hours=2)
        assert MAX_TRIES <= count(world, call) <= MAX_TRIES + 1
        assert len(job_ids(world)) == 1
        assert all(job.upload_count == 0 for job in world.smile_id.jobs.values())
        (told,) = world.thread()
        assert told.startswith("@amina No result — Smile ID could not be reached")
        assert "We tried for about an hour. Smile ID did not take the check" in told
        assert "Run again later." in told
        assert "The admins have been told" in told
        (alert,) = world.direct(ADMIN)
        assert check.ref in alert
        before = len(world.smile_id.requests)
        world.clock.move(days=1)
        await world.work()
        assert len(world.smile_id.requests) == before


async def test_urls_that_die_again_and_again_come_to_an_end_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        _always(world, "put", Fault.status(403, EXPIRED))
        check, took = await _gives_up(world)
        assert (check.state, check.failure) == ("failed", "smile_id_away")
        assert timedelta(minutes=30) < took < timedelta(hours=2)
        assert len(world.smile_id.jobs) == 1
        assert world.job().upload_count == 0


@pytest.mark.parametrize("fault", [Fault.status(200, PAGE), Fault.reset_before()], ids=["page", "reset"])
@pytest.mark.parametrize("call", [pytest.param("upload", marks=pytest.mark.endurance), "put"])
async def test_answers_that_are_always_lost_end_a_check_in_doubt(tmp_path: Path, call: str, fault: Fault) -> None:
    async with journey(tmp_path) as world:
        _always(world, call, fault)
        check, took = await _gives_up(world)
        assert (check.state, check.failure) == ("failed", "unsettled")
        assert timedelta(minutes=30) < took < timedelta(hours=2)
        assert count(world, call) <= MAX_TRIES
        assert len(job_ids(world)) == 1
        (told,) = world.thread()
        assert "unclear whether Smile ID has this check" in told
        assert "have somebody look for this job in Smile ID's portal" in told
        assert "The admins have been told" in told


async def test_a_check_is_not_sent_again_while_nobody_answers_whether_it_is_there(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        world.smile_id.fail_next("put", Fault.reset_after())
        _always(world, "job_status", Fault.status(500))
        check, _took = await _gives_up(world)
        assert (check.state, check.failure) == ("failed", "unsettled")
        assert count(world, "put") == count(world, "upload") == 1
        # Asked once more after the end, Smile ID has nothing to say: whether it has the zip is as doubtful as before.
        before = count(world, "job_status")
        world.smile_id.fault = None
        world.clock.move(hours=1, minutes=1)
        await world.settle()
        assert count(world, "job_status") == before + 1
        attempt = await world.bot.database.read(attempts.latest, check.ref)
        assert attempt is not None
        assert attempt.in_doubt_since is not None


# What nobody foresaw


async def test_a_pass_that_never_ends_is_cancelled_and_settled(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=replace(PATIENT, one_pass_seconds=3)) as world:
        world.smile_id.fail_next("put", Fault.hang_after(GIVE_UP_SECONDS))
        ref = await world.ask()
        await finish(world, ref)
        await assert_sent_once_and_approved(world, ref)
        assert count(world, "put") == 1


async def test_two_passes_are_never_over_one_check(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        first = await world.bot.submission.claim(32)
        assert first == [ref]
        assert await world.bot.submission.claim(32) == []
        world.clock.move(minutes=9)
        assert await world.bot.submission.claim(32) == []


async def test_a_restart_while_an_answer_was_due_sends_nothing_twice(tmp_path: Path) -> None:
    """What `serve` does at its start, done to a bot that was broken off at each of its three commits."""
    async with journey(tmp_path) as world:
        for call in ("upload", "put"):
            ref = await world.ask()
            (claimed,) = await world.bot.submission.claim(1)
            acted, over = asyncio.Event(), asyncio.Event()

            async def hang(acted: asyncio.Event = acted, over: asyncio.Event = over) -> None:
                acted.set()
                await over.wait()

            world.smile_id.fail_next(call, Fault.call(after=hang))
            task = asyncio.create_task(world.bot.submission.work(claimed))
            await acted.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            over.set()
            await world.bot.database.write(_start_again, world.clock())
            check = await finish(world, ref)
            assert check.state == "approved"
        assert [job.upload_count for job in world.smile_id.jobs.values()] == [1, 1]


def _start_again(tx: Transaction, now: datetime) -> None:
    leases.release_all(tx, now=now)
    attempts.doubt_open_ones(tx, since=now)


# Everything else at the same time


async def test_slack_being_away_keeps_no_check_from_being_sent_and_no_result_from_being_told(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        world.slack.fault = lambda method, _n: SlackFault.status(500) if method.startswith("chat.") else None
        for _ in range(5):
            await world.work()
            await asyncio.sleep(0.05)
            world.clock.move(seconds=10)
        assert (await world.check(ref)).state == "approved"
        world.slack.fault = None
        world.clock.move(minutes=6)
        await world.settle()
        world.clock.move(minutes=6)
        await world.settle()
        await assert_sent_once_and_approved(world, ref)
