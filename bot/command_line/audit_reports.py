"""`kyc-bot audit access` and `kyc-bot audit touched`: what auditors ask of the trail, beside a running bot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.command_line.arguments import Day
from bot.command_line.database import in_database, load_settings
from bot.command_line.output import file_for, require_place

if TYPE_CHECKING:
    from bot.privacy.trail_reports import Touched


@click.command()
@click.option("--from", "first", type=Day(), help="First day, in KYC_TIMEZONE.")
@click.option("--to", "last", type=Day(), help="Last day, in KYC_TIMEZONE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def access(*, first: datetime | None, last: datetime | None, as_json: bool) -> None:
    """List who had which role when, as far as Slack has told the bot; `*` is every member of the workspace."""
    _require_order(first, last)
    import json
    from dataclasses import asdict

    from bot.privacy import trail_reports
    from bot.settings import ReportSettings

    settings = load_settings(ReportSettings)
    since = first.replace(tzinfo=settings.zone) if first else None
    until = (last + timedelta(days=1)).replace(tzinfo=settings.zone) if last else None
    found = in_database(settings, lambda database: trail_reports.role_periods(database, since=since, until=until))
    for one in found:
        if as_json:
            ends = one.until.isoformat() if one.until else None
            click.echo(json.dumps({**asdict(one), "since": one.since.isoformat(), "until": ends}))
        else:
            ends = f"{one.until:%Y-%m-%d %H:%M:%S} UTC" if one.until else "now"
            click.echo(f"{one.role:<9}  {one.person:<11}  {one.since:%Y-%m-%d %H:%M:%S} UTC  {ends}")


@click.command()
@click.option("--from", "first", type=Day(), required=True, help="First day, in KYC_TIMEZONE.")
@click.option("--to", "last", type=Day(), required=True, help="Last day, in KYC_TIMEZONE.")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that you alone may read, whole or not at all; without it the output.",
)
def touched(*, first: datetime, last: datetime, target: Path | None) -> None:
    """List the checks that were looked at or changed in a span, as CSV: reference, country, how often, first and last.

    For a breach notice. Recorded in the audit trail; may run beside the bot.
    """
    _require_order(first, last)
    require_place(target, binary=False)

    from bot.privacy import trail_reports
    from bot.settings import ReportSettings

    settings = load_settings(ReportSettings)
    since = first.replace(tzinfo=settings.zone)
    until = (last + timedelta(days=1)).replace(tzinfo=settings.zone)
    span = f"{first:%Y-%m-%d}..{last:%Y-%m-%d}"

    with file_for(target) as file:
        found = in_database(
            settings,
            lambda database: trail_reports.touched(
                database, since=since, until=until, now=datetime.now(UTC), span=span
            ),
        )
        file.write(_csv(found))
    checks, customers, searches = (
        _counted(len(found.checks), "check"),
        _counted(found.customers, "customer"),
        _counted(found.looks_for_nobody, "search", "searches"),
    )
    click.echo(f"{checks}, of {customers} at most; {searches} for an ID number that is of no check", err=True)


def _csv(found: Touched) -> bytes:
    from bot.domain.reporting.spreadsheets import csv_bytes

    rows = [
        [one.ref, one.country, str(one.looks), str(one.changes), one.first.isoformat(), one.last.isoformat()]
        for one in found.checks
    ]
    return csv_bytes(["reference", "country", "looks", "changes", "first", "last"], rows)


def _counted(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _require_order(first: datetime | None, last: datetime | None) -> None:
    if first and last and first > last:
        raise click.BadParameter(f"{first:%Y-%m-%d} is after --to", param_hint="'--from'")
