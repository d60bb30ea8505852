"""How one person is told something once the answer to Slack has left: where they acted, else directly."""

import secrets
from collections.abc import Mapping
from typing import Any

import structlog

from bot.domain.outbox import Message
from bot.errors import SlackError
from bot.intake.answers import PrivateAnswer
from bot.runtime.factory import Bot
from bot.slack.retry import Retry
from handlers import replies

log = structlog.get_logger(__name__)


def tell(bot: Bot, body: Mapping[str, Any], said: Message, *, in_place: bool = False) -> None:
    """Tell whoever sent this request, in the background; `in_place` of the message whose button was pressed."""

    about = name_of(body)

    async def work(tries: Retry) -> None:
        await replies.respond(bot, tries, body, PrivateAnswer(message=said, in_place=in_place), about=about)

    replies.answer(bot, work, user=body["user"]["id"], about=about, channel=replies.channel_of(body))


def name_of(body: Mapping[str, Any]) -> str:
    """What a request is called: the same for a repeat of it."""
    return str(body.get("trigger_id") or secrets.token_hex(8))


def take_away(bot: Bot, body: Mapping[str, Any]) -> None:
    """Remove the message whose button was pressed: it has served its purpose."""
    if url := body.get("response_url"):
        bot.background.spawn(_take_away(bot, url))


async def _take_away(bot: Bot, response_url: str) -> None:
    try:
        await bot.slack.respond(response_url, delete=True)
    except SlackError as closed:
        log.info("private.not_taken_away", error=str(closed))
