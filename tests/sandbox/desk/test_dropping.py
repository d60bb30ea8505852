"""Files to drop: each is what its tile says, as the bot's own eyes see it."""

import csv
import io
import zipfile

import openpyxl
import pytest

from bot.domain.applicants import SourceFile
from bot.domain.check.photo_quality import Flaw
from bot.domain.check.photos import prepare
from bot.errors import PhotoCode, PhotoUnusable
from bot.sandbox.desk import dropping
from bot.sandbox.page.acts import FILES_AT_ONCE
from tests.domain.applicants.making import faults, reading


def test_every_file_of_every_tile_can_be_made() -> None:
    assert all(dropping.content(name) for name in dropping.names())


def test_a_file_that_no_tile_has_cannot() -> None:
    with pytest.raises(KeyError):
        dropping.content("../../etc/passwd")


def test_every_tile_says_what_it_is_for() -> None:
    tiles = [tile for shelf in dropping.SHELVES.values() for tile in shelf]
    assert len({tile.title for tile in tiles}) == len(tiles)
    assert all(tile.purpose and len(tile.purpose) <= 100 for tile in tiles)


@pytest.mark.parametrize("applicant", dropping.APPLICANTS, ids=lambda one: one.slug)
def test_good_photos_are_good(applicant: dropping.Applicant) -> None:
    assert prepare(dropping.content(f"{applicant.slug}.jpg")).quality.flaws == ()


@pytest.mark.parametrize(
    ("name", "flaws"),
    [
        ("too-dark.jpg", (Flaw.DARK,)),
        ("too-blurred.jpg", (Flaw.BLURRED,)),
        ("too-small.jpg", (Flaw.SMALL,)),
        ("lying.jpg", ()),
        ("a-png.png", ()),
    ],
)
def test_what_is_asked_about_has_the_flaw_that_its_tile_names(name: str, flaws: tuple[Flaw, ...]) -> None:
    assert prepare(dropping.content(name)).quality.flaws == flaws


def test_the_photo_that_lies_on_its_side_is_turned_upright() -> None:
    photo = prepare(dropping.content("lying.jpg"))
    assert photo.height > photo.width


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("really-a-gif.jpg", PhotoCode.OTHER_KIND),
        ("no-photo.jpg", PhotoCode.NEITHER_JPEG_NOR_PNG),
        ("cut-off.jpg", PhotoCode.DAMAGED),
    ],
)
def test_what_is_refused_is_refused(name: str, code: PhotoCode) -> None:
    with pytest.raises(PhotoUnusable) as refused:
        prepare(dropping.content(name))
    assert refused.value.code is code


def test_the_tables_say_the_same_and_the_zip_holds_their_photos() -> None:
    rows = list(csv.reader(io.StringIO(dropping.content("applicants.csv").decode())))
    sheet = openpyxl.load_workbook(io.BytesIO(dropping.content("applicants.xlsx"))).active
    assert sheet is not None
    assert [["" if cell is None else cell for cell in row] for row in sheet.iter_rows(values_only=True)] == rows
    with zipfile.ZipFile(io.BytesIO(dropping.content("applicants.zip"))) as archive:
        assert archive.read("applicants.csv") == dropping.content("applicants.csv")
        photos = {name.removeprefix("photos/") for name in archive.namelist() if name.startswith("photos/")}
    assert photos == {row[-1] for row in rows[1:]} - {"faceless-file.jpg"}


def test_the_same_files_come_from_the_same_seed() -> None:
    before = dropping.content("applicants.zip")
    dropping.content.cache_clear()
    assert dropping.content("applicants.zip") == before


def test_the_good_rows_of_the_zip_are_ready_and_each_other_row_has_one_fault() -> None:
    archive = io.BytesIO(dropping.content("applicants.zip"))
    found = reading(SourceFile(file_id="FZ", name="applicants.zip", content=archive)).applicants
    assert [len(faults(one)) for one in found] == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert [list(faults(one)) for one in found[6:]] == [["id_number"], ["country"], ["dob"], ["selfie"]]


def test_the_table_and_its_photos_fit_in_one_message() -> None:
    assert all(len(tile.files) <= FILES_AT_ONCE for tiles in dropping.SHELVES.values() for tile in tiles)
