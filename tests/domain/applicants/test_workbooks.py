"""Workbooks: what is hidden, what is formatted without end, and what only has the name of one."""

import gc
import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal
from xml.parsers import expat

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from bot.domain.applicants import Limits, ReadApplicants
from bot.domain.applicants.model import EMPTY, Cell, CellKind
from bot.domain.applicants.xlsx_table import read_xlsx
from bot.errors import FileUnusable
from tests.domain.applicants.making import ADA, ADAS, BOLA, BOLAS, HEADER, faults, one, reading, refusal, table, xlsx

DATA = Path(__file__).parents[2] / "data" / "tables"
DAMAGED = "people.xlsx cannot be read as an Excel workbook. Save it again as .xlsx, or as CSV UTF-8."
PADDED = "people.xlsx is far larger inside than a list of customers: formatting without content, or too many cells."


def changed(
    *changes: Callable[[openpyxl.Workbook], None], rows: Sequence[Sequence[object]] = (HEADER, ADA, BOLA)
) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(list(row))
    for change in changes:
        change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def first(book: openpyxl.Workbook) -> Worksheet:
    return book.worksheets[0]


def read(data: bytes, name: str = "people.xlsx") -> ReadApplicants:
    return reading(table(data, name), loose=[ADAS, BOLAS])


def numbers(found: ReadApplicants, *, hidden: bool = False) -> list[int]:
    return [one.row for one in found.applicants if one.hidden is hidden]


# By hand, as no library writes it


def cell(column: str, row: int, text: str) -> str:
    return f'<c r="{column}{row}" t="inlineStr"><is><t>{text}</t></is></c>'


def line(row: int, texts: Sequence[str], more: str = "") -> str:
    return f'<row r="{row}"{more}>{"".join(map(cell, "ABCDEFGH", [row] * 8, texts))}</row>'


TABLE = line(1, HEADER) + line(2, ADA)


def sheet(rows: str, columns: str = "", *, merged: Sequence[str] = ()) -> str:
    areas = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    return f'<worksheet xmlns="urn:main">{columns}<sheetData>{rows}</sheetData>{areas}</worksheet>'


