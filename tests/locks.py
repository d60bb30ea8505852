"""The lock files, read: which version of what is installed, and the hashes of the files that it may come in."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,.-]+\])?==([^\s;\\]+)(.*)$")


@dataclass(frozen=True, slots=True)
class Locked:
    """A library as a lock pins it. Hashes are SHA-256 in hex, of each wheel and source archive of that version."""

    name: str
    version: str
    hashes: tuple[str, ...]


def read(path: Path) -> dict[str, Locked]:
    """Normal name to what is pinned, in the order of the file; ValueError for a line that pins nothing."""
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found: dict[str, Locked] = {}
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        named = PINNED.match(line)
        if named is None:
            raise ValueError(f"{path.name} has a line that pins nothing: {line[:80]}")
        name = re.sub(r"[-_.]+", "-", named[1]).lower()
        found[name] = Locked(name, named[2], tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", named[3])))
    return found
