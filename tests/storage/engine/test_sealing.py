"""Sealing: what opens, what must not, and what look-ups find."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.errors import DatabaseFault, SettingsFault, WrongKey
from storage.engine.sealing import Sealer

OLD, NEW = b"o" * 32, b"n" * 32
PLACE = "checks.id_number:7"

SEALED_BY_VERSION_1 = "017adbc4ed84e3de6f4e08bf8e20cc663dd505570a0ded49c2b439b2473daecfd7e4d19fbc89ac1519"
FINGERPRINT_BY_VERSION_1 = "7adbc4ed:9d51a85691a4cf613b14a5dca6eaf96cccfb1e8e17af9c672cbd029f6005e472"

texts = st.text(st.characters(), max_size=200)


@given(texts, texts)
def test_what_is_sealed_for_a_place_opens_there(text: str, place: str) -> None:
    sealer = Sealer([NEW])
    assert sealer.open(sealer.seal(text, place=place), place=place) == text


@given(texts, texts, texts)
def test_it_opens_in_no_other_place(text: str, place: str, other: str) -> None:
    assume(place != other)
    sealer = Sealer([NEW])
    with pytest.raises(DatabaseFault):
        sealer.open(sealer.seal(text, place=place), place=other)


@given(texts, st.data())
def test_one_flipped_bit_anywhere_is_noticed(text: str, data: st.DataObject) -> None:
    sealer = Sealer([NEW, OLD])
    sealed = bytearray(sealer.seal(text, place=PLACE))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DatabaseFault):
        sealer.open(bytes(sealed), place=PLACE)


@given(texts, st.data())
def test_what_is_cut_short_does_not_open(text: str, data: st.DataObject) -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(text, place=PLACE)
    with pytest.raises(DatabaseFault):
        sealer.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))], place=PLACE)


@given(st.binary(max_size=100))
def test_bytes_that_were_never_sealed_do_not_open(noise: bytes) -> None:
    with pytest.raises(DatabaseFault):
        Sealer([NEW]).open(noise, place=PLACE)


@given(texts)
def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key(text: str) -> None:
    before, after = Sealer([OLD]), Sealer([NEW, OLD])
    old = before.seal(text, place=PLACE)
    assert after.open(old, place=PLACE) == text
    new = after.seal(after.open(old, place=PLACE), place=PLACE)
    assert Sealer([NEW]).open(new, place=PLACE) == text
    with pytest.raises(WrongKey):
        before.open(new, place=PLACE)


def test_a_missing_key_is_told_by_its_id_and_differs_from_an_altered_value() -> None:
    sealed = Sealer([OLD]).seal("A1234567", place=PLACE)
    with pytest.raises(WrongKey, match=f"{PLACE} is sealed with key {Sealer([OLD]).key_id}, which is not") as missing:
        Sealer([NEW]).open(sealed, place=PLACE)
    with pytest.raises(DatabaseFault, match="altered, or sealed for another place") as altered:
        Sealer([OLD]).open(sealed[:-1], place=PLACE)
    assert not isinstance(altered.value, WrongKey)
    assert "A1234567" not in f"{missing.value} {altered.value}"


def test_the_same_text_is_sealed_differently_each_time() -> None:
    sealer = Sealer([NEW])
    assert len({sealer.seal("A1234567", place=PLACE) for _ in range(100)}) == 100


def test_a_sealed_value_shows_nothing_of_its_text() -> None:
    assert b"A1234567" not in Sealer([NEW]).seal("A1234567", place=PLACE)


def test_the_stored_form_of_version_1_still_opens() -> None:
    """Written once by this version: a change that breaks it breaks every database out there."""
    sealed = bytes.fromhex(SEALED_BY_VERSION_1)
    sealer = Sealer([bytes(range(32))])
    assert sealer.open(sealed, place=PLACE) == "A1234567"
    assert sealer.fingerprint("A1234567", purpose="id_number") == FINGERPRINT_BY_VERSION_1


@given(texts, texts, texts, texts)
def test_fingerprints_are_equal_only_for_the_same_text_and_purpose(
    text: str, purpose: str, other_text: str, other_purpose: str
) -> None:
    sealer = Sealer([NEW])
    print_ = sealer.fingerprint(text, purpose=purpose)
    assert print_ == Sealer([NEW, OLD]).fingerprint(text, purpose=purpose)
    same = (text, purpose) == (other_text, other_purpose)
    assert (print_ == sealer.fingerprint(other_text, purpose=other_purpose)) == same


def test_text_cannot_slide_from_purpose_to_content() -> None:
    sealer = Sealer([NEW])
    assert sealer.fingerprint("bc", purpose="a") != sealer.fingerprint("c", purpose="ab")


def test_a_look_up_finds_what_was_stored_under_an_older_key() -> None:
    before, after = Sealer([OLD]), Sealer([NEW, OLD])
    stored = before.fingerprint("token", purpose="callback")
    assert after.fingerprints("token", purpose="callback") == [
        after.fingerprint("token", purpose="callback"),
        stored,
    ]
    assert stored.startswith(f"{before.key_id}:")


@pytest.mark.parametrize("pad", ["", "=", " \n"])
def test_keys_are_read_from_text_with_or_without_padding(pad: str) -> None:
    new = hashlib.sha256(b"by chance").digest()
    texts = [base64.urlsafe_b64encode(key).decode().rstrip("=") + pad for key in (new, OLD)]
    sealed = Sealer([new]).seal("text", place=PLACE)
    assert Sealer.from_text(texts).open(sealed, place=PLACE) == "text"


def test_a_new_key_is_random_and_can_be_read() -> None:
    one, other = Sealer.new_key(), Sealer.new_key()
    assert one != other
    assert Sealer.from_text([one, other]).key_id == Sealer.from_text([one]).key_id


@pytest.mark.parametrize("wrong", ["", "short", "c2hvcnQ", "é" * 43, "!" + "A" * 43, "A" * 42 + "\n\nA", "A" * 86])
def test_a_wrong_key_is_named_by_its_position_and_never_shown(wrong: str) -> None:
    with pytest.raises(SettingsFault) as fault:
        Sealer.from_text([Sealer.new_key(), wrong, Sealer.new_key(), wrong])
    assert "encryption key 2 is not 32 bytes" in str(fault.value)
    assert "encryption key 4 is not 32 bytes" in str(fault.value)
    assert "key 1" not in str(fault.value)
    assert not wrong or wrong not in str(fault.value)
    assert fault.value.__cause__ is None


def test_no_key_and_a_repeated_key_are_refused() -> None:
    with pytest.raises(SettingsFault, match="at least one"):
        Sealer.from_text([])
    key = Sealer.new_key()
    with pytest.raises(SettingsFault, match="key 3 repeats key 1"):
        Sealer.from_text([key, Sealer.new_key(), key])
    for keys in ([], [b"short"], [OLD, OLD]):
        with pytest.raises(ValueError, match="key"):
            Sealer(keys)


def test_a_sealer_shows_no_key() -> None:
    key = Sealer.new_key()
    sealer = Sealer.from_text([key])
    assert repr(sealer) == f"Sealer(key_id='{sealer.key_id}', keys=1)"
    secret = base64.urlsafe_b64decode(key)
    assert repr(secret) not in f"{sealer.__dict__!r}"
