"""What each person chose to be told by direct message (table `notice_choices`)."""

from collections.abc import Collection

from bot.domain.review.review import Subscription
from storage.engine.database import Transaction


def choose(tx: Transaction, person: str, chosen: Collection[Subscription]) -> None:
    """These, and nothing else."""
    sql = """
        INSERT INTO notice_choices (person, chosen) VALUES (:person, :chosen)
        ON CONFLICT (person) DO UPDATE SET chosen = :chosen
        """
    tx.run(sql, person=person, chosen=",".join(sorted(chosen)))


def chosen(tx: Transaction, person: str) -> frozenset[Subscription]:
    row = tx.row("SELECT chosen FROM notice_choices WHERE person = :person", person=person)
    return _read(row["chosen"]) if row is not None else frozenset()


def who_chose(tx: Transaction, choice: Subscription) -> list[str]:
    """Everybody who chose to be told of this kind of event."""
    rows = tx.rows("SELECT person, chosen FROM notice_choices ORDER BY person")
    return [row["person"] for row in rows if choice in _read(row["chosen"])]


def _read(text: str) -> frozenset[Subscription]:
    known = {choice.value for choice in Subscription}
    return frozenset(Subscription(one) for one in text.split(",") if one in known)
