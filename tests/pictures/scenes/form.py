"""The form: empty, as it grows, filled in, sent back with faults."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from bot.domain.check.check import PhotoKind
from bot.domain.check.request import FileInfo, Form, parse
from bot.domain.id_types.id_types import IDTypes
from bot.errors import Refusal, Refused
from bot.sandbox.page.canvas import Typed
from bot.slack.blocks import form, ids, kit, private, refusals
from bot.slack.blocks.form import AttachedPhoto, CheckForm, ResultPlace
from tests.pictures.people import REQUESTS
from tests.pictures.scene import TWO_MODALS, Scene, Sheet
from tests.pictures.scenes.held import seen_before
from tests.slack.blocks.samples import ID_TYPES

_HERE = ResultPlace(channel=REQUESTS)
_MORE = IDTypes(
    {
        (entry.country, entry.id_type): replace(entry, supported=True)
        for entry in (ID_TYPES.find("NG", "DRIVERS_LICENSE"), ID_TYPES.find("KE", "KRA_PIN"))
        if entry is not None
    }
)
"""Types that ask for more than a number; none of them is offered by the table as it is shipped."""
_EIGHT = [f"frame-{n}.jpg" for n in range(1, 9)]
_CHOSEN = {ids.COUNTRY: "NG", ids.ID_TYPE: "BVN"}
_FILLED = {
    "id_number": "22212340000",
    ids.SELFIE: ["ada.jpg"],
    ids.LIVENESS: _EIGHT,
    ids.CUSTOMER_REFERENCE: "C-17",
    "first_name": "Ada",
    "last_name": "Obi",
    "dob": "1990-01-02",
    ids.CONSENT: [ids.CONSENTED],
}


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="form",
            title="The form",
            line="One modal for every country and ID type; its fields follow what is chosen.",
            width=TWO_MODALS,
            scenes=[
                Scene(caption="Opened by /kyc in a channel", shows=form.build(CheckForm(place=_HERE), ID_TYPES)),
                Scene(
                    caption="A country is chosen",
                    shows=form.build(CheckForm(place=_HERE, country="GH"), ID_TYPES),
                ),
                Scene(caption="An ID type is chosen", shows=_bvn()),
                Scene(caption="Filled in, with liveness images", shows=_bvn(more=True), typed=_FILLED),
                Scene(caption="The customer takes the photos", shows=_bvn(by_link=True)),
                Scene(
                    caption="A type that asks for more",
                    shows=form.build(CheckForm(place=_HERE, country="NG", id_type="DRIVERS_LICENSE"), _MORE),
                ),
                Scene(
                    caption="A type that asks for a citizenship",
                    shows=form.build(CheckForm(place=_HERE, country="KE", id_type="KRA_PIN"), _MORE),
                ),
            ],
        ),
        Sheet(
            name="form-faults",
            title="The form, sent back",
            line="Faults stand beside their fields; a person who was checked before is asked about.",
            scenes=[*_faulty(), *_questions()],
            width=TWO_MODALS,
        ),
    ]


def _bvn(*, more: bool = False, by_link: bool | None = None) -> kit.View:
    chosen = CheckForm(place=_HERE, country="NG", id_type="BVN", more=more, by_link=by_link)
    return form.build(chosen, ID_TYPES)


def _faulty() -> list[Scene]:
    typed = {
        **_FILLED,
        "id_number": "2221234567",
        ids.SELFIE: ["passport.pdf"],
        ids.LIVENESS: _EIGHT[:5],
        ids.CUSTOMER_REFERENCE: "C" * 101,
        "dob": "2031-01-02",
        "phone_number": "call me",
        ids.CONSENT: [],
    }
    return [
        Scene(
            caption="Everything wrong at once",
            shows=_bvn(more=True),
            typed=typed,
            errors=_faults(typed, "BVN", ID_TYPES),
        ),
        Scene(
            caption="Sent without anything in it",
            shows=form.build(CheckForm(place=_HERE, country="NG", id_type="DRIVERS_LICENSE"), _MORE),
            errors=_faults({}, "DRIVERS_LICENSE", _MORE),
        ),
    ]


def _faults(typed: Mapping[str, Typed], id_type: str, id_types: IDTypes) -> dict[str, str]:
    """What the bot's own reading of the form says."""
    texts = {name: value for name, value in typed.items() if isinstance(value, str)}

    def files(block_id: str) -> list[FileInfo]:
        names = typed.get(block_id, [])
        return [FileInfo(id=f"F{name}", name=name, mimetype="", size=90_000) for name in names]

    filled = Form(
        country="NG",
        id_type=id_type,
        texts=texts,
        customer_reference=texts.get(ids.CUSTOMER_REFERENCE, ""),
        selfie=files(ids.SELFIE),
        liveness=files(ids.LIVENESS),
        consent=bool(typed.get(ids.CONSENT)),
    )
    found = parse(filled, id_types, today=date(2026, 11, 22)).faults
    return {name: refusals.plain_sentence(fault) for name, fault in found.items()}


def _questions() -> list[Scene]:
    cannot = refusals.plain_sentence(Refused(Refusal.CANNOT_POST, channel="kyc-private"))
    attached = [
        AttachedPhoto(file_id="F1", name="Ada Obi.jpg", kind=PhotoKind.SELFIE),
        AttachedPhoto(file_id="F2", name="frame-1.jpg"),
        AttachedPhoto(file_id="F3", name="ghana-card.pdf", fault="This is a PDF. Attach a JPEG or PNG photo."),
    ]
    return [
        Scene(
            caption="This ID number was checked before",
            shows=form.build(
                CheckForm(place=_HERE, country="NG", id_type="BVN", seen=seen_before(), more=True), ID_TYPES
            ),
            typed=_FILLED,
        ),
        Scene(
            caption="Opened from a message: its photos stand in the form",
            shows=form.build(
                CheckForm(
                    place=_HERE,
                    country="NG",
                    id_type="BVN",
                    attached=attached,
                    texts={"id_number": "22212340000", "first_name": "Ada"},
                    warning="The thread holds 3 older photos that are not offered here.",
                ),
                ID_TYPES,
            ),
        ),
        Scene(
            caption="Run again, after the authority's register was away",
            shows=form.build(
                CheckForm(
                    place=ResultPlace(channel=REQUESTS, rerun="K-7F3K2Q"),
                    country="NG",
                    id_type="BVN",
                    title="Run again",
                    not_before=True,
                    attached=[AttachedPhoto(file_id="F1", name="Selfie of the last time", kind=PhotoKind.SELFIE)],
                ),
                ID_TYPES,
            ),
        ),
        Scene(
            caption="Edited before it is sent",
            shows=form.build(
                CheckForm(
                    place=ResultPlace(channel=REQUESTS, edit="K-7F3K2Q"),
                    country="NG",
                    id_type="BVN",
                    title="Edit check",
                    texts={"id_number": "22212340000", "first_name": "Ada"},
                    attached=[AttachedPhoto(file_id="F1", name="Selfie", kind=PhotoKind.SELFIE)],
                ),
                ID_TYPES,
            ),
        ),
        Scene(
            caption="Opened by the global shortcut, for a channel that I cannot post in",
            shows=form.build(CheckForm(place=ResultPlace(channel=None), warning=cannot), ID_TYPES),
            typed={ids.CHANNEL: REQUESTS},
        ),
        Scene(caption="A form that cannot be used", shows=private.closed_form(cannot)),
    ]
