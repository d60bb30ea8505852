"""What the MAC of a check covers: every column whose change could mislead, and why the others are left out.

Read by `storage.engine.macs`; a test compares it with the schema, so that no column is added without a decision. A
column added later must be NULL in the rows that are there: NULLs at the end are left out of the MAC, so that rows from
before stay as valid as they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoveredTable:
    """One table whose rows belong to a check."""

    name: str
    columns: tuple[str, ...]
    """What the MAC covers, in this order; another is added at the end, and none moved: MACs out there are of it."""
    key: tuple[str, ...]
    """Puts the rows of one check in order."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Every other column, and why its change misleads nobody."""
    in_head: bool = False
    """Its rows belong to the head of a record: lists, queues and figures are made of such tables alone."""
    through_job: bool = False
    """The check is that of the attempt with its `job_id`; else the column `ref` names it."""
    decisive: tuple[str, ...] = ()
    """Columns that no one may change in a check whose record was altered: what comes of it, and what is sent."""
    decisive_rows: bool = False
    """The same of new rows: a review, a decision, a job at Smile ID."""


_TIMER = "when work is due next: a wrong time delays, and misleads nobody"
_LEASE = "who is working on it now; every lease is dead at start"
_OWNER = "whose the lease is; a wrong one delays until that instance has ended"
_COUNTS = "counts tries, for the next delay"

COVERED = (
    CoveredTable(
        name="verifications",
        in_head=True,
        key=("ref",),
        columns=(
            *("ref", "round", "edits", "state", "reason", "verdict", "verdict_outcome", "verdict_why"),
            *("decision", "decided_at", "decided_by", "decision_reason", "failure", "failure_words"),
            *("country", "id_type", "applicant_sealed", "number_print", "reference_print", "liveness_images"),
            *("record_match", "name_match", "dob_match", "phone_match", "liveness"),
            *("requester", "asked_again", "team", "channel", "thread_ts", "message_ts", "view_id"),
            *("consent_at", "consent_by", "consent_notice", "asked_at", "photos_checked_at", "sent_at", "ended_at"),
            *("held", "held_note", "let_pass", "paused_seconds", "batch", "batch_row"),
            *("photos_erased_at", "personal_erased_at", "photos_by"),
        ),
        left_out={"due_at": _TIMER, "leased_until": _LEASE, "leased_by": _OWNER, "tries": _COUNTS},
        decisive=(
            *("round", "edits", "state", "reason", "verdict", "verdict_outcome", "verdict_why"),
            *("decision", "decided_at", "decided_by", "decision_reason", "failure", "failure_words"),
            *("applicant_sealed", "consent_at", "consent_by", "consent_notice"),
        ),
    ),
    CoveredTable(
        name="photos",
        key=("kind", "position"),
        columns=("kind", "position", "file_id", "inside", "size", "file_print", "file_sha256_sealed"),
    ),
    CoveredTable(
        name="attempts",
        key=("number",),
        columns=(
            *("job_id", "number", "round", "user_id", "step", "in_doubt_since", "token_print", "token_sealed"),
            *("smile_job_id", "created_at", "sent_at", "claim_receipt", "claim_outcome", "claim_at"),
        ),
        left_out={
            "ask_at": _TIMER,
            "poll_at": _TIMER,
            "asked_at": "when Smile ID was asked last, for the distance to the next time",
            "leased_until": _LEASE,
            "leased_by": _OWNER,
            "polls": _COUNTS,
            "confirm_tries": _COUNTS,
            "overdue_told": "how often people were told of the wait",
            "retry_flag": "nothing writes or reads it any more",
            "upload_sealed": "sealed for its job, and good for no more than sending the photos of this very job",
        },
        decisive_rows=True,
    ),
    CoveredTable(
        name="receipts",
        through_job=True,
        key=("id",),
        columns=(
            *("id", "job_id", "source", "code", "body_print", "body_sha256_sealed", "body_sealed", "fate"),
            "received_at",
        ),
    ),
    CoveredTable(
        name="reviews",
        in_head=True,
        key=("round",),
        columns=(
            *("round", "state", "opened_at", "claimed_by", "claimed_at", "first_claimed_at", "proposed"),
            *("proposed_reason", "proposed_by", "proposed_at", "proposed_override", "words_sealed", "events"),
            *("by_hand", "closed_at"),
        ),
        left_out={
            "touched_at": "since when it is silent, for the next reminder",
            "reminded": "which reminders were sent",
            "replies_due": "whether replies below the card are to be read once more",
        },
        decisive=("claimed_by", "proposed", "proposed_reason", "proposed_by", "proposed_override"),
        decisive_rows=True,
    ),
    CoveredTable(
        name="decisions",
        in_head=True,
        key=("round", "number"),
        columns=(
            *("round", "number", "decision", "reason", "words_sealed", "decided_by", "confirmed_by", "override"),
            "at",
        ),
        decisive_rows=True,
    ),
    CoveredTable(
        name="review_notes",
        in_head=True,
        key=("seq",),
        columns=("seq", "round", "author", "at", "source", "words_sealed"),
    ),
    CoveredTable(
        name="review_requests",
        key=("id",),
        columns=("id", "round", "kind", "person", "reason", "words_sealed", "at"),
    ),
    CoveredTable(
        name="facts",
        in_head=True,
        key=("round",),
        columns=(
            *("round", "person", "requester", "country", "id_type", "asked_at", "state", "reason", "why", "by_person"),
            *("machine_at", "review_at", "claimed_at", "ended_at", "decision", "decision_reason", "decided_at"),
            *("settled_at", "paused_seconds", "record_match", "liveness"),
        ),
        left_out={"mac": "the row's own MAC: figures are summed from these rows alone"},
    ),
    CoveredTable(
        name="posts",
        key=("seq",),
        columns=("seq", "id", "kind", "lane", "receipt", "note", "about"),
        left_out={
            "priority": "the order of delivery",
            "state": "how far its delivery is; the message is built from the check when it is delivered",
            "due_at": _TIMER,
            "leased_until": _LEASE,
            "leased_by": _OWNER,
            "tries": _COUNTS,
            "in_doubt_since": "whether Slack is searched before it is posted",
            "error": "Slack's word for why it was not delivered",
            "channel": "where it was delivered",
            "ts": "where it was delivered; a wrong one shows an update in another message, built from the same check",
            "created_at": "since when it waits",
            "done_at": "since when it is delivered",
        },
    ),
    CoveredTable(
        name="holds",
        key=("seq",),
        columns=("seq", "cause", "held_by", "held_at", "ended_at", "ended_by"),
    ),
    CoveredTable(
        name="capture_links",
        key=("number",),
        columns=(
            *("number", "round", "made_by", "made_at", "expires_at", "token_print", "token_sealed"),
            *("token_sha256_sealed", "told_at", "opened_at", "device_sha256", "agreed_at", "notice", "language"),
            *("taken_at", "ended_at", "ending"),
        ),
        left_out={"remind_at": _TIMER, "tries": "how often photos were handed in: bounds what one link may cost"},
        decisive=("device_sha256", "agreed_at", "taken_at"),
        decisive_rows=True,
    ),
)
"""In the order in which rows are written: those of a check, then what hangs on it."""

