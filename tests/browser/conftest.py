"""Chromium for the journeys through the demo's page; `make browser` installs it where that is possible."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The last three let letters look the same on every machine.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-lcd-text", "--font-render-hinting=none", "--force-color-profile=srgb",
]  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", type=Path, help="take the pictures of the demo, into this folder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--screenshots", default=None) is not None:
        return
    left_out = [item for item in items if "screenshots" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def screenshots(request: pytest.FixtureRequest) -> Path:
    """Where pictures go; a test that takes them is left out where nobody wants any."""
    folder: Path = request.config.getoption("--screenshots")
    return folder


def chromium_path() -> str:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(f"none of {', '.join(NAMES)} is installed; on Debian: apt-get install chromium fonts-lato")
    return path


@pytest.fixture(scope="session")
async def chromium(anyio_backend: str) -> AsyncIterator[Browser]:
    """The distribution's browser: playwright's own would have to be downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        await browser.close()
