"""The managers' figures as a table for spreadsheets and as a record for machines. The names in both are a contract."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bot.domain.reporting.durations import DurationStats
from bot.domain.reporting.figures import Assurance, FigureGroup, Figures, Rate, Report, WaitingCheck
from bot.domain.reporting.periods import Period

COLUMNS = (
    *("section", "name", "asked", "approved", "rejected", "no_result", "cancelled", "new_photos", "open"),
    *("decided_in_period", "approval_rate", "first_pass_rate"),
    *("machine_median_seconds", "machine_p95_seconds", "final_median_seconds", "final_p95_seconds"),
    *("count", "waited_seconds", "over_time"),
    *Assurance._fields,
)
_DEFAULTS = dict.fromkeys(COLUMNS, "")


def table(report: Report) -> list[list[str]]:
    """One line for the period, those that it is compared with, each group, each reason and each check in review."""
    return [list((_DEFAULTS | line).values()) for line in _lines(report)]


def _lines(report: Report) -> Iterator[dict[str, str]]:
    yield {"section": "period", "name": _days(report.period), **_total(report.figures)}
    if report.previous:
        yield {"section": "compared with", "name": _days(report.previous[0]), **_total(report.previous[1])}
    if mean := report.mean:
        name, asked = f"{mean.periods} before", f"{mean.asked:.2f}"
        yield {"section": "mean", "name": name, "asked": asked, "approval_rate": _share(mean.approval)}
    figures = report.figures
    for section, groups in (("country and ID type", figures.by_type), ("requester", figures.by_requester)):
        for group in groups:
            yield {"section": section, "name": " ".join(group.key), **_line(group)}
    for section, reasons in (("rejected because", figures.rejections), ("no result because", figures.failures)):
        for why, count in reasons:
            yield {"section": section, "name": why, "count": str(count)}
    if report.links.made:
        for what in ("made", "opened", "completed"):
            yield {"section": "capture links", "name": what, "count": str(getattr(report.links, what))}
    if report.altered:
        yield {"section": "record altered", "count": str(report.altered)}
    for waiting in report.backlog.review:
        yield {
            "section": "in review",
            "name": waiting.ref,
            "waited_seconds": _seconds(waiting.waited),
            "over_time": "yes" if waiting.over else "no",
        }


def _counts(f: Figures | FigureGroup) -> dict[str, int]:
    counts = {"asked": f.asked, "approved": f.approved, "rejected": f.rejected, "no_result": f.failed}
    if isinstance(f, Figures):
        counts |= {"cancelled": f.cancelled, "new_photos": f.new_photos}
    return counts | {"open": f.open}


def _line(f: Figures | FigureGroup) -> dict[str, str]:
    counts = _counts(f) | (f.assurance._asdict() if isinstance(f, Figures) else {})
    return {name: str(count) for name, count in counts.items()} | {
        "approval_rate": _share(f.approval),
        "final_median_seconds": _seconds(f.final.median),
        "final_p95_seconds": _seconds(f.final.p95),
    }


def _total(figures: Figures) -> dict[str, str]:
    return _line(figures) | {
        "decided_in_period": str(figures.decided),
        "first_pass_rate": _share(figures.first_pass),
        "machine_median_seconds": _seconds(figures.machine.median),
        "machine_p95_seconds": _seconds(figures.machine.p95),
    }


def _days(period: Period) -> str:
    first, last = period.first.isoformat(), period.last.isoformat()
    return first if first == last else f"{first}..{last}"


def _share(rate: Rate) -> str:
    return "" if rate.value is None else f"{rate.value:.4f}"


def _seconds(span: timedelta | None) -> str:
    return "" if span is None else f"{span.total_seconds():.3f}"


# For machines


def record(report: Report) -> dict[str, Any]:
    """Times are ISO 8601 in UTC, spans seconds; a rate of fewer than five has no `value`."""
    period, mean = report.period, report.mean
    return {
        "period": {"kind": period.kind.value, "first": period.first.isoformat(), "last": period.last.isoformat()},
        "country": report.country,
        "id_type": report.id_type,
        "as_of": report.as_of.isoformat(),
        "running": report.is_running,
        "figures": _figures(report.figures),
        "altered": report.altered,
        "capture_links": report.links._asdict() | {"took": _took(report.links.took)},
        "compared_with": _compared(report),
        "mean": mean and {"periods": mean.periods, "asked": mean.asked, "approval_rate": _rate(mean.approval)},
        "open_now": {
            "open": report.backlog.open,
            "by_age": dict(zip(("1h", "4h", "24h", "3d", "older"), report.backlog.ages, strict=True)),
            "oldest": _waiting(report.backlog.oldest) if report.backlog.oldest else None,
            "in_review": [_waiting(waiting) for waiting in report.backlog.review],
            "over_time": report.backlog.over,
            "review_due_seconds": report.review_due.total_seconds(),
        },
    }


def _compared(report: Report) -> dict[str, Any] | None:
    if report.previous is None:
        return None
    period, figures = report.previous
    return {"first": period.first.isoformat(), "last": period.last.isoformat(), "figures": _figures(figures)}


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        **_counts(figures),
        "decided_in_period": figures.decided,
        "approval_rate": _rate(figures.approval),
        "smile_id_approval_rate": _rate(figures.smile_approval),
        "reviewer_approval_rate": _rate(figures.reviewer_approval),
        "first_pass_rate": _rate(figures.first_pass),
        "machine_result": _took(figures.machine),
        "final_result": _took(figures.final),
        "review_at_smile_id": _took(figures.smile_review),
        "reviewers": _took(figures.reviewers),
        "reviews": figures.reviews._asdict() | {"breach_rate": _rate(figures.reviews.breach)},
        "rejected_because": dict(figures.rejections),
        "no_result_because": dict(figures.failures),
        "by_country_and_id_type": [
            {"country": group.key[0], "id_type": group.key[1], **_group_record(group)} for group in figures.by_type
        ],
        "by_requester": [{"requester": group.key[0], **_group_record(group)} for group in figures.by_requester],
        "approvals": figures.assurance._asdict(),
    }


def _group_record(group: FigureGroup) -> dict[str, Any]:
    return {
        **_counts(group),
        "approval_rate": _rate(group.approval),
        "final_result": _took(group.final),
        "register_away": group.register_away,
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {**rate._asdict(), "value": rate.value}


def _took(took: DurationStats) -> dict[str, Any]:
    median, p95 = (None if span is None else span.total_seconds() for span in (took.median, took.p95))
    return {"count": took.n, "median_seconds": median, "p95_seconds": p95}


def _waiting(waiting: WaitingCheck) -> dict[str, Any]:
    return {
        "ref": waiting.ref,
        "state": waiting.state.value,
        "reason": waiting.reason.value if waiting.reason else None,
        "since": waiting.since.isoformat(),
        "waited_seconds": waiting.waited.total_seconds(),
        "over_time": waiting.over,
    }
