"""Tells a database that it is older than what was done with it: it was restored, or a failover lost its last commits.

What the bot has said and sent since is unknown to it. So all that it still has to say about its checks is looked for in
Slack first, and an attempt that it has yet to make is asked about first.
"""

from datetime import datetime

from storage.engine.record_versions import add_line
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import to_text

ACT = "database.restored"
_KNOWN = """
    SELECT MAX(at) FROM (SELECT MAX(at) AS at FROM audit UNION ALL SELECT MAX(asked_at) FROM verifications) AS known
"""
_KEEP = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_POSTS = """
    UPDATE posts SET in_doubt_since = :now
    WHERE state = 'due' AND in_doubt_since IS NULL AND kind NOT IN ('progress', 'confirmed')
"""
_ATTEMPTS = "UPDATE attempts SET ask_at = :now WHERE step = 'sent' AND ask_at IS NOT NULL"


def mark(connection: SqlConnection, sealer: Sealer, *, now: datetime) -> str | None:
    """`doubt`, with a line in the trail, of a database of whichever version that no bot works on."""
    known = doubt(connection, now=now)
    if known is not None:
        add_line(connection, sealer, at=to_text(now), actor="operator", act=ACT, detail=known)
    return known


def doubt(connection: SqlConnection, *, now: datetime) -> str | None:
    """Note until when it knows what happened, and what is in doubt from now on, in the caller's transaction.

    Gives that moment as it is stored; None for a database in which nothing has happened yet.
    """
    [(known,)] = connection.fetch(_KNOWN)
    if known is None:
        return None
    at = to_text(now)
    connection.run(_KEEP, ("restored", known))
    connection.run(_KEEP, ("restored_at", at))
    connection.run(_POSTS, {"now": at})
    connection.run(_ATTEMPTS, {"now": at})
    return str(known)
