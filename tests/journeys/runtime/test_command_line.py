"""The command line in a terminal, a pipe and a script: it answers at once, and ends in words and an exit code."""

import subprocess
import sys
import time

import click
import pytest

from bot.__main__ import main
from bot.domain.reporting.exports import ExportFormat
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.slow

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
