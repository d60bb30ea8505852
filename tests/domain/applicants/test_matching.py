"""Photos and rows: exactly, or a fault in words. Never a wrong person's photo with a row."""

import base64
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.applicants import Applicant
from bot.domain.check.field_faults import FieldCode
from bot.domain.check.request import FileInfo
from tests.domain.applicants.making import (
    ADA,
    ADAS,
    BOLA,
    JPEG,
    csv_bytes,
    faults,
    json_file,
    one,
    people,
    photo,
    reading,
    table,
    zipped,
)  # fmt: skip

NO_PHOTO = (
    "No photo was found. Name the file in a column selfie, or call it like the ID number or the customer reference."
)
PLAIN = ("country", "id_type", "id_number", "first_name", "last_name", "ref")
ROW = ("NG", "BVN", "22212345678", "Ada", "Example", "C-17")
ROW2 = ("NG", "BVN", "22212345679", "Bola", "Sample", "C-18")
EIGHT = [f"liveness_{number}.jpg" for number in range(8)]


def in_zip(*paths: str, rows: tuple[tuple[str, ...], ...] = (ROW,), header: tuple[str, ...] = PLAIN) -> list[Applicant]:
    content: Mapping[str, bytes] = {"people.csv": csv_bytes(header, *rows), **dict.fromkeys(paths, JPEG)}
    return list(reading(zipped(content)).applicants)


@pytest.mark.parametrize(
    "name", ["22212345678.jpg", "C-17.png", "c-17.JPEG", "ada_example.jpg", "Ada Example.jpg", "ADA-EXAMPLE.png"]
)
def test_a_photo_is_found_by_its_own_name(name: str) -> None:
    applicant = one(table(csv_bytes(PLAIN, ROW)), loose=[photo(name, "F1")])
    assert applicant.faults == ()
    assert applicant.selfie is not None
    assert applicant.selfie.file_id == "F1"


@pytest.mark.parametrize(
    "name", ["2221234567.jpg", "22212345678-1.jpg", "C-1.jpg", "C_17.jpg", "C17.jpg", "ada.jpg", "example_ada.jpg"]
)
def test_a_name_that_is_only_alike_is_no_match(name: str) -> None:
    assert faults(one(table(csv_bytes(PLAIN, ROW)), loose=[photo(name)])) == {"selfie": NO_PHOTO}


def test_a_number_typed_with_blanks_finds_its_photo() -> None:
    row = ("NG", "BVN", "222 1234 5678", "Ada", "Example", "")
    assert one(table(csv_bytes(PLAIN, row)), loose=[photo("22212345678.jpg")]).faults == ()


def test_two_photos_that_fit() -> None:
    loose = [photo("22212345678.jpg"), photo("C-17.jpg")]
    assert faults(one(table(csv_bytes(PLAIN, ROW)), loose=loose)) == {"selfie": "Two photos fit this row."}
    assert faults(one(people(ADA), loose=[photo("ada.jpg", "F1"), photo("Ada.jpg", "F2")])) == {
        "selfie": "Two photos fit this row."
    }
    found = in_zip("a/ada.jpg", "b/ada.jpg", rows=((*ROW, "ada.jpg"),), header=(*PLAIN, "photo"))
    assert faults(found[0]) == {"photo": "Two photos fit this row."}


def test_one_photo_for_two_rows_goes_to_neither() -> None:
    first, second = reading(people(ADA, (*BOLA[:5], "ada.jpg")), loose=[ADAS]).applicants
    assert faults(first) == {"selfie": "Row 3 uses the same photo."}
    assert faults(second) == {"selfie": "Row 2 uses the same photo."}
    assert (first.selfie, second.selfie) == (None, None)


def test_a_photo_named_in_one_row_that_bears_the_number_of_another_goes_to_neither() -> None:
    rows = ((*ADA[:5], "22212345679.jpg"), (*BOLA[:5], "bola.jpg"))
    first, second = reading(people(*rows), loose=[photo("22212345679.jpg"), photo("bola.jpg")]).applicants
    assert faults(first) == {"selfie": "Row 3 uses the same photo."}
    assert second.faults == ()


def test_two_people_of_one_name_are_not_distinguished_by_it() -> None:
    rows = (ROW, (*ROW2[:3], "Ada", "Example", "C-18"))
    first, second = reading(table(csv_bytes(PLAIN, *rows)), loose=[photo("ada example.jpg")]).applicants
    assert faults(first) == {"selfie": "Row 3 uses the same photo."}
    assert faults(second) == {"selfie": "Row 2 uses the same photo."}


