"""Facts that there is one of: the key that the database is sealed with, the workspace it belongs to, and the like."""

import json
import re
from dataclasses import asdict

from bot.domain.installation import Installation
from bot.errors import DatabaseFault, WrongKey
from storage import keys
from storage.engine.sql import Dialect, SqlConnection
from storage.engine.transaction import Transaction

_PROOF = "kyc-bot"
_PROOF_WITH_MACS = "kyc-bot macs"
"""The proof of a database whose checks have their MACs; the other one is from before."""
_PROOF_PLACE = "meta.value:key_proof"
_INSTALLATION = "installation"
_ANALYSES = re.compile(r'ANALYZE "main"\."(?P<table>\w+)"')


def begin(tx: Transaction) -> None:
    """At start: prove the keys, and note that the newest is used from now on. Raises WrongKey."""
    keys.note(tx, check_key(tx))


def check_key(tx: Transaction) -> frozenset[str]:
    """Prove that the configured keys open what is stored; the first start stores the proof.

    Gives the ids of the keys that something may have been made with. Raises WrongKey, also for a key that was let go.
    """
    used = keys.require_all(tx)
    row = tx.row("SELECT value_sealed FROM meta WHERE name = 'key_proof'")
    if row is None:
        # Without a proof nothing was sealed yet, or somebody took it away: no MAC is made for what is there.
        note_macs_made(tx)
        return used
    try:
        tx.sealer.open(row["value_sealed"], place=_PROOF_PLACE)
    except DatabaseFault as fault:
        raise WrongKey(
            "the database was sealed with a key that KYC_ENCRYPTION_KEYS does not hold. Put the older key behind the "
            "new one: KYC_ENCRYPTION_KEYS=new,old"
        ) from fault
    return used


def are_macs_made(tx: Transaction) -> bool:
    """Whether the MACs of all checks were made once (`storage.engine.first_macs`)."""
    row = tx.row("SELECT value_sealed FROM meta WHERE name = 'key_proof'")
    return row is None or tx.sealer.open(row["value_sealed"], place=_PROOF_PLACE) != _PROOF


def note_macs_made(tx: Transaction) -> None:
    """From now on a check without a MAC was altered. Sealed with the proof of the key, which nobody can leave out."""
    sql = """
        INSERT INTO meta (name, value_sealed) VALUES ('key_proof', :sealed)
        ON CONFLICT (name) DO UPDATE SET value_sealed = excluded.value_sealed
        """
    tx.run(sql, sealed=tx.sealer.seal(_PROOF_WITH_MACS, place=_PROOF_PLACE))


def keep(tx: Transaction, name: str, value: str) -> None:
    """Keep a text under a name, in place of any before. Not sealed: nothing personal."""
    tx.run(
        "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name=name,
        value=value,
    )


def kept(tx: Transaction, name: str) -> str | None:
    value: str | None = tx.value("SELECT value FROM meta WHERE name = :name", name=name)
    return value


def forget(tx: Transaction, name: str) -> None:
    tx.run("DELETE FROM meta WHERE name = :name", name=name)


def tables_to_learn(tx: Transaction) -> list[str]:
    """Tables that SQLite would plan better with if it learnt how long they and their indexes are, by its own word.

    But for those whose indexes are all partial: of these it counts every row, whatever `analysis_limit` says. The audit
    trail is one, which took half a minute of the writer beside a million checks, and is found by its one index anyway.
    """
    if tx.dialect is not Dialect.SQLITE:
        return []  # a server learns by itself
    sql = "SELECT t.name FROM sqlite_schema AS t, pragma_index_list(t.name) WHERE t.type = 'table' AND NOT partial"
    whole = frozenset(tx.column(sql))
    # Of its bits 2 is about what is learnt, and 1 has it say what it would run instead of running it.
    named = filter(None, map(_ANALYSES.fullmatch, tx.column("PRAGMA optimize(3)")))
    return [found["table"] for found in named if found["table"] in whole]


def learn_figures(tx: Transaction, table: str) -> None:
    """Have SQLite learn how long a table and its indexes are: milliseconds, however long they are."""
    # Writes `sqlite_stat1`, which belongs to SQLite: the shape of the database stays what it is.
    tx.run(f'ANALYZE main."{table}"')


def keep_installation(tx: Transaction, installation: Installation) -> None:
    """Remember it, in place of what was known of the same workspace before."""
    keep(tx, _INSTALLATION, json.dumps(asdict(installation), separators=(",", ":")))


def installation(tx: Transaction) -> Installation | None:
    """None until Slack has been asked for the first time."""
    text = kept(tx, _INSTALLATION)
    return Installation(**json.loads(text)) if text else None


def read_installation(connection: SqlConnection) -> Installation | None:
    """The same from a file that is only looked at. Raises the engine's own error where there is no such table yet."""
    rows = connection.fetch("SELECT value FROM meta WHERE name = ?", (_INSTALLATION,))
    return Installation(**json.loads(rows[0][0])) if rows and rows[0][0] else None
