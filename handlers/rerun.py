"""*Run again* and *Cancel*: by command and by the buttons of a request's message."""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.domain.check.check import Check
from bot.domain.check.references import parse_reference
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultStory
from bot.errors import SlackError
from bot.runtime.factory import Bot
from bot.slack.blocks import form, ids, message, private
from bot.slack.blocks.form import ResultPlace
from bot.slack.retry import Retry
from handlers import replies
from handlers.ephemeral import tell

log = structlog.get_logger(__name__)

TITLE = "Run again"


async def run_again(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button: the form, filled with what the check held."""
    await ack()
    said = await open_form(bot, trigger_id=body["trigger_id"], user=body["user"]["id"], ref=action["value"])
    if said is not None:
        tell(bot, body, said)


async def cancel(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button; its dialog has asked already."""
    await ack()
    tell(bot, body, await cancelled(bot, body["user"]["id"], action["value"]))


async def cancelled(bot: Bot, user: str, typed: str) -> Message:
    """The answer to whoever cancels; the thread hears it by itself."""
    if not typed.strip():
        return private.answer(private.NO_REF_CANCEL)
    ref = parse_reference(typed) or typed
    await bot.details.cancel(user, ref)
    return private.answer(private.CANCELLED.format(ref=ref))


async def open_form(bot: Bot, *, trigger_id: str, user: str, ref: str) -> Message | None:
    """Open at once, since a trigger lives 3 s; photos and texts follow. Words when it must stay closed."""
    if not ref.strip():
        return private.answer(private.NO_REF_RERUN)
    await bot.intake.require_requester(user)
    try:
        check = await bot.details.to_run_again(user, parse_reference(ref) or ref)
        view = await bot.slack.open_view(trigger_id=trigger_id, view=message.one_moment(TITLE))
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        return private.answer(private.EXPIRED)
    replies.answer(bot, lambda tries: _fill(bot, tries, view, check), user=user, about=f"rerun:{view['id']}")
    return None


async def _fill(bot: Bot, tries: Retry, view: Mapping[str, Any], check: Check) -> None:
    shown = form.build(
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
    await replies.show(bot, tries, view, shown)
