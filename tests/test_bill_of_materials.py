"""`make sbom`: whole, in the form of CycloneDX 1.6, and the same wherever it is made."""

import json
from typing import Any

import jsonschema
import pytest
from packaging.utils import canonicalize_name

from bot import __version__
from tests import bill_of_materials, locks
from tests.bill_of_materials import LEAST, WHOLE


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
LICENCES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "oneOf": [
            closed({"license": {"oneOf": [closed({"id": TEXT}), closed({"name": TEXT})]}}),
            closed({"expression": TEXT}),
        ]
    },
}
DISTRIBUTION = closed(
    {
        "type": {"const": "distribution"},
        "url": TEXT,
        "hashes": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": closed({"alg": {"const": "SHA-256"}, "content": {"type": "string", "pattern": "^[a-f0-9]{64}$"}}),
        },
    }
)
COMPONENT = {"bom-ref": TEXT, "name": TEXT, "version": TEXT, "purl": {"type": "string", "pattern": "^pkg:"}}
SCHEMA = closed(
    {
        "$schema": {"const": "http://cyclonedx.org/schema/bom-1.6.schema.json"},
        "bomFormat": {"const": "CycloneDX"},
        "specVersion": {"const": "1.6"},
        "serialNumber": {"type": "string", "pattern": "^urn:uuid:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"},
        "version": {"const": 1},
        "metadata": closed(
            {
                "lifecycles": {"const": [{"phase": "pre-build"}]},
                "component": closed(COMPONENT | {"type": {"const": "application"}, "licenses": LICENCES}),
            },
            timestamp={"type": "string", "format": "date-time"},
        ),
        "components": {
            "type": "array",
            "items": closed(
                COMPONENT
                | {
                    "type": {"const": "library"},
                    "scope": {"enum": ["required", "optional"]},
                    "externalReferences": {"type": "array", "minItems": 1, "maxItems": 1, "items": DISTRIBUTION},
                },
                licenses=LICENCES,
            ),
        },
        "dependencies": {
            "type": "array",
            "items": closed({"ref": TEXT, "dependsOn": {"type": "array", "uniqueItems": True, "items": TEXT}}),
        },
    }
)
"""What CycloneDX 1.6 asks for, of the parts that we use, and nothing beside them: a key that is misspelt is refused."""


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(bill_of_materials.made({}))
    return made


@pytest.mark.slow
def test_it_has_the_form_of_cyclonedx(bill: dict[str, Any]) -> None:
    jsonschema.validate(bill, SCHEMA)
    assert bill["metadata"]["component"]["version"] == __version__
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bill | {"component": []}, SCHEMA)


def test_every_locked_library_stands_there_once_with_the_hash_of_each_of_its_files(bill: dict[str, Any]) -> None:
    whole, least = locks.read(WHOLE), locks.read(LEAST)
    told = [
        (
            each["name"],
            each["version"],
            tuple(digest["content"] for digest in each["externalReferences"][0]["hashes"]),
            each["scope"] == "required",
            each["purl"],
        )
        for each in bill["components"]
    ]
    assert told == [
        (one.name, one.version, one.hashes, name in least, f"pkg:pypi/{one.name}@{one.version}")
        for name, one in whole.items()
    ]
    # Not read by the same eyes: as many hashes as the lock has, to the letter.
    assert sum(len(hashes) for _, _, hashes, _, _ in told) == WHOLE.read_text(encoding="utf-8").count("--hash=sha256:")


def test_everything_is_there_because_something_needs_it(bill: dict[str, Any]) -> None:
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    reached, ahead = set(), [bill["metadata"]["component"]["bom-ref"]]
    while ahead:
        reached.add(ref := ahead.pop())
        ahead += [other for other in needs[ref] if other not in reached]
    assert reached == set(needs)
    assert reached == {each["bom-ref"] for each in [*bill["components"], bill["metadata"]["component"]]}
    assert len(needs) == len(bill["dependencies"])


def test_every_library_says_under_which_licence_it_comes(bill: dict[str, Any]) -> None:
    assert [each["name"] for each in bill["components"] if "licenses" not in each] == []
    said = {each["name"]: each["licenses"] for each in bill["components"]}
    assert said["aiosignal"] == [{"license": {"id": "Apache-2.0"}}]
    assert said["sniffio"] == [{"expression": "MIT OR Apache-2.0"}]
    assert said["contourpy"] == [{"license": {"name": "BSD License"}}]


@pytest.mark.slow
def test_the_same_clone_gives_the_same_bytes_and_a_time_only_if_asked_for_one(bill: dict[str, Any]) -> None:
    assert bill_of_materials.made({}) == bill_of_materials.made({})
    assert "timestamp" not in bill["metadata"]
    timed = json.loads(bill_of_materials.made({"SOURCE_DATE_EPOCH": "1764000000"}))
    jsonschema.validate(timed, SCHEMA)
    assert timed["metadata"].pop("timestamp") == "2025-11-24T16:00:00Z"
    assert timed == bill


def test_nothing_is_told_of_a_version_that_is_not_the_locked_one() -> None:
    pillow = locks.read(WHOLE)[canonicalize_name("Pillow")]
    with pytest.raises(ValueError, match=r"pillow .* is installed and 0\.1 is locked: make \.venv/ready"):
        bill_of_materials.installed(locks.Locked(pillow.name, "0.1", pillow.hashes))