def by_hand(*sheets: str, states: Sequence[str] = (), **parts: str) -> bytes:
    """A workbook of these sheets; `sharedStrings` and `styles` are further parts."""
    links = [("worksheet", f"sheet{n}.xml") for n in range(len(sheets))] + [(kind, f"{kind}.xml") for kind in parts]
    names = "".join(
        f'<sheet name="S{n}" sheetId="{n + 1}" r:id="r{n}" state="{state}"/>'
        for n, state in enumerate([*states, *["visible"] * (len(sheets) - len(states))])
    )
    related = "".join(
        f'<Relationship Id="r{n}" Type="urn:{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(links)
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(
            "_rels/.rels",
            '<x><Relationship Id="r" Type="urn:/officeDocument" Target="/xl/workbook.xml"/></x>',
        )
        made.writestr("xl/workbook.xml", f'<workbook xmlns:r="urn:r"><sheets>{names}</sheets></workbook>')
        made.writestr(
            "xl/_rels/workbook.xml.rels", f"<Relationships>{related}</Relationships>".replace("urn:", "urn:/")
        )
        for n, text in enumerate(sheets):
            made.writestr(f"xl/sheet{n}.xml", text)
        for kind, text in parts.items():
            made.writestr(f"xl/{kind}.xml", text)
    return out.getvalue()


# Hidden


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_sheet_that_is_not_shown_is_named_and_not_read(state: Literal["hidden", "veryHidden"]) -> None:
    def hide(book: openpyxl.Workbook) -> None:
        book.create_sheet("June").append(HEADER)
        book["June"].append(ADA)
        book["June"].sheet_state = state

    found = read(changed(hide))
    assert (found.sheet, found.unseen.sheets, numbers(found)) == ("Sheet", ("June",), [2, 3])


def test_a_table_in_a_hidden_sheet_alone_is_refused_and_the_sheet_named() -> None:
    assert refusal(table(by_hand(sheet(""), sheet(TABLE), states=["visible", "veryHidden"]), "people.xlsx")) == (
        "I found no columns that I know in the first 20 rows of what the workbook shows. "
        "I don't read hidden sheets: S1. Unhide the one with the table and send it again."
    )


@pytest.mark.parametrize("how", ['hidden="1"', 'hidden="true"', 'ht="0" customHeight="1"', 'ht="0.75"'])
def test_a_row_that_is_not_shown_is_marked(how: str) -> None:
    found = read(by_hand(sheet(TABLE + line(3, BOLA, f" {how}"))))
    assert (numbers(found), numbers(found, hidden=True), found.hidden_rows) == ([2], [3], (3,))


def test_a_hidden_row_above_takes_no_photo_and_is_no_reason_to_call_a_row_a_repeat() -> None:
    found = read(by_hand(sheet(line(1, HEADER) + line(2, ADA, ' hidden="1"') + line(3, ADA))))
    hidden, shown = found.applicants
    assert (hidden.row, hidden.hidden, hidden.repeats, set(faults(hidden))) == (2, True, 3, {"selfie"})
    assert (shown.row, shown.hidden, shown.repeats, faults(shown)) == (3, False, None, {})


@pytest.mark.slow
def test_a_long_list_that_is_filtered_down_to_a_short_one_is_the_short_one() -> None:
    rows = "".join(line(row, ADA, ' hidden="1"') for row in range(3, 5_000))
    found = read(by_hand(sheet(TABLE + rows)))
    assert (numbers(found), numbers(found, hidden=True), len(found.hidden_rows)) == ([2], [], 4_997)


def test_shown_rows_beyond_the_limit_are_refused_beside_hidden_ones() -> None:
    rows = line(3, ADA, ' hidden="1"') + line(4, BOLA)
    with pytest.raises(FileUnusable, match="too_many_rows"):
        reading(table(by_hand(sheet(TABLE + rows)), "people.xlsx"), limits=Limits(rows=1))


@pytest.mark.parametrize("how", ['hidden="1"', 'width="0" customWidth="1"', 'width="0.14"'])
def test_a_column_that_is_not_shown_is_named_and_not_read(how: str) -> None:
    columns = f'<cols><col min="1" max="3" width="9"/><col min="4" max="4" {how}/></cols>'
    found = read(by_hand(sheet(TABLE, columns)))
    assert dict(found.unseen.columns) == {3: "first_name"}
    assert found.ignored_columns == {}
    assert dict(found.applicants[0].texts) == {"id_number": "22212345678", "last_name": "Example"}


def test_columns_that_are_hidden_unless_something_is_said_of_them_are_not_read() -> None:
    columns = '<sheetFormatPr defaultColWidth="0"/><cols><col min="1" max="3" width="9"/><col min="5" max="6"/></cols>'
    found = read(by_hand(sheet(TABLE, columns)))
    assert dict(found.unseen.columns) == {3: "first_name"}
    assert dict(found.applicants[0].texts) == {"id_number": "22212345678", "last_name": "Example"}


HIDDEN_IN_CELL = (
    "The spreadsheet holds something here that it does not show: its format or a merged cell hides it. "
    "Show it or delete it."
)


def test_what_a_merged_cell_covers_is_a_fault_and_not_read() -> None:
    """LibreOffice asks whether to keep it, and keeps it in the file."""
    rows = line(1, HEADER) + line(2, ADA) + line(3, BOLA)
    above, below = read(by_hand(sheet(rows, merged=["C2:C3", "F5:F9", "A1"]))).applicants
    assert (above.texts["id_number"], faults(above)) == ("22212345678", {})
    assert (below.texts, faults(below)) == (
        {"first_name": "Bola", "last_name": "Sample"}, {"id_number": HIDDEN_IN_CELL},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "text_is_shown", "number_is_shown"),
    [
        (";;;", False, False),
        (" ; ; ; ", False, False),
        (";;", True, False),
        (";;;@", True, False),
        ("0;;;@", True, True),
    ],
)
def test_what_a_format_hides_is_a_fault_and_not_read(code: str, *, text_is_shown: bool, number_is_shown: bool) -> None:
    """`;;;` is how Excel's own help hides what a cell holds."""
    styles = f'<x><numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts><cellXfs><xf/><xf numFmtId="170"/>'
    people = line(2, ADA).replace('r="D2"', 'r="D2" s="1"').replace(
        cell("C", 2, ADA[2]), f'<c r="C2" s="1"><v>{ADA[2]}</v></c>'
    )  # fmt: skip
    (ada,) = read(by_hand(sheet(line(1, HEADER) + people), styles=f"{styles}</cellXfs></x>")).applicants
    hidden = {"first_name": text_is_shown, "id_number": number_is_shown}
    assert faults(ada) == {name: HIDDEN_IN_CELL for name, is_shown in hidden.items() if not is_shown}


