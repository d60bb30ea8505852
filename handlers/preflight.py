"""Answers to a question that holds a check: send all the same, or with other photos."""

from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.errors import SlackError
from bot.runtime.factory import Bot
from bot.slack.blocks import held, ids, private, refusals
from handlers.ephemeral import tell
from handlers.view_state import ViewState

log = structlog.get_logger(__name__)


async def let_pass(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Send all the same*; the message in the thread says so by itself."""
    await ack()
    await bot.preflight_answers.let_pass(body["user"]["id"], action["value"])


async def other_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Other photos*: a form for them alone."""
    await ack()
    ref = action["value"]
    try:
        await bot.preflight_answers.may_replace(body["user"]["id"], ref)
        await bot.slack.open_view(
            trigger_id=body["trigger_id"], view=held.photos_form(ref, liveness_required=bot.settings.liveness_required)
        )
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        tell(bot, body, private.answer(private.EXPIRED))


async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    """Other photos, in place of those that were held."""
    state = ViewState.of(view)
    faults = await bot.preflight_answers.replace_photos(
        body["user"]["id"],
        view["private_metadata"],
        selfie=state.files(ids.SELFIE),
        liveness=state.files(ids.LIVENESS),
    )
    errors = {name: refusals.plain_sentence(fault) for name, fault in faults.items()}
    await (ack(response_action="errors", errors=errors) if errors else ack())
