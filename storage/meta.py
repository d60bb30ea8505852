"""Facts about the database itself: which key it is sealed with."""

from bot.errors import DatabaseFault, WrongKey
from storage.database import Transaction

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