FRACTIONS = frozenset({"paused_seconds"})
"""Columns of type REAL; those of type BLOB end in `_sealed`, all others hold texts or whole numbers."""

LAST_ACT = "audit"
"""Of the audit trail a MAC covers how many lines name the check, and the last of them: an older copy of everything else
does not fit the trail as it is now."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "meta": "what there is one of; secrets in it are sealed",
        "check_macs": "the MACs themselves",
        "batch_counts": "how many rows of a file stand where, while it is on its way; at its end the rows are counted",
        "check_counts": "numbers for the metrics, by state; nobody is told them",
        "audit": "a chain (`chain`); of a check's lines, number and last one are covered (`LAST_ACT`)",
        "trail_people": "whom a line of the trail is about: the line itself holds the hash of it",
        "alerts": "when admins were last told of a kind of fault",
        "slack_requests": "ids of requests that were taken",
        "batches": "a file on its way; its rows become covered checks, if the trail says who confirmed it",
        "inbox": "messages that wait for their answer, by id",
        "look_ups": "how often each person looked things up in this hour",
        "homes": "who opened a Home tab",
        "spending": "how many checks were started for a day; daily limits are counted from it",
        "summaries": "which summaries were posted",
        "day_sums": "sums of facts, with MACs of their own; which are kept is sealed (`kept_sums`)",
        "exports": "what is to be exported, for whom; rights are checked when it is made",
        "notice_choices": "who wants to be told what",
        "purges": "what was erased when, in numbers",
        "erasures": "whose erasure was asked for, sealed: nobody else makes the bot erase anything",
        "slack_removals": "what is to be erased in Slack; where, and that it was asked for, is sealed",
        "instances": "which processes there are; one that is called ended begins anew under another id",
        "turns": "which instance does what is done once; a wrong one delays until that instance has ended",
        "cache_news": "what instances tell each other to look up anew: in Slack, or in what is kept already",
        "pauses": "until when nothing is posted where Slack has asked to wait",
    }
)
"""Tables without rows that belong to one check, and why none of them tells what came of a check."""
