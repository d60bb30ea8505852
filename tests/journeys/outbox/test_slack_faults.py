"""Slack failing in every way between the bot and its people: each message stands once, where it belongs, in order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.demo import CHANNEL, settings_for
from bot.sandbox.slack import BOT_USER_ID, Fault, Message, SlackSandbox, plain
from bot.sandbox.smile_id import SmileIDSandbox
from storage.engine.database import Transaction
from tests import engines
from tests.conftest import Took
from tests.journeys.world import (
    ADMIN,
    IN_EARNEST,
    PATIENT,
    REVIEW_CHANNEL,
    Journey,
    MovedClock,
    StoppedClock,
    bot_between,
    journey,
    patient_slack,
)
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

ANALYST = "U0AMINA0001"
SECOND = "C0SECOND001"
APPROVED = "@amina Approved — face and ID number verified"
CLOSED_DOOR = "The form timed out. Try again."
DOUBTFUL = {
    "500": Fault.status(500),
    "internal_error": Fault.error("internal_error"),
    "reset before": Fault.reset_before(),
    "reset after posting": Fault.reset_after(),
    "half an answer": Fault.half_answer(),
    "hang after posting": Fault.hang_after(GIVE_UP_SECONDS),
    "429": Fault.rate_limited(7),
}
IMPATIENT = replace(PATIENT, worker=aiohttp.ClientTimeout(total=1.5))


@asynccontextmanager
async def impatient(folder: Path, **more: Any) -> AsyncIterator[Journey]:
    """A bot that gives up on a hanging Slack sooner, as far as its workers go."""
    async with journey(folder, timeouts=IMPATIENT, **more) as world:
        yield world


async def deliver(world: Journey, *, rounds: int = 8, seconds: float = 6) -> None:
    """Let workers work and time pass, until all that was put off had its turn."""
    for _ in range(rounds):
        await world.work()
        world.clock.move(seconds=seconds)
    await world.work()


def all_heard(world: Journey, before: int) -> bool:
    return len(world.smile_id.callbacks) >= before + len(world.job().messages)


async def to_result(world: Journey, *, posting: bool = True) -> None:
    """Up to the moment at which the result waits to be posted; without `posting` all else waits too."""
    before = len(world.smile_id.callbacks)
    while len(world.smile_id.callbacks) == before:
        for process in (world.bot.submission, world.bot.outbox)[: 1 + posting]:
            for row in await process.claim(32):
                await process.work(row)  # type: ignore[arg-type]  # each works what it claimed itself
        if world.smile_id.jobs and world.job().processed:
            # The ID details come first; what is waited for is the verdict behind them.
            await world.smile_id.wait_for(partial(all_heard, world, before))
        await asyncio.sleep(0.005)
    await world.heard()
    for _ in range(3):
        for attempt in await world.bot.poller.claim(32):
            await world.bot.poller.work(attempt)


def roots(world: Journey, channel: str = CHANNEL) -> list[str]:
    return [plain(m) for m in world.slack.messages(channel) if m.thread_ts is None and m.user == BOT_USER_ID]


def replies(world: Journey, channel: str = CHANNEL) -> list[str]:
    return [plain(m) for m in world.slack.messages(channel) if m.thread_ts is not None]


def told(world: Journey, ref: str) -> list[str]:
    """The titles of what stands in the thread of one check."""
    return [text.partition(" ·")[0] for text in replies(world) if ref in text]


def calls(world: Journey, method: str) -> int:
    return len([call for call in world.slack.calls if call.method == method])


async def states(world: Journey) -> Counter[str]:
    def rows(tx: Transaction) -> Counter[str]:
        return Counter(row["state"] for row in tx.rows("SELECT state FROM posts"))

    return await world.bot.database.read(rows)


# The form


@pytest.mark.parametrize(
    "fault",
    [Fault.error("expired_trigger_id"), Fault.status(500), Fault.hang_before(GIVE_UP_SECONDS), Fault.reset_before()],
    ids=["expired", "500", "hang", "reset"],
)
async def test_a_form_that_could_not_open_leaves_a_button_that_opens_it(
    tmp_path: Path, fault: Fault, took: Took
) -> None:
    async with journey(tmp_path, timeouts=replace(PATIENT, listener=IN_EARNEST.listener)) as world:
        world.slack.fail_next("views.open", fault)
        reply = await world.analyst.command("")
        assert reply.ok
        took(reply.seconds, less_than=2.5)
        assert reply.text == CLOSED_DOOR
        assert reply.message is not None
        assert (await world.analyst.click(reply.message, "kyc_open_form")).ok
        modal = await world.fill(await world.analyst.modal())
        await world.slack.wait_for(lambda: reply.message is not None and reply.message.deleted)
        assert (await modal.submit()).closed
        assert (await world.check(await world.newest())).channel == CHANNEL


async def test_after_a_shortcut_a_direct_message_brings_the_button_and_asks_no_channel(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS=CHANNEL) as world:
        world.slack.fail_next("views.open", Fault.error("expired_trigger_id"))
        await world.analyst.shortcut("kyc_check")
        await world.answered()
        await world.work()
        await world.slack.wait_for(lambda: bool(world.slack.direct_messages(ANALYST)))
        (message,) = world.slack.direct_messages(ANALYST)
        assert (await world.analyst.click(message, "kyc_open_form")).ok
        modal = await world.analyst.modal()
        assert [b["block_id"] for b in modal.blocks if b["type"] == "input"] == ["country"]


async def test_a_button_that_is_also_too_late_stays_as_it_is(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.fail_next("views.open", *[Fault.error("expired_trigger_id")] * 2)
        message = (await world.analyst.command("")).message
        assert message is not None
        await world.analyst.click(message, "kyc_open_form")
        await world.slack.wait_for(lambda: bool(message.edited))
        assert plain(message).startswith(CLOSED_DOOR)
        await world.analyst.click(message, "kyc_open_form")
        assert (await world.analyst.modal()).is_open


# One message, one fault


async def test_an_opening_message_whose_answer_was_lost_appears_once(tmp_path: Path) -> None:
    async with impatient(tmp_path) as world:
        for name, fault in DOUBTFUL.items():
            world.slack.fail_next("chat.postMessage", fault)
            ref = await world.ask()
            await deliver(world)
            (root,) = (text for text in roots(world) if ref in text)
            assert "Approved — face" in root, name
            assert told(world, ref) == [APPROVED], name
        assert (await states(world))["due"] == 0


async def test_a_result_whose_answer_was_lost_appears_once(tmp_path: Path) -> None:
    async with impatient(tmp_path) as world:
        for name, fault in DOUBTFUL.items():
            ref = await world.ask()
            await to_result(world)
            world.slack.fail_next("chat.postMessage", fault)
            await deliver(world)
            assert told(world, ref) == [APPROVED], name
        assert len(roots(world)) == len(DOUBTFUL)
        assert (await states(world))["due"] == 0


async def test_a_direct_message_whose_answer_was_lost_appears_once(tmp_path: Path) -> None:
    async with impatient(tmp_path, KYC_ADMINS="") as world:
        for name, fault in DOUBTFUL.items():
            ref = await world.ask()
            await to_result(world)
            world.slack.delete_message(CHANNEL, world.root().ts)
            world.slack.fail_next("chat.postMessage", fault)
            await deliver(world)
            (said,) = (text for text in world.direct(ANALYST) if ref in text)
            assert said.startswith(APPROVED), name
        assert replies(world) == []


async def test_a_message_that_slack_shows_after_our_timeout_appears_once(tmp_path: Path) -> None:
    async with impatient(tmp_path) as world:
        acts = asyncio.Event()
        world.slack.fail_next("chat.postMessage", Fault.call(before=acts.wait))
        await world.ask()
        await world.work()
        acts.set()
        await world.slack.wait_for(lambda: bool(world.slack.messages(CHANNEL)))
        await deliver(world)
        assert len(roots(world)) == 1


async def test_a_message_that_slack_shows_eight_seconds_after_our_timeout_appears_once(tmp_path: Path) -> None:
    acts, acted = asyncio.Event(), asyncio.Event()
    async with impatient(tmp_path) as world:
        world.slack.fail_next("chat.postMessage", Fault.call(before=acts.wait, after=acted.set))
        await world.ask()
        await world.work()
        world.clock.move(seconds=8)
        await world.work()
        acts.set()
        await acted.wait()
        await deliver(world)
        assert len(roots(world)) == 1


@pytest.mark.parametrize("method", ["conversations.history", "conversations.replies"])
async def test_a_lost_message_is_not_posted_twice_while_slack_cannot_be_searched(tmp_path: Path, method: str) -> None:
    """Not being able to look says nothing about the message: the doubt stays until Slack lets us look."""
    faults = (
        Fault.status(500),
        Fault.rate_limited(3),
        Fault.reset_before(),
        Fault.hang_before(GIVE_UP_SECONDS),
        Fault.error("missing_scope"),
    )
    async with impatient(tmp_path) as world:
        for fault in faults:
            ref = await world.ask()
            if method == "conversations.replies":
                await to_result(world)
            world.slack.fail_next("chat.postMessage", Fault.reset_after())
            await world.work()
            world.slack.fail_next(method, fault, fault)
            for _ in range(4):
                await deliver(world, rounds=2, seconds=301)
            assert len([text for text in roots(world) if ref in text]) == 1, fault
            assert told(world, ref) == [APPROVED], fault


async def test_a_restart_in_the_middle_of_a_doubt_finds_the_message_again(tmp_path: Path) -> None:
    async with parties(tmp_path) as (slack, smile_id, environment, clock):
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.ask()
            slack.fail_next("chat.postMessage", Fault.reset_after())
            (post,) = await world.bot.outbox.claim(8)
            await world.bot.outbox.work(post)
        clock.move(minutes=10)
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.settle()
            assert len(roots(world)) == 1
            assert "Approved — face" in roots(world)[0]


@asynccontextmanager
async def parties(folder: Path) -> AsyncIterator[tuple[SlackSandbox, SmileIDSandbox, dict[str, str], MovedClock]]:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0, clock=clock)
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(slack, smile_id, database=engines.lay(folder / "kyc.db"), socket_mode=False)
        yield slack, smile_id, environment | {"KYC_SLACK_POSTS_PER_SECOND": "1000"}, clock
    finally:
        await smile_id.stop()
        await slack.stop()


# Limits


async def test_a_429_pauses_its_own_conversation_for_as_long_as_slack_says_and_no_other(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        world.slack.add_channel(SECOND, "second", members=[ANALYST])
        world.slack.fail_next("chat.postMessage", Fault.rate_limited(30))
        await world.ask()
        await world.work()
        modal = await world.fill(await world.form(channel=SECOND))
        assert (await modal.submit()).closed
        await world.work()
        assert roots(world) == []
        assert len(roots(world, SECOND)) == 1
        world.clock.move(seconds=29)
        await world.work()
        assert roots(world) == []
        world.clock.move(seconds=2)
        await world.work()
        assert len(roots(world)) == 1


async def test_five_checks_at_once_keep_the_rate_limit_and_openings_and_results_go_first(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock, posts_per_second=1)
    async with journey(tmp_path, slack=slack, clock=clock, KYC_SLACK_POSTS_PER_SECOND="1") as world:
        for _ in range(5):
            await world.ask()
        said: list[str] = []
        for _ in range(40):
            before = len(slack.calls)
            await world.work()
            said += [call.method for call in slack.calls[before:] if call.method in ("chat.postMessage", "chat.update")]
            clock.move(seconds=1)
            await asyncio.sleep(0.01)
        assert not any(call.response.get("error") == "ratelimited" for call in slack.calls)
        assert len(roots(world)) == 5
        assert all("Approved — face" in text for text in roots(world))
        assert len([text for text in replies(world) if text.startswith(APPROVED)]) == 5
        # Ten that matter, before anything that only tells of progress.
        assert said[:10] == ["chat.postMessage"] * 10
        assert 5 <= said.count("chat.update") <= 10


async def test_progress_is_posted_once_in_its_newest_version(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        (post,) = await world.bot.outbox.claim(8)
        await world.bot.outbox.work(post)
        await to_result(world, posting=False)
        assert calls(world, "chat.update") == 0
        await world.settle()
        assert calls(world, "chat.update") == 1
        assert "Approved — face and ID number verified" in roots(world)[0]


async def test_another_apps_message_with_our_metadata_is_not_taken_for_ours(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        metadata = {"event_type": "kyc_post", "event_payload": {"post": f"request:{ref}"}}
        world.slack._world.post(CHANNEL, user="U0OTHERBOT1", text="Approved", metadata=metadata)
        world.slack.fail_next("chat.postMessage", Fault.reset_before())
        await deliver(world)
        assert len(roots(world)) == 1


# Where nothing can be posted


async def remove_bot(world: Journey) -> None:
    world.slack.channels[CHANNEL].members.discard(BOT_USER_ID)


async def archive(world: Journey) -> None:
    world.slack.channels[CHANNEL].is_archived = True


@pytest.mark.parametrize("close", [remove_bot, archive])
async def test_if_the_channel_closes_before_the_opening_message_the_requester_gets_all(
    tmp_path: Path, close: Callable[[Journey], Any]
) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await close(world)
        await world.settle()
        assert world.slack.messages(CHANNEL) == []
        request, result = world.direct(ANALYST)
        assert ref in request
        assert "Sent here because I can't post in the thread of" in request
        # What was told directly is kept up to date as well.
        assert "Approved — face" in request
        assert result.startswith(APPROVED)
        (alert,) = world.direct(ADMIN)
        assert "could not be posted where the check was asked for" in alert
        assert ref in alert


@pytest.mark.parametrize("close", [remove_bot, archive])
async def test_a_result_for_a_closed_channel_goes_to_the_requester_and_alerts_admins(
    tmp_path: Path, close: Callable[[Journey], Any]
) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await to_result(world)
        await close(world)
        await world.settle()
        assert len(world.slack.messages(CHANNEL)) == 1
        (result,) = world.direct(ANALYST)
        assert result.startswith(APPROVED)
        assert len(world.direct(ADMIN)) == 1


async def test_a_channel_shared_with_another_company_since_gets_no_result(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await to_result(world)
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.clock.move(minutes=11)
        await world.settle()
        assert replies(world) == []
        assert world.direct(ANALYST)[-1].startswith(APPROVED)


@pytest.mark.parametrize("tombstone", [False, True])
@pytest.mark.parametrize("story", ["approved", "provisional_rejected"])
async def test_a_result_whose_request_was_deleted_goes_to_the_requester_directly(
    tmp_path: Path, story: str, *, tombstone: bool
) -> None:
    async with journey(tmp_path, story=story) as world:
        await world.ask()
        await to_result(world)
        root = world.root()
        if tombstone:
            await world.analyst.say(CHANNEL, "what is this?", thread_ts=root.ts)
        world.slack.delete_message(CHANNEL, root.ts, tombstone=tombstone)
        await world.settle()
        assert roots(world) == []
        assert [text for text in replies(world) if text != "what is this?"] == []
        told = world.direct(ANALYST)
        assert told[-1].startswith(APPROVED if story == "approved" else "@amina Rejected")
        assert all("Sent here because I can't post in the thread of" in text for text in told)


async def test_reviewers_get_the_card_of_a_check_whose_message_was_deleted(tmp_path: Path) -> None:
    async with journey(tmp_path, story="spoof") as world:
        ref = await world.ask()
        await to_result(world)
        world.slack.delete_message(CHANNEL, world.root().ts)
        await world.settle()
        assert world.notices()
        assert all(ref in notice for notice in world.notices())
        assert "A reviewer has been told." in world.direct(ANALYST)[-1]


async def test_a_closed_review_channel_delays_no_result_and_names_nobody_as_notified(tmp_path: Path) -> None:
    async with journey(tmp_path, story="spoof") as world:
        world.slack.channels[REVIEW_CHANNEL].members.discard(BOT_USER_ID)
        await world.ask()
        await world.settle()
        assert "Rejected — the selfie does not look like a live person" in replies(world)[-1]
        assert "A reviewer has been told" not in "".join(replies(world))
        assert any("Reviewers get direct messages instead" in text for text in world.direct(ADMIN))


# Refusals of one message


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long", "invalid_blocks_format"])
async def test_a_message_whose_blocks_slack_refuses_is_sent_as_text_at_the_same_rate(tmp_path: Path, code: str) -> None:
    clock = MovedClock()
    slack = patient_slack(clock, posts_per_second=1)
    async with journey(tmp_path, slack=slack, clock=clock, KYC_SLACK_POSTS_PER_SECOND="1") as world:
        await world.ask()
        slack.fail_next("chat.postMessage", Fault.error(code))
        await deliver(world, rounds=20, seconds=1)
        (root,) = (m for m in slack.messages(CHANNEL) if m.thread_ts is None)
        first_words: Message | Any = root.edited[0] if root.edited else root
        assert first_words.blocks == []
        assert first_words.text.startswith(("Received · K-", "Approved — face"))
        assert not any(call.response.get("error") == "ratelimited" for call in slack.calls)
        assert len(replies(world)) == 1


async def test_plain_text_goes_out_directly_too(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ADMINS="") as world:
        await world.ask()
        await to_result(world)
        world.slack.delete_message(CHANNEL, world.root().ts)
        world.slack.fail_next("chat.postMessage", Fault.error("invalid_blocks"))
        await deliver(world)
        (said,) = world.direct(ANALYST)
        # Alone, the text says the verdict before it calls anybody.
        assert said.startswith("Approved — face and ID number verified")
        assert "@amina" in said


async def test_a_message_that_slack_refuses_for_an_unknown_reason_alerts_an_admin(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        world.slack.fail_next("chat.postMessage", *[Fault.error("unheardof")] * 5)
        await deliver(world, rounds=5, seconds=60)
        assert (await states(world))["failed"] == 1
        assert any("could not be delivered in Slack (unheardof)" in text for text in world.direct(ADMIN))


async def test_a_message_that_cannot_be_built_delays_no_other_and_alerts_an_admin(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        spoiled = await world.ask()
        await to_result(world)

        def spoil(tx: Transaction) -> int:
            return tx.run("UPDATE receipts SET body_sealed = :nothing", nothing=bytes(40))

        assert await world.bot.database.write(spoil)
        await world.work()
        healthy = await world.ask()
        await world.settle()
        assert any(healthy in text and text.startswith(APPROVED) for text in replies(world))
        assert not any(spoiled in text for text in replies(world))
        assert any("A fault of the bot stops a message" in text for text in world.direct(ADMIN))
        assert (await states(world))["due"] == 1


# Long outages


async def test_with_a_revoked_token_everything_waits_and_with_a_valid_one_it_is_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        world.slack.fault = lambda method, _n: Fault.error("token_revoked") if method.startswith("chat.") else None
        await deliver(world, rounds=30, seconds=3600 * 2)
        assert (await states(world))["failed"] == 0
        world.slack.fault = None
        world.clock.move(minutes=6)
        await world.settle()
        assert len(roots(world)) == 1
        assert [text.partition(" ·")[0] for text in replies(world)] == [APPROVED]


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.reset_before(), Fault.rate_limited(30)])
async def test_after_an_hour_without_slack_everything_is_posted_once_and_in_order(tmp_path: Path, fault: Fault) -> None:
    async with journey(tmp_path, story="provisional_approved") as world:
        down = {
            "chat.postMessage",
            "chat.update",
            "conversations.replies",
            "conversations.history",
            "conversations.open",
        }
        first = await world.ask()
        await to_result(world)
        world.slack.fault = lambda method, _n: fault if method in down else None
        second = await world.ask()
        await deliver(world, rounds=30, seconds=120)
        assert len(world.slack.messages(CHANNEL)) == 1
        assert not any("Approved" in text for text in roots(world))
        world.slack.fault = None
        await deliver(world, rounds=4, seconds=301)
        await world.settle()
        assert len(roots(world)) == 2
        assert all("Approved — face" in text for text in roots(world))
        for ref in (first, second):
            told = [text.splitlines()[0] for text in replies(world) if ref in text]
            assert [line.startswith(APPROVED) for line in told] in ([True], [False, True]), told
        assert (await states(world))["due"] == 0
        assert (await states(world))["failed"] == 0


async def test_a_post_that_is_undeliverable_for_a_week_alerts_an_admin(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        world.slack.fault = lambda method, _n: Fault.status(503) if method.startswith("chat.") else None
        await deliver(world, rounds=4, seconds=3600 * 24 * 2 + 60)
        assert (await states(world))["failed"] >= 1
        world.slack.fault = None
        await deliver(world, rounds=3, seconds=301)
        assert any("could not be delivered" in text for text in world.direct(ADMIN))
