"""Requests without a listener: buttons, forms and shortcuts of another version, events of no use.

Each gets an answer, since without one Slack would show an error.
"""

from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.runtime.factory import Bot
from bot.slack.blocks import private
from handlers.commands import answer
from handlers.replies import reply


async def command(ack: AsyncAck, command: dict[str, Any]) -> None:
    """A command that the manifest does not name: an old installation, say."""
    await answer(ack, private.help_text(command.get("command")))


async def pressed(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    """A button or shortcut of another version."""
    await ack()
    reply(bot, body, private.answer(private.OLD_BUTTON))


async def submitted(ack: AsyncAck) -> None:
    """A form whose fields nobody here can read: closing it would look like success."""
    await ack(response_action="update", view=private.closed_form(private.OLD_FORM))


async def suggested(ack: AsyncAck) -> None:
    """A menu that asks for options: there are none."""
    await ack(options=[])


async def nothing(ack: AsyncAck) -> None:
    """A closed view, an event of no use."""
    await ack()
