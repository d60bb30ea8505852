"""The form: one modal, one submit; it changes as a country and an ID type are chosen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.domain.check.check import PhotoKind
from bot.domain.check.request import CITIZENSHIPS, LIVENESS_IMAGES, MAX_FILE_BYTES, MAX_TEXT
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.slack.blocks import ids
from bot.slack.blocks.text import Block, cut, mrkdwn, plain, plain_section

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
_LEAVE_OUT = ("Leave out", ids.LEAVE_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPlace:
    """Where the results will go; travels with the form, holds ids only."""

    channel: str | None
    """None: the form asks for it."""
    thread_ts: str | None = None
    rerun: str | None = None
    """The check that is run again with what the form holds; None: a new one."""
    message_ts: str | None = None
    """The message that asked for it, if choices in the form may make more of its words clear."""

    def dump(self) -> str:
        optional = {"rerun": self.rerun, "message": self.message_ts}
        ids_ = {"channel": self.channel, "thread": self.thread_ts} | {k: v for k, v in optional.items() if v}
        return json.dumps(ids_, separators=(",", ":"))

    @classmethod
    def load(cls, metadata: str) -> "ResultPlace":
        """What came back with the form; anything unreadable is no place."""
        try:
            found = json.loads(metadata)
            known = [found.get(name) for name in ("channel", "thread", "rerun", "message")]
        except (ValueError, AttributeError):
            return cls(channel=None)
        if not all(isinstance(value, str | None) for value in known):
            return cls(channel=None)
        channel, thread_ts, rerun, message_ts = known
        return cls(channel=channel, thread_ts=thread_ts, rerun=rerun, message_ts=message_ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedPhoto:
    """A photo that stands in the form by name, since Slack cannot fill a file input."""

    file_id: str
    name: str
    inside: str | None = None
    kind: PhotoKind | None = None
    """What it is proposed as; None: the person must choose."""
    fault: str | None = None
    """Why it cannot be used; then it is only told of."""

    @property
    def key(self) -> str:
        return f"{self.file_id}/{self.inside}" if self.inside else self.file_id


def build(
    id_types: IDTypes,
    *,
    place: ResultPlace,
    country: str | None = None,
    id_type: str | None = None,
    warning: str | None = None,
    attached: Sequence[AttachedPhoto] = (),
    texts: Mapping[str, str] | None = None,
    seen: str | None = None,
    title: str = "Biometric KYC check",
    not_before: bool = False,
    liveness_required: bool = False,
) -> View:
    """The form as far as it is chosen. `warning` stands on top: why a result could not be posted.

    `attached` photos stand in it with a choice each. `texts` fill fields that nobody has touched yet. `seen` says who
    was checked before, and asks whether to pay once more. `not_before` offers to choose a time. `liveness_required`: no
    check is accepted without liveness images.
    """
    texts = texts or {}
    entry = id_types.find_offered(country or "", id_type or "")
    of_country = id_types.of_country(country) if country else []
    if entry is None and len(of_country) == 1:
        entry = of_country[0]
    blocks: list[Block] = []
    if warning:
        blocks.append({"type": "section", "block_id": "warning", "text": plain(warning)})
    if place.channel is None:
        blocks.append(_channel())
    blocks += _attached(attached)
    blocks.append(
        _select(
            ids.COUNTRY,
            "Country that issued the ID",
            [(name, code) for code, name in id_types.countries().items()],
            action_id=ids.PICK_COUNTRY,
            dispatch=True,
            chosen=country,
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
                chosen=entry.id_type if entry else None,
            )
        )
    if entry:
        blocks += _fields(entry, attached, texts, liveness_required=liveness_required)
        if not_before:
            blocks.append(_not_before())
        if seen:
            blocks += _again(seen)
    else:
        blocks.append(plain_section("Choose the country and the ID type; the fields follow."))
        blocks += _carried(texts)
    return {
        "type": "modal",
        "callback_id": ids.FORM,
        "private_metadata": place.dump(),
        "title": plain(title, 24),
        "submit": plain("Send to Smile ID", 24),
        "close": plain("Cancel", 24),
        "blocks": blocks,
    }


def _carried(texts: Mapping[str, str]) -> list[Block]:
    """What is known already, in fields that keep it: those of the ID type will bear the same ids."""
    known = [name for name in LABELS if texts.get(name)]
    return [
        *(_field(name, None, texts, optional=True) for name in known),
        *([_reference(texts)] if texts.get(ids.CUSTOMER_REFERENCE) else []),
    ]


def photo_inputs(*, liveness_required: bool) -> list[Block]:
    """A selfie, and liveness images if there are any."""
    return [_selfie_input(optional=False), _liveness_input(optional=not liveness_required)]


def _selfie_input(*, optional: bool) -> Block:
    return _files(
        ids.SELFIE,
        "Another selfie" if optional else "Selfie",
        f"One face, looking at the camera. JPEG or PNG, at most {_MB} MB.",
        most=1,
        optional=optional,
    )


def _liveness_input(label: str = "Liveness images", *, optional: bool) -> Block:
    hint = (
        f"{LIVENESS_IMAGES} images of the same face, taken one after another. They show that a living person stood "
        "before the camera; without them the result proves no liveness."
    )
    return _files(ids.LIVENESS, label, hint, most=LIVENESS_IMAGES, optional=optional)


def _fields(
    entry: IDType, attached: Sequence[AttachedPhoto], texts: Mapping[str, str], *, liveness_required: bool
) -> list[Block]:
    usable = [photo for photo in attached if photo.fault is None]
    return [
        *(_field(name, entry, texts, optional=False) for name in entry.required),
        _selfie_input(optional=bool(usable)),
        _liveness_input(
            "More liveness images" if usable else "Liveness images",
            # Photos that stand in the form by name may be the liveness images.
            optional=bool(usable) or not liveness_required,
        ),
        _reference(texts),
        *(_field(name, entry, texts, optional=True) for name in entry.optional),
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


def _attached(attached: Sequence[AttachedPhoto]) -> list[Block]:
    """A choice for each photo; those that cannot be used are named with the reason."""
    blocks: list[Block] = [
        _select(
            ids.PHOTO + photo.key,
            cut(photo.name, 150) or "Photo",
            [("Selfie", PhotoKind.SELFIE.value), ("Liveness image", PhotoKind.LIVENESS.value), _LEAVE_OUT],
            action_id=ids.VALUE,
            chosen=photo.kind.value if photo.kind else None,
        )
        for photo in attached
        if photo.fault is None
    ]
    for photo in attached:
        if photo.fault is not None:
            told = plain(f"{cut(photo.name, 80) or 'A file'}: {photo.fault}")
            blocks.append({"type": "section", "block_id": ids.UNUSABLE + photo.key, "text": told})
    return blocks


def attached_in(view: View) -> list[AttachedPhoto]:
    """The photos that stand in a form which came back, and those of which it says why they cannot be used."""
    found = []
    for block in view["blocks"]:
        kind, mark, key = str(block.get("block_id", "")).partition(":")
        file_id, _, inside = key.partition("/")
        if kind + mark == ids.PHOTO:
            found.append(AttachedPhoto(file_id=file_id, inside=inside or None, name=str(block["label"]["text"])))
        elif kind + mark == ids.UNUSABLE:
            name, _, fault = str(block["text"]["text"]).partition(": ")
            found.append(AttachedPhoto(file_id=file_id, inside=inside or None, name=name, fault=fault))
    return found


def _not_before() -> Block:
    return {
        "type": "input",
        "block_id": ids.NOT_BEFORE,
        "optional": True,
        "label": plain("Not before"),
        "hint": plain("Left empty, it is sent at once. The authority's register was away the last time."),
        "element": {"type": "datetimepicker", "action_id": ids.VALUE},
    }


def _again(seen: str) -> list[Block]:
    return [
        {"type": "section", "block_id": "seen", "text": mrkdwn(seen)},
        {
            "type": "input",
            "block_id": ids.AGAIN,
            "label": plain("Checked before"),
            "element": {
                "type": "checkboxes",
                "action_id": ids.VALUE,
                "options": [_option("Check again all the same; it is charged again", ids.CHECK_AGAIN)],
            },
        },
    ]


def _reference(texts: Mapping[str, str]) -> Block:
    return _text(
        ids.CUSTOMER_REFERENCE,
        "Customer reference",
        "Your own number for this customer.",
        optional=True,
        value=texts.get(ids.CUSTOMER_REFERENCE, ""),
    )


def _field(name: str, entry: IDType | None, texts: Mapping[str, str], *, optional: bool) -> Block:
    value = texts.get(name, "")
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    if name == "dob":
        return {
            "type": "input",
            "block_id": name,
            "optional": optional,
            "label": plain(label),
            "element": {"type": "datepicker", "action_id": ids.VALUE}
            | ({"initial_date": value} if _is_date(value) else {}),
        }
    if name == "citizenship":
        return _select(
            name,
            label,
            [(c, c) for c in CITIZENSHIPS],
            action_id=ids.VALUE,
            optional=optional,
            chosen=value if value in CITIZENSHIPS else None,
        )
    hint = ""
    if name == "id_number" and entry is not None:
        label = f"{entry.label} number" if "number" not in entry.label.casefold() else entry.label
        hint = f"For example {entry.example}" if entry.example else ""
    return _text(name, label, hint, optional=optional, value=value)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _text(block_id: str, label: str, hint: str, *, optional: bool, value: str = "") -> Block:
    element: Block = {"type": "plain_text_input", "action_id": ids.VALUE, "max_length": 2 * MAX_TEXT}
    if value:
        element["initial_value"] = value[: 2 * MAX_TEXT]
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "optional": optional,
        "label": plain(label),
        "element": element,
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
    if initial := next((option for option in offered if option["value"] == chosen), None):
        element["initial_option"] = initial
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
