"""Settles callbacks that were kept and answered: what each does to its check.

A receipt that waits is its own mark in the database, so that a restart finds it. Nothing leases it: of two that settle
one at once, the second finds it settled, in the same transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.results.settlement import Settlement
from storage import receipts
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

RETRY_AFTER = timedelta(minutes=1)
"""One that cannot be settled waits so long, and holds up no other. Smile ID's record is polled meanwhile as ever."""


@dataclass(slots=True, kw_only=True, eq=False)
class CallbackSettler(Process):
    settlement: Settlement
    on_callback: Callable[[str], None]
    _under_way: UnderWay = field(init=False, default_factory=UnderWay)
    _put_off: dict[str, datetime] = field(init=False, default_factory=dict)
    """Until when, by receipt; after a restart each is tried at once."""

    async def claim(self, limit: int) -> list[receipts.Unsettled]:
        now = self.now()
        self._put_off = {receipt: until for receipt, until in self._put_off.items() if now < until <= now + RETRY_AFTER}
        return await self.database.read(
            receipts.unsettled, limit=limit, but=self._under_way.keys | self._put_off.keys()
        )

    async def give_up(self, _kept: Sequence[receipts.Unsettled]) -> None:
        """Nothing is leased."""

    async def work(self, kept: receipts.Unsettled) -> None:
        """Settle one; a repeat does nothing."""
        await self._under_way.run(kept.id, lambda: self._settle(kept))

    async def _settle(self, kept: receipts.Unsettled) -> None:
        try:
            fate = await self.database.write(self.settlement.settle_kept, kept, now=self.now())
        except Exception:
            # Whatever it was, the pool logs it; the others go on, and this one is not claimed again at once.
            self._put_off[kept.id] = self.now() + RETRY_AFTER
            raise
        if fate is not None:
            self.on_callback(fate.value)
            log.info("callback.kept", ref=kept.ref, job_id=kept.job_id, state=fate.value)
