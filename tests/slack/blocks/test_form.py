"""The form: what it asks for each country and ID type, under names that stay stable."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.check import PhotoKind
from bot.domain.id_types.id_types import IDTypes
from bot.sandbox.slack import plain
from bot.slack.blocks import form
from bot.slack.blocks.form import AttachedPhoto, CheckForm, ResultPlace
from tests.slack.blocks.samples import ID_TYPES, bvn

HERE = ResultPlace(channel="C0KYC")
ANYWHERE = ResultPlace(channel=None)
NAMES = ["first_name", "middle_name", "last_name"]
SMILE_IDS_FIELDS = {"country", "id_type", "id_number", *NAMES, "dob", "phone_number", "bank_code", "citizenship"}
OURS = {"selfie", "liveness", "consent", "customer_reference", "channel", "warning"}


def build(
    country: str | None = None, id_type: str | None = None, place: ResultPlace = HERE, **more: Any
) -> dict[str, Any]:
    return form.build(CheckForm(place=place, country=country, id_type=id_type, **more), ID_TYPES)


def inputs(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}


def options(block: dict[str, Any]) -> dict[str, str]:
    return {option["value"]: option["text"]["text"] for option in block["element"]["options"]}


def test_at_first_the_form_asks_for_the_country_alone() -> None:
    view = build()

    assert list(inputs(view)) == ["country"]
    assert options(inputs(view)["country"]) == {"NG": "Nigeria", "GH": "Ghana", "KE": "Kenya", "ZA": "South Africa"}
    assert "Choose the country and the ID type; the fields follow." in plain(view)


def test_a_country_brings_its_id_types_and_nothing_more() -> None:
    view = build("GH")

    assert list(inputs(view)) == ["country", "id_type"]
    assert options(inputs(view)["id_type"]) == {
        "GHANA_CARD": "Ghana Card",
        "PASSPORT": "Passport",
        "SSNIT": "SSNIT",
        "VOTER_ID": "Voter's ID",
        "NEW_VOTER_ID": "New Voter's ID",
    }


def test_types_of_one_name_say_their_code_too() -> None:
    rows = {
        (entry.country, entry.id_type): replace(entry, supported=True)
        for entry in ID_TYPES.known()
        if entry.country == "NG"
    }
    shown = options(inputs(form.build(CheckForm(place=HERE, country="NG"), IDTypes(rows)))["id_type"])

    assert (shown["NIN"], shown["NATIONAL_ID"]) == ("National ID (NIN)", "National ID (NATIONAL_ID)")
    assert shown["BVN"] == "Bank Verification Number"


def test_an_id_type_brings_its_fields_the_photos_and_the_consent() -> None:
    view = inputs(build("NG", "BVN", more=True))

    assert list(view) == [
        *("country", "id_type", "id_number", "selfie", "liveness", "consent"),
        *("customer_reference", "first_name", "middle_name", "last_name", "dob", "phone_number"),
    ]
    required = {name for name, block in view.items() if not block.get("optional")}
    assert required == {"country", "id_type", "id_number", "selfie", "consent"}


@pytest.mark.parametrize("entry", list(ID_TYPES.offered()), ids=lambda entry: f"{entry.country}-{entry.id_type}")
def test_every_offered_type_asks_for_its_number_with_an_example(entry: Any) -> None:
    view = inputs(build(entry.country, entry.id_type))

    assert set(view) <= SMILE_IDS_FIELDS | OURS
    number = view["id_number"]
    assert "number" in number["label"]["text"].casefold()
    assert number["hint"]["text"] == f"For example {entry.example}"
    assert set(entry.required) <= {name for name, block in view.items() if not block.get("optional")}


def test_a_country_with_one_id_type_has_it_chosen_already() -> None:
    view = inputs(build("ZA"))

    assert view["id_type"]["element"]["initial_option"]["value"] == "NATIONAL_ID"
    assert "id_number" in view


def test_photos_are_taken_as_jpeg_or_png_one_selfie_and_eight_liveness_images() -> None:
    view = inputs(build("NG", "BVN"))

    for name, most in (("selfie", 1), ("liveness", 8)):
        element = view[name]["element"]
        assert element["type"] == "file_input"
        assert element["max_files"] == most
        assert set(element["filetypes"]) == {"jpg", "jpeg", "png"}
    assert "at most 10 MB" in view["selfie"]["hint"]["text"]


def test_a_citizenship_is_chosen_from_those_that_are_accepted() -> None:
    kra_pin = IDTypes.parse(
        "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
        "supports_biometric_kyc\nKE,Kenya,KRA_PIN,KRA PIN,id_number|citizenship|favourite_colour,,,,yes\n"
    )
    view = inputs(form.build(CheckForm(place=HERE, country="KE"), kra_pin))

    assert list(options(view["citizenship"])) == ["Kenyan", "Alien"]
    assert "hint" not in view["id_number"]
    assert view["favourite_colour"]["label"]["text"] == "Favourite colour"


def test_beside_an_id_type_stands_that_smile_id_wants_its_own_consent_screen() -> None:
    hint = inputs(build("NG", "BVN"))["id_type"]["hint"]["text"]

    assert hint.startswith("Smile ID wants its own consent screen for this ID type. An admin must ask Smile ID")
    assert "hint" not in inputs(build("NG", "NIN_V2"))["id_type"]


def test_optional_fields_are_hidden_until_one_of_them_is_known() -> None:
    assert [*inputs(build("NG", "BVN"))] == ["country", "id_type", "id_number", "selfie", "liveness", "consent"]
    for known in ({"first_name": "Ada"}, {"customer_reference": "C-17"}):
        view = inputs(build("NG", "BVN", texts=known))
        assert {"customer_reference", "first_name", "dob"} <= set(view)
    assert "first_name" not in inputs(build("NG", "BVN", texts={"id_number": "1", "first_name": ""}))


def test_a_date_is_picked_not_typed() -> None:
    assert inputs(build("NG", "BVN", more=True))["dob"]["element"]["type"] == "datepicker"


def test_consent_is_one_box_that_nobody_ticked_beforehand() -> None:
    consent = inputs(build("NG", "BVN"))["consent"]

    assert options(consent) == {"consented": "The customer has agreed to this check"}
    assert "initial_options" not in consent["element"]
    assert "explicitly agreed" in consent["hint"]["text"]


# The customer takes the photos


def test_without_the_settings_for_links_nothing_is_said_of_them() -> None:
    assert "photos_by" not in inputs(build("NG", "BVN"))
    assert "link" not in plain(build("NG", "BVN"))


def test_by_link_the_form_asks_for_no_photos_and_no_consent() -> None:
    attached, by_link = (inputs(build("NG", "BVN", by_link=chosen)) for chosen in (False, True))

    assert list(attached) == ["country", "id_type", "id_number", "photos_by", "selfie", "liveness", "consent"]
    assert list(by_link) == ["country", "id_type", "id_number", "photos_by"]
    assert attached["photos_by"]["element"]["initial_option"]["value"] == "attached"
    assert by_link["photos_by"]["element"]["initial_option"]["value"] == "link"
    assert by_link["photos_by"]["dispatch_action"]
    assert "by direct message" in by_link["photos_by"]["hint"]["text"]
    assert "hint" not in attached["photos_by"]


def test_by_link_the_form_makes_a_link_now_and_sends_nothing() -> None:
    view = build("NG", "BVN", by_link=True, not_before=True, attached=[AttachedPhoto(file_id="F1", name="ada.jpg")])

    assert view["submit"]["text"] == "Make the link"
    assert set(inputs(view)) == {"country", "id_type", "id_number", "photos_by"}
    assert build("NG", "BVN", by_link=False)["submit"]["text"] == "Send to Smile ID"


def test_by_link_photos_that_were_attached_are_set_aside_and_not_forgotten() -> None:
    attached = [
        AttachedPhoto(file_id="F1", name="ada: at home.jpg", kind=PhotoKind.SELFIE),
        AttachedPhoto(file_id="F2", inside="zip:17", name="frame.jpg", kind=PhotoKind.LIVENESS),
        AttachedPhoto(file_id="F3", name="other.jpg"),
    ]
    view = build("NG", "BVN", by_link=True, attached=attached)

    assert form.attached_in(view) == attached
    assert "ada: at home.jpg: not used" in plain(view)


def test_before_the_id_type_is_chosen_nobody_is_asked_who_takes_the_photos() -> None:
    assert list(inputs(build("NG", by_link=True))) == ["country", "id_type"]


# What was typed survives; what no longer fits does not


def places(view: dict[str, Any]) -> dict[str, str]:
    """Slack keeps a value under the same block_id and action_id."""
    return {name: block["element"]["action_id"] for name, block in inputs(view).items()}


def test_what_was_typed_survives_the_choice_of_another_id_type() -> None:
    bvn_form, voter = places(build("NG", "BVN")), places(build("NG", "VOTER_ID"))

    assert bvn_form == voter


def test_another_country_keeps_the_number_and_photos_and_resets_the_id_type() -> None:
    nigeria, ghana = places(build("NG", "BVN")), places(build("GH", "SSNIT"))

    assert nigeria.pop("id_type") != ghana.pop("id_type")
    assert nigeria == ghana


def test_an_id_type_of_another_country_is_as_good_as_none() -> None:
    assert list(inputs(build("GH", "BVN"))) == ["country", "id_type"]
    assert "initial_option" not in inputs(build("GH", "BVN"))["id_type"]["element"]


def test_only_choices_that_change_the_form_report_at_once() -> None:
    view = inputs(build("NG", "BVN", ANYWHERE))
    reporting = {name for name, block in view.items() if block.get("dispatch_action")}

    assert reporting == {"channel", "country", "id_type"}


# The place


def test_without_a_channel_the_form_asks_for_one_and_offers_none_shared_with_others() -> None:
    view = inputs(build(place=ANYWHERE))

    assert next(iter(view)) == "channel"
    assert view["channel"]["element"]["filter"] == {
        "include": ["public", "private"],
        "exclude_external_shared_channels": True,
        "exclude_bot_users": True,
    }
    assert "channel" not in inputs(build())


def test_a_warning_is_on_top_and_leaves_the_rest_unchanged() -> None:
    calm, warned = build("NG", "BVN"), build("NG", "BVN", warning="I can't post in #kyc-private.")

    assert plain(warned).splitlines()[1] == "I can't post in #kyc-private."
    assert warned["blocks"][1:] == calm["blocks"]


@given(channel=st.none() | st.text(max_size=20), thread_ts=st.none() | st.text(max_size=20))
def test_the_place_comes_back_as_it_went(channel: str | None, thread_ts: str | None) -> None:
    place = ResultPlace(channel=channel, thread_ts=thread_ts)

    assert ResultPlace.load(place.dump()) == place


@pytest.mark.parametrize("metadata", ["", "null", "[]", "1", '"C0KYC"', "{", '{"channel": 5}', '{"channel": {"a": 1}}'])
def test_a_place_that_cannot_be_read_is_none(metadata: str) -> None:
    assert ResultPlace.load(metadata) == ResultPlace(channel=None)


def test_nothing_personal_travels_in_the_metadata() -> None:
    assert build("NG", "BVN")["private_metadata"] == '{"channel":"C0KYC","thread":null}'
    assert bvn().example not in build("NG", "BVN")["private_metadata"]
