"""The managers' figures, each defined once (docs/figures.md says the same in words).

They are made from sums of days (`day_sums`), and those from facts (`round_facts`). The checks *of* a period are those
asked in it, whenever they ended; what was *decided in* a period is counted apart. A reviewer's decision, where there is
one, is the final one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bot.domain.check.states import ReviewReason, State
from bot.domain.reporting.day_sums import OPEN, OutcomeSums, TypeSums, sums_of
from bot.domain.reporting.durations import NO_LINKS, DurationStats, LinkFigures
from bot.domain.reporting.periods import Period, PeriodKind, Span
from bot.domain.reporting.round_facts import FinalOutcome, RoundFact
from bot.domain.results.record_match import RecordMatch

FEWEST = 5
"""Of fewer than this no percentage is shown: it would say more than is known."""
AT_RISK = 0.8
"""A review that has used this part of its time is at risk."""
NAMED = 5
"""Reviews over their time that a summary names; its file names all."""
AGES = (timedelta(hours=1), timedelta(hours=4), timedelta(hours=24), timedelta(days=3))
"""Bounds between the groups of open checks by age."""


class Rate(NamedTuple):
    """So many of so many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """None for fewer than five."""
        return self.part / self.whole if self.whole >= FEWEST else None


class FigureGroup(NamedTuple):
    """The checks of one country and ID type, or of one requester."""

    key: tuple[str, ...]
    asked: int
    approved: int
    rejected: int
    failed: int
    open: int
    approval: Rate
    final: DurationStats
    register_away: int
    """No result since the authority's register was unavailable."""


class WaitingCheck(NamedTuple):
    ref: str
    state: State
    reason: ReviewReason | None
    since: datetime
    """In the list of reviews since it came there, otherwise since it was asked."""
    waited: timedelta
    over: bool
    """It waits for review for longer than a review may take."""


class ReviewsDue(NamedTuple):
    """Reviews of the period's checks against the time that one may take."""

    met: int
    breached: int
    """Ended too late, or open beyond the time."""
    at_risk: int

    @property
    def breach(self) -> Rate:
        return Rate(self.breached, self.met + self.breached)


class Assurance(NamedTuple):
    """What Smile ID's approvals of a period leave open."""

    record_differs: int
    """Another person was entered than the authority's record is about."""
    record_partly: int
    record_not_compared: int
    """No name was entered or received, or the approval came before names were compared."""
    liveness_not_proven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of the checks that were asked in one period."""

    asked: int
    approved: int
    rejected: int
    failed: int
    cancelled: int
    new_photos: int
    open: int
    approval: Rate
    """Approved among approved and rejected, by final decision."""
    smile_approval: Rate
    """The same of Smile ID's own final verdicts."""
    reviewer_approval: Rate
    """The same of reviewers' decisions."""
    first_pass: Rate
    """Persons approved at the first attempt among persons decided."""
    decided: int
    """Approved or rejected within the period, whenever asked."""
    machine: DurationStats
    """From request to Smile ID's machine result."""
    final: DurationStats
    """From request to final result; cancelled ones and those that need other photos left out."""
    smile_review: DurationStats
    """What people at Smile ID took, from the machine's result to theirs."""
    reviewers: DurationStats
    """What our reviewers took, from review to decision."""
    reviews: ReviewsDue
    rejections: tuple[tuple[str, int], ...]
    failures: tuple[tuple[str, int], ...]
    by_type: tuple[FigureGroup, ...]
    by_requester: tuple[FigureGroup, ...]
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is open now, whenever it was asked."""

    open: int
    ages: tuple[int, ...]
    """By `AGES`: up to the first bound, up to the second …, beyond the last."""
    oldest: WaitingCheck | None
    """The one that was asked first."""
    review: tuple[WaitingCheck, ...]
    """What waits for review, oldest first: the same checks that reviewers have in their list, ended ones among them."""

    @property
    def over(self) -> int:
        return sum(waiting.over for waiting in self.review)

    @property
    def named(self) -> Sequence[WaitingCheck]:
        """The checks that a summary names: those longest over their time in review first, and the oldest of all."""
        over = [waiting for waiting in self.review if waiting.over][:NAMED]
        oldest = self.oldest or next(iter(self.review), None)
        return over if oldest is None or any(oldest.ref == waiting.ref for waiting in over) else [*over, oldest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Of the periods before: how many were asked on average, and their approval rate together."""

    periods: int
    asked: float
    approval: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One period, what it is compared with, and what is open now."""

    period: Period
    ends: datetime
    as_of: datetime
    figures: Figures
    backlog: Backlog
    previous: tuple[Period, Figures] | None = None
    """The same weekday a week before, or the week, month or days before; None for what was before the bot began."""
    mean: Baseline | None = None
    series: tuple[tuple[Period, Figures], ...] = ()
    """Oldest first, this period last."""
    country: str | None = None
    id_type: str | None = None
    review_due: timedelta = timedelta(0)
    altered: int = 0
    """Checks of the period whose record was altered, in none of the figures."""
    files_since: tuple[datetime, ...] = ()
    """Since when each file of customers waits for a second person's approval, oldest first; whatever the period."""
    links: LinkFigures = NO_LINKS
    """Of the capture links that were made in the period."""

    @property
    def is_running(self) -> bool:
        """Made before the period ended."""
        return self.ends > self.as_of


