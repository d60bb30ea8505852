"""`make audit`: asks the advisories of PyPI about every library that a lock pins, and says what came of it.

pip-audit alone ends well where nobody could be asked: what it has to skip counts for it as sound. Run by the Python of
`build/audit`, so this needs nothing but what comes with Python.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import locks
from tests.locks import ROOT

SOUND, FAULTY, NOT_KNOWN = 0, 1, 2
"""Exit codes. Not to know is no success."""

PATIENCE_SECONDS = 300
OFFLINE = (
    "Is this machine offline, or behind a mirror without advisories? Ask again where PyPI itself can be reached, "
    "or give the bill of materials (make sbom) to a scanner that has them."
)
PRODUCTION = ROOT / "requirements-postgresql.lock"


@dataclass(frozen=True, slots=True)
class Found:
    """What pip-audit says: whom it asked about, whom not, and each faulty one's advisories and what ends them."""

    asked: frozenset[str]
    skipped: frozenset[str]
    faulty: Mapping[str, tuple[tuple[str, str], ...]]


def ask(command: Sequence[str], files: Sequence[Path]) -> Found | str:
    """What pip-audit found, or in its last words why it could not ask."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    named = [part for file in files for part in ("--requirement", str(file))]
    try:
        ended = subprocess.run(
            [*command, *options, *named], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE_SECONDS} s"
    try:
        return _read(json.loads(ended.stdout)["dependencies"])
    except (ValueError, KeyError, TypeError):
        said = ended.stderr.strip().splitlines()
        return said[-1] if said else f"pip-audit ended with {ended.returncode}"


def _read(dependencies: Sequence[Mapping[str, Any]]) -> Found:
    # Without a version there is a reason instead.
    skipped = frozenset(each["name"] for each in dependencies if "version" not in each)
    faulty = {
        f"{each['name']} {each['version']}": tuple(
            (vuln["id"], ", ".join(vuln["fix_versions"]) or "no version yet") for vuln in each["vulns"]
        )
        for each in dependencies
        if each.get("vulns")
    }
    return Found(frozenset(each["name"] for each in dependencies) - skipped, skipped, faulty)


def told(found: Found | str, files: Sequence[Path]) -> tuple[list[str], int]:
    """The lines to print, and the exit code."""
    wanted = {name for file in files for name in locks.read(file)}
    if isinstance(found, str):
        return [f"Nothing is known: {found}", OFFLINE], NOT_KNOWN
    production = locks.read(PRODUCTION)
    lines = [
        f"{which}: {advisory}, ended by {fixed}{'' if which.split()[0] in production else ' (not in production)'}"
        for which, advisories in sorted(found.faulty.items())
        for advisory, fixed in advisories
    ]
    missing = sorted(wanted - found.asked)
    if missing:
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        lines += [f"Nothing is known of {len(missing)} of {len(wanted)} libraries: {shown}", OFFLINE]
    if lines:
        return lines, FAULTY if found.faulty else NOT_KNOWN
    return [f"No known fault in any of {len(wanted)} libraries."], SOUND


def main() -> None:
    command, *files = sys.argv[1:]
    paths = [Path(file) for file in files]
    lines, code = told(ask([command], paths), paths)
    print("\n".join(lines))
    sys.exit(code)


if __name__ == "__main__":
    main()
