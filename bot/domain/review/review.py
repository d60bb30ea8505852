"""What reviewers do: claim, decide, agree; who may not; and when an idle review is worth a reminder.

A decision is a person's, kept next to Smile ID's verdict and never in its place.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.domain.backoff import POLL_FOR
from bot.domain.check.states import BEFORE_SENDING, FINAL, STICKY_REASONS, ReviewReason, State
from bot.domain.results.codes import Outcome, ResultStory


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    NEW_PHOTOS = "new_photos"
    """Neither: the customer is asked for other photos, and the check is rerun with them."""


OTHER = "other"
"""The reason that needs a text of its own."""

REASONS: Mapping[Decision, Mapping[str, str]] = {
    Decision.APPROVED: {
        "same_person": "the photos show the same person",
        "other_documents": "identity shown by other documents",
        "known_customer": "a customer whose identity we know",
        OTHER: "another reason",
    },
    Decision.REJECTED: {
        "different_person": "the photos show different people",
        "not_live": "the selfie is not of a live person",
        "tampered": "a photo or document looks tampered with",
        "number_of_another": "the ID number belongs to somebody else",
        "suspected_fraud": "suspected fraud",
        OTHER: "another reason",
    },
    Decision.NEW_PHOTOS: {
        "hard_to_see": "the face cannot be seen well enough",
        "covered": "the face is covered or turned away",
        "not_original": "it looks like a photo of a photo or of a screen",
        OTHER: "another reason",
    },
}
"""Chosen from a list, so that they can be counted; what each is called."""


class ReviewState(StrEnum):
    OPEN = "open"
    """Waits for a reviewer, or is claimed by one."""
    DECIDED = "decided"
    SETTLED = "settled"
    """Smile ID gave its final result meanwhile: nothing is left to decide."""
    LEFT = "left"
    """The check was rerun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A decision that waits for a second person."""

    decision: Decision
    reason: str
    by: str
    at: datetime
    is_override: bool
    words: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDecision:
    """One decision, as it was made; a later one does not change it."""

    number: int
    """Counts from 1 within a round of a check."""
    decision: Decision
    reason: str
    by: str
    confirmed_by: str | None
    is_override: bool
    """By the requester of the check, as an admin."""
    at: datetime
    words: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a proposal was withdrawn: a second person disagreed, or who proposed it took it back."""

    decision: Decision
    """What had been proposed."""
    proposer: str
    by: str
    at: datetime
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The review of one round of a check, and its progress."""

    ref: str
    round: int
    state: ReviewState
    opened_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    touched_at: datetime | None
    """The last action here, or the last call for reviewers."""
    proposal: Proposal | None
    decided: ReviewDecision | None
    """The latest decision, also while the review is open again."""
    reminded: str
    """The last reminder given: kind and level."""
    notes: int
    is_by_hand: bool = False
    """Nothing called reviewers: somebody reopened it."""
    objection: Objection | None = None
    """The latest word against a proposal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a reviewer wrote about a check, by *Note* or below its card."""

    author: str
    at: datetime
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReview:
    """An open review, and what of its check decides who is reminded when."""

    review: Review
    state: State
    reason: ReviewReason | None
    requesters: frozenset[str]
    """They may not decide it."""


class Agreement(StrEnum):
    """How a decision compares with Smile ID's final result."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    APART = "apart"
    """Neither: Smile ID gave no verdict, or the reviewer asked for other photos of somebody it rejected."""


def agreement(decision: Decision, outcome: Outcome) -> Agreement:
    match decision, outcome:
        case (Decision.APPROVED, Outcome.APPROVED) | (Decision.REJECTED, Outcome.REJECTED):
            return Agreement.AGREES
        case (Decision.APPROVED, Outcome.REJECTED) | (_, Outcome.APPROVED):
            return Agreement.CONTRADICTS
        case _:
            return Agreement.APART


SECOND_PERSON_STORIES = (ResultStory.SUSPECTED_SPOOF, ResultStory.INCONCLUSIVE)
"""Results of Smile ID's, not final, whose approval a site may want two people for (`KYC_SECOND_PERSON_FOR`)."""


def needs_second(
    decision: Decision,
    *,
    reason: ReviewReason | None,
    verdict: Outcome | None,
    failure: str | None = None,
    story: ResultStory | None = None,
    also_for: Collection[ResultStory] = (),
) -> bool:
    """Whether one person is not enough: the decision goes against what Smile ID says.

    After a contradiction each verdict goes against one of Smile ID's two. An approval that Smile ID's own record does
    not bear out (not confirmed, or without a verified ID number) goes against that record, and so does one of a check
    that a reviewer ended because that record said nothing (`failure`). `also_for`: the results whose approval a site
    wants two people for, of which `story` may be one.
    """
    if decision is Decision.APPROVED and failure == UNANSWERED:
        return True
    if decision is Decision.APPROVED and (story is ResultStory.ID_UNVERIFIED or story in also_for):
        return True
    if reason in STICKY_REASONS:
        return decision is not Decision.NEW_PHOTOS
    if reason in (ReviewReason.UNCONFIRMED, ReviewReason.ID_UNVERIFIED):
        return decision is Decision.APPROVED
    return verdict is not None and agreement(decision, verdict) is Agreement.CONTRADICTS


def may_be_claimed(state: State) -> bool:
    """Whether there is anything to review: it was sent, and not withdrawn."""
    return state not in (*BEFORE_SENDING, State.SUBMITTING, State.CANCELLED)