@pytest.mark.parametrize(
    "given", ["photos/ada.jpg", "Photos\\ADA.JPG", "team/photos/ada.jpg", "ada.jpg", "ada", "./ada.jpg"]
)
def test_a_name_in_the_table_may_hold_folders(given: str) -> None:
    (found,) = in_zip("team/photos/ada.jpg", rows=((*ROW, given),), header=(*PLAIN, "photo"))
    assert found.faults == ()


@pytest.mark.parametrize(
    "given", ["hotos/ada.jpg", "da.jpg", "../ada.jpg", "C:\\photos\\ada.jpg", "ada.jpeg", "other/ada.jpg"]
)
def test_a_name_in_the_table_fits_in_whole_or_not_at_all(given: str) -> None:
    (found,) = in_zip("team/photos/ada.jpg", rows=((*ROW, given),), header=(*PLAIN, "photo"))
    assert faults(found) == {"photo": "No photo of this name was found."}


HEIC = (
    "This is a HEIC picture. Attach a JPEG or PNG photo. "
    "An iPhone takes JPEG with Settings, Camera, Formats, Most Compatible."
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ada.heic", HEIC),
        ("ada.pdf", "This is a PDF. Attach a JPEG or PNG photo."),
        ("ada.mp4", "This is a video. Attach a JPEG or PNG photo."),
        ("ada.exe", "This is not a photo. Attach a JPEG or PNG photo."),
    ],
)
def test_what_is_no_photo_is_named(name: str, words: str) -> None:
    (found,) = in_zip(name, rows=((*ROW, name),), header=(*PLAIN, "photo"))
    assert faults(found) == {"photo": words}


def test_what_slack_says_of_a_loose_photo_counts() -> None:
    unreadable = FileInfo(id="F1", name="ada.jpg", mimetype="image/jpeg", barred=FieldCode.FILE_NOT_LET)
    assert faults(one(people(ADA), loose=[unreadable])) == {
        "selfie": "I may not read this file. Attach it again from your device."
    }


@pytest.mark.parametrize("key", ["22212345678", "C-17", "c-17"])
def test_a_folder_of_ones_own(key: str) -> None:
    (found,) = in_zip(f"x/{key}/selfie.jpg", *(f"x/{key}/{name}" for name in reversed(EIGHT)))
    assert (found.faults, len(found.liveness)) == ((), 8)
    assert [source.inside for source in found.liveness] == [f"zip:{index}" for index in range(9, 1, -1)]


def test_a_folder_of_ones_own_with_too_few_images() -> None:
    (found,) = in_zip("C-17/selfie.jpg", *(f"C-17/{name}" for name in EIGHT[:5]))
    assert faults(found) == {"liveness": "Smile ID takes 8 liveness images or none. You attached 5."}


def test_a_liveness_folder_in_natural_order_without_the_selfie() -> None:
    images = [f"ada/{number}.jpg" for number in (10, 9, 8, 1, 2, 3, 4, 5)]
    row = (*ROW, "ada/me.jpg", "ada")
    (found,) = in_zip("ada/me.jpg", *images, rows=(row,), header=(*PLAIN, "photo", "liveness"))
    assert found.faults == ()
    assert [source.inside for source in found.liveness] == [f"zip:{n}" for n in (5, 6, 7, 8, 9, 4, 3, 2)]


@pytest.mark.parametrize("separator", ["; ", "|", ", ", "\n"])
def test_liveness_as_a_list_of_names(separator: str) -> None:
    row = (*ROW, separator.join(EIGHT))
    (found,) = in_zip("C-17.jpg", *EIGHT, rows=(row,), header=(*PLAIN, "liveness"))
    assert (found.faults, len(found.liveness)) == ((), 8)


def test_liveness_in_columns_of_their_own_and_as_a_json_list() -> None:
    header = (*PLAIN, *(f"Liveness {number}" for number in range(1, 9)))
    (found,) = in_zip("C-17.jpg", *EIGHT, rows=((*ROW, *EIGHT),), header=header)
    assert (found.faults, len(found.liveness)) == ((), 8)
    value = [{**dict(zip(PLAIN, ROW, strict=True)), "liveness": EIGHT}]
    by_json = one(json_file(value), loose=[photo("C-17.jpg"), *map(photo, EIGHT)])
    assert (by_json.faults, len(by_json.liveness)) == ((), 8)