def test_a_hidden_column_that_is_needed_is_said_to_be_hidden() -> None:
    columns = '<cols><col min="1" max="1" hidden="1"/></cols>'
    assert refusal(table(by_hand(sheet(TABLE, columns)), "people.xlsx")) == (
        "The table shows no column country. I don't read hidden columns: country. "
        "Unhide what belongs to the table and send it again."
    )


# A title above the header


@pytest.mark.parametrize(
    "titles", [["Applicants of July"], ["BVN", "July 2026"], ["Bank", "", "Prepared by A. Example"]]
)
def test_titles_above_the_header_are_left_out_and_rows_keep_their_numbers(titles: list[str]) -> None:
    above = tuple(number for number, title in enumerate(titles, start=1) if title)
    rows = [[title] for title in titles]
    found = reading(xlsx([*rows, HEADER, ADA]), loose=[ADAS])
    assert (numbers(found), found.unseen.above) == ([len(titles) + 2], above)
    text = "\n".join([*titles, ",".join(HEADER), ",".join(ADA)])
    found = reading(table(text), loose=[ADAS])
    assert (numbers(found), found.unseen.above) == ([len(titles) + 2], above)


# Excel's own first line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("first_line", "delimiter"),
    [
        ("sep=;", ";"), ("SEP=,", ","), ('"sep=;"', ";"), ("sep=|", "|"), ("sep=\t", "\t"), ("sep=;;;;", ";"),
        ("sep=,", ";"),
    ],
)  # fmt: skip
def test_the_line_of_the_separator_is_used_and_the_row_below_it_is_row_1(
    first_line: str, delimiter: str, encoding: str
) -> None:
    text = "\r\n".join([first_line, delimiter.join(HEADER), delimiter.join(ADA)])
    found = reading(table(text.encode(encoding)), loose=[ADAS])
    assert (numbers(found), found.unseen.above, faults(found.applicants[0])) == ([2], (), {})


def test_a_fault_below_the_line_of_the_separator_names_the_row_that_people_see() -> None:
    text = f'sep=;\n{";".join(HEADER)}\nNG;BVN;"1"2\n'
    assert refusal(table(text)) == "Row 2 of the table (line 3) cannot be read: its quotes do not match."


# Formatting without end


YARD = b"<a>" + b"<b c='d'>e</b>" * 100_000 + b"</a>"
YARDS_IN_A_SECOND = 20


def a_yard() -> float:
    """CPU seconds that this machine needs just now for a fixed piece of the kind of work that reading is."""
    count = 0

    def called(*_facts: object) -> None:
        nonlocal count
        count += 1

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = called
    began = time.thread_time()
    parser.Parse(YARD, True)
    assert count == 300_002
    return time.thread_time() - began


@contextmanager
def a_second_at_most() -> Iterator[None]:
    """Of CPU, on a machine that has nothing else to do: others' work slows the yardstick as it slows the reading.

    What earlier tests left in this process is set apart meanwhile: the collector would go through all of it, at the
    reading's cost and not at the yardstick's, which makes nothing that it counts.
    """
    gc.freeze()
    try:
        before, began = a_yard(), time.thread_time()
        yield
        spent = time.thread_time() - began
    finally:
        gc.unfreeze()
    assert spent < YARDS_IN_A_SECOND * max(before, a_yard())


def padded(rows: str, *more: str) -> bytes:
    return by_hand(*more, sheet(TABLE + rows))


