"""What a result message of a Biometric KYC job means.

The codes live in a table that an operator can correct (`bot/data/result-codes.csv`); only rows of job type 1
count here, since the same numbers mean other things for other products. What is not in the table is unknown,
and unknown means that a person must check it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.reference_csv import parts, rows
from bot.errors import SettingsFault


class Outcome(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    """No verdict will come: bad input, authority down, not authorised."""
    IN_PROGRESS = "in_progress"
    """Under review at Smile ID, or not final by its own word."""
    ID_UNVERIFIED = "id_unverified"
    """An approving code, but the ID number was not verified: not an approval."""
    INFORMATION = "information"
    """ID details or antifraud news next to the verdict; never a verdict."""
    UNKNOWN = "unknown"
    """Not in our table."""


FINAL_OUTCOMES = frozenset({Outcome.APPROVED, Outcome.REJECTED, Outcome.FAILED})


class ResultStory(StrEnum):
    """The story of a message; the text for each is in `bot/slack/blocks/words.py`."""

    CONFIRMED = "confirmed"
    FACES_DIFFER = "faces_differ"
    SPOOF = "spoof"
    ID_NOT_FOUND = "id_not_found"
    NO_FACE = "no_face"
    REJECTED_OTHER = "rejected_other"
    AUTHORITY_DOWN = "authority_down"
    REFUSED = "refused"
    PHOTO_UNUSABLE = "photo_unusable"
    NO_AUTHORITY_PHOTO = "no_authority_photo"
    NUMBER_FORMAT = "number_format"
    FAILED_OTHER = "failed_other"
    PROVISIONAL = "provisional"
    SUSPECTED_SPOOF = "suspected_spoof"
    INCONCLUSIVE = "inconclusive"
    NOT_FINAL = "not_final"
    ID_UNVERIFIED = "id_unverified"
    ID_DETAILS = "id_details"
    SUSPECTS = "suspects"
    ANTIFRAUD = "antifraud"
    UNKNOWN_CODE = "unknown_code"


NEEDS_REVIEWER = frozenset(
    {
        *(ResultStory.PROVISIONAL, ResultStory.SUSPECTED_SPOOF, ResultStory.INCONCLUSIVE, ResultStory.NOT_FINAL),
        *(ResultStory.ID_UNVERIFIED, ResultStory.UNKNOWN_CODE, ResultStory.SUSPECTS),
        *(ResultStory.SPOOF, ResultStory.NO_AUTHORITY_PHOTO, ResultStory.FAILED_OTHER),
    }
)
"""Reviewers are always notified of these: not final, or final and not to be mended by other photos sent in chat."""


AGAINST_APPROVAL = (ResultStory.ID_UNVERIFIED, ResultStory.SUSPECTED_SPOOF, ResultStory.INCONCLUSIVE)
"""What speaks against an approval without being final, the gravest first: nothing but a final result takes it back."""


def is_graver(story: ResultStory | None, than: ResultStory | None) -> bool:
    """Whether it speaks more against an approval than the other; what is not among `AGAINST_APPROVAL` never does."""
    return story in AGAINST_APPROVAL and (
        than not in AGAINST_APPROVAL or AGAINST_APPROVAL.index(story) < AGAINST_APPROVAL.index(than)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One row of the table, for job type 1 or for the submission and status calls."""

    code: str
    texts: tuple[str, ...]
    category: str
    final: bool
    confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultMeaning:
    """One message: its outcome and its story."""

    code: str
    text: str
    outcome: Outcome
    why: ResultStory
    actions: Mapping[str, str] = field(default_factory=dict)
    confidence: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether this message can end a check (approvals only after confirmation)."""
        return self.outcome in FINAL_OUTCOMES

    @property
    def is_id_message(self) -> bool:
        """101x: about the ID number; as the newest record it never contradicts a verdict on the face."""
        return self.code.startswith("101")


_CATEGORIES = {
    "approved": (Outcome.APPROVED, ResultStory.CONFIRMED),
    "rejected": (Outcome.REJECTED, ResultStory.REJECTED_OTHER),
    "error": (Outcome.FAILED, ResultStory.FAILED_OTHER),
    "provisional": (Outcome.IN_PROGRESS, ResultStory.PROVISIONAL),
    "suspected_spoof": (Outcome.IN_PROGRESS, ResultStory.SUSPECTED_SPOOF),
    "inconclusive": (Outcome.IN_PROGRESS, ResultStory.INCONCLUSIVE),
    "other": (Outcome.INFORMATION, ResultStory.ANTIFRAUD),
}
"""Of each the outcome, and the story of a code that has none of its own."""

_WHY_BY_CODE = {
    ("0811", "rejected"): ResultStory.FACES_DIFFER,
    ("1211", "rejected"): ResultStory.FACES_DIFFER,
    ("0813", "rejected"): ResultStory.SPOOF,
    ("0907", "rejected"): ResultStory.SPOOF,
    ("1212", "rejected"): ResultStory.SPOOF,
    ("1013", "rejected"): ResultStory.ID_NOT_FOUND,
    ("0911", "rejected"): ResultStory.NO_FACE,
    ("1015", "error"): ResultStory.AUTHORITY_DOWN,
    ("1016", "error"): ResultStory.REFUSED,
    ("1014", "error"): ResultStory.NUMBER_FORMAT,
    ("0903", "error"): ResultStory.PHOTO_UNUSABLE,
    ("1012", "other"): ResultStory.ID_DETAILS,
    ("5211", "other"): ResultStory.SUSPECTS,
}
"""By code and category: when an operator's copy reads a code differently, its usual story would be a lie."""

