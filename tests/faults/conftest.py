"""All faults, or the sample that is played on every change."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="play every fault, not only the sample")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "all_faults: played with --all-faults only")
    config.addinivalue_line("markers", "sample: left out with --all-faults, which plays more of the same")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out silently what the other choice plays."""
    here = Path(__file__).parent
    # Unknown to the command line when pytest was not pointed at this folder.
    everything = bool(config.getoption("--all-faults", default=False))
    choice = "sample" if everything else "all_faults"
    left_out = [item for item in items if here in item.path.parents and item.get_closest_marker(choice) is not None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
