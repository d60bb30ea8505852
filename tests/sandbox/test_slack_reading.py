"""Messages as people read them, and what in them would ring or link."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.sandbox.slack import pings, plain
from tests.sandbox.slack_setup import AMINA, CHANNEL, button, client_of, running, section


def message(text: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"text": text, "blocks": list(blocks)}


@pytest.mark.parametrize(
    ("mrkdwn", "words"),
    [
        ("*Approved* by <@U0AMINA0001>", "Approved by @U0AMINA0001"),
        ("_soft_ ~gone~ `K-1` snake_case_word 2*3*4", "soft gone K-1 snake_case_word 2*3*4"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("<https://example.com|the page>", "the page (https://example.com)"),
        ("<!channel> <#C0KYCREQ001>", "@channel #C0KYCREQ001"),
        ("<!date^1795375467^{date_short_pretty} {time}|then>", "Nov 22, 2026 19:24"),
    ],
)
def test_marks_become_words(mrkdwn: str, words: str) -> None:
    assert plain(message("", section(mrkdwn))) == words


def test_dates_are_shown_in_the_readers_zone() -> None:
    dated = message("", section("<!date^1795375467^{time}|then>"))
    assert plain(dated, timezone=ZoneInfo("Africa/Nairobi")) == "22:24"


def test_blocks_are_read_in_order_and_hide_the_text() -> None:
    shown = message(
        "fallback",
        {"type": "header", "text": {"type": "plain_text", "text": "K-1"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*State*"}]},
        {"type": "context", "elements": [{"type": "plain_text", "text": "a"}, {"type": "mrkdwn", "text": "b"}]},
        {"type": "actions", "elements": [button("x", "Approve"), button("y", "Reject")]},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "1"}, {"type": "raw_text", "text": "2"}]]},
    )
    assert plain(shown).splitlines() == ["K-1", "State", "a · b", "[Approve] [Reject]", "1 | 2"]
    assert plain(message("*only* text")) == "only text"


@pytest.mark.anyio
async def test_a_message_knows_the_names_in_it() -> None:
    async with running() as slack:
        await client_of(slack).chat_postMessage(channel=CHANNEL, text=f"<@{AMINA}> in <#{CHANNEL}>")
        assert plain(slack.messages(CHANNEL)[0]) == "@amina in #kyc-requests"


@pytest.mark.parametrize(
    ("mrkdwn", "found"),
    [
        ("<!channel> and <!here>", {"<!channel>", "<!here>"}),
        ("<@U0AMINA0001> <#C0KYCREQ001>", {"<@U0AMINA0001>", "<#C0KYCREQ001>"}),
        ("<!subteam^S0REVIEW001|reviewers>", {"<!subteam^S0REVIEW001|reviewers>"}),
        ("<https://evil.example|Approved>", {"<https://evil.example|Approved>"}),
        ("see https://evil.example/x now", {"https://evil.example/x"}),
        ("&lt;!channel&gt; a < b > c", set()),
        ("<!date^1795375467^{time}|then>", set()),
    ],
)
def test_what_rings_or_links_is_found(mrkdwn: str, found: set[str]) -> None:
    assert pings(message("", section(mrkdwn))) == found


def test_plain_text_and_verbatim_do_not_link() -> None:
    quiet = {"type": "section", "text": {"type": "plain_text", "text": "<!channel> https://evil.example"}}
    verbatim = {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "https://evil.example", "verbatim": True},
    }
    assert pings(message("https://evil.example", quiet, verbatim)) == set()
    assert pings(message("https://evil.example")) == {"https://evil.example"}


def test_rich_text_rings_by_its_elements_alone() -> None:
    elements = [
        {"type": "text", "text": "<!channel>"},
        {"type": "broadcast", "range": "here"},
        {"type": "link", "url": "https://example.com"},
    ]
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}
    assert pings([rich]) == {"<!here>", "<https://example.com>"}
