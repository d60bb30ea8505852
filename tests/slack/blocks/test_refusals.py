"""Every code has one sentence, and every use of it supplies the facts that the sentence names: found in the source."""

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.outbox import AdminAlert, encode_fault
from bot.errors import FileCode, FileUnusable, PhotoCode, PhotoUnusable, Refusal, Refused, SmileIDRefusal
from bot.slack.blocks.refusals import SENTENCES, plain_sentence, refusal_message, sentence, stored_sentence
from tests.source_code import nodes_of

ROOT = Path(__file__).parents[3]
CODES = {kind.__name__: kind for kind in (Refusal, PhotoCode, FileCode, FieldCode, SmileIDRefusal, AdminAlert)}
ALL_CODES = [code for kind in CODES.values() for code in kind]
MAKERS = {maker.__name__ for maker in (Refused, PhotoUnusable, FileUnusable, FieldFault, encode_fault)}


@dataclass(frozen=True, slots=True)
class Made:
    """One place where an error, the fault of a field, or what is kept of one is made."""

    where: str
    code: StrEnum
    facts: frozenset[str]


@cache
def made() -> list[Made]:
    return list(_made())


def _made() -> Iterator[Made]:
    for room in ("bot", "handlers"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in nodes_of(path):
                if isinstance(node, ast.Call) and (code_made := _code_made_by(node)) is not None:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    facts = frozenset(keyword.arg or "**" for keyword in node.keywords) | _keys(node)
                    for code in _codes(code_made, within=path):
                        yield Made(where, code, facts)


def _code_made_by(call: ast.Call) -> ast.expr | None:
    """The argument that is a code. A delivery outcome alerts by `end.alert(tx, fault, code, **facts)`, which hands both
    on: there the caller supplies the facts, not `alert` itself.
    """
    if isinstance(call.func, ast.Name) and call.func.id in MAKERS:
        hands_on = len(call.args) > 1 and isinstance(call.args[1], ast.Name)
        return None if hands_on else call.args[0]
    if isinstance(call.func, ast.Attribute) and call.func.attr == "alert" and len(call.args) == 3:
        hands_on = any(keyword.arg is None for keyword in call.keywords)
        return None if hands_on else call.args[2]
    return None


def _keys(call: ast.Call) -> frozenset[str]:
    """Of facts that are handed over as a dictionary."""
    written = [part for part in call.args if isinstance(part, ast.Dict)]
    return frozenset(str(ast.literal_eval(key)) for part in written for key in part.keys if key is not None)


def _codes(node: ast.expr, *, within: Path) -> Iterator[StrEnum]:
    """The codes that an expression may be: named, one of two, or a local name that was given one before."""
    if isinstance(node, ast.IfExp):
        yield from _codes(node.body, within=within)
        yield from _codes(node.orelse, within=within)
    elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in CODES:
        yield CODES[ast.unparse(node.value)][node.attr]
    elif isinstance(node, ast.Name):
        for given in nodes_of(within):
            if isinstance(given, ast.Assign) and [ast.unparse(target) for target in given.targets] == [node.id]:
                yield from _codes(given.value, within=within)


SAMPLES: dict[str, object] = {
    **dict.fromkeys(("megabytes", "more", "most", "several", "size", "total"), 2),
    "digits": [6, 8],
    "kind": "pdf",
    "table_kind": "pdf",
    "why": "smile_id_down",
}
"""Facts that are not text."""


def _named_in(code: StrEnum) -> frozenset[str]:
    return frozenset(name for _text, name, _form, _kind in string.Formatter().parse(SENTENCES[code]) if name)


@pytest.mark.slow
def test_the_reader_of_codes_sees_them_all() -> None:
    """The other rules are worth nothing if this finds nothing."""
    named = re.compile(rf"\b({'|'.join(MAKERS)})\(\s*({'|'.join(CODES)})\.")
    texts = [path.read_text(encoding="utf-8") for room in ("bot", "handlers") for path in (ROOT / room).rglob("*.py")]
    calls = sum(len(named.findall(text)) for text in texts)
    assert len(made()) >= calls > 150


def test_every_code_has_one_sentence_and_every_sentence_a_code() -> None:
    assert len(SENTENCES) == len(ALL_CODES) == len({code.value for code in ALL_CODES})
    assert set(SENTENCES) == set(ALL_CODES)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.slow
def test_every_code_is_used() -> None:
    named = re.compile(rf"\b({'|'.join(CODES)})\.([A-Z0-9_]+)")
    rooms = [path for room in ("bot", "handlers") for path in (ROOT / room).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in rooms if path != ROOT / "bot/slack/blocks/refusals.py"]
    used = {CODES[kind][name] for text in texts for kind, name in named.findall(text)}
    assert used == set(ALL_CODES)


def test_every_use_of_a_code_supplies_the_facts_of_its_sentence() -> None:
    assert [one for one in made() if one.facts != _named_in(one.code)] == []


@dataclass(frozen=True, slots=True)
class Coded:
    """As an error or the fault of a field would be."""

    code: StrEnum
    facts: dict[str, object]


def test_every_code_makes_one_whole_text() -> None:
    for code in ALL_CODES:
        one = Coded(code, {name: SAMPLES.get(name, "x") for name in _named_in(code)})
        for text in (sentence(one), plain_sentence(one), stored_sentence(encode_fault(one.code, one.facts))):
            assert text.endswith("."), code
            assert not set("{}") & set(text.replace('{"applicants": [...]}', "")), code


def test_no_plain_text_shows_mentions_or_formatting_marks_of_slack() -> None:
    for code in ALL_CODES:
        facts = {
            name: SAMPLES.get(name, ["C0KYCREQ001"] if name == "channels" else "U0MUSA00001")
            for name in _named_in(code)
        }
        assert not set("<>`*") & set(plain_sentence(Coded(code, facts))), code


def test_a_field_of_a_form_shows_no_mention() -> None:
    claimed = Refused(Refusal.CLAIMED_BY, person="U0REVIEW0001", ref="K-7F3K2Q")
    assert sentence(claimed).startswith("<@U0REVIEW0001> has claimed K-7F3K2Q.")
    assert plain_sentence(claimed).startswith("somebody else has claimed K-7F3K2Q.")


@pytest.mark.parametrize(("admin", "asked"), [("U0MUSA00001", "<@U0MUSA00001>"), (None, "an admin of kyc-bot")])
def test_a_refusal_names_whom_to_ask_if_known(admin: str | None, asked: str) -> None:
    refused = Refused(Refusal.NO_ACCESS, admin=admin)
    assert sentence(refused) == f"You don't have access yet. Ask {asked} to add you."
    assert plain_sentence(refused) == "You don't have access yet. Ask an admin of kyc-bot to add you."


def test_what_was_typed_is_shown_harmless() -> None:
    shown = refusal_message(Refused(Refusal.UNKNOWN_REF, ref="<!channel> *K*", admin=None))
    assert shown.text.startswith("No check &lt;!channel&gt; *\u2060K*\u2060 that")
    assert shown.blocks[0]["text"]["text"] == shown.text
    assert "“NG BVN”" in sentence(Refused(Refusal.SUMMARY_NOT_UNDERSTOOD, typed="<NG> *BVN*"))


def test_an_error_does_not_show_its_facts() -> None:
    """It may be logged; the facts may name people."""
    assert str(Refused(Refusal.CLAIMED_BY, person="U0REVIEW0001", ref="K-7F3K2Q")) == "claimed_by"


@pytest.mark.parametrize(
    ("facts", "which"),
    [
        ({}, ""),
        ({"image": 3}, "Image 3: "),
        ({"selfie": True}, "Selfie: "),
        ({"liveness_image": 1}, "Liveness image 1: "),
    ],
)
def test_which_of_several_photos_is_meant_comes_first(facts: dict[str, object], which: str) -> None:
    assert stored_sentence(encode_fault(PhotoCode.NOT_BASE64, facts)) == f"{which}This is not base64, or not all of it."


@pytest.mark.parametrize(
    "old", ["The file is damaged or incomplete.", "", '{"a": 1} is in the file.', "{", '{"code":is in the file.']
)
def test_a_sentence_stored_by_an_older_version_is_unchanged(old: str) -> None:
    assert stored_sentence(old) == old
    assert stored_sentence(None) == ""


def test_a_stored_fault_reads_like_one_reported_at_once() -> None:
    for fault in (
        FieldFault(FieldCode.NUMBER_LENGTH, id_type="BVN", digits=(11, 11), example="", length=3),
        FieldFault(FieldCode.NUMBER_LENGTH, id_type="SSNIT", digits=(6, 8), example="123456", length=3).of_image(2),
        FieldFault(FieldCode.CITIZENSHIP, choices=("Kenyan", "Alien")),
    ):
        assert stored_sentence(encode_fault(fault.code, fault.facts)) == plain_sentence(fault)


def test_the_fault_of_a_field_shows_no_facts_when_it_is_logged() -> None:
    assert repr(FieldFault(FieldCode.NUMBER_LENGTH, length=3)) == "FieldFault(field_number_length)"
