"""Which keys a database was written with: a lost one is found at start, and one that was let go opens nothing again.

Kept in `meta`: the ids of keys, which tell nothing of them, and what job ids are made with, sealed.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.errors import WrongKey
from storage.engine import sealed_values
from storage.engine.sealing import fingerprint_by, key_id_of
from storage.engine.transaction import Transaction

_NAME = "key_ids"
_JOB_IDS, _JOB_IDS_PLACE = "job_ids", "meta.value:job_ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKeys:
    """Ids of keys."""

    used: frozenset[str] = frozenset()
    """Something may have been made with them."""
    let_go: frozenset[str] = frozenset()
    """Nothing is any more, and nothing that would be is believed."""


def require_all(tx: Transaction) -> frozenset[str]:
    """Compare the configured keys with those of the database; gives those that something may have been made with.

    Raises WrongKey, with what is to be done. The whole file is read only if a key is missing, or by the first look at a
    database that knows no keys yet.
    """
    known, configured = _known(tx), frozenset(tx.sealer.key_ids)
    used = known.used if known else None
    if used is None or not used <= configured:
        made = sealed_values.key_ids(tx.connection)
        if missing := {key: what for key, what in made.items() if key not in configured}:
            raise WrongKey(lost(missing))
        used = frozenset(made)
    if known and (back := [at for at, key in enumerate(tx.sealer.key_ids, 1) if key in known.let_go]):
        places = " and ".join(map(str, back))
        raise WrongKey(
            f"KYC_ENCRYPTION_KEYS still holds what `kyc-bot rekey --forget-old` has let go: take key {places} "
            "(counted from the left) out of it"
        )
    return used


def require_begun(tx: Transaction) -> None:
    """For a command that writes beside a bot. Raises WrongKey where a bot at work may not know the newest key yet.

    What the command wrote would look altered to it.
    """
    known = _known(tx)
    if known and tx.sealer.key_id not in known.used:
        raise WrongKey("the bot has not been started with the first of KYC_ENCRYPTION_KEYS yet: restart it first")


def lost(missing: Mapping[str, Counter[str]]) -> str:
    """In words, what needs keys that are not configured."""
    keys = " and ".join(sorted(missing))
    return (
        f"the database was sealed with a key that KYC_ENCRYPTION_KEYS does not hold ({keys}): "
        f"{told(sum(missing.values(), Counter()))} need it. Put the older key behind the new one: "
        "KYC_ENCRYPTION_KEYS=new,old"
    )


def told(counts: Mapping[str, int]) -> str:
    """For an operator: `3 callback tokens, 1 200 customers`."""
    return ", ".join(f"{rows:,} {what}".replace(",", " ") for what, rows in sorted(counts.items()))


def note(tx: Transaction, used: frozenset[str]) -> None:
    """At start, with what `require_all` gave: from now on the newest key is used, too."""
    known = _known(tx)
    now = KnownKeys(used=used | {tx.sealer.key_id}, let_go=known.let_go if known else frozenset())
    if now != known:
        _keep(tx, now)


def let_go(tx: Transaction, older: Collection[str]) -> None:
    """Nothing that an older key has made is believed from now on."""
    known = _known(tx) or KnownKeys()
    gone = (known.let_go | known.used | set(older)) - {tx.sealer.key_id}
    _keep(tx, KnownKeys(used=frozenset({tx.sealer.key_id}), let_go=gone))


def pin_job_ids(tx: Transaction) -> None:
    """Before the proof of the key is renewed: job ids stay what they are, whichever key is the newest."""
    key = tx.sealer.look_up_key(_job_key_id(tx))
    tx.run(
        "INSERT INTO meta (name, value_sealed) VALUES (:name, :sealed) ON CONFLICT DO NOTHING",
        name=_JOB_IDS,
        sealed=tx.sealer.seal(key, place=_JOB_IDS_PLACE),
    )


def job_prints(tx: Transaction, text: str, *purposes: str) -> list[str]:
    """What ids at Smile ID are made of, one for each purpose.

    The same in a backup that was put back, also from before a change of the keys.
    Else a check that was sent after that backup would be asked about under an id that Smile ID does not know, and be
    sent and paid for once more.
    """
    pinned = tx.value("SELECT value_sealed FROM meta WHERE name = :name", name=_JOB_IDS)
    key = tx.sealer.look_up_key(_job_key_id(tx)) if pinned is None else tx.sealer.open(pinned, place=_JOB_IDS_PLACE)
    return [fingerprint_by(key, text, purpose=purpose) for purpose in purposes]


def _job_key_id(tx: Transaction) -> str:
    """The key that the database began with, whose proof is sealed with it."""
    proof = tx.value("SELECT value_sealed FROM meta WHERE name = 'key_proof'")
    first = key_id_of(proof) if proof is not None else ""
    return first if first in tx.sealer.key_ids else tx.sealer.key_id


def _known(tx: Transaction) -> KnownKeys | None:
    kept = tx.value("SELECT value FROM meta WHERE name = :name", name=_NAME)
    if not kept:
        return None
    told = json.loads(kept)
    return KnownKeys(used=frozenset(told["used"]), let_go=frozenset(told["let_go"]))


def _keep(tx: Transaction, known: KnownKeys) -> None:
    text = json.dumps({"used": sorted(known.used), "let_go": sorted(known.let_go)})
    sql = "INSERT INTO meta (name, value) VALUES (:name, :text) ON CONFLICT (name) DO UPDATE SET value = :text"
    tx.run(sql, name=_NAME, text=text)