MEAN_OVER = {PeriodKind.DAY: 7, PeriodKind.WEEK: 4, PeriodKind.MONTH: 3, PeriodKind.RANGE: 0}
"""How many periods before make the mean."""


def report(
    facts: Sequence[RoundFact],
    period: Period,
    *,
    zone: ZoneInfo,
    as_of: datetime,
    review_due: timedelta,
    began: datetime | None,
    sums: Mapping[Span, Sequence[TypeSums]] = MappingProxyType({}),
    reviews: Sequence[RoundFact] = (),
    altered: int = 0,
    files_since: Sequence[datetime] = (),
    links: LinkFigures = NO_LINKS,
    country: str | None = None,
    id_type: str | None = None,
) -> Report:
    """Every figure of a period.

    `facts` are all that is open, and what has ended of the days (`days`) that `sums` lacks; `reviews` are the checks
    whose review is open, since when by `review_at`.
    """

    def is_wanted(one: RoundFact | TypeSums) -> bool:
        return country in ("", None, one.country) and id_type in ("", None, one.id_type)

    by_day = _by_day(facts, days(period, zone, as_of=as_of, began=began), sums)

    def of(which: Period) -> Figures:
        mine = [one for day in which.each_day(zone) for one in by_day[day] if is_wanted(one)]
        return figures(mine, as_of=as_of, review_due=review_due)

    before = {each: of(each) for each in _compared(period, zone, as_of=as_of, began=began)}
    mine, previous = of(period), _previous(period)
    mean = [each for each in _mean_of(period) if each in before]
    return Report(
        period=period,
        ends=period.span(zone)[1],
        as_of=as_of,
        figures=mine,
        backlog=backlog(filter(is_wanted, facts), filter(is_wanted, reviews), as_of=as_of, review_due=review_due),
        previous=(previous, before[previous]) if previous in before else None,
        mean=_mean([before[each] for each in mean]) if mean else None,
        series=(*((each, before[each]) for each in mean), (period, mine)),
        country=country,
        id_type=id_type,
        review_due=review_due,
        altered=altered,
        files_since=tuple(files_since),
        links=links,
    )


def days(period: Period, zone: ZoneInfo, *, as_of: datetime, began: datetime | None) -> list[Span]:
    """The days whose sums a report needs, in order: of the period, and of those that it is compared with."""
    needed = [period, *_compared(period, zone, as_of=as_of, began=began)]
    return sorted({day for each in needed for day in each.each_day(zone)})


def reach(period: Period, zone: ZoneInfo) -> Span:
    """From the first instant of what a period is ever compared with to its own last one."""
    return min(each.span(zone)[0] for each in (period, *_before(period))), period.span(zone)[1]


def _by_day(
    facts: Sequence[RoundFact], of: Sequence[Span], sums: Mapping[Span, Sequence[TypeSums]]
) -> dict[Span, list[TypeSums]]:
    """What is open counts for every day; what has ended is in the sums of a day already."""
    found = sums_of((fact for fact in facts if fact.ended_at is None), of)
    lacking = sums_of((fact for fact in facts if fact.ended_at is not None), [day for day in of if day not in sums])
    return {day: [*found[day], *lacking.get(day, ()), *sums.get(day, ())] for day in of}


def _previous(period: Period) -> Period:
    return period.before(7 if period.kind is PeriodKind.DAY else 1)


def _mean_of(period: Period) -> list[Period]:
    return [period.before(steps) for steps in range(MEAN_OVER[period.kind], 0, -1)]


def _compared(period: Period, zone: ZoneInfo, *, as_of: datetime, began: datetime | None) -> list[Period]:
    """Only a period that has ended is compared, and only with times since the bot began."""
    ends = period.span(zone)[1]
    since = began if began is not None and ends <= as_of else ends
    return [each for each in _before(period) if each.span(zone)[1] > since]


def _before(period: Period) -> list[Period]:
    return list(dict.fromkeys([*_mean_of(period), _previous(period)]))


def _mean(before: Sequence[Figures]) -> Baseline:
    return Baseline(
        periods=len(before),
        asked=sum(f.asked for f in before) / len(before),
        approval=Rate(sum(f.approval.part for f in before), sum(f.approval.whole for f in before)),
    )


