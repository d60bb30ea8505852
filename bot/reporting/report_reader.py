"""A report of the managers' figures, read from the database: the one way to it, for Slack and for machines."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.domain.reporting.figures import Report, reach, report
from bot.domain.reporting.periods import Period
from bot.settings import Settings
from storage import check_facts, summaries
from storage.engine.database import Transaction


def read(
    tx: Transaction,
    period: Period,
    *,
    settings: Settings,
    as_of: datetime,
    country: str | None = None,
    id_type: str | None = None,
) -> Report:
    """The figures of a period as they are known now, with what they are compared with; reads only."""
    zone = ZoneInfo(settings.timezone)
    since, until = reach(period, zone)
    return report(
        [*check_facts.settled(tx, since, until), *check_facts.still_open(tx)],
        period,
        zone=zone,
        as_of=as_of,
        review_due=settings.review_due,
        began=summaries.began(tx),
        country=country,
        id_type=id_type,
    )