def formatted(row: int) -> str:
    cells = "".join(f'<c r="{column}{row}" s="1"/>' for column in "ABCDEFG")
    return f'<row r="{row}">{cells}</row>'


FORMATTED = {
    "a last row": lambda: padded('<row r="1048576"><c r="A1048576" s="1"/></row>'),
    "a million rows": lambda: padded("".join(f'<row r="{r}" s="1" customFormat="1"/>' for r in range(3, 1_048_577))),
    "a million cells": lambda: padded("".join(f'<row r="{r}"><c r="A{r}" s="1"/></row>' for r in range(3, 1_048_577))),
    "a range": lambda: padded("".join(formatted(row) for row in range(3, 30_000))),
    "a last column": lambda: padded('<row r="3"><c r="XFD3" s="1"/></row>'),
    "many sheets": lambda: padded("", *[sheet("".join(f'<row r="{r}" s="1"/>' for r in range(1, 30_000)))] * 20),
}


@pytest.mark.endurance
@pytest.mark.parametrize("what", FORMATTED)
@pytest.mark.slow
def test_formatting_without_content_costs_less_than_a_second(what: str) -> None:
    data = FORMATTED[what]()
    with a_second_at_most():
        found = read(data)
    assert numbers(found) == [2]


TOO_MUCH = {
    "many people that are hidden": lambda: padded("".join(line(r, ADA, ' hidden="1"') for r in range(3, 60_000))),
    "rows in another form": lambda: padded("".join(f'<row s="1" r="{r}"/>' for r in range(3, 1_000_000))),
    "texts": lambda: by_hand(
        sheet(TABLE + '<row r="3"><c r="A3" t="s"><v>0</v></c></row>'),
        sharedStrings="<sst>" + "".join(f"<si><t>{n}</t></si>" for n in range(400_000)) + "</sst>",
    ),
    "styles": lambda: by_hand(
        sheet(TABLE + '<row r="3"><c r="A3"><v>0</v></c></row>'),
        styles="<x><cellXfs>" + "".join(f'<xf numFmtId="{n}"/>' for n in range(700_000)) + "</cellXfs></x>",
    ),
    "sheets together": lambda: by_hand(
        *[sheet("".join(f"<row><c/></row>{n}" for n in range(30_000)))] * 20, sheet(TABLE)
    ),
    "sheets by number": lambda: by_hand(*[sheet("")] * 255, sheet(TABLE)),
    "a ratio": lambda: padded("<row/>" * 1_000_000),
    "text between the rows": lambda: padded("".join(sha256(b"%d" % n).hexdigest() * 8 for n in range(130_000))),
    "merged cells": lambda: by_hand(sheet(TABLE, merged=[f"A{n}:B{n}" for n in range(3, 100_000)])),
    "merged cells over one another": lambda: by_hand(
        sheet(TABLE + "".join(line(r, ADA, ' hidden="1"') for r in range(3, 3_000)), merged=["A1:F3000"] * 10_000)
    ),
}


@pytest.mark.endurance
@pytest.mark.parametrize("what", TOO_MUCH)
@pytest.mark.slow
def test_what_is_far_more_than_a_list_of_people_is_refused_within_a_second(what: str) -> None:
    data = TOO_MUCH[what]()
    with a_second_at_most():
        words = refusal(table(data, "people.xlsx"))
    assert words.startswith(PADDED)


# What the XML says, and what it must not


def test_a_document_type_is_refused_and_with_it_every_entity() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + sheet(line(1, HEADER) + line(2, ["&a;", *ADA[1:]]))
    assert refusal(table(by_hand(bomb), "people.xlsx")) == DAMAGED


