"""What processes are made from: the database, who may do what, the tables and settings, time and chance."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bot.access.permissions import Access
from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDTypes
from bot.errors import RecordAltered, Refusal, Refused
from bot.settings import Settings
from storage import audit, checks, looks
from storage.engine.database import Database, Transaction


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

    def looked(self, user: str, act: str, *, ref: str | None = None, detail: str = "") -> None:
        """Have it recorded that somebody is shown something, with the next commit: it delays no answer."""
        self.database.write_later(audit.record, at=self.now(), actor=user, act=act, ref=ref, detail=detail)

    def listed(self, user: str, shown: Iterable[Check], *, where: str) -> None:
        """The same of each of these checks that somebody else asked for, where they stand in a list."""
        refs = [check.ref for check in shown if check.requester != user]
        if refs:
            self.database.write_later(_listed, refs, actor=user, where=where, at=self.now())

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


def _listed(tx: Transaction, refs: Sequence[str], *, actor: str, where: str, at: datetime) -> None:
    # Once an hour: a Home tab is published anew with every change, and a list is turned back and forth.
    hour = at.replace(minute=0, second=0, microsecond=0)
    for ref in looks.not_listed(tx, refs, actor=actor, since=hour):
        audit.record(tx, at=at, actor=actor, act="check.listed", ref=ref, detail=where)
