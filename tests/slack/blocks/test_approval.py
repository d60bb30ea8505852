"""What an approval says of the name, the date of birth and the phone number, for every word that each may have."""

from dataclasses import replace
from itertools import product

import pytest

from bot.domain.results.assurance import Doubt
from bot.domain.results.record_match import Comparison, RecordMatch
from bot.slack.blocks.status import approval_story, record_line, what_differs
from tests.slack.blocks.samples import CHECK

M, P, D, N = RecordMatch.MATCHES, RecordMatch.PARTLY, RecordMatch.DIFFERS, RecordMatch.NOT_COMPARED


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ((M, M, N), "Nothing more to do."),
        ((M, N, M), "Nothing more to do."),
        ((N, N, N), "Compare the name in *Details* before you onboard."),
        ((P, N, N), "Compare the name in *Details* before you onboard."),
        ((M, P, N), "Compare the date of birth in *Details* before you onboard."),
        ((N, P, N), "Compare the name and date of birth in *Details* before you onboard."),
        ((P, P, P), "Compare the name, date of birth and phone number in *Details* before you onboard."),
        ((D, M, M), "Compare both in *Details* before you go on."),
        ((N, D, N), "Compare both in *Details* before you go on."),
    ],
)
def test_the_next_step_names_what_a_person_must_compare(words: tuple[RecordMatch, ...], step: str) -> None:
    name, dob, phone = words
    check = replace(CHECK, record=Comparison(name=name, dob=dob, phone=phone))
    assert approval_story(check, None).next_step == step


@pytest.mark.parametrize("words", list(product(RecordMatch, repeat=3)), ids="-".join)
def test_nothing_more_to_do_needs_a_name_that_matches(words: tuple[RecordMatch, ...]) -> None:
    name, dob, phone = words
    check = replace(CHECK, record=Comparison(name=name, dob=dob, phone=phone))
    is_done = approval_story(check, None).next_step == "Nothing more to do."
    assert is_done == (name is M and not {P, D} & {dob, phone})
    assert record_line(check).startswith("✓") == is_done


def test_what_differs_is_named_in_one_breath() -> None:
    check = replace(CHECK, record=Comparison(name=D, dob=D, phone=N))
    assert what_differs(check) == "name and date of birth differ"
    assert what_differs(replace(check, record=Comparison(name=N, dob=D, phone=N))) == "date of birth differs"


def test_reviewers_are_called_only_where_the_site_wants_it() -> None:
    check = replace(CHECK, record=Comparison(name=D, dob=N, phone=N))
    assert approval_story(check, Doubt.RECORD_DIFFERS).calls_reviewer
    assert not approval_story(check, None).calls_reviewer
