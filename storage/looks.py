"""Which checks somebody has lately been shown in a list, as the audit trail has it."""

from collections.abc import Sequence
from datetime import datetime

from storage.engine.database import Transaction

_LATELY = 5_000
"""The newest lines of the trail, which are read by their key: it has no other index."""


def not_listed(tx: Transaction, refs: Sequence[str], *, actor: str, since: datetime) -> list[str]:
    """Those of these checks that have no `check.listed` of this person since then, as far as the newest lines tell."""
    sql = """
        SELECT DISTINCT ref FROM audit WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM audit) - :lately
          AND act = 'check.listed' AND actor = :actor AND at >= :since
        """
    known = set(tx.column(sql, lately=_LATELY, actor=actor, since=since))
    return [ref for ref in dict.fromkeys(refs) if ref not in known]
