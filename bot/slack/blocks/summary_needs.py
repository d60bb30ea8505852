"""What of a summary needs its reader: reviews over their time, the oldest first, each a link."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.check.states import FINAL, State
from bot.domain.reporting.figures import NAMED, Report, WaitingCheck
from bot.slack.blocks import kit, words
from bot.slack.blocks.kit import Block
from bot.slack.blocks.summary_numbers import DisplayNames, checks
from bot.slack.blocks.text import took


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    spoken: str
    """For a notification: what happened, the reference and what to do with it; plain text."""
    rest: Sequence[str]
    """The lines below the first, in mrkdwn."""
    blocks: Sequence[Block]


def needs(report: Report, names: DisplayNames) -> Needs:
    verdict, found = _verdict(report), report.backlog.named
    if not found:
        return Needs(
            spoken=f"{verdict}, no check is open.",
            rest=[_standing(report)] if report.altered else [],
            blocks=[
                kit.section(f"*{verdict}* · no check is open" + (f"\n{_standing(report)}" if report.altered else ""))
            ],
        )
    first, rest = found[0], [*_by_reason(found[1:], names), *_more(report.backlog.over - NAMED)]
    asks = "Open" if report.backlog.over else "Oldest:"
    # With a button too: not everybody who reads this is in the channel that the link leads to.
    row = kit.row(
        f"*{verdict}*\nOldest: {_waiting(first, names.check(first.ref))}\n{_standing(report)}",
        first.ref,
    )
    return Needs(
        spoken=f"{verdict}. {asks} {_waiting(first, first.ref)}.",
        rest=[*rest, _standing(report)],
        blocks=[row, *([kit.section("\n".join(rest))] if rest else [])],
    )


def _verdict(report: Report) -> str:
    """*3 reviews over 4 h need you*, *1 file waits for approval, 5 h*, *Nothing needs you*."""
    over, due = report.backlog.over, took(report.review_due)
    if not over:
        return waiting_files(report) or "Nothing needs you"
    return f"1 review over {due} needs you" if over == 1 else f"{over} reviews over {due} need you"


def _standing(report: Report) -> str:
    """What waits for review, under the name and with the number that Home has; and all that has not ended."""
    backlog = report.backlog
    long = sum(backlog.ages[3:])
    more = f", {long} for more than a day" if long else ""
    # Where nothing else needs anybody, that is the verdict above.
    files = f" · {waiting_files(report)}" if report.files_since and backlog.over else ""
    altered = f" · Record altered, in none of the figures: {checks(report.altered)}" if report.altered else ""
    return f"Waiting for review: {len(backlog.review)} · Still open: {checks(backlog.open)}{more}{files}{altered}"


def waiting_files(report: Report) -> str:
    """*1 file waits for approval, 5 h*; empty if none does. Who may approve has its buttons in a direct message."""
    since = report.files_since
    if not since:
        return ""
    age = took(report.as_of - since[0])
    return (
        f"1 file waits for approval, {age}"
        if len(since) == 1
        else f"{len(since)} files wait for approval, oldest {age}"
    )


def _waiting(waiting: WaitingCheck, called: str) -> str:
    """K-7F3K2Q, 22 h, in human review at Smile ID"""
    return f"{called}, {took(waiting.waited)}, {_where(waiting)}"


def _more(count: int) -> list[str]:
    # A manager may see this list too, and a quiet day has no file.
    return [f"{count} more: type `/kyc list all review`"] if count > 0 else []


def _where(waiting: WaitingCheck) -> str:
    """Why it is not done. What has ended waits for a reviewer alone."""
    if waiting.state in FINAL:
        return f"{words.STATE_NAMES[waiting.state].lower()}, to be reviewed"
    if waiting.state is State.REQUESTED:
        return "not sent yet"
    if waiting.state is State.AWAITING_PHOTOS:
        return words.STATE_NAMES[waiting.state].lower()
    reason = waiting.reason
    return words.REVIEW_NAMES[reason].partition(": ")[2] if reason else "no decision from Smile ID yet"


def _by_reason(rest: Sequence[WaitingCheck], names: DisplayNames) -> list[str]:
    """One line a reason: five alike are no sentence five times."""
    found: dict[str, list[str]] = defaultdict(list)
    for waiting in rest:
        found[_where(waiting)].append(f"{names.check(waiting.ref)} ({took(waiting.waited)})")
    return [f"{where[0].upper()}{where[1:]}: {', '.join(refs)}" for where, refs in found.items()]
