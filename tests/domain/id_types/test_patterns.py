"""Patterns of somebody else's: taken where they are harmless, and never a way to keep the bot busy."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.id_types.patterns import harmless

LONGEST = 100


@pytest.mark.parametrize(
    ("source", "fits", "fits_not"),
    [
        (r"^[0-9]{11}$", "00000000000", "0000000000"),
        (r"(?i)^[A-Z]{3}-?\d{9}-?\d$", "gha-000000000-0", "GHA-00000000-0"),
        (r"^[A-Z]{3}(-\d{9}-\d|\d{9}\d)$", "GHA0000000000", "GHA-0000000000"),
        (r"^([0-9]{11}|[A-Za-z]\d{10})$", "C0000000000", "CC000000000"),
        (r"(?i)^[a-zA-Z]{3}([ -]{1})?[A-Z0-9]{6,12}$", "abc 000000", "abc  000000"),
        (r"^[a-zA-Z0-9!-]{6,18}$", "A-B!00", "A B 00"),
        (r"^(?:A|B)?\w+\s\.\/[.+(-]$", "A_0 ./(", "A_0./("),
        (r"^A{2,}$|^B*C$", "BBC", "A"),
        (r"^[A-Z]*[0-9]*C$", "AB00C", "00ABC"),
    ],
)
def test_a_plain_pattern_means_what_it_meant(source: str, fits: str, fits_not: str) -> None:
    pattern = harmless(source)

    assert pattern is not None
    for number in (fits, fits_not):
        assert bool(pattern.fullmatch(number)) is bool(re.fullmatch(source, number, re.ASCII)) is (number == fits)


@pytest.mark.parametrize("source", [r"^[0-9]{9,11}$", r"^\d{9,11}$", r"(?i)^[0-9]{9,11}$"])
def test_equal_patterns_read_alike(source: str) -> None:
    """The form's words are made from the plainest of them: *9 to 11 digits*."""
    pattern = harmless(source)

    assert pattern is not None
    assert pattern.pattern == "^[0-9]{9,11}$"


@pytest.mark.parametrize(
    "source",
    [
        r"^(a+)+$",
        r"^(a|a)*$",
        r"^(a?){50}$",
        r"^([a-z]{1,9}[0-9]{1,9}){1,9}$",
        r"^a*a*a*b$",
        r"^(a|ab|abc|b|bc|c){9}$",
        r"^((((a{0}){100}){100}){100}){100}$",
        r"^(((a?)?)?)*$",
    ],
)
def test_a_pattern_that_could_be_tried_in_too_many_ways_is_not_taken(source: str) -> None:
    assert harmless(source) is None


@pytest.mark.parametrize(
    "source",
    [
        "", "^$", "^a?$", "[0-9]{11}", "^[0-9]{11}", "^a$|b", r"^(?=.*[0-9])[A-Z]{3}$", r"^(a)\1$", "^.{3}$", "^[^a]$",
        "^a{99999}$", "^a{2,1}$", "^a{0}$", "^a{,3}$", "^a+?$", "^a++$", "^a$b$", "^(^a)$", "^(?P<n>a)$", "^(a$",
        "^a)$", "^[a$", "^[]$", "^[z-a]$", "^[A-z-9]{", "^a\\", r"^\b$", r"^\p{L}$", "^ä$", "^\u202e$",
        "^" + "(" * 99 + "a" + ")" * 99 + "$", "^" + "a" * 500 + "$", "(?i)(?i)^a$", "(?s)^a$",
    ],
)  # fmt: skip
def test_what_is_not_of_the_plain_part_of_the_language_is_not_taken(source: str) -> None:
    assert harmless(source) is None


@given(st.text("^$ab0(|)[]?*+{}1,9\\d-:i", max_size=40), st.sampled_from("ab0-"))
def test_no_pattern_at_all_keeps_the_matcher_busy(inner: str, char: str) -> None:
    pattern = harmless(f"^{inner}$")
    if pattern is None:
        return
    begun = time.process_time()
    for text in (char * LONGEST, char * (LONGEST - 1) + "!", "ab" * (LONGEST // 2), "a0" * 49 + "!"):
        pattern.fullmatch(text)
    assert time.process_time() - begun < 1


@given(st.text(max_size=250))
def test_any_text_is_taken_or_not_without_a_stumble(text: str) -> None:
    for source in (text, f"^{text}$"):
        pattern = harmless(source)
        assert pattern is None or pattern.pattern.isascii()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "[ab]", "[a-c]", r"\d", "(a|b)", "(?:ab|a)", "(a0?)"]),
            st.sampled_from(["", "?", "{2}", "{1,3}", "+", "*", "{2,}"]),
        ),
        min_size=1,
        max_size=4,
    ).map(lambda pairs: "".join(one + repeat for one, repeat in pairs)),
    st.text("abc01", max_size=12),
)
def test_what_is_taken_matches_exactly_what_its_source_matches(inner: str, text: str) -> None:
    pattern = harmless(f"^{inner}$")
    if pattern is not None:
        assert bool(pattern.fullmatch(text)) is bool(re.fullmatch(inner, text, re.ASCII))