def figures(sums: Sequence[TypeSums], *, as_of: datetime, review_due: timedelta) -> Figures:
    """The figures of a period, from the sums of its days."""
    requesters = [(who, one) for each in sums for who, one in each.requesters.items()]
    types = [((each.country, each.id_type), one) for each in sums for one in each.requesters.values()]
    outcomes = _added(one.outcomes for _who, one in requesters)
    at_once = set[str]().union(*(each.at_once for each in sums))
    return Figures(
        asked=outcomes.total(),
        approved=outcomes[FinalOutcome.APPROVED],
        rejected=outcomes[FinalOutcome.REJECTED],
        failed=outcomes[FinalOutcome.FAILED],
        cancelled=outcomes[FinalOutcome.CANCELLED],
        new_photos=outcomes[FinalOutcome.NEW_PHOTOS],
        open=outcomes[OPEN],
        approval=_approval(outcomes),
        smile_approval=_approval(_added(each.verdicts for each in sums)),
        reviewer_approval=_approval(_added(each.decisions for each in sums)),
        first_pass=Rate(len(at_once), len(at_once.union(*(each.later for each in sums)))),
        decided=sum(each.decided for each in sums),
        machine=DurationStats.of(each.machine for each in sums),
        final=DurationStats.of(one.final for _who, one in requesters),
        smile_review=DurationStats.of(each.smile_review for each in sums),
        reviewers=DurationStats.of(each.reviewers for each in sums),
        reviews=_reviews(sums, as_of=as_of, review_due=review_due),
        rejections=_reasons(each.rejections for each in sums),
        failures=_reasons(each.failures for each in sums),
        by_type=_groups(types),
        by_requester=_groups(((who,), one) for who, one in requesters),
        assurance=_assurance(sums),
    )


def _assurance(sums: Sequence[TypeSums]) -> Assurance:
    records = _added(each.records for each in sums)
    return Assurance(
        record_differs=records[RecordMatch.DIFFERS],
        record_partly=records[RecordMatch.PARTLY],
        record_not_compared=records[RecordMatch.NOT_COMPARED],
        liveness_not_proven=sum(each.not_proven for each in sums),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    found = Counter[str]()
    for each in counts:
        for name, count in each.items():
            found[name] += count
    return found


def _approval(outcomes: Counter[str]) -> Rate:
    approved = outcomes[FinalOutcome.APPROVED]
    return Rate(approved, approved + outcomes[FinalOutcome.REJECTED])


def _reviews(sums: Sequence[TypeSums], *, as_of: datetime, review_due: timedelta) -> ReviewsDue:
    due = review_due // timedelta(microseconds=1)
    took = [span > due for each in sums for span in each.reviewed]
    waited = [as_of - since for each in sums for since in each.in_review_since]
    late = sum(took) + sum(span > review_due for span in waited)
    at_risk = sum(AT_RISK * review_due <= span <= review_due for span in waited)
    return ReviewsDue(met=len(took) - sum(took), breached=late, at_risk=at_risk)


def _reasons(counts: Iterable[Mapping[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(_added(counts).items(), key=lambda found: (-found[1], found[0])))


def _groups(sums: Iterable[tuple[tuple[str, ...], OutcomeSums]]) -> tuple[FigureGroup, ...]:
    found: dict[tuple[str, ...], list[OutcomeSums]] = defaultdict(list)
    for key, one in sums:
        found[key].append(one)
    groups = (_group(key, members) for key, members in found.items())
    return tuple(sorted(groups, key=lambda group: (-group.asked, group.key)))


def _group(key: tuple[str, ...], members: Sequence[OutcomeSums]) -> FigureGroup:
    outcomes = _added(one.outcomes for one in members)
    return FigureGroup(
        key=key,
        asked=outcomes.total(),
        approved=outcomes[FinalOutcome.APPROVED],
        rejected=outcomes[FinalOutcome.REJECTED],
        failed=outcomes[FinalOutcome.FAILED],
        open=outcomes[OPEN],
        approval=_approval(outcomes),
        final=DurationStats.of(one.final for one in members),
        register_away=sum(one.register_away for one in members),
    )


def backlog(
    facts: Iterable[RoundFact], reviews: Iterable[RoundFact] = (), *, as_of: datetime, review_due: timedelta
) -> Backlog:
    """What of these facts is open, and what waits for review.

    A check may have ended and wait all the same: an approval of another name, a rejection of a spoof.
    """
    open_now = sorted((f for f in facts if f.final is None), key=lambda f: (f.asked_at, f.ref))
    ages = [0] * (len(AGES) + 1)
    for fact in open_now:
        ages[sum(as_of - fact.asked_at >= bound for bound in AGES)] += 1
    reviews = list(reviews)
    known = {f.ref for f in reviews}
    held = [*reviews, *(f for f in open_now if f.state is State.IN_REVIEW and f.ref not in known)]

    def late(fact: RoundFact) -> bool:
        return as_of - (fact.review_at or fact.asked_at) > review_due

    review = [_waiting(f, f.review_at or f.asked_at, as_of, over=late(f)) for f in held]
    first = open_now[0] if open_now else None
    is_late = first is not None and any(late(f) for f in held if f.ref == first.ref)
    return Backlog(
        open=len(open_now),
        ages=tuple(ages),
        oldest=_waiting(first, first.asked_at, as_of, over=is_late) if first is not None else None,
        review=tuple(sorted(review, key=lambda one: (one.since, one.ref))),
    )


def _waiting(fact: RoundFact, since: datetime, as_of: datetime, *, over: bool) -> WaitingCheck:
    waited = as_of - since
    return WaitingCheck(ref=fact.ref, state=fact.state, reason=fact.reason, since=since, waited=waited, over=over)
