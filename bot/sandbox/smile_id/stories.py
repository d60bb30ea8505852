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

    title: str
    purpose: str
    """What it is for, in one line."""

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

    @property
    def has_final_result(self) -> bool:
        """Whether Smile ID's record ever holds one; where it does not, whoever waits for it waits in vain."""
        return any(template.final and not template.looked_up for template in (*self.recorded, *self.review))


STORIES: Mapping[str, Story] = {
    "approved": Story(
        title="Approved",
        purpose="The number is found and the faces match: the everyday case.",
        machine=(m.ID_DETAILS, m.APPROVED),
    ),
    "another_person": Story(
        title="Approved, but of somebody else",
        purpose="The faces match, yet the authority's record names another person than was typed.",
        machine=(m.ID_DETAILS_OF_ANOTHER, m.APPROVED),
    ),
    "rejected": Story(
        title="Rejected",
        purpose="The number is found, but the selfie shows another face than the authority's photo.",
        machine=(m.ID_DETAILS, m.REJECTED),
    ),
    "provisional": Story(
        title="Provisional for good",
        purpose="Smile ID wants a person to look, and nobody ever does.",
        machine=(m.ID_DETAILS, m.PROVISIONAL),
    ),
    "provisional_approved": Story(
        title="Provisional, then approved",
        purpose="The first result is not final: a person at Smile ID looks, and approves.",
        machine=(m.ID_DETAILS, m.PROVISIONAL),
        review=(m.HUMAN_APPROVED,),
    ),
    "provisional_rejected": Story(
        title="Provisional, then rejected",
        purpose="The machine cannot tell; a person at Smile ID looks, and rejects.",
        machine=(m.ID_DETAILS, m.INCONCLUSIVE),
        review=(m.HUMAN_REJECTED,),
    ),
    "spoof": Story(
        title="A spoof, found by a person",
        purpose="The machine suspects a photo of a photo, and a person at Smile ID confirms it.",
        machine=(m.ID_DETAILS, m.SPOOF_SUSPECTED),
        review=(m.HUMAN_FOUND_SPOOF,),
    ),
    "spoof_strict": Story(
        title="A spoof, refused at once",
        purpose="Smile ID's strict setting refuses without asking a person.",
        machine=(m.SPOOF_REFUSED,),
    ),
    "id_not_found": Story(
        title="Number not found", purpose="The authority knows no such number.", machine=(m.NO_SUCH_ID,)
    ),
    "bad_id_format": Story(
        title="Number in the wrong form",
        purpose="The authority does not take the number's form: no result, and something to correct.",
        machine=(m.BAD_ID_FORMAT,),
    ),
    "authority_down": Story(
        title="Authority unavailable",
        purpose="Its register does not answer: no result, and a reason to run the check again later.",
        machine=(m.AUTHORITY_DOWN,),
    ),
    "no_face": Story(
        title="No face in the selfie", purpose="Smile ID finds nobody in the photo, and rejects.", machine=(m.NO_FACE,)
    ),
    "selfie_unusable": Story(
        title="Photos that cannot be read",
        purpose="Smile ID can do nothing with the photos: no result.",
        machine=(m.SELFIE_UNUSABLE,),
    ),
    "authority_photo_missing": Story(
        title="No photo at the authority",
        purpose="The number is found, but there is no photo to compare with: no result.",
        machine=(m.ID_DETAILS_WITHOUT_PHOTO, m.NO_AUTHORITY_PHOTO),
    ),
    "unverified_id": Story(
        title="Approved without the number",
        purpose="Only the selfie was registered. This must never read as approved.",
        machine=(m.APPROVED_WITHOUT_ID,),
    ),
    "unknown_code": Story(
        title="A code that nobody knows",
        purpose="The verdict stands in no table: a person has to decide.",
        machine=(m.ID_DETAILS, m.UNKNOWN_CODE),
    ),
    "suspects": Story(
        title="Approved, fraud suspected",
        purpose="A further message names other users with the same face.",
        machine=(m.ID_DETAILS, m.APPROVED, m.SUSPECTS_FOUND),
    ),
    "silent": Story(
        title="Approved without a callback",
        purpose="Nothing comes to the callback URL: the bot has to ask.",
        machine=(m.ID_DETAILS, m.APPROVED),
        sends=False,
    ),
    "never": Story(title="No answer at all", purpose="No result, however often the bot asks."),
    "repeats": Story(
        title="Every message three times",
        purpose="A repeat must post nothing new.",
        machine=(m.ID_DETAILS, m.APPROVED),
        copies=3,
    ),
    "out_of_order": Story(
        title="The newest message first",
        purpose="Messages overtake each other, and the final one counts.",
        machine=(m.HUMAN_APPROVED, m.PROVISIONAL, m.ID_DETAILS),
        on_record=(m.ID_DETAILS, m.PROVISIONAL, m.HUMAN_APPROVED),
    ),
    "contradiction": Story(
        title="Callback and record contradict",
        purpose="The callback approves, Smile ID's own record rejects: a person has to decide.",
        machine=(m.ID_DETAILS, m.APPROVED),
        on_record=(m.ID_DETAILS, m.REJECTED),
    ),
    "unconfirmed": Story(
        title="The record stays empty",
        purpose="The callback approves, but Smile ID's own record never confirms it.",
        machine=(m.ID_DETAILS, m.APPROVED),
        on_record=(),
    ),
    "second_final": Story(
        title="Rejected, later approved",
        purpose="A second final result contradicts the first: it goes back to a person.",
        machine=(m.ID_DETAILS, m.REJECTED),
        review=(m.APPROVED,),
    ),
    "callback_first": Story(
        title="The result overtakes the upload",
        purpose="The callback comes before the zip is acknowledged.",
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
