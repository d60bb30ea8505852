"""What a summary says beyond its first ten seconds: further times, groups and reasons, for its thread or in private."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from bot.domain.reporting.durations import LinkFigures
from bot.domain.reporting.figures import FigureGroup, Figures, Report
from bot.domain.reporting.round_facts import REVIEWER
from bot.domain.results.codes import ResultStory
from bot.domain.review.review import REASONS, Decision
from bot.slack.blocks import words
from bot.slack.blocks.summary_numbers import DisplayNames, checks, counts, percent, spread
from bot.slack.blocks.text import counted, foreign, took

GROUPS = 6
"""As many are named; the file names all."""
NAME = 75
_REASONS = 5
_ZERO = timedelta(0)


def details(report: Report, names: DisplayNames) -> list[str]:
    """Paragraphs of mrkdwn; none of a period without any check."""
    f = report.figures
    if not f.asked:
        return []
    further = "\n".join([*_times(f), *_links(report.links), *_usual(report)])
    return [text for text in (further, *_lists(report, names)) if text]


def _times(f: Figures) -> Iterator[str]:
    reviews = [
        f"{who}: median {took(span.median or _ZERO)}"
        for who, span in (("human review at Smile ID", f.smile_review), ("our reviewers", f.reviewers))
        if span.n
    ]
    if reviews:
        line = " · ".join(reviews)
        yield f"{line[0].upper()}{line[1:]}"
    if f.machine.n:
        yield f"Smile ID's machine: {spread(f.machine).lower()}"
    if f.first_pass.value is not None:
        yield f"Approved at the first attempt: {percent(f.first_pass)} of the {f.first_pass.whole} customers decided."
    if open_questions := _assurance(f):
        yield f"Among Smile ID's approvals: {', '.join(open_questions)}."
    if f.reviewer_approval.whole:
        yield f"Reviewers decided {checks(f.reviewer_approval.whole)} and approved {f.reviewer_approval.part} of them."


def _links(links: LinkFigures) -> Iterator[str]:
    if links.made:
        took = f", {spread(links.took).lower()}" if links.took.n else ""
        yield f"Links for customers: {links.made} made, {links.opened} opened, {links.completed} with photos{took}."


def _assurance(f: Figures) -> list[str]:
    return counted(
        (f.assurance.record_differs, "where the authority's record differs from what was entered"),
        (f.assurance.record_partly, "where it matches in part"),
        (f.assurance.record_not_compared, "where no name was compared"),
        (f.assurance.liveness_not_proven, "without proof of life"),
    )


def _usual(report: Report) -> Iterator[str]:
    if mean := report.mean:
        unit = report.period.kind.value
        earlier = f"the {mean.periods} {unit}s before" if mean.periods > 1 else f"the {unit} before"
        rate = f", approval rate {percent(mean.approval)}" if mean.approval.value is not None else ""
        yield f"Mean of {earlier}: {mean.asked:.1f} checks{rate}."


def _lists(report: Report, names: DisplayNames) -> Iterator[str]:
    f = report.figures
    yield _groups("By country and ID type", f.by_type, lambda key: foreign(names.subject(*key), NAME))
    for title, reasons in (("Rejected because", f.rejections), ("No result because", f.failures)):
        if reasons:
            shown = "; ".join(f"{foreign(because(why), 120)} ({n})" for why, n in reasons[:_REASONS])
            more = f"; {len(reasons) - _REASONS} more reasons in the file" if len(reasons) > _REASONS else ""
            yield f"*{title}*: {shown}{more}"
    yield _groups("By requester", f.by_requester, lambda key: names.person(key[0]))


def _groups(title: str, groups: Sequence[FigureGroup], called: Callable[[tuple[str, ...]], str]) -> str:
    lines = [f"*{title}*"]
    for group in groups[:GROUPS]:
        rate = f"; approval rate {percent(group.approval)}" if group.approval.value is not None else ""
        # The register belongs to an ID type, and is no matter of who asked.
        is_type = len(group.key) > 1
        away = f"; register unavailable {group.register_away} ×" if is_type and group.register_away else ""
        lines.append(
            f"• {called(group.key)}: {group.asked} asked, {', '.join(counts(group)) or 'none kept'}{rate}{away}"
        )
    return "\n".join([*lines, *([f"and {len(groups) - GROUPS} more in the file"] if len(groups) > GROUPS else [])])


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
