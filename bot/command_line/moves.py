"""`kyc-bot migrate-database`: from a file to a PostgreSQL server or back, and the way back from that."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.command_line.database import exit_on_fault, load_settings

if TYPE_CHECKING:
    from bot.settings import DatabaseSettings
    from storage.engine.postgresql.move import Report, Step
    from storage.engine.postgresql.places import FilePlace, ServerPlace

TELL_EVERY_SECONDS = 1.0


@click.command("migrate-database")
@click.option("--to", "target", metavar="PLACE", help="A server's address, without a password, or a new file.")
@click.option("--undo", is_flag=True, help="Have the database that was moved away serve again, and the new one nobody.")
@click.option("--yes", is_flag=True, help="With --undo: even if what was written since is lost by it.")
def migrate_database(*, target: str | None, undo: bool, yes: bool) -> None:
    """Move all that KYC_DATABASE holds to a PostgreSQL server, or from one to a new file; the bot must be stopped.

    Every row, MAC and line of the trail is compared where it has arrived. The old database is kept, but serves no
    longer. Broken off, it is run once more. The server's password comes from KYC_DATABASE_PASSWORD or PGPASSFILE.
    """
    if (target is None) == (not undo):
        raise click.UsageError("Say either --to PLACE or --undo.")
    if yes and not undo:
        raise click.UsageError("--yes is for --undo.")

    from datetime import UTC, datetime

    from bot.settings import DatabaseSettings
    from storage.engine.sealing import Sealer

    settings = load_settings(DatabaseSettings)
    with exit_on_fault():
        from storage.engine.postgresql import move

        sealer, now = Sealer.from_text(settings.sealing_keys), datetime.now(UTC)
        source = _place(settings, None)
        if target is None:
            lost = move.undo(source, lambda name: _place(settings, name), sealer, now=now, yes=yes)
            click.echo(f"{source.name} serves again, as it was before it was moved")
            if lost is None:
                click.echo("whether the new one was written to since could not be told", err=True)
            elif lost.acts:
                click.echo(f"lost are {lost.acts:,} lines of the trail, about {lost.checks:,} checks", err=True)
            return
        place = _place(settings, target)
        if type(place) is type(source):
            raise click.UsageError("A file is moved to a server, or a server's database to a file.")
        report = move.move(source, place, sealer, now=now, on_progress=Progress().tell)
    _tell(report, source.name, place.name)


def _place(settings: DatabaseSettings, name: str | None) -> FilePlace | ServerPlace:
    """The one of KYC_DATABASE, or that of this name."""
    from bot.domain import database_address
    from storage.engine.postgresql.places import FilePlace, ServerPlace

    if name is None:
        where = settings.database
        return FilePlace(where) if isinstance(where, Path) else ServerPlace(where)
    if not database_address.is_address(name):
        return FilePlace(Path(name))
    try:
        return ServerPlace(settings.with_password(database_address.parse(name)))
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="'--to'") from None


def _tell(report: Report | None, source: str, target: str) -> None:
    if report is None:
        click.echo(f"{source} is moved to {target}")
    else:
        said = f"{report.verdict.checks:,} checks, {report.rows:,} rows in {report.tables} tables"
        click.echo(
            f"{source} is moved to {target}: {said}; all compared, every MAC and the chain of the trail verified"
        )
        _warn(report)
    click.echo(f"set KYC_DATABASE={target} and start the bot; to take it back: kyc-bot migrate-database --undo")


def _warn(report: Report) -> None:
    """Of what was wrong before and is so now."""
    verdict, said = report.verdict, list[str]()
    if verdict.altered:
        said.append(f"{len(verdict.altered)} checks were altered beside the bot")
    if verdict.is_older:
        said.append("some check was put back to an older state or taken away")
    if verdict.faults:
        said.append(f"the audit trail has {len(verdict.faults)} faults")
    if said:
        click.echo(
            f"warning: as before, {', '.join(said)}; see *Records that were altered* in docs/operations.md", err=True
        )


class Progress:
    """Says how far it is to whoever waits before a terminal."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def tell(self, step: Step, done: int, total: int) -> None:
        now = time.monotonic()
        if sys.stderr is None or not sys.stderr.isatty() or now - self._told_at < TELL_EVERY_SECONDS:
            return
        self._told_at = now
        what = "checks" if step == "verified" else "rows"
        click.echo(f"{step.value} {done:,} of {total:,} {what} ({done / max(total, 1):.0%})", err=True)
