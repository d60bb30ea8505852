"""The numbers of a summary: how they are written, and the four that a manager reads first, with their trend."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.reporting.durations import DurationStats
from bot.domain.reporting.figures import FigureGroup, Figures, Rate, Report
from bot.domain.reporting.periods import PeriodKind
from bot.slack.blocks.text import counted, took

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayNames:
    subject: Callable[[str, str], str]
    """A country and an ID type, as plain text."""
    country: Callable[[str], str]
    """A country by its code, as plain text."""
    person: Callable[[str], str]
    """A requester, in mrkdwn. In a channel without a mention: nobody is called by a summary."""
    check: Callable[[str], str] = str
    """A reference, in mrkdwn; with its links where they are known."""


def checks(count: int) -> str:
    return f"{count} check" if count == 1 else f"{count} checks"


def counts(f: Figures | FigureGroup) -> list[str]:
    """*39 approved*, *5 rejected*, *1 no result* …"""
    rest = ((f.new_photos, "need other photos"), (f.cancelled, "cancelled")) if isinstance(f, Figures) else ()
    decided = ((f.approved, "approved"), (f.rejected, "rejected"), (f.failed, "no result"))
    return counted(*decided, *rest, (f.open, "still open"))


def percent(rate: Rate) -> str:
    """89 %, never broken between lines; nothing of fewer than five."""
    return "" if rate.value is None else f"{_points(rate)}\N{NO-BREAK SPACE}%"


def _points(rate: Rate) -> int:
    return int((rate.value or 0) * 100 + 0.5)


def rate_text(rate: Rate) -> str:
    """Approval rate 89 %, or why none is shown."""
    if rate.value is not None:
        return f"Approval rate {percent(rate)}"
    return f"Approval rate not shown: {'fewer than 5' if rate.whole else 'none'} decided"


def spread(times: DurationStats) -> str:
    """Median 31 s · 95th percentile 1 min 2 s. A single time is no distribution."""
    median = took(times.median or _ZERO)
    return f"Took {median}" if times.n == 1 else f"Median {median} · 95th percentile {took(times.p95 or _ZERO)}"


def before(report: Report) -> str:
    """What a report is compared with: *last Monday*, *the week before* …"""
    assert report.previous is not None
    return {
        PeriodKind.DAY: f"last {report.previous[0].first:%A}",
        PeriodKind.WEEK: "the week before",
        PeriodKind.MONTH: "the month before",
        PeriodKind.RANGE: f"the {report.period.days} days before",
    }[report.period.kind]


def four_numbers(report: Report) -> list[str]:
    """Checks, approval rate, no result and time, in mrkdwn: each in bold, and below it the trend.

    The trend has a sign and a word, since a screen reader may skip the sign.
    """
    now, than = report.figures, report.previous[1] if report.previous else None
    name = before(report) if report.previous else ""
    pairs = (
        (checks(now.asked), than and _count_trend(now.asked, than.asked, name)),
        (rate_text(now.approval), than and _rate_trend(now.approval, than.approval, name)),
        (f"No result: {now.failed}", than and _count_trend(now.failed, than.failed, name)),
        (
            spread(now.final) if now.final.n else "No final result yet",
            than and _time_trend(now.final, than.final, name),
        ),
    )
    return [f"*{number}*\n{trend}" if trend else f"*{number}*" for number, trend in pairs]


def _count_trend(now: int, then: int, name: str) -> str:
    return _trend(now - then, str(abs(now - then)), ("more", "fewer"), f"{name} ({then})")


def _rate_trend(now: Rate, then: Rate, name: str) -> str:
    if now.value is None:
        # The number itself says why there is none.
        return ""
    if then.value is None:
        return f"not compared, {'too few' if then.whole else 'none'} decided {name}"
    # Of the rounded rates: a difference that the two numbers beside it do not show would look like a mistake.
    change = _points(now) - _points(then)
    unit = "point" if abs(change) == 1 else "points"
    return _trend(change, f"{abs(change)} {unit}", ("higher", "lower"), f"{name} ({percent(then)})")


def _time_trend(now: DurationStats, then: DurationStats, name: str) -> str:
    if now.median is None:
        return ""
    if then.median is None:
        return f"not compared, no final result {name}"
    change = round(now.median.total_seconds()) - round(then.median.total_seconds())
    size = took(timedelta(seconds=abs(change)))
    return _trend(change, size, ("slower", "faster"), f"{name} ({took(then.median)})")


def _trend(change: int, size: str, words: tuple[str, str], than: str) -> str:
    """+3, more than last Monday (45). A word for more and one for less."""
    if not change:
        return f"same as {than}"
    return f"+{size}, {words[0]} than {than}" if change > 0 else f"\N{MINUS SIGN}{size}, {words[1]} than {than}"
