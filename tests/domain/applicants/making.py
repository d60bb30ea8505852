"""Files as people send them, made in memory."""

import csv
import io
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files as resources
from typing import Any

import openpyxl
import pytest

from bot.domain.applicants import Applicant, Bundle, Limits, ReadApplicants, SourceFile, read
from bot.domain.check.request import FileInfo
from bot.domain.id_types.id_types import IDTypes
from bot.errors import FileUnusable
from bot.slack.blocks.refusals import plain_sentence

TODAY = date(2026, 11, 22)
ID_TYPES = IDTypes.parse((resources("bot") / "data" / "id-types.csv").read_text("utf-8"))
JPEG = b"\xff\xd8\xff\xe0 not a real picture, but it begins like one"
HEADER = ("country", "id_type", "id_number", "first_name", "last_name", "selfie")
ADA = ("NG", "BVN", "22212345678", "Ada", "Example", "ada.jpg")
BOLA = ("NG", "BVN", "22212345679", "Bola", "Sample", "bola.jpg")


def csv_bytes(*rows: Sequence[str], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def table(data: bytes | str, name: str = "people.csv", file_id: str = "FT") -> SourceFile:
    return SourceFile(file_id=file_id, name=name, content=io.BytesIO(data.encode() if isinstance(data, str) else data))


def people(*rows: Sequence[str]) -> SourceFile:
    return table(csv_bytes(HEADER, *rows))


def json_file(value: Any) -> SourceFile:
    return table(json.dumps(value), "people.json")


def xlsx_bytes(*sheets: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets, start=1):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xlsx(*sheets: Sequence[Sequence[Any]]) -> SourceFile:
    return table(xlsx_bytes(*sheets), "people.xlsx")


def zip_bytes(content: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in content.items():
            made.writestr(name, data)
    return out.getvalue()


def zipped(content: Mapping[str, bytes], name: str = "all.zip", file_id: str = "FZ") -> SourceFile:
    return SourceFile(file_id=file_id, name=name, content=io.BytesIO(zip_bytes(content)))


def photo(name: str, file_id: str = "") -> FileInfo:
    return FileInfo(id=file_id or f"F-{name}", name=name, mimetype="image/jpeg", size=1000)


ADAS, BOLAS = photo("ada.jpg"), photo("bola.jpg")


def reading(
    *files: SourceFile,
    loose: Sequence[FileInfo] = (),
    limits: Limits | None = None,
    id_types: IDTypes = ID_TYPES,
) -> ReadApplicants:
    return read(files, loose, id_types=id_types, today=TODAY, limits=limits or Limits())


def one(*files: SourceFile, loose: Sequence[FileInfo] = (ADAS,), id_types: IDTypes = ID_TYPES) -> Applicant:
    (applicant,) = reading(*files, loose=loose, id_types=id_types).applicants
    return applicant


def faults(applicant: Applicant) -> dict[str, str]:
    return {found.column: plain_sentence(found.fault) for found in applicant.faults}


def refusal(*files: SourceFile, limits: Limits | None = None) -> str:
    with pytest.raises(FileUnusable) as caught:
        reading(*files, limits=limits)
    return plain_sentence(caught.value)


def bundle(*files: SourceFile, limits: Limits | None = None) -> Bundle:
    return Bundle(files, limits or Limits(), id_types=ID_TYPES, spool=io.BytesIO(), lock=threading.Lock())
