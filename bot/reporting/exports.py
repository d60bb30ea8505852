"""Exports: the bare record of checks for machines and spreadsheets, to the command line, or asked for in Slack.

What is asked for in Slack is stored here and delivered by `bot.outbox`; each is recorded in the audit trail once made.
"""

import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog

from bot.access.permissions import Access, Role
from bot.domain.check.references import export_reference
from bot.domain.reporting.exports import Export, ExportFormat, ExportState, parse
from bot.errors import Refusal, Refused
from bot.reporting import export_commits, export_writer
from storage import audit, exports
from storage.engine.database import Database
from storage.exports import ExportRange

log = structlog.get_logger(__name__)

CHUNK = 1024 * 1024
MOST_IN_SLACK = 1_000_000
"""So many fit a workbook, and in every format a file that Slack takes: 1 GB."""


async def parts(
    database: Database,
    form: ExportFormat,
    wanted: ExportRange,
    *,
    actor: str,
    on_page: Callable[[int], Awaitable[None]],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[bytes]:
    """The file in parts, oldest check first; the last thing done is to record who took how much.

    `on_page` hears of how many checks so far. Raises Refused when a workbook would be too long.
    """
    with tempfile.TemporaryFile() as file:
        count = await export_writer.write(database, form, wanted, file, on_page=on_page)
        file.seek(0)
        while part := file.read(CHUNK):
            yield part
    await database.write(audit.record, at=now(), actor=actor, act="export.made", detail=f"{form.value}:{count}")


class Exports:
    """Takes what managers ask for in Slack."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        timezone: str,
        now: Callable[[], datetime],
        rng: random.Random,
        most: int = MOST_IN_SLACK,
    ) -> None:
        self._database = database
        self._access = access
        self._zone = ZoneInfo(timezone)
        self._now = now
        self._rng = rng
        self._most = most

    async def ask(self, user: str, typed: str) -> Export:
        """Store that somebody wants a file; it comes by direct message. Raises Refused."""
        permission = await self._access.has(user, Role.MANAGER, Role.ADMIN)
        permission.require(Refused(Refusal.EXPORT_NOT_A_MANAGER))
        now = self._now()
        asked = parse(typed, today=now.astimezone(self._zone).date())
        since, until = asked.period.span(self._zone) if asked.period else (None, now)
        until = min(until, now)
        total = await self._database.read(exports.count, ExportRange(since=since, until=until))
        if not total:
            raise Refused(Refusal.EXPORT_EMPTY)
        if total > self._most:
            raise Refused(Refusal.EXPORT_TOO_MANY, total=total, most=self._most)
        export = Export(
            id=export_reference(self._rng.getrandbits(40)),
            state=ExportState.ASKED,
            person=user,
            form=asked.form,
            period=asked.period,
            since=since,
            until=until,
            total=total,
            written=0,
        )
        if not await self._database.write(export_commits.ask, export, now=now):
            raise Refused(Refusal.EXPORT_UNDER_WAY)
        log.info("export.asked", export=export.id, rows=total)
        return export
