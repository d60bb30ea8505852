"""What `make` does before there is an environment: an old Python is told at once, and leaves nothing in the way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.installation]

ROOT = Path(__file__).parents[1]
PYTHON = """\
#!/bin/sh
# Python {version}, as far as make has need of it: like the real one, `venv` keeps the Python that is there already.
case "$1 $2" in
  "-m venv")
    if [ "$3" = --clear ]; then shift; rm -rf "$3"; fi
    mkdir -p "$3/bin"; touch "$3/pyvenv.cfg"; test -e "$3/bin/python" || cp "$0" "$3/bin/python" ;;
  "-m pip") echo "pip of {version}" ;;
  *) PYTHONPATH={folder} exec {real} "$@" ;;
esac
"""
PRETEND = "import sys; sys.version_info = ({version}, 1); sys.version = '{dotted}.1 (invented)'"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock", "requirements-build.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def python(folder: Path, dotted: str) -> Path:
    """A Python of that version."""
    place = folder / f"of-{dotted}"
    place.mkdir()
    (place / "sitecustomize.py").write_text(PRETEND.format(version=dotted.replace(".", ","), dotted=dotted))
    path = place / "python"
    path.write_text(PYTHON.format(version=dotted, folder=place, real=sys.executable))
    path.chmod(0o755)
    return path


def make(clone: Path, target: str, python: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target, f"PYTHON={python}"],
        cwd=clone,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_SECONDS,
    )


@pytest.mark.parametrize("target", ["demo", "quick", "wheel", "install"])
@pytest.mark.parametrize("dotted", ["2.7", "3.10"])
def test_an_old_python_is_told_at_once(clone: Path, target: str, dotted: str) -> None:
    old = python(clone, dotted)
    made = make(clone, target, old)
    assert made.returncode != 0
    assert "kyc-bot needs Python 3.11 or newer" in made.stderr
    assert f"is {dotted}.1. Name another, as in: make PYTHON=python3.12" in made.stderr
    assert made.stdout == ""
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("before", ["3.9", "3.11"])
def test_an_environment_of_another_python_does_not_stand_in_the_way(clone: Path, before: str) -> None:
    subprocess.run([python(clone, before), "-m", "venv", ".venv"], cwd=clone, check=True)
    made = make(clone, ".venv/ready", python(clone, "3.12"))
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("\npip of 3.12\n") == 2
    assert f"pip of {before}" not in made.stdout
    assert (clone / ".venv" / "ready").exists()


def test_an_environment_of_the_same_python_is_kept(clone: Path) -> None:
    new = python(clone, "3.12")
    subprocess.run([new, "-m", "venv", ".venv"], cwd=clone, check=True)
    (clone / ".venv" / "kept").touch()
    assert make(clone, ".venv/ready", new).returncode == 0
    assert (clone / ".venv" / "kept").exists()


@pytest.mark.parametrize(("before", "kept"), [("3.11", False), ("3.12", True)])
def test_the_environment_that_builds_the_wheel_is_of_the_same_python(clone: Path, before: str, kept: bool) -> None:
    subprocess.run([python(clone, before), "-m", "venv", "build/tools"], cwd=clone, check=True)
    (clone / "build/tools/before").touch()
    new = clone / "of-3.12" / "python" if kept else python(clone, "3.12")
    made = make(clone, "wheel", new)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("\npip of 3.12\n") == 2
    assert (clone / "build/tools/before").exists() is kept


def test_a_folder_that_is_no_environment_is_never_cleared(clone: Path) -> None:
    """Who says PREFIX=/opt keeps what lies there."""
    (clone / "build/tools").mkdir(parents=True)
    (clone / "build/tools/precious").touch()
    assert make(clone, "wheel", python(clone, "3.12")).returncode == 0
    assert (clone / "build/tools/precious").exists()


def test_the_package_itself_names_the_python_that_it_needs() -> None:
    pretend = PRETEND.format(version="3, 9", dotted="3.9")
    ended = subprocess.run(
        [sys.executable, "-c", f"{pretend}; import bot"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (
        1,
        f"kyc-bot needs Python 3.11 or newer, and {sys.executable} is 3.9.1.\n",
    )
