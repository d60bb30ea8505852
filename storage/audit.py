"""Who did what, when: ids and acts only, written in the same transaction as the act itself."""

from datetime import datetime

from storage.engine.database import Transaction

BOT = "kyc-bot"
"""The actor of what the bot does by itself."""
SMILE_ID = "smile-id"


def record(tx: Transaction, *, at: datetime, actor: str, act: str, ref: str | None = None, detail: str = "") -> None:
    """One line. `detail` is a code, a state or an id, never text that a person wrote."""
    tx.insert("audit", at=at, actor=actor, act=act, ref=ref, detail=detail)
