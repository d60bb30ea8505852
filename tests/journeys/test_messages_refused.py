"""Checks from messages that are not to be: by others, by apps, in the wrong place, or while Slack is away."""

from pathlib import Path
from typing import Any

import pytest

from bot.blocks import ids
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message, Modal, Person
from bot.sandbox.slack.payloads import event_callback
from bot.sandbox.slack.world import BOT_USER_ID, TEAM_ID
from tests.journeys.world import REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
NUMBER = "00000000000"
MENTION = f"<@{BOT_USER_ID}>"
WHOLE = f"{MENTION} NG BVN {NUMBER} Ada-Invented Obi-Invented 1990-01-02"
EVERYBODY = f"{ANALYST},{REVIEWER}"
LACKING = f"{MENTION} bvn {NUMBER} 02/03/1990"


async def mention(world: Journey, text: str, *names: str, channel: str = CHANNEL, **more: Any) -> Message:
    files = [await world.analyst.upload(SELFIE, name) for name in names]
    return await world.analyst.say(channel, text, files=files, **more)


async def said(world: Journey, count: int = 1) -> Message:
    """The newest of the messages that the analyst alone sees, once there are so many."""
    await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) >= count)
    return world.slack.ephemerals(ANALYST)[-1]


async def filled(world: Journey, person: Person | None = None) -> Modal:
    """What stands in place of *one moment*."""
    modal = await (person or world.analyst).modal()
    await world.slack.wait_for(lambda: "One moment" not in modal.text())
    return modal


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
        assert (await filled(world)).values["id_number"] == NUMBER


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
        await world.slack.wait_for(lambda: len(world.slack.direct_messages(ANALYST)) == 1)
        (own,) = world.slack.direct_messages(ANALYST)
        without_id = direct_event(user=BOT_USER_ID) | {"channel": own.channel, "text": own.text, "ts": own.ts}
        assert (await world.slack.emit(without_id)).ok
        await world.analyst.write("hello again")
        await world.slack.wait_for(lambda: len(world.slack.direct_messages(ANALYST)) == 2)
        assert written(world) == ["chat.postMessage"] * 2


def written(world: Journey) -> list[str]:
    """The calls by which the bot said something."""
    return [call.method for call in world.slack.calls if call.method.startswith("chat.")]


# In the wrong place

ELSEWHERE = "C0KYCNEW001"
SHARED_WORDS = "Checks are never asked in a channel shared with another company"
CLOSED_WORDS = "I can't post in {name}, so the result would be lost. Type /invite @kyc there"


@BOTH
async def test_a_mention_where_another_company_reads_is_told_so_at_once(tmp_path: Path, *, socket_mode: bool) -> None:
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
        await world.slack.wait_for(lambda: len(world.slack.direct_messages(ANALYST)) == 1)
        (told,) = world.slack.direct_messages(ANALYST)
        assert CLOSED_WORDS.format(name="#elsewhere") in told.text


async def test_the_form_of_a_mention_is_not_offered_once_its_channel_was_shared(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.clock.move(minutes=2)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        assert SHARED_WORDS in (await filled(world)).text()
