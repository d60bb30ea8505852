"""What a person typed and attached: each fault beside its field, in words with an example."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.check import PhotosBy
from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.check.fields import check_number, clean, clean_field
from bot.domain.check.request import (
    FileInfo,
    Form,
    check_file,
    parse,
)
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.slack.blocks.refusals import plain_sentence

TODAY = date(2026, 11, 22)
ID_TYPES = IDTypes.parse((files("bot") / "data" / "id-types.csv").read_text("utf-8"))
WITH_MORE_FIELDS = IDTypes.parse(
    "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
    "supports_biometric_kyc\n"
    'KE,Kenya,KRA_PIN,KRA PIN,id_number|citizenship|dob,phone_number|bank_code,"^[0-9]{1,9}$",00000000,yes\n'
    "GH,Ghana,OPEN,Open Card,id_number,,,,yes\n"
)

SELFIE = FileInfo(id="F1", name="selfie.jpg", mimetype="image/jpeg", size=200_000)
LIVENESS = [FileInfo(id=f"L{n}", name=f"{n}.jpg", mimetype="image/jpeg", size=50_000) for n in range(8)]

HEIC = (
    "This is a HEIC picture. Attach a JPEG or PNG photo. "
    "An iPhone takes JPEG with Settings, Camera, Formats, Most Compatible."
)

GOOD = Form(
    country="NG",
    id_type="BVN",
    texts={"id_number": "22212345678", "first_name": "Ada", "dob": "1990-01-02"},
    customer_reference="C-17",
    selfie=[SELFIE],
    consent=True,
)


def entry(country: str, id_type: str) -> IDType:
    found = ID_TYPES.find(country, id_type)
    assert found is not None
    return found


def faults(form: Form) -> dict[str, str]:
    return sentences(parse(form, ID_TYPES, today=TODAY).faults)


def sentences(found: Mapping[str, FieldFault]) -> dict[str, str]:
    return {name: plain_sentence(fault) for name, fault in found.items()}


def numbered(country: str, id_type: str, number: str) -> Form:
    return replace(GOOD, country=country, id_type=id_type, texts={"id_number": number})


def test_a_good_form_has_no_faults_and_keeps_what_was_typed() -> None:
    parsed = parse(replace(GOOD, liveness=LIVENESS), ID_TYPES, today=TODAY)

    assert parsed.faults == {}
    assert parsed.id_type is entry("NG", "BVN")
    assert parsed.id_info == {"id_number": "22212345678", "first_name": "Ada", "dob": "1990-01-02"}
    assert parsed.customer_reference == "C-17"


@pytest.mark.parametrize(
    ("country", "id_type", "typed", "words"),
    [
        ("NG", "BVN", "2221234567", "A BVN has 11 digits, for example 00000000000. You typed 10."),
        ("NG", "BVN", "222-1234-567", "A BVN has 11 digits, for example 00000000000. You typed 10."),
        ("NG", "BVN", "2221234567X", "A BVN has 11 digits and nothing else, for example 00000000000."),
        ("NG", "BVN", "٢٢٢١٢٣٤٥٦٧٨", "A BVN has 11 digits and nothing else, for example 00000000000."),
        ("NG", "NIN_V2", "1", "A National ID (NIN) has 11 digits, for example 00000000000. You typed 1."),
        ("NG", "NIN_SLIP", "1", "A National ID (Slip) has 11 digits, for example 00000000000. You typed 1."),
        ("NG", "V_NIN", "123", "not the format of a Virtual NIN number. For example 0000000000000000."),
        ("NG", "VOTER_ID", "12345678", "format of a Voter's ID number. For example 0000000000000000000."),
        ("GH", "GHANA_CARD", "GHA-00-0", "format of a Ghana Card number. For example GHA-000000000-0."),
        ("GH", "PASSPORT", "1234", "format of a Passport number. For example G0000000."),
        ("GH", "SSNIT", "0", "format of a SSNIT number. For example C000000000000."),
        ("GH", "VOTER_ID", "123", "A Voter's ID has 10 to 12 digits, for example 0000000000. You typed 3."),
        ("GH", "NEW_VOTER_ID", "123", "A New Voter's ID has 10 to 12 digits, for example 0000000000. You typed 3."),
        ("KE", "NATIONAL_ID", "1234567890", "A National ID has 1 to 9 digits, for example 00000000. You typed 10."),
        ("KE", "ALIEN_CARD", "12345", "An Alien Card has 6 to 9 digits, for example 000000. You typed 5."),
        ("KE", "PASSPORT", "A-1", "format of a Passport number. For example A00000000."),
        ("ZA", "NATIONAL_ID", "12", "A National ID has 13 digits, for example 0000000000000. You typed 2."),
    ],
)
def test_a_number_of_another_form_is_answered_with_the_form_and_an_example(
    country: str, id_type: str, typed: str, words: str
) -> None:
    found = faults(numbered(country, id_type, typed))

    assert set(found) == {"id_number"}
    assert words in found["id_number"]


def test_the_table_above_speaks_of_every_offered_type() -> None:
    marks = test_a_number_of_another_form_is_answered_with_the_form_and_an_example.pytestmark  # type: ignore[attr-defined]
    spoken = {(country, id_type) for country, id_type, *_ in marks[0].args[1]}

    assert spoken == {(e.country, e.id_type) for e in ID_TYPES.offered()}


@pytest.mark.parametrize(
    ("country", "id_type", "typed", "kept"),
    [
        ("NG", "BVN", "222 1234 5678", "22212345678"),
        ("NG", "BVN", "222-1234-5678", "22212345678"),
        ("NG", "BVN", " 22212345678\n", "22212345678"),
        ("NG", "BVN", "222\u200b12345678\u202c", "22212345678"),
        ("NG", "BVN", "222.1234–5678", "22212345678"),
        ("NG", "V_NIN", "AB12 CD34 EF56 GH78", "AB12CD34EF56GH78"),
        ("NG", "V_NIN", "ab12cd34ef56gh78", "ab12cd34ef56gh78"),
        ("NG", "VOTER_ID", "90F5 B123 4567", "90F5 B123 4567"),
        ("GH", "GHANA_CARD", "GHA-123456789-0", "GHA-123456789-0"),
        ("GH", "GHANA_CARD", "gha 123456789 0", "gha1234567890"),
        ("KE", "PASSPORT", "a1234567", "A1234567"),
        ("ZA", "NATIONAL_ID", "800101 5009 087", "8001015009087"),
    ],
)
def test_blanks_and_dashes_as_printed_on_cards_are_taken_away(
    country: str, id_type: str, typed: str, kept: str
) -> None:
    parsed = parse(numbered(country, id_type, typed), ID_TYPES, today=TODAY)

    assert parsed.faults == {}
    assert parsed.id_info["id_number"] == kept


@given(
    id_type=st.sampled_from(list(ID_TYPES.offered())),
    typed=st.text(max_size=140) | st.text("0123456789 -.–ABCabc\u200b\u202e", max_size=30),
)
def test_a_number_without_a_fault_always_has_the_form_of_its_type(id_type: IDType, typed: str) -> None:
    kept, fault = check_number(typed, id_type)

    assert id_type.pattern is not None
    if fault is None:
        assert id_type.pattern.fullmatch(kept)
        assert 0 < len(kept) <= 100
        plain = clean_field(typed)
        assert set(kept) <= set(plain) | set(plain.upper())
    elif fault.code is not FieldCode.ROUNDED:
        assert id_type.example in plain_sentence(fault)


@given(st.text(max_size=140))
def test_a_type_without_a_known_form_takes_any_short_number(typed: str) -> None:
    (open_card,) = WITH_MORE_FIELDS.of_country("GH")
    kept, fault = check_number(typed, open_card)

    assert (fault is None) is (0 < len(clean_field(typed)) <= 100 or 0 < len(kept) <= 100)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("2026-11-23", "This date is in the future. A date of birth looks like 1990-01-02."),
        ("1890-01-01", "This date is more than 130 years ago. A date of birth looks like 1990-01-02."),
        (
            "02/01/1990",
            "Write the date like 1990-01-02 or 2 Jan 1990, so that day and month cannot be mistaken.",
        ),
        ("1990-W01-2", "This is not a date. Write it like 1990-01-02."),
        ("1990-02-30", "This is not a date. Write it like 1990-01-02."),
        ("yesterday", "This is not a date. Write it like 1990-01-02."),
    ],
)
def test_an_impossible_date_of_birth_is_answered_with_an_example(typed: str, words: str) -> None:
    form = replace(GOOD, texts={**GOOD.texts, "dob": typed})

    assert faults(form) == {"dob": words}


@pytest.mark.parametrize("typed", ["1990-01-02", "19900102", "1990-01-02T00:00:00Z", "2 Jan 1990", "1990/1/2"])
def test_a_date_is_sent_in_one_form_however_it_was_written(typed: str) -> None:
    parsed = parse(replace(GOOD, texts={**GOOD.texts, "dob": typed}), ID_TYPES, today=TODAY)

    assert parsed.faults == {}
    assert parsed.id_info["dob"] == "1990-01-02"


def test_today_is_still_a_date_of_birth() -> None:
    assert faults(replace(GOOD, texts={**GOOD.texts, "dob": TODAY.isoformat()})) == {}
    assert faults(replace(GOOD, texts={**GOOD.texts, "dob": (TODAY + timedelta(days=1)).isoformat()}))


@pytest.mark.parametrize(
    ("country", "id_type", "words"),
    [
        ("NG", "BVN", "A BVN check needs this, for example 00000000000."),
        ("KE", "ALIEN_CARD", "An Alien Card check needs this, for example 000000."),
    ],
)
@pytest.mark.parametrize("typed", ["", "   ", "\u200b\u202e"])
def test_a_missing_number_is_asked_for_with_an_example(country: str, id_type: str, words: str, typed: str) -> None:
    assert faults(numbered(country, id_type, typed)) == {"id_number": words}


def test_every_missing_and_wrong_field_is_reported_at_once() -> None:
    form = Form(
        country="KE",
        id_type="KRA_PIN",
        texts={"citizenship": "Martian", "phone_number": "call me", "bank_code": "9" * 101},
        customer_reference="C" * 101,
    )

    assert sentences(parse(form, WITH_MORE_FIELDS, today=TODAY).faults) == {
        "id_number": "A KRA PIN check needs this, for example 00000000.",
        "citizenship": "Choose Kenyan or Alien.",
        "dob": "A KRA PIN check needs this, for example 1990-01-02.",
        "phone_number": "A phone number has 6 to 20 digits, for example 08012345678.",
        "bank_code": "At most 100 characters. You typed 101.",
        "customer_reference": "At most 100 characters. You typed 101.",
        "selfie": "Attach one selfie, a JPEG or PNG photo.",
        "consent": "Smile ID may only be asked with the customer's consent.",
    }


@pytest.mark.parametrize("typed", ["------", "      ", "+", "12345", "0" * 21, "0801 234 567x"])
def test_a_phone_number_needs_digits(typed: str) -> None:
    form = replace(GOOD, texts={**GOOD.texts, "phone_number": typed})

    assert set(faults(form)) <= {"phone_number"}
    assert ("phone_number" in faults(form)) is bool(typed.strip())


def test_a_phone_number_is_sent_as_digits() -> None:
    form = replace(GOOD, texts={**GOOD.texts, "phone_number": "+234 (0)801-234 5678"})

    assert parse(form, ID_TYPES, today=TODAY).id_info["phone_number"] == "+23408012345678"


def test_an_optional_field_may_stay_empty_and_a_foreign_one_is_not_sent() -> None:
    form = replace(GOOD, texts={"id_number": "22212345678", "last_name": " ", "bank_code": "044", "Photo": "x"})

    assert parse(form, ID_TYPES, today=TODAY).id_info == {"id_number": "22212345678"}


@pytest.mark.parametrize(
    ("country", "id_type", "expected"),
    [
        ("", "", {"country": "Choose the country that issued the ID."}),
        ("XX", "BVN", {"country": "Choose the country that issued the ID."}),
        ("GH", "BVN", {"id_type": "Choose an ID type of this country."}),
        ("NG", "BVN_MFA", {"id_type": "Choose an ID type of this country."}),
        ("NG", "", {"id_type": "Choose an ID type of this country."}),
    ],
)
def test_a_country_or_type_that_is_not_offered_is_refused(country: str, id_type: str, expected: dict[str, str]) -> None:
    assert faults(replace(GOOD, country=country, id_type=id_type)) == expected


def test_by_link_the_customer_brings_photos_and_consent_and_all_else_is_checked_as_ever() -> None:
    by_link = replace(GOOD, selfie=(), consent=False, photos_by=PhotosBy.LINK)
    parsed = parse(by_link, ID_TYPES, today=TODAY, liveness_required=True)
    assert (parsed.faults, parsed.id_info["first_name"]) == ({}, "Ada")
    assert set(faults(replace(by_link, texts={"id_number": "1"}))) == {"id_number"}


def test_consent_must_be_confirmed() -> None:
    assert faults(replace(GOOD, consent=False)) == {
        "consent": "Smile ID may only be asked with the customer's consent."
    }


# Photos


@pytest.mark.parametrize("count", [1, 3, 7, 9])
def test_liveness_images_come_as_eight_or_not_at_all(count: int) -> None:
    images = [replace(SELFIE, id=f"L{n}") for n in range(count)]

    assert faults(replace(GOOD, liveness=images)) == {
        "liveness": f"Smile ID takes 8 liveness images or none. You attached {count}."
    }


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (FileInfo(id="F", name="id.pdf", mimetype="application/pdf"), "This is a PDF. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", mimetype="application/pdf"), "This is a PDF. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", name="IMG_1.HEIC"), HEIC),
        (FileInfo(id="F", mimetype="image/heif"), HEIC),
        (FileInfo(id="F", name="clip.MOV"), "This is a video. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", name="clip", mimetype="video/webm"), "This is a video. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", mimetype="image/gif"), "This is a GIF. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", name="a.webp"), "This is a WebP picture. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", mimetype="image/tiff"), "This is a TIFF picture. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", mimetype="image/x-new"), "This is another kind of picture. Attach a JPEG or PNG photo."),
        (FileInfo(id="F", mimetype="model/x-new"), "This is not a photo. Attach a JPEG or PNG photo."),
        (replace(SELFIE, size=10 * 1024 * 1024 + 1), "This file has 10.1 MB; at most 10 MB can be sent."),
        (replace(SELFIE, size=25_000_000), "This file has 23.9 MB; at most 10 MB can be sent."),
        (replace(SELFIE, size=0), "This file is empty (0 bytes). Attach it again from your device."),
        (replace(SELFIE, barred=FieldCode.FILE_NOT_LET), "I may not read this file. Attach it again from your device."),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_in_words(file: FileInfo, words: str) -> None:
    found = check_file(file)
    assert found is not None
    assert plain_sentence(found) == words
    assert faults(replace(GOOD, selfie=[file])) == {"selfie": words}


@pytest.mark.parametrize(
    "file",
    [
        SELFIE,
        replace(SELFIE, size=10 * 1024 * 1024),
        FileInfo(id="F"),
        FileInfo(id="F", name="x.PNG", mimetype="image/png", size=1),
        FileInfo(id="F", name="x.jpg", mimetype="application/octet-stream"),
        FileInfo(id="F", name="holiday.pdf.jpeg", mimetype="image/jpeg"),
    ],
)
def test_what_may_be_a_photo_is_left_to_the_pre_flight(file: FileInfo) -> None:
    assert check_file(file) is None


def test_a_wrong_file_among_many_is_named_by_its_place() -> None:
    images = [*LIVENESS[:4], replace(LIVENESS[4], name="4.pdf", mimetype="application/pdf"), *LIVENESS[5:]]

    assert faults(replace(GOOD, liveness=images)) == {"liveness": "Image 5: This is a PDF. Attach a JPEG or PNG photo."}


@pytest.mark.parametrize("images", [[SELFIE, *LIVENESS[1:]], [*LIVENESS[:7], LIVENESS[0]]])
def test_the_same_file_twice_is_refused(images: list[FileInfo]) -> None:
    assert faults(replace(GOOD, liveness=images)) == {"liveness": "The same file is attached twice."}


def test_two_selfies_are_one_fault_of_their_own_field() -> None:
    assert faults(replace(GOOD, selfie=[SELFIE, SELFIE])) == {
        "selfie": "Two photos are attached as the selfie. Keep one, and leave out the others."
    }


# Wild input


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada\u202eadA", "AdaadA"),
        ("A\u200bd\u200da", "Ada"),
        ("Ada\nApproved\r\n", "Ada Approved"),
        ("\ufeffAda\u2066 Obi\u2069", "Ada Obi"),
        ("A\u00add\u061ca", "Ada"),
        ("Ada\ud83d", "Ada\ufffd"),
        ("Ada\U000e0041\U000e007f", "Ada"),
        ("Zoë  Ọlá\u0301", "Zoë Ọlá\u0301"),
        ("\x00\x1b[31mred", "[31mred"),
    ],
)
def test_characters_that_steer_or_hide_are_taken_out_of_what_was_typed(typed: str, kept: str) -> None:
    assert clean(typed) == kept


WILD = st.text(alphabet=st.characters(), max_size=120)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_what_is_kept_is_one_visible_line_that_any_database_takes(typed: str) -> None:
    kept = clean(typed)

    assert len(kept.splitlines()) <= 1
    assert kept == kept.strip()
    kept.encode("utf-8")
    assert not set(kept) & {chr(n) for n in (*range(0x20), 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2066)}
    assert clean(kept) == kept


@pytest.mark.slow
@given(
    country=st.sampled_from(["NG", "GH", "KE", "ZA"]) | WILD,
    id_type=st.sampled_from(["BVN", "V_NIN", "GHANA_CARD", "ALIEN_CARD", "NATIONAL_ID"]) | WILD,
    texts=st.dictionaries(st.sampled_from(["id_number", "first_name", "dob", "phone_number"]) | WILD, WILD),
    reference=WILD,
    files_=st.lists(
        st.builds(
            FileInfo,
            id=WILD,
            name=WILD,
            mimetype=st.sampled_from(["image/jpeg", "image/png", "application/pdf", ""]) | WILD,
            size=st.none() | st.integers(-1, 2**40),
            filetype=st.sampled_from(["", "jpg", "gsheet", "quip"]),
            barred=st.sampled_from([None, FieldCode.FILE_NOT_LET, FieldCode.FILE_DELETED, FieldCode.FILE_ELSEWHERE]),
        ),
        max_size=10,
    ),
    consent=st.booleans(),
)
def test_no_form_however_wild_is_more_than_faults_in_words(
    country: str, id_type: str, texts: dict[str, str], reference: str, files_: list[FileInfo], consent: bool
) -> None:
    form = Form(
        country=country,
        id_type=id_type,
        texts=texts,
        customer_reference=reference,
        selfie=files_[:1],
        liveness=files_[1:],
        consent=consent,
    )
    parsed = parse(form, ID_TYPES, today=TODAY)

    assert all(0 < len(plain_sentence(fault)) < 300 for fault in parsed.faults.values())
    if not parsed.faults:
        assert parsed.id_type is not None
        assert set(parsed.id_type.required) <= set(parsed.id_info) <= set(parsed.id_type.fields)
        assert consent
        assert len(files_) in {1, 9}
