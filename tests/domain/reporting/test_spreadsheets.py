"""A spreadsheet must show what stands in a cell, and calculate nothing."""

import csv
import io
import re
from collections.abc import Sequence

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.reporting.spreadsheets import Sheet, csv_bytes, neutral, neutral_in_csv

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
    book = workbook(["one", "two"], [*rows, FORMULAS[:2]])
    (sheet,) = book.worksheets
    assert [cell.value for cell in sheet[1]] == ["one", "two"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert [cell.value for cell in list(sheet.iter_rows())[-1]] == ["'=1+1", "'+1"]


def test_what_a_workbook_cannot_store_hides_no_formula() -> None:
    book = workbook(["one"], [["\x01=1+1"], ["\x00 @SUM(A1)"]])
    assert [cell.value for (cell,) in list(book.worksheets[0].iter_rows())[1:]] == ["'=1+1", "' @SUM(A1)"]


def workbook(header: Sequence[str], rows: Sequence[Sequence[str]]) -> openpyxl.Workbook:
    """What `Sheet` wrote, read back."""
    sheet, out = Sheet(header, title="Checks"), io.BytesIO()
    sheet.append(rows)
    sheet.save(out)
    return openpyxl.load_workbook(out)
