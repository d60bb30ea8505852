"""What people do with one check from its messages: *Details*, *Run again*, *Cancel*, answers to what holds it."""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.domain.check.check import Check, PhotosBy
from bot.domain.check.references import parse_reference
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultStory
from bot.domain.review.requests import RequestKind, needs_reason
from bot.errors import SlackError
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, message, private, reasons
from bot.slack.blocks.form import CheckForm, ResultPlace
from bot.slack.retry import Retry
from handlers import modals
from handlers.check_form import build
from handlers.modals import lay_on, refresh_details
from handlers.replies import ReplyAddress, open_modal, reply, run, show
from handlers.requests import ViewState, user_of

log = structlog.get_logger(__name__)

_RUN_AGAIN = "Run again"


async def open_details(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Details*: opened from the database at once; photo links follow."""
    ref = action["value"]
    await ack()
    try:
        view = await bot.details.details(body["user"]["id"], ref)
        shown = await bot.slack.open_view(trigger_id=body["trigger_id"], view=view)
    except SlackError as closed:
        log.warning("details.not_opened", ref=ref, error=str(closed))
        reply(bot, body, private.answer(private.EXPIRED_DETAILS))
        return
    if view.get("private_metadata") == ref:
        refresh_details(bot, body["user"]["id"], shown["id"], ref)


async def push_details(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The same on top of a list of checks that were found."""
    ref = action["value"]
    await ack()
    shown = await lay_on(bot, body, await bot.details.details(body["user"]["id"], ref))
    if shown is None:
        reply(bot, body, private.answer(private.EXPIRED_DETAILS))
    else:
        refresh_details(bot, body["user"]["id"], shown["id"], ref)


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


async def run_again(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    reply(bot, body, await open_rerun(bot, body, action["value"]))


async def open_rerun(bot: Bot, body: Mapping[str, Any], ref: str) -> Message | None:
    """Open the form, which photos and texts follow; a message for the person where it stays closed."""
    user = user_of(body)
    if not ref.strip():
        return private.answer(private.NO_REF_RERUN)
    await bot.intake.require_requester(user)
    await bot.causes.require_smile_id()
    check = await bot.details.to_run_again(user, parse_reference(ref) or ref)
    view = await open_modal(bot, body["trigger_id"], message.one_moment(_RUN_AGAIN))
    if view is None:
        return private.answer(private.EXPIRED)
    address = ReplyAddress(user=user, request_id=f"rerun:{view['id']}")
    run(bot, address, lambda retry: _fill_rerun(bot, retry, view, check, user))
    return None


async def _fill_rerun(bot: Bot, retry: Retry, view: Mapping[str, Any], check: Check, user: str) -> None:
    """With what the check held."""
    content = CheckForm(
        place=ResultPlace(channel=check.channel, thread_ts=check.thread_ts, rerun=check.ref),
        country=check.country,
        id_type=check.id_type,
        attached=await bot.details.to_fill_in(user, check, act="rerun.opened"),
        texts={**check.id_info, ids.CUSTOMER_REFERENCE: check.customer_reference},
        title=_RUN_AGAIN,
        by_link=check.photos_by is PhotosBy.LINK,
        not_before=check.verdict_why is ResultStory.AUTHORITY_DOWN,
    )
    await show(bot, retry, view, build(bot, content))


async def let_pass(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Send anyway*; the outbox updates the message in the thread. Some questions want a reason first."""
    await ack()
    user, ref = body["user"]["id"], action["value"]
    held_check = await bot.preflight.may_pass(user, ref)
    if needs_reason(held_check):
        await modals.show_or_say(bot, body, reasons.send_anyway_form(held_check))
    else:
        await bot.preflight.let_pass(user, ref)


async def sent_anyway(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    state = ViewState.of(view)
    reason, words = state.value(ids.REASON), state.value(ids.WORDS)
    if faults := reasons.faults(RequestKind.SEND_ANYWAY, reason, words):
        await ack(response_action="errors", errors=faults)
        return
    ref, form_id = view["private_metadata"], view["id"]
    await bot.preflight.send_anyway(body["user"]["id"], ref, reason=reason, words=words, form_id=form_id)
    await ack()
