"""Results that come twice, in any order, early, late, or only when asked for."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.slack.faults import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from tests.journeys.smile import (
    EARLY,
    Message,
    askings,
    call_back,
    fates,
    message,
    pass_time,
    post,
    put_on_record,
    rows,
    signed,
    silence,
    waiting,
    written,
)
from tests.journeys.world import Journey, StoppedClock, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

APPROVED = "Approved — face and ID number verified"
REJECTED = "Rejected — the selfie does not match the authority's photo"
PROVISIONAL = "Not final: provisionally approved, in human review at Smile ID"
SECOND_FINAL = "Needs review — Smile ID sent another final result"
SUSPECTS = "Smile ID reports other accounts with this face"
DAY = 86_400.0


async def asked_at(world: Journey, *, seconds: Sequence[float]) -> list[float]:
    """Let the clock go through these moments, counted from now, and give those at which Smile ID was asked."""
    asked, now = [], 0.0
    for moment in seconds:
        before = askings(world)
        await pass_time(world, moment - now)
        now = moment
        assert askings(world) - before <= 1
        if askings(world) > before:
            asked.append(moment)
    return asked


# The same again


async def test_a_repeat_signed_anew_changes_nothing(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0811")
        for _ in range(5):
            await call_back(world, "0811")
            await pass_time(world, 7)
        assert len(world.thread()) == 1
        assert await fates(world) == [("0811", "counted")]
        assert askings(world) == 1
        assert (await world.check(ref)).state == "rejected"


async def test_fifty_repeats_at_once_are_one_message(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        body = message(world.job(), "0810")
        put_on_record(world, "0810")
        bodies = [
            json.dumps(signed(world, body, written(world.clock() - timedelta(seconds=number)))) for number in range(50)
        ]
        assert set(await asyncio.gather(*(post(world, body) for body in bodies))) == {200}
        await world.work()
        assert await rows(world, "receipts") == 1
        assert askings(world) == 1
        assert len([text for text in world.thread() if APPROVED in text]) == len(world.thread()) == 1
        assert (await world.check(ref)).state == "approved"


async def test_a_repeat_in_another_spelling_is_the_same_message(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        body = signed(world, message(world.job(), "0814", "é"))
        backwards = dict(reversed(body.items()))
        assert await post(world, json.dumps(body)) == 200
        assert await post(world, json.dumps(backwards, indent=4, ensure_ascii=False).encode()) == 200
        assert await rows(world, "receipts") == 1


async def test_links_to_pictures_that_are_signed_anew_make_no_new_message(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False) as (world, _ref):
        put_on_record(world, "0812")
        for number in range(5):
            world.job().record[-1]["ImageLinks"] = {"selfie_image": f"https://pictures.example/{number}"}
            await pass_time(world, 60)
        assert await rows(world, "receipts") == 1
        assert len(world.thread()) == 1


# Any order


@pytest.mark.parametrize("order", list(itertools.permutations(("1012", "0814", "1210"))), ids="-".join)
async def test_messages_in_any_order_come_to_the_same_end(tmp_path: Path, order: tuple[str, ...]) -> None:
    async with waiting(tmp_path) as (world, ref):
        for code in ("1012", "0814", "1210"):
            put_on_record(world, code)
        for code in order:
            await call_back(world, code)
        await world.work()
        assert (await world.check(ref)).state == "approved"
        assert len([text for text in world.thread() if APPROVED in text]) == 1
        # What was overtaken before it could be told is not told any more, and a late one never is.
        assert len(world.thread()) == 1


@pytest.mark.parametrize(
    "order",
    [
        # As they are sent, and the final one before the provisional; the others in `make endurance`.
        pytest.param(order, marks=[] if order[1:] in (("0814", "1210"), ("1210", "0814")) else pytest.mark.endurance)
        for order in itertools.permutations(("1012", "0814", "1210"))
    ],
    ids="-".join,
)
async def test_messages_in_any_order_with_time_between_them_tell_only_what_is_new(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    async with waiting(tmp_path) as (world, ref):
        await pass_time(world, EARLY)
        put_on_record(world, "1210")
        for code in order:
            await call_back(world, code)
            await pass_time(world, 30)
        assert (await world.check(ref)).state == "approved"
        provisional_first = order.index("0814") < order.index("1210")
        assert [PROVISIONAL in text for text in world.thread()] == ([True, False] if provisional_first else [False])
        assert APPROVED in world.thread()[-1]


async def test_a_provisional_result_first_and_the_final_one_days_later(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "smile_id")
        await pass_time(world, *([DAY / 24] * 72))
        assert [PROVISIONAL in text for text in world.thread()] == [True]
        put_on_record(world, "1211")
        await call_back(world, "1211")
        await world.work()
        assert (await world.check(ref)).state == "rejected"
        assert len(world.thread()) == 2
        assert REJECTED in world.thread()[-1]
        assert "by a person at Smile ID" in world.thread()[-1]


@pytest.mark.parametrize("late", ["0812", "0814", "0815", "0816", "0817", "1213"])
async def test_a_late_message_that_is_not_final_replaces_no_final_one(tmp_path: Path, late: str) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await world.work()
        # Even if Smile ID's own record should show it as the newest.
        put_on_record(world, late)
        await call_back(world, late)
        assert await post(world, "something that makes the bot ask") == 400
        await pass_time(world, 0, 70, 3600)
        assert (await world.check(ref)).state == "rejected"
        assert len(world.thread()) == 1
        assert (late, "late") in await fates(world)


async def test_a_claim_stays_a_claim_while_late_messages_come_in(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        await call_back(world, "0811")
        await call_back(world, "0814")
        await call_back(world, "1012")
        await pass_time(world, 0, 30)
        assert world.thread() == []
        assert (await world.check(ref)).state == "processing"
        put_on_record(world, "0811")
        await pass_time(world, 100)
        assert [REJECTED in text for text in world.thread()] == [True]


async def test_id_details_are_never_a_verdict(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "1012", "ID Number Validated")
        await call_back(world, "1012", "ID Number Validated", IsFinalResult="true")
        await pass_time(world, 0, 120, 300, 3600)
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []
        assert set(await fates(world)) == {("1012", "information")}


@pytest.mark.parametrize("code", ["5210", "5212"])
async def test_antifraud_messages_without_suspects_tell_nothing(tmp_path: Path, code: str) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, code)
        await call_back(world, code)
        await pass_time(world, 0, 120, 300)
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []


@pytest.mark.parametrize("verdict_first", [False, True])
async def test_suspects_are_told_once_beside_the_verdict(tmp_path: Path, *, verdict_first: bool) -> None:
    suspects: Message = {"Antifraud": {"SuspectUsers": [{"user_id": "someone", "reason": "Same face"}]}}
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810")
        for code in ("0810", "5211") if verdict_first else ("5211", "0810"):
            await call_back(world, code, **(suspects if code == "5211" else {}))
            await pass_time(world, 5)
        await call_back(world, "5211", "Suspect Users Found", **suspects)
        await pass_time(world, 5)
        assert (await world.check(ref)).state == "approved"
        assert [SUSPECTS in text for text in world.thread()] == [not verdict_first, verdict_first]
        (told,) = [text for text in world.thread() if SUSPECTS in text]
        assert "A reviewer has been told." in told
        assert "someone" not in told
        assert len([text for text in world.notices() if SUSPECTS in text]) == 1


async def test_a_result_that_smile_id_calls_not_final_is_told_as_such_until_it_is(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810", IsFinalResult="false")
        await call_back(world, "0810", IsFinalResult="false")
        await pass_time(world, 0, 130)
        check = await world.check(ref)
        assert (check.state, check.reason, check.verdict_outcome) == ("in_review", "smile_id", None)
        (told,) = world.thread()
        assert told.startswith("Not final: Smile ID says that this result may still change")
        put_on_record(world, "0810", IsFinalResult=True)
        await call_back(world, "0810", IsFinalResult=True)
        await world.work()
        assert (await world.check(ref)).state == "approved"
        assert len(world.thread()) == 2


@pytest.mark.parametrize("code", ["0812", "0814", "1012", "0899", "5211"])
async def test_nothing_becomes_final_because_it_says_so(tmp_path: Path, code: str) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, code, IsFinalResult="true")
        await call_back(world, code, IsFinalResult="true")
        await pass_time(world, 0, 130, 300)
        assert (await world.check(ref)).state in ("processing", "in_review")
        assert (await world.check(ref)).ended_at is None


# Two results


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("0811", "1210", "first Rejected, now Approved"),
        ("0810", "1212", "first Approved, now Rejected"),
        ("0903", "0810", "first No result, now Approved"),
        ("0810", "1013", "first Approved, now Rejected"),
    ],
)
async def test_a_second_final_result_after_the_first_was_told_calls_a_person(
    tmp_path: Path, first: str, second: str, words: str
) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, first)
        await call_back(world, first)
        await pass_time(world, 0, 3600)
        assert len(world.thread()) == 1
        verdict = (await world.check(ref)).verdict
        await call_back(world, second)
        await call_back(world, second)
        await pass_time(world, 0, 3600)
        check = await world.check(ref)
        assert (check.state, check.reason, check.verdict) == ("in_review", "second_final", verdict)
        assert len(world.thread()) == 2
        assert f"{SECOND_FINAL}: {words}" in world.thread()[-1]
        assert "A reviewer has been told." in world.thread()[-1]
        assert "Needs review" in world.slack.plain(world.root())


async def test_a_second_code_of_the_same_class_is_no_second_result(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await world.work()
        put_on_record(world, "1212")
        await call_back(world, "1212")
        await pass_time(world, 0, 300)
        assert (await world.check(ref)).state == "rejected"
        assert len(world.thread()) == 1


async def test_two_callbacks_that_differ_before_either_was_confirmed_call_a_person(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        await call_back(world, "0810")
        await call_back(world, "0811")
        await pass_time(world, 0, 130)
        assert (await world.check(ref)).reason == "second_final"
        (told,) = world.thread()
        assert "first Approved, now Rejected" in told


async def test_a_result_contradicted_before_anybody_could_read_it_is_not_posted_any_more(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        world.slack.fail_next("chat.postMessage", SlackFault.rate_limited(30))
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.work()
        assert (await world.check(ref)).state == "approved"
        assert world.thread() == []
        await call_back(world, "0811")
        await pass_time(world, 0, 31, 31)
        (told,) = world.thread()
        assert f"{SECOND_FINAL}: first Approved, now Rejected" in told


@pytest.mark.parametrize(("older", "newer"), [("0811", "0810"), ("0810", "0811")])
async def test_two_results_that_are_learned_together_are_told_in_their_order(
    tmp_path: Path, older: str, newer: str
) -> None:
    async with waiting(tmp_path, public=False) as (world, ref):
        names = {"0810": "Approved", "0811": "Rejected"}
        for code in ("1012", older, "0814", newer):
            put_on_record(world, code)
        await pass_time(world, 3, 60)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "second_final")
        (told,) = world.thread()
        assert f"first {names[older]}, now {names[newer]}" in told


# Early


async def test_a_callback_before_the_zip_is_acknowledged(tmp_path: Path) -> None:
    async with journey(tmp_path, story="callback_first") as world:
        ref = await world.ask()
        (due,) = await world.bot.submission.claim(1)
        await world.bot.submission.work(due)
        assert (await world.check(ref)).state in ("submitting", "processing")
        await world.work()
        assert (await world.check(ref)).state == "approved"
        assert len(world.thread()) == 1
        assert world.job().upload_count == 1
        assert "Approved — face and ID number verified" in world.slack.plain(world.root())


async def test_a_result_while_the_zip_is_still_on_its_way(tmp_path: Path) -> None:
    async with journey(tmp_path, story="callback_first") as world:
        ref = await world.ask()
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            arrived.set()
            await go_on.wait()

        # Smile ID has acted on the zip, but its answer has not left yet.
        world.smile_id.fail_next("put", Fault.call(after=hold))
        (due,) = await world.bot.submission.claim(1)
        sending = asyncio.create_task(world.bot.submission.work(due))
        await arrived.wait()
        await world.work()
        assert (await world.check(ref)).state == "approved"
        assert [APPROVED in text for text in world.thread()] == [True]
        go_on.set()
        await sending
        await pass_time(world, 0, 300, 3600)
        assert (await world.check(ref)).state == "approved"
        assert len(world.thread()) == 1
        assert world.job().upload_count == 1


async def test_a_provisional_result_while_the_answer_to_the_zip_is_lost(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()

        async def early() -> None:
            await call_back(world, "0814")

        world.smile_id.fail_next("put", Fault.call(before=early), Fault.reset_after())
        await world.work()
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "smile_id")
        put_on_record(world, "1210")
        await pass_time(world, 15, 300, 300)
        assert (await world.check(ref)).state == "approved"
        assert world.job().upload_count == 1


async def test_a_result_that_comes_while_the_record_is_being_asked_is_confirmed_soon_after(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            arrived.set()
            await go_on.wait()

        # Smile ID has answered for its empty record, but the answer has not left yet.
        world.smile_id.fail_next("job_status", Fault.call(after=hold))
        assert await post(world, "something that makes the bot ask") == 400
        (due,) = await world.bot.poller.claim(1)
        asking = asyncio.create_task(world.bot.poller.work(due))
        await arrived.wait()
        put_on_record(world, "0810")
        await call_back(world, "0810")
        go_on.set()
        await asking
        await pass_time(world, 0, 3)
        assert (await world.check(ref)).state == "approved"
        assert askings(world) == 2


async def test_an_unconfirmed_approval_before_the_zip_was_acknowledged_is_polled_like_any_other(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()
        world.smile_id.fail_next("put", Fault.reset_after())
        (due,) = await world.bot.submission.claim(1)
        await world.bot.submission.work(due)
        await world.smile_id.wait_for(lambda: world.job().processed)
        await call_back(world, "0810")
        silence(world, Fault.status(503))
        await pass_time(world, 0, 2, 5, 15, 60, 60, 60)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "unconfirmed")
        silence(world, None)
        await pass_time(world, *([DAY] * 8))
        before = askings(world)
        await pass_time(world, *([DAY / 8] * 8 * 3))
        assert 2 <= askings(world) - before <= 4


async def test_what_comes_about_a_replaced_attempt_is_kept_and_moves_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        taken = Fault.status(400, {"error": "This user is already enrolled", "code": "2209"})
        world.smile_id.fail_next("upload", taken)
        ref = await world.ask()
        await world.work()
        old = next(request.body for request in world.smile_id.requests if request.call == "upload")
        assert old is not None
        assert old["callback_url"] != world.job().callback_url
        about_old = {**message(world.job(), "0810"), "PartnerParams": old["partner_params"], "SmileJobID": None}
        assert await post(world, json.dumps(signed(world, about_old)), url=old["callback_url"]) == 200
        assert await post(world, "nonsense", url=old["callback_url"]) == 400
        await pass_time(world, 0, 130, 60)
        assert ("0810", "old_attempt") in await fates(world)
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []
        # About the new attempt after ten seconds, about the old one after what nobody could read.
        assert askings(world) == 2


# Asking


async def test_without_a_public_address_the_bot_asks_after_2_4_8_seconds_and_then_each_minute(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False, clock=StoppedClock()) as (world, _ref):
        assert world.job().callback_url == ""
        asked = await asked_at(world, seconds=list(range(190)))
        assert asked == [2, 4, 8, 16, 32, 64, 124, 184]


async def test_after_an_hour_the_bot_asks_each_quarter_then_hourly_then_daily(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False) as (world, _ref):
        hour = 3600
        for jump, step, steps, expected in (
            (2 * hour, hour / 8, 24, 12),
            (3 * DAY, hour / 2, 24, 12),
            (5 * DAY, DAY / 4, 20, 5),
        ):
            await pass_time(world, jump)
            before = askings(world)
            await pass_time(world, *([step] * steps))
            assert abs(askings(world) - before - expected) <= 1


async def test_with_a_public_address_one_early_asking_comes_before_those_of_the_setting(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_POLL_AFTER="90s") as (world, _ref):
        asked = await asked_at(world, seconds=[n + 0.5 for n in range(0, 400, 10)])
        assert [int(moment) for moment in asked] == [10, 90, 180, 270, 360]


@pytest.mark.parametrize("story", ["approved", "silent"])
async def test_without_a_public_address_the_result_is_found_by_asking(tmp_path: Path, story: str) -> None:
    async with journey(tmp_path, story=story, public=False) as world:
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: bool(world.job().record))
        await pass_time(world, 3)
        assert (await world.check(ref)).state == "approved"
        assert [APPROVED in text for text in world.thread()] == [True]
        before = askings(world)
        await pass_time(world, 60, 3600, DAY)
        assert askings(world) == before == 1


async def test_the_verdict_behind_a_newer_id_message_is_found_in_the_history(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False) as (world, ref):
        for code in ("0810", "1013"):
            put_on_record(world, code)
        await pass_time(world, 3)
        assert (await world.check(ref)).state == "approved"
        assert [APPROVED in text for text in world.thread()] == [True]


async def test_an_old_provisional_message_of_the_history_is_not_told_after_a_newer_one(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False) as (world, ref):
        for code in ("1012", "0815", "0812"):
            put_on_record(world, code)
        await pass_time(world, 3, 60, 60)
        assert (await world.check(ref)).reason == "smile_id"
        assert [PROVISIONAL in text for text in world.thread()] == [True]
        assert {code for code, _fate in await fates(world)} == {"1012", "0815", "0812"}


async def test_a_lost_callback_is_made_good_ten_seconds_after_sending(tmp_path: Path) -> None:
    """As Smile ID's own SDKs ask under their `return_job_status`."""
    async with journey(tmp_path, story="silent", clock=StoppedClock()) as world:
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: bool(world.job().record))
        await pass_time(world, 9)
        assert world.thread() == []
        await pass_time(world, 2)
        assert (await world.check(ref)).state == "approved"


