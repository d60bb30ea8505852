"""References that people read out to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.references import parse_reference, reference


@given(st.integers(0, 2**256))
def test_any_random_number_gives_a_reference_that_can_be_read_out(number: int) -> None:
    ref = reference(number)

    assert len(ref) == 8
    assert ref.startswith("K-")
    assert not set(ref[2:]) & set("01OILU")
    assert ref[2:].isascii()
    assert ref[2:].isalnum()
    assert ref == ref.upper()


@given(st.integers(0, 30**6 - 1), st.integers(0, 30**6 - 1))
def test_different_numbers_below_729_million_give_different_references(first: int, second: int) -> None:
    assert (reference(first) == reference(second)) is (first == second)


@given(st.integers(0, 30**6 - 1))
def test_a_reference_is_recognised_however_it_was_typed(number: int) -> None:
    ref = reference(number)

    for typed in (ref, ref.lower(), f"  {ref}\n", ref[2:], ref[2:].lower(), ref.replace("-", ""), f"-{ref[2:]}"):
        assert parse_reference(typed) == ref


@pytest.mark.parametrize(
    "typed",
    ["", "K-", "K-12345", "K-7F3K2", "K-7F3K2QX", "K-7F3K2O", "K-7F3K21", "Q-7F3K2Q", "K-7F3 K2Q", "K-7F3K2Q K-7F3K2Q"],
)
def test_what_is_no_reference_is_none(typed: str) -> None:
    assert parse_reference(typed) is None


@given(st.text(max_size=30))
def test_whatever_is_typed_gives_a_reference_in_its_written_form_or_none(typed: str) -> None:
    found = parse_reference(typed)

    assert found is None or parse_reference(found) == found
