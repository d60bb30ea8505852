"""One list of kinds of files: what each door reads, refuses or fetches, by name, by type and by content."""

import io

import pytest
from PIL import Image

from bot.domain.applicants.model import Limits, SourceFile
from bot.domain.applicants.sources import locate
from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.check.file_kinds import (
    APPLICANTS,
    LIKE_PHOTOS,
    PHOTO_ENDINGS,
    PHOTOS,
    TABLES,
    UNREAD_TABLES,
    FileKind,
    kind_by_content,
    kind_by_name,
    kind_of,
)
from bot.domain.check.photos import prepare
from bot.domain.check.request import FileInfo, check_file
from bot.domain.mentions.incoming import brings_applicants, fails_to_bring_applicants
from bot.errors import FileUnusable, PhotoUnusable
from bot.slack.blocks.refusals import plain_sentence
from bot.slack.file_objects import attached_files, file_info

ENDINGS = """
    jpg JPEG png csv tsv xlsx XLSM xltx json zip xls xlsb ods numbers gsheet txt heic webp gif avif tiff bmp svg mp4 pdf
    rar docx m4a exe
"""
NAMES = ["a", *(f"a.{ending}" for ending in ENDINGS.split())]


@pytest.mark.parametrize("name", NAMES)
def test_every_door_makes_the_same_of_a_name(name: str) -> None:
    """The message, the reader of tables and the check of photos: what one takes, the others leave to it."""
    kind, file = kind_by_name(name), FileInfo(id="F", name=name, size=1)
    takes_as_table = kind in APPLICANTS
    assert brings_applicants(file) is takes_as_table
    # A name that says nothing may be a photo's.
    assert (check_file(file) is None) is (kind in PHOTOS or kind is None)
    assert fails_to_bring_applicants(file) is (kind in UNREAD_TABLES or kind is FileKind.ARCHIVE)
    if kind is FileKind.ZIP:
        return
    source = SourceFile(file_id="F", name=name, content=io.BytesIO(b"x"))
    if kind in TABLES:
        assert locate([source], Limits()).table.kind is kind
    else:
        with pytest.raises(FileUnusable):
            locate([source], Limits())


@pytest.mark.parametrize("name", ["ada.jpg", "people.csv", "people.xlsx", "all.zip", "people.xls", "a"])
def test_an_empty_file_is_called_empty_whatever_its_name_says(name: str) -> None:
    file = FileInfo(id="F", name=name, size=0)
    assert not brings_applicants(file)
    assert (fault := check_file(file)) is not None
    assert plain_sentence(fault) == "This file is empty (0 bytes). Attach it again from your device."


def test_every_kind_has_its_sentence_and_belongs_to_one_door_at_most() -> None:
    for kind in FileKind:
        said = plain_sentence(FieldFault(FieldCode.FILE_KIND, kind=kind.value))
        assert said.startswith("This is ")
        assert said.endswith(".")
    assert not APPLICANTS & UNREAD_TABLES
    assert not APPLICANTS & LIKE_PHOTOS
    assert {kind_by_name(f"x.{ending}") for ending in PHOTO_ENDINGS} == PHOTOS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("people.xls", ("an old Excel workbook (.xls)", "Excel Workbook (.xlsx)")),
        ("people.xlsb", ("a binary Excel workbook (.xlsb)", "Excel Workbook (.xlsx)")),
        ("people.ods", ("an OpenDocument spreadsheet (.ods)", "(.xlsx)")),
        ("people.numbers", ("a Numbers spreadsheet", "Export To, Excel")),
        ("people.gsheet", ("a Google sheet", "Microsoft Excel (.xlsx)")),
        ("people.txt", ("a text file", "CSV UTF-8 (.csv)")),
        ("people.rar", ("an archive that I don't read", ".zip")),
        ("ada.heic", ("a HEIC picture", "JPEG or PNG")),
        ("ada.webp", ("a WebP picture", "JPEG or PNG")),
        ("ada.docx", ("a document", "JPEG or PNG")),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(name: str, words: tuple[str, str]) -> None:
    fault = check_file(FileInfo(id="F", name=name))
    assert fault is not None
    said = plain_sentence(fault)
    assert said.startswith(f"This is {words[0]}")
    assert words[1] in said


