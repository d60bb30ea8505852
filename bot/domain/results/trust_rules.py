"""What one message does to one check: the rules of trust, as a function.

A callback's signature covers no body, so a final result that came by callback is only a *claim* until Smile ID's
own record (`job_status`) says the same. Whatever does not fit is kept and marked, never an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.check.states import BEFORE_SENDING, FINAL, STICKY_REASONS, ReviewReason, State
from bot.domain.outbox import PostKind
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory, is_graver


class Source(StrEnum):
    CALLBACK = "callback"
    JOB_STATUS = "job_status"
    """Smile ID's own record, asked by us: needs no confirmation."""


class Disposition(StrEnum):
    """How a message was treated; stored with it for operators."""

    KEPT = "kept"
    """It came by callback and was answered; what it does is settled next."""
    COUNTED = "counted"
    """It moved the check or was posted."""
    CLAIMED = "claimed"
    """A final result that waits for confirmation."""
    AGREES = "agrees"
    """Says what we already know."""
    LATE = "late"
    """Not final, while a final one is known."""
    INFORMATION = "information"
    OLD_ATTEMPT = "old_attempt"
    """About an attempt that has been replaced."""
    MISFIT = "misfit"
    """Fits no move: a check not yet sent, a cancelled one, one that Smile ID has contradicted, one that ended without a
    verdict and of whose customer nothing is known any more, or an altered record."""
    REFUSED = "refused"
    """Came with a known token but was not trusted: signature, time, another job, not a message."""
    RELEASED = "released"
    """It fitted nowhere, and an operator had Smile ID's own record queried; the message no longer counts."""


CALLS_REVIEWER = frozenset(
    {
        *(PostKind.APPROVAL_UNCONFIRMED, PostKind.UNKNOWN_CODE, PostKind.ID_UNVERIFIED),
        *(PostKind.CONTRADICTION, PostKind.SECOND_FINAL, PostKind.SUSPECTS),
    }
)

