"""What each command imports: a command that answers at once must not wait for the bot, nor the bot for what few use."""

import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.processes]

DATABASE = frozenset({"cryptography", "pydantic_settings", "rapidfuzz", "sqlite_utils"})
NETWORK = frozenset({"aiohttp", "httpx", "slack_sdk"})
BOT = DATABASE | NETWORK | {"PIL", "apscheduler", "bot.runtime.server", "prometheus_client", "slack_bolt", "starlette"}
WATCHED = BOT | {
    "bot.runtime.doctor",
    "bot.runtime.setup",
    "bot.sandbox",
    "handlers",
    "matplotlib",
    "numpy",
    "openpyxl",
    "segno",
}
WATCHED |= {"uvicorn", "yaml"}
"""What takes long to import, or belongs to one command."""

COMMANDS: Mapping[Sequence[str], Collection[str]] = {
    ("--version",): (),
    ("--help",): (),
    ("erase", "--help"): (),
    ("manifest",): {"yaml"},
    ("check", "--new-key"): {"cryptography", "sqlite_utils"},
    # Without settings these end by themselves, after they have imported all that they run with.
    ("serve",): BOT | {"handlers", "uvicorn"},
    ("check",): BOT | {"bot.runtime.doctor", "uvicorn"},
    ("purge",): DATABASE | NETWORK,
    ("audit", "verify"): DATABASE,
    ("backup", "copy.db"): DATABASE,
}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_imports_what_it_uses_and_no_more(arguments: Sequence[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KYC_", "SLACK_", "SMILE_"))}
    command = [sys.executable, "-X", "importtime", "-m", "bot", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode in {0, 2}, ended.stderr[-2000:]
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert WATCHED & imported == set(COMMANDS[arguments])
