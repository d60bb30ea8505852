"""Answers to a question that holds a check: send all the same, or with other photos."""

from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.app import Bot
from bot.blocks import held, ids, private
from bot.errors import Refused, SlackError
from handlers.form import photos_in
from handlers.private import tell

log = structlog.get_logger(__name__)


async def let_pass(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Send all the same*; the message in the thread says so by itself."""
    await ack()
    try:
        await bot.holding.let_pass(body["user"]["id"], action["value"])
    except Refused as no:
        tell(bot, body, private.says(no.words))


async def other_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Other photos*: a form for them alone."""
    await ack()
    ref = action["value"]
    try:
        await bot.holding.may_replace(body["user"]["id"], ref)
        await bot.slack.open_view(
            trigger_id=body["trigger_id"], view=held.photos_form(ref, liveness_required=bot.settings.liveness_required)
        )
    except Refused as no:
        tell(bot, body, private.says(no.words))
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        tell(bot, body, private.says(private.EXPIRED))


async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    """Other photos, in place of those that were held."""
    state = view["state"]["values"]
    try:
        faults = await bot.holding.replace_photos(
            body["user"]["id"],
            view["private_metadata"],
            selfie=photos_in(state, ids.SELFIE),
            liveness=photos_in(state, ids.LIVENESS),
        )
    except Refused as no:
        faults = {ids.SELFIE: no.plain}
    await (ack(response_action="errors", errors=faults) if faults else ack())
