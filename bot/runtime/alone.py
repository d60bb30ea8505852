"""For what must not happen beside the bot. A file's lock keeps them apart; on a server one looks whether any lives."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.errors import DatabaseInUse
from bot.slack.client import VISIBLE_WITHIN
from storage import instances
from storage.engine.database import Database, Transaction
from storage.instances import Instance

WATCH_SECONDS = 30
"""An instance that is silent for longer is ended by the others, too."""

OnWatch = Callable[[list[Instance]], None]


async def require_alone(
    database: Database,
    *,
    now: Callable[[], datetime],
    on_watch: OnWatch = lambda _seen: None,
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Return once no instance of the bot works on a server's database; those that were killed are ended here.

    Takes half a minute where one was killed, or was alive at the moment that the server was taken back to; `on_watch`
    hears of these first. Raises DatabaseInUse as soon as one shows that it lives.
    """
    # The first commit on a server that may have lost some ends all of them by itself.
    await database.write(_nothing)
    seen = {one.id: one for one in await database.read(instances.living)}
    if not seen:
        return
    on_watch(list(seen.values()))
    for _ in range(WATCH_SECONDS):
        await rest(1)
        for one in await database.read(instances.living):
            if one.id not in seen or one.seen_at != seen[one.id].seen_at:
                raise DatabaseInUse(told([one]))
    for one in seen.values():
        if not await database.write(instances.end, one, now=now(), searched_in=VISIBLE_WITHIN):
            raise DatabaseInUse(told([one]))


def _nothing(_tx: Transaction) -> None:
    """A commit without a change."""


def told(living: list[Instance]) -> str:
    """Which instances work on it, in words."""
    names = ", ".join(f"{one.name} (since {one.started_at:%Y-%m-%d %H:%M} UTC)" for one in living)
    return f"the database is in use by an instance of the bot: {names}; stop all of them first"
