"""The status of a check in words, the same wherever it appears, and what an approval of Smile ID leaves open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from bot.domain.check.check import Check
from bot.domain.check.masking import tail
from bot.domain.check.states import FINAL, POLLED_REASONS, State
from bot.domain.id_types.id_types import IDType
from bot.domain.results.assurance import Doubt
from bot.domain.results.codes import ResultStory
from bot.domain.results.record_match import Comparison, RecordMatch
from bot.domain.review.review import ReviewState
from bot.slack.blocks import words
from bot.slack.blocks.text import foreign
from bot.slack.blocks.words import Story

NAME = 75
"""Longest name of a country or ID type; Slack's limit for an option of the form."""
_CONFIRMED = words.STORIES[ResultStory.CONFIRMED]
_DOUBTED: Mapping[Doubt | None, Story] = {
    Doubt.LIVENESS_NOT_PROVEN: words.LIVENESS_NOT_PROVEN,
    Doubt.REVIEW_WANTED: words.REVIEW_WANTED,
}
_MARKS: Mapping[RecordMatch, str] = {RecordMatch.MATCHES: "✓", RecordMatch.DIFFERS: "✗"}


def status_name(check: Check) -> str:
    """A reviewer's decision first, then Smile ID's status."""
    if check.decision is None:
        return verdict_name(check)
    decided, smile_id = words.DECIDED[check.decision], smile_id_says(check, why=False)
    if check.review is ReviewState.OPEN:
        return f"Needs review: reopened by a reviewer (decided before: {decided}; {smile_id})"
    return f"{decided} by a reviewer ({smile_id})"


def smile_id_says(check: Check, *, why: bool = True) -> str:
    """Smile ID's own status; only its verdict is called one."""
    if check.state is State.CANCELLED:
        return "Smile ID: not asked"
    if check.reason is None:
        word = words.STATE_NAMES[check.state] if check.state in FINAL else "no result yet"
        return f"Smile ID: {word}"
    word = "not final" if check.reason in POLLED_REASONS else "no usable result"
    detail = words.REVIEW_NAMES[check.reason].partition(": ")[2]
    return f"Smile ID: {word} ({detail})" if why else f"Smile ID: {word}"


def verdict_name(check: Check) -> str:
    """Smile ID's progress or verdict, whatever a reviewer decided."""
    if check.reason is not None:
        return words.REVIEW_NAMES[check.reason]
    if check.held is not None and check.state is State.REQUESTED:
        return "Not sent yet: waiting for an answer in the thread"
    if check.state is State.PROCESSING and check.sent_at is None:
        return words.STATE_NAMES[State.SUBMITTING]
    if check.state is State.APPROVED and check.record.outcome is RecordMatch.DIFFERS:
        return f"Approved by Smile ID, but the {what_differs(check)} from the authority's record"
    return words.STATE_NAMES[check.state]


def subject(check: Check, entry: IDType | None) -> str:
    """Nigeria · BVN ending 0000."""
    named = _named(entry.country_name, entry.short) if entry else _named(check.country, check.id_type)
    last = tail(check.id_info.get("id_number", ""))
    return f"{named} ending {foreign(last)}" if last else named


@lru_cache(maxsize=256)
def _named(country: str, name: str) -> str:
    """A list has the same ones again and again."""
    return f"{foreign(country, NAME)} · {foreign(name, NAME)}"


def against(check: Check) -> str:
    """How a decision that takes two people relates to what Smile ID says."""
    if check.reason is not None:
        return "without a clear result from Smile ID"
    return "without a result from Smile ID" if check.verdict_outcome is None else "against Smile ID's verdict"


def label(check: Check) -> str:
    """The reference, and of a row of a file its number."""
    return f"row {check.batch_row} · {check.ref}" if check.batch_row is not None else check.ref


def approval_story(check: Check, doubt: Doubt | None) -> Story:
    """Smile ID compared a face with an ID number. The next step depends on whether the entered name matches."""
    outcome = check.record.outcome
    if outcome is RecordMatch.DIFFERS:
        return differing_story(check, doubt)
    if outcome is RecordMatch.MATCHES:
        return _DOUBTED.get(doubt, _CONFIRMED)
    # Whatever else matched: a name that was not compared is for a person to compare.
    doubtful = _parts(check.record, RecordMatch.PARTLY) or ["name"]
    if check.record.name is RecordMatch.NOT_COMPARED and "name" not in doubtful:
        doubtful.insert(0, "name")
    return _compared_by_a_person(doubt, _listed(doubtful))


@cache
def _compared_by_a_person(doubt: Doubt | None, what: str) -> Story:
    compare = f"Compare the {what} in *Details* before you onboard."
    if doubt not in _DOUBTED:
        return replace(_CONFIRMED, next_step=compare)
    story = _DOUBTED[doubt]
    return replace(story, next_step=f"{story.next_step} {compare}")


def differing_story(check: Check, doubt: Doubt | None) -> Story:
    """An approval of another person than the one entered; with a `doubt` it calls reviewers."""
    parts = _parts(check.record, RecordMatch.DIFFERS)
    is_one = len(parts) == 1
    story = words.filled(
        words.RECORD_DIFFERS,
        # What a reviewer approved before Smile ID's verdict is no approval of Smile ID's.
        by="Smile ID" if check.state is State.APPROVED else "a reviewer",
        what=_listed(parts),
        differs="differs" if is_one else "differ",
        is_not="is not the one" if is_one else "are not those",
    )
    return replace(story, calls_reviewer=doubt is not None)


def what_differs(check: Check) -> str:
    """*name differs*, *name and date of birth differ*."""
    parts = _parts(check.record, RecordMatch.DIFFERS)
    return f"{_listed(parts)} {'differs' if len(parts) == 1 else 'differ'}"


def record_title(check: Check) -> str:
    """What of the authority's record is in doubt, as the title of a reviewer's card."""
    doubtful = _parts(check.record, check.record.outcome)
    is_one, differs = len(doubtful) == 1, check.record.outcome is RecordMatch.DIFFERS
    if differs:
        does = "differs from the authority's record" if is_one else "differ from the authority's record"
    else:
        does = f"{'matches' if is_one else 'match'} the authority's record only in part"
    # What a reviewer approved before Smile ID's verdict is no approval of Smile ID's.
    verdict = "Approved by Smile ID — but" if check.state is State.APPROVED else "Needs review —"
    return f"{verdict} the {_listed(doubtful)} {does}"


def record_line(check: Check, *, but: RecordMatch | None = None) -> str:
    """Whether what was entered matches the authority's record, in one line that reveals nothing of that record.

    Without the parts of which the title says `but` already; empty if none is left.
    """
    compared = [
        f"{part} {words.RECORD_MATCHES[word]}"
        for part, word in _fields(check.record)
        if word is not but and (word is not RecordMatch.NOT_COMPARED or part == "name")
    ]
    if not compared:
        return ""
    return f"{_MARKS.get(check.record.outcome, '•')} Compared with the authority's record: {', '.join(compared)}"


def _fields(record: Comparison) -> Sequence[tuple[str, RecordMatch]]:
    return (("name", record.name), ("date of birth", record.dob), ("phone number", record.phone))


def _parts(record: Comparison, word: RecordMatch) -> list[str]:
    return [part for part, found in _fields(record) if found is word]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
