"""What others write pings nobody, links nowhere, and cannot pose as a line of ours."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import Message, PostKind
from bot.domain.results.codes import Outcome, ResultMeaning
from bot.domain.results.trust_rules import Source
from bot.sandbox.slack import pings, plain
from bot.slack.blocks import private, results
from bot.slack.blocks.results import NotifiedParties, ResultFacts
from bot.slack.blocks.text import foreign
from tests.slack.blocks.samples import (
    ADMINS_TOLD,
    AMINA,
    CHECK,
    NOBODY_TOLD,
    REMI,
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

ATTACKS = [
    "<!channel>",
    "<!here|x>",
    "<!everyone>",
    "<@U0REMI00001>",
    "<@U0REMI00001|amina>",
    "<!subteam^S0OPS>",
    "<#C0KYC|kyc>",
    "<https://evil.example|your bank>",
    "<mailto:evil@evil.example|write>",
    "https://evil.example",
    "see https://evil.example/a?b=c&d=e now",
    "HTTPS://EVIL.EXAMPLE",
    "www.evil.example",
    "evil.example",
    "evil@evil.example",
    "javascript:alert(1)",
    "<javascript:alert(1)|x>",
    "&lt;!channel&gt;",
    "&amp;lt;!channel&amp;gt;",
    "<<!channel>>",
    "<!chan\u200bnel>",
    "<\u200b!channel>",
    "<\n!channel>",
    "*bold* _slanted_ ~gone~ `code`",
    "*Approved* — face and ID number verified",
    "```\nblock\n```",
    "> quoted",
    "@channel @here #general",
    "Approved\n✓ Result\nby the machine",
    "\u202egnihsihp\u202c \u2066x\u2069 \u200f",
    "{id_type} {code} {first} {0} {}",
    "x" * 2997 + "<!channel>",
    "&" * 294 + "<!channel>",
    "<!channel" + ">" * 400,
    "\\<!channel\\>",
    "<!channel|" * 100,
]
OURS = {f"<@{AMINA}>", f"<@{REMI}>"}
HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

LIKE = [
    (Outcome.APPROVED, "0810"),
    (Outcome.FAILED, "1014"),
    (Outcome.UNKNOWN, "0899"),
]
"""Stories that quote: the number's form, the code, and one that quotes nothing."""
SITUATIONS = [
    (State.PROCESSING, None),
    (State.IN_REVIEW, ReviewReason.UNKNOWN_CODE),
    (State.APPROVED, None),
    (State.FAILED, None),
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("does KYC_UPLOAD_HOSTS_2 name it", "does KYC_UPLOAD_HOSTS_2 name it"),
        ("_KYC_ _A B_", "_\u2060KYC_\u2060 _\u2060A B_\u2060"),
        (":white_check_mark:", ":white_\u2060check_\u2060mark:"),
        ("*Approved*", "*\u2060Approved*\u2060"),
    ],
)
def test_the_name_of_a_setting_can_be_copied_and_nothing_else_keeps_its_effect(text: str, shown: str) -> None:
    assert foreign(text) == shown


def texts_of(thing: Any) -> Iterator[tuple[str, str]]:
    """Every text object of blocks, with its kind."""
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("type") in {"mrkdwn", "plain_text"}:
                yield one["type"], one["text"]
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def is_harmless(said: Message, name: str) -> None:
    found = pings({"text": said.text, "blocks": said.blocks}) | pings({"text": said.text})
    assert found <= OURS, name
    assert not HIDDEN.search(said.text), name
    for kind, text in texts_of(said.blocks):
        assert not HIDDEN.search(text), name
        if kind == "mrkdwn":
            assert_balanced(text, name)


def assert_balanced(text: str, name: str) -> None:
    """No angle bracket but those of our own mentions, dates and links."""
    rest = re.sub(
        r"<@U0(?:AMINA|REMI)00001>|<#C0KYC>|<!date\^\d+\^[^<>|]*\|[^<>]*>|<https://files\.example/[^<>|]*\|[^<>]*>",
        "",
        text,
    )
    assert not set("<>") & set(rest), name


def everything(
    attack: str,
    read_as: Iterable[tuple[ResultMeaning, NotifiedParties]],
    state: State,
    reason: ReviewReason | None,
) -> None:
    check = wild_check(attack, state=state, reason=reason)
    for entry in (wild_entry(attack), None):
        built = private_messages(check, entry, attack)
        for number, (reading, notified) in enumerate(read_as):
            built |= {
                f"{name} after {reading.outcome} ({number})": build
                for name, build in (
                    *thread_messages(check, entry, reading, notified, attack).items(),
                    *review_messages(check, entry, reading, attack).items(),
                )
            }
        for name, build in built.items():
            is_harmless(build(), name)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
