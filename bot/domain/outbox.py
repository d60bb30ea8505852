"""What the bot posts: every kind of post, and which kinds behave alike.

Which post follows which event is decided by the processes; how each is worded, by the blocks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class PostKind(StrEnum):
    """Everything the bot posts. A row holds the kind and ids; blocks are built at delivery."""

    REQUEST = "request"
    """Opens the thread; carries reference and progress."""
    PROGRESS = "progress"
    """Updates the request's message in place."""
    NOT_FINAL = "not_final"
    RESULT = "result"
    """Final and confirmed by Smile ID's own record."""
    RESULT_UNCONFIRMED = "result_unconfirmed"
    """A rejection or failure that Smile ID's own record does not show yet."""
    APPROVAL_UNCONFIRMED = "approval_unconfirmed"
    CONFIRMED = "confirmed"
    """Updates a message that said *not yet confirmed*."""
    FAILURE = "failure"
    """No result, for reasons of ours: photos, refusals, Smile ID out of reach."""
    UNKNOWN_CODE = "unknown_code"
    ID_UNVERIFIED = "id_unverified"
    CONTRADICTION = "contradiction"
    SECOND_FINAL = "second_final"
    SUSPECTS = "suspects"
    RECORD_DIFFERS = "record_differs"
    """The authority's record came after the approval, and is not about the person who was entered."""
    OVERDUE = "overdue"
    """Seven days without a result: a reviewer is asked to check Smile ID's portal."""
    REVIEW_NOTICE = "review_notice"
    """A card in the reviewers' channel, or a copy of it by direct message."""
    REVIEW_CARD = "review_card"
    """Updates a card in place."""
    REVIEW_CALL = "review_call"
    """Below a card, or directly: a second person is needed, it was reassigned, it has been waiting."""
    REVIEW_REQUESTED = "review_requested"
    """In the thread: somebody asked the reviewers to look, and why."""
    DECIDED = "decided"
    """A reviewer's decision."""
    PERSONAL = "personal"
    """To a subscriber, by direct message."""
    ALERT = "alert"
    """To one admin, by direct message."""
    HELD = "held"
    """Asks the requester whether to send all the same."""
    HELD_ANSWERED = "held_answered"
    """Takes the buttons off that question."""
    PHOTOS_ASKED = "photos_asked"
    """Asks the requester, for a reviewer, to post the photos in the thread."""
    CANCELLED = "cancelled"
    OLD_RESULT = "old_result"
    """News from Smile ID about an attempt that has been replaced."""
    BATCH = "batch"
    """Opens the thread of a batch: preview, progress, counts."""
    BATCH_LOST = "batch_lost"
    """To who sent a file, by direct message: its own message could not be posted where they sent it."""
    BATCH_PROGRESS = "batch_progress"
    """Updates the batch's message in place."""
    BATCH_APPROVAL = "batch_approval"
    """Asks one manager or admin to approve a long file, by direct message."""
    BATCH_APPROVAL_CARD = "batch_approval_card"
    """Updates that message in place."""
    BATCH_FAULTS = "batch_faults"
    """The file of rows that cannot be sent, with their reasons."""
    BATCH_RESULTS = "batch_results"
    """The file of results, when the last row has ended; by direct message if it could not be posted in its thread."""
    SUMMARY = "summary"
    """The managers' figures of a period, on schedule or shared by somebody; opens a thread."""
    SUMMARY_CHART = "summary_chart"
    SUMMARY_CSV = "summary_csv"
    """The same as a picture and as a file, in that thread."""
    SUMMARY_PICTURE = "summary_picture"
    """Puts that picture into the summary's message too."""
    SUMMARY_OLDER = "summary_older"
    """One line for the periods of a long stop that are not posted one by one."""
    ANSWER = "answer"
    """To one person: the answer to what they wrote or pressed, or that it was lost."""
    AUDIT_HEAD = "audit_head"
    """Where the audit trail ended that day, for whoever verifies it later."""
    EXPORT = "export"
    """How far a long export is, by direct message to its requester."""
    EXPORT_PROGRESS = "export_progress"
    """Updates that message in place."""
    EXPORT_FILE = "export_file"
    """The export itself, by direct message."""
    DELETION_ASKED = "deletion_asked"
    """Asks one person to delete what they put into Slack, since its time is over and the bot cannot."""
    LINK = "link"
    """To who made it, by direct message: a link with which the customer takes the photos. Nothing else holds one."""
    LINK_QR = "link_qr"
    """The same as a QR code, in the thread of that message."""
    LINK_ENDED = "link_ended"
    """Takes the link out of that message, once it works no more, and its buttons off the reminder."""
    LINK_REMINDER = "link_reminder"
    """To who made it: half of the link's time is over, and there are no photos. One for all links of a file."""
    LINK_LOST = "link_lost"
    """In the thread: the message with the link could not be delivered."""
    BATCH_LINKS = "batch_links"
    """The file of links for the customers of a file, by direct message to who made them; nothing else holds them."""
    BATCH_LINKS_LOST = "batch_links_lost"
    """In the thread of the file: those links could not be delivered."""
    CERTIFICATE = "certificate"
    """The signed certificate of an erasure, by direct message to who asked for it."""


