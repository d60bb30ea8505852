"""Compares the person who was typed with the person in the authority's record.

Smile ID's verdict says that the face and the ID number belong together; whose name the customer gave is compared here.
A comparison decides nothing: state and verdict stay Smile ID's. The rules are in `docs/results.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.domain.results.record_match.dates_of_birth import compare_births
from bot.domain.results.record_match.name_match import compare_names
from bot.domain.results.record_match.person import EnteredPerson, RecordMatch, entered_person, record_person
from bot.domain.results.record_match.phones import compare_phones

__all__ = [
    "NOTHING_COMPARED", "Comparison", "EnteredPerson", "RecordMatch", "compare", "entered_person", "lower",
    "record_person",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One word for each part, and one for all of them. Holds nothing of the person."""

    name: RecordMatch
    dob: RecordMatch
    phone: RecordMatch

    @property
    def outcome(self) -> RecordMatch:
        """The worst word of what was compared, but never better than the name's: no other part identifies a person."""
        parts = (self.name, self.dob, self.phone)
        if RecordMatch.DIFFERS in parts:
            return RecordMatch.DIFFERS
        if self.name is RecordMatch.NOT_COMPARED:
            return RecordMatch.NOT_COMPARED
        return RecordMatch.PARTLY if RecordMatch.PARTLY in parts else RecordMatch.MATCHES


NOTHING_COMPARED = Comparison(
    name=RecordMatch.NOT_COMPARED, dob=RecordMatch.NOT_COMPARED, phone=RecordMatch.NOT_COMPARED
)
"""For results without a record, or from before records were compared."""


def compare(entered: EnteredPerson, record: EnteredPerson, *, country: str) -> Comparison:
    """`country` is the one that issued the ID (ISO 3166, two letters). Never raises, whatever the text."""
    name = compare_names(entered, record, country=country)
    if record.full_name and record.first_name and record.last_name:
        # A record that names two persons must not match by the one that suits.
        name = _worse(name, compare_names(entered, replace(record, full_name=None), country=country))
    return Comparison(
        name=name,
        dob=compare_births(entered.dob, record.dob),
        phone=compare_phones(entered.phones, record.phones, country=country),
    )


_SILENT = frozenset(
    {"", "exact match", "not provided", "not returned", "not available", "not applicable", "not done", "completed"}
)


def lower(comparison: Comparison, actions: Mapping[str, str]) -> Comparison:
    """The comparison after what Smile ID itself found, which can make it worse, never better.

    Smile ID compares `Names`, `DOB` and `Phone_Number` in its ID look-up (job type 5). No source shows them for
    Biometric KYC, whose ID message comes from a look-up too: should they come, a *No Match* must not be lost.
    """
    return replace(
        comparison,
        # Transposed: the same names in another order.
        name=_worse(comparison.name, _said(actions, "Names", {"no match": RecordMatch.DIFFERS, "transposed": None})),
        dob=_worse(comparison.dob, _said(actions, "DOB", {"no match": RecordMatch.DIFFERS})),
        phone=_worse(comparison.phone, _said(actions, "Phone_Number", {})),
    )


def _said(actions: Mapping[str, str], action: str, meanings: Mapping[str, RecordMatch | None]) -> RecordMatch | None:
    # None: Smile ID says nothing against it. An unknown value goes to a person.
    value = actions.get(action, "").strip().casefold()
    return None if value in _SILENT else meanings.get(value, RecordMatch.PARTLY)


def _worse(ours: RecordMatch, theirs: RecordMatch | None) -> RecordMatch:
    if theirs is RecordMatch.DIFFERS or (theirs is RecordMatch.PARTLY and ours is RecordMatch.MATCHES):
        return theirs
    return ours