def may_be_decided(state: State) -> bool:
    """Whether Smile ID has said anything that a person could decide on."""
    return may_be_claimed(state) and state is not State.PROCESSING


UNANSWERED = "unanswered"
"""Why a check has failed that a reviewer ended, since Smile ID never gave a result: a key of `words.FAILURES`."""


def is_unanswered(state: State, sent_at: datetime | None, now: datetime) -> bool:
    """Whether Smile ID has had it for a week and given no result that counts: a reviewer may end it without one.

    `sent_at` is when this round was sent. Not of a check in review, about which people decide.
    """
    return state is State.PROCESSING and sent_at is not None and now - sent_at >= POLL_FOR


def runs_again(state: State, decision: Decision | None) -> bool:
    """Whether a person may start another round: what ended without an approval that counts."""
    if decision is Decision.APPROVED:
        return False
    if state in (State.REJECTED, State.FAILED, State.CANCELLED):
        return True
    return decision is not None and state in (State.IN_REVIEW, State.APPROVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHours:
    """When people can be expected to work."""

    days: frozenset[int]
    """0 is Monday."""
    begin: time
    end: time
    """Not before `begin`; 00:00 is the end of the day."""
    zone: ZoneInfo

    def between(self, since: datetime, until: datetime) -> timedelta:
        total = timedelta(0)
        day = since.astimezone(self.zone).date()
        last = until.astimezone(self.zone).date()
        while day <= last:
            if day.weekday() in self.days:
                begins = datetime.combine(day, self.begin, self.zone).astimezone(UTC)
                ends_on = day if self.end > self.begin else day + timedelta(days=1)
                ends = datetime.combine(ends_on, self.end, self.zone).astimezone(UTC)
                total += max(timedelta(0), min(ends, until) - max(begins, since))
            day += timedelta(days=1)
        return total

    def is_on(self, now: datetime) -> bool:
        return self.between(now, now + timedelta(seconds=1)) > timedelta(0)


class ReminderCause(StrEnum):
    UNCLAIMED = "unclaimed"
    IDLE = "idle"
    """Claimed, and nothing done since."""
    PROPOSED = "proposed"
    """Decided by one person, and no second one has agreed or disagreed."""
    PENDING = "pending"
    """Smile ID itself has not finished."""


class Audience(StrEnum):
    CLAIMER = "claimer"
    GROUP = "group"
    MANAGERS = "managers"


_LADDER = (Audience.GROUP, Audience.MANAGERS)
"""Who hears of a review, one after the other; whoever has claimed it and does nothing hears first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """One step of the escalation ladder."""

    cause: ReminderCause
    level: int
    """Counts from 1."""
    audience: Audience

    @property
    def mark(self) -> str:
        """As `Review.reminded` keeps it."""
        return f"{self.cause.value}:{self.level}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderPolicy:
    """How much working time may pass before the first reminder, and before each next step."""

    unclaimed: timedelta
    idle: timedelta
    pending: timedelta
    hours: WorkingHours

    def of(self, silence: ReminderCause) -> timedelta:
        match silence:
            case ReminderCause.UNCLAIMED:
                return self.unclaimed
            case ReminderCause.IDLE | ReminderCause.PROPOSED:
                return self.idle
            case ReminderCause.PENDING:
                return self.pending


def reminder_cause(review: Review, *, waits_for_smile_id: bool) -> ReminderCause:
    if review.proposal is not None:
        return ReminderCause.PROPOSED
    if review.claimed_by is not None:
        return ReminderCause.IDLE
    return ReminderCause.PENDING if waits_for_smile_id else ReminderCause.UNCLAIMED


def waiting_since(review: Review) -> datetime:
    """The last action, or the last call for reviewers."""
    # Proposing touches a review too; the time of the proposal does not move.
    return review.touched_at or (review.proposal.at if review.proposal is not None else review.opened_at)


def reminder(review: Review, *, waits_for_smile_id: bool, now: datetime, policy: ReminderPolicy) -> Reminder | None:
    """The step that is due now and was not taken yet; after a long outage the highest one alone."""
    if review.state is not ReviewState.OPEN or not policy.hours.is_on(now):
        return None
    cause = reminder_cause(review, waits_for_smile_id=waits_for_smile_id)
    after = policy.of(cause)
    if not after:
        return None
    ladder = (Audience.CLAIMER, *_LADDER) if cause is ReminderCause.IDLE else _LADDER
    level = min(len(ladder), int(policy.hours.between(waiting_since(review), now) / after))
    before, _, taken = review.reminded.partition(":")
    if level == 0 or (before == cause and int(taken) >= level):
        return None
    return Reminder(cause=cause, level=level, audience=ladder[level - 1])


def waits_for_smile_id(state: State, reason: ReviewReason | None) -> bool:
    """Whether Smile ID itself may still end the check: people need not decide yet."""
    if state in FINAL or state in BEFORE_SENDING:
        return False
    return state is not State.IN_REVIEW or reason is ReviewReason.SMILE_ID


class Subscription(StrEnum):
    """What a person may subscribe to by direct message."""

    RESULTS = "results"
    """A final result of a check that I requested."""
    DECISIONS = "decisions"
    """A reviewer's decision about a check that I requested."""
    NEWS = "news"
    """Anything earlier that is not final."""
    CARDS = "cards"
    """A check that needs a review; for reviewers."""
    SECOND = "second"
    """A decision that needs a second person; for reviewers."""


FOR_REVIEWERS = frozenset({Subscription.CARDS, Subscription.SECOND})
