"""What people wrote below the cards of a decided check, kept as notes; read once."""

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.domain.mentions.incoming import WRITTEN_BY_PEOPLE
from bot.errors import SlackError, SlackRefused
from bot.review import transitions
from bot.slack.client import SlackClient
from storage import outbox, reviews
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

REPLIES = 1000
"""Read below one card, at most about as many."""

Reply = tuple[str, str, datetime, str]
"""Where it stands (channel and ts), who wrote it, when, what."""


class ThreadNotes:
    """Reads them."""

    def __init__(self, *, database: Database, slack: SlackClient) -> None:
        self._database = database
        self._slack = slack

    async def read(self) -> None:
        """Those of every review that was decided since; what Slack does not give now, the next time."""
        for ref, round_ in await self._database.read(reviews.replies_due):
            cards = await self._database.read(outbox.cards, ref, round_)
            try:
                replies = [reply for card in cards for reply in await self._below(card.channel, card.ts)]
            except SlackError as fault:
                log.warning("review.replies_not_read", ref=ref, error=str(fault))
                continue

            def commit(tx: Transaction, ref: str = ref, round_: int = round_, replies: list[Reply] = replies) -> None:
                for source, author, at, text in replies:
                    transitions.add_note(tx, ref, author=author, words=text, source=source, now=at, round_=round_)
                reviews.replies_read(tx, ref, round_)

            await self._database.write(commit)
            log.info("review.replies_read", ref=ref)

    async def _below(self, channel: str | None, ts: str | None) -> list[Reply]:
        if channel is None or ts is None:
            return []
        found: list[Mapping[str, Any]] = []
        cursor = None
        try:
            while len(found) < REPLIES:
                page = await self._slack.thread(channel=channel, ts=ts, limit=200, cursor=cursor)
                found += page.messages
                cursor = page.cursor
                if cursor is None:
                    break
        except SlackRefused as no:
            if no.refuses_us:
                raise
            # The channel is closed to us: what stood there cannot be read any more.
            return []
        return [
            (f"{channel}:{one['ts']}", one["user"], datetime.fromtimestamp(float(one["ts"]), UTC), _unescaped(one))
            for one in found
            if one["ts"] != ts and one.get("user") and not one.get("bot_id") and one.get("subtype") in WRITTEN_BY_PEOPLE
            if str(one.get("text") or "").strip()
        ]


def _unescaped(message: Mapping[str, object]) -> str:
    return html.unescape(str(message["text"]))
