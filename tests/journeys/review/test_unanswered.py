"""A check of which Smile ID never gives a result: a reviewer may end it after a week, and a late result is not lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.states import ReviewReason, State
from bot.domain.review.review import ReviewState
from bot.errors import Refusal, Refused
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault
from bot.sandbox.smile_id import Fault as SmileFault
from bot.slack.blocks import ids
from storage import receipts, retention, timers
from tests.journeys.intake import test_batches as batches
from tests.journeys.intake.test_preflight import OTHER_NUMBER
from tests.journeys.intake.test_selfie_seen import SITE, caught, question
from tests.journeys.privacy.test_forget import say
from tests.journeys.review.test_review import (
    STAFF,
    ZOE,
    acts,
    card,
    cards,
    choose,
    decide,
    press,
    press_on,
    text,
    whispered,
)
from tests.journeys.smile import (
    ALL_VERIFIED,
    askings,
    call_back,
    fates,
    message,
    pass_time,
    post,
    put_on_record,
    signed,
    silence,
    waiting,
)
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

DAY, HOUR = 86_400.0, 3_600.0
JUST_A_WEEK = [DAY / 2] * 14
END = "[End without a result]"


@asynccontextmanager
async def silent(folder: Path, *waits: float, **settings: Any) -> AsyncIterator[tuple[Journey, str]]:
    """A check that Smile ID has had for so long without a word, among two reviewers; by default for a week."""
    async with waiting(folder, **{**STAFF, **settings}) as (world, ref):
        world.slack.add_user(ZOE, "zoe")
        world.slack.channels[REVIEW_CHANNEL].members.update({ZOE, REVIEWER, ADMIN})
        await pass_time(world, *(waits or JUST_A_WEEK))
        yield world, ref


async def trail(world: Journey, ref: str) -> list[tuple[str, str, str]]:
    found = await world.bot.database.read(
        lambda tx: tx.rows("SELECT actor, act, detail FROM audit WHERE ref = :ref ORDER BY seq", ref=ref)
    )
    return [(row["actor"], row["act"], row["detail"]) for row in found]


async def refusal(world: Journey, user: str, ref: str) -> Refusal:
    with pytest.raises(Refused) as refused:
        await world.bot.review.end_unanswered(user, ref)
    return refused.value.code


def heard(world: Journey) -> list[str]:
    """What the reviewers were told by themselves."""
    return [world.slack.plain(m) for user in (REVIEWER, ZOE) for m in world.slack.ephemerals(user)]


async def ended(world: Journey, ref: str, user: str = REVIEWER) -> None:
    await press(world, user, ids.REVIEW_END)
    assert (await world.check(ref)).state is State.FAILED


async def test_after_a_week_of_silence_a_reviewer_ends_it_and_the_thread_says_plainly_how(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        assert "Still waiting after 7 days" in "\n".join(world.thread())
        assert "a reviewer can end the check without one" in "\n".join(world.thread())
        assert END in text(world)
        await ended(world, ref)
        check = await world.check(ref)
        assert (check.failure, check.verdict, check.decision) == ("unanswered", None, None)
        assert check.ended_at is not None
        assert check.review is ReviewState.SETTLED
        told = world.thread()[-1]
        for said in (
            "No result — Smile ID never answered",
            "@remi ended this check: Smile ID has given no result for it in 7 days or more.",
            "The customer is neither approved nor rejected.",
            "Run again sends the photos once more",
            "[Run again]",
        ):
            assert said in told, told
        assert "@remi ended the check without a result: Smile ID never answered." in text(world)
        assert END not in text(world)
        assert "Smile ID's final result" not in text(world)
        written = await trail(world, ref)
        assert (REVIEWER, "check.ended_unanswered", "7") in written
        assert (REVIEWER, "check.moved", "failed") in written
        assert (REVIEWER, "review.closed", "") in written


async def test_for_the_first_week_nobody_ends_it_whatever_they_press(tmp_path: Path) -> None:
    async with silent(tmp_path, *JUST_A_WEEK[:-1], DAY / 2 - 3_600) as (world, ref):
        assert "Waiting for Smile ID" in world.slack.plain(world.root())
        assert not any(END in world.slack.plain(one) for one in cards(world))
        for user in (REVIEWER, ADMIN):
            assert ids.REVIEW_END not in str((await world.bot.cards.card(user, ref)).blocks)
            assert ids.REVIEW_END not in str(await world.bot.details.details(user, ref))
            # As if a button of another time stood there.
            assert await refusal(world, user, ref) is Refusal.END_TOO_EARLY
        check = await world.check(ref)
        assert (check.state, check.ended_at) == (State.PROCESSING, None)
        # To the second: the notice may come with a later poll.
        await pass_time(world, 3_590)
        assert await refusal(world, REVIEWER, ref) is Refusal.END_TOO_EARLY
        world.clock.move(seconds=20)
        assert ids.REVIEW_END in str((await world.bot.cards.card(REVIEWER, ref)).blocks)
        await world.bot.review.end_unanswered(REVIEWER, ref)
        assert (await world.check(ref)).state is State.FAILED


async def test_a_round_that_was_run_again_has_a_week_of_its_own(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        old = card(world)
        await ended(world, ref)
        await run_again(world)
        assert ((await world.check(ref)).round, (await world.check(ref)).state) == (2, State.PROCESSING)
        await press_on(world, REVIEWER, old, ids.REVIEW_END, stale=True, value=ref)
        assert "before Smile ID has had it for 7 days" in await whispered(world, REVIEWER)
        assert (await world.check(ref)).state is State.PROCESSING
        await pass_time(world, *JUST_A_WEEK)
        await ended(world, ref)


async def test_two_clicks_and_two_reviewers_at_once_end_it_once(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        shown = card(world)
        await asyncio.gather(*(press_on(world, user, shown, ids.REVIEW_END) for user in (REVIEWER, ZOE, REVIEWER, ZOE)))
        await world.work()
        assert (await world.check(ref)).state is State.FAILED
        assert sum("Smile ID never answered" in said for said in world.thread()) == 1
        assert [act for _who, act, _what in await trail(world, ref)].count("check.ended_unanswered") == 1
        assert await refusal(world, ZOE, ref) is Refusal.END_OVER
        assert any(f"{ref} does not wait for Smile ID any more: No result." in said for said in heard(world))


async def test_only_who_may_decide_it_ends_it(tmp_path: Path) -> None:
    both = {"KYC_REVIEWERS": f"{REVIEWER},{ZOE},{ANALYST}"}
    async with silent(tmp_path, **both) as (world, ref):
        world.slack.add_user("U0NOBODY001", "nobody")
        world.slack.channels[REVIEW_CHANNEL].members.update({"U0NOBODY001", ANALYST})
        await press(world, "U0NOBODY001", ids.REVIEW_END)
        assert (await world.check(ref)).state is State.PROCESSING
        # Who asked for it is a reviewer too.
        await press(world, ANALYST, ids.REVIEW_END)
        assert (await world.check(ref)).state is State.PROCESSING
        assert "somebody else must decide it" in await whispered(world, ANALYST)
        await press(world, ZOE, ids.REVIEW_CLAIM)
        await press(world, REVIEWER, ids.REVIEW_END)
        assert (await world.check(ref)).state is State.PROCESSING
        assert "@zoe has claimed" in await whispered(world, REVIEWER)
        await ended(world, ref, ZOE)


async def test_who_is_no_reviewer_is_refused(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        world.slack.channels[REVIEW_CHANNEL].members.add(ANALYST)
        await press(world, ANALYST, ids.REVIEW_END)
        assert "Only reviewers and admins can do this" in await whispered(world, ANALYST)
        assert (await world.check(ref)).state is State.PROCESSING


async def test_an_admin_who_asked_for_it_ends_it_openly_as_an_admin(tmp_path: Path) -> None:
    async with silent(tmp_path, KYC_ADMINS=f"{ADMIN},{ANALYST}") as (world, ref):
        world.slack.channels[REVIEW_CHANNEL].members.add(ANALYST)
        await ended(world, ref, ANALYST)
        assert "asked for this check too, and ended it as an admin." in world.thread()[-1]
        assert (ANALYST, "review.four_eyes_overridden", "") in await acts(world, ref)


async def test_the_details_and_the_card_by_command_offer_it_and_a_requesters_details_do_not(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        assert ids.REVIEW_END in str(await world.bot.details.details(REVIEWER, ref))
        assert ids.REVIEW_END not in str(await world.bot.details.details(ANALYST, ref))
        shown = await world.slack.person(REVIEWER).command(f"review {ref}")
        assert shown.message is not None
        assert (await world.slack.person(REVIEWER).click(shown.message, ids.REVIEW_END)).ok
        assert (await world.check(ref)).state is State.FAILED
        assert ids.REVIEW_END not in str(await world.bot.details.details(REVIEWER, ref))


async def test_a_callback_that_came_in_the_same_moment_wins(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        shown = card(world)
        approved = message(world.job(), "0810", "Enroll User")
        assert await world.smile_id.send_callback(world.job().job_id, approved) == 200
        assert await fates(world) == [("0810", "kept")], "answered, and not settled yet"
        assert await refusal(world, REVIEWER, ref) is Refusal.END_ANSWERED
        await world.heard()
        assert await fates(world) == [("0810", "claimed")], "Smile ID's own record has not been asked yet"
        await press_on(world, REVIEWER, shown, ids.REVIEW_END)
        assert "Smile ID has just sent a result" in await whispered(world, REVIEWER)
        assert (await world.check(ref)).state is State.PROCESSING
        put_on_record(world, "0810", "Enroll User")
        await pass_time(world, 1, 2, 5)
        assert (await world.check(ref)).state is State.APPROVED


async def test_of_a_click_and_a_callback_at_once_nothing_is_lost(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        shown = card(world)
        put_on_record(world, "0810", "Enroll User")
        await asyncio.gather(call_back(world, "0810", "Enroll User"), press_on(world, REVIEWER, shown, ids.REVIEW_END))
        await pass_time(world, 1, 2, 5)
        check = await world.check(ref)
        assert (check.state, check.reason) in (
            (State.APPROVED, None),
            (State.IN_REVIEW, ReviewReason.SECOND_FINAL),
        )


async def test_an_approval_called_back_after_the_end_is_no_approval_but_calls_reviewers(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await pass_time(world, DAY, DAY, DAY)
        before = len(cards(world))
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        await pass_time(world, 1, 2, 5, 60)
        await assert_that_a_person_must_look(world, ref, before)


async def test_a_result_that_the_last_poll_finds_after_the_end_calls_reviewers_too(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        before = len(cards(world))
        put_on_record(world, "0810", "Enroll User")
        await pass_time(world, DAY)
        await assert_that_a_person_must_look(world, ref, before)


async def assert_that_a_person_must_look(world: Journey, ref: str, cards_before: int) -> None:
    check = await world.check(ref)
    assert (check.state, check.reason) == (State.IN_REVIEW, ReviewReason.SECOND_FINAL)
    assert check.review is ReviewState.OPEN
    assert check.ended_at is None
    assert len(cards(world)) == cards_before + 1
    assert "Smile ID sent another final result" in text(world)
    assert "first No result, now Approved" in world.thread()[-1]
    assert all("*Approved" not in said for said in world.thread())
    # One reviewer alone does not approve it: Smile ID has two results.
    await decide(world, REVIEWER, "approved", "same_person")
    assert (await world.check(ref)).decision is None


async def test_an_asking_after_the_end_that_had_no_answer_is_not_the_last_one(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        put_on_record(world, "0810", "Enroll User")
        silence(world, SmileFault.status(503))
        await pass_time(world, DAY, DAY)
        assert (await world.check(ref)).state is State.FAILED
        silence(world, None)
        before = len(cards(world))
        await pass_time(world, DAY)
        await assert_that_a_person_must_look(world, ref, before)


async def test_an_asking_that_was_under_way_at_the_end_is_not_the_last_one(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):

        async def end() -> None:
            await world.bot.review.end_unanswered(REVIEWER, ref)
            put_on_record(world, "0810", "Enroll User")

        # What is answered was read just before.
        world.smile_id.fail_next("job_status", SmileFault.call(after=end))
        await pass_time(world, DAY)
        assert (await world.check(ref)).state is State.FAILED
        await pass_time(world, DAY)
        assert (await world.check(ref)).reason is ReviewReason.SECOND_FINAL


async def test_where_smile_id_works_on_it_after_all_its_final_result_is_found_without_a_callback(
    tmp_path: Path,
) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        put_on_record(world, "0812", "Provisional")
        await pass_time(world, *([DAY] * 10))
        check = await world.check(ref)
        assert (check.state, check.reason) == (State.IN_REVIEW, ReviewReason.SMILE_ID)
        put_on_record(world, "0810", "Enroll User")
        before = len(cards(world))
        await pass_time(world, DAY)
        await assert_that_a_person_must_look(world, ref, before)


async def test_once_ended_smile_id_is_asked_each_day_for_fourteen_days_and_then_no_longer(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        before = askings(world)
        await pass_time(world, *([DAY] * 14))
        told = askings(world)
        assert told - before in (13, 14)
        await pass_time(world, *([DAY] * 3))
        assert askings(world) == told


async def test_a_last_asking_without_an_answer_is_made_again_for_one_more_day(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        silence(world, SmileFault.status(503))
        await pass_time(world, *([DAY] * 14))
        before = askings(world)
        await pass_time(world, *([HOUR] * 48))
        assert askings(world) - before in (23, 24)
        assert (await world.check(ref)).state is State.FAILED


async def test_a_fault_at_the_last_asking_does_not_use_it_up(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await pass_time(world, *([DAY] * 12))
        put_on_record(world, "0810", "Enroll User")
        silence(world, SmileFault.status(503))
        before, asked = len(cards(world)), askings(world)
        await pass_time(world, DAY)
        assert askings(world) == asked + 1
        silence(world, None)
        await pass_time(world, 2 * HOUR)
        await assert_that_a_person_must_look(world, ref, before)


@pytest.mark.parametrize("first_ended", [False, True])
async def test_an_approval_without_a_verified_number_takes_two_also_after_the_end(
    tmp_path: Path, first_ended: bool
) -> None:
    async with silent(tmp_path) as (world, ref):
        if first_ended:
            await ended(world, ref)
        await call_back(world, "0810", "Enroll User", actions={**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"})
        await world.work()
        assert "ID number not verified" in text(world)
        await decide(world, REVIEWER, "approved", "same_person")
        assert (await world.check(ref)).decision is None


async def test_after_such_an_approval_no_later_one_is_taken_for_the_first_word(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await call_back(world, "0810", "Enroll User", actions={**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"})
        put_on_record(world, "0810", "Enroll User")
        await call_back(world, "0810", "Enroll User")
        await pass_time(world, 1, 2, 5, 60, DAY)
        check = await world.check(ref)
        assert (check.state, check.reason) == (State.IN_REVIEW, ReviewReason.SECOND_FINAL)


async def test_the_words_of_the_end_stay_true_where_it_was_run_again_before_they_were_delivered(
    tmp_path: Path,
) -> None:
    async with silent(tmp_path) as (world, ref):
        world.slack.fault = lambda method, _n: (
            Fault.error("service_unavailable") if method == "chat.postMessage" else None
        )
        await world.bot.review.end_unanswered(REVIEWER, ref)
        await world.work()
        await run_again(world)
        world.slack.fault = None
        await pass_time(world, 300, 300, 3_600)
        told = "\n".join(world.thread())
        assert "@remi ended this check" in told
        assert "Smile ID refused our request" not in told


async def test_run_again_it_has_its_own_result_and_that_of_the_job_before_is_told_beside_it(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        first = world.job()
        await run_again(world)
        first.record.append(message(first, "0810", "Enroll User"))
        await pass_time(world, DAY)
        assert "Smile ID reports a result of an earlier attempt" in "\n".join(world.thread())
        assert (await world.check(ref)).state is State.PROCESSING


async def test_a_fault_at_the_one_asking_about_the_job_before_does_not_use_it_up(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        first = world.job()
        await run_again(world)
        first.record.append(message(first, "0810", "Enroll User"))
        silence(world, SmileFault.status(503))
        await pass_time(world, DAY, HOUR)
        silence(world, None)
        await pass_time(world, 2 * HOUR)
        told = [said for said in world.thread() if "Smile ID reports a result of an earlier attempt" in said]
        assert len(told) == 1
        # Answered, it is asked about no more.
        assert await next_asking(world, first.job_id) is None


async def test_the_job_before_is_asked_about_for_as_long_as_callbacks_about_it_are_taken(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        first = world.job()
        await run_again(world)
        silence(world, SmileFault.status(503))
        await pass_time(world, *([DAY] * 13))
        assert await next_asking(world, first.job_id) is not None
        await pass_time(world, DAY)
        assert await next_asking(world, first.job_id) is None


async def next_asking(world: Journey, job_id: str) -> str | None:
    found: str | None = await world.bot.database.read(
        lambda tx: tx.value("SELECT ask_at FROM attempts WHERE job_id = :job_id", job_id=job_id)
    )
    return found


async def test_its_file_is_done_and_has_its_results(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", **STAFF) as world:
        world.slack.channels[REVIEW_CHANNEL].members.update({REVIEWER})
        world.smile_id.stories_by_id_number = {"22222222220": "never", "22222222224": "approved"}
        people = [batches.person(0, "22222222220"), batches.person(1, "22222222224")]
        await batches.drop(world, {"people.csv": batches.csv_of(people), **batches.photos(2)})
        await batches.send(world)
        await pass_time(world, *JUST_A_WEEK)
        assert not [name for name in batches.bots_files(world) if "results" in name]
        await press(world, REVIEWER, ids.REVIEW_END)
        await pass_time(world, 4, 4)
        (results,) = [file for name, file in batches.bots_files(world).items() if "results" in name]
        assert [(line["result"], line["why"], line["code"]) for line in batches.lines(results)] == [
            ("No result", "No result — Smile ID never answered", ""),
            ("Approved", "Approved — face and ID number verified", "0810"),
        ]


async def ended_undelivered(world: Journey, ref: str, fault: Fault) -> None:
    """It comes to a week, and is ended, while Slack takes no messages; then it takes them again."""
    world.slack.fault = lambda method, _n: fault if method.startswith("chat.") else None
    await pass_time(world, DAY / 2)
    await world.bot.review.end_unanswered(REVIEWER, ref)
    world.slack.fault = None
    await pass_time(world, 300, 300, 3_600)


async def test_a_notice_that_was_not_delivered_by_then_does_not_follow_the_end(tmp_path: Path) -> None:
    async with silent(tmp_path, *JUST_A_WEEK[:-1]) as (world, ref):
        await ended_undelivered(world, ref, Fault.error("service_unavailable"))
        told = "\n".join(world.thread())
        assert "Smile ID never answered" in told
        assert "Still waiting after 7 days" not in told


async def test_no_card_calls_reviewers_to_what_was_ended_before_the_card_was_delivered(tmp_path: Path) -> None:
    async with silent(tmp_path, *JUST_A_WEEK[:-1]) as (world, ref):
        await choose(world, ZOE, "cards")
        before = len(cards(world))
        # Slack asks for patience: nothing was posted.
        await ended_undelivered(world, ref, Fault.rate_limited(60))
        assert len(cards(world)) == before
        assert world.direct(ZOE) == []


async def test_a_card_that_may_be_in_slack_at_the_end_calls_nobody_and_says_how_it_ended(tmp_path: Path) -> None:
    async with silent(tmp_path, *JUST_A_WEEK[:-1]) as (world, ref):
        await ended_undelivered(world, ref, Fault.error("service_unavailable"))
        shown = text(world)
        assert "No result — Smile ID never answered" in shown
        assert "Still waiting after 7 days" not in shown
        assert f"<@{ZOE}>" not in str(card(world).blocks)


async def test_a_clock_that_is_set_back_while_slack_is_asked_ends_nothing_early(tmp_path: Path) -> None:
    async with silent(tmp_path, 60.0) as (world, ref):
        await world.bot.review.claim(ZOE, ref, reopens=True)

        async def set_back() -> None:
            # The clock and what the database holds, as `ClockWatch.tick` does.
            before, by = world.clock(), timedelta(days=-8)
            world.clock.move(seconds=by.total_seconds())
            await world.bot.database.write(timers.move, by=by, before=before, now=before + by)

        world.bot.access.person_changed(ZOE)
        world.slack.fail_next("users.info", Fault.call(before=set_back))
        before = world.clock()
        assert await refusal(world, REVIEWER, ref) is Refusal.END_TOO_EARLY
        assert world.clock() < before


async def test_a_review_that_a_selfie_called_for_outlives_the_end_and_running_it_again(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE) as world:
        _first, second = await caught(world)
        world.smile_id.stories_by_id_number[OTHER_NUMBER] = "never"
        assert (await world.analyst.click(question(world), ids.SEND_HELD)).ok
        form = await world.analyst.modal()
        await form.choose(ids.REASON, "other_id_type")
        assert (await form.submit()).closed
        await world.settle()
        await pass_time(world, *JUST_A_WEEK)
        await ended(world, second)
        assert (await world.check(second)).review is ReviewState.OPEN
        await run_again(world)
        assert (await world.check(second)).round == 2
        assert "Possible fraud" in text(world)
        assert (await world.check(second)).review is ReviewState.OPEN


async def test_its_customer_can_be_erased(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await forget(world, ref)
        for _day in range(8):
            await pass_time(world, DAY)
            await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is not None


async def test_its_customer_is_not_erased_before_smile_id_was_asked_once_more(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        assert "I erase the check once Smile ID has answered" in await forget(world, ref)
        await pass_time(world, 60, 3_600)
        await world.bot.erasures.tick()
        put_on_record(world, "0810", "Enroll User")
        before = len(cards(world))
        await pass_time(world, DAY)
        await assert_that_a_person_must_look(world, ref, before)
        await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is None


async def test_an_answer_to_a_request_from_before_the_end_lets_nobody_be_erased(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):

        async def end() -> None:
            await world.bot.review.end_unanswered(REVIEWER, ref)

        world.smile_id.fail_next("job_status", SmileFault.call(after=end))
        await pass_time(world, DAY, 60)
        assert "I erase the check once Smile ID has answered" in await forget(world, ref)
        await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is None
        await pass_time(world, DAY)
        await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is not None


async def test_where_smile_id_cannot_be_reached_its_customer_is_erased_after_fifteen_days(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await forget(world, ref)
        silence(world, SmileFault.status(503))
        for _day in range(14):
            await pass_time(world, DAY)
            await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is None
        for _day in range(2):
            await pass_time(world, DAY)
            await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is not None


async def erased(world: Journey, ref: str) -> None:
    """Ended and erased, once Smile ID has answered once more that it has no result."""
    await ended(world, ref)
    await forget(world, ref)
    await pass_time(world, DAY)
    await world.bot.erasures.tick()
    await pass_time(world, 60, 360)
    assert (await world.check(ref)).personal_erased_at is not None


async def assert_that_it_is_kept_and_nobody_called(world: Journey, ref: str, said_before: list[str]) -> None:
    await pass_time(world, 1, 2, 5, 60, DAY)
    check = await world.check(ref)
    assert (check.state, check.failure, check.verdict) == (State.FAILED, "unanswered", None)
    assert check.review is ReviewState.SETTLED
    assert check.ended_at is not None
    assert everything(world) == said_before
    # Its record goes in its time: nothing waits for a decision.
    assert await world.bot.database.read(lambda tx: retention.stays(tx, ref, now=world.clock())) is None


def everything(world: Journey) -> list[str]:
    """Whatever anybody can read of the bot's."""
    shown = [*world.slack.messages(CHANNEL), *world.slack.messages(REVIEW_CHANNEL)]
    for user in (ANALYST, REVIEWER, ZOE):
        shown += world.slack.direct_messages(user)
    return [f"{message.text} {message.blocks}" for message in shown]


