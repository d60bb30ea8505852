"""What an installation still needs when its settings are written, in the order to do it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from bot.domain.database_address import is_address
from bot.runtime.doctor.findings import listed
from bot.runtime.doctor.slack import FROM_MANIFEST
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.slack import Directory

USUAL_FILE = Path("/etc/kyc-bot/env")
"""Where the settings stand if nobody names another file; docs/install.md and deploy/ expect them there."""
UNIT = Path("/etc/systemd/system/kyc-bot.service")
OPERATORS_COMMAND = Path("/usr/local/sbin/kyc-bot")
"""deploy/kyc-bot, which reads the settings that are root's alone."""
_CHANNELS = ("KYC_CHANNELS", "KYC_REVIEW_CHANNEL", "KYC_SUMMARY_CHANNEL")


def remaining(draft: Draft, directory: Directory, file: Path, *, new_key: bool) -> Iterator[str]:
    """A sentence or two each."""
    if new_key:
        yield (
            f"Keep a copy of KYC_ENCRYPTION_KEYS from {file} away from this machine: without it the database cannot "
            "be read."
        )
    yield from _server(draft, file)
    if missing := directory.missing_scopes:
        verb = "is" if len(missing) == 1 else "are"
        yield f"Slack: {listed(missing)} {verb} missing. {FROM_MANIFEST}"
    chosen = [each.strip() for name in _CHANNELS for each in draft.get(name).split(",") if each.strip()]
    if absent := [directory.label(each) for each in dict.fromkeys(chosen) if each in directory.absent]:
        yield f"Type /invite @{directory.bot} in {listed(absent)}."
    elif not draft.get("KYC_CHANNELS"):
        yield f"Type /invite @{directory.bot} in each channel where checks shall be asked for."
    yield from _addresses(draft)
    yield from _service(file)


def _addresses(draft: Draft) -> Iterator[str]:
    url, host = draft.get("KYC_PUBLIC_URL"), draft.get("KYC_HOST") or "127.0.0.1"
    if not url:
        return
    paths = "/smile-id/callback/" if draft.get("SLACK_APP_TOKEN") else "/smile-id/callback/ and /slack/events"
    yield (
        f"Let the https proxy of {url} hand {paths} on to {host}:{draft.get('KYC_PORT') or '3000'}, and keep these "
        "addresses out of its log (docs/install.md)."
    )
    if not draft.get("SLACK_APP_TOKEN"):
        yield (
            f"Slack over HTTP: once the bot runs, save {url}/slack/events as request URL in the app, or create it from "
            f"kyc-bot manifest --url {url}."
        )


def _server(draft: Draft, file: Path) -> Iterator[str]:
    if not is_address(draft.get("KYC_DATABASE")):
        return
    yield "Have psycopg installed: make install LOCK=requirements-postgresql.lock"
    if not any(draft.get(name) for name in ("KYC_DATABASE_PASSWORD", "PGPASSFILE")):
        yield (
            f"Add KYC_DATABASE_PASSWORD to {file}, or KYC_DATABASE_PASSWORD_FILE or PGPASSFILE with the name of a file "
            "of your own, unless the database's server lets its user in without."
        )


def _service(file: Path) -> Iterator[str]:
    """By the names of docs/install.md where the settings stand where that page has them."""
    command = f"{_as_typed()} --settings {quote(str(file))}"
    if file == USUAL_FILE and OPERATORS_COMMAND.exists():
        yield "Check it all: sudo kyc-bot check"
    else:
        yield f"Check it all: {command} check"
    if file == USUAL_FILE and UNIT.exists():
        yield "Start it, now and with the machine: sudo systemctl enable kyc-bot && sudo systemctl restart kyc-bot"
    else:
        yield f"Run it as a service: docs/install.md has the unit. To try it now: {command} serve"


def _as_typed() -> str:
    """The command as it was called, since an installation in a folder of its own is on nobody's PATH."""
    called = Path(sys.argv[0])
    return quote(str(called)) if called.name == "kyc-bot" and not shutil.which("kyc-bot") else "kyc-bot"