@pytest.mark.parametrize(
    ("name", "mimetype", "filetype", "kind"),
    [
        ("selfie.jpg", "application/pdf", "pdf", FileKind.PDF),
        ("selfie.jpg", "image/heic", "heic", FileKind.HEIC),
        ("selfie.png", "image/jpeg", "jpg", FileKind.JPEG),
        ("people", "text/csv", "csv", FileKind.CSV),
        ("people", "", "xlsx", FileKind.XLSX),
        ("people", "application/vnd.google-apps.spreadsheet", "gsheet", FileKind.GOOGLE_SHEET),
        ("people.csv", "application/vnd.ms-excel", "csv", FileKind.CSV),
        ("people.json", "text/plain", "text", FileKind.JSON),
        ("x.jpg", "application/octet-stream", "binary", FileKind.JPEG),
        ("x", "application/octet-stream", "binary", FileKind.OTHER),
        ("x.new", "audio/x-new", "new", FileKind.AUDIO),
        ("Notes", "application/vnd.slack-docs", "quip", FileKind.CANVAS),
        ("", "", "", None),
    ],
)
def test_a_type_counts_where_the_name_says_nothing_or_calls_something_a_photo(
    name: str, mimetype: str, filetype: str, kind: FileKind | None
) -> None:
    found = kind_of(name, mimetype, filetype)
    assert found in PHOTOS if kind in PHOTOS else found is kind


def picture(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 200), "gray").save(out, form)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (picture("WEBP"), "a WebP picture"),
        (picture("GIF"), "a GIF"),
        (picture("TIFF"), "a TIFF picture"),
        (picture("BMP"), "a BMP picture"),
        (b"\0\0\0\x24ftypheic" + bytes(500), "a HEIC picture"),
        (b"\0\0\0\x24ftypmif1" + bytes(500), "a HEIC picture"),
        (b"\0\0\0\x1cftypavif" + bytes(500), "an AVIF picture"),
        (b"\0\0\0\x20ftypisom" + bytes(500), "a video"),
        (b"%PDF-1.7" + bytes(500), "a PDF"),
    ],
)
def test_a_picture_under_a_photos_name_is_named_by_its_content(data: bytes, words: str) -> None:
    with pytest.raises(PhotoUnusable) as caught:
        prepare(data)
    assert plain_sentence(caught.value).startswith(f"By its content, whatever its name says, this is {words}")


def test_photos_are_known_by_their_content() -> None:
    assert [kind_by_content(picture(form)) for form in ("JPEG", "PNG")] == [FileKind.JPEG, FileKind.PNG]
    assert kind_by_content(b"") is None


# What Slack says of a file


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ({"mode": "tombstone"}, FieldCode.FILE_DELETED, "This file was deleted in Slack."),
        ({"is_tombstoned": True}, FieldCode.FILE_DELETED, "This file was deleted in Slack."),
        ({"mode": "hidden_by_limit"}, FieldCode.FILE_HIDDEN, "Slack hides this file"),
        ({"is_hidden_by_limit": True}, FieldCode.FILE_HIDDEN, "Slack hides this file"),
        ({"file_access": "access_denied"}, FieldCode.FILE_NOT_LET, "I may not read this file."),
        (
            {"is_external": True, "external_type": "gdrive", "size": 0, "name": "ada.jpg"},
            FieldCode.FILE_ELSEWHERE,
            "This file is kept in Google Drive, where I can't read it.",
        ),
        (
            {"mode": "external", "external_type": "app", "size": 0, "name": "ada.jpg"},
            FieldCode.FILE_ELSEWHERE,
            "This file is kept outside Slack, where I can't read it.",
        ),
    ],
)
def test_what_bars_a_file_is_told(said: dict[str, object], code: FieldCode, words: str) -> None:
    file = file_info({"id": "F", "mimetype": "image/jpeg", **said})
    fault = check_file(file)
    assert fault is not None
    assert fault.code is code
    assert plain_sentence(fault).startswith(words)
    assert not brings_applicants(file_info({"id": "F", **said, "name": "people.csv"}))
    assert fails_to_bring_applicants(file_info({"id": "F", **said, "name": "people.csv"}))


def test_a_google_sheet_is_told_how_to_become_a_workbook() -> None:
    sheet = file_info(
        {"id": "F", "name": "People", "filetype": "gsheet", "is_external": True, "external_type": "gdrive", "size": 0}
    )
    fault = check_file(sheet)
    assert fault is not None
    assert plain_sentence(fault).startswith("This is a Google sheet, which I can't read.")


def test_files_of_forwarded_messages_are_files_of_the_message() -> None:
    one, two, three = ({"id": f"F{n}", "name": f"{n}.jpg", "mimetype": "image/jpeg", "size": 9} for n in (1, 2, 3))
    found = attached_files(
        {
            "files": [one],
            "attachments": [{"is_share": True, "files": [two, one]}, {"is_msg_unfurl": True, "files": [three]}],
        }
    )
    assert [(file.id, file.name) for file in found] == [("F1", "1.jpg"), ("F2", "2.jpg")]


@pytest.mark.parametrize("odd", [None, "x", 3, [None, "x"], {"id": "F"}])
def test_odd_lists_of_files_hold_none(odd: object) -> None:
    assert attached_files({"files": odd, "attachments": odd}) == []
    assert attached_files({"attachments": [{"is_share": True, "files": odd}, None]}) == []
