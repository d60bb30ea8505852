"""A file is there whole or not at all, also after a kill; what was there before is not lost meanwhile."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.whole_file import whole_file
from tests.patience import GIVE_UP_SECONDS

STRUCK = """
import os, sys
deadly, place, without = sys.argv[1:]
if without:
    del os.O_TMPFILE
from pathlib import Path
from bot.whole_file import whole_file

sys.addaudithook(lambda event, _details: event == deadly and os.kill(os.getpid(), 9))
with whole_file(Path(place)) as file:
    file.write(b"new")
    file.flush()
    if deadly == "writing":
        os.kill(os.getpid(), 9)
"""
"""A process that dies at an event of Python's, or while it writes; where wanted, on a system without nameless files."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def knows_nameless_files(folder: Path) -> bool:
    """Linux does, but not on every file system."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        return False
    return True


def struck(deadly: str, place: Path, *, without: bool = False) -> None:
    command = [sys.executable, "-c", STRUCK, deadly, str(place), "yes" if without else ""]
    died = subprocess.run(command, cwd=Path(__file__).parents[1], timeout=GIVE_UP_SECONDS, check=False)
    assert died.returncode == -signal.SIGKILL


def test_it_takes_the_place_of_an_older_one_when_it_is_whole_and_is_private(tmp_path: Path) -> None:
    place = tmp_path / "report [1].json"
    place.write_text("older")
    place.chmod(0o644)
    with whole_file(place) as file:
        file.write(b"new")
        file.flush()
        assert place.read_text() == "older"
        if knows_nameless_files(tmp_path):
            assert names(tmp_path) == [place.name], "nobody else sees it yet"
    assert (place.read_text(), place.stat().st_mode & 0o777, names(tmp_path)) == ("new", 0o600, [place.name])


def test_after_a_failure_nothing_is_left_of_it(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    place.write_text("older")

    def fail() -> None:
        with whole_file(place) as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (place.read_text(), names(tmp_path)) == ("older", [place.name])


def test_where_it_cannot_be_written_the_reason_is_told_before_anything_is(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "nowhere" / "report.json"):
            pytest.fail("there is no such folder")

    with pytest.raises(FileNotFoundError):
        write()


@pytest.mark.slow
@pytest.mark.parametrize("deadly", ["writing", "os.link"])
@pytest.mark.parametrize("older", [["report.json"], []])
def test_a_kill_leaves_nothing_of_it(tmp_path: Path, deadly: str, older: list[str]) -> None:
    if not knows_nameless_files(tmp_path):
        pytest.skip("it has a name from the beginning")
    for name in older:
        (tmp_path / name).write_text("older")
    struck(deadly, tmp_path / "report.json")
    assert names(tmp_path) == older
    assert all((tmp_path / name).read_text() == "older" for name in older)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="a system that never has them needs not be without")
@pytest.mark.parametrize(("deadly", "without"), [("os.rename", False), ("os.rename", True), ("writing", True)])
def test_what_a_kill_left_under_another_name_goes_with_the_next_one(tmp_path: Path, deadly: str, without: bool) -> None:
    place = tmp_path / "report [1].json"
    for name in (place.name, ".report 1.json.of-somebody.piece", f".{place.name}.else"):
        (tmp_path / name).write_text("older")
    before = names(tmp_path)
    struck(deadly, place, without=without)
    (left,) = set(names(tmp_path)) - set(before)
    assert place.read_text() == "older"
    assert (tmp_path / left).stat().st_mode & 0o777 == 0o600
    with whole_file(place) as file:
        file.write(b"new")
    assert (place.read_text(), names(tmp_path)) == ("new", before)
