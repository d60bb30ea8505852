"""What `text` tells by itself: a screen reader, a notification and a watch give nothing else of a message."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bot.domain.outbox import Message, PostKind
from bot.slack.blocks import kit
from bot.slack.blocks.kit import EARLY
from tests.pictures.scene import Scene
from tests.pictures.scenes import sheets

ENDING = re.compile(r" ending [^\W_]{1,4}\b")
"""The last characters of a number, as blocks show them."""
SAID = [
    (scene, scene.shows)
    for sheet in sheets()
    for scene in sheet.scenes
    if isinstance(scene.shows, Message) and scene.kinds
]
"""Every message that the bot sends of its own accord: test_pictures.py holds that each kind has a scene."""
EACH_SAID = [pytest.param(*one, id=one[0].caption) for one in SAID]
OF_NO_CHECK = {
    PostKind.ALERT,
    PostKind.AUDIT_HEAD,
    PostKind.SUMMARY,
    PostKind.SUMMARY_PICTURE,
    PostKind.SUMMARY_OLDER,
    PostKind.ANSWER,
}
"""They are about the bot, about many checks, or about a click that was of none."""
REFERENCE = re.compile(r"\b[KBX]-[0-9A-Z]{6}\b")
VERDICTS = (
    *("Waiting for approval", "File waits for approval", "File approved", "File not approved"),
    "Approved", "Rejected", "No result", "Not final", "Needs review", "Not sent", "Still not sent", "Still waiting",
    "Cancelled", "Received", "Sending", "Waiting for Smile ID", "Will be sent", "New photos asked for", "Sent",
    "Smile ID reports", "Approval confirmed", "Photos needed", "Nothing was sent", "Preparing", "Paused", "Done",
    "Export", "For information", "Possible fraud", "Nobody has claimed", "A second person", "Reassigned", "You have",
    "A decision", "Smile ID has given", "A reviewer's decision", "A final result", "kyc-bot needs an admin",
    "The authority's record", "You got no answer", "Review requested", "The check was run again",
    "Reopened by", "New photos", "Link for the customer", "This link does not work", "The customer has taken",
    "The customer's link did not", "The file of links did not", "No photos yet", "Waiting for the customer",
    "Record altered", "Audit trail", "Still in Slack",
)  # fmt: skip
"""How a message may begin: what happened, never whom it calls."""
STEPS = (
    "Act", "Add", "Agree", "Answer", "Approve", "Ask", "Attach", "Before you", "Check", "Choose", "Claim", "Compare",
    "Correct", "Decide", "Disagree", "Do not", "For a", "For more", "No action needed", "Nothing", "Open", "Press",
    "Remind", "Reopen", "Run again", "Look", "Please", "See", "Send", "Split", "The thread", "Try again", "To see",
    "Still waiting", "Type", "Use", "Wait",
)  # fmt: skip
"""How a next step may begin; *nothing more to do* is one too."""


def early(said: Message) -> str:
    """What is heard of it at once, with dates and mentions as people hear them."""
    text = re.sub(r"<!date\^\d+\^[^|]*\|[^>]*>", "today at 14:02", said.text)
    text = re.sub(r"<[@!][^>]+>", "@remi", re.sub(r"<(https?:[^|>]+)\|([^>]+)>", r"\2", text))
    return text[:EARLY]


@pytest.mark.parametrize(("scene", "said"), EACH_SAID)
def test_the_text_alone_tells_what_happened_to_which_check_and_what_to_do(scene: Scene, said: Message) -> None:
    heard = early(said)
    assert heard.startswith(VERDICTS) or re.match(r"\d+ (reviews?|checks?)|KYC, ", heard), heard
    if not set(scene.kinds) & OF_NO_CHECK:
        assert REFERENCE.search(heard), heard
    sentences = re.split(r"(?<=[.:…?])\s+", heard)
    assert any(one.startswith(STEPS) for one in sentences[1:]), heard


def test_a_mention_stands_first_in_the_blocks_and_after_the_verdict_in_the_text() -> None:
    assert [scene.caption for scene, said in SAID if re.match(r"\s*<[@!](?!date)", said.text)] == []


@pytest.mark.parametrize(("scene", "said"), EACH_SAID)
def test_what_the_blocks_say_besides_follows_in_the_text(scene: Scene, said: Message) -> None:
    if PostKind.SUMMARY in scene.kinds or PostKind.SUMMARY_PICTURE in scene.kinds:
        pytest.skip("it says its figures in another order: test_summary.py")
    heard = _bare(said.text)
    missing = [text for text in map(_bare, _texts(said.blocks)) for word in text.split() if word not in heard.split()]
    assert missing == [], scene.caption


def test_no_text_holds_a_part_of_a_number_for_a_locked_phone_to_show() -> None:
    assert [scene.caption for scene, said in SAID if ENDING.search(said.text)] == []


def _texts(blocks: object) -> Iterator[str]:
    """What the blocks say, without what their buttons and dialogs are called."""
    for block in blocks if isinstance(blocks, list) else []:
        held: Mapping[str, Any] = block
        for one in [held.get("text"), *held.get("fields", ()), *held.get("elements", ())]:
            if isinstance(one, dict) and one.get("type") in ("mrkdwn", "plain_text"):
                yield one["text"]


def _bare(text: str) -> str:
    """Words alone: signs that are drawn, stops and links are not heard."""
    text = ENDING.sub("", text)
    text = re.sub(r" \(<https?:[^|>]+\|[a-z ]*card>\)|\*Next:\*", "", text)
    text = re.sub(r"<(https?:[^|>]+)\|([^>]+)>", r"\2", re.sub(r"<!date\^(\d+)\^[^>]*>", r"\1", text))
    return re.sub(r"[^\w@]+", " ", text.replace("\u2060", "").replace("&amp;", "&"))


def test_a_reason_too_long_for_a_notification_comes_after_the_next_step() -> None:
    why = ", ".join(["the photos could not be fetched from Slack"] * 4)
    said = kit.told([], verdict="No result", why=why, ref="K-7F3K2Q", next_step="*Run again* later.", mention="<@U1>")
    assert said.text == f"No result · K-7F3K2Q. Run again later. {why}. <@U1>"
    short = kit.told([], verdict="No result", why="register unavailable", ref="K-7F3K2Q", next_step="Wait.")
    assert short.text == "No result — register unavailable · K-7F3K2Q. Wait."
