"""*Run again* and *Cancel*: by command and by the buttons of a request's message."""

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.check.check import Check
from bot.domain.check.references import parse_reference
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultStory
from bot.runtime.factory import Bot
from bot.slack.blocks import form, ids, message, private
from bot.slack.blocks.form import ResultPlace
from bot.slack.retry import Retry
from handlers.replies import ReplyAddress, open_modal, reply, run, show, user_of

TITLE = "Run again"


async def run_again(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button: the form, filled with what the check held."""
    await ack()
    reply(bot, body, await open_form(bot, body, action["value"]))


async def cancel(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button; its dialog has asked already."""
    await ack()
    reply(bot, body, await cancelled(bot, body["user"]["id"], action["value"]))


async def cancelled(bot: Bot, user: str, typed: str) -> Message:
    """The answer to the person who cancels; the outbox updates the thread."""
    if not typed.strip():
        return private.answer(private.NO_REF_CANCEL)
    ref = parse_reference(typed) or typed
    await bot.details.cancel(user, ref)
    return private.answer(private.CANCELLED.format(ref=ref))


async def open_form(bot: Bot, body: Mapping[str, Any], ref: str) -> Message | None:
    """Open the form, which photos and texts follow; a message for the person where it stays closed."""
    user = user_of(body)
    if not ref.strip():
        return private.answer(private.NO_REF_RERUN)
    await bot.intake.require_requester(user)
    check = await bot.details.to_run_again(user, parse_reference(ref) or ref)
    view = await open_modal(bot, body["trigger_id"], message.one_moment(TITLE))
    if view is None:
        return private.answer(private.EXPIRED)
    address = ReplyAddress(user=user, request_id=f"rerun:{view['id']}")
    run(bot, address, lambda retry: _fill(bot, retry, view, check))
    return None


async def _fill(bot: Bot, retry: Retry, view: Mapping[str, Any], check: Check) -> None:
    content = form.build(
        bot.id_types,
        liveness_required=bot.settings.liveness_required,
        place=ResultPlace(channel=check.channel, thread_ts=check.thread_ts, rerun=check.ref),
        country=check.country,
        id_type=check.id_type,
        attached=await bot.details.photos_of(check),
        texts={**check.id_info, ids.CUSTOMER_REFERENCE: check.customer_reference},
        title=TITLE,
        not_before=check.verdict_why is ResultStory.AUTHORITY_DOWN,
    )
    await show(bot, retry, view, content)
