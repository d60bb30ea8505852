"""Exports that were asked for: one of each kind at a time for one person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.reporting.exports import Export, ExportFormat, ExportState
from bot.errors import ConstraintFailed
from storage import exports
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import engines

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
EXPORT = Export(
    id="X-7F3K2Q",
    state=ExportState.ASKED,
    person="U0AMINA0001",
    form=ExportFormat.CSV,
    period=None,
    since=None,
    until=NOW,
    total=3,
    written=0,
)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    sealer = Sealer.from_text([Sealer.new_key()])
    database = await Database.open(engines.lay(folder / "kyc.db", sealer), sealer=sealer, migrate=migrate)
    try:
        yield database
    finally:
        await database.close()


async def test_the_same_export_is_prepared_once_at_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        assert await database.write(exports.add, EXPORT, now=NOW)
        assert not await database.write(exports.add, replace(EXPORT, id="X-222222"), now=NOW)
        assert await database.read(exports.find, "X-222222") is None
        assert await database.write(exports.add, replace(EXPORT, id="X-333333", person="U0OTHER0001"), now=NOW)
        await database.write(exports.end, EXPORT.id, ExportState.MADE, now=NOW)
        assert await database.write(exports.add, replace(EXPORT, id="X-444444"), now=NOW)


async def test_an_id_that_is_taken_does_not_read_as_the_same_export(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await database.write(exports.add, EXPORT, now=NOW)
        with pytest.raises(ConstraintFailed):
            await database.write(exports.add, replace(EXPORT, person="U0OTHER0001"), now=NOW)
