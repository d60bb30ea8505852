"""All that the rest of the bot knows of Smile ID, in our own terms.

`SmileID` is the interface; `bot.smile_id.v1` implements it over the v1 API. Upload URLs, zips, signatures and wire
models stay behind it, so that another of Smile ID's APIs can be a second implementation. Methods raise only the
`SmileIDError` tree of `bot.errors`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.id_types.services import PartnerIDTypes, Services
from bot.domain.results.attempt import Addressee, Attempt
from bot.domain.results.codes import ResultMeaning
from bot.domain.results.record_match import EnteredPerson, record_person


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPhoto:
    """One JPEG, ready to be sent."""

    data: bytes = field(repr=False)
    is_inline: bool = False
    """It came as base64 in a table, not as a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """The request for one Biometric KYC job."""

    job_id: str
    """Ours, made before any call."""
    user_id: str
    callback_url: str = field(repr=False)
    """Holds the secret token of this job; empty when results are only polled for."""
    id_info: Mapping[str, str] = field(repr=False)
    """By Smile ID's field names: `country`, `id_type`, `id_number`, `first_name` …"""
    consent_at: datetime
    """When the person agreed to the check."""
    labels: Mapping[str, str] = field(repr=False)
    """Our own references, which come back with every result."""
    selfie: JobPhoto
    liveness: Sequence[JobPhoto] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Progress of a submission. It must be stored before the next call: a crash may fall between the two."""

    smile_job_id: str | None
    """Smile ID's own id for the job, if it is known by now."""
    state: Mapping[str, object] = field(repr=False)
    """What the implementation needs to continue: JSON, secret, opaque to everybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Smile ID has the whole job, photos included."""

    smile_job_id: str | None


class Arrival(StrEnum):
    """Whether Smile ID has a job whose answer was lost."""

    RECEIVED = "received"
    MISSING = "missing"
    """As far as Smile ID knows at this moment: its record may lag behind by some seconds."""
    UNKNOWN = "unknown"
    """Smile ID's record does not say. Sending again might pay for the job twice."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Authority:
    """What the ID authority holds about the person. Equal to `Authority()` when the message holds nothing of it."""

    country: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    secondary_id_number: str | None = None
    full_name: str | None = None
    dob: str | None = None
    gender: str | None = None
    address: str | None = None
    phone: str | None = None
    phone2: str | None = None
    issuance_date: str | None = None
    expiration_date: str | None = None
    photo: str | None = None
    """Base64."""
    document: str | None = None
    """Base64."""
    is_alive: bool | None = None
    previously_registered: bool | None = None
    """The same ID number was enrolled before, under `previous_user_ids`."""
    previous_user_ids: tuple[str, ...] = ()
    full_data: Mapping[str, object] = field(default_factory=dict)
    """As the authority itself sent it, under the authority's own names."""

    @property
    def person(self) -> EnteredPerson:
        """The person in the record, also where only the authority's own fields name one."""
        return record_person(
            full_name=self.full_name, dob=self.dob, phones=(self.phone, self.phone2), full_data=self.full_data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Another user with the same face."""

    user_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultMessage:
    """One message of Smile ID about one job."""

    reading: ResultMeaning
    """What it means."""
    job_id: str | None
    smile_job_id: str | None
    authority: Authority = field(repr=False)
    suspects: Sequence[Suspect] = field(repr=False)
    body: Mapping[str, object] = field(repr=False)
    """As received, to be kept: `SmileID.read_message` reads it."""
    digest: str
    """SHA-256 (hex); equal for a replay with a new signature."""

    def is_about(self, attempt: Attempt) -> bool:
        """Whether this is about the given job. It may name none: Smile ID was asked about this one."""
        return self.job_id in (None, attempt.job_id) and _may_be(self.smile_job_id, attempt.smile_job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadResult:
    """A callback with a result, read as far as is needed to keep it: `SmileID.read_message` reads all of it later."""

    code: str
    """As `ResultMessage.reading` would have it."""
    job_id: str | None
    smile_job_id: str | None
    body: Mapping[str, object] = field(repr=False)
    digest: str
    """Both as those of `ResultMessage`."""

    def is_about(self, job: Addressee) -> bool:
        """Whether this is about the given job, which it must name by our own id."""
        return self.job_id == job.job_id and _may_be(self.smile_job_id, job.smile_job_id)


def _may_be(one: str | None, other: str | None) -> bool:
    """Whether both may be Smile ID's id of one job: it is not always known."""
    return not one or not other or one == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A parsed callback. Nothing of it is trusted yet."""

    body: Mapping[str, object] | None = field(repr=False)
    """None when it is no JSON object."""
    signed_at: Sequence[datetime] = ()
    """The time of each valid signature. None covers the body: anybody who caught one can send anything under it."""
    message: UnreadResult | None = None
    """None when it is not signed, or no result; or it is known already."""
    known: str | None = None
    """The digest of a message that was known, and so was not read once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Smile ID's own record of a job, requested by us."""

    messages: Sequence[ResultMessage] = ()
    """Newest first; empty while there is no result."""
    image_links: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By name; each opens the photo without a password, for a while."""


class SmileID(Protocol):
    """Smile ID for one partner, in one environment. Safe to share between tasks.

    SmileIDNotSent and SmileIDUnavailable may be retried, SmileIDRefused may not; after SmileIDUncertain and
    SmileIDAnswerInvalid call `was_received` first, since nobody knows what Smile ID has.
    """

    async def submit(self, request: JobRequest, checkpoint: Mapping[str, object] | None) -> Checkpoint | Accepted:
        """Make one step of a submission, from the stored `Checkpoint.state`, or from the start.

        Store the checkpoint that it returns, and repeat until it returns `Accepted`. To repeat a step from its
        checkpoint, after a crash or a failure that left no doubt, does not make a second job.
        """

    async def was_received(self, attempt: Attempt) -> Arrival:
        """Whether Smile ID has what was sent for this attempt. Harmless to repeat."""

    async def ask(self, attempt: Attempt) -> Record:
        """Smile ID's own record of a job. Harmless to repeat."""

    def read_callback(
        self, raw: bytes, headers: Mapping[str, str], *, is_known: Callable[[str], bool] | None = None
    ) -> Delivery:
        """Read a callback and check its signatures; never raises. `headers` must not mind upper and lower case.

        A signed message whose digest `is_known` need not be read any further.
        """

    def signature_of(self, headers: Mapping[str, str]) -> str:
        """All that `read_callback` reads of the headers: with the same body and this, a delivery is read the same."""

    def read_message(self, kept: str) -> ResultMessage:
        """Read the body of a message that was kept as JSON, without pictures. Raises SmileIDAnswerInvalid.

        Never for one of an `UnreadResult`: nobody would hear what became of it.
        """

    async def offered_id_types(self) -> Services | None:
        """ID types that Smile ID offers to anyone; None where the environment has no such list."""

    async def enabled_id_types(self) -> PartnerIDTypes | None:
        """What this partner may use, and under which conditions; None where the environment has no such list."""

    async def accepts_credentials(self) -> bool:
        """Make a harmless call. False when it was not refused, but does not prove the credentials either."""