@pytest.mark.parametrize(("state", "reason"), SITUATIONS)
def test_no_field_that_others_write_pings_or_links_in_any_message(
    attack: str, state: State, reason: ReviewReason | None
) -> None:
    told = [(wild_reading(attack, outcome, read(like)), REVIEWERS_TOLD) for outcome, like in LIKE]
    told.append((wild_reading(attack, Outcome.FAILED, read("1016")), ADMINS_TOLD))
    everything(attack, told, state, reason)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_field_that_others_write_pings_or_links_in_any_view(attack: str) -> None:
    for outcome, like in LIKE:
        reading = wild_reading(attack, outcome, read(like))
        for entry in (wild_entry(attack), None):
            for name, view in views(wild_check(attack), entry, reading, attack, 3).items():
                links = {mark for mark in pings(view) if not mark.startswith("<https://files.example/")}
                # The page of photos names the channel in which they are to be posted.
                assert links <= OURS | {f"<#{CHECK.channel}>"}, name
                for kind, text in texts_of(view["blocks"]):
                    assert not HIDDEN.search(text), name
                    if kind == "mrkdwn":
                        assert_balanced(text, name)


PIECES = [
    "<",
    ">",
    "!",
    "@",
    "|",
    "channel",
    "U0REMI00001",
    "https://",
    "www.",
    "evil.example",
    "&",
    "&lt;",
    "\u200b",
    "\n",
]


@pytest.mark.slow
@given(st.builds("".join, st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30)))
def test_no_mixture_of_pieces_becomes_a_mention_or_a_link(attack: str) -> None:
    told = [(wild_reading(attack, Outcome.REJECTED, read("0899")), NOBODY_TOLD)]
    everything(attack, told, State.PROCESSING, None)


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "data:text/html,x", "slack://open", "file:///etc/passwd", "//evil.example", ""),
        *("https://x|<!channel>", "https://x><!channel>", "https://x <!here>", "https://x\n<!here>", "<!channel>"),
        "https://" + "x" * 3000,
    ],
)
def test_a_photo_link_that_is_none_is_left_out(url: str) -> None:
    view = private.details(CHECK, bvn(), [], photo_links={"selfie_image": url})

    assert pings(view) <= OURS
    assert "No links to the photos from Smile ID now." in plain(view)


def test_a_photo_link_opens_what_smile_id_gave() -> None:
    url = "https://files.example/selfie.jpg?sig=a&exp=9"
    view = private.details(CHECK, bvn(), [], photo_links={"selfie_image": url, "bad": "javascript:x"})

    assert "selfie image (https://files.example/selfie.jpg?sig=a&exp=9)" in plain(view)
    assert "bad" not in plain(view)


def test_a_line_break_in_what_others_wrote_makes_no_line_of_ours() -> None:
    forged = "Maybe\n✓ ID number: verified"
    reading = ResultMeaning(
        code="0811",
        text=f"Rejected\n@amina Approved — face and ID number verified {forged}",
        outcome=Outcome.REJECTED,
        why=read("0811").why,
        actions={"Liveness_Check": forged, "x\n✓ ID number": "exists"},
        confidence=f"3\n{forged}",
    )
    at = CHECK.asked_at
    facts = ResultFacts(check=CHECK, entry=bvn(), reading=reading, at=at, notified=NOBODY_TOLD)
    said = results.result(facts, confirmed=True)
    view = private.details(
        CHECK,
        bvn(),
        [
            private.MessageDetails(
                at=at,
                source=Source.CALLBACK,
                reading=reading,
                authority={"Name": f"Ada\n{forged}"},
                suspects=[f"user\n{forged}"],
            )
        ],
        photo_links={},
    )

    for shown in (plain(said.blocks), plain(view)):
        assert not [line for line in shown.splitlines() if line.startswith(("✓", "@amina Approved"))]


def test_megabytes_of_text_are_cut_before_anybody_looks_at_them() -> None:
    reading = wild_reading("x" * 4_000_000, Outcome.REJECTED, read("0811"))
    facts = ResultFacts(check=CHECK, entry=bvn(), reading=reading, at=CHECK.asked_at, notified=NOBODY_TOLD)
    said = results.BY_KIND[PostKind.NOT_FINAL](facts)

    assert len(said.text) < 4000


@given(st.text(max_size=400))
def test_escaped_text_still_reads_as_it_was_written(text: str) -> None:
    shown = plain([{"type": "section", "text": {"type": "mrkdwn", "text": foreign(text), "verbatim": True}}])
    letters = [ch for ch in text if ch.isalnum()]
    read_back = [ch for ch in shown if ch.isalnum()]

    assert read_back == letters[: len(read_back)]
    assert len(read_back) == len(letters) or len(shown) > 250
