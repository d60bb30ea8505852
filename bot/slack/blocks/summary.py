"""The text of the managers' summary: figures, times, what is open, and short lists; the file has the rest."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.domain.outbox import Message
from bot.domain.reporting.figures import REVIEWER, DurationStats, FigureGroup, Figures, Rate, Report, WaitingCheck
from bot.domain.reporting.periods import DAY, Period, PeriodKind, name
from bot.domain.results.codes import ResultStory
from bot.domain.review.review import REASONS, Decision
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.text import counted, cut, foreign, person, quoted, spoken, took, when

SOON = "Many checks: I am adding them up, the figures follow here in a moment."
ALT_LENGTH = 1000
"""Slack's limit for a picture."""

GROUPS = 6
"""As many are named; the file names all."""
_NAME = 75
_REASONS = 5
_REVIEWS = 5
_ZERO = timedelta(0)
_MOST = 2900
"""Of a section's 3,000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayNames:
    subject: Callable[[str, str], str]
    """A country and an ID type, as plain text."""
    country: Callable[[str], str]
    """A country by its code, as plain text."""
    person: Callable[[str], str]
    """A requester, in mrkdwn. In a channel without a mention: nobody is called by a summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryContext:
    """When, where and by whom a report is posted."""

    today: date
    late_since: datetime | None = None
    """When it was due, if that is long ago."""
    by: str | None = None
    """Who shared it."""
    zone: str = ""


def message(report: Report, names: DisplayNames, about: SummaryContext) -> Message:
    head = headline(report, names, about)
    lines = list(_times(report.figures)) if report.figures.asked else []
    lines += _compared(report, about.today)
    open_now = _open(report)
    sections = [head, "\n".join(lines), "\n".join([*open_now, *_reviews(report)]), *_lists(report, names)]
    blocks = [kit.section(cut(text, _MOST)) for text in sections if text]
    return Message(
        text=cut(spoken(" ".join([head, *lines, *open_now])), _MOST),
        blocks=[*blocks, kit.small_mrkdwn(_foot(report, about))],
    )


def headline(report: Report, names: DisplayNames, about: SummaryContext) -> str:
    """KYC, Monday 21 November — 48 checks: 39 approved, 5 rejected. Approval rate 89 % (last Monday 84 %)."""
    f = report.figures
    so_far = " so far" if report.is_running else ""
    only = f", {foreign(filtered, _NAME)} alone" if (filtered := narrowed(report, names)) else ""
    title = f"*KYC, {name(report.period, about.today)}{so_far}{only}*"
    decided = f" {checks(f.decided)} of other days decided." if f.decided and not f.asked else ""
    if not f.asked:
        return f"{title} — {_quiet(report, about)}{decided}"
    before = ""
    if report.previous and (rate := report.previous[1].approval).value is not None:
        before = f" ({_before(report)} {percent(rate)})"
    rate_text = "Approval rate " + (
        percent(f.approval)
        if f.approval.value is not None
        else f"not shown: {'fewer than 5' if f.approval.whole else 'none'} decided"
    )
    return f"{title} — {checks(f.asked)}: {', '.join(_counts(f))}. {rate_text}{before}."


def narrowed(report: Report, names: DisplayNames) -> str:
    """The country and ID type that the report is limited to, as plain text; empty without a limit."""
    country, id_type = report.country, report.id_type
    if country and id_type:
        return names.subject(country, id_type)
    return names.country(country) if country else id_type or ""


def _quiet(report: Report, about: SummaryContext) -> str:
    if report.is_running:
        return "nobody has asked for a check yet."
    if report.period.kind is PeriodKind.DAY and report.period.last == about.today - DAY:
        return "Yesterday nobody asked for a check."
    return "nobody asked for a check."


def older(report: Report, *, unit: str, count: int, today: date) -> Message:
    """One line for the days, weeks or months of a long stop, instead of a summary for each."""
    period = report.period
    dates = f"{period.first.isoformat()}..{period.last.isoformat()}"
    earlier = f"{count} earlier {unit}{'s are' if count > 1 else ' is'}"
    text = (
        f"{earlier} not told one by one: {name(period, today)}, {checks(report.figures.asked)} in all. "
        f"`/kyc summary {dates}` shows them."
    )
    return kit.text_message(text)


def checks(count: int) -> str:
    return f"{count} check" if count == 1 else f"{count} checks"


def _counts(f: Figures | FigureGroup) -> list[str]:
    rest = ((f.new_photos, "in need of other photos"), (f.cancelled, "cancelled")) if isinstance(f, Figures) else ()
    decided = ((f.approved, "approved"), (f.rejected, "rejected"), (f.failed, "without result"))
    return counted(*decided, *rest, (f.open, "still open"))


