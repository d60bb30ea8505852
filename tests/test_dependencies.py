"""Every library that is imported is named in pyproject.toml, and the locks keep to what is asked for there."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import locks
from tests.locks import ROOT
from tests.source_code import nodes_of

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]

NAMED = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
LOCKED = {name: locked.version for name, locked in locks.read(ROOT / "requirements-dev.lock").items()}

NEVER_IMPORTED = {
    "httptools": "uvicorn picks it up",
    "sniffio": "httpcore picks it up",
    "tzdata": "zoneinfo reads it",
}


def _production() -> Iterator[Path]:
    for room in ("bot", "handlers", "storage"):
        for path in (ROOT / room).rglob("*.py"):
            if "sandbox" not in path.parts:
                yield path


def _imported() -> dict[str, str]:
    """Name of a library of others to a file that imports it."""
    found: dict[str, str] = {}
    for path in _production():
        for node in nodes_of(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found |= {name.split(".")[0]: str(path.relative_to(ROOT)) for name in names}
    ours = {"bot", "handlers", "storage", "kyc_bot", "_typeshed"}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | ours}


def test_every_library_that_is_imported_is_named() -> None:
    """One that only comes along with another goes with it, in a version that nobody chose."""
    extras = {canonicalize_name(Requirement(line).name) for name in ("charts", "postgresql") for line in EXTRAS[name]}
    of_module = packages_distributions()
    imported = {module: {canonicalize_name(name) for name in of_module[module]} for module in _imported()}
    unnamed = {module: _imported()[module] for module, names in imported.items() if not names & (NAMED | extras)}
    assert unnamed == {}
    unused = NAMED - set().union(*imported.values())
    assert unused == set(NEVER_IMPORTED)


@pytest.mark.parametrize(
    "line",
    [
        *PROJECT["dependencies"],
        *(line for extra in ("charts", "postgresql", "dev") for line in EXTRAS[extra]),
        *PYPROJECT["build-system"]["requires"],
    ],
)
def test_what_is_locked_is_no_older_than_what_is_asked_for(line: str) -> None:
    wanted = Requirement(line)
    assert wanted.specifier.contains(LOCKED[canonicalize_name(wanted.name)]), line
