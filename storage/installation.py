"""The workspace that this database belongs to, kept from the first `auth.test` on."""

import json
import sqlite3

from bot.domain.installation import Installation
from storage import meta
from storage.engine.database import Transaction

_NAME = "installation"


def keep(tx: Transaction, installation: Installation) -> None:
    """Remember it, in place of what was known of the same workspace before."""
    known = {
        "team": installation.team,
        "enterprise": installation.enterprise,
        "bot": installation.bot,
        "app": installation.app,
    }
    meta.keep(tx, _NAME, json.dumps(known, separators=(",", ":")))


def kept(tx: Transaction) -> Installation | None:
    """None until Slack has been asked for the first time."""
    text = meta.kept(tx, _NAME)
    return Installation(**json.loads(text)) if text else None


def read(connection: sqlite3.Connection) -> Installation | None:
    """The same from a file that is only looked at. Raises sqlite3.Error where there is no such table yet."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_NAME,)).fetchone()
    return Installation(**json.loads(row[0])) if row and row[0] else None
