"""*Files to drop*: applicants with faults, a zip, photos that are not good, good ones. All drawn or written here.

A tile is one thing to drop, of one file or several. Files are made when somebody asks for them, and kept.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import openpyxl
from PIL import Image, ImageEnhance, ImageFilter

from bot.sandbox import faces
from bot.sandbox.faces import Face

COLUMNS = ("country", "id_type", "id_number", "first_name", "last_name", "dob", "selfie")
_ORIENTATION = 0x0112
_TURNED_RIGHT = 6
"""EXIF: to be seen upright, the picture must be turned by 90 degrees."""
_ZIP_TIME = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Somebody who does not exist."""

    first_name: str
    last_name: str
    country: str
    id_type: str
    id_number: str
    dob: str
    is_woman: bool

    @property
    def slug(self) -> str:
        return f"{self.first_name}-{self.last_name}".lower()

    def row(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in COLUMNS if name != "selfie"} | {"selfie": f"{self.slug}.jpg"}


def _someone(name: str, country: str, id_type: str, id_number: str, dob: str, *, is_woman: bool) -> Applicant:
    first, last = name.split()
    return Applicant(
        first_name=first,
        last_name=last,
        country=country,
        id_type=id_type,
        id_number=id_number,
        dob=dob,
        is_woman=is_woman,
    )


APPLICANTS = (
    _someone("Amara Sample", "NG", "BVN", "00000002010", "1991-04-12", is_woman=True),
    _someone("Kwame Example", "GH", "NEW_VOTER_ID", "0000002020", "1984-11-30", is_woman=False),
    _someone("Wanjiku Specimen", "KE", "NATIONAL_ID", "00002030", "1996-07-08", is_woman=True),
    _someone("Sipho Invented", "ZA", "NATIONAL_ID", "0000000002040", "1979-02-21", is_woman=False),
    _someone("Zuri Nobody", "NG", "NIN_V2", "00000002050", "2000-09-17", is_woman=True),
    _someone("Tunji Fiction", "NG", "BVN", "00000002060", "1988-06-03", is_woman=False),
)
"""Their ID numbers end in a digit that Smile ID's sandbox finds."""


_FAULTY = (
    _someone("Short Number", "NG", "BVN", "12", "1990-03-05", is_woman=False),
    _someone("Nowhere Land", "Atlantis", "NATIONAL_ID", "00002080", "1982-10-14", is_woman=True),
    _someone("Impossible Date", "ZA", "NATIONAL_ID", "0000000002090", "31/02/1990", is_woman=False),
    _someone("Faceless File", "NG", "BVN", "00000002100", "1993-12-24", is_woman=True),
)
"""Each is wrong in its own way; the photo of the last is nowhere."""
WITH_PHOTOS = (*APPLICANTS, *_FAULTY[:-1])


def _rows() -> list[dict[str, str]]:
    """The applicants, and after them those of whom something is wrong."""
    return [applicant.row() for applicant in (*APPLICANTS, *_FAULTY)]


