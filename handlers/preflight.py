"""Answers to a preflight question that holds a check: send it anyway, or with other photos."""

from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.runtime.factory import Bot
from bot.slack.blocks import held, ids, private, refusals
from handlers.replies import open_modal, reply
from handlers.view_state import ViewState


async def let_pass(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Send all the same*; the outbox updates the message in the thread."""
    await ack()
    await bot.preflight_answers.let_pass(body["user"]["id"], action["value"])


async def other_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Other photos*: a form for them alone."""
    await ack()
    ref = action["value"]
    await bot.preflight_answers.may_replace(body["user"]["id"], ref)
    form = held.photos_form(ref, liveness_required=bot.settings.liveness_required)
    if await open_modal(bot, body["trigger_id"], form) is None:
        reply(bot, body, private.answer(private.EXPIRED))


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
