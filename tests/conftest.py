"""Fixtures that every test may use."""

from __future__ import annotations

import io

import pytest
from hypothesis import settings

from bot import logs
from bot.settings import LogFormat

# The same examples for everybody and every time: what CI refuses can be played again, and a busy machine is no fault.
# `pytest --hypothesis-profile=explore` looks further, at other examples each time.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("same")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def log_lines() -> io.StringIO:
    """What the bot logs in this test; kept out of the test runner's output, which is nobody's place for ids."""
    stream = io.StringIO()
    logs.configure(LogFormat.JSON, stream)
    return stream
