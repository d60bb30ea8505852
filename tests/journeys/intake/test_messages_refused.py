"""Checks from messages that are not to be: by others, by apps, in the wrong place, or while Slack is away."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.intake.inbox import LEASE
from bot.intake.messages import PAGE, THREAD_PAGES
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, Message, Modal, Person
from bot.sandbox.slack.payloads import event_callback
from bot.sandbox.slack.world import BOT_USER_ID, TEAM_ID
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from tests.journeys.world import (
    HASTY,
    IN_EARNEST,
    PATIENT,
    REVIEWER,
    SELFIE,
    Journey,
    MovedClock,
    StoppedClock,
    bot_between,
    journey,
    patient_slack,
)
from tests.journeys.writing import LACKING, MENTION, NUMBER, WHOLE, filled, mention, said, said_directly, write
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
EVERYBODY = f"{ANALYST},{REVIEWER}"


async def press_as(world: Journey, person: Person, shown: Message, action_id: str) -> None:
    """A click that Slack's own client would not offer to anybody but the reader of a private message."""
    shown.ephemeral_to = person.user_id
    await person.click(shown, action_id)
    shown.ephemeral_to = ANALYST


# By somebody else


async def test_only_its_author_opens_the_form_of_a_message(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=EVERYBODY) as world:
        await mention(world, LACKING, "ada.jpg")
        remi = world.slack.person(REVIEWER)
        await press_as(world, remi, await said(world), ids.OPEN_FORM_OF_MESSAGE)
        read = (await filled(world, remi)).text()
        assert "Only the person who wrote the message can use it" in read
        assert NUMBER not in read
        assert "ada.jpg" not in read


async def test_its_author_opens_it_although_somebody_else_tried(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=EVERYBODY) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)
        await press_as(world, world.slack.person(REVIEWER), shown, ids.OPEN_FORM_OF_MESSAGE)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        values = (await filled(world)).values
        assert (values["country"], values["id_type"]) == ("NG", "BVN")


# By nobody


def event(**more: Any) -> dict[str, Any]:
    """A mention in the channel as Slack sends it, from whoever `more` says."""
    ts = "1795000000.000100"
    return {"type": "app_mention", "text": WHOLE, "ts": ts, "event_ts": ts, "channel": CHANNEL, "team": TEAM_ID} | more


def direct_event(user: str = ANALYST, **more: Any) -> dict[str, Any]:
    return event(type="message", channel=f"D{user[1:]}", channel_type="im", **more)


APPS = {
    "the bot itself, as a person": event(user=BOT_USER_ID),
    "the bot itself, directly": direct_event(user=BOT_USER_ID),
    "a workflow without a user": event(username="Onboarding", subtype="bot_message"),
    "no user at all": event(),
    "no user at all, directly": direct_event(),
    "an empty user": event(user=""),
    "null as user": event(user=None),
    "an app with a profile": event(user="U0OTHERBOT1", bot_profile={"id": "B0OTHER0001", "name": "other"}),
    "an app with an id": event(user="U0OTHERBOT1", bot_id="B0OTHER0001"),
    "Slackbot": event(user="USLACKBOT"),
    "Slack telling of a change": event(user=ANALYST, subtype="message_changed", hidden=True),
}


@pytest.mark.parametrize("what", APPS)
async def test_what_no_person_wrote_is_not_answered(tmp_path: Path, what: str) -> None:
    async with journey(tmp_path) as world:
        assert (await world.slack.emit(APPS[what])).ok
        # What a person writes afterwards is answered, and nothing else was.
        await mention(world, WHOLE, "selfie.jpg")
        await said(world)
        assert written(world) == ["chat.postEphemeral"]


