"""The way in for everything that Smile ID says: by callback, by polling, by confirmation; all end in one `settle`.

A callback is kept before it is answered. How much of it is believed is decided by
`bot.domain.results.trust_rules`.
"""

import random
from collections.abc import Callable, Sequence
from datetime import datetime

from bot.access.permissions import Access
from bot.domain.results.attempt import Attempt
from bot.results.callbacks import Answer, Callback, Callbacks
from bot.results.polling import StatusPoller
from bot.results.settlement import Settlement
from bot.settings import Settings
from bot.smile_id.interface import SmileID
from storage.engine.database import Database


class Results:
    """Receives callbacks, polls Smile ID, settles both."""

    def __init__(
        self,
        *,
        database: Database,
        smile_id: SmileID,
        access: Access,
        settings: Settings,
        now: Callable[[], datetime],
        rng: random.Random,
        on_callback: Callable[[str], None] = lambda _fate: None,
    ) -> None:
        settlement = Settlement(smile_id=smile_id, access=access, settings=settings, rng=rng)
        self._callbacks = Callbacks(
            database=database,
            smile_id=smile_id,
            settlement=settlement,
            settings=settings,
            now=now,
            on_callback=on_callback,
        )
        self._poller = StatusPoller(
            database=database, smile_id=smile_id, settlement=settlement, access=access, settings=settings, now=now
        )

    async def receive(self, callback: Callback) -> Answer:
        """Keep one delivery and settle what it says; the answer is given only after the commit."""
        return await self._callbacks.receive(callback)

    async def claim(self, limit: int) -> Sequence[Attempt]:
        """Jobs whose record is due to be asked, ours until the lease ends."""
        return await self._poller.claim(limit)

    async def work(self, due: Attempt) -> None:
        """Ask for one job, settle what the record says, and set the time of the next asking."""
        await self._poller.work(due)
