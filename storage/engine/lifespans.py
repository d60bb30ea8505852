"""What goes with which clock, table by table: every column that is not kept for good, and why the others stay.

`storage.retention` erases accordingly. A test compares this with the schema, so that no table and no sealed column is
added without a decision, and another compares it with what an erasure leaves behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.privacy.clocks import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifespan:
    """One table."""

    why: str
    """Why the columns that no clock names stay as long as the row, or the row for good."""
    row: Clock | None = None
    """Whole rows go with it; None: with no clock of a check."""
    columns: Mapping[str, Clock] = field(default_factory=dict)
    """Cleared with an earlier clock than the row."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Sealed columns and prints that stay as long as the row, and why."""


_OF_THE_CHECK = "what was asked for, what came of it and who decided: the record of a check"
_PERSONAL = Clock.PERSONAL

LIFESPANS: Mapping[str, Lifespan] = {
    "verifications": Lifespan(
        row=Clock.RECORD,
        columns={
            "applicant_sealed": _PERSONAL,
            "number_print": _PERSONAL,
            "reference_print": _PERSONAL,
            "held_note": _PERSONAL,
        },
        why=_OF_THE_CHECK,
    ),
    "photos": Lifespan(row=Clock.PHOTOS, why="which photos were sent; how many is part of the record"),
    "attempts": Lifespan(
        row=Clock.RECORD,
        columns={"upload_sealed": _PERSONAL},
        kept={
            "token_sealed": "a random text, by which late news of this job are known as ours",
            "token_print": "of that random text",
        },
        why="under which ids Smile ID has its own record",
    ),
    "receipts": Lifespan(
        row=Clock.RECORD,
        columns={"body_sealed": _PERSONAL, "body_sha256_sealed": _PERSONAL, "body_print": _PERSONAL},
        why="what Smile ID said: code, checks that were made, ids of its job; nothing else is left of a message",
    ),
    "reviews": Lifespan(row=Clock.RECORD, columns={"words_sealed": _PERSONAL}, why=_OF_THE_CHECK),
    "decisions": Lifespan(row=Clock.RECORD, columns={"words_sealed": _PERSONAL}, why=_OF_THE_CHECK),
    "review_notes": Lifespan(row=Clock.RECORD, columns={"words_sealed": _PERSONAL}, why=_OF_THE_CHECK),
    "review_requests": Lifespan(row=Clock.RECORD, columns={"words_sealed": _PERSONAL}, why=_OF_THE_CHECK),
    "capture_links": Lifespan(
        row=Clock.RECORD,
        columns=dict.fromkeys(("token_sealed", "token_sha256_sealed", "token_print", "device_sha256"), _PERSONAL),
        why="that the customer had a link, what they agreed to in which language, and how it ended",
    ),
    "holds": Lifespan(row=Clock.RECORD, why="why it was kept for longer, and on whose word"),
    "posts": Lifespan(row=Clock.RECORD, why="kinds, ids and where in Slack: messages are built when they are sent"),
    "spending": Lifespan(row=Clock.RECORD, why="that a check was started for a day, and by whom"),
    "check_macs": Lifespan(
        row=Clock.RECORD, kept={"mac": "proves the record as long as there is one"}, why="proves the record"
    ),
    "batches": Lifespan(
        columns={"reading_sealed": _PERSONAL, "files": _PERSONAL},
        why="that a file was sent, by whom, and how many rows it had",
    ),
    "facts": Lifespan(
        kept={"mac": "proves the figures"}, why="figures: outcome, times and country, by reference; nothing personal"
    ),
    "day_sums": Lifespan(
        kept={"mac": "proves the sums"}, why="sums of figures: outcomes and spans by country and requester, references"
    ),
    "audit": Lifespan(why="lines are only added; they hold acts and references"),
    "trail_people": Lifespan(row=_PERSONAL, why="whom a line of the audit trail is about"),
    "batch_counts": Lifespan(why="how many rows of a file stand where"),
    "check_counts": Lifespan(why="how many checks are in each state"),
    "erasures": Lifespan(
        kept={"list_sealed": "which checks were erased: a backup that is put back must lose them again"},
        why="that somebody's erasure was asked for, by whom and when",
    ),
    "slack_removals": Lifespan(
        kept={"place_sealed": "ids of messages and files that are still to be erased, or were a month ago at most"},
        why="what stands in Slack of a check that was erased; deleted a month after all of it is gone",
    ),
    "purges": Lifespan(why="what was erased when: counts"),
    "meta": Lifespan(kept={"value_sealed": "secrets of the database itself"}, why="facts of the database"),
    "alerts": Lifespan(why="when admins were last told of a kind of fault"),
    "slack_requests": Lifespan(why="ids of requests; deleted after two days"),
    "inbox": Lifespan(why="ids of messages that wait for their answer; deleted with it"),
    "look_ups": Lifespan(why="how often each of the site's people looked things up; overwritten each hour"),
    "homes": Lifespan(
        columns={"view_print": _PERSONAL}, why="which of the site's people opened a Home tab, and what they chose"
    ),
    "summaries": Lifespan(why="which summaries were posted"),
    "exports": Lifespan(why="which exports the site's people asked for"),
    "notice_choices": Lifespan(why="which notices the site's people want"),
    "instances": Lifespan(why="which processes of the bot ran; deleted a month after their end"),
    "turns": Lifespan(why="which of them does what is done once"),
    "cache_news": Lifespan(why="ids of people, groups and channels of the site that changed; deleted after an hour"),
    "pauses": Lifespan(why="ids of conversations in which Slack asked to wait; deleted once that is over"),
}
"""By table."""