@pytest.mark.parametrize(
    "rows",
    [
        line(1, HEADER) + line(2, ADA) + line(2, BOLA),
        line(1, HEADER) + line(3, ADA) + line(2, BOLA),
        line(1, HEADER) + line(2, ADA).replace("B2", "B3"),
        line(1, HEADER) + line(2, ADA).replace("B2", "A2"),
        line(1, HEADER) + line(2, ADA).replace("B2", "AAAA2"),
        line(1, HEADER) + line(2, ADA).replace('"A2"', '"A2" t="s"').replace("inlineStr", "s"),
        line(1, HEADER) + '<row r="2"/><row><c t="inlineStr"><is><t>NG</t></is></c></row>',
        line(1, HEADER) + '<row r="2"><c r="B2" s="1"/><c t="inlineStr"><is><t>NG</t></is></c></row>',
        line(1, HEADER) + '<row r="2"><c r="A2"><v>1_0</v></c></row>',
        line(1, HEADER) + '<row r="2"><c r="A2" t="s"><v>-1</v></c></row>',
        line(1, HEADER) + "<row",
    ],
)  # fmt: skip
def test_places_that_contradict_each_other_are_damage(rows: str) -> None:
    assert refusal(table(by_hand(sheet(rows), sharedStrings="<x><si><t>NG</t></si></x>"), "people.xlsx")) == DAMAGED


def test_places_that_are_not_said_are_counted() -> None:
    cells = ["".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts) for texts in (HEADER, ADA)]
    rows = "".join(f"<row>{texts}</row>" for texts in cells)
    assert numbers(read(by_hand(sheet(rows)))) == [2]


def test_prefixes_and_the_strict_form_are_read() -> None:
    strict = sheet(TABLE).replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")
    assert numbers(read(by_hand(strict))) == [2]


def test_texts_are_what_people_see_of_them() -> None:
    texts = (
        "<sst><si><r><t>A</t></r><r><rPr><b/></rPr><t>da</t></r><rPh sb='0' eb='1'><t>not said</t></rPh></si>"
        "<si><t>Exam_x000D_ple</t></si></sst>"
    )
    people = line(2, ADA).replace(cell("D", 2, "Ada"), '<c r="D2" t="s"><v>0</v></c>')
    people = people.replace(cell("E", 2, "Example"), '<c r="E2" t="s"><v>1</v></c>')
    (ada,) = read(by_hand(sheet(line(1, HEADER) + people), sharedStrings=texts)).applicants
    assert (ada.texts["first_name"], ada.texts["last_name"]) == ("Ada", "Exam ple")


@pytest.mark.parametrize(("epoch", "serial"), [("0", 32_875), ("1", 31_413)])
def test_dates_count_from_the_workbooks_own_first_day(epoch: str, serial: int) -> None:
    header = [*HEADER, "dob"]
    styles = (
        '<x><numFmts><numFmt numFmtId="170" formatCode="dd/mm/yyyy"/></numFmts>'
        '<cellXfs><xf/><xf numFmtId="170"/></cellXfs></x>'
    )
    people = line(2, ADA).replace("</row>", f'<c r="G2" s="1"><v>{serial}</v></c></row>')
    data = by_hand(sheet(line(1, header) + people), styles=styles)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as made, zipfile.ZipFile(out, "w") as again:
        for name in made.namelist():
            content = made.read(name).replace(b"<sheets>", f'<workbookPr date1904="{epoch}"/><sheets>'.encode())
            again.writestr(name, content)
    (ada,) = read(out.getvalue()).applicants
    assert (ada.texts["dob"], faults(ada)) == ("1990-01-02", {})


@pytest.mark.parametrize(
    ("value", "born", "is_fault"),
    [("1990-01-02", "1990-01-02", False), ("1990-01-02T00:00:00.000", "1990-01-02", False), ("12:00:00", None, True)],
)
def test_dates_of_the_strict_form_are_read_and_a_time_of_day_is_no_damage(
    value: str, born: str | None, *, is_fault: bool
) -> None:
    people = line(2, ADA).replace("</row>", f'<c r="G2" t="d"><v>{value}</v></c></row>')
    (ada,) = read(by_hand(sheet(line(1, [*HEADER, "dob"]) + people))).applicants
    assert (ada.texts.get("dob"), set(faults(ada))) == (born, {"dob"} if is_fault else set())


