"""Tables as people really send them, from public reports of what went wrong elsewhere; what is hidden is never sent."""

import io
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
import sqlite_utils
from openpyxl.worksheet.worksheet import Worksheet

from bot.intake import batch_commits
from bot.sandbox.slack import Message
from bot.slack.blocks import ids
from storage.engine import backup
from storage.engine.migrations import migrate
from tests.domain.applicants.making import ADAS, BOLAS, reading, table
from tests.journeys.intake.test_batches import batch_message, drop, info, send
from tests.journeys.world import SELFIE, Journey, journey
from tests.storage.older import before_macs

pytestmark = pytest.mark.anyio

DATA = Path(__file__).parents[2] / "data" / "tables"
PHOTOS = {"ada.jpg": SELFIE, "bola.jpg": SELFIE}
CPU_SECONDS = 5
HEADER = ["country", "id_type", "id_number", "first_name", "last_name", "selfie"]
ADA = ["NG", "BVN", "22212345678", "Ada", "Example", "ada.jpg"]
BOLA = ["NG", "BVN", "22212345679", "Bola", "Sample", "bola.jpg"]


def buttons(message: Message) -> list[str]:
    return [
        element["text"]["text"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def sent(world: Journey) -> set[str]:
    return {info(world, n)["id_info"]["id_number"] for n in range(len(world.smile_id.jobs))}


def workbook(change: Callable[[Worksheet], None]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (HEADER, ADA, BOLA):
        sheet.append(row)
    change(sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


async def case(world: Journey, name: str) -> Message:
    return await drop(world, {name: (DATA / name).read_bytes(), **PHOTOS})


async def test_a_hidden_sheet_is_named_and_nobody_of_it_is_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await case(world, "hidden-sheet.xlsx")
        shown = world.slack.plain(message)
        assert "1 row: 1 ready." in shown
        assert "Row 1 above the header is left out." in shown
        assert "1 hidden sheet is left out" in shown
        # Names of sheets are somebody's words, and others read this channel.
        assert "July" not in shown
        assert "June" not in shown
        assert buttons(message) == ["Send 1 check", "Cancel"]
        await send(world)
        assert sent(world) == {"22212345678"}


async def test_a_filtered_row_is_named_and_left_out(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await case(world, "filtered-row.xlsx")
        shown = world.slack.plain(message)
        assert "1 row: 1 ready." in shown
        assert "1 hidden or filtered row is left out: row 3." in shown
        assert buttons(message) == ["Send 1 check", "Send 2, hidden rows too", "Cancel"]
        await send(world)
        assert sent(world) == {"22212345678"}
        assert "1 of 1 ended" in world.slack.plain(batch_message(world))


async def test_a_filtered_row_is_sent_when_its_requester_chooses_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await case(world, "filtered-row.xlsx")
        await send(world, ids.BATCH_CONFIRM_HIDDEN)
        assert sent(world) == {"22212345678", "22212345679"}


async def test_a_formatted_last_row_costs_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        began = time.process_time()
        message = await case(world, "ghost-last-row.xlsx")
        # With everything else that two photos, Slack and its stand-in cost; the reader alone has its bound elsewhere.
        assert time.process_time() - began < CPU_SECONDS
        assert "2 rows: 2 ready." in world.slack.plain(message)
        await send(world)
        assert sent(world) == {"22212345678", "22212345679"}


async def test_a_workbook_with_room_for_macros_is_read(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await case(world, "applicants.xlsm")
        assert "1 row: 1 ready." in world.slack.plain(message)
        await send(world)
        assert sent(world) == {"22212345678"}


async def test_excels_line_of_the_separator_is_used_and_skipped(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await case(world, "sep-line.csv")
        shown = world.slack.plain(message)
        assert "1 row: 1 ready." in shown
        assert "above the header" not in shown
        await send(world)
        assert sent(world) == {"22212345678"}


def _hide_all(sheet: Worksheet) -> None:
    for row in (2, 3):
        sheet.row_dimensions[row].hidden = True


async def test_a_table_of_hidden_rows_alone_is_sent_only_if_chosen(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await drop(world, {"people.xlsx": workbook(_hide_all), **PHOTOS})
        shown = world.slack.plain(message)
        assert "0 rows: 0 ready." in shown
        assert "2 hidden or filtered rows are left out: rows 2 and 3." in shown
        assert buttons(message) == ["Send 2, hidden rows too", "Cancel"]
        assert not world.smile_id.jobs
        await send(world, ids.BATCH_CONFIRM_HIDDEN)
        assert sent(world) == {"22212345678", "22212345679"}


def _hide_repeats(sheet: Worksheet) -> None:
    """Rows 2 and 3 are people; 4 repeats row 2; 5 is hidden; 6 is hidden and repeats row 3."""
    for row in (ADA, [*BOLA[:2], "22212345670", *BOLA[3:5], "third.jpg"], BOLA):
        sheet.append(row)
    for number in (5, 6):
        sheet.row_dimensions[number].hidden = True


@pytest.mark.parametrize(
    ("action", "count"),
    [
        (ids.BATCH_CONFIRM, 2), (ids.BATCH_CONFIRM_ALL, 3), (ids.BATCH_CONFIRM_HIDDEN, 3),
        (ids.BATCH_CONFIRM_HIDDEN_ALL, 5),
    ],
)  # fmt: skip
async def test_repeats_and_hidden_rows_are_two_choices(tmp_path: Path, action: str, count: int) -> None:
    people = workbook(_hide_repeats)
    rows = openpyxl.load_workbook(io.BytesIO(people))
    sheet = rows.worksheets[0]
    for number, name in enumerate(["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"], start=2):
        sheet.cell(number, 6).value = name
    out = io.BytesIO()
    rows.save(out)
    async with journey(tmp_path) as world:
        photos = {f"{n}.jpg": SELFIE for n in range(1, 6)}
        message = await drop(world, {"people.xlsx": out.getvalue(), **photos})
        assert "3 rows: 2 ready, 1 looks like a repeat." in world.slack.plain(message)
        assert buttons(message) == [
            "Send 2 checks",
            "Send 3, repeats too",
            "Send 3, hidden rows too",
            "Send 5, repeats and hidden rows too",
            "Cancel",
        ]
        await send(world, action)
        assert len(world.smile_id.jobs) == count
        names = json.dumps([info(world, n)["id_info"] for n in range(count)])
        assert ("22212345670" in names) == (action in {ids.BATCH_CONFIRM_HIDDEN, ids.BATCH_CONFIRM_HIDDEN_ALL})


async def test_no_file_from_before_the_update_counts_as_chosen_with_its_hidden_rows(tmp_path: Path) -> None:
    copy = tmp_path / "old.db"
    async with journey(tmp_path) as world:
        await case(world, "filtered-row.xlsx")
        backup.take(world.bot.settings.database_file, copy, world.sealer)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        before_macs(connection, world.sealer)
        connection.execute("ALTER TABLE batches DROP COLUMN with_hidden")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0014_hidden_rows'")
        migrate(sqlite_utils.Database(connection), world.sealer)
        assert connection.execute("SELECT with_hidden FROM batches").fetchall() == [(0,)]


def test_a_preview_from_before_the_update_that_showed_hidden_rows_fits_its_file_no_more() -> None:
    """It is refused as changed, and nothing of it is sent; a file without hidden rows fits as before."""
    for name, fits in (("filtered-row.xlsx", False), ("ghost-last-row.xlsx", True)):
        found = reading(table((DATA / name).read_bytes(), name), loose=[ADAS, BOLAS])
        before = replace(found, applicants=tuple(replace(one, hidden=False) for one in found.applicants))
        assert (batch_commits.digest(before) == batch_commits.digest(found)) is fits


async def test_apostrophes_that_keep_zeros_belong_to_no_value(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await case(world, "apostrophes.csv")
        assert "1 row: 1 ready." in world.slack.plain(message)
        await send(world)
        assert info(world)["id_info"]["id_number"] == "22212345678"
        assert info(world)["id_info"]["phone_number"] == "08031234567"
        (check,) = await world.bot.database.read(lambda tx: tx.rows("SELECT ref FROM verifications"))
        assert (await world.check(check["ref"])).customer_reference == "0042"
