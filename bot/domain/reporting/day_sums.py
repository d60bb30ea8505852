"""Sums of facts: what the checks of one country and ID type come to in one day.

Every figure of every period is made from such sums of its days (`figures`), so that a day that has ended is summed once
and never read again, unless one of its facts changes (`storage.day_sums`). They hold nothing that depends on when, for
whom or by which settings a figure is asked; spans are lists, since medians of medians are none.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self

from bot.domain.check.states import FINAL, State
from bot.domain.reporting.periods import Span
from bot.domain.reporting.round_facts import FinalOutcome, RoundFact
from bot.domain.results.assurance import Liveness
from bot.domain.results.codes import ResultStory

FORM = 1
"""Of sums that are stored. Raise it when the same facts come to other sums: older ones are then made anew."""

OPEN = "open"
"""The outcome of what has none yet."""
DECIDED = frozenset({FinalOutcome.APPROVED, FinalOutcome.REJECTED})
TIMED = DECIDED | {FinalOutcome.FAILED}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True, kw_only=True)
class OutcomeSums:
    """What the checks of one requester came to. Spans are whole microseconds."""

    outcomes: dict[str, int] = field(default_factory=Counter)
    """By `FinalOutcome`, and `OPEN`."""
    final: list[int] = field(default_factory=list)
    """From request to final result, of those in `TIMED`."""
    register_away: int = 0
    """No result since the authority's register was unavailable."""

    def add(self, fact: RoundFact) -> None:
        final = fact.final
        self.outcomes[OPEN if final is None else final.value] += 1
        if final in TIMED and fact.final_at is not None:
            self.final.append(fact.took_until(fact.final_at) // _MICROSECOND)
        if final is FinalOutcome.FAILED and fact.why == ResultStory.AUTHORITY_DOWN:
            self.register_away += 1


@dataclass(slots=True, kw_only=True)
class TypeSums:
    """Of one country and ID type: the checks asked in one day, and how many were decided in it. See `Figures`."""

    country: str
    id_type: str
    refs: list[str] = field(default_factory=list)
    """Of every check that is in any of these sums; `from_plain` leaves them out."""
    requesters: dict[str, OutcomeSums] = field(default_factory=dict)
    decided: int = 0
    """Approved or rejected within the day, whenever asked."""
    verdicts: dict[str, int] = field(default_factory=Counter)
    """By state: Smile ID's own."""
    decisions: dict[str, int] = field(default_factory=Counter)
    """By reviewers' decisions."""
    records: dict[str, int] = field(default_factory=Counter)
    """Smile ID's approvals, by how what was entered matches the authority's record."""
    not_proven: int = 0
    """Smile ID's approvals without proof of life."""
    rejections: dict[str, int] = field(default_factory=Counter)
    failures: dict[str, int] = field(default_factory=Counter)
    """Both by their reason."""
    at_once: set[str] = field(default_factory=set)
    """Persons approved at their first attempt of all."""
    later: set[str] = field(default_factory=set)
    """Other persons who were approved or rejected; some may be in both."""
    machine: list[int] = field(default_factory=list)
    smile_review: list[int] = field(default_factory=list)
    reviewers: list[int] = field(default_factory=list)
    """Spans as `Figures` names them, in microseconds."""
    reviewed: list[int] = field(default_factory=list)
    """Microseconds that each review took until the check had its outcome."""
    in_review_since: list[datetime] = field(default_factory=list)
    """Of those without an outcome: never stored."""

    @property
    def is_final(self) -> bool:
        """Whether all of it has an outcome: then nothing but a changed fact changes it."""
        return not any(OPEN in each.outcomes for each in self.requesters.values())

    def add(self, fact: RoundFact) -> None:
        """Count a check of this day."""
        self.refs.append(fact.ref)
        self.requesters.setdefault(fact.requester, OutcomeSums()).add(fact)
        self._add_verdicts(fact)
        self._add_spans(fact)
        if fact.final is FinalOutcome.REJECTED:
            self.rejections[fact.final_why] += 1
        elif fact.final is FinalOutcome.FAILED:
            self.failures[fact.final_why] += 1
        if fact.final is FinalOutcome.APPROVED and fact.is_first:
            self.at_once.add(fact.person)
        elif fact.final in DECIDED:
            self.later.add(fact.person)

    def add_decided(self, fact: RoundFact) -> None:
        """Count a check that was approved or rejected in this day."""
        self.refs.append(fact.ref)
        self.decided += 1

    def _add_verdicts(self, fact: RoundFact) -> None:
        self.verdicts[fact.state.value] += 1
        if fact.decision is not None:
            self.decisions[fact.decision] += 1
        if fact.state is State.APPROVED:
            self.records[fact.record.value] += 1
            self.not_proven += fact.liveness is Liveness.NOT_PROVEN

    def _add_spans(self, fact: RoundFact) -> None:
        if fact.machine_at is not None:
            self.machine.append(fact.took_until(fact.machine_at) // _MICROSECOND)
            if fact.by_person and fact.state in FINAL and fact.ended_at is not None:
                self.smile_review.append((fact.ended_at - fact.machine_at) // _MICROSECOND)
        if fact.review_at is not None:
            if fact.decision and fact.decided_at is not None:
                self.reviewers.append((fact.decided_at - fact.review_at) // _MICROSECOND)
            if fact.final_at is not None:
                self.reviewed.append((fact.final_at - fact.review_at) // _MICROSECOND)
            else:
                self.in_review_since.append(fact.review_at)

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it, of what `is_final`: in the order that is read and merged quickest."""
        plain = {name: getattr(self, name) for name in _STORED}
        texts = {name: " ".join(sorted(plain[name])) for name in _TEXTS}
        spans = {name: sorted(plain[name]) for name in _SPANS}
        requesters = {who: [one.outcomes, sorted(one.final), one.register_away] for who, one in self.requesters.items()}
        return {**plain, **texts, **spans, "requesters": requesters}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_plain` gave, but for the references: few ask for them, and they cost as much as all the rest."""
        requesters = {
            who: OutcomeSums(outcomes=outcomes, final=final, register_away=away)
            for who, (outcomes, final, away) in plain["requesters"].items()
        }
        at_once, later = set(plain["at_once"].split()), set(plain["later"].split())
        return cls(**{**plain, "requesters": requesters, "refs": [], "at_once": at_once, "later": later})


_STORED = [each.name for each in fields(TypeSums) if each.name != "in_review_since"]
_TEXTS = ("refs", "at_once", "later")
_SPANS = ("machine", "smile_review", "reviewers", "reviewed")


def sums_of(facts: Iterable[RoundFact], days: Sequence[Span]) -> dict[Span, list[TypeSums]]:
    """The sums of each of these days, which are in order. What was neither asked nor decided in any is in none."""
    begins = [begin for begin, _end in days]
    found: dict[Span, dict[tuple[str, str], TypeSums]] = {day: {} for day in days}

    def of(fact: RoundFact, moment: datetime) -> TypeSums | None:
        place = bisect_right(begins, moment) - 1
        if place < 0 or moment >= days[place][1]:
            return None
        key = (fact.country, fact.id_type)
        types = found[days[place]]
        if key not in types:
            types[key] = TypeSums(country=fact.country, id_type=fact.id_type)
        return types[key]

    for fact in facts:
        if (sums := of(fact, fact.asked_at)) is not None:
            sums.add(fact)
        if fact.final in DECIDED and fact.final_at and (sums := of(fact, fact.final_at)) is not None:
            sums.add_decided(fact)
    return {day: list(types.values()) for day, types in found.items()}
