"""The managers' figures, each defined once (docs/figures.md says the same in words).

A fact is one attempt at a check, one round, without anything personal. The checks *of* a period are those asked in
it, whenever they ended; what was *decided in* a period is counted apart. A reviewer's decision, where there is one,
is the final one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bot.domain.check.states import FINAL, ReviewReason, State
from bot.domain.reporting.periods import Period, PeriodKind
from bot.domain.results.assurance import Liveness
from bot.domain.results.codes import ResultStory
from bot.domain.results.record_match import RecordMatch

FEWEST = 5
"""Of fewer than this no percentage is shown: it would say more than is known."""
AT_RISK = 0.8
"""A review that has used this part of its time is at risk."""
REVIEWER = "reviewer:"
"""Begins the reason of a reviewer's rejection; the key of the reason follows."""
NAMED = 5
"""Reviews over their time that a summary names; its file names all."""
AGES = (timedelta(hours=1), timedelta(hours=4), timedelta(hours=24), timedelta(days=3))
"""Bounds between the groups of open checks by age."""


class FinalOutcome(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    """No result: nothing was decided about the person."""
    CANCELLED = "cancelled"
    NEW_PHOTOS = "new_photos"
    """A reviewer asked for other photos: neither approved nor rejected."""


_FINALS: Mapping[str, FinalOutcome] = {final.value: final for final in FinalOutcome}
"""States and decisions that end a check, by their names; looked up for each fact many times."""


class Rate(NamedTuple):
    """So many of so many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """None for fewer than five."""
        return self.part / self.whole if self.whole >= FEWEST else None


class DurationStats(NamedTuple):
    """How long something took, by the nearest rank: both are times that really occurred. None of nothing."""

    n: int
    median: timedelta | None
    p95: timedelta | None

    @classmethod
    def of(cls, spans: Iterable[timedelta]) -> "DurationStats":
        found = sorted(spans)
        return cls(len(found), _rank(found, 50), _rank(found, 95))


def _rank(ordered: Sequence[timedelta], percent: int) -> timedelta | None:
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFact:
    ref: str
    round: int
    person: str
    """Reference of the first check of the same person, as far as the bot knew."""
    requester: str
    country: str
    id_type: str
    asked_at: datetime
    """Of a later round: when it was rerun."""
    state: State
    reason: ReviewReason | None = None
    why: str | None = None
    """Why Smile ID or we ended it so: a `ResultStory`, or a key of our own failures."""
    by_person: bool = False
    """Smile ID's verdict came from a person there."""
    machine_at: datetime | None = None
    """When Smile ID's machine first gave a result, final or not."""
    review_at: datetime | None = None
    """When it came into review."""
    claimed_at: datetime | None = None
    paused: timedelta = timedelta(0)
    """What it waited for its requester before it was sent: for an answer about the photos, or for a chosen time."""
    ended_at: datetime | None = None
    """When Smile ID's result became final, or a reviewer decided before that, or the check failed or was cancelled
    here. None while it is open, and while a decided one is reviewed once more."""
    decision: str | None = None
    decision_reason: str | None = None
    decided_at: datetime | None = None
    record: RecordMatch = RecordMatch.NOT_COMPARED
    """What was entered against the authority's record."""
    liveness: Liveness | None = None
    """Of Smile ID's verdict; None without one, or where it was not kept."""

    @property
    def final(self) -> FinalOutcome | None:
        """None while it is open."""
        if self.ended_at is None:
            return None
        return _FINALS.get(self.state if self.decision is None else self.decision)

    @property
    def final_at(self) -> datetime | None:
        if self.final is None:
            return None
        return self.decided_at if self.decided_at is not None else self.ended_at

    def took_until(self, moment: datetime) -> timedelta:
        """From the asking, without what it waited for its requester."""
        return moment - self.asked_at - self.paused

    @property
    def is_first(self) -> bool:
        """The first attempt of all at this person."""
        return self.round == 1 and self.person == self.ref

    @property
    def final_why(self) -> str:
        if self.decision is not None and self.decision != self.state.value:
            return f"{REVIEWER}{self.decision_reason or ''}"
        return self.why or ""


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
    reviews: Sequence[RoundFact] = (),
    altered: int = 0,
    files_since: Sequence[datetime] = (),
    country: str | None = None,
    id_type: str | None = None,
) -> Report:
    """Every figure of a period. `facts` reach as far back as `reach` says, and hold all that is open; `reviews` are
    the checks whose review is open, since when by `review_at`.
    """

    def only(found: Sequence[RoundFact]) -> list[RoundFact]:
        return [f for f in found if country in ("", None, f.country) and id_type in ("", None, f.id_type)]

    wanted = only(facts)

    def of(which: Period) -> Figures:
        return figures(wanted, *which.span(zone), as_of=as_of, review_due=review_due)

    ends = period.span(zone)[1]
    # Only a period that has ended is compared, and only with times since the bot began.
    since = began if began is not None and ends <= as_of else ends
    known = {p: of(p) for p in _compared(period) if p.span(zone)[1] > since}
    mine, previous = of(period), _previous(period)
    before = [p for p in _mean_of(period) if p in known]
    return Report(
        period=period,
        ends=ends,
        as_of=as_of,
        figures=mine,
        backlog=backlog(wanted, only(reviews), as_of=as_of, review_due=review_due),
        previous=(previous, known[previous]) if previous in known else None,
        mean=_mean([known[p] for p in before]) if before else None,
        series=(*((p, known[p]) for p in before), (period, mine)),
        country=country,
        id_type=id_type,
        review_due=review_due,
        altered=altered,
        files_since=tuple(files_since),
    )


