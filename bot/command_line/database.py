"""What commands share that work on a bot's database: settings, the database beside the bot, faults in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from bot.command_line.terminal import run_until_told

if TYPE_CHECKING:
    from bot.settings import DatabaseSettings
    from storage.engine.database import Database
    from storage.instances import Instance

T = TypeVar("T")
S = TypeVar("S", bound="DatabaseSettings")


def read_settings(kind: type[S]) -> S:
    """The settings that a command needs, of the environment over the file of --settings; raises SettingsFault."""
    from bot import settings_file

    file: Path | None = click.get_current_context().find_root().obj
    return kind.load(settings_file.under(os.environ, file))


def load_settings(kind: type[S]) -> S:
    """`read_settings`, or every fault in words and exit 2."""
    from bot.errors import SettingsFault

    try:
        return read_settings(kind)
    except SettingsFault as fault:
        click.echo("These settings do not fit:", err=True)
        for line in str(fault).splitlines():
            click.echo(f"  {line}", err=True)
        sys.exit(2)


@contextmanager
def exit_on_fault() -> Iterator[None]:
    """Print what does not fit and exit: 2 for settings, 1 for the database and for a port."""
    from bot.errors import CannotListen, DatabaseFault, SettingsFault

    try:
        yield
    except (SettingsFault, CannotListen, DatabaseFault) as fault:
        click.echo(str(fault), err=True)
        sys.exit(2 if isinstance(fault, SettingsFault) else 1)


def in_database(
    settings: DatabaseSettings, work: Callable[[Database], Awaitable[T]], *, remedy: str = "start the bot once"
) -> T:
    """Work beside the bot, on a database that it has brought up to date; or what is wrong with it, and exit 1.

    `remedy` is for one of an older version.
    """
    with exit_on_fault():
        return _in_database(settings, work, remedy=remedy)


def in_database_alone(
    settings: DatabaseSettings, work: Callable[[Database], Awaitable[T]], *, remedy: str = "start the bot once"
) -> T:
    """The same while no bot works on it: a file is locked, and on a server no instance may live."""
    from bot.runtime import alone
    from storage.engine.lock import DatabaseLock

    def watched(seen: list[Instance]) -> None:
        names = ", ".join(one.name for one in seen)
        click.echo(f"waiting for {alone.WATCH_SECONDS} s whether these instances still live: {names}", err=True)

    async def run(database: Database) -> T:
        await alone.require_alone(database, now=lambda: datetime.now(UTC), on_watch=watched)
        return await work(database)

    if isinstance(settings.database, Path):
        with exit_on_fault(), DatabaseLock(settings.database):
            return _in_database(settings, work, remedy=remedy)
    return in_database(settings, run, remedy=remedy)


def record_if_possible(settings: DatabaseSettings, act: str) -> str | None:
    """Have the audit trail say that an operator does this; gives why it cannot.

    For what works on a database that nothing can be written to, too.
    """
    from bot.errors import DatabaseFault
    from storage import audit

    try:
        _in_database(
            settings,
            lambda database: database.write(audit.record, at=datetime.now(UTC), actor=audit.OPERATOR, act=act),
        )
    except DatabaseFault as fault:
        return str(fault)
    return None


def _in_database(
    settings: DatabaseSettings, work: Callable[[Database], Awaitable[T]], *, remedy: str = "start the bot once"
) -> T:
    """Raises DatabaseFault."""
    import asyncio

    from bot.errors import DatabaseFault
    from storage.engine import inspect
    from storage.engine.database import Database
    from storage.engine.migrations import migrate
    from storage.engine.sealing import Sealer

    async def run() -> T:
        sealer = Sealer.from_text(settings.sealing_keys)
        place = settings.database
        seen = await asyncio.to_thread(inspect.examine, place, sealer, patience=timedelta(0))
        if not seen.exists:
            raise DatabaseFault(f"the database {place} does not exist: start the bot once")
        if seen.pending:
            raise DatabaseFault(f"the database {place} is not up to date: {remedy}")
        database = await Database.open(place, sealer=sealer, migrate=migrate, as_it_is=True, readers=1)
        try:
            return await work(database)
        finally:
            await database.close()

    return run_until_told(run())
