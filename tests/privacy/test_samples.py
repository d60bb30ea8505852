"""The signed documents in docs/samples are genuine, and hold what today's hold."""

from pathlib import Path
from typing import Any

import pytest

from bot.privacy import signing
from tests import signed_samples
from tests.signed_samples import FOLDER, NUMBER, PUBLIC


def shape(value: Any) -> Any:
    """Which names there are and of which type the values, whatever they say; of a list, that of all its items."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            return sorted({str(shape(each)) for each in value})
        case _:
            return type(value).__name__


@pytest.mark.slow
@pytest.mark.anyio
async def test_they_are_genuine_and_of_the_form_that_is_signed_today(tmp_path: Path) -> None:
    today = await signed_samples.made(tmp_path)
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(today)
    for name, signed in today.items():
        sample = (FOLDER / name).read_bytes()
        assert shape(signing.verify(sample, PUBLIC)) == shape(signing.verify(signed, PUBLIC)), (
            f"{name}: run `python -m tests.signed_samples`"
        )
        assert NUMBER.encode() not in sample


def test_the_page_says_with_which_key() -> None:
    page = (FOLDER.parent / "privacy.md").read_text(encoding="utf-8")
    assert f"--public-key {PUBLIC}" in page
