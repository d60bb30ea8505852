"""A file of applicants, as people see it: its state, and the results of its rows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.check.check import PhotosBy
from bot.domain.check.states import State
from bot.domain.outbox import decode_fault
from bot.errors import FileCode


class BatchState(StrEnum):
    READING = "reading"
    REFUSED = "refused"
    """The file cannot be read, or changed before it was sent."""
    PREVIEW = "preview"
    """Read; waits for the requester."""
    APPROVAL = "approval"
    """Consent was confirmed; the file is so long that a second person must approve it."""
    CONFIRMED = "confirmed"
    """Consent was confirmed; its rows become checks."""
    SENDING = "sending"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    """What was not sent stays unsent; what is at Smile ID continues."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCounts:
    """Rows of a batch that are checks, by result."""

    waiting: int = 0
    """Not sent yet."""
    awaiting: int = 0
    """Wait for their customers' photos."""
    held: int = 0
    """Wait for an answer of the requester."""
    sent: int = 0
    """At Smile ID, without a result."""
    approved: int = 0
    rejected: int = 0
    failed: int = 0
    differs: int = 0
    """Approved by Smile ID, but the authority's record is of somebody else than was entered."""
    decided: int = 0
    """By a reviewer, whatever Smile ID said."""
    needs_person: int = 0
    cancelled: int = 0
    altered: int = 0
    """Their record was changed beside the bot: neither sent nor waited for, whatever they say."""

    @property
    def under_way(self) -> int:
        return self.waiting + self.awaiting + self.held + self.sent

    @property
    def ended(self) -> int:
        with_verdict = self.approved + self.differs + self.rejected + self.failed
        return with_verdict + self.decided + self.needs_person + self.cancelled + self.altered

    @property
    def total(self) -> int:
        return self.under_way + self.ended

    @classmethod
    def of(cls, rows: Iterable[tuple[str, bool, int]]) -> "BatchCounts":
        """From states (or `decided`, `differs`), whether held, and how many."""
        found: Counter[str] = Counter()
        for state, held, count in rows:
            found["held" if held and state == State.REQUESTED else _NAMES.get(state, state)] += count
        return cls(**found)


_NAMES: Mapping[str, str] = {
    State.REQUESTED: "waiting",
    State.AWAITING_PHOTOS: "awaiting",
    State.SUBMITTING: "waiting",
    State.PROCESSING: "sent",
    State.IN_REVIEW: "needs_person",
}
"""Of the counts that are not called like their state."""


CHECKED_BEFORE = "checked before"
"""Why a row looks like a repeat, where it is not the file itself that says so."""
COUNTED_FOR = timedelta(hours=24)
"""How long what somebody sends by file counts together: many short files cost what a long one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    id: str
    state: BatchState
    requester: str
    team: str
    channel: str
    message_ts: str | None
    """Its own message, which opens its thread."""
    source_ts: str
    """The message that brought the files."""
    source_thread_ts: str | None
    files: tuple[str, ...]
    """Slack's ids of the table and zips."""
    words: str | None
    """The code of why it was refused; what it names is sealed, as `refused` of the preview. An older row has both."""
    total: int
    ready: int
    repeats: int
    with_repeats: bool
    """The requester chose to send what looks like a repeat, too."""
    with_hidden: bool
    """The requester chose to send the rows that their spreadsheet program does not show, too."""
    consent_at: datetime | None
    consent_by: str | None
    asked_at: datetime
    tries: int
    approved_by: str | None = None
    """The second person, of a file that needed one."""
    preview: Mapping[str, Any] = field(repr=False)
    """`faults` (row, column, words), `repeats` (row, why), `ignored` columns, `unused` photos, `digest` of the rows,
    the `sheet` that was read, rows `above` the header, and of what is `hidden`: `sheets`, `columns`, the first `rows`
    and their `row_count`, how many are `ready` and which are `repeats`. Rows that are hidden stand nowhere else.
    Where links are offered, `by_link` is how many rows could be sent so, and `photos_by` what was chosen."""

    @property
    def has_ended(self) -> bool:
        return self.state in (BatchState.REFUSED, BatchState.CANCELLED, BatchState.DONE)

    @property
    def refused_as(self) -> str:
        """The code of why it was refused; empty where it was not, or by an older version."""
        found = decode_fault(self.words or "")
        return found[0] if found is not None else ""

    @property
    def was_never_shown(self) -> bool:
        """Refused as its preview could not be posted, which was told then: its end is no news."""
        return self.refused_as == FileCode.NOT_SHOWN

    @property
    def is_by_link(self) -> bool:
        """Whether each row's customer takes the photos, behind a link of their own."""
        return bool(self.preview.get("photos_by") == PhotosBy.LINK)

    @property
    def chosen(self) -> int:
        """How many checks its rows become, as the requester chose."""
        if self.is_by_link:
            links = self.preview["by_link"]
            return int(links["ready"]) + (int(links["repeats"]) if self.with_repeats else 0)
        hidden = self.preview.get("hidden", {}) if self.with_hidden else {}
        repeats = self.repeats + len(hidden.get("repeats", ())) if self.with_repeats else 0
        return self.ready + int(hidden.get("ready", 0)) + repeats


def sent_by_link(preview: Mapping[str, Any]) -> dict[str, Any]:
    """The preview of a file whose requester has chosen links."""
    return {**preview, "photos_by": PhotosBy.LINK.value, "kinds": preview["by_link"]["kinds"]}
