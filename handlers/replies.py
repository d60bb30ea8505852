"""How the answer to a click or command reaches its person once the acknowledgement has left.

Whoever pressed something here hears something: the answer where they acted, or words in a modal that it could not be
given, or at the very least a message of the outbox, which waits until Slack is back.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from bot.errors import SlackError, SlackRefused
from bot.intake.answers import PrivateAnswer
from bot.runtime.factory import Bot
from bot.slack.blocks import private
from bot.slack.retry import Retry

log = structlog.get_logger(__name__)

_NOT_THERE = frozenset({"not_found", "view_not_found", "hash_conflict"})
"""The modal was closed; or it changed, and then a try did its work although its answer was lost."""


def answer(
    bot: Bot, work: Callable[[Retry], Awaitable[None]], *, user: str, about: str, channel: str | None = None
) -> None:
    """Work on an answer in the background. If it fails, or the bot stops before it was given, the outbox says so.

    `about` names what is answered, and is the same for a repeat of it; `channel` where it was asked.
    """
    bot.background.spawn(_answer(bot, work, user=user, about=about, channel=channel))


async def respond(bot: Bot, retry: Retry, body: Mapping[str, Any], given: PrivateAnswer, *, about: str) -> None:
    """To whoever sent this request, where they acted; by the outbox where that cannot be, or may not have been."""
    if not await bot.answer_delivery.respond(body.get("response_url"), given, retry):
        await bot.answer_delivery.send_directly(body["user"]["id"], about, given, channel=channel_of(body))


def channel_of(body: Mapping[str, Any]) -> str | None:
    """Where somebody acted, if that was in a conversation."""
    return (body.get("channel") or {}).get("id")


async def show(bot: Bot, retry: Retry, view: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """Put this in place of what stands in a modal, unless it was closed."""
    try:
        await retry.call(lambda: bot.patient_slack.update_view(view_id=view["id"], view=shown, hash_=view.get("hash")))
    except SlackRefused as no:
        if no.code not in _NOT_THERE:
            raise
        log.info("form.closed_meanwhile", error=no.code)


async def show_fault(bot: Bot, retry: Retry, view: Mapping[str, Any], fault: Exception) -> None:
    """A fault of ours: the person reads that nothing was sent, and its code stands in the log."""
    code = _code()
    log.error("answer.failed", code=code, exc_info=fault)
    await show(bot, retry, view, private.closed_form(private.FAULT.format(code=code)))


def _code() -> str:
    return f"E-{secrets.token_hex(2).upper()}"


async def _answer(
    bot: Bot, work: Callable[[Retry], Awaitable[None]], *, user: str, about: str, channel: str | None
) -> None:
    try:
        await work(bot.retry())
    except asyncio.CancelledError:
        await bot.answer_delivery.send_directly(user, about, None, channel=channel)
        raise
    except SlackError as fault:
        log.warning("answer.not_given", error=str(fault))
        await bot.answer_delivery.send_directly(user, about, None, channel=channel)
    except Exception:
        # The whole of one answer; whoever waits for it hears of the fault by the outbox.
        code = _code()
        log.exception("answer.failed", code=code)
        await bot.answer_delivery.send_directly(user, about, None, channel=channel, code=code)