async def test_without_slacks_word_of_who_we_are_our_own_words_are_not_answered(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        for number, authorizations in enumerate(([], None, [{"user_id": ANALYST, "is_bot": False}])):
            own = event_callback(event(user=BOT_USER_ID), event_id=f"Ev{number}") | {"authorizations": authorizations}
            assert (await world.slack.deliver("events_api", own)).ok
        await mention(world, WHOLE, "selfie.jpg")
        await said(world)
        assert written(world) == ["chat.postEphemeral"]


async def test_the_bots_own_answer_is_not_answered(tmp_path: Path) -> None:
    """The stand-in tells the bot of its own direct messages too, as Slack does."""
    async with journey(tmp_path) as world:
        await world.analyst.write("hello")
        own = await said_directly(world)
        without_id = direct_event(user=BOT_USER_ID) | {"channel": own.channel, "text": own.text, "ts": own.ts}
        assert (await world.slack.emit(without_id)).ok
        await world.analyst.write("hello again")
        await said_directly(world)
        assert len(world.slack.direct_messages(ANALYST)) == 2
        assert written(world) == ["chat.postMessage"] * 2


def written(world: Journey) -> list[str]:
    """The calls by which the bot said something."""
    return [call.method for call in world.slack.calls if call.method.startswith("chat.")]


# In the wrong place

ELSEWHERE = "C0KYCNEW001"
SHARED_WORDS = "You can't start checks in a channel shared with another company"
CLOSED_WORDS = "I can't post in {name}, so the result would be lost. Type /invite @kyc there"


@BOTH
async def test_a_mention_in_a_shared_channel_is_refused_at_once(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        world.slack.add_channel(ELSEWHERE, "with-others", members=[ANALYST], ext_shared=True)
        await mention(world, WHOLE, "selfie.jpg", channel=ELSEWHERE)
        shown = await said(world)
        assert SHARED_WORDS in shown.text
        assert not [block for block in shown.blocks if block["type"] == "actions"]


@BOTH
async def test_the_shortcut_where_another_company_reads_says_so_in_place_of_the_form(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        world.slack.add_channel(ELSEWHERE, "with-others", members=[ANALYST], ext_shared=True)
        message = await mention(world, "New customer", "ada.jpg", channel=ELSEWHERE)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, ELSEWHERE, message.ts)
        modal = await filled(world)
        assert SHARED_WORDS in modal.text()
        assert "ada.jpg" not in modal.text()


@pytest.mark.parametrize(("private", "name"), [(False, "#elsewhere"), (True, "this conversation")])
async def test_the_shortcut_where_the_bot_is_not_says_how_to_let_it_in(
    tmp_path: Path, name: str, *, private: bool
) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel(ELSEWHERE, "elsewhere", members=[ANALYST], private=private, bot_is_member=False)
        message = await mention(world, "New customer", "ada.jpg", channel=ELSEWHERE)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, ELSEWHERE, message.ts)
        modal = await filled(world)
        assert CLOSED_WORDS.format(name=name) in modal.text()
        await modal.close()
        world.slack.channels[ELSEWHERE].members.add(BOT_USER_ID)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, ELSEWHERE, message.ts)
        assert "ada.jpg" in (await filled(world)).text()


async def test_the_shortcut_in_an_archived_channel_says_that_nothing_can_be_posted(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel(ELSEWHERE, "old", members=[ANALYST], archived=True)
        message = await mention(world, "New customer", "ada.jpg", channel=ELSEWHERE)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, ELSEWHERE, message.ts)
        assert "I can't post in #old" in (await filled(world)).text()


