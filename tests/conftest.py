"""Fixtures that every test may use, and which tests are quick."""

from __future__ import annotations

import gc
import importlib
import io
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest
from hypothesis import settings

from bot.runtime import log_config
from bot.settings import LogFormat
from tests import engines
from tests.postgresql.fixtures import empty_database, postgresql

__all__ = ["empty_database", "postgresql"]

# The same examples for everybody and every time: what CI refuses can be played again, and a busy machine is no fault.
# `pytest --hypothesis-profile=explore` looks further, at other examples each time.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
# `make endurance` tries a hundred examples of each property, `unit` and `journeys` a quarter, `make quick` a tenth.
settings.register_profile("quarter", settings.get_profile("same"), max_examples=25)
settings.register_profile("quick", settings.get_profile("same"), max_examples=10)
settings.load_profile("same")

SLOW_FOLDERS = frozenset({"journeys", "faults", "sandbox", "browser", "node"})
"""Here the whole bot runs, or a stand-in on the loopback: marked slow as a whole, as is what borrows their world."""
MARKED_FOLDERS = frozenset({"journeys", "faults", "browser", "node"})
"""Marked with their name as a whole."""
HERE = Path(__file__).parent
STARTS_A_PROCESS = frozenset({"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"})
"""Python's names for these audit events."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bounds", action="store_true", help="play the tests with bounds of seconds, and hold them")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Every worker reads every file: what is left out as a whole is not even read."""
    return True if collection_path.parent == HERE and collection_path.name in _left_out(config) else None


def _left_out(config: pytest.Config) -> frozenset[str]:
    """Folders whose every test `-m "not … and not …"` leaves out."""
    marks = config.option.markexpr.split(" and ")
    if not all(mark.startswith("not ") for mark in marks):
        return frozenset()
    names = {mark.removeprefix("not ") for mark in marks}
    return (MARKED_FOLDERS & names) | (SLOW_FOLDERS if "slow" in names else frozenset())


@pytest.hookimpl(wrapper=True, trylast=True)  # within what makes errors of warnings
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Read the tests without a search for garbage: all that is made stays, and is not looked through again later."""
    gc.disable()
    try:
        _read_my_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _read_my_share(config: pytest.Config) -> None:
    """Let each worker begin with a share of the files: in a fresh clone, none then compiles what another has compiled.

    What goes wrong here goes wrong again in a moment, when pytest reads the file, and is told there.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return
    folders = [folder for arg in config.args if (folder := Path(arg).resolve()).is_relative_to(HERE)]
    files = sorted(path.relative_to(HERE) for folder in folders for path in folder.rglob("test_*.py"))
    files = [path for path in files if path.parts[0] not in _left_out(config)]
    for path in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception, pytest.fail.Exception):
            importlib.import_module(".".join((HERE.name, *path.with_suffix("").parts)))


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by the marks given here
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in MARKED_FOLDERS:
            item.add_marker(folder)
        if "postgresql" in getattr(item, "fixturenames", ()):
            item.add_marker("postgresql")
        starts_a_server = item.get_closest_marker("postgresql") is not None
        is_in_a_world = isinstance(item, pytest.Function) and _borrows_a_world(item.module)
        if folder in SLOW_FOLDERS or starts_a_server or is_in_a_world:
            item.add_marker(pytest.mark.slow)
    items[:] = [item for item in items if not _is_of_sqlite_alone(item)]
    if config.getoption("--bounds"):
        left_out = [item for item in items if "took" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_of_sqlite_alone(item: pytest.Item) -> bool:
    """Whether it would be played on PostgreSQL, and says that it cannot be."""
    played_on = getattr(getattr(item, "callspec", None), "params", {}).get("engine")
    return played_on == "postgresql" and item.get_closest_marker("sqlite") is not None


@cache
def _borrows_a_world(module: ModuleType) -> bool:
    """Whether it imports something of the journeys, which start a bot."""
    return any(str(getattr(it, "__module__", None)).startswith("tests.journeys.") for it in vars(module).values())


class _Guard:
    """Keeps tests that are not marked slow from starting a process, in `make quick` and everywhere else."""

    def __init__(self) -> None:
        self.guarded: str | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _arguments: tuple[object, ...]) -> None:
        if self.guarded is not None and event in STARTS_A_PROCESS:
            pytest.fail(f"{self.guarded} starts a process ({event}): mark it with pytest.mark.slow")


_guard = _Guard()


@pytest.fixture(autouse=True)
def _quick_tests_start_no_process(request: pytest.FixtureRequest) -> Iterator[None]:
    _guard.guarded = None if request.node.get_closest_marker("slow") else request.node.nodeid
    yield
    _guard.guarded = None


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Plays the test once with its databases in SQLite files, and once on a PostgreSQL server."""
    if request.param == "sqlite":
        yield
        return
    with engines.on(request.getfixturevalue("postgresql")):
        yield


class Took(Protocol):
    def __call__(self, seconds: float, *, less_than: float) -> None: ...


@pytest.fixture
def took(request: pytest.FixtureRequest) -> Took:
    """A bound of seconds. It says something of the bot on an idle machine alone: `make bounds` holds it.

    What a test must show on any machine it shows otherwise: by an event, a count, or the processor's time.
    """
    holds = bool(request.config.getoption("--bounds"))

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
    log_config.configure(LogFormat.JSON, stream)
    return stream
