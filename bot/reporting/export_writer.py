"""Writes checks without personal data into a file, for Slack and for the command line.

Page by page, so memory does not grow with the number of checks.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from typing import IO

from bot.domain.reporting.exports import ExportFormat
from bot.domain.reporting.spreadsheets import BOM, csv_text, workbook
from storage import audit, exports
from storage.engine.database import Database
from storage.exports import FIELDS, ExportLine, ExportRange

OnPage = Callable[[int], Awaitable[None]]


async def write_recorded(
    database: Database,
    form: ExportFormat,
    wanted: ExportRange,
    out: IO[bytes],
    *,
    actor: str,
    on_page: OnPage,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """`write`, followed by a record in the audit trail.

    Hand `out` on afterwards: what leaves is then on record, even where its reader goes away in the middle.
    """
    count = await write(database, form, wanted, out, on_page=on_page)
    await database.write(audit.record, at=now(), actor=actor, act="export.made", detail=f"{form.value}:{count}")
    return count


async def write(database: Database, form: ExportFormat, wanted: ExportRange, out: IO[bytes], *, on_page: OnPage) -> int:
    """Write the checks, oldest first, and return their number; `on_page` gets the number so far.

    Raises Refused when a workbook would be too long.
    """
    count, last = 0, None
    with ExitStack() as whole:
        sheet = whole.enter_context(workbook(out, FIELDS, title="Checks")) if form is ExportFormat.XLSX else None
        if form is ExportFormat.CSV:
            out.write((BOM + csv_text([FIELDS])).encode())
        while lines := await database.read(exports.page, wanted, last):
            last = lines[-1]
            count += len(lines)
            if sheet is None:
                await asyncio.to_thread(out.write, _bytes(form, lines))
            else:
                await asyncio.to_thread(sheet.append, [_cells(line) for line in lines])
            await on_page(count)
    return count


def _bytes(form: ExportFormat, lines: list[ExportLine]) -> bytes:
    if form is ExportFormat.CSV:
        return csv_text(_cells(line) for line in lines).encode()
    return "".join(json.dumps(asdict(line)) + "\n" for line in lines).encode()


def _cells(line: ExportLine) -> list[str]:
    return [str(value) for value in astuple(line)]
