"""The Home tab: what waits for review, a manager's figures, a person's own checks, and what they can start from here.

Filters and pages are kept by `bot.queries.home`; the tab shows what was chosen, and a click on it changes that alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import CheckLinks
from bot.domain.reporting.figures import Report
from bot.domain.review.home_choices import HomeChoices
from bot.domain.review.queue import QueueFilter
from bot.domain.review.review import Review
from bot.slack.blocks import find, ids, kit
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.summary_needs import waiting_files
from bot.slack.blocks.summary_numbers import counts, four_numbers, rate_text
from bot.slack.blocks.text import linked, person, quoted, took, when

NO_ROLE = "You don't have access yet. Ask {person} to add you."
NO_ROLE_HERE = "You don't have access yet. Ask an admin of kyc-bot to add you."
NOT_SURE = "Slack has not answered yet, so some parts are missing. This tab updates itself in a moment."
PAGE = 10
"""Checks of a list; each is one block, and Slack takes a hundred."""
OWN = ("mine", "open", "review", "approved", "rejected", "failed", "cancelled")
"""The filters of somebody's own checks, as `find.LABELS` names them."""
_COUNTRIES = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeCheck:
    check: Check
    entry: IDType | None
    review: Review | None
    links: CheckLinks
    waited: timedelta = timedelta(0)
    """In review, rounded."""
    is_overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """What waits for review, as far as it is this person's to see."""

    rows: Sequence[HomeCheck]
    """The page that is shown."""
    choices: HomeChoices
    matching: int
    """How many the filters leave."""
    total: int
    """Whatever the filters."""
    counts: Mapping[QueueFilter, int]
    """How many each filter would leave, of the chosen country."""
    countries: Sequence[tuple[str, str]]
    """Name and code of each country that a review is of."""
    due: timedelta
    """How long a review may take."""
    own: int = 0
    """Not among these: their own requests, which others decide."""
    is_reviewer: bool = True
    """Otherwise somebody who sees the record of each check and decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChecks:
    """A page of the checks that a person asked for, newest first."""

    rows: Sequence[HomeCheck]
    shown: str = "mine"
    has_older: bool = False
    has_newer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFigures:
    """The figures of today so far, and of the last whole day with what it is compared with."""

    today: Report
    yesterday: Report


def home(
    *,
    own: OwnChecks | None,
    queue: ReviewQueue | None,
    figures: HomeFigures | None,
    ask: str | None = None,
    unsure: bool = False,
) -> dict[str, Any]:
    """None: not for this person. `ask` is who can change that; `unsure`: Slack has not answered yet."""
    blocks: list[Block] = []
    if own is not None or queue is not None:
        reviews = queue is not None and queue.is_reviewer
        waits = reviews and queue is not None and queue.total > 0
        blocks.append(_starts(may_review=waits, may_start=own is not None, may_notify=own is not None or reviews))
    if queue is not None:
        blocks += _queue(queue)
    if figures is not None:
        blocks += _figures(figures)
    if own is not None:
        blocks += _own(own)
    if unsure:
        blocks.append(kit.plain_section(NOT_SURE))
    elif not blocks:
        blocks.append(kit.section(NO_ROLE.format(person=person(ask))) if ask else kit.plain_section(NO_ROLE_HERE))
    return {"type": "home", "blocks": blocks}


def _starts(*, may_review: bool, may_start: bool, may_notify: bool) -> Block:
    """The forms that commands open."""
    review = kit.button(
        ids.HOME_NEXT, "Review next", "next", label="Review the next check that waits for you", style=Style.PRIMARY
    )
    # Slack's advice: one button of a row stands out.
    style = Style.PLAIN if may_review else Style.PRIMARY
    start = kit.button(ids.HOME_START, "Start a check", "start", label="Start a check: opens the form", style=style)
    search = kit.button(ids.HOME_FIND, "Find a check", "find", label="Find a check: opens the search form")
    notify = kit.button(ids.HOME_NOTIFY, "Notify me", "notify", label="Notify me: choose which direct messages you get")
    offered = ((review, may_review), (start, may_start), (search, True), (notify, may_notify))
    return kit.actions(*(button for button, is_theirs in offered if is_theirs))


def _queue(queue: ReviewQueue) -> list[Block]:
    total = queue.total
    blocks = [kit.header(f"Waiting for review: {total}" if total else "Waiting for review: none")]
    if queue.own:
        # Otherwise the manager's number and the reviewer's would differ without a word.
        asked = "1 more is your own request" if queue.own == 1 else f"{queue.own} more are your own requests"
        blocks.append(kit.small(f"{asked}: other reviewers decide."))
    if not total:
        return blocks
    blocks.append(_filters(queue))
    blocks += [_row(one, names=True) for one in queue.rows]
    if not queue.rows:
        blocks.append(kit.plain_section("No check matches these filters."))
    return [*blocks, *_pages(queue)]


def _filters(queue: ReviewQueue) -> Block:
    choices = queue.choices
    names = {
        QueueFilter.ALL: "All",
        QueueFilter.MINE: "Claimed by me",
        QueueFilter.UNCLAIMED: "Unclaimed",
        QueueFilter.SECOND: "Needs a second person",
        QueueFilter.OVERDUE: f"Over {took(queue.due)}",
    }
    offered = [
        (f"{name} ({queue.counts[which]})", which.value)
        for which, name in names.items()
        if queue.is_reviewer or which is not QueueFilter.MINE
    ]
    which = kit.select(offered, action_id=ids.HOME_QUEUE, chosen=choices.queue.value, placeholder="Show")
    elements = [which]
    if len(queue.countries) > 1 or choices.country:
        countries = [(quoted(name, 60) or code, code) for name, code in queue.countries[:_COUNTRIES]]
        elements.append(
            kit.select(
                [("All countries", ids.EVERY_COUNTRY), *countries],
                action_id=ids.HOME_COUNTRY,
                chosen=choices.country or ids.EVERY_COUNTRY,
                placeholder="Country",
            )
        )
    # Slack keeps what somebody chose in a menu of the same name: with another choice it has another name.
    return kit.named(f"home_queue:{choices.queue.value}:{choices.country}"[:250], kit.actions(*elements))


def _pages(queue: ReviewQueue) -> list[Block]:
    """Which page it is, in words, and the ways to its neighbours."""
    pages, page = -(-queue.matching // PAGE), queue.choices.page
    if pages <= 1:
        return []
    turns = [
        kit.button(f"{ids.HOME_PAGE}:{name.lower()}", name, str(to), label=f"{name} page of what waits for review")
        for name, to in (("Previous", page - 1), ("Next", page + 1))
        if 0 <= to < pages
    ]
    return [kit.actions(*turns), kit.small(f"Page {page + 1} of {pages}, {queue.matching} checks")]


def _row(one: HomeCheck, *, names: bool) -> Block:
    """*Details* stands beside it."""
    check = one.check
    if names:
        waits = f"in review for {took(one.waited)}" if one.waited else "has just come in"
        facts = [f"asked by {person(check.requester)}", waits]
    else:
        facts = [f"asked {when(check.asked_at)}"]
    text = find.told(check, one.entry, one.review, called=linked(check.ref, one.links), facts=facts)
    return kit.row(f"*Overdue* · {text}" if one.is_overdue else text, check.ref)


def _own(own: OwnChecks) -> list[Block]:
    head = kit.header("My checks")
    if not own.rows and own.shown == "mine":
        return [head, kit.plain_section("You have not asked for a check yet.")]
    offered = [(find.LABELS[name], name) for name in OWN]
    which = kit.select(offered, action_id=ids.HOME_OWN, chosen=own.shown, placeholder="Show")
    blocks = [head, kit.named(f"home_own:{own.shown}", kit.actions(which))]
    blocks += [_row(one, names=False) for one in own.rows]
    if not own.rows:
        blocks.append(kit.plain_section("No check of yours matches this filter."))
    rows = [find.CheckRow(check=one.check, entry=one.entry, link=None) for one in own.rows]
    if turns := find.page_buttons(
        rows, own.shown, has_older=own.has_older, has_newer=own.has_newer, action_id=ids.HOME_OWN_PAGE
    ):
        blocks.append(kit.actions(*turns))
    return blocks


def _figures(figures: HomeFigures) -> list[Block]:
    today = figures.today.figures
    if today.asked:
        line = f"*Today so far*: {today.asked} asked: {', '.join(counts(today))}. {rate_text(today.approval)}."
    else:
        line = "*Today so far*: nobody has asked for a check yet."
    waiting = waiting_files(figures.today)
    if figures.yesterday.figures.asked:
        before = [kit.section("*Yesterday*"), kit.fields(*map(kit.mrkdwn, four_numbers(figures.yesterday)))]
    else:
        before = [kit.section("*Yesterday*: nobody asked for a check.")]
    return [
        kit.header("Figures"),
        kit.section(line),
        *([kit.section(f"*Needs a second person*: {waiting}.")] if waiting else []),
        *before,
        kit.small_mrkdwn("`/kyc summary` shows any day, week, month, country or ID type."),
    ]
