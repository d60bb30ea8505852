"""Messages and views stay within Slack's limits, whatever their content."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import ReviewReason, State
from bot.domain.id_types.id_types import IDType
from bot.domain.results.codes import Outcome, ResultMeaning
from bot.sandbox.slack.block_rules import faults_in_message, faults_in_view, view_is_too_large
from bot.slack.blocks import form
from bot.slack.blocks.form import CheckForm, ResultPlace
from bot.slack.blocks.results import NotifiedParties
from tests.slack.blocks.samples import (
    ADMINS_TOLD,
    CODES,
    ID_TYPES,
    NOBODY_TOLD,
    REVIEWERS_TOLD,
    bvn,
    private_messages,
    read,
    review_messages,
    thread_messages,
    views,
    wild_check,
    wild_entry,
    wild_reading,
)

LONGEST_TEXT = 40_000
"""Slack cuts the text of a message here (chat.postMessage)."""

WILD = st.one_of(
    st.text(max_size=200),
    st.text("<>&*_~`|{}!@#\n\u202e\u200b", max_size=400),
    st.builds("".join, st.lists(st.sampled_from(["<!channel>", "&", "https://evil.example/", "é", "𝒜"]), max_size=800)),
    st.builds(lambda ch, n: ch * n, st.sampled_from(["x", "&", "<", "*", "\n", "😀"]), st.integers(0, 9000)),
)
Situation = tuple[State, ReviewReason | None]
SITUATIONS: list[Situation] = [
    *((state, None) for state in State if state is not State.IN_REVIEW),
    *((State.IN_REVIEW, reason) for reason in ReviewReason),
]
LIKE = st.sampled_from([read(code.code) for code in CODES] + [read("0899")])


@pytest.mark.slow
@given(
    text=WILD,
    like=LIKE,
    outcome=st.sampled_from(list(Outcome)),
    notified=st.sampled_from([NOBODY_TOLD, REVIEWERS_TOLD, ADMINS_TOLD]),
    situation=st.sampled_from(SITUATIONS),
    with_entry=st.booleans(),
)
def test_every_message_stays_within_the_limits(
    text: str, like: ResultMeaning, outcome: Outcome, notified: NotifiedParties, situation: Situation, with_entry: bool
) -> None:
    check = wild_check(text, state=situation[0], reason=situation[1])
    entry = wild_entry(text) if with_entry else None
    reading = wild_reading(text, outcome, like)
    built = thread_messages(check, entry, reading, notified, text) | review_messages(check, entry, reading, text)
    for name, build in itertools.chain(built.items(), private_messages(check, entry, text).items()):
        said = build()
        assert faults_in_message(said.blocks) == [], name
        assert said.text.strip(), name
        assert len(said.text) <= LONGEST_TEXT, name


@pytest.mark.slow
@given(text=WILD, like=LIKE, many=st.integers(1, 40), with_entry=st.booleans())
def test_every_view_stays_within_the_limits(text: str, like: ResultMeaning, many: int, with_entry: bool) -> None:
    reading = wild_reading(text, Outcome.REJECTED, like)
    entry = wild_entry(text) if with_entry else None
    for name, view in views(wild_check(text), entry, reading, text, many).items():
        assert faults_in_view(view) == [], name
        assert not view_is_too_large(view), name


@given(
    chosen=st.sampled_from(list(ID_TYPES.offered())) | st.none(),
    country=st.none() | st.sampled_from(["NG", "GH", "KE", "ZA", "XX", ""]) | WILD,
    channel=st.none() | st.just("C0KYC"),
    warning=st.none() | WILD,
)
def test_the_form_stays_within_the_limits_however_it_is_filled(
    chosen: IDType | None, country: str | None, channel: str | None, warning: str | None
) -> None:
    view = form.build(
        CheckForm(
            place=ResultPlace(channel=channel, thread_ts="1700000000.000100"),
            country=chosen.country if chosen else country,
            id_type=chosen.id_type if chosen else country,
            warning=warning,
        ),
        ID_TYPES,
    )

    assert faults_in_view(view) == []
    assert not view_is_too_large(view)


def test_the_form_of_every_offered_type_is_one_that_slack_takes() -> None:
    for entry in ID_TYPES.offered():
        view = form.build(
            CheckForm(place=ResultPlace(channel=None), country=entry.country, id_type=entry.id_type), ID_TYPES
        )
        assert faults_in_view(view) == [], entry.id_type


def test_a_real_result_is_a_small_message() -> None:
    built = thread_messages(wild_check("NG"), bvn(), read("0810", text="Enroll User"), REVIEWERS_TOLD, "x")

    said = built["result"]()
    assert len(said.blocks) <= 5
    assert len(said.text) < 3000
    assert "confidence 99" in said.text