async def test_what_the_early_asking_finds_in_human_review_is_shown_as_not_final(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0812")
        await pass_time(world, EARLY)
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "smile_id")
        assert [PROVISIONAL in text for text in world.thread()] == [True]
        # It is asked again as the setting says, and its callback tells nothing new.
        await call_back(world, "0812")
        await pass_time(world, 30, 60, 120)
        assert askings(world) == 1
        assert len(world.thread()) == 1
        put_on_record(world, "1210")
        await pass_time(world, 100)
        assert (await world.check(ref)).state == "approved"


async def test_a_result_that_came_by_callback_needs_no_early_asking(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.work()
        assert (await world.check(ref)).state == "approved"
        await pass_time(world, EARLY, 300)
        assert askings(world) == 1


async def test_smile_id_away_for_an_hour_costs_time_and_nothing_else(tmp_path: Path) -> None:
    async with waiting(tmp_path, public=False) as (world, ref):
        silence(world, Fault.status(503))
        await pass_time(world, *([60] * 60))
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []
        silence(world, None)
        put_on_record(world, "0811")
        await pass_time(world, 901)
        assert (await world.check(ref)).state == "rejected"


# Long waits


async def test_a_long_wait_is_told_in_the_requests_own_message(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        assert "Still waiting" not in world.slack.plain(world.root())
        await pass_time(world, 301)
        assert "Still waiting: 5 min" in world.slack.plain(world.root())
        await pass_time(world, 300)
        assert "Still waiting: 10 min" in world.slack.plain(world.root())
        assert world.thread() == []
        # Told at each doubling, not at each asking.
        await pass_time(world, *([300] * 5))
        assert len(world.root().edited) <= 8


async def test_a_check_that_nobody_asks_about_any_more_does_not_say_that_somebody_does(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        await pass_time(world, 400)
        assert "Still waiting" in world.slack.plain(world.root())
        await call_back(world, "0899")
        await pass_time(world, 0, 3600)
        before = askings(world)
        await pass_time(world, 3600, DAY)
        assert askings(world) == before
        assert (await world.check(ref)).reason == "unknown_code"
        assert "Still waiting" not in world.slack.plain(world.root())


@pytest.mark.parametrize("provisional", [False, True])
async def test_after_seven_days_a_reviewer_is_asked_once_and_smile_id_daily(
    tmp_path: Path, *, provisional: bool
) -> None:
    async with waiting(tmp_path, public=False) as (world, ref):
        if provisional:
            put_on_record(world, "0812")
        await pass_time(world, 3, *([DAY / 2] * 13))
        said_before = len(world.thread())
        assert said_before == int(provisional)
        await pass_time(world, DAY, *([DAY / 24] * 12))
        told = world.thread()[said_before:]
        assert len(told) == 1
        assert told[0].startswith("@amina Still waiting after 7 days")
        assert ref in told[0]
        assert "A reviewer has been told." in told[0]
        assert len([text for text in world.notices() if "Still waiting after 7 days" in text]) == 1
        before = askings(world)
        await pass_time(world, *([DAY / 8] * 8 * 5))
        assert 4 <= askings(world) - before <= 6
        assert len(world.thread()) == said_before + 1
        put_on_record(world, "1210")
        await pass_time(world, DAY, 60)
        assert (await world.check(ref)).state == "approved"
        assert APPROVED in world.thread()[-1]


async def test_an_approval_that_stays_unconfirmed_for_seven_days_is_still_asked_about(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        await call_back(world, "0810")
        await pass_time(world, *([DAY / 2] * 18))
        assert (await world.check(ref)).reason == "unconfirmed"
        assert len([text for text in world.thread() if "Still waiting after 7 days" in text]) == 1
        put_on_record(world, "0810")
        await pass_time(world, DAY, 60)
        assert (await world.check(ref)).state == "approved"
