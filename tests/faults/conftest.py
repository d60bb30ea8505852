"""All faults, or the sample that is played on every change."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="play every fault, not only the sample")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "all_faults: played with --all-faults only")
    config.addinivalue_line("markers", "sample: left out with --all-faults, which plays more of the same")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by the mark given here
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out silently what the other choice plays."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)
    # Unknown to the command line when pytest was not pointed at this folder.
    everything = bool(config.getoption("--all-faults", default=False))
    left_out = "sample" if everything else "all_faults"
    kept = [item for item in items if item.get_closest_marker(left_out) is None]
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(left_out) is not None])
    items[:] = kept
