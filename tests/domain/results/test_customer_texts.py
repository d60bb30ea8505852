"""Texts for customers: every reason in every language, nothing of fraud, and none before there is a final word."""

import re
from dataclasses import replace
from importlib.resources import files

import pytest

from bot.domain.check.check import Check
from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import ResultStory
from bot.domain.results.customer_texts import CustomerReason, CustomerTexts, customer_reason
from bot.domain.review.review import Decision, ReviewState
from bot.errors import SettingsFault
from bot.slack.blocks import words
from tests.slack.blocks.samples import CHECK

TABLE = (files("bot") / "data" / "customer-messages.csv").read_text("utf-8")
ACCUSING = (
    r"(?i)fraud|fake|spoof|forg|false|suspic|suspect|live person|udanganyifu|bandia|faux|fausse|falso|falsa|suspeit"
)


def test_ours_has_every_reason_in_four_languages() -> None:
    texts = CustomerTexts.parse(TABLE)
    assert set(texts.by_reason) == set(CustomerReason)
    for found in texts.by_reason.values():
        assert [text.language for text in found] == ["en", "fr", "sw", "pt"]
        assert not [text.text for text in found if text.is_read], "no speaker has read ours"


def test_no_text_accuses_holds_a_number_or_reads_like_a_machine() -> None:
    for reason, found in CustomerTexts.parse(TABLE).by_reason.items():
        for text in found:
            assert not re.search(ACCUSING, text.text), (reason, text.language)
            assert not re.search(r"\d|[{}<>*_`!]|Smile|kyc", text.text), (reason, text.language)
            assert len(re.findall(r"[.?](?= |$)", text.text)) >= 2, "what happened, and what to do"


def test_a_rejection_for_spoof_or_by_a_reviewer_reads_like_any_other() -> None:
    texts = CustomerTexts.parse(TABLE).by_reason
    neutral = texts[CustomerReason.REJECTED_OTHER]
    assert texts[CustomerReason.SPOOF] == texts[CustomerReason.DECIDED_REJECTED] == neutral


def in_languages(count: int) -> str:
    rows = [
        f"{reason.value},x{chr(97 + n // 26)}{chr(97 + n % 26)},Language {n},Text.,"
        for reason in CustomerReason
        for n in range(count)
    ]
    return "\n".join(["", *rows, ""])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda table: table.replace("spoof,sw,", "spoof,xx,"), "sw has no text for spoof|xx has no text for"),
        (lambda table: table.replace("spoof,sw,", "fraud,sw,"), "reason 'fraud' is not known"),
        (lambda table: table.replace("spoof,sw,", "spoof,fr,"), "a second text for spoof in fr|another name"),
        (lambda table: table.replace("Swahili (Kiswahili)", "Swahili", 1), "sw has another name in an earlier line"),
        (lambda table: re.sub(r"approved,en,English,[^,]*,", "approved,en,English,,", table), "text is empty"),
        (lambda table: table.replace("You do not", "You do not " + "x" * 2000, 1), "more than 2,000 characters"),
        (lambda table: table.replace("spoof,sw,", "spoof,<!channel>,"), "language '<!channel>' is no tag"),
        (lambda table: table.replace("Swahili (Kiswahili)", "S" * 76), "language_name has more than 75 characters"),
        (lambda table: table + in_languages(40), "more than 30 languages"),
        (lambda table: table.splitlines()[0], "the table has no texts"),
        (lambda table: table.replace("read_by", "reader", 1), "a column is missing"),
    ],
)  # fmt: skip
def test_a_copy_that_lacks_something_is_refused_by_name(change: object, fault: str) -> None:
    with pytest.raises(SettingsFault, match=f"customer messages.*({fault})"):
        CustomerTexts.parse(change(TABLE))  # type: ignore[operator]


def test_a_copy_may_have_other_languages_and_say_who_read_them() -> None:
    lines = [line for line in TABLE.splitlines() if ",en," in line or line.startswith("reason")]
    twi = [line.replace(",en,English,", ",tw,Twi,") + "Ama" for line in lines[1:]]
    texts = CustomerTexts.parse("\n".join([*lines, *twi])).by_reason[CustomerReason.APPROVED]
    assert [(text.language_name, text.is_read) for text in texts] == [("English", False), ("Twi", True)]


def _ended(state: State, **more: object) -> Check:
    return replace(CHECK, state=state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "check",
    [
        CHECK,
        _ended(State.REQUESTED),
        _ended(State.CANCELLED),
        *(_ended(State.IN_REVIEW, reason=reason) for reason in ReviewReason),
        _ended(State.APPROVED, review=ReviewState.OPEN),
        _ended(State.REJECTED, decision=Decision.APPROVED, review=ReviewState.OPEN),
    ],
)
def test_before_the_final_word_there_is_nothing_to_say(check: Check) -> None:
    assert customer_reason(check) is None
    assert CustomerTexts.parse(TABLE).of(check) == ()


def test_a_reviewers_decision_is_what_the_customer_is_told() -> None:
    rejected = _ended(State.REJECTED, verdict_why=ResultStory.SPOOF, review=ReviewState.OPEN)
    assert customer_reason(rejected) is CustomerReason.SPOOF
    decided = replace(rejected, review=ReviewState.DECIDED)
    assert customer_reason(replace(decided, decision=Decision.APPROVED)) is CustomerReason.APPROVED
    assert customer_reason(replace(decided, decision=Decision.REJECTED)) is CustomerReason.DECIDED_REJECTED
    assert customer_reason(replace(decided, decision=Decision.NEW_PHOTOS)) is CustomerReason.NEW_PHOTOS


def test_every_end_has_a_text() -> None:
    for failure in words.FAILURES:
        assert customer_reason(_ended(State.FAILED, failure=failure)) is not None
    for story in ResultStory:
        for state in (State.REJECTED, State.FAILED):
            assert customer_reason(_ended(state, verdict_why=story)) is not CustomerReason.APPROVED
    assert customer_reason(_ended(State.REJECTED, verdict_why=None)) is CustomerReason.REJECTED_OTHER
