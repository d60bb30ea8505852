"""Chromium for the demo's page and for the page of capture links; `make browser` installs it where that is possible."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.capture_door import open_door
from tests.browser.capture_world import CaptureSite, make_film, open_browser
from tests.browser.chromium import ARGUMENTS, chromium_path


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


@pytest.fixture(scope="session")
async def chromium(anyio_backend: str) -> AsyncIterator[Browser]:
    """The distribution's browser: playwright's own would have to be downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def phone(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser whose camera sees a drawn face, and may be used."""
    async with open_browser(film=make_film(tmp_path_factory.mktemp("film") / "face.mjpeg")) as browser:
        yield browser


@pytest.fixture
async def capture_site(phone: Browser) -> AsyncIterator[CaptureSite]:
    """The page of capture links before a stand-in of its door."""
    async with open_door() as door:
        site = CaptureSite(door=door, browser=phone)
        yield site
        await site.close()
