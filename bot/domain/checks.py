"""What a check is made of, as plain values: shared words between storage, processes and blocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.domain.liveness import Liveness
from bot.domain.outcomes import Outcome, Why
from bot.domain.record_match import NOTHING_COMPARED, Comparison
from bot.domain.reviews import Decision, ReviewState
from bot.domain.rulings import Fate, Source
from bot.domain.states import ReviewReason, State

CONSENT_NOTICE = "2026-11"
"""Version of the sentence that the requester confirms; stored with each consent and sent nowhere as text."""


class PhotoKind(StrEnum):
    SELFIE = "selfie"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRef:
    """A photo in Slack. Its bytes are fetched when the check is sent, and never kept."""

    kind: PhotoKind
    position: int
    file_id: str
    inside: str | None = None
    """Where in that file it lies when the file is a zip or a table: `zip:17`, `cell:12:selfie:0`; never a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A valid request for a check, as a person made it."""

    requester: str
    """Slack user id."""
    team: str
    channel: str
    thread_ts: str | None
    """Where the results go; None: below the message that announces the request."""
    view_id: str
    """The form, message or row it came from: a second submit of the same one is the same request."""
    country: str
    id_type: str
    id_info: Mapping[str, str] = field(repr=False)
    """Smile ID's field names to values, without country and id_type."""
    customer_reference: str = field(repr=False)
    photos: tuple[PhotoRef, ...]
    consent_at: datetime
    again: bool = False
    """The requester knows that this person was checked before, and wants it checked once more."""
    batch: str | None = None
    batch_row: int | None = None


class Held(StrEnum):
    """Why a check is not sent before the requester has answered a question."""

    PHOTOS = "photos"
    """The photos decode, but look as if Smile ID could not use them."""
    SELFIE_SEEN = "selfie_seen"
    """The same selfie was part of an earlier check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check as stored. What is personal is opened from its seal only where it is needed."""

    ref: str
    state: State
    reason: ReviewReason | None
    verdict: str | None
    """Smile ID's latest result code that counts."""
    verdict_outcome: Outcome | None
    verdict_why: Why | None
    failure: str | None
    """Why no verdict will come when that is not Smile ID's own message: a key of `words.FAILURES`."""
    failure_words: str | None
    country: str
    id_type: str
    requester: str
    channel: str
    thread_ts: str | None
    message_ts: str | None
    """The request's own message, once posted."""
    asked_at: datetime
    photos_checked_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    consent_at: datetime
    consent_by: str
    consent_notice: str
    tries: int
    """Failed tries of sending since the last step forward."""
    id_info: Mapping[str, str] = field(repr=False, default_factory=dict)
    customer_reference: str = field(repr=False, default="")
    due_at: datetime | None = None
    """When it will be sent, or be tried again."""
    attempts: int = 0
    round: int = 1
    """Counts from 1; *Run again* adds one, and attempts of earlier rounds do not count any more."""
    held: Held | None = None
    held_note: Mapping[str, Any] = field(default_factory=dict)
    """What the question is about: names of warnings, references of earlier checks; nothing personal."""
    batch: str | None = None
    batch_row: int | None = None
    """Row in the file of applicants, as a spreadsheet counts."""
    decision: Decision | None = None
    """A reviewer's, beside Smile ID's verdict."""
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    """A key of `REASONS`."""
    review: ReviewState | None = None
    """Of this round; None when nobody was ever called."""
    called: int = 0
    """Grows with everything that reviewers were called for in this round."""
    asked_again: frozenset[str] = frozenset()
    """Who ran it again, in any round."""
    record: Comparison = NOTHING_COMPARED
    """What was entered in this round against the authority's record, as far as Smile ID has told it."""
    liveness: Liveness | None = None
    """Of the verdict; None before one, and of verdicts from before this was kept."""
    liveness_images: int = 0
    """How many go to Smile ID in this round."""

    @property
    def askers(self) -> frozenset[str]:
        """Who asked for it, first or by running it again: they may not decide it."""
        return self.asked_again | {self.requester}

    @property
    def standing(self) -> str:
        """Changes whenever anything changes that a reviewer's decision rests on."""
        facts = (
            *(self.round, self.state, self.reason, self.verdict, self.verdict_outcome, self.decided_at, self.called),
            # A reviewer must not approve what they read as a match after the authority's record came to differ.
            self.record.outcome,
        )
        return "|".join(str(fact or "") for fact in facts)

    @property
    def root_ts(self) -> str | None:
        """The thread that results go to."""
        return self.thread_ts or self.message_ts


