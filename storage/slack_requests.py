"""Slack's requests by id: events come again when an answer was late, envelopes when a connection was lost."""

from datetime import datetime, timedelta

from storage.engine.database import Transaction

KEPT_FOR = timedelta(days=2)
"""Slack repeats an event for a day at most (docs.slack.dev/apis/events-api, *Delayed events*, 2026-11)."""


def take(tx: Transaction, request_id: str, *, now: datetime) -> bool:
    """True for the first request with this id, False for every repeat."""
    # Slack sends an event again after three seconds, while the first one may still be at work.
    tx.run("DELETE FROM slack_requests WHERE at < :old", old=now - KEPT_FOR)
    return tx.insert_once("slack_requests", id=request_id, at=now)
