"""Which summaries were posted in which channel (table `summaries`), and from when on there are any."""

from datetime import date, datetime, timedelta

from bot.domain.reporting.periods import Period, PeriodKind
from storage import meta
from storage.engine.database import Transaction, from_text, to_text

FIRST_START = "first_start"
_SINCE = "summary_since:"
_FAR = timedelta(days=7)
_AGO = timedelta(days=1)
"""A new channel's first summary includes what ended in the day before."""


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
    """What ended before is in no summary of this channel; None until `begin` has been called for it."""
    first, here = began(tx), meta.kept(tx, f"{_SINCE}{channel}")
    return None if first is None or here is None else max(first, from_text(here) - _AGO)


def is_far_ahead(tx: Transaction, channel: str, *, today: date) -> bool:
    """Whether the last day told lies so far ahead that the channel would be without a word for too long.

    Days told by a clock that was ahead by less have been told, and are not told again.
    """
    last = last_told(tx, channel, PeriodKind.DAY)
    return last is not None and last > today + _FAR


def untell_ahead(tx: Transaction, channel: str, *, today: date) -> None:
    """Forget summaries posted for days to come, so that each is posted in its time."""
    tx.run("DELETE FROM summaries WHERE channel = :channel AND period > :today", channel=channel, today=str(today))


def last_told(tx: Transaction, channel: str, kind: PeriodKind) -> date | None:
    """First day of the latest period that was posted, or mentioned in one line."""
    newest = "SELECT MAX(period) FROM summaries WHERE channel = :channel AND kind = :kind"
    period = tx.value(newest, channel=channel, kind=kind)
    return date.fromisoformat(period) if period else None


def take(tx: Transaction, channel: str, period: Period, *, how: str, now: datetime) -> bool:
    """Claim this period's summary in this channel; False if it was claimed before."""
    # Two ticks of the scheduler, or one and a bot restored from a backup, may both find it due.
    return tx.insert_once("summaries", channel=channel, kind=period.kind, period=str(period.first), how=how, at=now)
