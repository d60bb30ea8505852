"""Scheduled backups: taken when the newest is old enough, the oldest deleted, operators told when it fails."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from bot.access.permissions import Access, Role
from bot.domain.outbox import OperatorAlert, encode_fault
from bot.errors import DatabaseFault
from bot.outbox import alerts
from bot.runtime.health import Health
from bot.settings import Settings
from storage.engine import backup
from storage.engine.database import Database
from storage.engine.sealing import Sealer

log = structlog.get_logger(__name__)

TRY_AGAIN = timedelta(minutes=10)
"""After a failure: a full disk is not emptied by copying faster."""


class Backups:
    """Takes a verified copy into `KYC_BACKUP_DIR` each `KYC_BACKUP_EVERY`, and keeps `KYC_BACKUP_KEEP` of them."""

    def __init__(
        self,
        *,
        database: Database,
        sealer: Sealer,
        access: Access,
        health: Health,
        settings: Settings,
        now: Callable[[], datetime],
        steady: Callable[[], datetime],
    ) -> None:
        """`steady` is time that is never set: a failure is waited for by it."""
        self._database = database
        self._sealer = sealer
        self._access = access
        self._health = health
        self._settings = settings
        self._now = now
        self._steady = steady
        self._not_before = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        """Take a backup if one is due. What there is stands in the folder, so a restart changes nothing."""
        now = self._now()
        if self._settings.backup_dir is None or self._steady() < self._not_before:
            return
        failed = None
        try:
            await asyncio.to_thread(self._take_if_due, now)
        except DatabaseFault as fault:
            failed = str(fault)
        self._health.note("backup", failed)
        if failed is not None:
            log.error("backup.failed", error=failed)
            self._not_before = self._steady() + TRY_AGAIN
            await self._tell(encode_fault(OperatorAlert.BACKUP, {"failed": failed}), now)

    def _take_if_due(self, now: datetime) -> None:
        folder, database = self._settings.backup_dir, self._settings.database
        assert folder is not None
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            newest = backup.newest_scheduled(folder, database, now=now)
            if newest is not None and now - newest < self._settings.backup_every:
                return
            backup.take(database, folder / backup.scheduled_name(database, now), self._sealer)
            backup.rotate(folder, database, keep=self._settings.backup_keep)
        except OSError as error:
            raise DatabaseFault(f"the folder {folder} cannot be used: {error.strerror}") from error
        log.info("backup.taken")

    async def _tell(self, words: str, now: datetime) -> None:
        operators = self._access.people(Role.ADMIN)
        await self._database.write(alerts.alert, "backup", recipients=operators, now=now, payload={"words": words})