async def test_a_mention_where_the_bot_was_just_removed_is_answered_directly(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel(ELSEWHERE, "elsewhere", members=[ANALYST], bot_is_member=False)
        assert (await world.slack.emit(event(user=ANALYST, channel=ELSEWHERE))).ok
        told = await said_directly(world)
        assert CLOSED_WORDS.format(name="#elsewhere") in told.text


async def test_the_form_of_a_mention_is_not_offered_once_its_channel_was_shared(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.clock.move(minutes=2)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        assert SHARED_WORDS in (await filled(world)).text()


# While Slack is away

FAULTS = {
    "503": Fault.status(503),
    "429": Fault.rate_limited(1),
    "internal_error": Fault.error("internal_error"),
    "reset before": Fault.reset_before(),
    "reset after": Fault.reset_after(),
    "half an answer": Fault.half_answer(),
}
AWAY = pytest.mark.parametrize("fault", FAULTS)


@AWAY
@pytest.mark.parametrize("method", ["auth.test", "conversations.replies"])
async def test_a_mention_is_answered_although_slack_was_away_for_a_moment(
    tmp_path: Path, fault: str, method: str
) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        root = await mention(world, "New customer", "selfie.jpg")
        world.slack.fail_next(method, FAULTS[fault])
        await mention(world, WHOLE, thread_ts=root.ts)
        assert "Selfie: selfie.jpg" in world.slack.plain(await said(world))
        assert fault_struck(world, method)


@AWAY
async def test_an_answer_that_slack_may_have_shown_is_said_once_more_directly(tmp_path: Path, fault: str) -> None:
    """Nobody can look for an answer that one person alone sees: only what surely was not taken is tried again."""
    async with journey(tmp_path, timeouts=HASTY) as world:
        root = await mention(world, "New customer", "selfie.jpg")
        world.slack.fail_next("chat.postEphemeral", FAULTS[fault])
        await mention(world, WHOLE, thread_ts=root.ts)
        await delivered(world)
        shown, told = world.slack.ephemerals(ANALYST), world.direct(ANALYST)
        if fault == "429":
            assert (len(shown), len(told)) == (1, 0)
        else:
            assert len(shown) == (fault in ("reset after", "half an answer"))
            assert len(told) == 1
        assert all("Selfie: selfie.jpg" in text for text in [*map(world.slack.plain, shown), *told])


@AWAY
async def test_a_direct_message_is_answered_once_although_slack_was_away_for_a_moment(
    tmp_path: Path, fault: str
) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        world.slack.fail_next("chat.postMessage", FAULTS[fault])
        await world.analyst.write("hello")
        await delivered(world)
        await world.analyst.write("and again")
        await delivered(world)
        first, second = world.slack.direct_messages(ANALYST)
        assert first.thread_ts != second.thread_ts


@AWAY
@pytest.mark.parametrize("method", ["conversations.history", "views.update"])
async def test_the_form_of_a_message_comes_although_slack_was_away_for_a_moment(
    tmp_path: Path, fault: str, method: str
) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await write(world, LACKING, "ada.jpg")
        shown = await said_directly(world)
        world.slack.fail_next(method, FAULTS[fault])
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        assert (await filled(world)).values["id_number"] == NUMBER
        assert fault_struck(world, method)


@AWAY
@pytest.mark.parametrize("method", ["conversations.history", "response_url"])
async def test_a_click_that_sends_is_answered_although_slack_was_away_for_a_moment(
    tmp_path: Path, fault: str, method: str
) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        world.slack.fail_next(method, FAULTS[fault])
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "is on its way" in shown.text)
        assert len(world.slack.direct_messages(ANALYST)) == 1
        assert fault_struck(world, method)


async def test_slack_is_not_asked_again_before_the_time_that_it_names(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with journey(tmp_path, clock=clock, timeouts=replace(PATIENT, answer_sleep=clock.sleep)) as world:
        world.slack.fail_next("chat.postEphemeral", Fault.rate_limited(2))
        await mention(world, WHOLE, "selfie.jpg")
        await said(world)
        refused, taken = [call.at for call in world.slack.calls if call.method == "chat.postEphemeral"]
        assert taken - refused == timedelta(seconds=2)


async def test_a_direct_answer_displayed_eight_seconds_late_is_sent_once(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with journey(tmp_path, clock=clock, timeouts=replace(PATIENT, answer_sleep=clock.sleep)) as world:
        world.slack.fail_next("chat.postMessage", shown_after(clock, seconds=8))
        await world.analyst.write("hello")
        await world.answered()
        await world.work()
        await clock.sleep(8)
        await delivered(world)
        assert len(world.direct(ANALYST)) == 1


async def test_an_answer_to_a_click_displayed_eight_seconds_late_is_sent_once(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with journey(tmp_path, clock=clock, timeouts=replace(PATIENT, answer_sleep=clock.sleep)) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        world.slack.fail_next("response_url", Fault.status(404))
        # The request's own message and the answer to the click, in whichever order they come.
        world.slack.fail_next("chat.postMessage", *[shown_after(clock, seconds=8)] * 2)
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.answered()
        await world.work()
        await clock.sleep(8)
        await delivered(world)
        await world.settle()
        told = world.direct(ANALYST)
        parts = (
            "This is what I understood",
            "Biometric KYC ·",
            "is on its way",
            "@amina Approved — face and ID number verified",
        )
        assert [len([text for text in told if part in text]) for part in parts] == [1, 1, 1, 1]
        assert len(told) == len(parts)


async def test_an_answer_that_replaces_its_button_appears_once_however_late(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with journey(tmp_path, clock=clock, timeouts=replace(PATIENT, answer_sleep=clock.sleep)) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        world.slack.fail_next("response_url", shown_after(clock, seconds=8))
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.answered()
        await clock.sleep(8)
        (only,) = world.slack.direct_messages(ANALYST)
        assert "is on its way" in only.text


def shown_after(clock: MovedClock, *, seconds: float) -> Fault:
    """Slack's answer is lost at once, and what it was asked to say appears so much later."""

    async def until() -> None:
        await clock.until(clock() + timedelta(seconds=seconds))

    return Fault.late(until)


async def test_an_answer_that_slack_takes_only_in_a_minute_is_said_directly(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        world.slack.fail_next("chat.postEphemeral", Fault.rate_limited(600))
        await mention(world, WHOLE, "selfie.jpg")
        told = await said_directly(world)
        await world.analyst.click(told, ids.OPEN_FORM_OF_MESSAGE)
        assert (await filled(world)).values["id_type"] == "BVN"


async def test_a_thread_that_cannot_be_read_is_not_called_a_thread_without_photos(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        root = await mention(world, "New customer", "selfie.jpg")
        world.slack.fault = away("conversations.replies")
        await mention(world, WHOLE, thread_ts=root.ts)
        assert "Slack did not let me read the message in time" in (await said(world)).text


async def test_words_stand_in_the_modal_when_the_message_cannot_be_read(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)
        world.slack.fault = away("conversations.history")
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        assert "Slack did not let me read the message in time" in (await filled(world)).text()


async def test_a_form_that_slack_refuses_is_no_modal_that_waits_for_ever(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)
        world.slack.fail_next("views.update", Fault.error("invalid_arguments"))
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        assert "Something went wrong on our side; nothing was sent" in (await filled(world)).text()


async def test_a_modal_closed_meanwhile_gets_no_further_answer(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)

        async def close() -> None:
            await (await world.analyst.modal()).close()

        world.slack.fail_next("views.update", Fault.call(before=close))
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        await world.slack.wait_for(lambda: fault_struck(world, "views.update"))
        await world.answered()
        assert not world.direct(ANALYST)


@pytest.mark.parametrize("method", ["chat.postEphemeral", "views.update", "response_url"])
async def test_a_lost_answer_arrives_as_a_direct_message_once_slack_is_back(tmp_path: Path, method: str) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        if method == "chat.postEphemeral":
            world.slack.fault = away(method, "chat.postMessage")
            await mention(world, WHOLE, "selfie.jpg")
        elif method == "views.update":
            await mention(world, LACKING, "selfie.jpg")
            shown = await said(world)
            world.slack.fault = away(method, "chat.postMessage")
            await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        else:
            await write(world, WHOLE, "selfie.jpg")
            shown = await said_directly(world)
            world.slack.fault = away(method, "chat.postMessage")
            await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.answered()
        before = world.direct(ANALYST)
        assert len(before) == (method == "response_url")
        world.slack.fault = None
        await world.settle()
        answers = {
            "chat.postEphemeral": "Selfie: selfie.jpg",
            "views.update": "You got no answer to your last message or click in #kyc-requests",
            "response_url": "is on its way",
        }
        (told,) = [words for words in world.direct(ANALYST) if answers[method] in words]
        assert NUMBER not in told


async def test_an_answer_that_a_restart_cut_short_is_given_by_the_next_bot_directly(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0.0, clock=clock)
    async with AsyncExitStack() as stack:
        for stand_in in (slack, smile_id):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        environment = settings_for(slack, smile_id, database=tmp_path / "kyc.db", socket_mode=False)
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            slack.fail_next("chat.postEphemeral", Fault.rate_limited(50))
            await mention(world, WHOLE, "selfie.jpg")
            await slack.wait_for(lambda: fault_struck(world, "chat.postEphemeral"))
        clock.move(seconds=LEASE.total_seconds() + 1)
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await delivered(world)
            (told,) = world.direct(ANALYST)
            assert "Selfie: selfie.jpg" in told


def away(*methods: str) -> Callable[[str, int], Fault | None]:
    return lambda method, _count: Fault.status(503) if method in methods else None


def fault_struck(world: Journey, method: str) -> bool:
    return any(call.fault is not None for call in world.slack.calls if call.method == method)


async def delivered(world: Journey) -> None:
    """Until every answer was given, by the outbox too, which looks for what it may have posted after ten seconds."""
    await world.answered()
    for _ in range(4):
        await world.work()
        world.clock.move(seconds=11)


# Long threads


async def long_thread(world: Journey, replies: int, *, photos_at: Mapping[int, str]) -> Message:
    """A thread of so many replies; the photos stand at those places."""
    root = await mention(world, "New customer")
    for number in range(replies):
        files = [await world.analyst.upload(SELFIE, photos_at[number])] if number in photos_at else []
        await world.analyst.say(CHANNEL, f"reply {number}", files=files, thread_ts=root.ts)
    return root


async def test_the_newest_photo_of_a_long_thread_is_found(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        root = await long_thread(world, 420, photos_at={5: "old.jpg", 415: "selfie.jpg"})
        await mention(world, WHOLE, thread_ts=root.ts)
        shown = await said(world)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        read = (await filled(world)).text()
        assert "old.jpg" in read
        assert "selfie.jpg" in read


async def test_a_page_of_a_long_thread_is_read_again_alone(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        root = await long_thread(world, 420, photos_at={415: "selfie.jpg"})
        pages = iter((None, Fault.status(503), None, None))
        world.slack.fault = lambda method, _count: next(pages) if method == "conversations.replies" else None
        await mention(world, WHOLE, thread_ts=root.ts)
        assert "Selfie: selfie.jpg" in world.slack.plain(await said(world))
        assert len([call for call in world.slack.calls if call.method == "conversations.replies"]) == 4


async def test_an_endless_thread_offers_its_newest_photos_and_says_what_is_left_out(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        count = THREAD_PAGES * PAGE + 450
        root = await long_thread(world, count, photos_at={3: "oldest.jpg", count - 3: "selfie.jpg"})
        await mention(world, WHOLE, thread_ts=root.ts)
        shown = await said(world)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        read = (await filled(world)).text()
        assert "selfie.jpg" in read
        assert "The thread is too long for me to read whole" in read
        assert "too long for me to read whole" in world.slack.plain(shown)


# What is known before the country and the ID type are

LABELLED = (
    f"{MENTION} id number: {NUMBER}, first name: Ada-Invented, last name: Obi-Invented, "
    "date of birth: 1990-01-02, reference: CUST-77"
)
FIELDS = {
    "id_number": NUMBER,
    "first_name": "Ada-Invented",
    "last_name": "Obi-Invented",
    "dob": "1990-01-02",
    "customer_reference": "CUST-77",
}


def held(modal: Modal) -> dict[str, Any]:
    return {name: modal.values.get(name) for name in FIELDS}


@BOTH
async def test_what_a_message_says_stays_in_the_form_until_country_and_id_type_are_chosen(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        root = await write(world, LABELLED, "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        assert held(modal) == FIELDS
        await modal.choose("country", "NG")
        assert held(modal) == FIELDS
        await modal.choose("id_type", "BVN")
        assert held(modal) == FIELDS
        assert NUMBER not in modal.view["private_metadata"]
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        sent = world.job().info
        assert sent is not None
        assert {name: sent["id_info"].get(name) for name in ("id_number", "first_name", "last_name")} == {
            name: FIELDS[name] for name in ("id_number", "first_name", "last_name")
        }
        assert any("Approved" in world.slack.plain(m) for m in world.slack.thread(root.channel, root.ts))


async def test_what_was_understood_survives_an_id_type_that_does_not_ask_for_it(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, LABELLED, "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.choose("country", "NG")
        await modal.fill("first_name", "Adaeze-Invented")
        for id_type in ("NIN_V2", "BVN"):
            await modal.choose("id_type", id_type)
        assert held(modal) == FIELDS | {"first_name": "Adaeze-Invented"}


async def test_the_shortcut_too_keeps_what_a_direct_message_says_without_a_country(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, LABELLED, "selfie.jpg")
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, message.channel, message.ts)
        modal = await filled(world)
        await modal.choose("country", "KE")
        assert held(modal) == FIELDS


async def test_a_country_alone_keeps_the_rest_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, f"{LABELLED} Nigeria", "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        assert modal.values["country"] == "NG"
        await modal.choose("id_type", "BVN")
        assert held(modal) == FIELDS


UNLABELLED = f"{MENTION} {NUMBER} Ada-Invented Obi-Invented 1990-01-02"


@BOTH
async def test_what_only_the_choice_makes_clear_is_filled_in_when_it_is_made(
    tmp_path: Path, *, socket_mode: bool
) -> None:
    """Which number is an ID number, and which words are names, can be told once country and ID type are known."""
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        await write(world, UNLABELLED, "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        assert modal.values.get("id_number") is None
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        assert held(modal) == FIELDS | {"customer_reference": None}
        assert NUMBER not in modal.view["private_metadata"]
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed


async def test_what_a_person_typed_or_emptied_is_never_filled_in_again(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, f"{UNLABELLED} NG", "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.choose("id_type", "BVN")
        await modal.fill("first_name", "Adaeze-Invented")
        assert modal.values["last_name"] == "Obi-Invented"
        await modal.fill("last_name", "")
        await modal.choose("id_type", "NIN_V2")
        assert modal.values["first_name"] == "Adaeze-Invented"
        assert not modal.values["last_name"]


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.hang_before(GIVE_UP_SECONDS), Fault.rate_limited(30)])
async def test_the_fields_follow_in_time_although_the_message_cannot_be_read_then(tmp_path: Path, fault: Fault) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST) as world:
        await write(world, UNLABELLED, "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.choose("country", "NG")
        world.slack.fail_next("conversations.history", fault)
        delivery = await modal.choose("id_type", "BVN")
        assert delivery is not None
        assert delivery.ok
        assert not modal.values["id_number"]
        assert modal.values["dob"] == "1990-01-02"


async def test_a_message_that_was_taken_back_fills_in_nothing_more(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, UNLABELLED, "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.choose("country", "NG")
        await world.analyst.delete(message)
        await modal.choose("id_type", "BVN")
        assert not modal.values["id_number"]


@pytest.mark.parametrize("count", [2, 50])
async def test_the_form_to_run_a_check_again_opens_or_its_absence_is_reported(tmp_path: Path, count: int) -> None:
    async with journey(tmp_path, timeouts=HASTY, story="rejected") as world:
        await world.ask()
        await world.settle()
        world.slack.fail_next("views.update", *[Fault.status(503)] * count)
        await world.analyst.click(world.root(), ids.RUN_AGAIN)
        await world.answered()
        await world.work()
        modal = await world.analyst.modal()
        told = any("You got no answer" in words for words in world.direct(ANALYST))
        came = "One moment" not in modal.text()
        assert (came, told) == ((True, False) if count == 2 else (False, True))
