"""Reads a report of the managers' figures from the database, for Slack and for machines.

A summary's posts and buttons keep their request as a payload of ids and dates.
"""

from collections.abc import Mapping
from datetime import date, datetime

from bot.domain.reporting.figures import Report, reach, report
from bot.domain.reporting.periods import Period, PeriodKind
from bot.domain.reporting.summary_command import SummaryRequest
from bot.settings import ReportSettings
from storage import batches, check_facts, summaries
from storage.engine.database import Transaction


def read(tx: Transaction, asked: SummaryRequest, *, settings: ReportSettings, as_of: datetime) -> Report:
    """The figures of a period as they are known now, and those of the periods before it; reads only."""
    since, until = reach(asked.period, settings.zone)
    facts = [*check_facts.settled(tx, since, until), *check_facts.still_open(tx)]
    reviews = check_facts.in_review(tx)
    return report(
        facts,
        asked.period,
        zone=settings.zone,
        as_of=as_of,
        review_due=settings.review_due,
        began=summaries.began(tx),
        reviews=reviews,
        # After all that is read: by then it is known what is left out.
        altered=check_facts.altered(tx, *asked.period.span(settings.zone)),
        # A file may hold many countries and ID types: it belongs to the figures of all.
        files_since=batches.waiting_since(tx) if not (asked.country or asked.id_type) else (),
        country=asked.country,
        id_type=asked.id_type,
    )


def to_payload(asked: SummaryRequest) -> dict[str, str]:
    period = asked.period
    payload = {"kind": period.kind.value, "first": period.first.isoformat(), "last": period.last.isoformat()}
    return payload | {name: value for name, value in (("country", asked.country), ("id_type", asked.id_type)) if value}


def from_payload(payload: Mapping[str, str]) -> SummaryRequest:
    first, last = date.fromisoformat(payload["first"]), date.fromisoformat(payload["last"])
    period = Period(kind=PeriodKind(payload["kind"]), first=first, last=last)
    return SummaryRequest(period=period, country=payload.get("country"), id_type=payload.get("id_type"))
