"""Stores people's replies below the cards of a decided check as notes; each thread is read once."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.domain.half_characters import mended
from bot.domain.mentions.incoming import WRITTEN_BY_PEOPLE
from bot.errors import SlackError, SlackRefused
from bot.review import transitions
from bot.slack.client import SlackClient
from storage import outbox, reviews
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

MOST_REPLIES = 1000
"""Read below one card, at most about as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    source: str
    """Its channel and ts."""
    author: str
    at: datetime
    text: str = field(repr=False)


async def read_replies(database: Database, slack: SlackClient) -> None:
    """Stores the replies of every review decided since; after a failure the next tick retries."""
    for ref, round_ in await database.read(reviews.replies_due):
        cards = await database.read(outbox.cards, ref, round_)
        try:
            replies = [reply for card in cards for reply in await _below(slack, card.channel, card.ts)]
        except SlackError as fault:
            log.warning("review.replies_not_read", ref=ref, error=str(fault))
            continue
        await database.write(_store, ref, round_, replies)
        log.info("review.replies_read", ref=ref)


def _store(tx: Transaction, ref: str, round_: int, replies: Sequence[Reply]) -> None:
    for reply in replies:
        transitions.add_note(
            tx, ref, author=reply.author, words=reply.text, source=reply.source, now=reply.at, round_=round_
        )
    reviews.replies_read(tx, ref, round_)


async def _below(slack: SlackClient, channel: str | None, ts: str | None) -> list[Reply]:
    if channel is None or ts is None:
        return []
    found: list[Mapping[str, Any]] = []
    cursor = None
    try:
        while len(found) < MOST_REPLIES:
            page = await slack.thread(channel=channel, ts=ts, limit=200, cursor=cursor)
            found += page.messages
            cursor = page.cursor
            if cursor is None:
                break
    except SlackRefused as no:
        if no.refuses_us:
            raise
        # The channel is closed to us: its replies cannot be read any more.
        return []
    return [
        Reply(
            source=f"{channel}:{one['ts']}",
            author=one["user"],
            at=datetime.fromtimestamp(float(one["ts"]), UTC),
            text=mended(html.unescape(str(one["text"]))),
        )
        for one in found
        if one["ts"] != ts and _is_by_a_person(one)
    ]


def _is_by_a_person(message: Mapping[str, Any]) -> bool:
    is_written = message.get("subtype") in WRITTEN_BY_PEOPLE and bool(str(message.get("text") or "").strip())
    return is_written and bool(message.get("user")) and not message.get("bot_id")
