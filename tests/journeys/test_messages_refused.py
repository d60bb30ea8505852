"""Checks from messages that are not to be: by others, by apps, in the wrong place, or while Slack is away."""

from pathlib import Path
from typing import Any

import pytest

from bot.blocks import ids
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message, Modal, Person
from bot.sandbox.slack.world import BOT_USER_ID
from tests.journeys.world import REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

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
