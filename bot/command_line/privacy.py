"""Commands by which what is known of customers comes to its end, or is kept for longer."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bot.command_line.database import in_database, load_settings

if TYPE_CHECKING:
    from bot.domain.privacy.purge import Counts
    from storage.engine.database import Database


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
def purge(*, dry_run: bool) -> None:
    """Erase what is over its time, as the bot does each night; may run beside the bot.

    KYC_RETENTION_PHOTOS, KYC_RETENTION_PERSONAL and KYC_RETENTION_RECORD say how long what is kept, and nothing is
    erased before one of them is set. Exit 1: something is over its time and stays that is not held.
    """
    from bot.domain.privacy.holds import Stay
    from bot.domain.privacy.purge import kept, lines
    from bot.privacy import retention
    from bot.settings import RetentionSettings

    settings = load_settings(RetentionSettings)
    wanted = settings.retention

    async def work(database: Database) -> tuple[bool, Counts]:
        may_erase = await database.read(retention.may_erase, is_set=settings.retention_is_set)
        if dry_run or not may_erase:
            return may_erase, await retention.survey(database, wanted, now=datetime.now(UTC))
        done = await retention.purge(database, wanted, actor="operator", now=lambda: datetime.now(UTC))
        return may_erase, done.counts

    may_erase, counts = in_database(settings, work)
    erases = may_erase and not dry_run
    click.echo(f"kept: photos {wanted.photos}, personal data {wanted.personal}, records {wanted.record}")
    for line in lines(counts, erases=erases):
        click.echo(line)
    if not may_erase:
        click.echo("nothing is erased before one of KYC_RETENTION_PHOTOS, _PERSONAL and _RECORD is set", err=True)
    if not dry_run and (not may_erase or kept(counts).keys() - {Stay.HELD}):
        sys.exit(1)
