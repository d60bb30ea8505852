"""The form: one modal, one submit; it changes as a country and an ID type are chosen."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot.domain.check.check import PhotoKind
from bot.domain.check.fields import CITIZENSHIPS, MAX_TEXT
from bot.domain.check.file_kinds import PHOTO_ENDINGS
from bot.domain.check.request import LIVENESS_IMAGES, MAX_FILE_BYTES
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.text import cut

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
CONSENT_NOTICE = (
    "The customer knows that their photo and ID information go to Smile ID and are compared with the ID authority's "
    "record, and has explicitly agreed. Your confirmation is recorded."
)
_CONSENT_SCREEN = (
    "Smile ID wants its own consent screen for this ID type. "
    "An admin must ask Smile ID before it is used in production."
)
_PHOTOS_BY = (("Attached: I have them", ids.ATTACHED), ("By link: the customer takes them", ids.BY_LINK))
_BY_LINK = (
    "I send you a link by direct message, and you send it to the customer. They agree and take the selfie and "
    f"{LIVENESS_IMAGES} liveness images on their phone. No photo comes into Slack."
)
_REPLACES_SELFIE = "It replaces the selfie above."
_REPLACES_LIVENESS = f"{LIVENESS_IMAGES} new ones replace those above; fewer are added to them."
_USES = (("Selfie", PhotoKind.SELFIE.value), ("Liveness image", PhotoKind.LIVENESS.value), ("Leave out", ids.LEAVE_OUT))
"""What a photo of a message can be."""
_KINDS = frozenset(PhotoKind)
_PLACE = TypeAdapter(dict[str, str | None])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPlace:
    """Where the results will go; ids only, kept in the form's private metadata."""

    channel: str | None
    """None: the form asks for it."""
    thread_ts: str | None = None
    rerun: str | None = None
    """The check that is run again with what the form holds; None: a new one."""
    edit: str | None = None
    """The check that is edited before it is sent."""
    edits: int = 0
    """How often it had been edited when the form was opened."""
    message_ts: str | None = None
    """The message that started the form, where choices in the form may make more of its text clear."""

    def dump(self) -> str:
        optional = {"rerun": self.rerun, "message": self.message_ts, "edit": self.edit}
        if self.edit:
            optional["edits"] = str(self.edits)
        ids_ = {"channel": self.channel, "thread": self.thread_ts} | {k: v for k, v in optional.items() if v}
        return json.dumps(ids_, separators=(",", ":"))

    @classmethod
    def load(cls, metadata: str) -> "ResultPlace":
        """Read a submitted form's metadata; unreadable metadata names no place."""
        try:
            found = _PLACE.validate_json(metadata)
        except ValidationError:
            return cls(channel=None)
        channel, thread_ts, rerun, message_ts = map(found.get, ("channel", "thread", "rerun", "message"))
        edits = found.get("edits") or ""
        return cls(
            channel=channel,
            thread_ts=thread_ts,
            rerun=rerun,
            message_ts=message_ts,
            edit=found.get("edit"),
            edits=int(edits) if edits.isdecimal() else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedPhoto:
    """A photo that the form lists by name, since Slack cannot fill a file input."""

    file_id: str
    name: str
    inside: str | None = None
    kind: PhotoKind | None = None
    """The proposed use; None: the person must choose."""
    fault: str | None = None
    """Why it cannot be used; then it is only listed."""

    @property
    def key(self) -> str:
        return f"{self.file_id}/{self.inside}" if self.inside else self.file_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckForm:
    """What the form holds when it is built: what was chosen so far, and what is known already."""

    place: ResultPlace
    country: str | None = None
    id_type: str | None = None
    warning: str | None = None
    """On top: why a result could not be posted, say."""
    attached: Sequence[AttachedPhoto] = ()
    """Each gets a choice of what it is."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """For fields that nobody has touched yet."""
    seen: str | None = None
    """Earlier checks of the same person, in our own mrkdwn: the form asks whether to pay once more."""
    title: str = "Biometric KYC check"
    not_before: bool = False
    """Whether it offers to choose a time."""
    sent_at: datetime | None = None
    """The time that was chosen before."""
    used: Sequence[tuple[str, str]] = ()
    """Countries and ID types that this person asked for before, newest first: they stand first in the menus."""
    more: bool = False
    """Whether the optional fields are shown; they are also as soon as one of them holds something."""
    by_link: bool | None = None
    """Whether the customer takes the photos; None: the form does not offer that."""
    names_place: bool = False
    """Whether it says where the result is posted: the person has neither chosen the channel nor acted in it."""

    def entry(self, id_types: IDTypes) -> IDType | None:
        """The ID type that was chosen, or the only one of the country."""
        of_country = id_types.of_country(self.country) if self.country else []
        chosen = id_types.find_offered(self.country or "", self.id_type or "")
        return of_country[0] if chosen is None and len(of_country) == 1 else chosen

    def is_expanded(self, entry: IDType) -> bool:
        return self.more or any(self.texts.get(name) for name in (*entry.optional, ids.CUSTOMER_REFERENCE))


def build(form: CheckForm, id_types: IDTypes, *, liveness_required: bool = False) -> View:
    """With `liveness_required` no check is accepted without liveness images."""
    entry = form.entry(id_types)
    blocks: list[Block] = []
    if form.warning:
        blocks.append(kit.named("warning", kit.plain_section(form.warning)))
    if form.place.channel is None:
        blocks.append(_channel())
    elif form.names_place:
        blocks.append(kit.named(ids.PLACE, kit.small_mrkdwn(f"The result is posted in <#{form.place.channel}>.")))
    attached = _set_aside(form.attached) if form.by_link else _attached(form.attached)
    blocks += [*attached, *_menus(form, entry, id_types)]
    if entry:
        blocks += _fields(entry, form, liveness_required=liveness_required)
        blocks += _optional_fields(entry, form)
    else:
        blocks += [kit.plain_section("Choose the country and the ID type; the fields follow."), *_carried(form.texts)]
    submit = "Save and send" if form.place.edit else "Make the link" if form.by_link else "Send to Smile ID"
    return kit.modal(form.title, blocks, callback_id=ids.FORM, submit=submit, metadata=form.place.dump())


def _menus(form: CheckForm, entry: IDType | None, id_types: IDTypes) -> Iterator[Block]:
    used = [country for country, _id_type in form.used]
    countries = _used_first([(name, code) for code, name in id_types.countries().items()], used)
    yield _menu(ids.COUNTRY, "Country that issued the ID", countries, action_id=ids.PICK_COUNTRY, chosen=form.country)
    if form.country and (of_country := id_types.of_country(form.country)):
        used = [id_type for country, id_type in form.used if country == form.country]
        types = _used_first(_named_types(of_country), used)
        chosen = entry.id_type if entry else None
        hint = _CONSENT_SCREEN if entry and entry.consent_screen else ""
        pick = f"{ids.PICK_ID_TYPE}:{form.country}"
        yield _menu(ids.ID_TYPE, "ID type", types, action_id=pick, chosen=chosen, hint=hint)


def _used_first(options: Sequence[tuple[str, str]], used: Sequence[str]) -> list[tuple[str, str]]:
    """Texts and values, in their own order behind those that were used, the last one first."""
    return sorted(options, key=lambda option: used.index(option[1]) if option[1] in used else len(used))


def _named_types(types: Sequence[IDType]) -> list[tuple[str, str]]:
    """Names and codes; a name that two types of the country share says which of them it is."""
    names = Counter(entry.label.casefold() for entry in types)
    return [
        (entry.label if names[entry.label.casefold()] == 1 else f"{entry.label} ({entry.id_type})", entry.id_type)
        for entry in types
    ]


def _carried(texts: Mapping[str, str]) -> list[Block]:
    """Fields for what is known already. Those of the ID type will have the same ids, and so keep what they hold."""
    known = [_text_or_choice(name, None, texts, optional=True) for name in LABELS if texts.get(name)]
    return [*known, *([_reference(texts)] if texts.get(ids.CUSTOMER_REFERENCE) else [])]


def selfie_input(*, optional: bool = False, instead: str = "") -> Block:
    """`instead`: what becomes of a selfie that is there already."""
    hint = f"One face, looking at the camera. JPEG or PNG, at most {_MB} MB."
    label = "New selfie" if instead else "Selfie"
    return _files(ids.SELFIE, label, f"{instead} {hint}".lstrip(), most=1, optional=optional)


def liveness_input(*, optional: bool, instead: str = "", label: str = "Liveness images") -> Block:
    """`instead`: what becomes of liveness images that are there already."""
    hint = (
        f"{LIVENESS_IMAGES} images of the same face, taken one after another. They show that a living person stood "
        "before the camera; without them the result proves no liveness."
    )
    return _files(ids.LIVENESS, label, f"{instead} {hint}".lstrip(), most=LIVENESS_IMAGES, optional=optional)


def _files(block_id: str, label: str, hint: str, *, most: int, optional: bool) -> Block:
    element = kit.picker("file_input", filetypes=list(PHOTO_ENDINGS), max_files=most)
    return kit.input_field(block_id, label, element, hint=hint, optional=optional)


def _fields(entry: IDType, form: CheckForm, *, liveness_required: bool) -> Iterator[Block]:
    for name in entry.required:
        yield _text_or_choice(name, entry, form.texts, optional=False)
    if form.by_link is not None:
        yield _photos_by(by_link=form.by_link)
    if not form.by_link:
        yield from _photos(form, liveness_required=liveness_required)
        consent = kit.checkboxes(kit.option("The customer has agreed to this check", ids.CONSENTED))
        yield kit.input_field(ids.CONSENT, "Consent", consent, hint=CONSENT_NOTICE)
    if form.seen:
        yield kit.named("seen", kit.section(form.seen))
        again = kit.option("Check again; it is charged again", ids.CHECK_AGAIN)
        yield kit.input_field(ids.AGAIN, "Checked before", kit.checkboxes(again))
    if form.not_before and not form.by_link:
        hint = "Leave it empty to send at once. The authority's register was unavailable the last time."
        chosen = {"initial_date_time": int(form.sent_at.timestamp())} if form.sent_at is not None else {}
        picker = kit.picker("datetimepicker", **chosen)
        yield kit.input_field(ids.NOT_BEFORE, "Not before", picker, hint=hint, optional=True)


def _photos_by(*, by_link: bool) -> Block:
    """Changes the form at once: by link it asks for no photos, and the customer gives the consent."""
    chosen = ids.BY_LINK if by_link else ids.ATTACHED
    element = kit.radio(_PHOTOS_BY, action_id=ids.PICK_PHOTOS_BY, chosen=chosen)
    return kit.input_field(ids.PHOTOS_BY, "Photos", element, hint=_BY_LINK if by_link else "", dispatch=True)


def _photos(form: CheckForm, *, liveness_required: bool) -> Iterator[Block]:
    # The photos of the message may be any of them.
    if any(photo.fault is None for photo in form.attached):
        yield selfie_input(optional=True, instead=_REPLACES_SELFIE)
        yield liveness_input(optional=True, instead=_REPLACES_LIVENESS, label="More liveness images")
    else:
        yield selfie_input()
        yield liveness_input(optional=not liveness_required)


def _optional_fields(entry: IDType, form: CheckForm) -> Iterator[Block]:
    """Behind a button, after everything that must be filled in: most checks need none of them."""
    if form.is_expanded(entry):
        yield _reference(form.texts)
        for name in entry.optional:
            yield _text_or_choice(name, entry, form.texts, optional=True)
        return
    names = ["customer reference", *(_label(name)[:1].lower() + _label(name)[1:] for name in entry.optional)]
    told = f"All optional: {', '.join(names)}."
    if "first_name" in entry.optional:
        told += " With a name, the result says whether it is the one in the authority's record."
    button = kit.button(ids.MORE_FIELDS, "More fields", ids.MORE_FIELDS, label="More fields, all optional")
    yield kit.named(ids.MORE_FIELDS, kit.actions(button))
    yield kit.named(ids.MORE_FIELDS + ":names", kit.small(told))


def _attached(attached: Sequence[AttachedPhoto]) -> list[Block]:
    """A choice for each photo; then those that cannot be used, with the reason."""
    usable = [
        kit.input_field(
            ids.PHOTO + photo.key,
            cut(photo.name, 150) or "Photo",
            kit.select(_USES, chosen=photo.kind.value if photo.kind else None, placeholder="Choose"),
        )
        for photo in attached
        if photo.fault is None
    ]
    unusable = [
        kit.named(ids.UNUSABLE + photo.key, kit.plain_section(f"{cut(photo.name, 80) or 'A file'}: {photo.fault}"))
        for photo in attached
        if photo.fault is not None
    ]
    return usable + unusable


def _set_aside(attached: Sequence[AttachedPhoto]) -> list[Block]:
    """By name, so that they are there again once the photos are to be attached after all."""
    return [
        kit.named(f"{ids.SET_ASIDE}{photo.kind or ''}:{photo.key}", kit.small(f"{cut(photo.name, 80)}: not used"))
        for photo in attached
        if photo.fault is None
    ]


def attached_in(view: Mapping[str, Any]) -> list[AttachedPhoto]:
    """The photos that a submitted form lists, usable or not."""
    found = []
    for block in view["blocks"]:
        kind, mark, key = str(block.get("block_id", "")).partition(":")
        use, _, key = key.partition(":") if kind + mark == ids.SET_ASIDE else ("", "", key)
        file_id, _, inside = key.partition("/")
        if kind + mark == ids.PHOTO:
            found.append(AttachedPhoto(file_id=file_id, inside=inside or None, name=str(block["label"]["text"])))
        elif kind + mark == ids.UNUSABLE:
            name, _, fault = str(block["text"]["text"]).partition(": ")
            found.append(AttachedPhoto(file_id=file_id, inside=inside or None, name=name, fault=fault))
        elif kind + mark == ids.SET_ASIDE:
            name = str(block["elements"][0]["text"]).rpartition(":")[0]
            of = PhotoKind(use) if use in _KINDS else None
            found.append(AttachedPhoto(file_id=file_id, inside=inside or None, name=name, kind=of))
    return found


def _reference(texts: Mapping[str, str]) -> Block:
    element = kit.text_input(2 * MAX_TEXT, value=texts.get(ids.CUSTOMER_REFERENCE, ""))
    hint = "Your own number for this customer."
    return kit.input_field(ids.CUSTOMER_REFERENCE, "Customer reference", element, hint=hint, optional=True)


def _text_or_choice(name: str, entry: IDType | None, texts: Mapping[str, str], *, optional: bool) -> Block:
    value = texts.get(name, "")
    label, hint = _label(name), ""
    if name == "dob":
        element = kit.picker("datepicker", **({"initial_date": value} if _is_date(value) else {}))
    elif name == "citizenship":
        element = kit.select([(c, c) for c in CITIZENSHIPS], chosen=value, placeholder="Choose")
    else:
        element = kit.text_input(2 * MAX_TEXT, value=value)
    if name == "id_number" and entry is not None:
        label = f"{entry.label} number" if "number" not in entry.label.casefold() else entry.label
        hint = f"For example {entry.example}" if entry.example else ""
    return kit.input_field(name, label, element, hint=hint, optional=optional)


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").capitalize())


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _channel() -> Block:
    element = {
        "type": "conversations_select",
        "action_id": ids.PICK_CHANNEL,
        "placeholder": kit.plain("Choose a channel that I am in", 150),
        "filter": {
            "include": ["public", "private"],
            "exclude_external_shared_channels": True,
            "exclude_bot_users": True,
        },
    }
    return kit.input_field(ids.CHANNEL, "Channel for the results", element, dispatch=True)


def _menu(
    block_id: str, label: str, options: Sequence[tuple[str, str]], *, action_id: str, chosen: str | None, hint: str = ""
) -> Block:
    """A menu that changes the form at once."""
    element = kit.select(options, action_id=action_id, chosen=chosen, placeholder="Choose")
    return kit.input_field(block_id, label, element, hint=hint, dispatch=True)
