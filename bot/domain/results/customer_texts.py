"""What a customer may be told about the end of a check: ready texts by reason and language, from a table.

The table (`bot/data/customer-messages.csv`) has a row for each reason in each language: `reason` is a member of
`CustomerReason`, `language` a tag such as `sw`, `language_name` what people choose it by, `text` what is copied, and
`read_by` names the speaker who has read it; empty until one has. A site's own copy may add languages or leave some
out. No text says anything of fraud: whoever reads it may be innocent, and whoever is not should learn nothing.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.reference_csv import rows
from bot.domain.results.codes import ResultStory
from bot.domain.review.review import Decision, ReviewState
from bot.errors import SettingsFault

MOST_CHARACTERS = 2_000
MOST_LANGUAGES = 30
"""All of them stand in one modal, of which Slack takes 100 blocks and 250,000 characters."""
_MOST_OF_NAME = 75
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
"""A tag as of BCP 47: it is part of the id of its field, of which Slack takes 255 characters."""
_COLUMNS = ("reason", "language", "language_name", "text", "read_by")


class CustomerReason(StrEnum):
    """What the customer is told about; several results may be one to them."""

    APPROVED = "approved"
    FACES_DIFFER = "faces_differ"
    NO_FACE = "no_face"
    SPOOF = "spoof"
    """As neutral as `rejected_other`: no new selfie is asked for by chat, and no suspicion told."""
    REJECTED_OTHER = "rejected_other"
    DECIDED_REJECTED = "decided_rejected"
    """By a reviewer, for whatever reason."""
    ID_NOT_FOUND = "id_not_found"
    NUMBER_FORMAT = "number_format"
    AUTHORITY_DOWN = "authority_down"
    OUR_FAULT = "our_fault"
    PHOTO_UNUSABLE = "photo_unusable"
    NEW_PHOTOS = "new_photos"
    """A reviewer asks for them."""
    NO_AUTHORITY_PHOTO = "no_authority_photo"
    FAILED_OTHER = "failed_other"


_BY_STORY: Mapping[ResultStory, CustomerReason] = {
    ResultStory.FACES_DIFFER: CustomerReason.FACES_DIFFER,
    ResultStory.SPOOF: CustomerReason.SPOOF,
    ResultStory.ID_NOT_FOUND: CustomerReason.ID_NOT_FOUND,
    ResultStory.NO_FACE: CustomerReason.NO_FACE,
    ResultStory.AUTHORITY_DOWN: CustomerReason.AUTHORITY_DOWN,
    ResultStory.REFUSED: CustomerReason.OUR_FAULT,
    ResultStory.PHOTO_UNUSABLE: CustomerReason.PHOTO_UNUSABLE,
    ResultStory.NO_AUTHORITY_PHOTO: CustomerReason.NO_AUTHORITY_PHOTO,
    ResultStory.NUMBER_FORMAT: CustomerReason.NUMBER_FORMAT,
}
_BY_FAILURE: Mapping[str, CustomerReason] = {
    "photo": CustomerReason.PHOTO_UNUSABLE,
    "input": CustomerReason.FAILED_OTHER,
    "refused": CustomerReason.OUR_FAULT,
    "smile_id_away": CustomerReason.OUR_FAULT,
    "slack_away": CustomerReason.OUR_FAULT,
    "fault": CustomerReason.OUR_FAULT,
    "unsettled": CustomerReason.FAILED_OTHER,
    "unanswered": CustomerReason.FAILED_OTHER,
}
_BY_DECISION: Mapping[Decision, CustomerReason] = {
    Decision.APPROVED: CustomerReason.APPROVED,
    Decision.REJECTED: CustomerReason.DECIDED_REJECTED,
    Decision.NEW_PHOTOS: CustomerReason.NEW_PHOTOS,
}


def customer_reason(check: Check) -> CustomerReason | None:
    """What to tell the customer now; None while there is nothing to say: not final, in review, or cancelled.

    An approval is not told while a reviewer looks at it, nor what a reviewer decided once it is looked at again.
    """
    is_reviewed = check.review is ReviewState.OPEN
    if check.decision is not None:
        return None if is_reviewed else _BY_DECISION[check.decision]
    match check.state:
        case State.APPROVED:
            return None if is_reviewed else CustomerReason.APPROVED
        case State.REJECTED:
            return _of_story(check, CustomerReason.REJECTED_OTHER)
        case State.FAILED if check.failure:
            return _BY_FAILURE.get(check.failure, CustomerReason.FAILED_OTHER)
        case State.FAILED:
            return _of_story(check, CustomerReason.FAILED_OTHER)
        case _:
            return None


def _of_story(check: Check, other: CustomerReason) -> CustomerReason:
    return _BY_STORY.get(check.verdict_why, other) if check.verdict_why is not None else other


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerText:
    """One text in one language."""

    language: str
    language_name: str
    text: str
    is_read: bool
    """A speaker has read it."""


@dataclass(frozen=True, slots=True)
class CustomerTexts:
    """The table, by reason; of each the languages in the order of the file."""

    by_reason: Mapping[CustomerReason, Sequence[CustomerText]]

    @classmethod
    def parse(cls, csv_text: str) -> "CustomerTexts":
        """Raises SettingsFault naming the line that does not fit, or the reason that a language lacks."""
        found: dict[CustomerReason, dict[str, CustomerText]] = defaultdict(dict)
        names: dict[str, str] = {}
        for where, fields in rows(csv_text, "customer messages", _COLUMNS):
            reason, text = _read(fields, where)
            if text.language in found[reason]:
                raise SettingsFault(f"{where}: a second text for {reason.value} in {text.language}")
            if names.setdefault(text.language, text.language_name) != text.language_name:
                raise SettingsFault(f"{where}: {text.language} has another name in an earlier line")
            found[reason][text.language] = text
        if not names:
            raise SettingsFault("customer messages: the table has no texts")
        if len(names) > MOST_LANGUAGES:
            raise SettingsFault(f"customer messages: the table has more than {MOST_LANGUAGES} languages")
        for language in names:
            lacking = [reason.value for reason in CustomerReason if language not in found[reason]]
            if lacking:
                raise SettingsFault(f"customer messages: {language} has no text for {', '.join(lacking)}")
        return cls({reason: tuple(texts.values()) for reason, texts in found.items()})

    def of(self, check: Check) -> Sequence[CustomerText]:
        """What to tell the customer now, in every language; empty while there is nothing to say."""
        reason = customer_reason(check)
        return self.by_reason[reason] if reason is not None else ()


def _read(fields: Mapping[str, str], where: str) -> tuple[CustomerReason, CustomerText]:
    if fields["reason"] not in set(CustomerReason):
        raise SettingsFault(f"{where}: reason {fields['reason']!r} is not known")
    for name in ("language", "language_name", "text"):
        if not fields[name]:
            raise SettingsFault(f"{where}: {name} is empty")
    if not _LANGUAGE.fullmatch(fields["language"]):
        raise SettingsFault(f"{where}: language {fields['language'][:40]!r} is no tag such as sw or pt-BR")
    if len(fields["language_name"]) > _MOST_OF_NAME:
        raise SettingsFault(f"{where}: language_name has more than {_MOST_OF_NAME} characters")
    if len(fields["text"]) > MOST_CHARACTERS:
        raise SettingsFault(f"{where}: the text has more than {MOST_CHARACTERS:,} characters")
    text = CustomerText(
        language=fields["language"],
        language_name=fields["language_name"],
        text=fields["text"],
        is_read=bool(fields["read_by"]),
    )
    return CustomerReason(fields["reason"]), text