class Step(StrEnum):
    """How far an attempt is known to have come."""

    RECORDED = "recorded"
    """The job id is ours; Smile ID may have been asked."""
    PREPARED = "prepared"
    """Smile ID gave an upload URL; the zip may have been sent."""
    SENT = "sent"
    """Smile ID has the zip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One job at Smile ID."""

    job_id: str
    ref: str
    number: int
    round: int
    user_id: str
    step: Step
    in_doubt_since: datetime | None
    """An answer was lost: job_status decides before anything is sent again."""
    retry_flag: bool
    """Smile ID said 2215 for our own job: the next upload carries `retry`."""
    smile_job_id: str | None
    callback_token: str = field(repr=False)
    upload: Mapping[str, object] | None = field(repr=False, default=None)
    """Smile ID's whole answer to the upload request."""
    sent_at: datetime | None = None
    polls: int = 0
    poll_at: datetime | None = None
    overdue_told: int = 0
    claim_receipt: str | None = None
    claim_outcome: Outcome | None = None
    claim_at: datetime | None = None
    confirm_tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One message of Smile ID about one job, as kept."""

    id: str
    job_id: str
    source: Source
    fate: Fate
    code: str
    received_at: datetime
    body: str = field(repr=False)
    """JSON without pictures; sealed at rest."""


class PostKind(StrEnum):
    """Every thing the bot says of its own accord. A row holds the kind and ids; blocks are built at delivery."""

    REQUEST = "request"
    """Opens the thread; carries reference and progress."""
    PROGRESS = "progress"
    """Updates the request's message in place."""
    NOT_FINAL = "not_final"
    RESULT = "result"
    RESULT_UNCONFIRMED = "result_unconfirmed"
    APPROVAL_UNCONFIRMED = "approval_unconfirmed"
    CONFIRMED = "confirmed"
    """Updates a message that said *not yet confirmed*."""
    FAILURE = "failure"
    """No result, told by us: photos, refusals, Smile ID out of reach."""
    UNKNOWN_CODE = "unknown_code"
    ID_UNVERIFIED = "id_unverified"
    CONTRADICTION = "contradiction"
    SECOND_FINAL = "second_final"
    SUSPECTS = "suspects"
    RECORD_DIFFERS = "record_differs"
    """The authority's record came after the approval, and is not about the person who was entered."""
    OVERDUE = "overdue"
    """Seven days without a result: a reviewer is asked to look in Smile ID's portal."""
    REVIEW_NOTICE = "review_notice"
    """A card in the reviewers' channel, or a copy of it by direct message."""
    REVIEW_CARD = "review_card"
    """Updates a card in place."""
    REVIEW_CALL = "review_call"
    """Below a card, or directly: a second person is needed, it was handed on, it has been waiting."""
    DECIDED = "decided"
    """A reviewer's decision."""
    PERSONAL = "personal"
    """To somebody who chose to be told of this, by direct message."""
    ALERT = "alert"
    """To one operator, by direct message."""
    HELD = "held"
    """Asks the requester whether to send all the same."""
    HELD_ANSWERED = "held_answered"
    """Takes the buttons off that question."""
    CANCELLED = "cancelled"
    OLD_RESULT = "old_result"
    """Smile ID says something new about an attempt that was run again since."""
    BATCH = "batch"
    """Opens the thread of a batch: preview, progress, counts."""
    BATCH_PROGRESS = "batch_progress"
    """Updates the batch's message in place."""
    BATCH_FAULTS = "batch_faults"
    """The file of rows that cannot be sent, with their reasons."""
    BATCH_RESULTS = "batch_results"
    """The file of results, when the last row has ended."""
    SUMMARY = "summary"
    """The managers' figures of a period, by the clock or shared by somebody; opens a thread."""
    SUMMARY_CHART = "summary_chart"
    SUMMARY_CSV = "summary_csv"
    """The same as a picture and as a file, in that thread."""
    SUMMARY_OLDER = "summary_older"
    """One line for the periods of a long stop that are not told one by one."""
    UNANSWERED = "unanswered"
    """To one person, directly: what they wrote or pressed was never answered."""
    EXPORT = "export"
    """How far a long export is, by direct message to whoever asked for it."""
    EXPORT_PROGRESS = "export_progress"
    """Updates that message in place."""
    EXPORT_FILE = "export_file"
    """The export itself, by direct message."""