UPDATES = frozenset(
    {
        *(PostKind.PROGRESS, PostKind.CONFIRMED, PostKind.HELD_ANSWERED, PostKind.BATCH_PROGRESS),
        *(PostKind.REVIEW_CARD, PostKind.EXPORT_PROGRESS, PostKind.SUMMARY_PICTURE, PostKind.BATCH_APPROVAL_CARD),
        PostKind.LINK_ENDED,
    }
)
"""Change a message that was posted before; repeating one does no harm."""

FILES = frozenset(
    {
        *(PostKind.BATCH_FAULTS, PostKind.BATCH_RESULTS, PostKind.SUMMARY_CHART, PostKind.SUMMARY_CSV),
        *(PostKind.EXPORT_FILE, PostKind.CERTIFICATE, PostKind.LINK_QR, PostKind.BATCH_LINKS),
    }
)
"""Bring a file to a thread, or to a person."""

LINKS = frozenset({PostKind.LINK, PostKind.LINK_QR, PostKind.BATCH_LINKS})
"""Bring links for customers: nothing else holds them, and whoever waits for one is told if it does not come."""

BATCHES = frozenset({PostKind.BATCH, PostKind.BATCH_FAULTS, PostKind.BATCH_RESULTS, PostKind.BATCH_LINKS_LOST})
"""About a file of applicants, where it was dropped; results of many people at once."""

ELSEWHERE = frozenset(
    {
        *(PostKind.REVIEW_NOTICE, PostKind.REVIEW_CARD, PostKind.REVIEW_CALL, PostKind.PERSONAL, PostKind.ALERT),
        *(PostKind.BATCH_APPROVAL, PostKind.BATCH_APPROVAL_CARD, PostKind.BATCH_LOST),
        *(PostKind.LINK, PostKind.LINK_QR, PostKind.LINK_ENDED, PostKind.LINK_REMINDER, PostKind.BATCH_LINKS),
    }
)
"""About a check or a file, but not for its thread."""

SUMMARIES = frozenset(
    {
        *(PostKind.SUMMARY, PostKind.SUMMARY_CHART, PostKind.SUMMARY_CSV, PostKind.SUMMARY_PICTURE),
        PostKind.SUMMARY_OLDER,
    }
)
"""Figures for managers."""

ADORNMENTS = frozenset({PostKind.SUMMARY_PICTURE})
"""Add to a message what stands elsewhere too: if Slack refuses, the message stays as it is, and nobody is alerted."""

EXPORTS = frozenset({PostKind.EXPORT, PostKind.EXPORT_PROGRESS, PostKind.EXPORT_FILE})
"""What a manager takes out of the bot."""

URGENT = frozenset(
    {
        *(PostKind.ANSWER, PostKind.REQUEST, PostKind.BATCH, PostKind.HELD, PostKind.CANCELLED, PostKind.ALERT),
        *(PostKind.BATCH_LOST, PostKind.RESULT, PostKind.RESULT_UNCONFIRMED, PostKind.FAILURE, PostKind.DECIDED),
        *(PostKind.CONTRADICTION, PostKind.SECOND_FINAL, PostKind.RECORD_DIFFERS),
        *(PostKind.LINK, PostKind.LINK_QR, PostKind.LINK_LOST, PostKind.BATCH_LINKS, PostKind.BATCH_LINKS_LOST),
    }
)
"""Opening and final posts go first."""

ENDS = frozenset(
    {
        *(PostKind.RESULT, PostKind.RESULT_UNCONFIRMED, PostKind.FAILURE, PostKind.DECIDED, PostKind.CANCELLED),
        *(PostKind.UNKNOWN_CODE, PostKind.ID_UNVERIFIED, PostKind.CONTRADICTION, PostKind.APPROVAL_UNCONFIRMED),
    }
)
"""How a check has come out, for the time being: result, failure, decision, or that a person must look."""

