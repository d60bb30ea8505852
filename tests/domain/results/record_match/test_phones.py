"""Telephone numbers, typed and held; invented ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.results.record_match.person import RecordMatch
from bot.domain.results.record_match.phones import compare_phones

MATCHES, PARTLY, _DIFFERS, NOT_COMPARED = RecordMatch


@pytest.mark.parametrize(
    ("typed", "held", "country", "word"),
    [
        ("08031234567", ["+234 803 123 4567"], "NG", MATCHES),
        ("2348031234567", ["0803-123-4567"], "NG", MATCHES),
        ("8031234567", ["+234 (0) 803 123 4567"], "NG", MATCHES),
        ("08031234567", ["009999999", "002348031234567"], "NG", MATCHES),
        ("0712345678", ["+254712345678"], "KE", MATCHES),
        ("0102030405", ["+2250102030405"], "CI", MATCHES),
        ("0271234567", ["27271234567"], "ZA", MATCHES),
        ("+447700900123", ["00447700900123"], "NG", MATCHES),
        ("08031234567", ["08031234568"], "NG", PARTLY),
        ("08031234567", ["+447700900123"], "NG", PARTLY),
        ("08031234567", ["0803***4567"], "NG", NOT_COMPARED),
        ("08031234567", ["234"], "NG", NOT_COMPARED),
        ("08031234567", ["Not Available", ""], "NG", NOT_COMPARED),
        ("08031234567", [], "NG", NOT_COMPARED),
        ("08031234567", ["08031234567"], "??", MATCHES),
    ],
)
def test_telephone_numbers_are_the_same_however_they_are_written(
    typed: str, held: list[str], country: str, word: RecordMatch
) -> None:
    assert compare_phones([typed], held, country=country) is word
    assert compare_phones(held, [typed], country=country) is word


@given(one=st.lists(st.text(max_size=20)), other=st.lists(st.text(max_size=20)), country=st.text(max_size=3))
def test_any_text_is_read_without_an_error_and_never_differs(one: list[str], other: list[str], country: str) -> None:
    word = compare_phones(one, other, country=country)
    assert word is compare_phones(other, one, country=country)
    assert word in {MATCHES, PARTLY, NOT_COMPARED}
