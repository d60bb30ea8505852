"""An erasure that somebody asked for: which checks it is about, what went, and what stays until when by which rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.privacy.holds import Stay


class FoundBy(StrEnum):
    """How the checks of a customer are found."""

    REF = "ref"
    CUSTOMER_REFERENCE = "customer_reference"
    ID_NUMBER = "id_number"


FOUND_BY: Mapping[FoundBy, str] = {
    FoundBy.REF: "by the reference of a check",
    FoundBy.CUSTOMER_REFERENCE: "by the customer reference",
    FoundBy.ID_NUMBER: "by the ID number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whose data is to go, or to be listed."""

    found_by: FoundBy
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What went of one check."""

    at: datetime
    gone: Mapping[str, int]
    """How many, by kind; nothing where a clock had erased it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One that was asked for. It is open until nothing of the customer is left but what must be kept."""

    id: str
    found_by: FoundBy
    asked_by: str
    asked_at: datetime
    checks: Mapping[str, Erased | None]
    """By reference; None: not erased yet."""
    looked_for: Sequence[str] = field(repr=False)
    """Keyed prints of what was looked for, so that the same wish finds this again; empty once it is done."""
    done_at: datetime | None = None
    certified: Sequence[str] = ()
    """Who gets the certificate by direct message: the users who asked in Slack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKept:
    """The record of a check, without anything of the customer."""

    until: datetime | None
    """None: it is gone, too."""
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLeft:
    """How far it is with one check."""

    ref: str
    erased: Erased | None
    stay: Stay | None
    """What stands against it, where it is not erased."""
    causes: Sequence[str] = ()
    """Why it is held."""
    record: RecordKept | None = None
    """Of an erased one."""
    in_slack: Sequence[str] = ()
    """What still stands in Slack: kinds and Slack's words for why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Files beside the database that hold some of these checks whole."""

    backups: Sequence[str]
    """Scheduled ones, by name."""
    backups_until: datetime | None
    """When the last of them has been replaced by newer ones."""
    set_aside: Sequence[str]
    """Databases that a restore has set aside, by name."""


class Traces(StrEnum):
    """Where pieces of what was erased may still lie."""

    NONE = "none"
    LOG = "log"
    """In the write-ahead log, which somebody else is reading."""
    FILE = "file"
    """Within pages of the file: it is too large to be written anew beside a bot, or the disk has no room for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an erasure is."""

    erasure: Erasure
    checks: Sequence[CheckLeft]
    copies: Copies
    traces: Traces
    """Where pieces of what was erased may lie in the database's files."""

    @property
    def is_whole(self) -> bool:
        """Nothing of the customer is left that this bot could reach."""
        return (
            all(check.erased and not check.in_slack for check in self.checks)
            and not self.copies.backups
            and not self.copies.set_aside
            and self.traces is Traces.NONE
        )
