"""What can become of a job: the table of stories, and which one a job follows.

A story says what the machine finds, what a person says later, what of it goes to the callback URL, and
what job_status holds on record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import messages as m
from .info_json import id_entered
from .messages import Template
from .records import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """How one job goes on once its zip has come."""

    tells: str
    machine: tuple[Template, ...] = ()
    """Messages after the callback delay, in the order of sending."""

    review: tuple[Template, ...] = ()
    """Messages after the review delay on top."""

    on_record: tuple[Template, ...] | None = None
    """What job_status knows after the callback delay, oldest first; None: the machine's messages."""

    sends: bool = True
    copies: int = 1
    """How often each message is delivered, signed anew each time."""

    before_put_is_answered: bool = False

    @property
    def recorded(self) -> tuple[Template, ...]:
        return self.machine if self.on_record is None else self.on_record

    def sendings(self, messages: list[Message]) -> list[Message]:
        """What goes to the callback URL for these messages, in order."""
        return [message for message in messages for _ in range(self.copies)] if self.sends else []

    @property
    def waits_for_a_person(self) -> bool:
        """Whether the machine's last word is provisional."""
        return bool(self.machine) and not self.machine[-1].final


STORIES: Mapping[str, Story] = {
    "approved": Story(tells="found, faces match", machine=(m.ID_DETAILS, m.APPROVED)),
    "another_person": Story(
        tells="faces match, the number is another person's", machine=(m.ID_DETAILS_OF_ANOTHER, m.APPROVED)
    ),
    "rejected": Story(tells="found, faces differ", machine=(m.ID_DETAILS, m.REJECTED)),
    "provisional": Story(tells="nobody ever looks", machine=(m.ID_DETAILS, m.PROVISIONAL)),
    "provisional_approved": Story(
        tells="a person approves", machine=(m.ID_DETAILS, m.PROVISIONAL), review=(m.HUMAN_APPROVED,)
    ),
    "provisional_rejected": Story(
        tells="a person rejects", machine=(m.ID_DETAILS, m.INCONCLUSIVE), review=(m.HUMAN_REJECTED,)
    ),
    "spoof": Story(
        tells="a person finds a spoof", machine=(m.ID_DETAILS, m.SPOOF_SUSPECTED), review=(m.HUMAN_FOUND_SPOOF,)
    ),
    "spoof_strict": Story(tells="a spoof, and the strict setting", machine=(m.SPOOF_REFUSED,)),
    "id_not_found": Story(tells="the authority knows no such number", machine=(m.NO_SUCH_ID,)),
    "bad_id_format": Story(tells="the number has the wrong form", machine=(m.BAD_ID_FORMAT,)),
    "authority_down": Story(tells="the authority does not answer", machine=(m.AUTHORITY_DOWN,)),
    "no_face": Story(tells="the selfie shows no face", machine=(m.NO_FACE,)),
    "selfie_unusable": Story(tells="the selfie cannot be read", machine=(m.SELFIE_UNUSABLE,)),
    "authority_photo_missing": Story(
        tells="the authority holds no photo", machine=(m.ID_DETAILS_WITHOUT_PHOTO, m.NO_AUTHORITY_PHOTO)
    ),
    "unverified_id": Story(tells="only the selfie was registered", machine=(m.APPROVED_WITHOUT_ID,)),
    "unknown_code": Story(tells="a verdict in no table", machine=(m.ID_DETAILS, m.UNKNOWN_CODE)),
    "suspects": Story(tells="approved, and fraud suspected", machine=(m.ID_DETAILS, m.APPROVED, m.SUSPECTS_FOUND)),
    "silent": Story(tells="approved, but no callback", machine=(m.ID_DETAILS, m.APPROVED), sends=False),
    "never": Story(tells="no result at all"),
    "repeats": Story(tells="each message three times", machine=(m.ID_DETAILS, m.APPROVED), copies=3),
    "out_of_order": Story(
        tells="the newest message comes first",
        machine=(m.HUMAN_APPROVED, m.PROVISIONAL, m.ID_DETAILS),
        on_record=(m.ID_DETAILS, m.PROVISIONAL, m.HUMAN_APPROVED),
    ),
    "contradiction": Story(
        tells="the callback approves, the record rejects",
        machine=(m.ID_DETAILS, m.APPROVED),
        on_record=(m.ID_DETAILS, m.REJECTED),
    ),
    "unconfirmed": Story(
        tells="the callback approves, the record stays empty", machine=(m.ID_DETAILS, m.APPROVED), on_record=()
    ),
    "second_final": Story(tells="rejected, later approved", machine=(m.ID_DETAILS, m.REJECTED), review=(m.APPROVED,)),
    "callback_first": Story(
        tells="approved before the zip is acknowledged",
        machine=(m.ID_DETAILS, m.APPROVED),
        before_put_is_answered=True,
    ),
}

UNUSABLE_PACKAGE = "unusable_package"
"""Stands as the story of a job whose zip could not be used."""

_LOOK_UPS_THAT_END = {"1": "id_not_found", "2": "bad_id_format", "3": "authority_down"}
_FORCED = {"0": "approved", "1": "rejected", "2": "provisional_approved"}
"""Which codes sandbox_result yields for job type 1 is not documented; these are ours.

Nor is it documented whether a person's verdict follows after "2". One does here, unless the default story is
itself a provisional one, which then goes on in its own way: `provisional` without an end.
"""


def known(name: str) -> str:
    """The name, if there is such a story; raises `ValueError`."""
    if name not in STORIES:
        raise ValueError(f"no story {name!r}; there are {', '.join(sorted(STORIES))}")
    return name


def choose(
    info: Mapping[str, Any], partner_params: Mapping[str, Any], *, default: str, by_id_number: Mapping[str, str]
) -> str:
    """The name of the story for a sound package.

    A number with a story of its own follows that. Else the rules of Smile ID's sandbox hold: the last digit
    of the ID number decides the look-up, then `sandbox_result` in partner_params, then the default. The
    sandbox knows published test numbers alone, so other endings than 0 to 4 are not found (ours).
    """
    id_number: str = info["id_info"]["id_number"] if id_entered(info) else ""
    if id_number in by_id_number:
        return known(by_id_number[id_number])
    if id_number and id_number[-1] not in "04":
        return _LOOK_UPS_THAT_END.get(id_number[-1], "id_not_found")
    forced = str(partner_params.get("sandbox_result", ""))
    if forced == "2" and known(default) and STORIES[default].waits_for_a_person:
        return default
    return known(_FORCED.get(forced, default))
