"""`make audit`: what is sound, what is faulty, and above all that nobody could tell is not taken for sound."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import audit, locks
from tests.locks import ROOT

pytestmark = pytest.mark.slow

FILES = [ROOT / "requirements-dev.lock", ROOT / "requirements-audit.lock"]
PINNED = {name: locked.version for file in FILES for name, locked in locks.read(file).items()}
PIP_AUDIT = """\
#!{python}
import sys
wanted = {wanted!r}
sys.exit("asked otherwise: " + repr(sys.argv)) if sys.argv[1:] != wanted else None
sys.stdout.write({out!r})
sys.exit({last!r})
"""
Stands = Callable[[str, str | int], str]


@pytest.fixture
def stands(tmp_path: Path) -> Stands:
    """Makes a pip-audit that writes this, ends so, and refuses to be asked otherwise than the real one is."""

    def make(out: str, last: str | int) -> str:
        wanted = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
        wanted += [part for file in FILES for part in ("--requirement", str(file))]
        path = tmp_path / "pip-audit"
        path.write_text(PIP_AUDIT.format(python=sys.executable, wanted=wanted, out=out, last=last), encoding="utf-8")
        path.chmod(0o700)
        return str(path)

    return make


def report(**changed: dict[str, object]) -> str:
    """In pip-audit's form: all sound but those that are named, with what is said of them instead."""
    found = [
        {"name": name} | changed.get(name.replace("-", "_"), {"version": version, "vulns": []})
        for name, version in PINNED.items()
    ]
    return json.dumps({"dependencies": found, "fixes": []})


def outcome(command: str) -> tuple[str, int]:
    lines, code = audit.told(audit.ask([command], FILES), FILES)
    return "\n".join(lines), code


def test_all_that_are_locked_are_asked_about_and_sound(stands: Stands) -> None:
    assert len(PINNED) > 100
    assert outcome(stands(report(), 0)) == (f"No known fault in any of {len(PINNED)} libraries.", audit.SOUND)


def test_faults_are_told_with_what_ends_them_and_whether_production_has_them(stands: Stands) -> None:
    faults = {"id": "PYSEC-0000-1", "fix_versions": ["9.1", "10.0"], "aliases": ["CVE-0000-0001"], "description": "x"}
    uncured = {"id": "GHSA-xxxx", "fix_versions": [], "aliases": [], "description": "x"}
    said, code = outcome(
        stands(
            report(
                pillow={"version": "9.0", "vulns": [faults, uncured]}, pytest={"version": "1.0", "vulns": [uncured]}
            ),
            1,
        )
    )
    assert code == audit.FAULTY
    assert said.splitlines() == [
        "pillow 9.0: PYSEC-0000-1, ended by 9.1, 10.0",
        "pillow 9.0: GHSA-xxxx, ended by no version yet",
        "pytest 1.0: GHSA-xxxx, ended by no version yet (not in production)",
    ]


@pytest.mark.parametrize(
    ("changed", "how_many"), [({"pillow": {"skip_reason": "not found"}}, 1), ({"slack_bolt": {}, "h11": {}}, 2)]
)
def test_what_nobody_could_tell_is_no_success_though_pip_audit_ends_well(
    stands: Stands, changed: dict[str, dict[str, object]], how_many: int
) -> None:
    said, code = outcome(stands(report(**changed), 0))
    assert code == audit.NOT_KNOWN
    assert said.startswith(f"Nothing is known of {how_many} of {len(PINNED)} libraries: ")
    assert all(re.search(rf"\b{name.replace('_', '-')}\b", said) for name in changed)
    assert "offline" in said


def test_a_library_that_pip_audit_leaves_out_is_not_sound_either(stands: Stands) -> None:
    said, code = outcome(stands(json.dumps({"dependencies": [], "fixes": []}), 0))
    assert (code, f"{len(PINNED)} of {len(PINNED)}" in said) == (audit.NOT_KNOWN, True)


@pytest.mark.parametrize("out", ["", "no JSON", "[]", '{"dependencies": [{}]}', '{"dependencies": 5}'])
def test_whatever_else_it_says_is_told_in_its_last_words(stands: Stands, out: str) -> None:
    said, code = outcome(stands(out, "Traceback\nConnectionError: invented.example cannot be reached"))
    assert code == audit.NOT_KNOWN
    assert said.startswith("Nothing is known: ConnectionError: invented.example cannot be reached\n")
    assert "Traceback" not in said


def test_make_asks_about_every_lock() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = next(line for line in makefile.splitlines() if "-m tests.audit" in line)
    assert line.split()[-2:] == [file.name for file in FILES]
    assert set().union(*(locks.read(path) for path in ROOT.glob("requirements*.lock"))) == set(PINNED)
