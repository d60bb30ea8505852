"""Every refusal has its one sentence, and whoever refuses supplies what it names. Found by reading the code."""

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.blocks.refusals import SENTENCES, plain_sentence, said, sentence
from bot.errors import Refusal, Refused

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Made:
    """One place where a refusal is made."""

    where: str
    code: Refusal
    facts: frozenset[str]


def _made() -> Iterator[Made]:
    for room in ("bot", "handlers"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == Refused.__name__:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    facts = frozenset(keyword.arg or "**" for keyword in node.keywords)
                    for code in _codes(node.args[0], within=path):
                        yield Made(where, code, facts)


def _codes(node: ast.expr, *, within: Path) -> Iterator[Refusal]:
    """The codes that an expression may be: named, one of two, or a local name that was given one before."""
    if isinstance(node, ast.IfExp):
        yield from _codes(node.body, within=within)
        yield from _codes(node.orelse, within=within)
    elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == Refusal.__name__:
        yield Refusal[node.attr]
    elif isinstance(node, ast.Name):
        for given in ast.walk(ast.parse(within.read_text(encoding="utf-8"))):
            if isinstance(given, ast.Assign) and [ast.unparse(target) for target in given.targets] == [node.id]:
                yield from _codes(given.value, within=within)


MADE = list(_made())


def _named_in(code: Refusal) -> frozenset[str]:
    return frozenset(name for _text, name, _form, _kind in string.Formatter().parse(SENTENCES[code]) if name)


def test_the_reader_of_refusals_sees_them_all() -> None:
    """The other rules are worth nothing if this finds nothing."""
    calls = sum(
        path.read_text(encoding="utf-8").count("Refused(Refusal.")
        for room in ("bot", "handlers")
        for path in (ROOT / room).rglob("*.py")
    )
    assert len({one.where for one in MADE}) >= calls > 50


def test_every_code_has_one_sentence_and_every_sentence_a_code() -> None:
    assert set(SENTENCES) == set(Refusal)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_every_code_is_used() -> None:
    assert {one.code for one in MADE} == set(Refusal)


def test_whoever_refuses_supplies_the_facts_of_the_sentence() -> None:
    assert [one for one in MADE if one.facts != _named_in(one.code)] == []


@pytest.mark.parametrize("code", Refusal)
def test_a_refusal_is_one_whole_text(code: Refusal) -> None:
    facts: dict[str, object] = {**dict.fromkeys(_named_in(code), "x"), "total": 2, "most": 1}
    for text in (sentence(Refused(code, **facts)), plain_sentence(Refused(code, **facts))):
        assert text.endswith(".")
        assert not set("{}") & set(text)


def test_a_field_of_a_form_shows_no_mention() -> None:
    claimed = Refused(Refusal.CLAIMED_BY, person="U0REVIEW0001", ref="K-7F3K2Q")
    assert sentence(claimed).startswith("<@U0REVIEW0001> has claimed K-7F3K2Q.")
    assert plain_sentence(claimed).startswith("somebody else has claimed K-7F3K2Q.")


@pytest.mark.parametrize(("admin", "asked"), [("U0MUSA00001", "<@U0MUSA00001>"), (None, "an admin of kyc-bot")])
def test_whom_to_ask_is_named_if_it_is_known(admin: str | None, asked: str) -> None:
    refused = Refused(Refusal.NO_ACCESS, admin=admin)
    assert sentence(refused) == f"You don't have access yet. Ask {asked} to add you."
    assert plain_sentence(refused) == "You don't have access yet. Ask an admin of kyc-bot to add you."


def test_what_was_typed_is_shown_harmless() -> None:
    shown = said(Refused(Refusal.UNKNOWN_REF, ref="<!channel> *K*"))
    assert shown.text.startswith("I know no check &lt;!channel&gt; *\u2060K*\u2060 that")
    assert shown.blocks[0]["text"]["text"] == shown.text
    assert "“NG BVN”" in sentence(Refused(Refusal.SUMMARY_NOT_UNDERSTOOD, typed="<NG> *BVN*"))


def test_nothing_about_the_facts_stands_in_the_error_itself() -> None:
    """It may be logged; the facts may name people."""
    assert str(Refused(Refusal.CLAIMED_BY, person="U0REVIEW0001", ref="K-7F3K2Q")) == "claimed_by"
