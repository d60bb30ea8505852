"""What the facts of a day come to (table `day_sums`), kept so that no figure reads them twice.

Made of a day that has ended when it is first asked for; triggers throw it away in the very transaction that adds,
changes or removes one of its facts. A day is a span of instants: after a change of `KYC_TIMEZONE` other spans are asked
for. What is not as the bot wrote it last counts as not there: a wrong MAC, another form, one that was thrown away and
is back (`storage.engine.kept_sums`), and whatever holds a check whose record proved altered.
"""

import json
from collections.abc import Collection, Mapping, Sequence

from bot.domain.reporting.day_sums import FORM, TypeSums
from bot.domain.reporting.periods import Span
from storage.engine import kept_sums
from storage.engine.record_versions import RecordSum
from storage.engine.sql import Row
from storage.engine.transaction import Transaction, from_text, to_text

_PURPOSE = "day-sums"


def which(tx: Transaction, days: Collection[Span]) -> set[Span]:
    """Those of these days that are there, or will be read as facts alone until one of these changes."""
    return {_day(row) for row in _rows(tx, days)}.intersection(days)


def kept(tx: Transaction, days: Collection[Span]) -> dict[Span, list[TypeSums]]:
    """The sums of those days that are there."""
    wanted, altered = set(days), tx.altered_so_far()
    found: dict[Span, list[TypeSums]] = {}
    for row in _rows(tx, days):
        day = _day(row)
        if day in wanted and tx.sealer.is_mac(row["mac"], _covered(day, row["sums"]), purpose=_PURPOSE):
            sums = json.loads(row["sums"])
            if not altered or not any(altered.intersection(one["refs"].split()) for one in sums):
                found[day] = [TypeSums.from_plain(one) for one in sums]
    return found


def _rows(tx: Transaction, days: Collection[Span]) -> list[Row]:
    """Between the first and the last of these days; none if what is kept is not what the bot has left there."""
    sealed = RecordSum.read(tx.connection, tx.sealer)
    if sealed is None or sealed.day_sums != kept_sums.digest(tx.connection):
        return []
    sql = """
        SELECT begins, ends, mac, sums FROM day_sums
        WHERE ends > :since AND ends <= :until AND begins >= :since AND mac IS NOT NULL
        """
    return tx.rows(sql, since=min(days)[0], until=max(end for _begin, end in days)) if days else []


def _day(row: Row) -> Span:
    return from_text(row["begins"]), from_text(row["ends"])


def begin(tx: Transaction, days: Collection[Span], *, making: str) -> None:
    """Somebody is about to read the facts of these days, under a name of their own. In place of what is there."""
    sql = """
        INSERT INTO day_sums (begins, ends, making) VALUES (:begins, :ends, :making)
        ON CONFLICT (ends, begins) DO UPDATE SET making = excluded.making, mac = NULL, sums = NULL
        """
    for begins, ends in days:
        tx.run(sql, begins=begins, ends=ends, making=making)


def keep(tx: Transaction, made: Mapping[Span, str], *, making: str) -> int:
    """Keep what came of the days that `begin` was told of, as `written` gives it; how many are kept.

    Not those of which a fact was changed since, or which somebody else has begun.
    """
    sql = """
        UPDATE day_sums SET making = NULL, mac = :mac, sums = :sums
        WHERE ends = :ends AND begins = :begins AND making = :making
        """
    return sum(
        tx.run(sql, ends=day[1], begins=day[0], making=making, sums=sums, mac=_mac(tx, day, sums))
        for day, sums in made.items()
    )


def written(sums: Sequence[TypeSums]) -> str:
    """As they are kept. All of them must be final."""
    return json.dumps([each.to_plain() for each in sums], separators=(",", ":"))


def _mac(tx: Transaction, day: Span, sums: str) -> str:
    return tx.sealer.mac(_covered(day, sums), purpose=_PURPOSE)


def _covered(day: Span, sums: str) -> str:
    return f"{FORM} {to_text(day[0])} {to_text(day[1])} {sums}"
