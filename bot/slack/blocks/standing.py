"""Where a check stands, for whoever asks: verdict, why, by whom, since when, and what comes next.

Names no customer and quotes nobody, so that it may be shown to everybody who may know of the check at all.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, ReviewReason, State
from bot.domain.review.review import (
    REASONS,
    Decision,
    Review,
    ReviewState,
    may_be_decided,
    waits_for_smile_id,
)
from bot.slack.blocks import capture, words
from bot.slack.blocks.status import approval_story, smile_id_says
from bot.slack.blocks.text import person, when
from bot.slack.blocks.words import Story

_UNDER_WAY = {
    State.REQUESTED: "Received",
    State.AWAITING_PHOTOS: words.STATE_NAMES[State.AWAITING_PHOTOS],
    State.SUBMITTING: "Being sent to Smile ID",
    State.PROCESSING: "Waiting for Smile ID",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All in mrkdwn; `why`, `by` and `next_step` may be empty."""

    verdict: str
    """In a few words, to be set in bold."""
    why: str = ""
    """A clause that follows the verdict after a dash."""
    by: str = ""
    """Who gave the verdict: *Smile ID*, or mentions of reviewers."""
    since: datetime
    """When it came to stand there."""
    next_step: str = ""
    """Sentences."""

    @property
    def headline(self) -> str:
        """*Rejected* — the selfie does not match the authority's photo."""
        return f"*{self.verdict}*" + (f" — {self.why}" if self.why else "")


def standing(check: Check, review: Review | None) -> Standing:
    """`review` is that of the check's round; only who, what and when are read of it, never their own words."""
    if check.is_altered:
        verdict, why = _split(words.REVIEW_NAMES[ReviewReason.ALTERED])
        return Standing(verdict=verdict, why=why, since=check.asked_at, next_step=words.AFTER_ALTERED)
    is_open = review is not None and review.state is ReviewState.OPEN
    found = _of_record(check, review, is_open=is_open)
    return found if check.erased_at is None or is_open else replace(found, next_step=words.AFTER_ERASED)


def _of_record(check: Check, review: Review | None, *, is_open: bool) -> Standing:
    if check.decision is not None and not is_open:
        return _decided(check, check.decision, review)
    if check.state in _UNDER_WAY:
        return Standing(
            verdict=_UNDER_WAY[check.state],
            since=check.sent_at or check.round_asked_at,
            next_step=_before_a_result(check, review),
        )
    if check.state is State.CANCELLED:
        end = capture.end_of(check)
        return Standing(
            verdict="Cancelled",
            why=end.why if end is not None else "before it was sent",
            since=check.ended_at or check.asked_at,
            next_step=end.next_step if end is not None else words.AFTER_CANCELLED,
        )
    story = _story(check)
    verdict, why = _split(story.name)
    if check.decision is not None:
        verdict, why = "Needs review", f"decided before: {words.DECIDED[check.decision]}; {smile_id_says(check)}"
    return Standing(
        verdict=verdict,
        why=why,
        by=_smile_id(check),
        since=check.ended_at or (review.opened_at if review is not None else check.sent_at or check.asked_at),
        next_step=_reviewing(check, review) if is_open and review is not None else _next_of(check, story),
    )


def _decided(check: Check, decision: Decision, review: Review | None) -> Standing:
    decided = review.decided if review is not None else None
    by = "a reviewer"
    if decided is not None:
        by = person(decided.by) + (f", {person(decided.confirmed_by)} agreed" if decided.confirmed_by else "")
    reason = REASONS[decision].get(check.decision_reason or "", "")
    return Standing(
        verdict=words.DECIDED[decision],
        why=f"{reason} ({smile_id_says(check)})" if reason else smile_id_says(check),
        by=by,
        since=check.decided_at or check.asked_at,
        next_step=words.AFTER[decision],
    )


def _before_a_result(check: Check, review: Review | None) -> str:
    if check.state is State.AWAITING_PHOTOS:
        return "Wait: it is sent to Smile ID once the customer has taken the photos."
    if check.state is not State.PROCESSING:
        if check.held is not None:
            return f"{person(check.requester)} must answer the question in the thread; then it is sent."
        return "Wait: it is sent to Smile ID by itself."
    if review is not None and review.state is ReviewState.OPEN:
        return f"Wait for Smile ID's result. {_reviewing(check, review)}"
    return "Wait: the result comes by itself, in the thread."


def _reviewing(check: Check, review: Review) -> str:
    """Who has to act on an open review."""
    if review.proposal is not None:
        proposed = words.DECIDED[review.proposal.decision]
        return f"A second reviewer must agree or disagree: {person(review.proposal.by)} proposes *{proposed}*."
    if review.claimed_by is not None and review.claimed_at is not None:
        return f"{person(review.claimed_by)} must decide; claimed {when(review.claimed_at)}."
    if not may_be_decided(check.state):
        return "No reviewer has claimed it yet."
    if waits_for_smile_id(check.state, check.reason):
        return "Smile ID's final result will be posted in the thread; a reviewer may decide before that."
    return "A reviewer must decide. Nobody has claimed it yet."


def _next_of(check: Check, story: Story) -> str:
    """What the result itself asks for, once no reviewer is waited for."""
    if story.calls_admins:
        return "An admin must mend this; nothing to do for who asked."
    parts = [story.next_step]
    if check.state in FINAL and check.may_run_again and "*Run again*" not in story.next_step:
        parts.append("*Run again* starts another attempt.")
    return " ".join(filter(None, parts)) or "A reviewer must look at it."


def _story(check: Check) -> Story:
    """The result that stands now, without the details of one check."""
    if check.state is State.FAILED and check.failure is not None:
        return words.FAILURES.get(check.failure, words.FAILURES["refused"])
    if check.state is State.APPROVED:
        return approval_story(check, None)
    plain = words.REVIEW_NAMES[check.reason] if check.reason is not None else words.STATE_NAMES[check.state]
    known = words.STORIES.get(check.verdict_why) if check.verdict_why is not None else None
    # The message that counts says more than the state, where both say the same; the state has the last word.
    if known is not None and _split(known.name)[0] == _split(plain)[0]:
        return known
    return Story(title=plain, next_step="" if check.state in FINAL else "Do not act on it yet.")


def _split(title: str) -> tuple[str, str]:
    """Verdict and reason of a title, which stand before and after a dash or a colon."""
    for mark in (" — ", ": "):
        verdict, found, why = title.partition(mark)
        if found:
            return verdict, why
    return title, ""


def _smile_id(check: Check) -> str:
    if check.state not in FINAL or check.verdict is None:
        return ""
    return "a person at Smile ID" if check.verdict.startswith("12") else "Smile ID"