_COLUMNS = ("code", "text", "job_types", "category", "final", "meaning", "confidence")
_CODE = re.compile(r"[0-9]{4}")


class ResultCodes:
    """The table of result codes, and how to read a message by it."""

    def __init__(self, job_codes: Mapping[str, Code]) -> None:
        self._job_codes = job_codes

    @classmethod
    def parse(cls, csv_text: str, *, trusted: "ResultCodes | None" = None) -> "ResultCodes":
        """Read the table. An operator's copy is checked against the `trusted` one that ships with the bot.

        Raises SettingsFault for a damaged table, and for a copy that turns any code into an approval: the
        right to edit a file must not be the right to open accounts.
        """
        found: dict[str, Code] = {}
        for where, fields in rows(csv_text, "result codes", _COLUMNS):
            if (code := _code(fields, where)) is None:
                continue
            if code.code in found:
                raise SettingsFault(f"{where}: a second row for {code.code}")
            found[code.code] = code
        if not found:
            raise SettingsFault("result codes: the table has no row for job type 1")
        if trusted is not None:
            approving = {code.code for code in trusted if code.category == "approved"}
            added = sorted(c.code for c in found.values() if c.category == "approved" and c.code not in approving)
            if added:
                raise SettingsFault(f"result codes: a copy may not turn codes into approved ({', '.join(added)})")
        return cls(found)

    def __iter__(self) -> Iterator[Code]:
        return iter(self._job_codes.values())

    def read(
        self,
        *,
        code: str,
        text: str = "",
        actions: Mapping[str, str] | None = None,
        said_final: bool | None = None,
        confidence: str | None = None,
    ) -> ResultMeaning:
        """Say what a message means; never raises, whatever the code.

        `said_final` is IsFinalResult: False can make a final code non-final, True never makes one final.
        """
        actions = dict(actions or {})
        row = self._job_codes.get(code)
        if row is None:
            outcome, why = Outcome.UNKNOWN, ResultStory.UNKNOWN_CODE
        else:
            outcome, why = _CATEGORIES[row.category][0], _story(row, text)
            if outcome in FINAL_OUTCOMES and (said_final is False or not row.final):
                outcome, why = Outcome.IN_PROGRESS, ResultStory.NOT_FINAL
            # One integrator saw 0810 that was only a selfie registration (result-codes.csv, row 0810).
            elif outcome is Outcome.APPROVED and actions.get("Verify_ID_Number") != "Verified":
                outcome, why = Outcome.ID_UNVERIFIED, ResultStory.ID_UNVERIFIED
        return ResultMeaning(code=code, text=text, outcome=outcome, why=why, actions=actions, confidence=confidence)


def _story(row: Code, text: str) -> ResultStory:
    why = _WHY_BY_CODE.get((row.code, row.category)) or _CATEGORIES[row.category][1]
    folded = text.casefold()
    if row.code == "0001" and why is ResultStory.FAILED_OTHER:
        # One code with four texts.
        if "authority" in folded:
            return ResultStory.NO_AUTHORITY_PHOTO
        return ResultStory.PHOTO_UNUSABLE if "selfie" in folded or "image" in folded else why
    if why is ResultStory.SUSPECTED_SPOOF and "spoof" not in folded:
        # That 0814 and 0816 mean a spoof is an analogy with other job types; only Smile ID's own text says so.
        return ResultStory.PROVISIONAL
    return why


def _code(fields: Mapping[str, str], where: str) -> Code | None:
    """One row, if it is about job type 1. Raises SettingsFault for one that cannot be read."""
    if "1" not in parts(fields["job_types"]):
        return None
    if not _CODE.fullmatch(fields["code"]):
        raise SettingsFault(f"{where}: {fields['code']!r} is no code of four digits; did a spreadsheet cut its zeros?")
    if fields["category"] not in _CATEGORIES:
        raise SettingsFault(f"{where}: category {fields['category']!r} is not known")
    if fields["final"] not in ("yes", "no"):
        raise SettingsFault(f"{where}: final is {fields['final']!r}, not yes or no")
    return Code(
        code=fields["code"],
        texts=parts(fields["text"]),
        category=fields["category"],
        final=fields["final"] == "yes",
        confidence=fields["confidence"],
    )
