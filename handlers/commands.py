"""`/kyc` and its words; every word gets an answer, displayed to that person alone."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.access.permissions import Permission
from bot.access.rights import Right
from bot.domain.outbox import Message
from bot.runtime.bot import Bot
from bot.slack.blocks import command_help, export, holds, private
from bot.slack.blocks.command_help import HelpPart
from handlers import check_form, checks, forget, review, search, summary
from handlers.requests import user_of

_Answer = Callable[[Bot, Mapping[str, Any], str], Awaitable[Message | None]]
"""Given the command and what follows its first word; None where a form has opened."""


async def kyc(ack: AsyncAck, command: dict[str, Any], bot: Bot) -> None:
    word, rest = _typed(command)
    answer_word = _WORDS.get(word.casefold())
    message = await (answer_word(bot, command, rest) if answer_word else help_for(bot, command, unknown=word))
    await (answer(ack, message) if message else ack())


async def only_reads(bot: Bot, command: Mapping[str, Any]) -> bool:
    """Whether a repeat of this command may be answered like the first, so that nothing need be stored to know one.

    Not what opens a form, since its trigger is spent, nor what shows others' checks, since each look is recorded once.
    """
    word, rest = _typed(command)
    if word.casefold() == "list":
        return await bot.search.lists_own_alone(user_of(command), rest)
    return word.casefold() not in _WORDS or word.casefold() == "help"


def _typed(command: Mapping[str, Any]) -> tuple[str, str]:
    """The first word after `/kyc`, and the rest."""
    word, _, rest = " ".join(str(command.get("text") or "").split()).partition(" ")
    return word, rest


async def answer(ack: AsyncAck, message: Message) -> None:
    """Privately, in the answer to the command itself."""
    await ack(text=message.text, blocks=message.blocks, response_type="ephemeral")


async def _check(bot: Bot, command: Mapping[str, Any], _rest: str) -> Message | None:
    return await check_form.open_form(bot, command, channel=command.get("channel_id"))


async def _export(bot: Bot, command: Mapping[str, Any], rest: str) -> Message:
    return private.answer(export.preparing(await bot.exports.ask(command["user_id"], rest)))


async def _hold(bot: Bot, command: Mapping[str, Any], rest: str) -> Message:
    held = await bot.holds.hold(command["user_id"], rest)
    assert held.cause is not None
    return holds.held(held.ref, held.cause, is_new=held.is_new)


async def _unhold(bot: Bot, command: Mapping[str, Any], rest: str) -> Message:
    held = await bot.holds.unhold(command["user_id"], rest)
    return holds.ended(held.ref, held.still, is_new=held.is_new)


async def _help(bot: Bot, command: Mapping[str, Any], _rest: str) -> Message:
    return await help_for(bot, command)


_NEEDS = {
    HelpPart.START: Right.START,
    HelpPart.REVIEW: Right.REVIEW,
    HelpPart.FIGURES: Right.FIGURES,
    HelpPart.NOTIFY: Right.CHOOSE_NOTICES,
}


async def help_for(bot: Bot, command: Mapping[str, Any], *, unknown: str | None = None) -> Message:
    """What this person can do; while Slack does not say who they are, what they may be able to."""
    permissions = await bot.access.may_each(command["user_id"], *_NEEDS.values())
    parts = {part for part, permission in zip(_NEEDS, permissions, strict=True) if permission is not Permission.NO}
    return command_help.message({*parts, HelpPart.LOOK_UP}, unknown=unknown)


_WORDS: Mapping[str, _Answer] = {
    "": _check,
    "check": _check,
    "status": lambda bot, command, rest: bot.details.status(command["user_id"], rest),
    "list": lambda bot, command, rest: search.listing(bot, command["user_id"], rest),
    "find": search.open_form,
    "rerun": checks.open_rerun,
    "cancel": lambda bot, command, rest: checks.cancelled(bot, command["user_id"], rest),
    "review": lambda bot, command, rest: review.card(bot, command["user_id"], rest),
    "notify": review.open_notify_form,
    "summary": summary.asked,
    "export": _export,
    "forget": forget.open_form,
    "hold": _hold,
    "unhold": _unhold,
    "help": _help,
}
