"""Exports: the bare record of checks for machines and spreadsheets, page by page, recorded in the audit trail."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from enum import StrEnum

from bot.domain.sheets import BOM, csv_text, xlsx_bytes
from storage import exports
from storage.database import Database
from storage.exports import FIELDS, Line, Wanted

MOST_IN_A_WORKBOOK = 1_000_000
"""A sheet holds 1,048,576 rows."""


class Format(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"
    XLSX = "xlsx"


class Exports:
    """Writes them."""

    def __init__(self, *, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def parts(self, form: Format, wanted: Wanted, *, actor: str) -> AsyncIterator[bytes]:
        """The file in parts, oldest check first; the last thing done is to record who took how much.

        A workbook comes as one part, since a zip is only whole at its end.
        """
        count = 0
        kept: list[Line] = []
        if form is Format.CSV:
            yield (BOM + csv_text([FIELDS])).encode()
        last: Line | None = None
        while lines := await self._database.read(exports.page, wanted, last):
            last = lines[-1]
            count += len(lines)
            match form:
                case Format.CSV:
                    yield csv_text(_cells(line) for line in lines).encode()
                case Format.JSON_LINES:
                    yield "".join(json.dumps(asdict(line)) + "\n" for line in lines).encode()
                case Format.XLSX:
                    kept += lines
            if form is Format.XLSX and count >= MOST_IN_A_WORKBOOK:
                break
        if form is Format.XLSX:
            yield xlsx_bytes(FIELDS, (_cells(line) for line in kept[:MOST_IN_A_WORKBOOK]), title="Checks")
        await self._database.write(exports.record, actor=actor, form=form.value, count=count, now=self._now())


def _cells(line: Line) -> list[str]:
    return [str(value) for value in astuple(line)]
