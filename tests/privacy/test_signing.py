"""Signed documents: what verifies, what does not, and which key the trail names."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from bot.__main__ import main
from bot.errors import SignatureInvalid
from bot.privacy import signing
from bot.runtime import key_renewal
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEY, OTHER = b"invented key of 32 bytes, no. 1.", b"another invented key of 32 bytes"
SEALER = Sealer([KEY])
PUBLIC = signing.public_key(SEALER)
DOCUMENT = {"kind": "invented", "gone": {"photos": 2, "names": ["Adaeze", "Ọlá"]}, "stays": None, "whole": True}
PUBLIC_OF_VERSION_1 = "9D1ihlIth6KpPUhUmoVlaMZtRDya8ZRJrz4KPCXhYI8"
"""Of `KEY`: another would make every published key worthless."""

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=8,
)


@pytest.mark.slow
@given(values)
def test_what_was_signed_verifies_however_it_is_laid_out(value: object) -> None:
    document = {"kind": "invented", "value": value}
    signed = signing.sign(document, SEALER)
    assert signing.verify(signed, PUBLIC) == document
    on_one_line = json.dumps(json.loads(signed), sort_keys=True).encode()
    assert signing.verify(on_one_line, PUBLIC) == document


@pytest.mark.slow
def test_a_changed_character_anywhere_is_noticed() -> None:
    signed = signing.sign(DOCUMENT, SEALER)
    passed = []
    for at in range(len(signed)):
        for other in {signed[at] ^ 1, signed[at] ^ 0x20, ord("0")} - {signed[at]}:
            altered = signed[:at] + bytes([other]) + signed[at + 1 :]
            try:
                signing.verify(altered, PUBLIC)
            except SignatureInvalid:
                continue
            passed.append((at, altered))
    # The name of the key is a hint that nothing is decided by; everything else that passes differs in blanks alone.
    where = signed.index(b'"key_id"')
    others = [altered for at, altered in passed if not where <= at < where + len('"key_id": "0123456789abcdef"')]
    assert {json.dumps(json.loads(each)) for each in others} <= {json.dumps(json.loads(signed))}


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole["document"].update(stays="nothing"),
        lambda whole: whole["document"].pop("gone"),
        lambda whole: whole["document"]["gone"]["names"].reverse(),
        lambda whole: whole["document"]["gone"].update(photos=2.0),
        lambda whole: whole["document"].update(whole=1),
        lambda whole: whole.update(beside="a word that nobody signed"),
        lambda whole: whole["signature"].update(public_key="taken from the file"),
        lambda whole: whole["signature"].update(algorithm="none"),
        lambda whole: whole["signature"].update(value="A" * 86),
        lambda whole: whole["signature"].update(value=""),
        lambda whole: whole.pop("signature"),
        lambda whole: whole.pop("document"),
    ],
)
def test_an_altered_document_does_not_verify(change: Any) -> None:
    whole = json.loads(signing.sign(DOCUMENT, SEALER))
    change(whole)
    with pytest.raises(SignatureInvalid):
        signing.verify(json.dumps(whole).encode(), PUBLIC)


@pytest.mark.parametrize("file", [b"", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"document": {}}', b"NaN"])
def test_what_is_no_signed_document_is_refused_in_words(file: bytes) -> None:
    with pytest.raises(SignatureInvalid, match="no signed document"):
        signing.verify(file, PUBLIC)


def test_a_name_that_stands_twice_is_refused() -> None:
    """Else it would verify by its last value, while another program shows the first."""
    signed = signing.sign(DOCUMENT, SEALER).replace(b'"stays": null', b'"stays": "all of it", "stays": null')
    with pytest.raises(SignatureInvalid, match="twice"):
        signing.verify(signed, PUBLIC)


def test_another_key_does_not_verify_and_is_named() -> None:
    signed, other = signing.sign(DOCUMENT, SEALER), signing.public_key(Sealer([OTHER, KEY]))
    with pytest.raises(SignatureInvalid, match=signing.key_id(PUBLIC)):
        signing.verify(signed, other)
    forged = signing.sign(DOCUMENT, Sealer([OTHER])).replace(signing.key_id(other).encode(), b"0" * 16)
    with pytest.raises(SignatureInvalid):
        signing.verify(forged, PUBLIC)


@pytest.mark.parametrize("public", ["", "x", PUBLIC[:-1], PUBLIC + "A", PUBLIC[:-1] + "!", PUBLIC[:-1] + "V"])
def test_what_is_no_public_key_is_told_as_such(public: str) -> None:
    with pytest.raises(ValueError, match="43 characters"):
        signing.verify(signing.sign(DOCUMENT, SEALER), public)


@pytest.mark.parametrize(
    "document",
    [
        {"gone": 1},
        {"kind": "x", "number": 1.5},
        {"kind": "x", "number": 2**53},
        {"kind": "x", "at": NOON},
        {"kind": "x", "Ọlá": 1},
        {"kind": "x", "text": "half \ud800"},
    ],
)
def test_what_others_could_read_in_another_way_is_not_signed(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kind|cannot be signed|too large|ASCII|Unicode"):
        signing.sign(document, SEALER)


def test_the_public_key_stays_what_it_is_and_any_library_can_use_it() -> None:
    assert PUBLIC == PUBLIC_OF_VERSION_1
    whole = json.loads(signing.sign({"kind": "x", "b": 1, "a": "ọ"}, SEALER))
    covered = '{"a":"ọ","b":1,"kind":"x"}'.encode()  # RFC 8785, written out
    Ed25519PublicKey.from_public_bytes(SEALER.public_key).verify(signing._bytes(whole["signature"]["value"]), covered)


def test_the_command_prints_the_key_alone() -> None:
    text = Sealer.new_key()
    public = signing.public_key(Sealer.from_text([text]))
    ran = CliRunner().invoke(main, ["proof", "key"], env={"KYC_ENCRYPTION_KEYS": text})
    assert (ran.exit_code, ran.stdout) == (0, f"Ed25519 {signing.key_id(public)}\n{public}\n")
    ran = CliRunner().invoke(
        main, ["proof", "key", "--json"], env={"KYC_ENCRYPTION_KEYS": f"{text},{Sealer.new_key()}"}
    )
    assert json.loads(ran.stdout) == {"algorithm": "Ed25519", "key_id": signing.key_id(public), "public_key": public}


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_trail_names_each_key_once(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    for keys in ([KEY], [KEY], [OTHER, KEY]):
        database = await Database.open(path, sealer=Sealer(keys), migrate=migrate)
        if len(keys) == 2:
            await key_renewal.renew(database, forget_old=True, now=lambda: NOON, on_page=lambda _done: None)
        await database.write(signing.note_key, at=NOON)
        await database.close()
    with closing(sqlite3.connect(path)) as db:
        told = db.execute("SELECT actor, detail FROM audit WHERE act = 'signing_key.used' ORDER BY seq").fetchall()
    publics = [PUBLIC, signing.public_key(Sealer([OTHER]))]
    assert told == [("kyc-bot", f"{signing.key_id(public)}:{public}") for public in publics]
