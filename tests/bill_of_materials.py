"""`make sbom`: what production is made of, as CycloneDX 1.6 in JSON, from the locks and the libraries' own metadata.

The same clone gives the same bytes, whatever the machine: no time stands in it, unless SOURCE_DATE_EPOCH asks for one.
"""

import json
import os
import re
import sys
import tomllib
import uuid
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot import __version__
from tests import locks
from tests.locks import ROOT, Locked

WHOLE, LEAST = ROOT / "requirements-postgresql.lock", ROOT / "requirements.lock"
"""The most that `make install` installs, and what is left of it without the charts and PostgreSQL."""
EXTRAS = ("charts", "postgresql")

LOCKED_FOR = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""What `make lock` resolves for. The running Python's own marks would change the graph from machine to machine."""

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD-3-Clause": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT": "MIT",
    "MIT License": "MIT",
    "MPL-2.0": "MPL-2.0",
    "PSF-2.0": "PSF-2.0",
}
"""How libraries spell their licence, as SPDX does. What is ambiguous (*BSD License*) stays the name that it is."""


def made(environ: Mapping[str, str]) -> str:
    """The bill as JSON text. ValueError if the installed libraries are not those of the lock."""
    whole, least = locks.read(WHOLE), locks.read(LEAST)
    there = {name: installed(locked) for name, locked in whole.items()}
    extras: dict[str, Collection[str]] = {canonicalize_name(each.name): each.extras for each in _asked_for()}
    body = {
        "components": [_component(locked, there[name], name in least) for name, locked in whole.items()],
        "dependencies": [
            {"ref": _ours(), "dependsOn": _refs(_asked_for(), whole)},
            *(
                {"ref": _purl(locked), "dependsOn": _refs(_wanted(there[name]), whole, extras.get(name, ()))}
                for name, locked in whole.items()
            ),
        ],
    }
    metadata: dict[str, Any] = {
        "lifecycles": [{"phase": "pre-build"}],
        "component": {
            "type": "application",
            "bom-ref": _ours(),
            "name": "kyc-bot",
            "version": __version__,
            "licenses": [{"license": {"id": "MIT"}}],
            "purl": _ours(),
        },
    }
    if epoch := environ.get("SOURCE_DATE_EPOCH"):
        metadata = {"timestamp": datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")} | metadata
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body)).urn,
        "version": 1,
        "metadata": metadata,
    }
    return json.dumps(bill | body, indent=1, ensure_ascii=False) + "\n"


def installed(locked: Locked) -> Distribution:
    """ValueError if it is installed in another version than the lock says."""
    found = distribution(locked.name)
    if found.version != locked.version:
        raise ValueError(f"{locked.name} {found.version} is installed and {locked.version} is locked: make .venv/ready")
    return found


def _component(locked: Locked, found: Distribution, needed: bool) -> dict[str, Any]:
    licences = _licences(found)
    return {
        "type": "library",
        "bom-ref": _purl(locked),
        "name": locked.name,
        "version": locked.version,
        "scope": "required" if needed else "optional",
        **({"licenses": licences} if licences else {}),
        "purl": _purl(locked),
        # One of these files is installed, whichever suits the machine: so they are no hashes of the component itself.
        "externalReferences": [
            {
                "type": "distribution",
                "url": _purl(locked),
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in locked.hashes],
            }
        ],
    }


def _licences(found: Distribution) -> list[dict[str, Any]]:
    """As the library says it: an SPDX expression, an id that its words surely mean, or its words."""
    metadata = found.metadata
    if "License-Expression" in metadata:
        return [{"expression": metadata["License-Expression"]}]
    said = metadata["License"].strip() if "License" in metadata else ""
    if said in SPDX:
        return [{"license": {"id": SPDX[said]}}]
    if said and all(part in SPDX.values() for part in re.split(r" (?:OR|AND) ", said)):
        return [{"expression": said}]
    named = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    return [{"license": {"id": SPDX[name]} if name in SPDX else {"name": name}} for name in named]


def _asked_for() -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    yield from map(Requirement, project["dependencies"])
    for extra in EXTRAS:
        yield from map(Requirement, project["optional-dependencies"][extra])


def _wanted(found: Distribution) -> Iterator[Requirement]:
    return (Requirement(line) for line in found.requires or ())


def _refs(wanted: Iterator[Requirement], whole: Mapping[str, Locked], extras: Collection[str] = ()) -> list[str]:
    """Of those that apply to what the lock is made for and stand in it, in order; also of what wants these `extras`."""
    names = {
        canonicalize_name(each.name)
        for each in wanted
        if each.marker is None or any(each.marker.evaluate({**LOCKED_FOR, "extra": extra}) for extra in {"", *extras})
    }
    return [_purl(whole[name]) for name in sorted(names) if name in whole]


def _purl(locked: Locked) -> str:
    return f"pkg:pypi/{locked.name}@{locked.version}"


def _ours() -> str:
    return f"pkg:generic/kyc-bot@{__version__}"


def main() -> None:
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made(os.environ), encoding="utf-8")
    print(f"{path}: kyc-bot {__version__} and {len(locks.read(WHOLE))} libraries")


if __name__ == "__main__":
    main()