def reach(period: Period, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to when facts are needed for a report."""
    return min(p.span(zone)[0] for p in (period, *_compared(period))), period.span(zone)[1]


def _previous(period: Period) -> Period:
    return period.before(7 if period.kind is PeriodKind.DAY else 1)


def _mean_of(period: Period) -> list[Period]:
    return [period.before(steps) for steps in range(MEAN_OVER[period.kind], 0, -1)]


def _compared(period: Period) -> list[Period]:
    return list(dict.fromkeys([*_mean_of(period), _previous(period)]))


def _mean(before: Sequence[Figures]) -> Baseline:
    return Baseline(
        periods=len(before),
        asked=sum(f.asked for f in before) / len(before),
        approval=Rate(sum(f.approval.part for f in before), sum(f.approval.whole for f in before)),
    )


def figures(
    facts: Sequence[RoundFact], begins: datetime, ends: datetime, *, as_of: datetime, review_due: timedelta
) -> Figures:
    """The figures of the checks asked from `begins` up to, not including, `ends`."""
    mine = [f for f in facts if begins <= f.asked_at < ends]
    finals = Counter(f.final for f in mine)
    return Figures(
        asked=len(mine),
        approved=finals[FinalOutcome.APPROVED],
        rejected=finals[FinalOutcome.REJECTED],
        failed=finals[FinalOutcome.FAILED],
        cancelled=finals[FinalOutcome.CANCELLED],
        new_photos=finals[FinalOutcome.NEW_PHOTOS],
        open=finals[None],
        approval=_approval(f.final for f in mine),
        smile_approval=_approval(f.state for f in mine),
        reviewer_approval=_approval(f.decision for f in mine),
        first_pass=_first_pass(mine),
        decided=sum(_is_decided_within(f, begins, ends) for f in facts),
        machine=DurationStats.of(f.took_until(f.machine_at) for f in mine if f.machine_at is not None),
        final=_final_took(mine),
        smile_review=_smile_review_took(mine),
        reviewers=_reviewers_took(mine),
        reviews=_reviews(mine, as_of=as_of, review_due=review_due),
        rejections=_reasons(mine, FinalOutcome.REJECTED),
        failures=_reasons(mine, FinalOutcome.FAILED),
        by_type=_groups(mine, lambda f: (f.country, f.id_type)),
        by_requester=_groups(mine, lambda f: (f.requester,)),
        assurance=_assurance(mine),
    )


def _is_decided_within(fact: RoundFact, begins: datetime, ends: datetime) -> bool:
    return fact.final in _DECIDED and fact.final_at is not None and begins <= fact.final_at < ends


def _assurance(mine: Iterable[RoundFact]) -> Assurance:
    found = [f for f in mine if f.state is State.APPROVED]
    records = Counter(f.record for f in found)
    return Assurance(
        record_differs=records[RecordMatch.DIFFERS],
        record_partly=records[RecordMatch.PARTLY],
        record_not_compared=records[RecordMatch.NOT_COMPARED],
        liveness_not_proven=sum(f.liveness is Liveness.NOT_PROVEN for f in found),
    )


_DECIDED = frozenset({FinalOutcome.APPROVED, FinalOutcome.REJECTED})
_TIMED = _DECIDED | {FinalOutcome.FAILED}


def _approval(outcomes: Iterable[str | None]) -> Rate:
    found = Counter(outcomes)
    approved = found["approved"]
    return Rate(approved, approved + found["rejected"])


def _first_pass(mine: Sequence[RoundFact]) -> Rate:
    decided = {f.person for f in mine if f.final in _DECIDED}
    at_once = {f.person for f in mine if f.is_first and f.final is FinalOutcome.APPROVED}
    return Rate(len(at_once), len(decided))


def _final_took(mine: Iterable[RoundFact]) -> DurationStats:
    return DurationStats.of(f.took_until(f.final_at) for f in mine if f.final in _TIMED and f.final_at is not None)


def _reviewers_took(mine: Iterable[RoundFact]) -> DurationStats:
    return DurationStats.of(f.decided_at - f.review_at for f in mine if f.decision and f.decided_at and f.review_at)


def _smile_review_took(mine: Iterable[RoundFact]) -> DurationStats:
    return DurationStats.of(
        f.ended_at - f.machine_at
        for f in mine
        if f.by_person and f.state in FINAL and f.ended_at is not None and f.machine_at is not None
    )


def _reviews(mine: Iterable[RoundFact], *, as_of: datetime, review_due: timedelta) -> ReviewsDue:
    met = breached = at_risk = 0
    for fact in mine:
        if fact.review_at is None:
            continue
        waited = (fact.final_at or as_of) - fact.review_at
        if waited > review_due:
            breached += 1
        elif fact.final is not None:
            met += 1
        elif waited >= AT_RISK * review_due:
            at_risk += 1
    return ReviewsDue(met, breached, at_risk)


def _reasons(mine: Iterable[RoundFact], final: FinalOutcome) -> tuple[tuple[str, int], ...]:
    counted = Counter(f.final_why for f in mine if f.final is final)
    return tuple(sorted(counted.items(), key=lambda found: (-found[1], found[0])))


def _groups(mine: Iterable[RoundFact], key: Callable[[RoundFact], tuple[str, ...]]) -> tuple[FigureGroup, ...]:
    found: dict[tuple[str, ...], list[RoundFact]] = defaultdict(list)
    for fact in mine:
        found[key(fact)].append(fact)
    groups = (_group(name, facts) for name, facts in found.items())
    return tuple(sorted(groups, key=lambda group: (-group.asked, group.key)))


def _group(key: tuple[str, ...], facts: Sequence[RoundFact]) -> FigureGroup:
    finals = Counter(f.final for f in facts)
    return FigureGroup(
        key=key,
        asked=len(facts),
        approved=finals[FinalOutcome.APPROVED],
        rejected=finals[FinalOutcome.REJECTED],
        failed=finals[FinalOutcome.FAILED],
        open=finals[None],
        approval=_approval(f.final for f in facts),
        final=_final_took(facts),
        register_away=sum(f.final is FinalOutcome.FAILED and f.why == ResultStory.AUTHORITY_DOWN for f in facts),
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
