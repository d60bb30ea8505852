"""How much of an ID number a channel may see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.masking import tail


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("22212345678", "678"),
        ("222123456789", "6789"),
        ("0000000000001234", "1234"),
        ("GHA-123456789-0", "7890"),
        ("GHA 123456789 0", "7890"),
        ("123456789", "789"),
        ("12345", "5"),
        ("123", "3"),
        ("12", ""),
        ("", ""),
        ("---", ""),
    ],
)
def test_the_last_four_are_displayed_and_never_more_than_a_third(number: str, shown: str) -> None:
    assert tail(number) == shown


@given(st.text(max_size=60))
def test_at_most_a_third_and_four_characters_of_any_number_are_displayed(number: str) -> None:
    shown = tail(number)

    assert len(shown) <= 4
    assert 3 * len(shown) <= len(number)
    assert shown.isalnum() or not shown
