"""What an approval of Smile ID leaves open: whether the name matches, and whether liveness is proven."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.results.assurance import Doubt
from bot.domain.results.codes import ResultStory
from bot.domain.results.record_match import Comparison, RecordMatch
from bot.slack.blocks import words
from bot.slack.blocks.words import Story

_MARKS: Mapping[RecordMatch, str] = {RecordMatch.MATCHES: "✓", RecordMatch.DIFFERS: "✗"}


def approval_story(check: Check, doubt: Doubt | None) -> Story:
    """Smile ID compared a face with an ID number. The next step depends on whether the entered name matches."""
    if check.record.outcome is RecordMatch.DIFFERS:
        return differing_story(check, doubt)
    is_unproven = doubt is Doubt.LIVENESS_NOT_PROVEN
    story = words.LIVENESS_NOT_PROVEN if is_unproven else words.STORIES[ResultStory.CONFIRMED]
    if check.record.outcome is not RecordMatch.MATCHES:
        # Whatever else matched: a name that was not compared is for a person to compare.
        doubtful = _parts(check.record, RecordMatch.PARTLY) or ["name"]
        if check.record.name is RecordMatch.NOT_COMPARED and "name" not in doubtful:
            doubtful.insert(0, "name")
        compare = f"Compare the {_listed(doubtful)} in *Details* before you onboard."
        return replace(story, next_step=f"{story.next_step} {compare}" if is_unproven else compare)
    return story


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


def record_line(check: Check) -> str:
    """Whether what was entered matches the authority's record, in one line that reveals nothing of that record."""
    compared = [
        f"{part} {words.RECORD_MATCHES[word]}"
        for part, word in _fields(check.record)
        if word is not RecordMatch.NOT_COMPARED or part == "name"
    ]
    return f"{_MARKS.get(check.record.outcome, '•')} Compared with the authority's record: {', '.join(compared)}"


def _fields(record: Comparison) -> Sequence[tuple[str, RecordMatch]]:
    return (("name", record.name), ("date of birth", record.dob), ("phone number", record.phone))


def _parts(record: Comparison, word: RecordMatch) -> list[str]:
    return [part for part, found in _fields(record) if found is word]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
