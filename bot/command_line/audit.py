"""`kyc-bot audit`: whether the audit trail is whole, and what it says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bot.command_line.database import in_database, load_settings

if TYPE_CHECKING:
    from storage.engine.chain import Head
    from storage.engine.database import Database
    from storage.trail_check import Fault

_NAMED = 20
"""Faults on the terminal; of more the number is told."""


class HeadType(click.ParamType["Head"]):
    """What `kyc-bot audit head` printed."""

    name = "SEQ:HASH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        from storage.engine.chain import Head

        try:
            return Head.parse(str(value))
        except ValueError as why:
            self.fail(f"{why}, as `kyc-bot audit head` prints it.", param, ctx)


@click.group()
def audit() -> None:
    """The audit trail: who did what and who looked at what, as a chain of lines."""


@audit.command("head")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def print_head(*, as_json: bool) -> None:
    """Print the number and the hash of the last line; keep it away from this machine, for `audit verify --head`.

    Reads only; may run beside the bot.
    """
    import json

    from bot.settings import DatabaseSettings
    from storage import audit as trail

    found = in_database(load_settings(DatabaseSettings), lambda database: database.read(trail.head))
    click.echo(json.dumps({"seq": found.seq, "chain": found.chain}) if as_json else str(found))


@audit.command()
@click.option("--head", "kept_elsewhere", type=HeadType(), help="A head that was kept away from this machine.")
def verify(*, kept_elsewhere: Head | None) -> None:
    """Go through all lines of the trail, and compare the record of each check with its last line.

    Finds lines that were changed, removed, moved or put in, a trail that was cut off, and records that were altered or
    put back to an older state. A whole older file is found with --head alone. Exit 0: whole. 1: not whole. Reads only;
    may run beside the bot.
    """
    from bot.settings import DatabaseSettings
    from storage import trail_check

    async def run(database: Database) -> tuple[list[Fault], int, int]:
        faults: list[Fault] = []
        lines = trail_check.Progress()
        while not lines.done:
            lines = await database.read(trail_check.compare_lines, lines, kept_elsewhere=kept_elsewhere)
            faults += lines.faults
        records = trail_check.RecordProgress()
        while not records.done:
            records = await database.read(trail_check.compare_records, records)
            faults += records.faults
        return trail_check.gathered(faults), lines.lines, records.records

    faults, lines, records = in_database(load_settings(DatabaseSettings), run)
    if not faults:
        click.echo(f"whole: {_counted(lines, 'line')}, and {_counted(records, 'record')} of checks that fit")
        return
    click.echo(f"not whole: {_counted(len(faults), 'fault')} in {_counted(lines, 'line')}", err=True)
    for fault in faults[:_NAMED]:
        click.echo(f"  {_said(fault)}", err=True)
    if len(faults) > _NAMED:
        click.echo(f"  and {len(faults) - _NAMED} more", err=True)
    click.echo("what to do: *Records that were altered* in docs/operations.md", err=True)
    sys.exit(1)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


_SAID = {
    "changed": "{place}: changed, moved or put in after it was chained",
    "missing": "before line {seq}: {lines} missing",
    "unchained": "{place}: not written by the bot, it has no hash",
    "before_first": "{place}: not written by the bot, whose first line is 1",
    "not_begun": "{place}: without a hash, and nothing says that they were there when the chain began",
    "older_changed": "before line {seq}: a line of an older version was changed, removed or put in",
    "cut": "after line {seq}: {lines} missing, the trail was cut off",
    "added": "{place}: not written by the bot, which had ended the trail before",
    "made_anew": "{place}: not the last line that the bot wrote; somebody has made all hashes anew",
    "no_head": "where the trail ends cannot be told: what the bot had sealed of it is gone or was altered",
    "other_head": "{place}: not the one of the given head; this is another trail, or an older file put back",
    "record_altered": "check {ref}: its record was altered",
    "record_older": "check {ref}: its record is not the one of line {seq}; another one was put there",
    "record_gone": "check {ref}: its record is gone, and no line says that it was erased",
}
"""By the value of `FaultKind`."""


def _said(fault: Fault) -> str:
    is_one = fault.lines == 1
    last = (fault.seq or 0) + fault.lines - 1
    return _SAID[fault.kind.value].format(
        place=f"line {fault.seq}" if is_one else f"lines {fault.seq} to {last}",
        lines="a line is" if is_one else f"{fault.lines} lines are",
        seq=fault.seq,
        ref=fault.ref,
    )