_NOT_AT_SMILE_ID = BEFORE_SENDING | {State.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a check when a message comes."""

    state: State
    reason: ReviewReason | None = None
    claim: Outcome | None = None
    """A final outcome received by callback and not confirmed (posted or not)."""
    verdict: Outcome | None = None
    """The final outcome that was posted."""
    codes_told: frozenset[str] = frozenset()
    """Codes of this attempt that were posted."""
    has_failed_here: bool = False
    """It had ended without a word of Smile ID's before: by a fault, or by a reviewer."""
    story: ResultStory | None = None
    """What counts so far of what Smile ID has said of this attempt."""
    is_forgotten: bool = False
    """The customer's data is erased, and no reviewer had decided about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What to do, in one transaction."""

    fate: Disposition
    move: tuple[State, ReviewReason | None] | None = None
    tell: PostKind | None = None
    """What is posted because of the message."""
    claims: bool = False
    """Remember this message as the claim, and ask job_status now."""
    ends_claim: bool = False
    """The claim is confirmed or void."""
    against: Outcome | None = None
    """The first of two results that differ, as people know it."""

    @property
    def calls_reviewer(self) -> bool:
        return self.tell in CALLS_REVIEWER


def rule(message: ResultMeaning, source: Source, now: Situation) -> Transition:
    """Decide what one message does. The same message twice does nothing the second time."""
    if message.outcome is Outcome.INFORMATION:
        if message.why is ResultStory.SUSPECTS and message.code not in now.codes_told and not is_about_nobody(now):
            return Transition(fate=Disposition.INFORMATION, tell=PostKind.SUSPECTS)
        return Transition(fate=Disposition.INFORMATION)
    if now.state in _NOT_AT_SMILE_ID or now.reason in STICKY_REASONS or is_about_nobody(now):
        return Transition(fate=Disposition.MISFIT)
    match message.outcome:
        case Outcome.UNKNOWN:
            return _unsettling(message, now, ReviewReason.UNKNOWN_CODE, PostKind.UNKNOWN_CODE)
        case Outcome.ID_UNVERIFIED:
            if now.claim is not None or now.verdict is not None:
                return Transition(fate=Disposition.LATE)
            if _gave_up(now) or _goes_on(now):
                # Something after all, that one person alone must not approve; nor may what follows be the first word.
                return _disputed(ReviewReason.SECOND_FINAL, PostKind.ID_UNVERIFIED, Outcome.FAILED)
            return _unsettling(message, now, ReviewReason.ID_UNVERIFIED, PostKind.ID_UNVERIFIED)
        case Outcome.IN_PROGRESS:
            return _in_progress(message, now)
        case _:
            return _final(message, source, now)


def _is_told(message: ResultMeaning, now: Situation) -> bool:
    """Whether people know of it. One code may mean what is graver the second time, by its text or its other fields."""
    return message.code in now.codes_told and not is_graver(message.why, now.story)


def _unsettling(message: ResultMeaning, now: Situation, reason: ReviewReason, tell: PostKind) -> Transition:
    """A person must check. A check that awaits confirmation, or has its result, keeps its state meanwhile."""
    if _is_told(message, now):
        return Transition(fate=Disposition.AGREES)
    move: tuple[State, ReviewReason | None] | None = None
    if now.state in {State.SUBMITTING, State.PROCESSING}:
        move = (State.IN_REVIEW, reason)
    elif now.state is State.IN_REVIEW and is_graver(message.why, now.story):
        # It stays in review for its reason, under which it may still be asked about; but not one person may approve it.
        move = (State.IN_REVIEW, now.reason)
    return Transition(fate=Disposition.COUNTED, move=move if now.claim is None else None, tell=tell)


def _in_progress(message: ResultMeaning, now: Situation) -> Transition:
    # What was given up here has no final result: a spoof that Smile ID suspects after all must reach a person.
    if now.claim is not None or now.verdict is not None or (now.state in FINAL and not _gave_up(now)):
        return Transition(fate=Disposition.LATE)
    if _is_told(message, now):
        return Transition(fate=Disposition.AGREES)
    # Also from a graver cause: Smile ID works on it after all, so its record is asked again.
    moves = now.reason is not ReviewReason.SMILE_ID or is_graver(message.why, now.story)
    return Transition(
        fate=Disposition.COUNTED,
        move=(State.IN_REVIEW, ReviewReason.SMILE_ID) if moves else None,
        tell=PostKind.NOT_FINAL,
    )


def _final(message: ResultMeaning, source: Source, now: Situation) -> Transition:
    if _gave_up(now):
        # A result after all must not be mistaken for the first word.
        if message.outcome is Outcome.FAILED:
            return Transition(fate=Disposition.AGREES, ends_claim=source is Source.JOB_STATUS)
        return _second_final(Outcome.FAILED)
    if _goes_on(now) and now.claim is None and message.outcome is not Outcome.FAILED:
        # People have acted on our *no result*: this one may not pass for the first word either.
        return _second_final(Outcome.FAILED)
    known = now.claim or now.verdict
    if known is not None and known is not message.outcome:
        return _differs(message, source, now, known)
    if source is Source.CALLBACK:
        return Transition(fate=Disposition.AGREES) if known else Transition(fate=Disposition.CLAIMED, claims=True)
    if now.verdict is None:
        return Transition(
            fate=Disposition.COUNTED, move=(State(message.outcome.value), None), tell=PostKind.RESULT, ends_claim=True
        )
    if now.claim is not None:
        return Transition(fate=Disposition.AGREES, tell=PostKind.CONFIRMED, ends_claim=True)
    return Transition(fate=Disposition.AGREES)


def _differs(message: ResultMeaning, source: Source, now: Situation, known: Outcome) -> Transition:
    if source is Source.CALLBACK or now.claim is None:
        return _second_final(known)
    if message.is_id_message:
        return Transition(fate=Disposition.LATE)
    return _disputed(ReviewReason.CONTRADICTION, PostKind.CONTRADICTION, known)


def _gave_up(now: Situation) -> bool:
    """We posted *no result* ourselves, perhaps while a claim of Smile ID's was on its way to be confirmed."""
    return now.state is State.FAILED and now.verdict is None


def _goes_on(now: Situation) -> bool:
    """We had given up, and Smile ID has said since that it works on it."""
    return now.has_failed_here and now.reason is ReviewReason.SMILE_ID


def is_about_nobody(now: Situation) -> bool:
    """Whether nobody could decide what comes: it ended without a verdict or decision, and its customer was erased.

    The message is kept as evidence that it came. With a verdict it is otherwise: a record must not go on showing one
    that Smile ID has contradicted.
    """
    return now.is_forgotten and _gave_up(now)


def _second_final(first: Outcome) -> Transition:
    return _disputed(ReviewReason.SECOND_FINAL, PostKind.SECOND_FINAL, first)


def _disputed(reason: ReviewReason, tell: PostKind, first: Outcome) -> Transition:
    move = (State.IN_REVIEW, reason)
    return Transition(fate=Disposition.COUNTED, move=move, tell=tell, ends_claim=True, against=first)


def settle_unconfirmed(now: Situation) -> Transition | None:
    """Confirmation did not come in time: post what was received, as unconfirmed. None if there is nothing to post."""
    if now.claim is None or now.verdict is not None or now.reason in STICKY_REASONS:
        return None
    if now.state in _NOT_AT_SMILE_ID:
        return None
    if is_about_nobody(now):
        return Transition(fate=Disposition.MISFIT, ends_claim=True)
    if _gave_up(now):
        agrees = now.claim is Outcome.FAILED
        return Transition(fate=Disposition.AGREES, ends_claim=True) if agrees else _second_final(Outcome.FAILED)
    if now.claim is not Outcome.APPROVED:
        return Transition(
            fate=Disposition.CLAIMED, move=(State(now.claim.value), None), tell=PostKind.RESULT_UNCONFIRMED
        )
    if now.reason is ReviewReason.UNCONFIRMED:
        return None
    return Transition(
        fate=Disposition.CLAIMED, move=(State.IN_REVIEW, ReviewReason.UNCONFIRMED), tell=PostKind.APPROVAL_UNCONFIRMED
    )


def pick_record(messages: Sequence[ResultMeaning]) -> int | None:
    """Which of job_status' messages (the result first, then the history, newest first) is Smile ID's record.

    The newest one that bears a verdict; a final one comes before one that is not. ID messages (101x) are set aside
    while any other speaks: the newest of a job is often the ID one, with the verdict behind it in the history.
    """
    bearing = [n for n, message in enumerate(messages) if message.outcome is not Outcome.INFORMATION]
    spoken = [n for n in bearing if not messages[n].is_id_message] or bearing
    newest = next(iter(spoken), None)
    if newest is not None and messages[newest].outcome is Outcome.IN_PROGRESS:
        return next((n for n in spoken if messages[n].is_final), newest)
    return newest
