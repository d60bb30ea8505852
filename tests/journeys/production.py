"""A production installation: the wheel and what a lock for production names, in an environment of its own.

Made without network: pip installs the wheel alone, and each locked distribution is a link to the one that development
has. What the lock does not name is not there.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKED = ("kyc_bot.py", "bot", "handlers", "storage", "pyproject.toml", "README.md", "LICENSE")
NO_NETWORK = ("--no-index", "--no-deps", "--disable-pip-version-check", "--quiet", "--quiet")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Path]) -> Path:
    """What `make` gives for a new folder: the first worker of this run calls it, the others wait and take the same."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder, made = shared / name, shared / f"{name}.made"
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            made.write_text(str(make(folder)), encoding="utf-8")
        return Path(made.read_text(encoding="utf-8"))


def build_wheel(folder: Path) -> Path:
    """As `make wheel` does, of a copy, with what an earlier build may have left beside the sources."""
    copy = folder / "repository"
    copy.mkdir()
    for source in [*(ROOT / name for name in PACKED), *ROOT.glob("*.egg-info")]:
        if source.is_dir():
            shutil.copytree(source, copy / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    _pip("wheel", "--no-build-isolation", *NO_NETWORK, "--wheel-dir", str(folder), str(copy))
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, *, lock: str) -> Path:
    """Gives the `kyc-bot` of a new environment with `lock` and the wheel."""
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site_packages,) = (folder / "lib").glob("python*/site-packages")
    for name in locked(lock):
        for top in {file.parts[0] for file in metadata.distribution(name).files or () if file.parts[0] != ".."}:
            if top != "__pycache__":
                (site_packages / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))).resolve())
    _pip("--python", str(python), "install", *NO_NETWORK, str(wheel))
    return folder / "bin" / "kyc-bot"


def locked(lock: str) -> list[str]:
    return re.findall(r"^([a-z0-9._-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)


def _pip(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True, env=environment)
