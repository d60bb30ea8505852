"""The table of rights: whole, read by everything that decides, and shown in docs/access.md as it is."""

import ast
from pathlib import Path

import pytest

from bot.access.rights import RULES, Right, Role
from tests import access_page
from tests.source_code import nodes_where

ROOT = Path(__file__).parents[2]


def _sources() -> list[Path]:
    found = [*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]
    return [path for path in found if not {"sandbox", "access"} & set(path.parts)]


def test_every_right_has_its_rule_and_is_asked_for_somewhere() -> None:
    assert list(RULES) == list(Right)
    asked = {
        node.attr
        for _path, node in nodes_where([*_sources(), ROOT / "bot/access/permissions.py"], "Right.")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Right"
    }
    assert asked == {right.name for right in Right}


def test_whoever_decides_asks_for_a_right_and_not_for_roles() -> None:
    """Else the table would say one thing, and a button do another."""
    by_role = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in nodes_where(_sources(), ".has")
        if isinstance(node, ast.Attribute) and node.attr == "has" and ast.unparse(node.value).endswith("access")
    ]
    assert by_role == []


def test_the_page_shows_the_table_of_the_code() -> None:
    page = access_page.PAGE.read_text(encoding="utf-8")
    assert access_page.written(page) == page, "`make docs` writes it again"


@pytest.mark.parametrize("right", Right)
def test_a_rule_fits_a_row_and_names_each_role_once(right: Right) -> None:
    rule = RULES[right]
    named = [*rule.anybodys, *rule.own, *rule.others]
    assert named
    assert len(named) == len(set(named))
    assert not set(rule.means) & set("|\n")


@pytest.mark.parametrize("right", [Right.DECIDE, Right.SEE_PHOTOS, Right.APPROVE_FILE])
def test_who_asked_is_never_the_second_person(right: Right) -> None:
    """Only an admin may decide their own check, which is marked."""
    assert set(RULES[right].roles(own=True)) <= ({Role.ADMIN} if right is Right.DECIDE else set())
