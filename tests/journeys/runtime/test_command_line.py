"""The command line in a terminal, a pipe and a script: it answers at once, and ends in words and an exit code."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator

import click
import pytest

from bot.__main__ import main
from bot.domain.reporting.exports import ExportFormat
from tests.journeys.site import Site, bare, kyc_bot, site
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stopped() -> AsyncIterator[Site]:
    """Where a bot has done one check, and was stopped."""
    async with site() as world:
        await world.ask()
        await world.wait_for_the_end()
        assert await world.stop() == 0
        yield world


def of_the_database(world: Site) -> dict[str, str]:
    """An environment without anything of Slack or Smile ID."""
    return bare() | {name: world.environment[name] for name in ("KYC_DATABASE", "KYC_ENCRYPTION_KEYS")}


TRIES = 7
"""The quickest of so many: what slows a start down now and then is the machine's other work."""


def seconds(*arguments: str) -> float:
    """How long a start of Python takes from beginning to end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=GIVE_UP_SECONDS)
    return time.perf_counter() - begun


@pytest.mark.parametrize("option", ["--version", "-h"])
def test_an_answer_takes_at_most_twice_the_start_of_python_with_click(option: str) -> None:
    # By turns, so that both meet the same machine.
    turns = [(seconds("-c", "import click"), seconds("-m", "bot", option)) for _ in range(TRIES)]
    least, ours = (min(column) for column in zip(*turns, strict=True))
    assert ours <= 2 * least


def test_the_formats_of_an_export_are_those_that_can_be_written() -> None:
    """They are written out there, since help imports none of our rooms."""
    (form,) = [option for option in main.commands["export"].params if option.name == "form"]
    assert isinstance(form.type, click.Choice)
    assert list(form.type.choices) == [known.value for known in ExportFormat]


async def test_what_speaks_to_nobody_asks_for_no_token(stopped: Site) -> None:
    copy = str(stopped.folder / "copy.db")
    for arguments in (
        ["backup", copy],
        ["restore", copy],
        ["receipts", "list"],
        ["export", "--format", "csv"],
        ["summary"],
    ):
        ended = await kyc_bot(*arguments, environment=of_the_database(stopped))
        assert (ended.code, ended.err) == (0, ""), arguments
    released = await kyc_bot("receipts", "release", "R-1", environment=of_the_database(stopped))
    assert (released.code, "nothing that waits is called R-1" in released.err) == (1, True)
    for arguments in (["backup", copy], ["export", "--format", "csv"]):
        ended = await kyc_bot(*arguments)
        assert (ended.code, ended.err) == (
            2,
            "These settings do not fit:\n  KYC_ENCRYPTION_KEYS: is required\n",
        )
