"""A spreadsheet must show what stands in a cell, and calculate nothing."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from xml.etree import ElementTree

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.applicants import Limits
from bot.domain.applicants.sheet import Sheet as StrangersSheet
from bot.domain.applicants.workbook import Workbook
from bot.domain.reporting.spreadsheets import Sheet, csv_bytes, neutral, neutral_in_csv, workbook
from bot.errors import Refused

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =HYPERLINK(1)", "\u00a0=1", "|calc", "%0A=1"]
FULL_WIDTH = ["\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"]
BEHIND_SEPARATORS = [
    "C2;=1+1",
    "a,=1",
    "a\t+1",
    "a\n@SUM(A1)",
    "a; \u200b=1",
    "a|-1",
    "x\u2028=1",
    ";;=1",
    'C2;"=1+1',
    'a,""@SUM(A1)',
]
BEHIND_THE_UNSEEN = ["\x01=1+1", "\ufeff=1+1", "\u200b=1", " \x00@SUM(A1)", '"=1+1', ' ""-1']


@pytest.mark.parametrize("text", [*FORMULAS, *FULL_WIDTH, *BEHIND_THE_UNSEEN])
def test_a_formula_becomes_text(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "K-7F3K2Q", "Ada", "1990-01-02", "a=b", "0810"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutral(text) == text


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_a_csv_file_reads_back_as_what_was_written(rows: list[list[str]]) -> None:
    text = csv_bytes(["one", "two"], rows).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [["one", "two"], *([neutral_in_csv(cell) for cell in row] for row in rows)]


@given(st.lists(st.lists(CELLS | st.sampled_from(BEHIND_SEPARATORS), min_size=2, max_size=2), max_size=5))
def test_however_a_program_splits_a_csv_file_no_cell_is_a_formula(rows: list[list[str]]) -> None:
    text = csv_bytes(["one", "two"], rows).decode("utf-8-sig")
    for piece in re.split("[\r\n\v\f\x85\u2028\u2029,;|\t]", text):
        # Some programs take the quotes away, some do not.
        for cell in (piece, piece.lstrip('"')):
            assert neutral(cell) == cell


@pytest.mark.parametrize("text", BEHIND_SEPARATORS)
def test_a_formula_behind_a_separator_becomes_text(text: str) -> None:
    assert neutral_in_csv(text) != text
    assert neutral_in_csv(text).replace("'", "") == text


def test_every_cell_is_quoted() -> None:
    text = csv_bytes(["one"], [["a"], [""], ['say "x"'], ["C2;=1+1"]]).decode("utf-8-sig")
    assert text == '"one"\r\n"a"\r\n""\r\n"say ""x"""\r\n"C2;\'=1+1"\r\n'


@pytest.mark.slow
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=3))
def test_no_cell_of_a_workbook_is_a_formula(rows: list[list[str]]) -> None:
    book = read_back(["one", "two"], [*rows, FORMULAS[:2]])
    (sheet,) = book.worksheets
    assert [cell.value for cell in sheet[1]] == ["one", "two"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert [cell.value for cell in list(sheet.iter_rows())[-1]] == ["'=1+1", "'+1"]


def test_what_a_workbook_cannot_store_hides_no_formula() -> None:
    book = read_back(["one"], [["\x01=1+1"], ["\x00 @SUM(A1)"], ["\ufffe=1"], ["\ud800+1"], ["\r\n-1"]])
    told = [cell.value for (cell,) in list(book.worksheets[0].iter_rows())[1:]]
    assert told == ["'=1+1", "' @SUM(A1)", "'=1", "'+1", "'\n-1"]


def test_a_cell_holds_what_was_written_in_every_reader() -> None:
    """openpyxl, and our own reader of strangers' workbooks, which knows the spelling of what XML cannot hold."""
    cells = [" a  b ", "<b>&amp;\"'</b>", "\t\n]]>", "😀é", "", "_x003D_1", "0810"]
    header = [chr(ord("A") + at) for at in range(len(cells))]
    (sheet,) = read_back(header, [cells]).worksheets
    assert sheet.title == "Checks & more"
    first = [cell.value or "" for cell in sheet[2]]
    assert first[:2] + first[3:5] + first[6:] == cells[:2] + cells[3:5] + cells[6:]
    assert (first[2], first[5]) == ("'\t\n]]>", "_x005F_x003D_1")
    assert all(cell.data_type == "s" for row in sheet.iter_rows() for cell in row if cell.value)
    book = Workbook(io.BytesIO(written(header, [cells])), "checks.xlsx", Limits())
    (part,) = book.sheets()
    _header, row = StrangersSheet(book, part).rows()
    assert [cell.text for cell in row.cells][5:] == cells[5:]


def test_a_cell_is_cut_where_excel_cuts_it() -> None:
    (sheet,) = read_back(["one"], [["x" * 40_000], ["😀" * 20_000], ["x" * 32_766 + "😀"]]).worksheets
    lengths = [len(str(cell.value).encode("utf-16-le")) // 2 for (cell,) in list(sheet.iter_rows())[1:]]
    assert lengths == [32_767, 32_766, 32_766]


def test_the_parts_of_a_workbook_name_each_other() -> None:
    """As the standard wants it: each part has its type, and each relationship leads to a part."""
    with zipfile.ZipFile(io.BytesIO(written(["one"], [["a"]]))) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        roots = {name: ElementTree.fromstring(archive.read(name)) for name in names}  # noqa: S314 - we wrote it
    types = {part.get("PartName") for part in roots["[Content_Types].xml"] if part.get("PartName")}
    assert types == {f"/{name}" for name in names if not name.endswith(".rels") and not name.startswith("[")}
    for name in names:
        if name.endswith(".rels"):
            folder = name.partition("_rels/")[0]
            assert {folder + str(link.get("Target")) for link in roots[name]} <= names


def test_a_sheet_holds_as_much_as_it_can_and_no_more() -> None:
    rows = Sheet(io.BytesIO(), most_rows=2)
    rows.append([["the header"], ["a"], ["b"]])
    with pytest.raises(Refused, match="export_no_sheet"):
        rows.append([["c"]])
    size = Sheet(io.BytesIO(), most_bytes=300)
    with pytest.raises(Refused, match="export_no_sheet"):
        size.append([["a" * 300]])


def test_what_was_given_up_is_no_workbook() -> None:
    out = io.BytesIO()

    def give_up() -> None:
        with workbook(out, ["one"], title="Checks") as sheet:
            sheet.append([["a"]])
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    with pytest.raises(ElementTree.ParseError):
        openpyxl.load_workbook(out)


def written(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    out = io.BytesIO()
    with workbook(out, header, title="Checks & more") as sheet:
        sheet.append(rows)
    return out.getvalue()


def read_back(header: Sequence[str], rows: Sequence[Sequence[str]]) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(written(header, rows)))
