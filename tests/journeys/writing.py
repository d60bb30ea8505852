"""How a journey asks for a check by a message, in a channel or directly, and what the analyst alone is shown."""

from typing import Any

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message, Modal, Person
from bot.sandbox.slack.world import BOT_USER_ID
from tests.journeys.world import SELFIE, Journey

NUMBER = "00000000000"
MENTION = f"<@{BOT_USER_ID}>"
WHOLE = f"{MENTION} NG BVN {NUMBER} Ada-Invented Obi-Invented 1990-01-02"
LACKING = f"{MENTION} bvn {NUMBER} 02/03/1990"


async def mention(world: Journey, text: str, *names: str, channel: str = CHANNEL, **more: Any) -> Message:
    """A message of the analyst's, with photos of these names."""
    files = [await world.analyst.upload(SELFIE, name) for name in names]
    return await world.analyst.say(channel, text, files=files, **more)


async def said(world: Journey, count: int = 1) -> Message:
    """The newest of the messages that the analyst alone sees, once there are so many."""
    await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) >= count)
    return world.slack.ephemerals(ANALYST)[-1]


async def write(world: Journey, text: str, *names: str, thread_ts: str | None = None) -> Message:
    """The same in the analyst's direct messages with the bot, where nobody need be mentioned."""
    files = [await world.analyst.upload(SELFIE, name) for name in names]
    return await world.analyst.write(text.removeprefix(MENTION).strip(), files=files, thread_ts=thread_ts)


async def said_directly(world: Journey, count: int = 1) -> Message:
    """The newest of the bot's direct messages to the analyst, once there are so many."""
    await world.answered()
    await world.work()
    await world.slack.wait_for(lambda: len(world.slack.direct_messages(ANALYST)) >= count)
    return world.slack.direct_messages(ANALYST)[-1]


async def filled(world: Journey, person: Person | None = None) -> Modal:
    """What stands in place of *one moment*."""
    modal = await (person or world.analyst).modal()
    await world.slack.wait_for(lambda: "One moment" not in modal.text())
    return modal
