"""Who did what, when: ids and acts only, written in the same transaction as the act itself."""

from datetime import datetime

from storage.engine.database import Transaction

BOT = "kyc-bot"
"""The actor of what the bot does by itself."""
SMILE_ID = "smile-id"
_LATELY = 5_000


def record(tx: Transaction, *, at: datetime, actor: str, act: str, ref: str | None = None, detail: str = "") -> None:
    """One line. `detail` is a code, a state or an id, never text that a person wrote."""
    tx.insert("audit", at=at, actor=actor, act=act, ref=ref, detail=detail)


def record_first(tx: Transaction, *, at: datetime, actor: str, act: str, ref: str) -> None:
    """One line, unless this person has lately done the same with this check.

    Lately is within the newest `_LATELY` lines, which are read by their key: the trail has no other index. A line too
    many does no harm.
    """
    row = tx.row(
        """
        SELECT 1 FROM audit WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM audit) - :lately
          AND ref = :ref AND actor = :actor AND act = :act
        """,
        lately=_LATELY,
        ref=ref,
        actor=actor,
        act=act,
    )
    if row is None:
        record(tx, at=at, actor=actor, act=act, ref=ref)
