"""`kyc-bot proof`: what others need to verify what the bot has signed."""

from __future__ import annotations

import json

import click

from bot.command_line.database import exit_on_fault, load_settings


@click.group()
def proof() -> None:
    """Documents that the bot signs, and the key that they are verified with."""


@proof.command("key")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def print_key(*, as_json: bool) -> None:
    """Print the public key of what the bot signs, and its id; publish it where others can trust it.

    It belongs to the first of KYC_ENCRYPTION_KEYS, and changes with it. Earlier ones stand in the audit trail.
    """
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
