"""The *Details* button: a modal for those who may see it; opened from the database at once, photo links follow."""

from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.errors import Refused, SlackError
from bot.runtime.factory import Bot
from bot.slack.blocks import private, refusals
from handlers.replies import reply

log = structlog.get_logger(__name__)


async def opened(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    ref = action["value"]
    await ack()
    try:
        view = await bot.details.details(body["user"]["id"], ref)
        shown = await bot.slack.open_view(trigger_id=body["trigger_id"], view=view)
    except SlackError as closed:
        log.warning("details.not_opened", ref=ref, error=str(closed))
        reply(bot, body, private.answer(private.EXPIRED_DETAILS))
        return
    bot.background.spawn(_add_links(bot, body["user"]["id"], shown["id"], ref))


async def pushed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The same on top of a list of checks that were found."""
    ref = action["value"]
    await ack()
    try:
        view = await bot.details.details(body["user"]["id"], ref)
    except Refused as no:
        view = private.closed_form(refusals.plain_sentence(no))
    try:
        shown = await bot.slack.push_view(trigger_id=body["trigger_id"], view=view)
    except SlackError as closed:
        log.warning("details.not_opened", ref=ref, error=str(closed))
        return
    if view.get("private_metadata") == ref:
        bot.background.spawn(_add_links(bot, body["user"]["id"], shown["id"], ref))


async def _add_links(bot: Bot, user: str, view_id: str, ref: str) -> None:
    view = await bot.details.details_with_links(user, ref)
    try:
        await bot.slack.update_view(view_id=view_id, view=view)
    except SlackError as closed:
        log.info("details.closed_meanwhile", ref=ref, error=str(closed))
