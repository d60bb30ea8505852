"""Dates of birth, typed and held."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.results.record_match.dates_of_birth import compare_births
from bot.domain.results.record_match.person import RecordMatch

MATCHES, PARTLY, DIFFERS, NOT_COMPARED = RecordMatch


@pytest.mark.parametrize(
    ("typed", "held", "word"),
    [
        ("1990-01-31", "1990-01-31", MATCHES),
        ("1990-01-31", "31-01-1990", MATCHES),
        ("1990-01-31", "31/1/1990", MATCHES),
        ("1990-01-31", "31.01.1990", MATCHES),
        ("1990-01-31", "1990/01/31", MATCHES),
        ("1990-01-31", "31-JAN-1990", MATCHES),
        ("1990-01-31", "31 January 1990", MATCHES),
        ("1990-01-31", "January 31, 1990", MATCHES),
        ("1990-02-28", "28 février 1990", MATCHES),
        ("1990-02-28", "28 de fevereiro de 1990", MATCHES),
        ("1990-01-31", "1990-Jan-31", MATCHES),
        ("1990-01-31", "19900131", MATCHES),
        ("1990-01-31", "31011990", MATCHES),
        ("1990-01-31", "1990-01-31T00:00:00.000Z", MATCHES),
        ("1990-01-31", "31/01/1990 00:00:00", MATCHES),
        ("1990-01-31", "01/31/1990", MATCHES),  # no month has the number 31
        ("1990-01-31", "٣١-٠١-١٩٩٠", MATCHES),
        ("1990-05-05", "05/05/1990", MATCHES),
        ("1990-02-01", "01/02/1990", MATCHES),  # the day stands first
        ("1990-01-02", "01/02/1990", PARTLY),
        ("1990-01-02", "1990-02-01", PARTLY),
        ("1990-01-31", "1991-01-31", PARTLY),
        ("1990-01-31", "1990-01-30", PARTLY),
        ("1990-01-31", "1990-01-30T23:00:00Z", PARTLY),  # midnight in Lagos
        ("1990-01-31", "1990", PARTLY),
        ("1990-01-31", "1990-00-00", PARTLY),
        ("1990-01-31", "XX/XX/1990", PARTLY),
        ("1990-01-31", "1990-01", PARTLY),
        ("1990-01-31", "1991", DIFFERS),
        ("1990-01-31", "1985-06-15", DIFFERS),
        ("1990-01-31", "1990-10-13", DIFFERS),
        ("1990-01-31", "1991-01-30", DIFFERS),
        ("1990-01-31", "31/01/90", NOT_COMPARED),
        ("1990-01-31", "1900-01-01", NOT_COMPARED),
        ("1990-01-31", "0001-01-01", NOT_COMPARED),
        ("1990-01-31", "01-01-0001", NOT_COMPARED),
        ("1990-01-31", "9999-12-31", NOT_COMPARED),
        ("1990-01-31", "0000-00-00", NOT_COMPARED),
        ("1990-01-31", "1900", NOT_COMPARED),
        ("1990-01-31", "", NOT_COMPARED),
        ("1990-01-31", None, NOT_COMPARED),
        ("1990-01-31", "unknown", NOT_COMPARED),
        ("1990-01-31", "31 Foo 1990", NOT_COMPARED),
        (None, "1990-01-31", NOT_COMPARED),
        ("1990-01-31", "1" * 10_000, NOT_COMPARED),
    ],
)
def test_dates_of_birth_are_read_as_authorities_write_them(
    typed: str | None, held: str | None, word: RecordMatch
) -> None:
    assert compare_births(typed, held) is word
    assert compare_births(held, typed) is word


@given(one=st.dates(), other=st.dates())
def test_two_days_match_only_if_they_are_one_day(one: date, other: date) -> None:
    assert (compare_births(str(one), str(other)) is MATCHES) <= (one == other)


@given(one=st.text(max_size=70) | st.dates().map(str), other=st.text(max_size=70) | st.dates().map(str))
def test_any_text_is_read_without_an_error_and_the_same_both_ways(one: str, other: str) -> None:
    assert compare_births(one, other) is compare_births(other, one)
