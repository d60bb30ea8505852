"""Which summaries were told where (table `summaries`), and since when there is anything to tell."""

from datetime import date, datetime, timedelta

from bot.domain.reporting.periods import Period, PeriodKind
from storage import meta
from storage.engine.database import Transaction, from_text, to_text

FIRST_START = "first_start"
_SINCE = "summary_since:"
_FAR = timedelta(days=7)
_AGO = timedelta(days=1)
"""A channel that is new hears of what ended in the day before it was named."""


def began(tx: Transaction) -> datetime | None:
    """When the bot was first started with this database; None before that."""
    kept = meta.kept(tx, FIRST_START)
    return from_text(kept) if kept else None


def begin(tx: Transaction, channel: str | None, *, now: datetime) -> None:
    """Keep the first start of the bot, and of the summaries in this channel. A repeat changes nothing."""
    for name in filter(None, (FIRST_START, channel and f"{_SINCE}{channel}")):
        if meta.kept(tx, name) is None:
            meta.keep(tx, name, to_text(now))


def since(tx: Transaction, channel: str) -> datetime | None:
    """What ended before is never told in this channel; None while `begin` has not been called for it."""
    first, here = began(tx), meta.kept(tx, f"{_SINCE}{channel}")
    return None if first is None or here is None else max(first, from_text(here) - _AGO)


def is_far_ahead(tx: Transaction, channel: str, *, today: date) -> bool:
    """Whether the last day told lies so far ahead that the channel would be without a word for too long.

    Days told by a clock that was ahead by less have been told, and are not told again.
    """
    last = last_told(tx, channel, PeriodKind.DAY)
    return last is not None and last > today + _FAR


def untell_ahead(tx: Transaction, channel: str, *, today: date) -> None:
    """Have everything that is still to come told in its own time."""
    tx.run("DELETE FROM summaries WHERE channel = :channel AND period > :today", channel=channel, today=str(today))


def last_told(tx: Transaction, channel: str, kind: PeriodKind) -> date | None:
    """First day of the latest period that was told, or passed over in one line."""
    newest = "SELECT MAX(period) FROM summaries WHERE channel = :channel AND kind = :kind"
    period = tx.value(newest, channel=channel, kind=kind)
    return date.fromisoformat(period) if period else None


def take(tx: Transaction, channel: str, period: Period, *, how: str, now: datetime) -> bool:
    """Make this period's summary in this channel ours to tell; False if it was taken before."""
    # The clock and a bot that was put back from a backup, or two ticks of the clock, may both find it due.
    return tx.insert_once("summaries", channel=channel, kind=period.kind, period=str(period.first), how=how, at=now)
