"""Copies of what the project was given equal their originals, which lie beside the repository in `../shared`."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(__file__).parents[2] / "shared"

FOLDERS = {
    "tests/data/slack/samples": "slack/samples",
    "bot/sandbox/data/photos": "samples",
}
"""Copied whole: nothing missing, nothing added."""

FILES = {
    "tests/data/slack/app-manifest.schema.json": "slack/app-manifest.schema.json",
    "bot/sandbox/slack/data/block-kit-limits.json": "slack/block-kit-limits.json",
    "bot/sandbox/slack/data/web-api-methods.json": "slack/web-api-methods.json",
    "bot/data/actions.csv": "smile-id/actions.csv",
    "bot/data/id-types.csv": "smile-id/id-types.csv",
    "bot/data/result-codes.csv": "smile-id/result-codes.csv",
}


@pytest.fixture(autouse=True)
def originals(capsys: pytest.CaptureFixture[str]) -> None:
    """Skips, and says so even where pytest is told to be quiet."""
    if not SHARED.is_dir():
        with capsys.disabled():
            print("\nNOT COMPARED: ../shared is absent, so copies were not held against their originals.")
        pytest.skip("../shared is absent")


@pytest.mark.parametrize("copy", FILES)
def test_a_copy_equals_its_original(copy: str) -> None:
    assert (ROOT / copy).read_bytes() == (SHARED / FILES[copy]).read_bytes()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_copies_equals_its_original_file_by_file(folder: str) -> None:
    assert _contents(ROOT / folder) == _contents(SHARED / FOLDERS[folder])


def test_every_data_file_is_a_known_copy() -> None:
    kept = {
        path.relative_to(ROOT).as_posix()
        for folder in ("tests/data", "bot/data", "bot/sandbox/data", "bot/sandbox/slack/data")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    strangers = {name for name in kept if name not in FILES and not name.startswith(tuple(f"{f}/" for f in FOLDERS))}
    assert not strangers


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