def percent(rate: Rate) -> str:
    """89 %, never broken between lines; nothing of fewer than five."""
    return "" if rate.value is None else f"{int(rate.value * 100 + 0.5)}\N{NO-BREAK SPACE}%"


def _before(report: Report) -> str:
    assert report.previous is not None
    return {
        PeriodKind.DAY: f"last {report.previous[0].first:%A}",
        PeriodKind.WEEK: "the week before",
        PeriodKind.MONTH: "the month before",
        PeriodKind.RANGE: f"the {report.period.days} days before",
    }[report.period.kind]


def _times(f: Figures) -> Iterator[str]:
    if f.final.n:
        line = _spread("Half were done", "Done", f.final)
        reviews = [
            f"{who} took {took(span.median or _ZERO)} in the middle"
            for who, span in (("human review at Smile ID", f.smile_review), ("our reviewers", f.reviewers))
            if span.n
        ]
        yield f"{line}{'; ' if reviews else ''}{', '.join(reviews)}."
    if f.machine.n:
        yield f"Smile ID's machine: {_spread('half', 'a result', f.machine)}."
    if f.first_pass.value is not None:
        yield f"Approved at the first attempt: {percent(f.first_pass)} of the {f.first_pass.whole} persons decided."
    if open_questions := _assurance(f):
        yield f"Among Smile ID's approvals: {', '.join(open_questions)}."
    if f.reviewer_approval.whole:
        yield f"Reviewers decided {checks(f.reviewer_approval.whole)}, {f.reviewer_approval.part} of them approved."


def _assurance(f: Figures) -> list[str]:
    return counted(
        (f.assurance.record_differs, "where the authority's record differs from what was entered"),
        (f.assurance.record_partly, "where it matches in part"),
        (f.assurance.record_not_compared, "where no name was compared"),
        (f.assurance.liveness_not_proven, "without proof of life"),
    )


def _spread(half: str, single: str, times: DurationStats) -> str:
    """A single check has no half."""
    if times.n == 1:
        return f"{single} within {took(times.median or _ZERO)}"
    return f"{half} within {took(times.median or _ZERO)}, 95 in 100 within {took(times.p95 or _ZERO)}"


def _compared(report: Report, today: date) -> list[str]:
    parts = []
    if report.previous:
        parts.append(f"{_before(report)} {checks(report.previous[1].asked)}")
    if mean := report.mean:
        unit = report.period.kind.value
        rate = f", approval rate {percent(mean.approval)}" if mean.approval.value is not None else ""
        before = f"the {mean.periods} {unit}s before" if mean.periods > 1 else f"the {unit} before"
        parts.append(f"mean of {before} {mean.asked:.1f}{rate}")
    return [f"For comparison: {'; '.join(parts)}."] if parts else []


def _open(report: Report) -> list[str]:
    backlog = report.backlog
    if backlog.oldest is None:
        return ["Nothing is open now."]
    long = sum(backlog.ages[3:])
    more = f", {_of(long, backlog.open)}for more than a day" if long else ""
    return [f"Open now: {backlog.open}{more}. Oldest: {_waiting(backlog.oldest)}."]


def _of(part: int, whole: int) -> str:
    """*all of them*, *16 of them*; nothing for a single one."""
    return f"{'all' if part == whole else part} of them " if whole > 1 else ""


def _waiting(waiting: WaitingCheck) -> str:
    """Reference, how long, and *in human review at Smile ID*, *results differ* …"""
    reason = waiting.reason
    where = words.REVIEW_NAMES[reason].partition(": ")[2] if reason else "not yet decided by Smile ID"
    return f"{waiting.ref}, {took(waiting.waited)}, {where}"


def _reviews(report: Report) -> list[str]:
    """In review, oldest first; how many are over their time."""
    review = report.backlog.review
    if not review:
        return []
    over = report.backlog.over
    late = f", {_of(over, len(review)) if over else 'none '}over {took(report.review_due)}"
    lines = [f"*In review*: {len(review)}{late}"]
    lines += [f"• {_waiting(w)}{' (over its time)' if w.over else ''}" for w in review[:_REVIEWS]]
    return [*lines, *_more(len(review) - _REVIEWS)]