def test_a_cell_far_beyond_the_header_is_a_fault_of_its_row() -> None:
    far = line(2, ADA).replace("</row>", cell("XFD", 2, "x") + "</row>")
    assert set(faults(one(table(by_hand(sheet(line(1, HEADER) + far)), "people.xlsx")))) == {"row"}
    wide = line(1, HEADER).replace("</row>", cell("XFD", 1, "x") + "</row>")
    assert refusal(table(by_hand(sheet(wide + line(2, ADA))), "people.xlsx")) == (
        "The table has more than 200 columns. Delete those not needed."
    )


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.text("aé<&> '\"_x1", max_size=6),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.dates(date(1900, 3, 1), date(2100, 1, 1)), st.datetimes(datetime(1901, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  cells know no zone
)  # fmt: skip


def as_openpyxl_has_it(value: object) -> Cell:
    """What a cell that openpyxl reads is to us."""
    match value:
        case str():
            return Cell(value)
        case None:
            return EMPTY
        case bool():
            return Cell("", CellKind.OTHER)
        case int() | float():
            return Cell(str(int(value)) if value == int(value) else repr(value), CellKind.NUMBER)
        case datetime() if value.time() == datetime.min.time():
            return Cell(value.date().isoformat(), CellKind.DATE)
        case datetime():
            return Cell(value.isoformat(" ", "seconds"), CellKind.DATE)
        case _:
            raise AssertionError(value)


@pytest.mark.slow
@given(st.lists(st.lists(VALUES, min_size=1, max_size=6), min_size=1, max_size=6), st.sets(st.integers(2, 7)))
def test_cells_are_what_openpyxl_reads(rows: list[list[object]], hidden: set[int]) -> None:
    def hide(book: openpyxl.Workbook) -> None:
        for number in hidden:
            first(book).row_dimensions[number].hidden = True

    data = changed(hide, rows=[HEADER, *rows])
    found = {row.number: row for row in read_xlsx(io.BytesIO(data), "p.xlsx", limits=Limits(), known=len).rows()}
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    for number, cells in enumerate(sheet.iter_rows(min_row=2, values_only=True), start=2):
        wanted = [as_openpyxl_has_it(value) for value in cells]
        blank = [cell.kind is CellKind.TEXT and not cell.text.strip() for cell in wanted]
        if all(blank):
            assert number not in found
            continue
        assert found[number].hidden is (number in hidden)
        got = [*found[number].cells, *[EMPTY] * (len(wanted) - len(found[number].cells))]
        assert got == [EMPTY if is_blank else cell for cell, is_blank in zip(wanted, blank, strict=True)]


# Other things under the name


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000)


def zip_with(path: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(path, "x")
    return out.getvalue()


@pytest.mark.parametrize("name", ["people.xlsx", "people.csv"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (OLE, "an old Excel workbook (.xls), which I don't read."),
        (zip_with("xl/workbook.bin"), "a binary Excel workbook (.xlsb), which I don't read."),
        (zip_with("content.xml"), "an OpenDocument spreadsheet (.ods), which I don't read."),
        (zip_with("Index/Document.iwa"), "a Numbers spreadsheet, which I don't read."),
        (zip_with("word/document.xml"), "a text document or presentation, which I don't read."),
        (b"\r\n<HTML><body><table>", "a web page, which I don't read."),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "a web page, which I don't read."),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "an XML file, which I don't read."),
        (b"%PDF-1.7", "a PDF, which I don't read."),
        (b"{\\rtf1", "a text document or presentation, which I don't read."),
    ],
)  # fmt: skip
def test_what_is_no_table_that_is_read_says_what_it_is(content: bytes, words: str, name: str) -> None:
    told = refusal(table(content, name))
    assert told.startswith(f"{name} is {words} ")
    assert ".xlsx" in told or "Excel in Numbers" in told


def test_a_workbook_with_a_password_says_so() -> None:
    locked = OLE + "EncryptedPackage".encode("utf-16-le")
    words = "people.xlsx is protected by a password. Save it without one and send it again."
    assert refusal(table(locked, "people.xlsx")) == words


def test_a_workbook_under_the_name_of_a_csv_is_read() -> None:
    assert numbers(read(changed(), "people.csv")) == [2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(DATA.glob("*.xls?")), ids=lambda path: path.name)
def test_every_reported_workbook_is_read_within_a_second(path: Path) -> None:
    with a_second_at_most():
        found = read(path.read_bytes(), path.name)
    assert numbers(found)
    assert not any(faults(one) for one in found.applicants)
