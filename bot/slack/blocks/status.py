"""The status of a check in one line, the same wherever it appears."""

from bot.domain.check.check import Check
from bot.domain.check.masking import tail
from bot.domain.check.states import FINAL, POLLED_REASONS, State
from bot.domain.id_types.id_types import IDType
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import ReviewState
from bot.slack.blocks import approval, words
from bot.slack.blocks.text import foreign

NAME = 75
"""Longest name of a country or ID type; Slack's limit for an option of the form."""


def status_name(check: Check) -> str:
    """A reviewer's decision first, then Smile ID's status."""
    if check.decision is None:
        return verdict_name(check)
    decided, smile_id = words.DECIDED[check.decision], smile_id_says(check, why=False)
    if check.review is ReviewState.OPEN:
        return f"Needs a person: a reviewer looks again (decided before: {decided}; {smile_id})"
    return f"{decided} by a reviewer ({smile_id})"


def smile_id_says(check: Check, *, why: bool = True) -> str:
    """Smile ID's own status; only its verdict is called one."""
    if check.reason is None:
        word = words.STATE_NAMES[check.state] if check.state in FINAL else "no word yet"
        return f"Smile ID: {word}"
    word = "not final" if check.reason in POLLED_REASONS else "no verdict that counts"
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
        return f"Approved by Smile ID, but the {approval.what_differs(check)} from the authority's record"
    return words.STATE_NAMES[check.state]


def subject(check: Check, entry: IDType | None) -> str:
    """Nigeria · BVN ending 0000."""
    country = entry.country_name if entry else check.country
    name = entry.short if entry else check.id_type
    last = tail(check.id_info.get("id_number", ""))
    return f"{foreign(country, NAME)} · {foreign(name, NAME)}" + (f" ending {foreign(last)}" if last else "")


def against(check: Check) -> str:
    """How a decision that takes two people relates to what Smile ID says."""
    return "against Smile ID's verdict" if check.reason is None else "without a clear word from Smile ID"


def label(check: Check) -> str:
    """The reference, and of a row of a file its number."""
    return f"row {check.batch_row} · {check.ref}" if check.batch_row is not None else check.ref
