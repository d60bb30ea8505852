"""Fixtures that every test may use."""

from __future__ import annotations

import io

import pytest

from bot import logs
from bot.settings import LogFormat


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def log_lines() -> io.StringIO:
    """What the bot logs in this test; kept out of the test runner's output, which is nobody's place for ids."""
    stream = io.StringIO()
    logs.configure(LogFormat.JSON, stream)
    return stream