def test_liveness_images_that_are_missing_or_shared() -> None:
    header = (*PLAIN, "liveness")
    (found,) = in_zip("C-17.jpg", *EIGHT[:7], rows=((*ROW, ";".join(EIGHT)),), header=header)
    assert faults(found) == {"liveness": "Image 8: It was not found."}
    rows = ((*ROW, "live"), (*ROW2, "live"))
    both = in_zip("C-17.jpg", "C-18.jpg", *(f"live/{name}" for name in EIGHT), rows=rows, header=header)
    assert [faults(a) for a in both] == [
        {"liveness": "Image 1: Row 3 uses the same photo."},
        {"liveness": "Image 1: Row 2 uses the same photo."},
    ]
    (twice,) = in_zip("C-17.jpg", *EIGHT, rows=((*ROW, ";".join(["C-17.jpg", *EIGHT[:7]])),), header=header)
    assert faults(twice) == {"liveness": "The same file is attached twice."}


def test_photos_inside_cells() -> None:
    text = base64.b64encode(JPEG).decode()
    header = (*PLAIN, "selfie_base64", "liveness_base64")
    for listed in (";".join([text] * 8), f'["{text}"' + f',"data:image/jpeg;base64,{text}"' * 7 + "]"):
        (found,) = reading(table(csv_bytes(header, (*ROW, text, listed)))).applicants
        assert found.faults == ()
        assert [source.inside for source in found.liveness] == [f"cell:2:liveness:{n}" for n in range(8)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("!!!!", "This is not base64, or not all of it."),
        (base64.b64encode(JPEG).decode()[:-1], "This is not base64, or not all of it."),
        (base64.b64encode(b"GIF89a").decode(), "This is not a JPEG or PNG photo in base64."),
        ("A" * 15_000_000, "This photo is larger than 10 MB."),
    ],
)
def test_cells_that_hold_no_photo(cell: str, words: str) -> None:
    assert faults(one(table(csv_bytes((*PLAIN, "selfie_base64"), (*ROW, cell))), loose=())) == {"selfie_base64": words}


def test_a_selfie_named_and_held() -> None:
    text = base64.b64encode(JPEG).decode()
    found = one(table(csv_bytes((*PLAIN, "selfie", "selfie_base64"), (*ROW, "ada.jpg", text))))
    assert faults(found) == {"selfie_base64": "The row names a selfie and holds one as well. Keep one of them."}


PARTS = st.sampled_from(
    ["22212345678", "22212345679", "C-17", "C-18", "Ada Example", "ada_example", "bola-sample", "x"]
)
PATHS = st.builds(
    lambda folder, stem, ending: f"{folder}/{stem}{ending}".lstrip("/"),
    st.one_of(st.just(""), PARTS, st.just("C-17/C-18")), st.one_of(PARTS, st.sampled_from(["selfie", "liveness_0"])),
    st.sampled_from([".jpg", ".png", ".JPG"]),
)  # fmt: skip


def owners(path: str, rows: Sequence[tuple[str, ...]]) -> set[int]:
    """An oracle of its own: whose a file may be called, as a person would say it."""
    *folders, base = path.lower().split("/")
    stem = base.rsplit(".", 1)[0]
    found = set()
    for place, (_, _, number, first, last, ref, column) in enumerate(rows):
        called = {number, ref.lower()} - {""}
        spoken = f"{first} {last}".lower()
        by_name = stem in called or stem.replace("_", " ").replace("-", " ") == spoken
        by_folder = bool(folders) and folders[-1] in called and stem in {"selfie", "liveness_0"}
        named = bool(column) and column.lower() in {base, path.lower()}
        if by_name or by_folder or named:
            found.add(place)
    return found


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    paths=st.lists(PATHS, min_size=1, max_size=8, unique_by=str.lower),
    people_=st.lists(
        st.tuples(
            st.sampled_from(["22212345678", "22212345679"]), st.sampled_from(["Ada", "Bola"]),
            st.sampled_from(["Example", "Sample"]), st.sampled_from(["", "C-17", "C-18"]), st.integers(-3, 7),
        ), min_size=1, max_size=4,
    ),
)  # fmt: skip
def test_never_a_wrong_persons_photo(paths: list[str], people_: list[tuple[str, str, str, str, int]]) -> None:
    rows = [
        ("NG", "BVN", number, first, last, ref, paths[which] if 0 <= which < len(paths) else "")
        for number, first, last, ref, which in people_
    ]
    found = in_zip(*paths, rows=tuple(rows), header=(*PLAIN, "photo"))
    used = [source for applicant in found for source in (applicant.selfie, *applicant.liveness) if source]
    assert len(used) == len(set(used))
    for place, applicant in enumerate(found):
        if applicant.selfie is not None:
            assert applicant.selfie.inside is not None
            path = paths[int(applicant.selfie.inside.removeprefix("zip:")) - 1]
            assert owners(path, rows) == {place}
        else:
            assert applicant.faults