@pytest.mark.parametrize(("code", "text"), [("0810", "Enroll User"), ("0811", "No match"), ("5211", "Suspects found")])
async def test_a_result_that_is_called_back_after_the_erasure_is_kept_and_nobody_is_to_decide_it(
    tmp_path: Path, code: str, text: str
) -> None:
    async with silent(tmp_path) as (world, ref):
        await erased(world, ref)
        before = everything(world)
        put_on_record(world, code, text, FullName="Ada Clearly Invented")
        await call_back(world, code, text, FullName="Ada Clearly Invented")
        await assert_that_it_is_kept_and_nobody_called(world, ref, before)
        assert await fates(world) == [(code, "information" if code == "5211" else "misfit")]
        assert ("smile-id", "result.received", f"{code}:callback") in await trail(world, ref)
        (kept,) = await world.bot.database.read(receipts.of_check, ref)
        assert "Invented" not in kept.body


async def test_what_a_forged_callback_has_asked_after_the_erasure_is_kept_too(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await erased(world, ref)
        before, asked = everything(world), askings(world)
        put_on_record(world, "0810", "Enroll User")
        await forge(world)
        await pass_time(world, 60)
        assert askings(world) == asked + 1
        assert ("0810", "misfit") in await fates(world)
        await assert_that_it_is_kept_and_nobody_called(world, ref, before)


@pytest.mark.parametrize("answers", [False, True])
async def test_a_forged_callback_has_smile_id_asked_once_after_the_erasure(tmp_path: Path, answers: bool) -> None:
    async with silent(tmp_path) as (world, ref):
        await erased(world, ref)
        asked = askings(world)
        put_on_record(world, "0812", "Provisional")
        silence(world, None if answers else SmileFault.status(503))
        await forge(world)
        await pass_time(world, 60, DAY, DAY)
        assert askings(world) == asked + 1


async def forge(world: Journey, *, url: str | None = None) -> None:
    """Somebody has caught the address of its callbacks, the newest job's unless given."""
    forged = signed(world, message(world.job(), "0811")) | {"signature": "forged"}
    assert await post(world, json.dumps(forged), url=url) == 401


async def test_a_result_of_a_job_before_the_last_one_calls_nobody_after_the_erasure(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        first = world.job()
        await run_again(world)
        await pass_time(world, *JUST_A_WEEK)
        await erased(world, ref)
        before = everything(world)
        assert await world.smile_id.send_callback(first.job_id, message(first, "0810", "Enroll User")) == 200
        await world.heard()
        assert await fates(world) == [("0810", "old_attempt")]
        await assert_that_it_is_kept_and_nobody_called(world, ref, before)
        silence(world, SmileFault.status(503))
        asked = askings(world)
        await forge(world, url=first.callback_url)
        await pass_time(world, 60, DAY)
        assert askings(world) == asked + 1


async def test_once_it_is_erased_smile_id_is_not_asked_about_it(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await forget(world, ref)
        before = askings(world)
        # The bot was stopped for longer than it would have asked, and erases first.
        world.clock.move(days=20)
        await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is not None
        await pass_time(world, 1, DAY)
        assert askings(world) == before


async def test_a_result_against_what_reviewers_have_decided_calls_them_after_the_erasure_too(tmp_path: Path) -> None:
    async with silent(tmp_path) as (world, ref):
        await ended(world, ref)
        await world.bot.review.claim(REVIEWER, ref, reopens=True)
        await world.work()
        await decide(world, REVIEWER, "rejected", "different_person")
        assert (await world.check(ref)).decision == "rejected"
        await forget(world, ref)
        world.clock.move(days=20)
        await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is not None
        put_on_record(world, "0810", "Enroll User")
        await world.work()
        check = await world.check(ref)
        assert (check.state, check.reason) == (State.IN_REVIEW, ReviewReason.SECOND_FINAL)


async def forget(world: Journey, ref: str) -> str:
    """Erase its customer; what the form says of it."""
    await world.settle()
    await say(world, ADMIN, f"forget {ref}")
    form = await world.slack.person(ADMIN).modal()
    await world.slack.person(ADMIN).submit(form.view)
    return str(form.view)


async def run_again(world: Journey) -> None:
    assert (await world.analyst.click(world.root(), ids.RUN_AGAIN)).ok
    modal = await world.analyst.modal()
    await modal.changed()
    await modal.choose("consent", ["consented"])
    assert (await modal.submit()).closed
    await world.work()
    await world.smile_id.wait_for(lambda: world.job().processed)
