"""Who has which role, in the audit trail: a line when somebody gains one or loses it, by the settings or by Slack."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.access.permissions import Holders
from bot.access.process import Process
from bot.access.rights import Role
from storage import audit, meta
from storage.engine.database import Transaction

_KEPT = "role_holders"
"""In `meta`: by role, whom the trail says to have it now."""


@dataclass(slots=True, kw_only=True, eq=False)
class RoleWatch(Process):
    takes_turn: Callable[[], Awaitable[bool]]
    """Whether it is this instance that records. Each has a memory of its own: what is news to one is old to others."""

    async def refresh(self) -> None:
        """Ask Slack about everybody and everything that a setting names, and record what has changed."""
        await self.access.refresh()
        await self.look()

    async def look(self) -> None:
        """Record what is known to have changed; where Slack has not answered, nothing has."""
        if not await self.takes_turn():
            return
        holders = {role: self.access.holders(role) for role in Role}
        await self.database.write(_compare, holders, at=self.now())


def _compare(tx: Transaction, now_held: Mapping[Role, Holders], *, at: datetime) -> None:
    before: dict[str, list[str]] = json.loads(meta.kept(tx, _KEPT) or "{}")
    after: dict[str, list[str]] = {}
    for role, held in now_held.items():
        known = set(before.get(role.value, ()))
        gained = sorted(held.people - known)
        # Of whom Slack has not spoken, nobody knows: they keep what they had.
        lost = sorted(known - held.people) if held.is_whole else []
        for act, people in (("role.gained", gained), ("role.lost", lost)):
            for person in people:
                audit.record(tx, at=at, actor=audit.BOT, act=act, detail=f"{role.value}:{person}")
        after[role.value] = sorted((known | held.people) - set(lost))
    if after != before:
        meta.keep(tx, _KEPT, json.dumps(after))
