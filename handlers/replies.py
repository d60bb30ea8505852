"""How an answer reaches its person once the acknowledgement has left: where they acted, else by the outbox.

Nobody who pressed something waits in vain: they get the answer, or in a modal a sentence that there is none, or at the
very least a direct message of the outbox, which waits until Slack is back.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.domain.outbox import Message
from bot.errors import SlackError, SlackRefused
from bot.intake.answers import PrivateAnswer
from bot.runtime.bot import Bot
from bot.slack.blocks import private
from bot.slack.retry import Retry
from handlers.requests import user_of

log = structlog.get_logger(__name__)

NOT_THERE = frozenset({"not_found", "view_not_found", "hash_conflict"})
"""The modal was closed; or it changed, since an earlier attempt succeeded although its answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAddress:
    user: str
    request_id: str
    """The same for a repeat of the request."""
    channel: str | None = None
    """Where they acted, if that was in a conversation."""
    response_url: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "ReplyAddress":
        return cls(
            user=user_of(body),
            request_id=str(body.get("trigger_id") or secrets.token_hex(8)),
            channel=(body.get("channel") or {}).get("id"),
            response_url=body.get("response_url"),
        )


def reply(bot: Bot, body: Mapping[str, Any], message: Message | None, *, in_place: bool = False) -> None:
    """Answer a request in the background, `in_place` of the message whose button was pressed; None needs no answer."""
    if message is not None:
        address, given = ReplyAddress.of(body), PrivateAnswer(message=message, in_place=in_place)
        run(bot, address, lambda retry: respond(bot, retry, address, given))


def run(bot: Bot, address: ReplyAddress, work: Callable[[Retry], Awaitable[None]]) -> None:
    """Work on an answer in the background; where it fails or the bot stops first, the outbox says so."""
    bot.background.spawn(_run(bot, address, work))


async def respond(bot: Bot, retry: Retry, address: ReplyAddress, given: PrivateAnswer) -> None:
    """Answer where a person acted; by the outbox where that is impossible, or may have failed."""
    if not await bot.answer_delivery.respond(address.response_url, given, retry):
        await _send_directly(bot, address, given)


async def remove_message(bot: Bot, body: Mapping[str, Any]) -> None:
    """Remove the message whose button was pressed: it has served its purpose."""
    try:
        if url := body.get("response_url"):
            await bot.slack.respond(url, delete=True)
    except SlackError as closed:
        log.info("private.not_removed", error=str(closed))


async def open_modal(bot: Bot, trigger_id: str, view: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Open it at once, since a trigger lives 3 s; None where Slack did not. Raises Refused where it refuses the bot."""
    try:
        return await bot.slack.open_view(trigger_id=trigger_id, view=view)
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        if (refused := bot.causes.refused_by_slack()) is not None:
            # *Try again* would be untrue.
            raise refused from closed
        return None


async def show(bot: Bot, retry: Retry, view: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Replace what a modal displays, unless it was closed."""
    try:
        await retry.call(
            lambda: bot.patient_slack.update_view(view_id=view["id"], view=content, hash_=view.get("hash"))
        )
    except SlackRefused as no:
        if no.code not in NOT_THERE:
            raise
        log.info("form.closed_meanwhile", error=no.code)


async def show_fault(bot: Bot, retry: Retry, view: Mapping[str, Any], fault: Exception) -> None:
    """Say in a modal that nothing was sent, because of a fault of ours; its code is logged."""
    code = new_fault_code()
    log.error("answer.failed", code=code, exc_info=fault)
    await show(bot, retry, view, private.closed_form(private.FAULT.format(code=code)))


def new_fault_code() -> str:
    return f"E-{secrets.token_hex(2).upper()}"


async def _run(bot: Bot, address: ReplyAddress, work: Callable[[Retry], Awaitable[None]]) -> None:
    try:
        await work(bot.retry())
    except asyncio.CancelledError:
        await _send_directly(bot, address, None)
        raise
    except SlackError as fault:
        log.warning("answer.not_given", error=str(fault))
        await _send_directly(bot, address, None)
    except Exception:
        # The whole of one answer; the outbox reports the fault to the person.
        code = new_fault_code()
        log.exception("answer.failed", code=code)
        await _send_directly(bot, address, None, code=code)


async def _send_directly(bot: Bot, address: ReplyAddress, given: PrivateAnswer | None, *, code: str = "") -> None:
    await bot.answer_delivery.send_directly(address.user, address.request_id, given, channel=address.channel, code=code)
