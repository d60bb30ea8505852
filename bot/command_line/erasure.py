"""Commands for the data of one customer, on their wish."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bot.command_line.database import in_database, load_settings
from bot.command_line.output import file_for
from bot.command_line.terminal import is_agreed

if TYPE_CHECKING:
    from bot.domain.privacy.clocks import Retention
    from bot.domain.privacy.erasures import Standing, Wish
    from bot.settings import ErasureSettings
    from storage.engine.database import Database, Transaction

F = TypeVar("F", bound=Callable[..., Any])

OPERATOR = "operator"
NOTHING_KNOWN = "nothing is known of this customer"
NOTHING_ERASED = "nothing was erased"
_LONGEST = 1_000
"""Bytes of a file that holds one ID number."""


def whose(command: F) -> F:
    """The options by which one customer is named; exactly one of them."""
    for option in (
        click.option(
            "--id-number-file",
            type=click.File("rb"),
            help="A file that holds the ID number and nothing else, or - for the input: never an argument.",
        ),
        click.option("--customer-reference", metavar="TEXT", help="What your own systems call the customer."),
        click.option("--ref", metavar="K-…", help="A check; the others of the same customer are not looked for."),
    ):
        command = option(command)
    return command


def wish_of(*, ref: str | None, customer_reference: str | None, id_number_file: Any) -> Wish:
    """What was asked for; raises UsageError unless it is exactly one thing that can be looked for."""
    from bot.domain.check.references import parse_reference
    from bot.domain.privacy.erasures import FoundBy, Wish

    given = [name for name in (ref, customer_reference, id_number_file) if name is not None]
    if len(given) != 1:
        raise click.UsageError("Name one of --ref, --customer-reference and --id-number-file.")
    if ref is not None:
        known = parse_reference(ref)
        if known is None:
            raise click.BadParameter("that is no reference of a check, as K-7F3K2Q", param_hint="'--ref'")
        return Wish(found_by=FoundBy.REF, value=known)
    if customer_reference is not None:
        if not customer_reference.strip():
            raise click.BadParameter("it is empty", param_hint="'--customer-reference'")
        return Wish(found_by=FoundBy.CUSTOMER_REFERENCE, value=customer_reference)
    return Wish(found_by=FoundBy.ID_NUMBER, value=_number(id_number_file.read(_LONGEST + 1)))


def _number(raw: bytes) -> str:
    # Nothing of the file is repeated: it may be a number after all.
    try:
        number = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        number = ""
    if len(raw) > _LONGEST or len(number.splitlines()) != 1 or not any(sign.isalnum() for sign in number):
        raise click.BadParameter("it must hold one ID number on one line, in UTF-8", param_hint="'--id-number-file'")
    return number


@click.command()
@whose
@click.option("--yes", is_flag=True, help="Erase without asking, and delete databases that a restore has set aside.")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file for the signed certificate, which you alone may read; `kyc-bot proof key` has the key to verify it.",
)
def erase(
    *, ref: str | None, customer_reference: str | None, id_number_file: Any, yes: bool, target: Path | None
) -> None:
    """Erase what is known of a customer: photos, entries, Smile ID's record, reviewers' texts, messages in Slack.

    Says first what goes and what stays, until when and by which rule. May run beside the bot, which then erases in
    Slack, and erases by itself what cannot go yet. The same command again tells how far it is.

    Exit 0: nothing is left but records without the customer, until their clock is over. Exit 1: something stays.
    """
    from bot.privacy import certificate
    from bot.settings import ErasureSettings

    wish = wish_of(ref=ref, customer_reference=customer_reference, id_number_file=id_number_file)
    settings = load_settings(ErasureSettings)
    standing = in_database(settings, lambda database: _erase(database, wish, settings, yes=yes, target=target))
    if isinstance(standing, str):
        click.echo(standing, err=True)
        sys.exit(0 if standing == NOTHING_KNOWN else 1)
    for line in certificate.lines(standing):
        click.echo(line)
    if not standing.is_whole:
        sys.exit(1)


@click.command("subject-report")
@whose
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A file for the report, which you alone may read: it holds all of the customer in the clear.",
)
@click.option("--yes", is_flag=True, help="Replace FILE without asking.")
def subject_report(
    *, ref: str | None, customer_reference: str | None, id_number_file: Any, target: Path, yes: bool
) -> None:
    """Write all that is held on a customer into a file, as JSON: opened, with why and until when it is kept.

    For a customer who asks what is known of them. Recorded in the audit trail; may run beside the bot. Where nothing is
    held there is no file, and the exit is 0, too. Exit 1: the record of a check was altered; it is named, and the file
    says nothing else of it.
    """
    import json

    from bot.domain.half_characters import mended
    from bot.privacy import erasure
    from bot.privacy import subject_report as reports
    from bot.settings import ErasureSettings

    wish = wish_of(ref=ref, customer_reference=customer_reference, id_number_file=id_number_file)
    settings = load_settings(ErasureSettings)
    if target.exists() and not yes and not is_agreed(f"{target} exists. Replace it?"):
        sys.exit(1)

    async def work(database: Database) -> dict[str, Any] | None:
        report = await database.write(reports.make, wish, settings.retention, by=OPERATOR, at=_now())
        if report is None:
            return None
        return reports.with_copies(report, erasure.copies_of(reports.refs_of(report), erasure.Places.of(settings)))

    report = in_database(settings, work)
    if report is None:
        click.echo(NOTHING_KNOWN, err=True)
        return
    with file_for(target) as file:
        # A message of Smile ID is kept as it came, and so is a note of an older version: half a character, too.
        file.write((mended(json.dumps(report, ensure_ascii=False, indent=2)) + "\n").encode())
    count = len(report["checks"])
    click.echo(f"{target}: all that is held, of {count} {'check' if count == 1 else 'checks'}")
    if altered := reports.altered_in(report):
        click.echo(f"named alone, since their record was altered: {' '.join(altered)}", err=True)
        sys.exit(1)


async def _erase(
    database: Database, wish: Wish, settings: ErasureSettings, *, yes: bool, target: Path | None
) -> Standing | str:
    import secrets

    from bot.privacy import erasure

    wanted, places = settings.retention, erasure.Places.of(settings)
    if not yes and not await _is_agreed(database, wish, wanted):
        return NOTHING_ERASED
    began = await database.write(erasure.begin, wish, number=secrets.randbits(64), by=OPERATOR, now=_now())
    if began is None:
        return NOTHING_KNOWN
    await erasure.carry_out(database, began.id, wanted, now=_now)
    standing = await erasure.look(database, began.id, wanted, places, now=_now)
    if yes and standing.copies.set_aside:
        erasure.remove_set_aside(places, standing.copies)
        standing = await erasure.look(database, began.id, wanted, places, now=_now)
    if target is not None:
        with file_for(target) as file:
            file.write(await database.write(_certificate, standing))
    return standing


async def _is_agreed(database: Database, wish: Wish, wanted: Retention) -> bool:
    """Say what goes and what stays, and ask; nobody is asked where nothing new is to be erased."""
    from bot.privacy import certificate, erasure

    known, refs = await database.read(erasure.known, wish), await database.read(erasure.find, wish)
    new = [ref for ref in refs if known is None or ref not in known.checks]
    for check in await database.read(erasure.survey, new, wanted, _now()):
        for line in certificate.of_check(check):
            click.echo(line)
    return not new or is_agreed("Erase this for good?")


def _certificate(tx: Transaction, standing: Standing) -> bytes:
    from bot.privacy import certificate

    at = _now()
    signed = certificate.signed(tx, standing, at=at)
    certificate.handed_over(tx, standing.erasure.id, to=OPERATOR, at=at)
    return signed


def _now() -> datetime:
    return datetime.now(UTC)


def erase_again(settings: ErasureSettings) -> None:
    """After a restore: erase whoever was erased since the backup, or say when that happens."""
    from bot.privacy import erasure
    from storage.engine import inspect
    from storage.engine.sealing import Sealer

    if not inspect.erasures_wait_in(settings.database):
        return
    sealer = Sealer.from_text(settings.sealing_keys)
    if inspect.examine(settings.database, sealer, patience=timedelta(0)).pending:
        click.echo("it is of an older version: whoever was erased since is erased again when the bot starts")
        return
    places = erasure.Places.of(settings)

    async def work(database: Database) -> int:
        return await erasure.go_on(database, settings.retention, places, now=_now)

    count = in_database(settings, work)
    click.echo(
        f"erased again, as asked for since that backup: {count} erasures are open; `kyc-bot erase` tells how far"
    )
