"""What processes are made from: the database, who may do what, the tables and settings, time and chance."""

from __future__ import annotations

import random
from asyncio import Future
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from bot.access.permissions import Access
from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDTypes
from bot.errors import RecordAltered, Refusal, Refused
from bot.settings import Settings
from storage import audit, checks, looks
from storage.engine.database import Database, Transaction


class _Listed:
    """Which checks each person was listed in the hour that is running, as far as this process has stored it.

    Only spares the look into the trail that answers the same, which reads its newest lines.
    """

    def __init__(self) -> None:
        self._hour: datetime | None = None
        self._known: set[tuple[str, str]] = set()

    def without(self, user: str, refs: Sequence[str], *, hour: datetime) -> list[str]:
        """Those of these checks of which it is not known."""
        if hour != self._hour:
            self._hour, self._known = hour, set()
        return [ref for ref in refs if (user, ref) not in self._known]

    def stored(self, done: Future[None], user: str, refs: Sequence[str], *, hour: datetime) -> None:
        """After the commit: what failed was not recorded, and the next list must record it."""
        if hour == self._hour and not done.cancelled() and done.exception() is None:
            self._known.update((user, ref) for ref in refs)


@dataclass(slots=True, kw_only=True, eq=False)
class Process:
    """The base of the classes that do the work of a room; each adds what it alone needs."""

    database: Database
    access: Access
    id_types: IDTypes
    settings: Settings
    now: Callable[[], datetime]
    rng: random.Random
    _listed: _Listed = field(init=False, default_factory=_Listed)

    def today(self) -> date:
        """In the time zone of the settings."""
        return self.now().astimezone(self.settings.zone).date()

    def looked(self, user: str, act: str, *, ref: str | None = None, detail: str = "") -> None:
        """Have it recorded that somebody is shown something, with the next commit: it delays no answer."""
        self.database.write_later(audit.record, at=self.now(), actor=user, act=act, ref=ref, detail=detail)

    def listed(self, user: str, shown: Iterable[Check], *, where: str) -> None:
        """The same of each of these checks that somebody else asked for, where they stand in a list."""
        hour = self.now().replace(minute=0, second=0, microsecond=0)
        if new := self._listed.without(user, [check.ref for check in shown if check.requester != user], hour=hour):
            stored = self.database.write_later(_note_listed, new, actor=user, where=where, at=self.now(), since=hour)
            stored.add_done_callback(lambda done: self._listed.stored(done, user, new, hour=hour))

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


def _note_listed(
    tx: Transaction, refs: Sequence[str], *, actor: str, where: str, at: datetime, since: datetime
) -> None:
    # Once an hour: a Home tab is published anew with every change, and a list is turned back and forth.
    for ref in looks.not_listed(tx, refs, actor=actor, since=since):
        audit.record(tx, at=at, actor=actor, act="check.listed", ref=ref, detail=where)
