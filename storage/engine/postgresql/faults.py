"""What PostgreSQL's errors mean for the bot, in words without a statement, a value or a password.

A server's own message may hold each of these; only what it says of the names in our own statements is passed on.
"""

from __future__ import annotations

from contextlib import suppress

from psycopg import errors
from psycopg.errors import Diagnostic

from bot.errors import ConstraintFailed, DatabaseUnusable


class ConnectionLost(DatabaseUnusable):
    """The connection has ended. Of what was under way on it nobody has said whether it is stored."""


class PlansOutdated(DatabaseUnusable):
    """The schema has changed since a statement was prepared: a newer version has migrated it. The next try succeeds."""


class StatementRefused(Exception):
    """PostgreSQL does not take a statement of ours: a fault in the code, as sqlite3.OperationalError often is one."""


_WORDS = {
    "25006": "the server takes no changes: it is a standby, or is set to be read only",
    "25P03": "it was silent within a transaction for too long, and was cut off so that others can go on",
    "28": "the server does not let this user in",
    "3D000": "there is no database of this name on the server",
    "42501": "the database's user may not do that",
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left",
    "55P03": "somebody else has held a lock for too long",
    "57014": "a statement took too long, or was cancelled by the server's operator",
    "57P01": "the server's operator, or its shutdown, has ended the connection",
    "57P02": "a process of the server has crashed",
    "57P03": "the server is starting or shutting down",
    "57P04": "the database was dropped",
    "57P05": "the connection was idle for too long",
    "08": "the connection has failed",
    "40": "it collided with somebody else's transaction",
    "53": "the server has not enough of something",
    "58": "the server cannot read or write its files",
    "F0": "the server's configuration file is wrong",
    "XX001": "the server found its data damaged",
    "XX002": "the server found an index damaged",
}
"""By SQLSTATE, or its class, of what speaks of the server, not of a statement (PostgreSQL 15, appendix A, 2026-11)."""
_ENDS_THE_CONNECTION = frozenset({"25P03", "57P01", "57P02", "57P03", "57P04", "57P05", "25006"})
"""25006: who meant to write is connected to the wrong server, and has to find the right one."""
_CONSTRAINT = "23"
_OF_OUR_NAMES = "42"
"""Syntax errors and unknown names: the message repeats words of the statement, in which no value ever stands."""
_OUTDATED = ("0A000", "RevalidateCachedQuery")
"""*cached plan must not change result type*, by the function that says so: messages are in the server's language."""


def fault_of(diagnostic: Diagnostic) -> Exception:
    """Of an error that the server has told."""
    code = diagnostic.sqlstate or ""
    words = _words(code)
    if diagnostic.severity_nonlocalized in ("FATAL", "PANIC") or code[:2] == "08" or code in _ENDS_THE_CONNECTION:
        return ConnectionLost(f"the database cannot be used: {words or 'the server has ended the connection'} ({code})")
    if code[:2] == _CONSTRAINT:
        return ConstraintFailed(" ".join(filter(None, (_name(code), diagnostic.constraint_name))))
    if words:
        return DatabaseUnusable(f"the database cannot be used: {words} ({code})")
    if (code, diagnostic.source_function) == _OUTDATED:
        return PlansOutdated("the database cannot be used: a newer version has just changed its schema")
    message = diagnostic.message_primary if code[:2] == _OF_OUR_NAMES else None
    return StatementRefused(": ".join(filter(None, (f"{code} {_name(code)}", message))))


def lost(words: str = "the connection to the server has ended") -> ConnectionLost:
    """Of a connection that broke without a word of the server's."""
    return ConnectionLost(f"the database cannot be used: {words}")


def _words(code: str) -> str | None:
    return _WORDS.get(code) or _WORDS.get(code[:2])


def _name(code: str) -> str:
    with suppress(KeyError):
        return errors.lookup(code).__name__
    return f"SQLSTATE {code}"
