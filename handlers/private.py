"""How one person is told something once the answer to Slack has left: where they acted, else directly."""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.app import Bot
from bot.blocks.thread import Said
from bot.errors import SlackError

log = structlog.get_logger(__name__)


def tell(bot: Bot, body: Mapping[str, Any], said: Said, *, in_place: bool = False) -> None:
    """Tell whoever sent this request, in the background; `in_place` of the message whose button was pressed."""
    bot.background.spawn(_tell(bot, body["user"]["id"], body.get("response_url"), said, in_place=in_place))


def take_away(bot: Bot, body: Mapping[str, Any]) -> None:
    """Remove the message whose button was pressed: it has served its purpose."""
    if url := body.get("response_url"):
        bot.background.spawn(_take_away(bot, url))


async def _tell(bot: Bot, user: str, response_url: str | None, said: Said, *, in_place: bool) -> None:
    if response_url:
        try:
            await bot.slack.respond(response_url, text=said.text, blocks=said.blocks, replace=in_place)
            return
        except SlackError as closed:
            log.info("private.not_in_place", error=str(closed))
    channel = await bot.slack.direct_channel(user)
    await bot.slack.post(channel=channel, text=said.text, blocks=said.blocks, post_id="private")


async def _take_away(bot: Bot, response_url: str) -> None:
    try:
        await bot.slack.respond(response_url, delete=True)
    except SlackError as closed:
        log.info("private.not_taken_away", error=str(closed))
