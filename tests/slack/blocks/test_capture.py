"""Links for customers as people read them: one message has the link, and every other says where it stands."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given

from bot.domain.capture.customer_words import LinkMessages
from bot.domain.capture.links import LinkEnding, LinkStep
from bot.domain.check.check import CUSTOMER, Check, PhotosBy
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.sandbox.slack.block_rules import faults_in_message
from bot.slack.blocks import capture, ids, private, thread
from bot.slack.blocks.capture import ENDED
from bot.slack.blocks.kit import EARLY
from bot.slack.blocks.standing import standing
from tests.slack.blocks.samples import AMINA, ASKED_AT, CHECK, DATA, REF, a_link, bvn, wild_check, wild_entry
from tests.slack.blocks.test_limits import LONGEST_TEXT, WILD

UNTIL = ASKED_AT + timedelta(hours=24)
LINK = "https://kyc.example.com/c#" + "_-_B" * 10 + "a4w"
TABLE = LinkMessages.parse((DATA / "link-messages.csv").read_text("utf-8"))
WAITS = replace(CHECK, state=State.AWAITING_PHOTOS, photos_checked_at=None, sent_at=None)


def with_link(check: Check = WAITS, entry: IDType | None = None, *, company: str = "Example Bank") -> Message:
    ready = TABLE.words(company=company, hours=24, link=LINK)
    return capture.link_message(check, entry or bvn(), link=LINK, until=UNTIL, words=ready)


def others(check: Check = WAITS, entry: IDType | None = None) -> dict[str, Callable[[], Message]]:
    """Every message that is about a link and does without it."""
    return {
        "aside": lambda: capture.aside(check.ref),
        "not delivered": lambda: capture.not_delivered(check),
        **{f"reminder, {s}": partial(capture.reminder, check, entry, step=s, until=UNTIL) for s in LinkStep},
        **{f"ended, {e}": partial(capture.ended, check, entry, ending=e) for e in LinkEnding},
    }


def pressed(message: Message) -> list[str]:
    found = [element for block in message.blocks for element in block.get("elements", ())]
    return [element["action_id"] for element in found if element["type"] == "button"]


# The message with the link


def test_it_has_the_link_alone_and_in_words_in_four_languages() -> None:
    said = with_link()
    code = re.findall(r"```(.+?)```", "\n".join(b["text"]["text"] for b in said.blocks if b["type"] == "section"), re.S)
    assert [text.endswith(LINK) for text in code] == [True] * 5
    assert code[-1] == LINK
    shown = json.dumps(said.blocks, ensure_ascii=False)
    assert [shown.index(f"*{name}") for name in ("English", "French", "Portuguese", "Swahili")]
    assert "Drafts, to be read by a speaker before you use them: English, French (Français)," in shown


def test_nothing_of_it_opens_the_link_by_a_slip_of_the_finger() -> None:
    """The thread would say that the customer has opened it."""
    said = with_link()
    for block in said.blocks:
        outside = re.sub(r"```.+?```", "", json.dumps(block), flags=re.S)
        assert "https" not in outside
        assert "url" not in block
        assert block.get("text", {}).get("verbatim", True)


def test_a_locked_phone_and_a_log_line_show_no_link_and_no_number() -> None:
    said = with_link()
    assert said.text.startswith(f"Link for the customer · {REF}. Send the customer one of these messages")
    assert "https" not in said.text[:EARLY]
    assert "0000" not in said.text


def test_where_slack_takes_no_blocks_the_text_still_brings_the_link_whole() -> None:
    assert with_link().text.endswith(f" {LINK}")


def test_the_company_is_written_as_customers_know_it() -> None:
    shown = json.dumps(with_link(company="Ex & Sons <Ltd> ```").blocks, ensure_ascii=False)
    assert "Ex &amp; Sons &lt;Ltd&gt; ''' asks you" in shown


def test_withdrawing_asks_first_and_a_new_link_does_not() -> None:
    row = with_link().blocks[-1]["elements"]
    assert [(button["action_id"], button["value"]) for button in row] == [(ids.NEW_LINK, REF), (ids.WITHDRAW_LINK, REF)]
    assert "confirm" not in row[0]
    assert row[1]["confirm"]["text"]["text"].startswith("The customer cannot use it any more, and the check is cancell")


# The others


@pytest.mark.parametrize("name", others())
def test_every_other_message_does_without_the_link(name: str) -> None:
    said = others()[name]()
    assert "http" not in said.text + json.dumps(said.blocks)
    assert REF in said.text[:EARLY]


def test_the_path_is_told_step_by_step() -> None:
    assert [capture.progress(capture.done(step)) for step in LinkStep] == [
        "step 1 of 6: link made",
        "step 2 of 6: link opened",
        "step 3 of 6: customer agreed",
        "step 4 of 6: photos taken",
    ]
    assert capture.STEPS[4:] == ("sent to Smile ID", "result")
    for step in LinkStep:
        assert ("works until <!date^" in capture.next_step(step, UNTIL)) is (step is not LinkStep.TAKEN)


@pytest.mark.parametrize("ending", ENDED)
def test_each_end_says_why_and_what_comes_next(ending: LinkEnding) -> None:
    said = capture.ended(replace(WAITS, state=State.CANCELLED), bvn(), ending=ending)
    assert ENDED[ending].why in said.text
    assert "Nothing was charged." in said.text
    assert "Run again" in said.text
    assert pressed(said) == [ids.DETAILS, ids.RUN_AGAIN]


@pytest.mark.parametrize("ending", [LinkEnding.USED, LinkEnding.REPLACED])
def test_a_link_that_was_used_or_replaced_ends_no_check(ending: LinkEnding) -> None:
    said = capture.ended(replace(WAITS, state=State.PROCESSING), bvn(), ending=ending)
    assert pressed(said) == [ids.DETAILS]
    assert "cancelled" not in said.text.casefold()


def test_the_reminder_says_how_far_the_customer_has_come() -> None:
    said = [capture.reminder(WAITS, bvn(), step=step, until=UNTIL).text for step in (LinkStep.MADE, LinkStep.OPENED)]
    assert said[0].startswith(f"No photos yet · {REF}. Remind the customer: the link works until <!date^")
    assert "The customer has not opened the link yet." in said[0]
    assert "opened the link, but not agreed yet" in said[1]
    assert pressed(capture.reminder(WAITS, bvn(), step=LinkStep.MADE, until=UNTIL)) == [ids.NEW_LINK, ids.WITHDRAW_LINK]


def test_a_link_that_never_reached_its_requester_is_told_to_them_in_the_thread() -> None:
    said = capture.not_delivered(WAITS)
    assert f"<@{AMINA}>" in said.text
    assert "Choose New link" in said.text


# The message of the request, and its thread


def test_the_message_of_a_request_follows_the_customer_to_the_result() -> None:
    def said(check: Check, step: LinkStep) -> Message:
        by_link = replace(check, photos_by=PhotosBy.LINK)
        return thread.request_message(by_link, bvn(), link=a_link(step))

    waiting = [said(WAITS, step) for step in (LinkStep.MADE, LinkStep.OPENED, LinkStep.AGREED)]
    assert all(one.text.startswith(f"Waiting for the customer's photos · {REF}") for one in waiting)
    assert [pressed(one) for one in waiting] == [[ids.DETAILS, ids.NEW_LINK, ids.WITHDRAW_LINK]] * 3
    sending = said(replace(WAITS, state=State.SUBMITTING), LinkStep.TAKEN)
    sent = said(CHECK, LinkStep.TAKEN)
    assert [pressed(one) for one in (sending, sent)] == [[ids.DETAILS]] * 2
    for number, one in enumerate([*waiting, sending, sent], start=1):
        assert f"step {number} of 6: {capture.STEPS[number - 1]}" in one.text
    assert "step" not in said(replace(CHECK, state=State.APPROVED), LinkStep.TAKEN).text


def test_a_check_with_photos_of_its_requester_is_told_as_ever() -> None:
    assert "step 3 of 4: sent to Smile ID" in thread.request_message(CHECK, bvn()).text


@pytest.mark.parametrize("ending", ENDED)
def test_the_thread_and_the_request_say_how_the_link_ended(ending: LinkEnding) -> None:
    check = replace(WAITS, state=State.CANCELLED, ended_at=UNTIL, failure=f"link_{ending.value}")
    request = thread.request_message(check, bvn(), link=a_link(ending=ending))
    assert standing(check, None).headline == f"*Cancelled* — {ENDED[ending].why}"
    told = thread.cancelled(check, by=AMINA, ending=ending)
    for said in (request, told):
        assert said.text.startswith("Cancelled")
        assert f"— {ENDED[ending].why} · {REF}" in said.text
        assert ENDED[ending].next_step.replace("*", "") in said.text
    assert (f"Cancelled by <@{AMINA}>" in told.text) is (ending is LinkEnding.WITHDRAWN)
    assert ids.RUN_AGAIN in pressed(request)


def test_the_details_say_whose_consent_it_is() -> None:
    def shown(by: str) -> str:
        view = private.details(replace(WAITS, consent_by=by), bvn(), [], photo_links={})
        return json.dumps(view["blocks"])

    assert f"consent confirmed by <@{AMINA}> <!date" in shown(AMINA)
    assert "consent confirmed by the customer <!date" in shown(CUSTOMER)
    assert "the customer has not agreed yet" in shown("")


@pytest.mark.slow
@given(text=WILD)
def test_all_of_them_stay_within_the_limits_whatever_is_written(text: str) -> None:
    check, entry = wild_check(text, state=State.AWAITING_PHOTOS), wild_entry(text)
    built = [build() for build in others(check, entry).values()]
    for said in itertools.chain(built, [with_link(check, entry, company=text[:80])]):
        assert faults_in_message(said.blocks) == []
        assert len(said.text) <= LONGEST_TEXT
