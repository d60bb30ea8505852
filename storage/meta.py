"""Facts that there is one of: which key the database is sealed with, and what Smile ID last told of its ID types."""

from bot.errors import DatabaseFault, WrongKey
from storage.engine.database import Transaction

_PROOF = "kyc-bot"


def check_key(tx: Transaction) -> None:
    """Prove at start that the configured keys open what is stored; the first start stores the proof.

    Raises WrongKey.
    """
    row = tx.row("SELECT value_sealed FROM meta WHERE name = 'key_proof'")
    if row is None:
        sealed = tx.sealer.seal(_PROOF, place="meta.value:key_proof")
        tx.run("INSERT INTO meta (name, value_sealed) VALUES ('key_proof', :sealed)", sealed=sealed)
        return
    try:
        tx.sealer.open(row["value_sealed"], place="meta.value:key_proof")
    except DatabaseFault as fault:
        raise WrongKey("the database was sealed with a key that KYC_ENCRYPTION_KEYS does not hold") from fault


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
