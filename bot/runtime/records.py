"""Watches for what was altered beside the bot: goes through all records and the audit trail, and has admins told.

Whoever loads such a check notices it at once (`storage.engine.macs`); this finds those that nobody looks at.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.outbox import AdminAlert
from bot.outbox import alerts, refresh
from bot.runtime.health import Degraded, Health
from storage import audit, checks, meta, trail_check
from storage.engine import first_macs
from storage.engine.database import Transaction, to_text

log = structlog.get_logger(__name__)

ALL_EVERY = timedelta(hours=1)
"""From the beginning of one round through all checks to that of the next, unless one takes longer."""
TRAIL_EVERY = timedelta(days=1)
"""The same of the trail: where it ends is compared with each commit, and what lies before is history."""
PAGES_AT_ONCE = 6
"""Of checks, each on a snapshot of its own: with a look every ten seconds, a million checks within the hour."""
_NAMED = 5
"""References in one alert."""


@dataclass(slots=True, kw_only=True, eq=False)
class RecordWatch(Process):
    health: Health
    steady: Callable[[], datetime]
    """Time that is never set."""
    _last: str = field(init=False, default="")
    _began: datetime = field(init=False, default=datetime.min.replace(tzinfo=UTC))
    _trail: trail_check.Progress = field(init=False, default=trail_check.Progress())
    _trail_began: datetime = field(init=False, default=datetime.min.replace(tzinfo=UTC))
    _is_trail_altered: bool = field(init=False, default=False)
    _is_trail_told: bool = field(init=False, default=False)

    def begin(self, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Hear of what is noticed, and have it told by tasks that `spawn` begins."""
        self.database.on_altered(lambda refs: self._noticed(refs, spawn))
        self._note()

    async def look_on(self) -> None:
        """Examine the next pages of checks and the next page of lines; after the last nothing until a round is due."""
        try:
            await self._look_at_trail()
        finally:
            # Whatever stands in the trail, and whoever put it there: the records are looked at all the same.
            await self._look_at_records()

    async def _look_at_trail(self) -> None:
        faults: Sequence[trail_check.Fault] = ()
        if self._is_trail_due():
            self._trail = await self.database.read(trail_check.compare_lines, self._trail)
            faults = self._trail.faults
        # Between two rounds, too: each commit compares where the trail ends.
        if (faults or self.database.is_trail_broken) and not self._is_trail_altered:
            self._is_trail_altered = True
            log.error("records.trail_altered", lines=[fault.seq for fault in faults[:_NAMED]])
            self._note()
        if self._is_trail_altered and not self._is_trail_told:
            self._is_trail_told = await self.database.write(self._tell_trail)

    def _is_trail_due(self) -> bool:
        if self._trail.done or not self._trail.lines:
            if self.steady() - self._trail_began < TRAIL_EVERY:
                return False
            self._trail, self._trail_began = trail_check.Progress(), self.steady()
        return True

    async def _look_at_records(self) -> None:
        if not self._last:
            if self.steady() - self._began < ALL_EVERY:
                return
            self._began = self.steady()
            if await self.database.read(meta.kept, first_macs.MADE):
                await self.database.write(self._tell_first)
        for _page in range(PAGES_AT_ONCE):
            self._last = await self.database.read(checks.examine_after, self._last)
            self._note()
            if not self._last:
                break
        if not self._last and self.database.is_older:
            await self.database.write(self._tell_older)

    def _noticed(self, refs: Sequence[str], spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        log.error("records.altered", refs=list(refs))
        self._note()
        # Killed before it is told, the next process finds them again.
        spawn(self._tell(refs))
        for ref in refs:
            # Each by itself: what was altered in one record may keep its messages from being built, and nothing else.
            spawn(self._redraw(ref))

    async def _tell(self, refs: Sequence[str]) -> None:
        await self.database.write(self._tell_altered, refs)

    async def _redraw(self, ref: str) -> None:
        await self.database.write(_redraw, ref, now=self.now())

    def _tell_altered(self, tx: Transaction, refs: Sequence[str]) -> None:
        now = self.now()
        for ref in refs:
            audit.record_first(tx, at=now, actor=audit.BOT, act="check.altered", ref=ref)
        more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
        alerts.alert_once(
            tx,
            _told_once(tx, f"altered:{refs[0]}:{len(refs)}"),
            AdminAlert.RECORD_ALTERED,
            recipients=self.access.people(Role.ADMIN),
            now=now,
            checks=f"{', '.join(refs[:_NAMED])}{more}",
        )

    def _tell_first(self, tx: Transaction) -> None:
        count, admins = meta.kept(tx, first_macs.MADE), self.access.people(Role.ADMIN)
        if not count or not admins:  # who is an admin may not be known yet: the next round tells them
            return
        now = self.now()
        alerts.alert_once(
            tx,
            _told_once(tx, f"macs_made:{to_text(now)}"),
            AdminAlert.RECORDS_SEALED,
            recipients=admins,
            now=now,
            checks="1 check" if count == "1" else f"{count} checks",
        )
        meta.forget(tx, first_macs.MADE)

    def _tell_older(self, tx: Transaction) -> None:
        admins = self.access.people(Role.ADMIN)
        alerts.alert_once(
            tx, _told_once(tx, "records_older"), AdminAlert.RECORDS_OLDER, recipients=admins, now=self.now()
        )

    def _tell_trail(self, tx: Transaction) -> bool:
        """Whether there is anybody to tell: who is an admin may not be known yet."""
        admins = self.access.people(Role.ADMIN)
        alerts.alert_once(
            tx, _told_once(tx, "trail_altered"), AdminAlert.TRAIL_ALTERED, recipients=admins, now=self.now()
        )
        return bool(admins)

    def _note(self) -> None:
        count = len(self.database.altered)
        words = [f"{count} {'check was' if count == 1 else 'checks were'} altered beside the bot"] if count else []
        if self.database.is_older:
            words.append("some check was put back to an older state or taken away")
        if self._is_trail_altered:
            words.append("lines of the audit trail were altered")
        self.health.note(Degraded.RECORDS, "; ".join(words) or None)


def _redraw(tx: Transaction, ref: str, *, now: datetime) -> None:
    """What stands in Slack may say *Approved*."""
    if checks.find(tx, ref, sealed=False) is not None:
        refresh.check_changed(tx, ref, now=now)


def _told_once(tx: Transaction, what: str) -> str:
    """Under a name that nobody can guess who would have it pass for told."""
    return tx.sealer.fingerprint(what, purpose="told-once")
