"""What happened in the demo's workspace yesterday and today: who did what at which time of day.

Data, and when it is; `history` plays it through the bot.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from bot.domain.review.review import Decision
from bot.sandbox.demo.people import AMINA, NIA, REMI, TUNDE, ZOLA


class Way(StrEnum):
    """How a check is asked for."""

    FORM = "/kyc"
    CHECK = "/kyc check"
    LIVENESS = "/kyc with liveness images"
    DIRECT_MESSAGE = "direct message"
    BLURRED = "/kyc with a blurred selfie"


class Ending(StrEnum):
    """The words by which the thread shows how far the check has come."""

    APPROVED = "Approved —"
    REJECTED = "Rejected —"
    NO_RESULT = "No result —"
    RECORD_DIFFERS = "Approved by Smile ID — but"
    NEEDS_A_PERSON = "Needs review —"
    NOT_FINAL = "Not final:"
    ON_ITS_WAY = "Waiting for Smile ID"
    QUESTION = "Not sent yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One person asks for one check."""

    at: time
    by: str
    story: str
    """What Smile ID's stand-in plays for it."""
    ending: Ending
    way: Way = Way.FORM
    key: str = ""
    """Names it for later steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One person drops a table with photos and sends what of it is sound."""

    at: time
    by: str
    stories: tuple[str, ...]
    """One for each sound row. Two more rows have a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmileIDDecides:
    """People at Smile ID end every review that is under way there."""

    at: time
    endings: dict[str, Ending]
    """By key of a check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    at: time
    by: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Whoever claimed it decides."""

    at: time
    by: str
    key: str
    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The person who asked takes a check back that waits for an answer."""

    at: time
    by: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Somebody asks the bot by a word after `/kyc`, and is answered alone."""

    at: time
    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHome:
    """Somebody opens their Home tab."""

    at: time
    by: str


Step: TypeAlias = Ask | Batch | SmileIDDecides | Claim | Decide | Cancel | Command | OpenHome

YESTERDAY: tuple[Step, ...] = (
    Ask(at=time(8, 41), by=AMINA, story="approved", ending=Ending.APPROVED),
    Ask(at=time(8, 44), by=TUNDE, story="approved", ending=Ending.APPROVED, way=Way.DIRECT_MESSAGE),
    Batch(at=time(9, 20), by=AMINA, stories=("approved", "approved", "rejected", "id_not_found", "approved")),
    Ask(
        at=time(10, 5),
        by=TUNDE,
        story="provisional_approved",
        ending=Ending.NOT_FINAL,
        way=Way.CHECK,
        key="looked at",
    ),
    Ask(at=time(10, 31), by=AMINA, story="rejected", ending=Ending.REJECTED),
    Ask(at=time(10, 48), by=TUNDE, story="approved", ending=Ending.APPROVED, way=Way.LIVENESS),
    Ask(at=time(11, 17), by=TUNDE, story="another_person", ending=Ending.RECORD_DIFFERS, key="married"),
    Claim(at=time(11, 26), by=REMI, key="married"),
    Decide(at=time(11, 49), by=REMI, key="married", decision=Decision.APPROVED, reason="other_documents"),
    Command(at=time(12, 9), by=TUNDE, text="list"),
    SmileIDDecides(at=time(12, 38), endings={"looked at": Ending.APPROVED}),
    Ask(at=time(13, 5), by=AMINA, story="selfie_unusable", ending=Ending.NO_RESULT),
    Ask(at=time(13, 52), by=AMINA, story="spoof", ending=Ending.NOT_FINAL, key="photo of a photo"),
    Ask(at=time(14, 20), by=TUNDE, story="authority_down", ending=Ending.NO_RESULT, way=Way.CHECK),
    Ask(at=time(14, 48), by=AMINA, story="unknown_code", ending=Ending.NEEDS_A_PERSON, key="unknown"),
    Claim(at=time(14, 56), by=ZOLA, key="unknown"),
    Decide(at=time(15, 12), by=ZOLA, key="unknown", decision=Decision.REJECTED, reason="number_of_another"),
    SmileIDDecides(at=time(15, 40), endings={"photo of a photo": Ending.REJECTED}),
    Ask(at=time(16, 10), by=TUNDE, story="contradiction", ending=Ending.NEEDS_A_PERSON, key="contradicted"),
    Ask(at=time(16, 33), by=AMINA, story="suspects", ending=Ending.APPROVED),
    Ask(at=time(16, 52), by=TUNDE, story="approved", ending=Ending.QUESTION, way=Way.BLURRED, key="blurred"),
    Cancel(at=time(16, 57), by=TUNDE, key="blurred"),
)

TODAY: tuple[Step, ...] = (
    OpenHome(at=time(8, 31), by=AMINA),
    OpenHome(at=time(8, 33), by=REMI),
    Command(at=time(8, 34), by=NIA, text="summary yesterday"),
    Ask(at=time(8, 38), by=AMINA, story="approved", ending=Ending.APPROVED),
    Ask(at=time(8, 55), by=TUNDE, story="provisional_rejected", ending=Ending.NOT_FINAL, key="unclear"),
    Ask(at=time(9, 34), by=AMINA, story="approved", ending=Ending.APPROVED, way=Way.DIRECT_MESSAGE),
    SmileIDDecides(at=time(10, 26), endings={"unclear": Ending.REJECTED}),
    Ask(at=time(11, 4), by=TUNDE, story="another_person", ending=Ending.RECORD_DIFFERS, key="waits"),
    Ask(at=time(11, 40), by=AMINA, story="no_face", ending=Ending.REJECTED),
    Ask(at=time(12, 22), by=TUNDE, story="unverified_id", ending=Ending.NEEDS_A_PERSON, key="claimed"),
    Claim(at=time(12, 50), by=REMI, key="claimed"),
    Ask(at=time(13, 28), by=TUNDE, story="approved", ending=Ending.APPROVED, way=Way.CHECK),
    Ask(at=time(14, 3), by=AMINA, story="approved", ending=Ending.APPROVED),
    Ask(at=time(15, 27), by=TUNDE, story="approved", ending=Ending.APPROVED),
    Ask(at=time(16, 15), by=AMINA, story="provisional", ending=Ending.NOT_FINAL),
    Ask(at=time(17, 17), by=TUNDE, story="never", ending=Ending.ON_ITS_WAY),
    Ask(at=time(17, 28), by=AMINA, story="approved", ending=Ending.APPROVED, way=Way.LIVENESS),
)

DAY_BEGINS, DAY_ENDS = time(8, 30), time(17, 30)
"""The day that these times are of. Where today is shorter, its steps follow each other sooner."""


def checks(steps: tuple[Step, ...]) -> int:
    """How many checks are asked for; rows with a fault are none."""
    return sum(len(step.stories) if isinstance(step, Batch) else isinstance(step, Ask) for step in steps)


def begins(now: datetime, zone: ZoneInfo) -> datetime:
    """Yesterday morning, where history begins."""
    return datetime.combine(now.astimezone(zone).date() - timedelta(days=1), DAY_BEGINS, zone)


def on_day(at: time, midnight: datetime) -> datetime:
    return datetime.combine(midnight.date(), at, midnight.tzinfo)


def fitted(at: time, midnight: datetime, now: datetime) -> datetime:
    """A time of a whole working day, moved into what there is of today, however early it is."""
    begin = max(midnight, min(on_day(DAY_BEGINS, midnight), now - timedelta(hours=4)))
    share = (_minutes(at) - _minutes(DAY_BEGINS)) / (_minutes(DAY_ENDS) - _minutes(DAY_BEGINS))
    return begin + (now - begin) * share


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
