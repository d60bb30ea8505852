"""The command line; the one file that brings handlers and bot together.

Exit 0: success. 1: a check failed, or the database is in use, newer, or sealed with another key. 2: usage or settings.
"""

import asyncio
import os
import sys

import click

import handlers
from bot import __version__, logs, manifest
from bot import check as looking
from bot.errors import DatabaseFault, KycError, SettingsFault
from bot.sandbox import demo as sandbox_demo
from bot.sandbox.slack import command_line as sandbox_slack
from bot.sandbox.smile_id import run as run_smile_id
from bot.serve import run
from bot.settings import Settings
from storage.sealing import Sealer


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kyc-bot")
def main() -> None:
    """Run Smile ID Biometric KYC checks from Slack."""


def _settings() -> Settings:
    try:
        return Settings.load(os.environ)
    except SettingsFault as fault:
        click.echo("These settings do not fit:", err=True)
        for line in str(fault).splitlines():
            click.echo(f"  {line}", err=True)
        sys.exit(2)


@main.command()
def serve() -> None:
    """Run the bot until SIGTERM or Ctrl-C."""
    settings = _settings()
    logs.configure(settings.log_format)
    try:
        run(settings, handlers)
    except SettingsFault as fault:
        click.echo(str(fault), err=True)
        sys.exit(2)
    except DatabaseFault as fault:
        click.echo(str(fault), err=True)
        sys.exit(1)


@main.command()
@click.option("--once", is_flag=True, help="End after the check.")
@click.option("--story", default="approved", show_default=True, help="What Smile ID's stand-in plays.")
def demo(*, once: bool, story: str) -> None:
    """Play one whole check between stand-ins of Slack and Smile ID; needs no accounts."""
    try:
        asyncio.run(sandbox_demo.run(once=once, story=story))
    except sandbox_demo.DemoFailed as fault:
        click.echo(f"The demo failed: {fault}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("")


@main.group()
def sandbox() -> None:
    """Run one of the stand-ins by itself, on the loopback."""


@sandbox.command("slack")
@click.option("--port", type=int, required=True)
@click.option("--bot-token", default="xoxb-sandbox", show_default=True)
@click.option("--app-token", default="xapp-sandbox", show_default=True)
@click.option("--signing-secret", default="sandbox-secret", show_default=True)
@click.option("--events-url", default=None, help="Where to send requests; without it everything goes by Socket Mode.")
def slack_stand_in(*, port: int, bot_token: str, app_token: str, signing_secret: str, events_url: str | None) -> None:
    """Slack's Web API, Socket Mode and signed requests."""
    _until_interrupted(
        sandbox_slack.run(
            port=port, bot_token=bot_token, app_token=app_token, signing_secret=signing_secret, events_url=events_url
        )
    )


@sandbox.command("smile-id")
@click.option("--port", type=int, required=True)
@click.option("--partner-id", required=True)
@click.option("--api-key", required=True)
@click.option("--story", default="approved", show_default=True)
def smile_id_stand_in(*, port: int, partner_id: str, api_key: str, story: str) -> None:
    """Smile ID's v1 API; every official SDK can talk to it."""
    _until_interrupted(run_smile_id(port=port, partner_id=partner_id, api_key=api_key, story=story))


def _until_interrupted(work: object) -> None:
    try:
        asyncio.run(work)  # type: ignore[arg-type]  # a coroutine, as the stand-ins' `run` gives
    except KeyboardInterrupt:
        click.echo("")
    except OSError as fault:
        click.echo(f"Cannot listen: {fault.strerror}", err=True)
        sys.exit(2)


@main.command()
@click.option("--new-key", is_flag=True, help="Print a fresh encryption key and do nothing else.")
def check(*, new_key: bool) -> None:
    """Look at settings, Slack, Smile ID, callback and database: one line each, and what to do where it fails."""
    if new_key:
        click.echo(Sealer.new_key())
        return
    try:
        settings = Settings.load(os.environ)
    except SettingsFault as fault:
        for line in str(fault).splitlines():
            click.echo(f"FAIL  settings: {line}")
        sys.exit(2)
    logs.configure(settings.log_format)
    findings = asyncio.run(looking.look(settings))
    for finding in findings:
        click.echo(finding.line())
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command("manifest")
@click.option("--url", default=None, help="Public https base of the bot: prints the manifest for HTTP mode.")
def print_manifest(*, url: str | None) -> None:
    """Print the Slack app manifest, for Socket Mode or, with --url, for HTTP."""
    try:
        click.echo(manifest.render(url), nl=False)
    except KycError as fault:
        click.echo(str(fault), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
