"""What is read of a message in a channel: country and ID type alone, and whether a number stands there."""

import time
from datetime import date
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.parser import ParsedMessage, holds_number, understand_in_channel

ID_TYPES = IDTypes.parse((files("bot") / "data" / "id-types.csv").read_text("utf-8"))
OFFERED = list(ID_TYPES.offered())
EXAMPLES = sorted({entry.example for entry in OFFERED if entry.example})
BOT = "<@U0KYCBOT001>"


def read(text: str) -> ParsedMessage:
    return understand_in_channel(text, ID_TYPES)


@pytest.mark.parametrize(
    ("text", "country", "id_type"),
    [
        (f"{BOT} NG BVN 00000000000 Ada Obi 1990-01-02", "NG", "BVN"),
        (f"{BOT} ghana card please", "GH", "GHANA_CARD"),
        ("country: Kenya\nid type: passport\nid number: A0000000\nref: C-17", "KE", "PASSPORT"),
        ("NG passport", "NG", None),
        ("passport", None, None),
        ("NG KE bvn", None, None),
        ("00000000000", None, None),
    ],
)
def test_country_and_id_type_are_all_that_is_taken(text: str, country: str | None, id_type: str | None) -> None:
    found = read(text)

    assert (found.country, found.id_type) == (country, id_type)
    assert (dict(found.texts), found.customer_reference, found.unclear) == ({}, "", ())
    assert not found.is_empty


@pytest.mark.parametrize("text", ["", BOT, f"hello {BOT}", "help", f"{BOT} good morning, what can you do?"])
def test_a_greeting_says_nothing_of_a_check(text: str) -> None:
    assert read(text).is_empty


@pytest.mark.parametrize(
    "text",
    [
        *EXAMPLES,
        "222 1234 5678",
        "222-1234-5678",
        "222 – 1234 – 5678",
        "222\n1234\n5678",
        "2221,2345,678",
        "A0000000",
        "A 00 00 00 0",
        "GHA-000000000-0",
        "KE national id 123456",
        "id number:12345678",
        "<tel:22212345678|222 1234 5678>",
        "<tel:+2348000000000>",
        "born 1990-01-02",
        "2\u200b2\u200b2\u200b1\u200b2",
        "۱۲۳۴۵۶۷۸۹۰۱",
        "２２２１２３４５６７８",
        "&lt;22212345678&gt;",
        "*22212345678*",
        "please check " * 5_000 + "22212345678",
    ],
)
def test_what_looks_like_a_personal_number_is_detected(text: str) -> None:
    assert holds_number(f"{BOT} {text} please")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NG BVN",
        "NIN V2",
        "2 photos of 27 November 2026",
        "at 10:30",
        "<https://example.slack.com/archives/C0123/p1700000000000100>",
        "<https://example.com/22212345678|the record>",
        "<@U0123456789> <#C0123456789|kyc-requests> <!date^1700000000^{date}|today>",
        "1 selfie and 8 liveness images, 2 customers, 4 days",
        "&#12345;",
    ],
)
def test_what_is_no_personal_number_is_left_alone(text: str) -> None:
    assert not holds_number(f"{BOT} {text}")


SPOKEN = st.sampled_from(
    [
        "NG",
        "Kenya",
        "bvn",
        "passport",
        "id number:",
        "ref:",
        "dob",
        "phone:",
        "first name:",
        "type=",
        "of",
        "Ada",
        "Obi",
    ]
)
NUMBERS = st.one_of(
    st.sampled_from(OFFERED)
    .filter(lambda entry: entry.pattern is not None)
    .flatmap(lambda entry: st.from_regex(entry.pattern or "", fullmatch=True)),
    st.dates(date(1930, 1, 1), date(2010, 1, 1)).map(date.isoformat),
    st.from_regex(r"\+?[0-9]{5,20}", fullmatch=True),
)
JOINTS = st.sampled_from([" ", "-", " - ", "\n", ", "])


@st.composite
def messages_with_a_number(draw: st.DrawFn) -> tuple[str, str]:
    """A message, and the number in it as it was drawn."""
    number = draw(NUMBERS.filter(lambda drawn: sum(ch.isdigit() for ch in drawn) >= 5))
    size = draw(st.integers(2, 16))
    grouped = draw(JOINTS).join(number[at : at + size] for at in range(0, len(number), size))
    shown = draw(st.sampled_from([number, grouped, f"<tel:{number}|{grouped}>", f"`{number}`", f"id number:{grouped}"]))
    around = draw(st.lists(SPOKEN, max_size=8))
    at = draw(st.integers(0, len(around)))
    return draw(st.sampled_from([" ", "\n", ", "])).join([*around[:at], shown, *around[at:]]), number


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages_with_a_number())
def test_no_digit_of_a_number_reaches_the_result(said: tuple[str, str]) -> None:
    text, number = said
    found = read(text)

    known = {(entry.country, entry.id_type) for entry in OFFERED}
    assert found.country in {None, *ID_TYPES.countries()}
    assert found.id_type is None or (found.country, found.id_type) in known
    assert found == ParsedMessage(
        country=found.country,
        id_type=found.id_type,
        texts={},
        customer_reference="",
        unclear=(),
        spoken=found.spoken,
    )
    assert number not in repr(found)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages_with_a_number())
def test_a_number_is_detected_however_it_is_written(said: tuple[str, str]) -> None:
    text, number = said
    in_a_row = max(len(digits) for digits in "".join(ch if ch.isdigit() else " " for ch in number).split())
    # A word without a digit ends a number; a group of letters within one may be such a word.
    if in_a_row >= 5:
        assert holds_number(text)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_no_text_makes_it_fail(text: str) -> None:
    holds_number(text)
    read(text)


@pytest.mark.parametrize("part", ["1 ", "a ", "<", "<tel:", "<tel:1|", ">", "&amp;", "\u0301", ":a", "\u200b1"])
def test_no_text_takes_long(part: str) -> None:
    started = time.process_time()
    holds_number((part * 40_000)[:40_000])
    read((part * 40_000)[:40_000])

    assert time.process_time() - started < 2
