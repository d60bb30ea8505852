"""Tells a database that it is older than what was done with it: it was restored, or a failover lost its last commits.

What the bot has said and sent since is unknown to it. So all that it still has to say about its checks is looked for in
Slack first, and an attempt that it has yet to make is asked about first. By hand that is done while nobody works on the
database; after a failover by itself (`doubt_lost`), beside instances that work.
"""

from datetime import datetime

from bot import __version__
from storage.engine.membership import NOW, name_of, new_id
from storage.engine.record_versions import add_line
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import from_text, to_text

ACT = "database.restored"
_KNOWN = """
    SELECT MAX(at) FROM (
        SELECT MAX(at) AS at FROM (SELECT at FROM audit ORDER BY seq DESC LIMIT 1000) AS newest WHERE {is_line}
        UNION ALL SELECT MAX(asked_at) FROM verifications WHERE {is_check}
    ) AS known
"""
"""Of the trail its newest lines tell: to look at all of them takes most of a second beside a million checks.

Bytes that somebody has put in place of a time, past the schema, come after every text and are none.
"""
_KEEP = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_POSTS = """
    UPDATE posts SET in_doubt_since = :now
    WHERE state = 'due' AND in_doubt_since IS NULL AND kind NOT IN ('progress', 'confirmed')
"""
_UNSENT = "UPDATE attempts SET in_doubt_since = :now WHERE step IN ('recorded', 'prepared') AND in_doubt_since IS NULL"
_LEASE = "SET leased_until = :now, leased_by = :silent"
_LEASES = (
    f"""
    UPDATE verifications {_LEASE}
    WHERE state IN ('requested', 'submitting') AND (held IS NULL OR leased_until IS NOT NULL)
    """,
    f"UPDATE posts {_LEASE} WHERE state = 'due'",
    f"UPDATE inbox {_LEASE}",
    f"UPDATE attempts {_LEASE} WHERE leased_until IS NOT NULL",
    f"UPDATE batches {_LEASE} WHERE state IN ('reading', 'confirmed') AND leased_until IS NOT NULL",
    f"UPDATE slack_removals {_LEASE} WHERE state IN ('due', 'left') AND leased_until IS NOT NULL",
    f"UPDATE homes {_LEASE} WHERE leased_until IS NOT NULL",
)
"""Whatever is leased, and whatever may have been sent by a lease that is lost."""
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
    is_text = connection.dialect.is_text
    [(known,)] = connection.fetch(_KNOWN.format(is_line=is_text("at"), is_check=is_text("asked_at")))
    if known is None:
        return None
    at = to_text(now)
    connection.run(_KEEP, ("restored", known))
    connection.run(_KEEP, ("restored_at", at))
    connection.run(_POSTS, {"now": at})
    connection.run(_ATTEMPTS, {"now": at})
    return str(known)


def doubt_lost(connection: SqlConnection) -> str | None:
    """`doubt`, with its line in the trail, where another server has taken over without the last commits, or perhaps so.

    In a commit, before any of its functions; gives the same. Instances may still send what they leased by a commit that
    is lost. So all of them are ended, this one too, and whatever is under way waits until none of them can send any
    more: leased to an instance that nobody is, which they end like any other that is silent.
    """
    [(text,)] = connection.fetch(f"SELECT {NOW[connection.dialect]}")
    known = doubt(connection, now=from_text(text))
    if known is None:
        return None
    given: dict[str, object] = {"now": text, "silent": new_id()}
    connection.run("UPDATE instances SET ended_at = :now WHERE ended_at IS NULL", given)
    sql = """
        INSERT INTO instances (id, name, version, started_at, seen_at) VALUES (:silent, :name, :version, :now, :now)
        """
    connection.run(sql, {**given, "name": name_of(str(given["silent"])), "version": __version__})
    connection.run(_UNSENT, given)
    for statement in _LEASES:
        connection.run(statement, given)
    sql = "INSERT INTO audit (at, actor, act, detail) VALUES (:now, 'kyc-bot', :act, :known)"
    connection.run(sql, {**given, "act": ACT, "known": known})
    return known
