"""The bare record of checks, written into a file: the one way to it, for Slack and for the command line.

Page by page, so that the size of the record is no matter of memory.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, astuple
from typing import IO

from bot.domain.reporting.exports import ExportFormat
from bot.domain.reporting.spreadsheets import BOM, Sheet, csv_text
from bot.errors import Refusal, Refused
from storage import exports
from storage.engine.database import Database
from storage.exports import FIELDS, ExportLine, ExportRange

MOST_IN_A_WORKBOOK = 1_000_000
"""A sheet holds 1,048,576 rows."""


async def _quietly(_count: int) -> None:
    """Nobody is told how far it is."""


async def write(
    database: Database,
    form: ExportFormat,
    wanted: ExportRange,
    out: IO[bytes],
    *,
    on_page: Callable[[int], Awaitable[None]] = _quietly,
) -> int:
    """Write the checks, oldest first, and give their number; `on_page` hears of how many so far.

    Raises Refused when a workbook would be too long.
    """
    count, last = 0, None
    sheet = Sheet(FIELDS, title="Checks") if form is ExportFormat.XLSX else None
    try:
        if form is ExportFormat.CSV:
            out.write((BOM + csv_text([FIELDS])).encode())
        while lines := await database.read(exports.page, wanted, last):
            last = lines[-1]
            count += len(lines)
            if sheet is None:
                await asyncio.to_thread(out.write, _bytes(form, lines))
            else:
                _must_fit(count)
                await asyncio.to_thread(sheet.append, [_cells(line) for line in lines])
            await on_page(count)
    except BaseException:
        if sheet is not None:
            sheet.discard()
        raise
    if sheet is not None:
        await asyncio.to_thread(sheet.save, out)
    return count


def _must_fit(rows: int) -> None:
    if rows > MOST_IN_A_WORKBOOK:
        raise Refused(Refusal.EXPORT_NO_SHEET)


def _bytes(form: ExportFormat, lines: list[ExportLine]) -> bytes:
    if form is ExportFormat.CSV:
        return csv_text(_cells(line) for line in lines).encode()
    return "".join(json.dumps(asdict(line)) + "\n" for line in lines).encode()


def _cells(line: ExportLine) -> list[str]:
    return [str(value) for value in astuple(line)]
