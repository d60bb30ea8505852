"""Scheduled backups: taken when the newest is old enough, rotated, and reported to the admins when they fail."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.outbox import AdminAlert
from bot.errors import DatabaseFault
from bot.outbox import alerts
from bot.runtime.health import Degraded, Health
from storage import audit
from storage.engine import backup, owners
from storage.engine.sealing import Sealer

log = structlog.get_logger(__name__)

RETRY_AFTER = timedelta(minutes=10)
"""After a failure: a full disk is not emptied by copying faster."""


@dataclass(slots=True, kw_only=True, eq=False)
class Backups(Process):
    """Takes a verified copy into `KYC_BACKUP_DIR` each `KYC_BACKUP_EVERY`, and keeps `KYC_BACKUP_KEEP` of them."""

    sealer: Sealer
    health: Health
    steady: Callable[[], datetime]
    """Time that is never set, by which a failure is waited out."""
    _not_before: datetime = field(init=False, default=datetime.min.replace(tzinfo=UTC))

    async def run(self) -> None:
        """Take a backup if one is due. What counts is the files in the folder, so a restart changes nothing."""
        now = self.now()
        if self.settings.backup_dir is None or self.steady() < self._not_before:
            return
        failed = None
        try:
            if await asyncio.to_thread(self._take_if_due, now):
                await self.database.write(audit.record, at=now, actor=audit.BOT, act="backup.taken")
        except DatabaseFault as fault:
            failed = str(fault)
        self.health.note(Degraded.BACKUP, failed)
        if failed is not None:
            log.error("backup.failed", error=failed)
            self._not_before = self.steady() + RETRY_AFTER
            admins = self.access.people(Role.ADMIN)
            await self.database.write(
                alerts.alert, "backup", AdminAlert.BACKUP, recipients=admins, now=now, failed=failed
            )

    def _take_if_due(self, now: datetime) -> bool:
        folder, database = self.settings.backup_dir, self.settings.database_file
        assert folder is not None
        try:
            owners.make_folder(folder, owners.wanted(database))
            newest = backup.newest_scheduled(folder, database, now=now)
            if newest is not None and now - newest < self.settings.backup_every:
                return False
            backup.take(database, folder / backup.scheduled_name(database, now), self.sealer)
            backup.rotate(folder, database, keep=self.settings.backup_keep)
        except OSError as error:
            raise DatabaseFault(f"the folder {folder} cannot be used: {error.strerror}") from error
        log.info("backup.taken")
        return True
