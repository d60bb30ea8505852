"""The form: one modal, one submit; it changes as a country and an ID type are chosen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.blocks import ids
from bot.blocks.text import Block, cut, plain, plain_section
from bot.domain.id_types import IDType, IDTypes
from bot.domain.request import CITIZENSHIPS, LIVENESS_IMAGES, MAX_FILE_BYTES, MAX_TEXT

View = dict[str, Any]

LABELS = {
    "id_number": "ID number",
    "first_name": "First name",
    "middle_name": "Middle name",
    "last_name": "Last name",
    "dob": "Date of birth",
    "phone_number": "Phone number",
    "bank_code": "Bank code",
    "citizenship": "Citizenship",
}
_MB = MAX_FILE_BYTES // 1024 // 1024
_PHOTO_ENDINGS = ["jpg", "jpeg", "png"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the results will go; travels with the form, holds ids only."""

    channel: str | None
    """None: the form asks for it."""
    thread_ts: str | None = None

    def dump(self) -> str:
        return json.dumps({"channel": self.channel, "thread": self.thread_ts}, separators=(",", ":"))

    @classmethod
    def load(cls, metadata: str) -> "Place":
        """What came back with the form; anything unreadable is no place."""
        try:
            found = json.loads(metadata)
            channel, thread_ts = found.get("channel"), found.get("thread")
        except (ValueError, AttributeError):
            return cls(channel=None)
        if not (isinstance(channel, str | None) and isinstance(thread_ts, str | None)):
            return cls(channel=None)
        return cls(channel=channel, thread_ts=thread_ts)


def build(
    id_types: IDTypes,
    *,
    place: Place,
    country: str | None = None,
    id_type: str | None = None,
    warning: str | None = None,
) -> View:
    """The form as far as it is chosen. `warning` stands on top: why a result could not be posted."""
    entry = id_types.find_offered(country or "", id_type or "")
    of_country = id_types.of_country(country) if country else []
    if entry is None and len(of_country) == 1:
        entry = of_country[0]
    blocks: list[Block] = []
    if warning:
        blocks.append({"type": "section", "block_id": "warning", "text": plain(warning)})
    if place.channel is None:
        blocks.append(_channel())
    blocks.append(
        _select(
            ids.COUNTRY,
            "Country that issued the ID",
            [(name, code) for code, name in id_types.countries().items()],
            action_id=ids.PICK_COUNTRY,
            dispatch=True,
        )
    )
    if of_country:
        blocks.append(
            _select(
                ids.ID_TYPE,
                "ID type",
                [(f"{t.label} ({t.id_type})", t.id_type) for t in of_country],
                action_id=f"{ids.PICK_ID_TYPE}:{country}",
                dispatch=True,
                chosen=entry.id_type if entry and len(of_country) == 1 else None,
            )
        )
    if entry:
        blocks += _fields(entry)
    else:
        blocks.append(plain_section("Choose the country and the ID type; the fields follow."))
    return {
        "type": "modal",
        "callback_id": ids.FORM,
        "private_metadata": place.dump(),
        "title": plain("Biometric KYC check", 24),
        "submit": plain("Send to Smile ID", 24),
        "close": plain("Cancel", 24),
        "blocks": blocks,
    }


def _fields(entry: IDType) -> list[Block]:
    return [
        *(_field(name, entry, optional=False) for name in entry.required),
        _files(
            ids.SELFIE,
            "Selfie",
            f"One face, looking at the camera. JPEG or PNG, at most {_MB} MB.",
            most=1,
            optional=False,
        ),
        _files(
            ids.LIVENESS,
            "Liveness images",
            f"{LIVENESS_IMAGES} images of the same face, or none.",
            most=LIVENESS_IMAGES,
            optional=True,
        ),
        _text(ids.CUSTOMER_REFERENCE, "Customer reference", "Your own number for this customer.", optional=True),
        *(_field(name, entry, optional=True) for name in entry.optional),
        {
            "type": "input",
            "block_id": ids.CONSENT,
            "label": plain("Consent"),
            "hint": plain(
                "The customer knows that their photo and ID information go to Smile ID and are compared with "
                "the ID authority's record, and has explicitly agreed. Your confirmation is recorded."
            ),
            "element": {
                "type": "checkboxes",
                "action_id": ids.VALUE,
                "options": [_option("The customer has agreed to this check", ids.CONSENTED)],
            },
        },
    ]


def _field(name: str, entry: IDType, *, optional: bool) -> Block:
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    if name == "dob":
        return {
            "type": "input",
            "block_id": name,
            "optional": optional,
            "label": plain(label),
            "element": {"type": "datepicker", "action_id": ids.VALUE},
        }
    if name == "citizenship":
        return _select(name, label, [(c, c) for c in CITIZENSHIPS], action_id=ids.VALUE, optional=optional)
    hint = ""
    if name == "id_number":
        label = f"{entry.label} number" if "number" not in entry.label.casefold() else entry.label
        hint = f"For example {entry.example}" if entry.example else ""
    return _text(name, label, hint, optional=optional)


def _text(block_id: str, label: str, hint: str, *, optional: bool) -> Block:
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "optional": optional,
        "label": plain(label),
        "element": {"type": "plain_text_input", "action_id": ids.VALUE, "max_length": 2 * MAX_TEXT},
    }
    return block | {"hint": plain(hint)} if hint else block


def _files(block_id: str, label: str, hint: str, *, most: int, optional: bool) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "optional": optional,
        "label": plain(label),
        "hint": plain(hint),
        "element": {
            "type": "file_input",
            "action_id": ids.VALUE,
            "filetypes": _PHOTO_ENDINGS,
            "max_files": most,
        },
    }


def _channel() -> Block:
    return {
        "type": "input",
        "block_id": ids.CHANNEL,
        "dispatch_action": True,
        "label": plain("Channel for the results"),
        "element": {
            "type": "conversations_select",
            "action_id": ids.PICK_CHANNEL,
            "placeholder": plain("Choose a channel that I am in", 150),
            "filter": {
                "include": ["public", "private"],
                "exclude_external_shared_channels": True,
                "exclude_bot_users": True,
            },
        },
    }


def _select(
    block_id: str,
    label: str,
    options: Sequence[tuple[str, str]],
    *,
    action_id: str,
    dispatch: bool = False,
    optional: bool = False,
    chosen: str | None = None,
) -> Block:
    offered = [_option(text, value) for text, value in options[:100]]
    element: Block = {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": plain("Choose", 150),
        "options": offered,
    }
    if chosen:
        element["initial_option"] = next(o for o in offered if o["value"] == chosen)
    return {
        "type": "input",
        "block_id": block_id,
        "optional": optional,
        "dispatch_action": dispatch,
        "label": plain(label),
        "element": element,
    }


def _option(text: str, value: str) -> Block:
    return {"text": plain(cut(text, 75), 75), "value": value}
