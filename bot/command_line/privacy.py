"""Commands by which what is known of customers comes to its end, or is kept for longer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bot.command_line.database import in_database, load_settings
from bot.command_line.erasure import NOTHING_KNOWN, OPERATOR, whose, wish_of
from bot.command_line.terminal import is_agreed

if TYPE_CHECKING:
    from bot.domain.privacy.erasures import Wish
    from bot.domain.privacy.holds import HoldCause
    from bot.domain.privacy.purge import Counts
    from bot.privacy.holds import Changed
    from storage.engine.database import Database, Transaction

_CAUSES = click.Choice(["relationship", "legal", "investigation"])


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
def purge(*, dry_run: bool) -> None:
    """Erase what is over its time, as the bot does each night; may run beside the bot.

    KYC_RETENTION_PHOTOS, KYC_RETENTION_PERSONAL and KYC_RETENTION_RECORD say how long what is kept, and nothing is
    erased before one of them is set. Exit 1: something is over its time and stays that is not held, or pieces of what
    was erased are still in the database's file.
    """
    from bot.domain.privacy.erasures import Traces
    from bot.domain.privacy.holds import Stay
    from bot.domain.privacy.purge import kept, lines
    from bot.privacy import retention
    from bot.settings import RetentionSettings

    settings = load_settings(RetentionSettings)
    wanted = settings.retention

    async def work(database: Database) -> tuple[bool, Counts, Traces]:
        may_erase = await database.read(retention.may_erase, is_set=settings.retention_is_set)
        if dry_run or not may_erase:
            return may_erase, await retention.survey(database, wanted, now=datetime.now(UTC)), Traces.NONE
        done, left = await retention.purge(database, wanted, actor=OPERATOR, now=lambda: datetime.now(UTC))
        return may_erase, done.counts, left

    may_erase, counts, left = in_database(settings, work)
    erases = may_erase and not dry_run
    click.echo(f"kept: photos {wanted.photos}, personal data {wanted.personal}, records {wanted.record}")
    for line in lines(counts, erases=erases):
        click.echo(line)
    if not may_erase:
        click.echo("nothing is erased before one of KYC_RETENTION_PHOTOS, _PERSONAL and _RECORD is set", err=True)
    if left is Traces.LOG:
        click.echo("pieces are left in the write-ahead log, which is being read: run this again", err=True)
    elif left is Traces.FILE:
        click.echo("sealed pieces are left in the database's file: stop the bot and run this again", err=True)
    if not dry_run and (not may_erase or left is not Traces.NONE or kept(counts).keys() - {Stay.HELD}):
        sys.exit(1)


@click.command()
@whose
@click.option("--cause", type=_CAUSES, default="relationship", show_default=True, help="Why they are kept.")
@click.option("--yes", is_flag=True, help="Hold without asking.")
@click.option("--list", "is_list", is_flag=True, help="List everything that is held, and nothing else.")
def hold(
    *, ref: str | None, customer_reference: str | None, id_number_file: Any, cause: str, yes: bool, is_list: bool
) -> None:
    """Keep checks of a customer beyond their time, until `kyc-bot unhold`; may run beside the bot.

    Of a customer who is named by reference or ID number, all checks that are known now: not those that come later.
    Exit 0: all of them are held. Exit 1: none is known, or one cannot be held.
    """
    from bot.domain.privacy.holds import HoldCause
    from bot.privacy import holds

    if is_list:
        _list_holds()
        return
    wish = wish_of(ref=ref, customer_reference=customer_reference, id_number_file=id_number_file)

    def change(tx: Transaction, refs: Sequence[str]) -> Changed:
        return holds.hold_all(tx, refs, HoldCause(cause), by=OPERATOR, now=datetime.now(UTC))

    _change(wish, change, question="Hold them?", told="held", yes=yes)


@click.command()
@whose
@click.option("--cause", type=_CAUSES, help="Only holds of this cause; without it all of them.")
@click.option("--yes", is_flag=True, help="End the holds without asking.")
def unhold(
    *, ref: str | None, customer_reference: str | None, id_number_file: Any, cause: str | None, yes: bool
) -> None:
    """End what `kyc-bot hold` or `/kyc hold` began; may run beside the bot.

    What is over its time is erased in the next night. Exit 0: done. Exit 1: no such check is known, or one was altered.
    """
    from bot.domain.privacy.holds import HoldCause
    from bot.privacy import holds

    wish = wish_of(ref=ref, customer_reference=customer_reference, id_number_file=id_number_file)
    of: HoldCause | None = HoldCause(cause) if cause else None

    def change(tx: Transaction, refs: Sequence[str]) -> Changed:
        return holds.unhold_all(tx, refs, of, by=OPERATOR, now=datetime.now(UTC))

    _change(wish, change, question="End these holds?", told="no longer held", yes=yes)


def _change(
    wish: Wish, change: Callable[[Transaction, Sequence[str]], Changed], *, question: str, told: str, yes: bool
) -> None:
    from bot.privacy import erasure
    from bot.settings import DatabaseSettings

    settings = load_settings(DatabaseSettings)

    async def work(database: Database) -> Changed | None:
        refs = await database.read(erasure.find, wish)
        if not refs:
            return None
        click.echo(f"checks: {' '.join(refs)}")
        if not yes and not is_agreed(question):
            sys.exit(1)
        return await database.write(change, refs)

    done = in_database(settings, work)
    if done is None:
        click.echo(NOTHING_KNOWN, err=True)
        sys.exit(1)
    for refs, said in ((done.changed, told), (done.as_before, "as before")):
        if refs:
            click.echo(f"{said}: {' '.join(refs)}")
    if done.altered:
        click.echo(f"left as they are, since their record was altered: {' '.join(done.altered)}", err=True)
        sys.exit(1)


def _list_holds() -> None:
    from bot.settings import DatabaseSettings
    from storage import holds

    async def work(database: Database) -> None:
        last = ""
        while found := await database.read(holds.running, after=last):
            for one in found:
                click.echo(f"{one.ref}  {one.cause.value}  {one.held_by}  {one.held_at:%Y-%m-%d %H:%M:%S} UTC")
            last = found[-1].ref

    in_database(load_settings(DatabaseSettings), work)