UPDATES = frozenset(
    {PostKind.PROGRESS, PostKind.CONFIRMED, PostKind.HELD_ANSWERED, PostKind.BATCH_PROGRESS, PostKind.REVIEW_CARD}
)
UPDATES |= {PostKind.EXPORT_PROGRESS}
"""Change a message that stands already; told twice they do no harm."""

FILES = frozenset({PostKind.BATCH_FAULTS, PostKind.BATCH_RESULTS, PostKind.SUMMARY_CHART, PostKind.SUMMARY_CSV})
FILES |= {PostKind.EXPORT_FILE}
"""Bring a file to a thread, or to a person."""

BATCHES = frozenset({PostKind.BATCH, PostKind.BATCH_FAULTS, PostKind.BATCH_RESULTS})
"""Tell of a file of applicants where it was dropped; results of many people at once."""

ELSEWHERE = frozenset(
    {PostKind.REVIEW_NOTICE, PostKind.REVIEW_CARD, PostKind.REVIEW_CALL, PostKind.PERSONAL, PostKind.ALERT}
)
"""About a check, but not for its thread."""

SUMMARIES = frozenset({PostKind.SUMMARY, PostKind.SUMMARY_CHART, PostKind.SUMMARY_CSV, PostKind.SUMMARY_OLDER})
"""Figures for managers."""

EXPORTS = frozenset({PostKind.EXPORT, PostKind.EXPORT_PROGRESS, PostKind.EXPORT_FILE})
"""What a manager takes out of the bot."""

URGENT = frozenset(
    {
        PostKind.REQUEST,
        PostKind.RESULT,
        PostKind.RESULT_UNCONFIRMED,
        PostKind.FAILURE,
        PostKind.HELD,
        PostKind.CANCELLED,
        PostKind.DECIDED,
        PostKind.BATCH,
        PostKind.CONTRADICTION,
        PostKind.SECOND_FINAL,
        PostKind.RECORD_DIFFERS,
        PostKind.ALERT,
    }
)
"""Opening and final posts go first."""

OVERTAKEN_BY_FINAL = frozenset({PostKind.PROGRESS, PostKind.NOT_FINAL, PostKind.APPROVAL_UNCONFIRMED})
"""Dropped when a newer event is told before they were delivered; never re-told in newer words."""

OVERTAKEN_BY_DISPUTE = OVERTAKEN_BY_FINAL | {PostKind.RESULT, PostKind.RESULT_UNCONFIRMED}
"""Dropped when Smile ID contradicted itself: a result that nobody has read yet must not appear as one any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One thing to say, as claimed by the outbox."""

    id: str
    ref: str | None
    kind: PostKind
    lane: str
    """The conversation it goes to: a channel id, or a user id for a direct message."""
    receipt: str | None
    note: Mapping[str, str]
    """Ids and keys only."""
    about: str | None
    """The post that this one belongs to: a notice's result, or the message that an update amends."""
    tries: int
    in_doubt_since: datetime | None
    created_at: datetime
    ts: str | None = None
    channel: str | None = None
