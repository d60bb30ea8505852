"""What processes are made from: the database, who may do what, the tables and settings, time and chance."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from bot.access.permissions import Access
from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDTypes
from bot.errors import RecordAltered, Refusal, Refused
from bot.settings import Settings
from storage import checks
from storage.engine.database import Database


@dataclass(slots=True, kw_only=True, eq=False)
class Process:
    """The base of the classes that do the work of a room; each adds what it alone needs."""

    database: Database
    access: Access
    id_types: IDTypes
    settings: Settings
    now: Callable[[], datetime]
    rng: random.Random

    def today(self) -> date:
        """In the time zone of the settings."""
        return self.now().astimezone(self.settings.zone).date()

    async def visible_check(self, user: str, ref: str) -> Check:
        """A check that this person may see whole, and do something with.

        Raises the same refusal for any other and for one that is not; RecordAltered.
        """
        refusal = Refused(Refusal.UNKNOWN_REF, ref=ref, admin=self.access.an_admin())
        check = await self.database.read(checks.find, ref)
        await self.access.require_to_see(user, check.requester if check else "", refusal)
        if check is None:
            raise refusal
        if check.is_altered:
            raise RecordAltered(ref)
        return check
