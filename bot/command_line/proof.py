"""`kyc-bot proof`: a signed document of one check, and what others need to verify what the bot has signed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.command_line.database import exit_on_fault, in_database, load_settings
from bot.command_line.output import file_for

if TYPE_CHECKING:
    from storage.engine.database import Database


class ByReference(click.Group):
    """A group that takes the reference of a check where others of its commands have their name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        is_named = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if is_named else ["of", *args])


@click.group(cls=ByReference)
def proof() -> None:
    """Documents that the bot signs, and the key that they are verified with.

    `kyc-bot proof REF --output DIR` is short for `kyc-bot proof of REF --output DIR`.
    """


@proof.command("of")
@click.argument("ref")
@click.option(
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An existing folder; REF.proof.json in it is for you alone.",
)
def prove(ref: str, *, folder: Path) -> None:
    """Write what was asked, agreed to, answered and decided for the check REF, signed; recorded in the audit trail.

    It holds the end of the ID number and the customer reference, and no name. May run beside the bot.
    """
    from bot.domain.check.references import parse_reference
    from bot.errors import RecordAltered
    from bot.privacy import proof as proofs
    from bot.settings import DatabaseSettings
    from storage import keys

    now, parsed = datetime.now(UTC), parse_reference(ref)
    if parsed is None:
        raise click.BadParameter(f"{ref!r} is no reference of a check.", param_hint="'REF'")
    ref = parsed

    async def make(database: Database) -> bytes | None:
        await database.read(keys.require_begun)
        return await database.write(proofs.make, ref, at=now)

    settings = load_settings(DatabaseSettings)
    try:
        signed = in_database(settings, make)
    except RecordAltered:
        click.echo(f"the record of {ref} was altered: nothing can be proven of it", err=True)
        sys.exit(1)
    if signed is None:
        click.echo(f"no check is called {ref}, or it was erased", err=True)
        sys.exit(1)
    target = folder / f"{ref}.proof.json"
    with file_for(target) as file:
        file.write(signed)
    click.echo(f"{target}: signed; `kyc-bot proof verify` needs the file and the public key alone")


@proof.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--public-key", required=True, help="As `kyc-bot proof key` printed it; never taken from the file.")
@click.option("--json", "as_json", is_flag=True, help="The verified document, for machines.")
def verify(file: Path, *, public_key: str, as_json: bool) -> None:
    """Say whether FILE is as the holder of the key has signed it, and what it says.

    Needs no database and no settings. Exit 0: it is. 1: it is not.
    """
    import json

    from bot.errors import SignatureInvalid
    from bot.privacy import signing

    try:
        document = signing.verify(file.read_bytes(), public_key)
    except ValueError as why:
        raise click.BadParameter(f"{why}.", param_hint="'--public-key'") from None
    except SignatureInvalid as why:
        click.echo(f"not genuine: {why}", err=True)
        sys.exit(1)
    except OSError as fault:
        raise click.ClickException(f"{file} cannot be read: {fault.strerror}.") from None
    if as_json:
        click.echo(json.dumps(document))
        return
    click.echo(f"genuine: signed with the key {signing.key_id(public_key)}")
    for line in _summary(document):
        click.echo(f"  {line}")


def _summary(document: dict[str, Any]) -> list[str]:
    """What stands in a document, for people; of another kind of document its kind alone."""
    from bot.privacy import proof as proofs

    return proofs.summary(document) if document["kind"] == proofs.KIND else [str(document["kind"])]


@proof.command("key")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def print_key(*, as_json: bool) -> None:
    """Print the public key of what the bot signs, and its id; publish it where others can trust it.

    It belongs to the first of KYC_ENCRYPTION_KEYS, and changes with it. Earlier ones stand in the audit trail.
    """
    import json

    from bot.privacy import signing
    from bot.settings import DatabaseSettings
    from storage.engine.sealing import Sealer

    settings = load_settings(DatabaseSettings)
    with exit_on_fault():
        public = signing.public_key(Sealer.from_text(settings.sealing_keys))
    key_id = signing.key_id(public)
    if as_json:
        click.echo(json.dumps({"algorithm": signing.ALGORITHM, "key_id": key_id, "public_key": public}))
        return
    click.echo(f"{signing.ALGORITHM} {key_id}")
    click.echo(public)
