"""A check, its parts and what is searched for among checks, as plain values that all rooms share."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.domain.check.states import ReviewReason, State
from bot.domain.dates import day_of
from bot.domain.results.assurance import Liveness
from bot.domain.results.codes import Outcome, ResultStory
from bot.domain.results.record_match import NOTHING_COMPARED, Comparison
from bot.domain.review.review import Decision, ReviewState, runs_again
from bot.errors import Refusal, Refused

CONSENT_NOTICE = "2026-11"
"""Version of the sentence that the requester confirms; stored with each consent and sent nowhere as text."""
CUSTOMER = "customer"
"""Stands where a person of the workspace would: the customer gave consent, or did it, behind a capture link."""
EARLIER_NAMED = 3
"""Earlier checks of the same person that are named one by one; of the others only the number is given."""


class PhotoKind(StrEnum):
    SELFIE = "selfie"
    LIVENESS = "liveness"


class PhotosBy(StrEnum):
    """Which way the photos of a check come."""

    ATTACHED = "attached"
    """Whoever asks attaches them: they lie in Slack."""
    LINK = "link"
    """The customer takes them behind a capture link: they lie nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRef:
    """A photo of a check. Its bytes are fetched from Slack when the check is sent, and never kept.

    Of one that the customer took, there is no file: `file_id` is empty.
    """

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
    photos_by: PhotosBy = PhotosBy.ATTACHED
    """By link there are no photos yet, and no consent: `consent_at` is when it was asked for."""


class HoldReason(StrEnum):
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
    verdict_why: ResultStory | None
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
    """Before the customer behind a link has agreed: when this round was asked for."""
    consent_by: str
    """Who confirmed it, in Slack; `CUSTOMER` for the customer, empty until one behind a link has agreed."""
    consent_notice: str
    tries: int
    """Failed attempts at sending since the last progress."""
    id_info: Mapping[str, str] = field(repr=False, default_factory=dict)
    customer_reference: str = field(repr=False, default="")
    due_at: datetime | None = None
    """When it will be sent, or retried."""
    attempts: int = 0
    round: int = 1
    """Counts from 1; *Run again* adds one, and attempts of earlier rounds do not count any more."""
    held: HoldReason | None = None
    held_note: Mapping[str, Any] = field(default_factory=dict)
    """What the question is about: names of warnings, references of earlier checks; nothing personal."""
    batch: str | None = None
    batch_row: int | None = None
    """Row in the file of applicants, as a spreadsheet counts."""
    decision: Decision | None = None
    """A reviewer's, next to Smile ID's verdict."""
    decided_at: datetime | None = None
    decided_by: str | None = None
    """The reviewer; where two decided, the one who proposed."""
    decision_reason: str | None = None
    """A key of `REASONS`."""
    review: ReviewState | None = None
    """Of this round; None when nobody was ever called."""
    called: int = 0
    """Counts the calls for reviewers in this round."""
    asked_again: frozenset[str] = frozenset()
    """The requesters of later rounds."""
    record: Comparison = NOTHING_COMPARED
    """What was entered in this round against the authority's record, as far as Smile ID has sent it."""
    liveness: Liveness | None = None
    """Of the verdict; None before one, and of verdicts from before this was kept."""
    liveness_images: int = 0
    """How many go to Smile ID in this round."""
    edits: int = 0
    """How often it was edited before it was sent, in all rounds."""
    photos_erased_at: datetime | None = None
    """Since then nothing tells which photos were sent."""
    personal_erased_at: datetime | None = None
    """Since then nothing is known of the customer: what was entered, the authority's record, what reviewers wrote."""
    photos_by: PhotosBy = PhotosBy.ATTACHED

    @property
    def is_altered(self) -> bool:
        """Its record is not as the bot wrote it: only where it belongs was loaded, and nothing can be decided on it."""
        return self.reason is ReviewReason.ALTERED

    @property
    def erased_at(self) -> datetime | None:
        """When it became a mere record, which cannot be run again: the first of the two."""
        photos, personal = self.photos_erased_at, self.personal_erased_at
        return min(photos, personal) if photos and personal else photos or personal

    @property
    def may_run_again(self) -> bool:
        """Whether a person may start another round: it ended without an approval that counts, and is not erased."""
        return self.erased_at is None and runs_again(self.state, self.decision)

    @property
    def round_asked_at(self) -> datetime:
        """When this round was asked for: *Run again* takes a consent of its own."""
        return self.asked_at if self.round == 1 else self.consent_at

    @property
    def requesters(self) -> frozenset[str]:
        """The requesters of all rounds: they may not decide it."""
        return self.asked_again | {self.requester}

    @property
    def final_verdict(self) -> Outcome | None:
        """Smile ID's final word that counts now."""
        return self.verdict_outcome if self.state in (State.APPROVED, State.REJECTED) else None

    @property
    def version_token(self) -> str:
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


def require_unerased(check: Check) -> None:
    """Raises Refused for a check of which something is erased: what people do next needs it, or would bring it back."""
    if check.erased_at is not None:
        raise Refused(Refusal.ERASED, ref=check.ref, erased=day_of(check.erased_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in the order of asking. `newer`: the page before it, instead of the page after."""

    asked_at: datetime
    ref: str
    newer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFilter:
    """What to show; None: whatever it is."""

    requester: str | None = None
    states: Collection[State] | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    undecided: bool = False
    """With whatever waits for review, in any state, and without what a reviewer has decided otherwise."""
    refs: Collection[str] | None = None
    """Only these: they were found by a key."""
