"""Zips of strangers: tricks are refused in words, and nothing is unpacked to find them."""

import base64
import io
import stat
import struct
import time
import tracemalloc
import zipfile

import pytest

from bot.domain.applicants import Limits, PhotoSource, SourceFile
from bot.errors import FileUnusable, PhotoUnusable
from tests.domain.applicants.making import (
    ADA,
    BOLA,
    HEADER,
    JPEG,
    bundle,
    csv_bytes,
    json_file,
    reading,
    refusal,
    table,
    zip_bytes,
    zipped,
)

TABLE = csv_bytes(HEADER, ADA, BOLA)


def raw(data: bytes) -> SourceFile:
    return SourceFile(file_id="FZ", name="all.zip", content=io.BytesIO(data))


def named(name: str, data: bytes = JPEG, mode: int = 0) -> SourceFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("people.csv", TABLE)
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.create_system = 3
        made.writestr(entry, data)
    return raw(out.getvalue())


@pytest.mark.parametrize("name", ["../ada.jpg", "/ada.jpg", "C:\\ada.jpg", "a/../../ada.jpg", "..\\ada.jpg"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert "all.zip" in refusal(named(name))


def test_a_link_is_refused() -> None:
    assert "all.zip" in refusal(named("ada.jpg", b"/etc/passwd", stat.S_IFLNK | 0o777))


def test_two_entries_of_one_name_are_refused() -> None:
    twice = zip_bytes({"people.csv": TABLE, "ada.jpg": JPEG, "adb.jpg": JPEG}).replace(b"adb.jpg", b"ada.jpg")
    assert "two files of the same name" in refusal(raw(twice))
    assert refusal(zipped({"people.csv": TABLE, "ada.jpg": JPEG, "ADA.JPG": JPEG}))


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = zip_bytes({"people.csv": TABLE, "ada.jpg": b"\0" * 30 * 1024 * 1024})
    assert len(bomb) < 100_000
    tracemalloc.start()
    began = time.perf_counter()
    words = refusal(raw(bomb))
    seconds, (_now, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "all.zip" in words
    assert seconds < 1
    assert peak < 5 * 1024 * 1024


def test_an_entry_that_lies_about_its_size_is_never_read_beyond_it() -> None:
    made = bytearray(zip_bytes({"people.csv": TABLE, "ada.jpg": JPEG * 5_000, "bola.jpg": JPEG}))
    at = made.rindex(b"ada.jpg") - 46
    assert made[at : at + 4] == b"PK\x01\x02"
    # The directory says ten bytes; the data says otherwise.
    struct.pack_into("<L", made, at + 24, 10)
    source = raw(bytes(made))
    try:
        found = reading(source).applicants[0].selfie
    except FileUnusable:
        return
    assert found is not None
    with pytest.raises((PhotoUnusable, FileUnusable)):
        bundle(source).photo(found)


def test_entries_that_share_their_data_are_refused() -> None:
    made = bytearray(zip_bytes({"people.csv": TABLE, "ada.jpg": JPEG, "bola.jpg": JPEG}, zipfile.ZIP_STORED))
    first, second = (made.rindex(name) - 46 for name in (b"ada.jpg", b"bola.jpg"))
    made[second + 42 : second + 46] = made[first + 42 : first + 46]
    assert refusal(raw(bytes(made)))


def test_what_is_encrypted_or_nested_is_told() -> None:
    made = bytearray(zip_bytes({"people.csv": TABLE, "ada.jpg": JPEG}))
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = made.find(mark)
        while at >= 0:
            made[at + offset] |= 1
            at = made.find(mark, at + 1)
    assert "password" in refusal(raw(bytes(made)))
    inner = zip_bytes({"ada.jpg": JPEG})
    applicant = reading(zipped({"people.csv": TABLE, "inner.zip": inner})).applicants[0]
    assert any("zip" in fault.words for fault in applicant.faults)


def test_too_many_and_too_much_is_refused() -> None:
    many = zip_bytes({"people.csv": TABLE, **{f"{n}.jpg": b"x" for n in range(60)}})
    assert refusal(raw(many), limits=Limits(entries=50))
    assert refusal(raw(many), limits=Limits(zip_bytes=1000))
    assert refusal(raw(many), limits=Limits(unpacked_bytes=100))


def test_what_computers_leave_in_folders_is_nobodys() -> None:
    content = {"people.csv": TABLE, "ada.jpg": JPEG, "bola.jpg": JPEG, "__MACOSX/._ada.jpg": b"x", "Thumbs.db": b"x"}
    found = reading(zipped(content))
    assert not [fault for one in found.applicants for fault in one.faults]
    assert found.unused_photos == 0


def test_each_row_gets_its_own_photo_out_of_the_zip() -> None:
    source = zipped({"people.csv": TABLE, "photos/ada.jpg": JPEG + b"A", "photos/bola.jpg": JPEG + b"B"})
    opened = bundle(source)
    for one, data in zip(reading(source).applicants, (JPEG + b"A", JPEG + b"B"), strict=True):
        assert one.selfie is not None
        assert opened.photo(one.selfie) == (data, False)
    opened.close()
    opened.close()
    with pytest.raises(FileUnusable):
        opened.photo(PhotoSource(file_id="FZ", inside="zip:1"))


def test_photos_inside_cells_come_as_base64() -> None:
    people = [
        {
            "country": "NG",
            "id_type": "BVN",
            "id_number": f"2221234567{n}",
            "selfie_base64": base64.b64encode(data).decode(),
        }
        for n, data in enumerate((JPEG + b"A", JPEG + b"B"))
    ]
    source = json_file(people)
    found = reading(source)
    opened = bundle(source)
    for one, data in zip(found.applicants, (JPEG + b"A", JPEG + b"B"), strict=True):
        assert not one.faults
        assert one.selfie is not None
        assert opened.photo(one.selfie) == (data, True)


def test_a_cell_that_is_no_base64_is_a_fault() -> None:
    (one,) = reading(table("country,id_type,id_number,selfie_base64\nNG,BVN,22212345678,§§§")).applicants
    assert [fault.column for fault in one.faults] == ["selfie_base64"]
