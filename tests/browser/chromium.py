"""The distribution's browser: playwright's own would have to be downloaded."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The last three let letters look the same on every machine.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-lcd-text", "--font-render-hinting=none", "--force-color-profile=srgb",
]  # fmt: skip


def chromium_path() -> str:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(f"none of {', '.join(NAMES)} is installed; on Debian: apt-get install chromium fonts-lato")
    return path
