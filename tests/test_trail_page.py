"""docs/trail.md and bot/domain/trail.py: every act that the code writes, with what its line says, and no other."""

import ast
import re
from pathlib import Path

import pytest

from bot.domain.trail import ACTS
from tests import trail_page
from tests.source_code import nodes_where

ROOT = Path(__file__).parents[1]
PARTS = {
    "check.{}": {"check.let_pass", "check.other_photos"},
    "review.{}": {"review.decided", "review.settled", "review.left"},
    "{}.released": {"receipt.released", "post.released"},
}
"""Acts whose names are put together, and what they come to: a journey that writes another fails."""


def _acts() -> set[str]:
    """Every `act=` of the code, a text or one that is put together."""
    paths = [path for room in ("bot", "storage", "handlers") for path in (ROOT / room).rglob("*.py")]
    calls = nodes_where([path for path in paths if "sandbox" not in path.parts], "act=")
    return {
        name
        for _path, call in calls
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "act"
        for name in _names(word.value)
    }


def _names(value: ast.expr) -> set[str]:
    if isinstance(value, ast.IfExp):
        return _names(value.body) | _names(value.orelse)
    if isinstance(value, ast.Constant):
        return {str(value.value)}
    if isinstance(value, ast.JoinedStr):
        shape = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)
        return PARTS[shape]
    return set()  # handed on by a function, whose callers name it


def test_every_act_of_the_code_is_explained() -> None:
    raw_sql = set(re.findall(r"'operator', '([a-z_.]+)'", (ROOT / "storage/engine/backup.py").read_text("utf-8")))
    assert (_acts() | raw_sql) - set(ACTS) == set()


def test_no_act_is_explained_that_nothing_writes() -> None:
    paths = {path for room in ("bot", "storage", "handlers") for path in (ROOT / room).rglob("*.py")}
    code = "\n".join(path.read_text("utf-8") for path in paths - {ROOT / "bot/domain/trail.py"})
    put_together = {act for acts in PARTS.values() for act in acts}
    assert [act for act in ACTS if act not in put_together and not re.search(f"['\"]{re.escape(act)}['\"]", code)] == []


def test_the_page_says_what_the_code_does() -> None:
    page = trail_page.PAGE.read_text(encoding="utf-8")
    assert trail_page.written(page) == page, "`make docs` writes it again"


@pytest.mark.parametrize("act", ACTS)
def test_a_meaning_fits_a_cell(act: str) -> None:
    assert not set(ACTS[act].meaning) & set("|\n")
    assert len(act) <= 40
