"""Options of the journeys."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole-storm", action="store_true", help="10,000 callbacks for 1,000 checks, instead of a fifth of it"
    )
