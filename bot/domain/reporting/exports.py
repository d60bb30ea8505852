"""Exports of the bare record: their formats, what a manager types for one, and the progress of each."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from bot.domain.reporting.periods import Period
from bot.domain.reporting.summary_command import period_in
from bot.errors import Refusal, Refused


class ExportFormat(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"
    XLSX = "xlsx"


class ExportState(StrEnum):
    ASKED = "asked"
    """Being written, or on its way to Slack."""
    MADE = "made"
    REFUSED = "refused"
    """The requester lost the right to it before it was sent."""
    FAILED = "failed"
    """Slack did not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What a manager typed; without days everything."""

    form: ExportFormat
    period: Period | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One file for one manager."""

    id: str
    state: ExportState
    person: str
    form: ExportFormat
    period: Period | None
    since: datetime | None
    until: datetime
    """Not included; never later than the request, so that the file holds what there was then."""
    total: int
    """Checks in it, counted when it was requested."""
    written: int
    """Checks written so far by the latest attempt."""

    @property
    def file_name(self) -> str:
        """Names this one export too: when an answer was lost, the file is searched for by it."""
        days = "all"
        if self.period is not None:
            first, last = self.period.first.isoformat(), self.period.last.isoformat()
            days = first if first == last else f"{first}-to-{last}"
        return f"kyc-checks-{days}-{self.id}.{self.form.value}"


def parse(typed: str, *, today: date) -> ExportRequest:
    """Raises Refused. Without a format it is CSV."""
    words = typed.split()
    forms = [word for word in words if word.casefold() in set(ExportFormat)]
    days = [word for word in words if word.casefold() not in set(ExportFormat)]
    if len(forms) > 1:
        raise Refused(Refusal.EXPORT_NOT_UNDERSTOOD, typed=typed)
    form = ExportFormat(forms[0].casefold()) if forms else ExportFormat.CSV
    if not days:
        return ExportRequest(form=form, period=None)
    period, rest = period_in(days, today, longest=None)
    if rest:
        raise Refused(Refusal.EXPORT_NOT_UNDERSTOOD, typed=" ".join(rest))
    return ExportRequest(form=form, period=period)
