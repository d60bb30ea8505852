"""Fixtures that every test may use."""

from __future__ import annotations

import io
from typing import Protocol

import pytest
from hypothesis import settings

from bot import logs
from bot.settings import LogFormat

# The same examples for everybody and every time: what CI refuses can be played again, and a busy machine is no fault.
# `pytest --hypothesis-profile=explore` looks further, at other examples each time.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmarks", action="store_true", help="play the tests with bounds of seconds, and hold them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--benchmarks"):
        left_out = [item for item in items if "took" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


class Took(Protocol):
    def __call__(self, seconds: float, *, less_than: float) -> None: ...


@pytest.fixture
def took(request: pytest.FixtureRequest) -> Took:
    """A bound of seconds. It says something of the bot on an idle machine alone: `make bench` holds it.

    What a test must show on any machine it shows otherwise: by an event, a count, or the processor's time.
    """
    holds = bool(request.config.getoption("--benchmarks"))

    def check(seconds: float, *, less_than: float) -> None:
        assert not holds or seconds < less_than, f"{seconds:.1f} s"

    return check


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def log_lines() -> io.StringIO:
    """What the bot logs in this test; kept out of the test runner's output, which is nobody's place for ids."""
    stream = io.StringIO()
    logs.configure(LogFormat.JSON, stream)
    return stream
