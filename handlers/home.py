"""The Home tab: opened, and its button to start a check."""

from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.runtime.factory import Bot
from handlers.check_form import open_form
from handlers.replies import reply


async def opened(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """Slack sends the same event for the messages tab, where nothing is displayed."""
    await ack()
    if event.get("tab") == "home":
        await bot.home.opened(event["user"])


async def start(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    """The form of the global shortcut, which asks for the channel too."""
    await ack()
    reply(bot, body, await open_form(bot, body, channel=None))
