"""How an answer reaches its person although Slack is away for a moment, or the bot stumbles.

Whoever wrote or pressed something here hears something: the answer, in its place or directly, or words in a modal that
it could not be given, or at the very least a message of the outbox, which waits until Slack is back.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from bot.app import Bot
from bot.blocks import private
from bot.domain.mentions.incoming import Dropped
from bot.domain.outbox import Message
from bot.errors import SlackError, SlackRefused, SlackUncertain
from bot.tries import Tries

log = structlog.get_logger(__name__)

_CANNOT_WHISPER = frozenset(
    {"channel_not_found", "not_in_channel", "user_not_in_channel", "is_archived", "cannot_reply_to_message"}
)
_NOT_THERE = frozenset({"not_found", "view_not_found", "hash_conflict"})
"""The modal was closed; or it changed, and then a try did its work although its answer was lost."""
LONGEST_ANSWER = timedelta(minutes=3)
"""From the first try of an answer to the last: the bound of `Tries`, the calls themselves, and to spare."""
RESPONSES = 3
"""Tries of a response_url, which takes five answers; a direct message comes sooner than its sixth."""


def answer(
    bot: Bot, work: Callable[[Tries], Awaitable[None]], *, user: str, about: str, channel: str | None = None
) -> None:
    """Work on an answer in the background. If it fails, or the bot stops before it was given, the outbox says so.

    `about` names what is answered, and is the same for a repeat of it; `channel` where it was asked.
    """
    bot.background.spawn(_answer(bot, work, user=user, about=about, channel=channel))


async def say(bot: Bot, tries: Tries, dropped: Dropped, said: Message) -> None:
    """To the author of a message alone: in its thread, or directly where that cannot be."""
    if dropped.channel.startswith("D"):
        try:
            await _post(bot, tries, dropped.channel, said, thread_ts=dropped.root_ts)
        except SlackRefused as no:
            # The message was taken back meanwhile: there is no thread to answer in.
            log.info("answer.not_in_thread", error=no.code)
            await _directly(bot, tries, dropped.user, said)
        return
    try:
        # Slack lets nobody read back a whisper: after a lost answer it is better seen twice by one person than never.
        await tries.of(
            lambda: bot.patient_slack.whisper(
                channel=dropped.channel,
                user=dropped.user,
                text=said.text,
                blocks=said.blocks,
                thread_ts=dropped.thread_ts,
            )
        )
    except SlackRefused as no:
        if no.code not in _CANNOT_WHISPER:
            raise
        await _directly(bot, tries, dropped.user, said)
    except SlackError as fault:
        log.warning("answer.not_in_place", error=str(fault))
        await _directly(bot, tries, dropped.user, said)


async def respond(bot: Bot, tries: Tries, body: Mapping[str, Any], said: Message, *, in_place: bool) -> None:
    """To whoever sent this request, where they acted; `in_place` of the message whose button was pressed."""
    url = body.get("response_url")
    if url:
        try:
            await tries.of(
                lambda: bot.patient_slack.respond(url, text=said.text, blocks=said.blocks, replace=in_place),
                most=RESPONSES,
            )
            return
        except SlackError as closed:
            log.info("private.not_in_place", error=str(closed))
    await _directly(bot, tries, body["user"]["id"], said)


async def show(bot: Bot, tries: Tries, view: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """Put this in place of what stands in a modal, unless it was closed."""
    try:
        await tries.of(lambda: bot.patient_slack.update_view(view_id=view["id"], view=shown, hash_=view.get("hash")))
    except SlackRefused as no:
        if no.code not in _NOT_THERE:
            raise
        log.info("form.closed_meanwhile", error=no.code)


async def show_fault(bot: Bot, tries: Tries, view: Mapping[str, Any], fault: Exception) -> None:
    """A fault of ours: the person reads that nothing was sent, and its code stands in the log."""
    code = _code()
    log.error("answer.failed", code=code, exc_info=fault)
    await show(bot, tries, view, private.closed(private.FAULT.format(code=code)))


def _code() -> str:
    return f"E-{secrets.token_hex(2).upper()}"


async def _answer(
    bot: Bot, work: Callable[[Tries], Awaitable[None]], *, user: str, about: str, channel: str | None
) -> None:
    try:
        await work(bot.tries())
    except asyncio.CancelledError:
        await bot.messages.unanswered(user, about, channel=channel)
        raise
    except SlackError as fault:
        log.warning("answer.not_given", error=str(fault))
        await bot.messages.unanswered(user, about, channel=channel)
    except Exception:
        # The whole of one answer; whoever waits for it hears of the fault by the outbox.
        code = _code()
        log.exception("answer.failed", code=code)
        await bot.messages.unanswered(user, about, channel=channel, code=code)


async def _directly(bot: Bot, tries: Tries, user: str, said: Message) -> None:
    channel = await tries.of(lambda: bot.patient_slack.direct_channel(user))
    await _post(bot, tries, channel, said)


async def _post(bot: Bot, tries: Tries, channel: str, said: Message, *, thread_ts: str | None = None) -> None:
    """One message, once: a post whose answer was lost is looked for before it is posted again."""
    post_id = f"answer:{secrets.token_hex(8)}"
    in_doubt = False

    async def once() -> None:
        nonlocal in_doubt
        slack, since = bot.patient_slack, bot.now() - LONGEST_ANSWER
        if in_doubt and await slack.find_post(channel=channel, post_id=post_id, thread_ts=thread_ts, since=since):
            return
        try:
            await slack.post(channel=channel, text=said.text, blocks=said.blocks, thread_ts=thread_ts, post_id=post_id)
        except SlackUncertain:
            in_doubt = True
            raise

    await tries.of(once, look_first=True)