def _csv(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _xlsx(rows: list[dict[str, str]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Applicants"
    sheet.append(COLUMNS)
    for row in rows:
        # As text, or a spreadsheet cuts the zeros off an ID number.
        sheet.append([row[name] for name in COLUMNS])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _zip(rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        table = zipfile.ZipInfo("applicants.csv", _ZIP_TIME)
        table.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(table, _csv(rows))
        for applicant in WITH_PHOTOS:
            # A photo is compressed as it is.
            archive.writestr(zipfile.ZipInfo(f"photos/{applicant.slug}.jpg", _ZIP_TIME), _selfie(applicant))
    return out.getvalue()


@cache
def _selfie(applicant: Applicant) -> bytes:
    return faces.portrait(applicant.slug, is_woman=applicant.is_woman)


@cache
def _capture(applicant: Applicant) -> tuple[bytes, ...]:
    return tuple(faces.liveness(applicant.slug, is_woman=applicant.is_woman))


def _frame(applicant: Applicant, number: int) -> bytes:
    return _capture(applicant)[number]


# Photos that are not good


def _drawn(seed: str) -> Image.Image:
    return faces.draw(Face.from_seed(seed))


def _dark() -> bytes:
    return faces.jpeg(ImageEnhance.Brightness(_drawn("dark")).enhance(0.12))


def _blurred() -> bytes:
    return faces.jpeg(_drawn("blurred").filter(ImageFilter.GaussianBlur(9)))


def _small() -> bytes:
    return faces.jpeg(_drawn("small").resize((150, 200)))


def _cut_off() -> bytes:
    whole = faces.jpeg(_drawn("cut off"))
    return whole[: len(whole) // 3]


def _rotated() -> bytes:
    """Lying on its side, with the note in its EXIF that turns it upright, as phones write it."""
    lying = _drawn("rotated").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED_RIGHT
    out = io.BytesIO()
    lying.save(out, "JPEG", quality=88, exif=exif)
    return out.getvalue()


def _png() -> bytes:
    out = io.BytesIO()
    _drawn("png").save(out, "PNG")
    return out.getvalue()


def _gif() -> bytes:
    """What no check takes, under a name that every check takes."""
    out = io.BytesIO()
    _drawn("gif").resize((360, 480)).save(out, "GIF")
    return out.getvalue()


def _no_photo() -> bytes:
    return b"This is a letter, and no photo, whatever its name says.\n"


# Tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One thing to drop."""

    title: str
    purpose: str
    """What should come of it, in one line."""
    files: tuple[str, ...]
    """Their names, in the order in which they are dropped."""
    picture: str = ""
    """The file that is shown on it."""
    words: str = ""
    """What one writes beside it in a direct message."""
    words_in_channel: str = ""
    """The same where everybody reads it: no ID number, no name."""


_MAKERS: Mapping[str, Callable[[], bytes]] = {
    "applicants.csv": lambda: _csv(_rows()),
    "applicants.xlsx": lambda: _xlsx(_rows()),
    "applicants.zip": lambda: _zip(_rows()),
    "too-dark.jpg": _dark,
    "too-blurred.jpg": _blurred,
    "too-small.jpg": _small,
    "cut-off.jpg": _cut_off,
    "lying.jpg": _rotated,
    "a-png.png": _png,
    "really-a-gif.jpg": _gif,
    "no-photo.jpg": _no_photo,
    **{f"{one.slug}.jpg": partial(_selfie, one) for one in WITH_PHOTOS},
    **{
        f"{one.slug}-liveness-{number}.jpg": partial(_frame, one, number)
        for one in APPLICANTS[:2]
        for number in range(faces.FRAMES)
    },
}

_PORTRAITS = tuple(f"{one.slug}.jpg" for one in WITH_PHOTOS)


def _person(one: Applicant) -> Tile:
    words = f"{one.country} {one.id_type} {one.id_number} {one.first_name} {one.last_name} {one.dob}"
    name = f"{one.slug}.jpg"
    return Tile(
        title=f"{one.first_name} {one.last_name}",
        purpose=words,
        files=(name,),
        picture=name,
        words=words,
        words_in_channel=f"{one.country} {one.id_type}",
    )


def _liveness(one: Applicant) -> Tile:
    frames = tuple(f"{one.slug}-liveness-{number}.jpg" for number in range(faces.FRAMES))
    return Tile(
        title=f"{one.first_name}'s liveness images",
        purpose="Eight, from a neutral face to a smile: for the form's second file field.",
        files=frames,
        picture=frames[-1],
    )


def _bad(title: str, purpose: str, name: str, *, ending: int, is_picture: bool = True) -> Tile:
    """`ending` keeps the ID numbers apart; they end in a digit that Smile ID's sandbox finds."""
    return Tile(
        title=title,
        purpose=purpose,
        files=(name,),
        picture=name if is_picture else "",
        words=f"NG BVN 000000021{ending}0 Zola Invented 1990-01-01",
        words_in_channel="NG BVN",
    )


_ASKS = "The bot asks before it pays for the check."
_REFUSED = "Refused in words, before Smile ID sees it."

SHELVES: Mapping[str, tuple[Tile, ...]] = {
    "Many at once": (
        Tile(
            title="A zip",
            purpose="A table with its photos: six rows are ready, and each of four faults is named with its row.",
            files=("applicants.zip",),
        ),
        Tile(
            title="A table as CSV, and its photos",
            purpose="The same as single files, as somebody drops them together.",
            files=("applicants.csv", *_PORTRAITS),
        ),
        Tile(
            title="A table as Excel, alone",
            purpose="Without photos: the bot offers links, by which the customers take them.",
            files=("applicants.xlsx",),
        ),
    ),
    "Good photos": (*(_person(one) for one in APPLICANTS), *(_liveness(one) for one in APPLICANTS[:2])),
    "Photos that are not good": (
        _bad("Too dark", _ASKS, "too-dark.jpg", ending=1),
        _bad("Blurred", _ASKS, "too-blurred.jpg", ending=2),
        _bad("Too small", _ASKS, "too-small.jpg", ending=3),
        _bad(
            "Lying on its side", "Its EXIF says so: it is turned upright, and nothing is asked.", "lying.jpg", ending=4
        ),
        _bad("A PNG", "Smile ID takes JPEG: the bot converts it.", "a-png.png", ending=5),
        _bad("A GIF by the name of JPEG", _REFUSED, "really-a-gif.jpg", ending=6),
        _bad("Half a photo", _REFUSED, "cut-off.jpg", ending=7, is_picture=False),
        _bad("No photo at all", _REFUSED, "no-photo.jpg", ending=8, is_picture=False),
    ),
}


@cache
def content(name: str) -> bytes:
    """The file of this name; raises KeyError. Slow the first time: call it in a thread."""
    return _MAKERS[name]()


@cache
def thumbnail(name: str) -> bytes:
    """The picture in small, as JPEG; raises KeyError, and OSError for a file that is no picture."""
    with Image.open(io.BytesIO(content(name))) as picture:
        small = picture.convert("RGB")
    small.thumbnail((120, 160))
    return faces.jpeg(small)


def names() -> frozenset[str]:
    """Every file that a tile has."""
    return frozenset(name for tiles in SHELVES.values() for tile in tiles for name in tile.files)
