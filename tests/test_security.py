"""SECURITY.md names tests: each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part or "whole")
def test_every_named_test_is_there(file: str, name: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {name}(" in source if name else "def test_" in source


def test_each_who_has_a_test() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    told = text.partition("## Who might do what")[2].partition("## Not there yet")[0]
    without = [part.splitlines()[0] for part in told.split("\n### ")[1:] if "`tests/" not in part]
    assert without == []
