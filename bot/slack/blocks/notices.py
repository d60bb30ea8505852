"""What is said to one person directly, outside any thread."""

from collections.abc import Mapping

from bot.domain.check.check import Check
from bot.domain.outbox import Message
from bot.slack.blocks import refusals
from bot.slack.blocks.text import context, foreign, plain, section, spoken


def alert(fault: str, payload: Mapping[str, str]) -> Message:
    """To an operator, by direct message."""
    line = f"*kyc-bot needs an operator:* {foreign(refusals.stored_sentence(payload.get('words')) or fault)}"
    ref = payload.get("ref")
    more = f"First seen with {ref}. " if ref else ""
    rest = f"{more}The same kind of fault is told at most once an hour; `kyc-bot check` looks at everything."
    return Message(text=spoken(f"{line} {rest}"), blocks=[section(line), context(plain(rest.replace("`", "")))])


def unanswered(payload: Mapping[str, str]) -> Message:
    """To one person, directly: the answer to what they wrote or pressed never reached them."""
    where = f" in <#{payload['channel']}>" if payload.get("channel", "D")[0] in "CG" else ""
    code = payload.get("code")
    why = f" Something went wrong on our side: reference {code}. The operators can see it." if code else ""
    line = (
        f"I could not answer what you last wrote or pressed{where}.{why} Unless a message of a check has appeared, "
        "nothing was sent or changed: try again, or use `/kyc`."
    )
    return Message(text=spoken(line), blocks=[section(line)])


def directly(said: Message, check: Check) -> Message:
    """The same by direct message, since its thread is gone."""
    line = f"This belongs to {check.ref}; its thread or channel is no longer there for me."
    return Message(text=f"{said.text} {line}", blocks=[*said.blocks, context(plain(line))])