OVERTAKEN_BY_FINAL = frozenset({PostKind.NOT_FINAL, PostKind.APPROVAL_UNCONFIRMED})
"""Dropped when a newer event is posted before they were delivered; never rephrased."""

OVERTAKEN_BY_DISPUTE = OVERTAKEN_BY_FINAL | {PostKind.RESULT, PostKind.RESULT_UNCONFIRMED}
"""Dropped when Smile ID contradicted itself: a result that nobody has read yet must not appear as one any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One thing to say, as claimed by the outbox."""

    id: str
    ref: str | None
    kind: PostKind
    destination: str
    """The conversation it goes to: a channel id, or a user id for a direct message."""
    receipt: str | None
    payload: Mapping[str, str]
    """Ids and keys only."""
    parent_id: str | None
    """The post that this one belongs to: a notice's result, or the message that an update amends."""
    tries: int
    in_doubt_since: datetime | None
    created_at: datetime
    ts: str | None = None
    channel: str | None = None

    @property
    def former(self) -> list[str]:
        """The `ts` of each message that was deleted before it was posted anew as this one, oldest first."""
        # An older version kept the last one alone.
        return self.payload.get("former", self.payload.get("gone", "")).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as Slack takes it; built by the blocks, and opaque to everything else."""

    text: str
    """For notifications and screen readers."""
    blocks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLinks:
    """Where to read more about a check; None: not posted, or Slack does not say now."""

    thread: str | None = None
    """To the request's message; the thread below it has results and decisions."""
    card: str | None = None
    """To the newest card for reviewers."""


class AdminAlert(StrEnum):
    """Why admins get a direct message; the sentences are in `bot.slack.blocks.refusals`."""

    REQUESTS_REFUSED = "alert_requests_refused"
    JOBS_NOT_TOLD = "alert_jobs_not_told"
    RESULTS_NOT_GIVEN = "alert_results_not_given"
    ID_TYPE_NOT_ACTIVE = "alert_id_type_not_active"
    SMILE_ID_AWAY = "alert_smile_id_away"
    SLACK_AWAY = "alert_slack_away"
    UNSETTLED = "alert_unsettled"
    FAULT = "alert_fault"
    BACKUP = "alert_backup"
    NOT_DELIVERED = "alert_not_delivered"
    ACCESS_LOST = "alert_access_lost"
    """The recipient has no role any more."""
    REDIRECTED = "alert_redirected"
    REVIEWERS_DIRECTLY = "alert_reviewers_directly"
    NO_REVIEWER_TOLD = "alert_no_reviewer_told"
    FAULT_IN_MESSAGE = "alert_fault_in_message"
    FAULT_IN_FILE = "alert_fault_in_file"
    KEY_OF_FILE = "alert_key_of_file"
    """A file of customers is sealed with a key that is not configured."""
    DAILY_NEARLY = "alert_daily_nearly"
    """Most of the checks that all together may start in a day are started."""
    DAILY_REACHED = "alert_daily_reached"
    DAILY_OF_PERSON = "alert_daily_of_person"
    RECORD_ALTERED = "alert_record_altered"
    LOOKED_UP_TOO_OFTEN = "alert_looked_up_too_often"
    RECORDS_OLDER = "alert_records_older"
    """Some record was put back to an older state or taken away; which, nothing tells."""
    TRAIL_ALTERED = "alert_trail_altered"
    """Lines of the audit trail are not as the bot wrote them."""
    RECORDS_SEALED = "alert_records_sealed"
    """All records got their MACs, as after an update."""
    HOST_REFUSED = "alert_host_refused"
    """Slack or Smile ID named a host that a setting does not list."""
    PURGED = "alert_purged"
    """What the purge of a night has erased, and what it left."""
    PURGE_WAITS = "alert_purge_waits"
    """What it would erase if somebody had set a clock."""
    PIECES_LEFT = "alert_pieces_left"
    """Pieces of what was erased lie in the database's file, which is too large to be written anew beside the bot."""


_MARK = '{"code":'


def encode_fault(code: StrEnum, facts: Mapping[str, object]) -> str:
    """A code and its facts as one text, for a column from which the sentence is built later."""
    return json.dumps({"code": code.value, **facts}, separators=(",", ":"))


def decode_fault(text: str) -> tuple[str, dict[str, object]] | None:
    """The code and its facts; None for a sentence that an older version of the bot wrote."""
    if not text.startswith(_MARK):
        return None
    try:
        facts = json.loads(text)
    except ValueError:
        # A sentence after all, which begins as a fault does.
        return None
    return str(facts.pop("code")), facts
