"""Modules looked up while the bot works: Python remembers the ones it found, never the ones that are missing."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

import pytest

from tests.journeys.submission.test_submission_faults import finish
from tests.journeys.world import journey

pytestmark = pytest.mark.anyio


class Missing(MetaPathFinder):
    """Asked last, so only for what nobody else found."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        self.names[fullname] += 1


@contextmanager
def missing_modules() -> Iterator[Counter[str]]:
    finder = Missing()
    sys.meta_path.append(finder)
    try:
        yield finder.names
    finally:
        sys.meta_path.remove(finder)


async def test_no_check_searches_the_disk_for_a_module_that_is_not_installed(tmp_path: Path) -> None:
    """`sniffio` was such a module: httpcore tries to import it for every lock, and 5 % of a batch's CPU went there."""
    async with journey(tmp_path) as world:
        assert (await finish(world, await world.ask())).state == "approved"
        with missing_modules() as missing:
            for _check in range(2):
                assert (await finish(world, await world.ask(liveness=8))).state == "approved"
    assert missing == {}