def _lists(report: Report, names: DisplayNames) -> Iterator[str]:
    f = report.figures
    if f.asked:
        yield _groups("By country and ID type", f.by_type, lambda key: foreign(names.subject(*key), _NAME))
    for title, reasons in (("Rejected because", f.rejections), ("Without result because", f.failures)):
        if reasons:
            shown = "; ".join(f"{foreign(because(why), 120)} ({n})" for why, n in reasons[:_REASONS])
            more = f"; {len(reasons) - _REASONS} more reasons in the file" if len(reasons) > _REASONS else ""
            yield f"*{title}*: {shown}{more}"
    if f.asked:
        yield _groups("By requester", f.by_requester, lambda key: names.person(key[0]))


def _groups(title: str, groups: Sequence[FigureGroup], called: Callable[[tuple[str, ...]], str]) -> str:
    lines = [f"*{title}*"]
    for group in groups[:GROUPS]:
        rate = f"; approval rate {percent(group.approval)}" if group.approval.value is not None else ""
        # The register belongs to an ID type, and is no matter of who asked.
        is_type = len(group.key) > 1
        away = f"; register unavailable {group.register_away} ×" if is_type and group.register_away else ""
        lines.append(
            f"• {called(group.key)}: {group.asked} asked, {', '.join(_counts(group)) or 'none kept'}{rate}{away}"
        )
    return "\n".join([*lines, *_more(len(groups) - GROUPS)])


def _more(count: int) -> list[str]:
    return [f"and {count} more in the file"] if count > 0 else []


def because(why: str) -> str:
    """A reason in the words of the results, without the verdict before it."""
    if why.startswith(REVIEWER):
        key = why.removeprefix(REVIEWER)
        reason = REASONS[Decision.REJECTED].get(key, key.replace("_", " "))
        return f"a reviewer: {reason}" if reason else "a reviewer decided so"
    story = words.STORIES.get(ResultStory(why)) if why in set(ResultStory) else words.FAILURES.get(why)
    if story is None:
        return why.replace("_", " ") or "no reason recorded"
    return story.name.partition(" — ")[2] or story.name


def _foot(report: Report, about: SummaryContext) -> str:
    parts = []
    if about.late_since is not None:
        parts.append(f"Told late: it was due {when(about.late_since)}")
    if about.by:
        parts.append(f"Shared by {person(about.by)}")
    parts.append(f"As known {when(report.as_of)}")
    parts.append(f"Days of {about.zone}")
    return " · ".join(parts)


def alt_text(report: Report, names: DisplayNames, about: SummaryContext) -> str:
    """A description of the picture for people who cannot see it."""
    plain_names = DisplayNames(subject=names.subject, country=names.country, person=str)
    lines = [spoken(headline(report, plain_names, about))]
    if len(report.series) > 1:
        shown = "; ".join(f"{short(p)}: {_bar(f)}" for p, f in report.series)
        lines.append(f"Checks asked and approval rate by {report.period.kind.value}: {shown}.")
    groups = [f"{quoted(names.subject(*g.key), _NAME)} {g.asked}" for g in report.figures.by_type[:GROUPS]]
    lines.append(f"By country and ID type: {', '.join(groups)}.")
    return cut(" ".join(lines), ALT_LENGTH)


def _bar(figures: Figures) -> str:
    return f"{figures.asked}, {percent(figures.approval)}" if figures.approval.value is not None else str(figures.asked)


def short(period: Period) -> str:
    """Mon 21; from 16 Nov; Nov."""
    match period.kind:
        case PeriodKind.MONTH:
            return f"{period.first:%b}"
        case PeriodKind.WEEK:
            return f"from {period.first.day} {period.first:%b}"
        case _:
            return f"{period.first:%a} {period.first.day}"


def with_button(answer: Message, *, value: dict[str, str], with_chart: bool) -> Message:
    """The private answer, with a button that shares it in the same conversation."""
    label = f"Share this summary in this conversation, with {'picture and file' if with_chart else 'its file'}"
    share = kit.button(ids.SHARE_SUMMARY, "Share here", json.dumps(value), label=label)
    return Message(text=answer.text, blocks=[*answer.blocks, kit.actions(share)])


def with_line(answer: Message, line: str) -> Message:
    """The private answer once it was shared: without the button."""
    return Message(text=answer.text, blocks=[*answer.blocks, kit.small_mrkdwn(line)])


def shared(where: str, *, with_chart: bool) -> str:
    if not where.startswith("C"):
        return "Shared here."
    what = "the picture and the file follow" if with_chart else "the file follows"
    return f"Shared in <#{where}>; {what} in its thread."


def lines_of(message: Message) -> list[str]:
    """A message as plain lines, for a terminal."""
    texts = [str(block["text"]["text"]) for block in message.blocks if block["type"] == "section"]
    return [line for text in texts for line in spoken(text).split("\n")]
