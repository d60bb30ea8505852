"""`docs/smile-id.md`: every file and test that it names exists, and no part of `bot/smile_id` is missing from it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/smile-id.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("| ---", "| step"))
]


def _named() -> set[str]:
    """Everything in backquotes that is a path of ours, perhaps with the name of a test behind it."""
    return set(re.findall(r"`((?:bot|handlers|storage|tests)/[\w/.:]+)`", PAGE.read_text(encoding="utf-8")))


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_step_names_a_file_and_a_test() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        step, _what, file, test = row
        assert re.fullmatch(r"`(bot|storage)/[\w/]+\.py`", file), step
        assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", test), step


@pytest.mark.slow
def test_every_file_and_test_that_is_named_exists() -> None:
    for name in _named():
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        assert not test or test in _tests_in(ROOT / path), name


def test_every_module_and_every_call_to_smile_id_is_named() -> None:
    modules = {f"bot/smile_id/{path.name}" for path in (ROOT / "bot/smile_id").glob("*.py")}
    assert modules - {"bot/smile_id/__init__.py"} <= _named()
    client = (ROOT / "bot/smile_id/client.py").read_text(encoding="utf-8")
    calls = set(re.findall(r'_post\("(\w+)"', client)) | set(re.findall(r"base_url\}/(\w+)", client))
    assert {"upload", "job_status", "products_config", "services"} <= calls
    text = PAGE.read_text(encoding="utf-8")
    assert [call for call in calls if f"/v1/{call}" not in text] == []
