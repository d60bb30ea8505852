"""The Home tab: a person's own checks, what waits for a reviewer, a manager's figures of today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.domain.reporting.figures import Rate, Report
from bot.domain.review.review import Review
from bot.slack.blocks import find, ids, kit, review_actions
from bot.slack.blocks.find import CheckRow
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.status import subject, verdict_name
from bot.slack.blocks.summary_numbers import percent
from bot.slack.blocks.text import link_to, person, took

NO_ROLE = "You don't have access yet. Ask {person} to add you."
NO_ROLE_HERE = "You don't have access yet. Ask an admin of kyc-bot to add you."
NOT_SURE = "Slack has not told me yet what you may see here. I look again in a moment."
MINE = 10
QUEUE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCheck:
    row: CheckRow
    review: Review
    waited: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """What waits for the viewer: their claims first, then the oldest."""

    viewer: str
    first: Sequence[QueuedCheck]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFigures:
    """The figures of today so far, and of the last whole day with what it is compared with."""

    today: Report
    yesterday: Report


def home(
    *,
    mine: Sequence[CheckRow] | None,
    queue: ReviewQueue | None,
    today: HomeFigures | None,
    ask: str | None = None,
    unsure: bool = False,
) -> dict[str, Any]:
    """None: not for this person. `ask` is who can change that; `unsure`: Slack has not answered yet."""
    blocks: list[Block] = []
    if queue is not None:
        blocks += _queue(queue)
    if today is not None:
        blocks += _today(today)
    if mine is not None:
        blocks += _mine(mine)
    if unsure:
        blocks.append(kit.plain_section(NOT_SURE))
    elif not blocks:
        blocks.append(kit.section(NO_ROLE.format(person=person(ask))) if ask else kit.plain_section(NO_ROLE_HERE))
    return {"type": "home", "blocks": blocks}


def _mine(rows: Sequence[CheckRow]) -> list[Block]:
    start = kit.actions(
        kit.button(ids.HOME_START, "Start a check", "start", label="Start a check: opens the form", style=Style.PRIMARY)
    )
    if not rows:
        return [kit.header("My checks"), kit.plain_section("You have not asked for a check yet."), start]
    listed = [kit.row(find.line(row, names=False), row.check.ref) for row in rows]
    return [kit.header("My checks"), start, *listed, kit.small("The newest of yours; /kyc list shows more.")]


def _queue(queue: ReviewQueue) -> list[Block]:
    if not queue.first:
        return [kit.header("Waiting for review"), kit.plain_section("Nothing waits for a reviewer.")]
    blocks = [kit.header(f"Waiting for review: {len(queue.first) + queue.more}")]
    for one in queue.first:
        check = one.row.check
        waiting = f"Waiting for {took(one.waited)}" if one.waited else "Has just come in"
        line = (
            f"*{link_to(check.ref, one.row.link)}* · {subject(check, one.row.entry)} — {verdict_name(check)}\n"
            f"{waiting} · asked by {person(check.requester)} · {_who(one.review)}"
        )
        blocks += [kit.section(line), kit.actions(*review_actions.buttons(check, one.review, viewer=queue.viewer))]
    if queue.more:
        blocks.append(kit.small(f"and {queue.more} more, which come up as these are done"))
    return blocks


def _who(review: Review) -> str:
    if review.proposal is not None:
        return f"{person(review.proposal.by)} proposes a decision, a second person is needed"
    if review.claimed_by:
        return f"claimed by {person(review.claimed_by)}"
    return "nobody has claimed it"


def _today(today: HomeFigures) -> list[Block]:
    figures, backlog = today.today.figures, today.today.backlog
    line = (
        f"*Today so far*: {figures.asked} asked, {figures.approved} approved, {figures.rejected} rejected, "
        f"{figures.failed} without result, {figures.open} still open. {_rate(figures.approval)}"
    )
    lines = [line.strip()]
    if backlog.review:
        over = f", {backlog.over} over their time" if backlog.over else ""
        lines.append(f"In review now: {len(backlog.review)}{over}, {_oldest(backlog.review[0].waited)}.")
    sections = [kit.section("\n".join(lines)), kit.section(_trend(today.yesterday))]
    return [kit.header("Figures"), *sections, kit.small("/kyc summary gives any day, week, month, country or ID type.")]


def _oldest(waited: timedelta) -> str:
    """Rounded to quarters of an hour, so that the tab does not change each time it is built."""
    step = timedelta(minutes=15)
    return f"the oldest for {took(waited - waited % step)}" if waited >= step else "all of them new"


def _trend(report: Report) -> str:
    """The last whole day, the same weekday a week before, and the mean of the days before."""
    figures = report.figures
    parts = [f"*Yesterday*: {figures.asked} asked. {_rate(figures.approval)}".strip()]
    if report.previous is not None:
        before = report.previous[1]
        parts.append(f"The same weekday last week: {before.asked} asked. {_rate(before.approval)}".strip())
    if report.mean is not None:
        days = f"Mean of the {report.mean.periods} days before" if report.mean.periods > 1 else "The day before"
        parts.append(f"{days}: {report.mean.asked:.1f} asked. {_rate(report.mean.approval)}".strip())
    if report.previous is None and report.mean is None:
        parts.append("There is nothing to compare with yet.")
    return "\n".join(parts)


def _rate(rate: Rate) -> str:
    return f"Approval rate {percent(rate)}." if rate.value is not None else ""
