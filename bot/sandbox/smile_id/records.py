"""What the stand-in remembers, for tests and for the page that shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]
"""A result message as Smile ID writes it."""


@dataclass(slots=True, kw_only=True)
class SandboxJob:
    """One job: from the request for an upload URL to its last message."""

    job_id: str
    user_id: str
    smile_job_id: str
    story: str
    """The story it follows; until its zip has come, the one it would follow by default."""

    callback_url: str = field(repr=False)
    partner_params: dict[str, Any] = field(repr=False)
    prep_count: int = 1
    """How often an upload URL was handed out for it."""

    upload_count: int = 0
    """How many zips were taken. Only the first is looked into: what a second one does is not documented."""

    info: dict[str, Any] | None = field(default=None, repr=False)
    """info.json; None until it could be read."""

    entries: dict[str, bytes] = field(default_factory=dict, repr=False)
    """The files of the zip."""

    usable: bool = False
    """Whether its package passed all checks."""

    messages: list[Message] = field(default_factory=list, repr=False)
    """Meant for the callback URL, in the order of sending, repeats included, without time and signature."""

    record: list[Message] = field(default_factory=list, repr=False)
    """What job_status tells, oldest first; the history."""

    processed: bool = False
    """Whether the machine has looked at the zip; before, job_status answers 2314."""


@dataclass(slots=True, kw_only=True)
class SeenRequest:
    """One request to Smile ID's endpoints, written down when it arrives."""

    call: str
    """upload, put, job_status, services or products_config."""

    at: datetime
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Any] | None = field(default=None, repr=False)
    """The JSON object that came; None for anything else."""

    acted: bool = False
    """Whether the stand-in did what was asked, or refused it by its own rules."""

    status: int | None = None
    """HTTP status answered; None while there is none."""

    answer: dict[str, Any] | None = field(default=None, repr=False)
    """The JSON object answered; None for anything else."""

    seconds: float | None = None
    """From its arrival to its end; None while it is under way."""


@dataclass(slots=True, kw_only=True)
class SentCallback:
    """One try to deliver a message."""

    job_id: str
    url: str = field(repr=False)
    body: Message = field(repr=False)
    at: datetime
    status: int | None = None
    """HTTP status of the receiver; None if there was none."""

    seconds: float | None = None
    """From its start to its end; None while it is under way."""

    fault: str | None = None
    """Why there was no status."""
