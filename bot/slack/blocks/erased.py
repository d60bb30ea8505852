"""What stands where something about a customer stood, and what people are asked to delete themselves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.outbox import Message
from bot.slack.blocks import ids, kit
from bot.slack.blocks.text import when

_SAFE_LINK = re.compile(r"https?://[^\s<>|]+")
_DAY = "{date_short}"
CHECKS = 20
"""Of so many one message tells at most: a section each, of the fifty that Slack takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDelete:
    """What one person put into Slack for one check."""

    ref: str
    files: Sequence[str] = field(default=(), repr=False)
    """A link to each, empty where there is none."""
    messages: Sequence[str] = field(default=(), repr=False)
    """The same for what they wrote."""


def message(ref: str, *, at: datetime, is_record_kept: bool) -> Message:
    """In place of a message of ours about a check."""
    verdict = f"Erased on {when(at, _DAY)}"
    kept = f"The result is kept without the customer's data: type `{ids.COMMAND} status {ref}`."
    rest = kept if is_record_kept else "Nothing about the customer is kept here."
    blocks = [kit.section(f"*{verdict}* · {ref}"), kit.small_mrkdwn(rest)]
    return kit.told(blocks, verdict=verdict, ref=ref, rest=[rest])


def deletion_asked(found: Sequence[ToDelete]) -> Message:
    """To one person: what to delete, since nobody else can."""
    files, messages = sum(len(one.files) for one in found), sum(len(one.messages) for one in found)
    what = " and ".join(filter(None, (_many(files, "file", "files"), _many(messages, "message", "messages"))))
    is_one = files + messages == 1
    verdict = f"Still in Slack: {what} of yours"
    why = "its time is over" if is_one else "their time is over"
    which = "it: open the link" if is_one else "them: open each link"
    next_step = f"Please delete {which}, choose ⋮ (More actions), then *Delete*."
    rest = "Nobody else can delete what you put there. There is no need to tell me: I look again by myself."
    blocks = [
        kit.section(f"*{verdict}* — {why}\n*Next:* {next_step}"),
        *[kit.section(_line(one, linked=True)) for one in found],
        kit.small(rest),
    ]
    ref = found[0].ref + (f" and {len(found) - 1} more" if len(found) > 1 else "")
    lines = [_line(one, linked=False) for one in found]
    return kit.told(blocks, verdict=verdict, why=why, ref=ref, next_step=next_step, rest=[*lines, rest])


def _line(one: ToDelete, *, linked: bool) -> str:
    names = [f"file {at}" if len(one.files) > 1 else "file" for at in range(1, len(one.files) + 1)]
    links = [*zip(names, one.files, strict=True), *(("your message", link) for link in one.messages)]
    return f"{one.ref}: {', '.join(_linked(name, link) if linked else name for name, link in links)}"


def _linked(name: str, link: str) -> str:
    return f"<{link.replace('&', '&amp;')}|{name}>" if _SAFE_LINK.fullmatch(link) else name


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}" if count else ""
