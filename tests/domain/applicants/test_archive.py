"""Zips of strangers: what is refused, and in which words. Nothing is unpacked to find out."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from bot.domain.applicants import Limits
from bot.slack.blocks.refusals import plain_sentence
from tests.domain.applicants.making import ADA, HEADER, JPEG, csv_bytes, one, reading, refusal, table, zip_bytes, zipped

PEOPLE = csv_bytes(HEADER, ADA)
LEADS_OUT = "all.zip holds file names that lead out of it. Make it again from one folder."
DAMAGED = "all.zip is damaged or incomplete. Make it again and send it once more."
BOMB = "all.zip unpacks to far more than photos and tables do, so I don't open it."
OVERLAP = "all.zip holds files that overlap, as only a zip bomb does."


def raw(data: bytes) -> str:
    return refusal(table(data, "all.zip"))


def written(change: Callable[[zipfile.ZipInfo], None], data: bytes = JPEG) -> bytes:
    """A zip with one odd entry."""
    info = zipfile.ZipInfo("odd.jpg")
    change(info)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("people.csv", PEOPLE)
        made.writestr(info, data)
    return out.getvalue()


def test_a_zip_with_table_and_photos_is_read() -> None:
    applicant = one(zipped({"team/people.csv": PEOPLE, "team/photos/Ada.JPG": JPEG}), loose=())
    assert applicant.faults == ()
    assert applicant.selfie is not None
    assert (applicant.selfie.file_id, applicant.selfie.inside) == ("FZ", "zip:1")


@pytest.mark.parametrize(
    "name", ["../a.jpg", "a/../../b.jpg", "/etc/a.jpg", "C:\\a.jpg", "c:a.jpg", "\\\\host\\a.jpg", ".."]
)
def test_path_tricks(name: str) -> None:
    assert raw(zip_bytes({"people.csv": PEOPLE, name: JPEG})) == LEADS_OUT


def test_control_characters_in_names() -> None:
    assert raw(zip_bytes({"people.csv": PEOPLE, "a\n.jpg": JPEG})) == (
        "all.zip holds a file name with control characters. Rename it."
    )


def test_links() -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, 0o120777 << 16

    assert raw(written(link, b"/etc/passwd")) == (
        "all.zip holds links instead of files. Make it again from the files themselves."
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a.jpg", "A.JPG", "./a.jpg", "x/../a.jpg", "a.jpg "])
def test_two_entries_of_one_name(second: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in ("people.csv", "a.jpg", second):
            made.writestr(name, PEOPLE)
    assert raw(out.getvalue()) in {"all.zip holds two files of the same name. Rename one of them.", LEADS_OUT}


def test_passwords() -> None:
    data = bytearray(zip_bytes({"people.csv": PEOPLE}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert raw(bytes(data)) == "all.zip is protected by a password. Make it again without one."


def test_other_ways_of_packing() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("people.csv", PEOPLE)
    assert raw(out.getvalue()) == "all.zip is packed in a way I don't read. Make an ordinary zip (Deflate)."


def test_what_computers_leave_behind_is_ignored() -> None:
    rest = {
        "__MACOSX/._people.csv": b"x",
        ".DS_Store": b"x",
        "Thumbs.db": b"x",
        "~$people.xlsx": b"x",
        "a/._b.csv": b"x",
    }
    assert one(zipped({**rest, "people.csv": PEOPLE, "ada.jpg": JPEG}), loose=()).faults == ()


def test_a_zip_within_the_zip_is_not_opened_and_is_named_where_it_is_missed() -> None:
    inner = zip_bytes({"ada.jpg": JPEG})
    applicant = one(zipped({"people.csv": PEOPLE, "photos.zip": inner}), loose=())
    assert [plain_sentence(found.fault) for found in applicant.faults] == [
        "No photo of this name was found. A zip inside the zip is not opened."
    ]


def test_limits_of_entries_and_sizes() -> None:
    data = zip_bytes({"people.csv": PEOPLE, "a.jpg": b"x" * 5000})
    assert refusal(table(data, "all.zip"), limits=Limits(entries=1)) == "all.zip holds more than 1 files. Split it."
    assert "unpacks to more than" in refusal(table(data, "all.zip"), limits=Limits(unpacked_bytes=4_000))
    assert "is larger than" in refusal(table(data, "all.zip"), limits=Limits(zip_bytes=100))


@pytest.mark.slow
def test_as_many_entries_as_a_zip_can_count() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(65_530):
            made.writestr(zipfile.ZipInfo(f"{number}"), b"")
    assert raw(out.getvalue()) == "all.zip holds more than 20,000 files. Split it."


@pytest.mark.slow
def test_a_bomb_by_ratio() -> None:
    assert raw(zip_bytes({"people.csv": PEOPLE, "a.jpg": bytes(20_000_000)})) == BOMB


@pytest.mark.slow
def test_a_bomb_within_the_workbook() -> None:
    assert "is far larger inside than a list" in refusal(
        table(zip_bytes({"xl/sharedStrings.xml": bytes(20_000_000)}), "a.xlsx")
    )


def overlapping(count: int) -> bytes:
    """Many directory entries that all point at the same packed bytes, as in the bombs of 2019."""
    packed = zlib.compress(b"0" * 900_000, 9)[2:-4]
    crc = zlib.crc32(b"0" * 900_000)
    fields = (20, 0, 8, 0, 0x21, crc, len(packed), 900_000)
    body = struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields, 5, 0) + b"0.jpg" + packed
    directory = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, *fields, len(name), 0, 0, 0, 0, 0, 0) + name
        for name in (f"{number}.jpg".encode() for number in range(count))
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def test_a_bomb_by_overlap() -> None:
    assert raw(overlapping(1_000)) == OVERLAP


@pytest.mark.slow
def test_a_nested_bomb_is_never_unpacked() -> None:
    bomb = zip_bytes({"0": bytes(30_000_000)})
    for _ in range(5):
        bomb = zip_bytes({f"{number}.zip": bomb for number in range(16)})
    assert "A zip inside the zip is not opened." in raw(bomb)


@pytest.mark.parametrize("cut", [1, 10, 22, 60, 200])
def test_a_zip_cut_short(cut: int) -> None:
    assert raw(zip_bytes({"people.csv": PEOPLE, "a.jpg": JPEG})[:-cut]) == DAMAGED


def test_a_zip_with_something_before_or_behind_it() -> None:
    data = zip_bytes({"people.csv": PEOPLE})
    assert raw(b"x" + data) == DAMAGED
    assert raw(data + b"x") == DAMAGED
    assert raw(b"") == DAMAGED


def test_zip64_and_parts() -> None:
    data = bytearray(zip_bytes({"people.csv": PEOPLE}))
    end = len(data) - 22
    data[end + 16 : end + 20] = b"\xff" * 4
    assert raw(bytes(data)) == "all.zip is a Zip64 archive, which I don't read. Make an ordinary zip of fewer files."
    data[end + 4] = 1
    assert raw(bytes(data)) == "all.zip is one part of several. Make one zip of everything."


def test_a_directory_that_lies_about_sizes_gives_no_more_than_it_declares() -> None:
    data = bytearray(zip_bytes({"people.csv": PEOPLE}))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<L", 10)
    no_columns = "I found no columns that I know in the table's first row. The template shows how it should look."
    assert raw(bytes(data)) in {DAMAGED, no_columns}


def test_macos_names_without_the_mark_of_utf8() -> None:
    row = (*ADA[:5], "Zoë.jpg")
    data = zip_bytes({"people.csv": csv_bytes(HEADER, row), "Zoe\u0308.jpg": JPEG})
    unmarked = data
    for mark, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        # The entry with the name is the last one of each kind of header.
        at = data.rindex(mark) + flags_at
        assert data[at + 1] == 0x08
        unmarked = unmarked[: at + 1] + b"\x00" + unmarked[at + 2 :]
    assert len(unmarked) == len(data)
    assert reading(table(data, "all.zip")).applicants[0].faults == ()
    assert reading(table(unmarked, "all.zip")).applicants[0].faults == ()
