"""The command line; the one file that brings handlers and bot together.

Exit 0: success. 1: a check failed, a port is taken, or the database is in use, damaged, newer, or sealed with another
key, or what was asked of it cannot be done. 2: usage or settings. 128 and the number of a signal: ended by that signal.

A command imports what it needs when it runs: `--version` and `--help` answer at once, and production has no sandbox.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot import __version__
from bot.command_line import audit, audit_reports, backups, erasure, moves, privacy, proof, stand_ins, start
from bot.command_line.arguments import Day
from bot.command_line.database import (
    exit_on_fault,
    in_database,
    in_database_alone,
    load_settings,
    record_if_possible,
)
from bot.command_line.hardening import harden
from bot.command_line.output import file_for, require_place
from bot.command_line.terminal import CommandLine, run_until_told

if TYPE_CHECKING:
    from bot.runtime.doctor import Finding
    from storage.engine.database import Database


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kyc-bot")
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    envvar="KYC_SETTINGS",
    show_envvar=True,
    help="A file of NAME=value lines, as systemd's EnvironmentFile= reads them; the environment wins over it.",
)
@click.pass_context
def main(context: click.Context, *, file: Path | None) -> None:
    """Run Smile ID Biometric KYC checks from Slack."""
    harden()
    context.obj = file


@main.command()
def serve() -> None:
    """Run the bot until SIGTERM or Ctrl-C, which it follows within ten seconds.

    It starts even while Slack and Smile ID cannot be reached.
    """
    start.prepare()

    import handlers
    from bot.runtime import log_config
    from bot.runtime.server import run
    from bot.settings import Settings

    settings = load_settings(Settings)
    log_config.configure(settings.log_format)
    with exit_on_fault():
        run(settings, handlers)


main.add_command(stand_ins.demo)
main.add_command(stand_ins.sandbox)
audit.audit.add_command(audit_reports.access)
audit.audit.add_command(audit_reports.touched)
main.add_command(proof.proof)
main.add_command(audit.audit)
main.add_command(privacy.purge)
main.add_command(privacy.hold)
main.add_command(privacy.unhold)
main.add_command(erasure.erase)
main.add_command(erasure.subject_report)
main.add_command(moves.migrate_database)


@main.command()
@click.pass_context
def setup(context: click.Context) -> None:
    """Ask for what the bot needs, try each answer at once, and write the settings file.

    Writes the FILE of --settings, or else /etc/kyc-bot/env, for its owner alone; one that is there keeps all that is
    not answered anew. Prints what is left to do. Answers may come from a script, a line each.
    """
    from bot.runtime import setup as wizard

    context.exit(wizard.run(context.find_root().obj or wizard.USUAL_FILE, os.environ))


@main.command()
@click.option("--new-key", is_flag=True, help="Print a fresh encryption key and do nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def check(*, new_key: bool, as_json: bool) -> None:
    """Check settings, Slack, Smile ID, callback URL, clock and database: one line each, and what to do where it fails.

    Looks at this machine too: ports, folders, whose files they are. Changes nothing; may run beside the bot.
    """
    if new_key:
        from storage.engine.sealing import Sealer

        click.echo(Sealer.new_key())
        return
    from bot import settings_file
    from bot.errors import SettingsFault
    from bot.runtime import doctor, log_config
    from bot.settings import Settings

    file: Path | None = click.get_current_context().find_root().obj
    try:
        values = settings_file.under(os.environ, file)
        settings = Settings.load(values)
    except SettingsFault as fault:
        _tell([doctor.settings_fault(line) for line in str(fault).splitlines()], as_json=as_json)
        sys.exit(2)
    log_config.configure(settings.log_format)
    findings = run_until_told(doctor.probe(settings, doctor.Surroundings(values=values, file=file)))
    _tell(findings, as_json=as_json)
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def _tell(findings: list[Finding], *, as_json: bool) -> None:
    import json

    if as_json:
        told = {"ok": all(each.ok for each in findings), "findings": [each.as_json() for each in findings]}
        click.echo(json.dumps(told))
        return
    for finding in findings:
        click.echo(finding.line())


@main.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
def take_backup(file: Path) -> None:
    """Copy the database into a new FILE, while the bot runs or not.

    The copy is verified: integrity, references, version, key.
    """
    from bot.settings import DatabaseSettings
    from storage.engine import backup
    from storage.engine.sealing import Sealer

    settings = load_settings(DatabaseSettings)
    with exit_on_fault():
        database = settings.database_file
    # Before it, so that the copy has the line too, and what is copied is not older than what it was copied from.
    unrecorded = record_if_possible(settings, "backup.asked")
    with exit_on_fault():
        sealer = Sealer.from_text(settings.sealing_keys)
        contents = backup.take(database, file, sealer, on_progress=backups.Progress().tell)
    until = f", until {contents.newest:%Y-%m-%d %H:%M:%S} UTC" if contents.newest else ""
    click.echo(f"{file}: whole, the key opens it, {contents.checks} checks{until}")
    backups.tell_altered(contents)
    if unrecorded is not None:
        click.echo(f"not recorded in the audit trail: {unrecorded}", err=True)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Even if the database holds newer acts than the backup.")
def restore(file: Path, *, force: bool) -> None:
    """Put the verified backup FILE in the database's place; the bot must be stopped. The old database is set aside.

    Whoever was erased since that backup is erased again.
    """
    from bot.settings import ErasureSettings
    from storage.engine import backup
    from storage.engine.sealing import Sealer

    settings = load_settings(ErasureSettings)
    with exit_on_fault():
        sealer = Sealer.from_text(settings.sealing_keys)
        aside = backup.restore(
            file, settings.database_file, sealer, now=datetime.now(UTC), force=force, on_verified=backups.tell_altered
        )
    click.echo(f"{settings.database_file} is now what {file} holds")
    if aside is not None:
        click.echo(f"the old database lies in {aside}")
    with exit_on_fault():
        erasure.erase_again(settings)


@main.command("mark-restored")
@click.option(
    "--erased-in",
    "before",
    metavar="DATABASE",
    help="The database as it was before, a file or a server's address: whoever was erased there is erased again.",
)
def mark_restored(*, before: str | None) -> None:
    """Tell the database that it is older than what was done with it; the bot must be stopped, all its instances.

    For one that others have put back: PostgreSQL taken to an earlier point in time, a standby that took over without
    the last commits, a file of Litestream. `kyc-bot restore` does it by itself. What the bot still has to send and say
    is then asked about first, so that nothing is paid for or told twice. More often does no harm.
    """
    from bot.settings import ErasureSettings
    from storage import restores
    from storage.engine import backup, inspect
    from storage.engine.sealing import Sealer

    settings, now = load_settings(ErasureSettings), datetime.now(UTC)
    with exit_on_fault():
        sealer = Sealer.from_text(settings.sealing_keys)
        erased = inspect.erased_in(settings.place_of(before), sealer) if before is not None else []
    if isinstance(settings.database, Path):
        with exit_on_fault():
            known = backup.mark_restored(settings.database, sealer, now=now, erased=erased)
    else:
        remedy = "do this with the version of the bot that has written it"
        known = in_database_alone(
            settings, lambda database: database.write(restores.mark, now=now, erased=erased), remedy=remedy
        )
    if known is None:
        click.echo("nothing has happened in this database yet: there is nothing to doubt")
        return
    click.echo(f"it knows what happened until {known:%Y-%m-%d %H:%M:%S} UTC; what comes after is asked about first")
    with exit_on_fault():
        erasure.erase_again(settings)


@main.command()
@click.option("--forget-old", is_flag=True, help="Then let the older keys go; refused while something needs one.")
def rekey(*, forget_old: bool) -> None:
    """Renew all that is sealed or keyed under the first of KYC_ENCRYPTION_KEYS; the bot must be stopped.

    On a PostgreSQL server, all its instances. May be broken off at any time: the next run goes on. A terminal shows the
    progress.
    """
    from bot.runtime import key_renewal
    from bot.settings import DatabaseSettings
    from storage.rekey import count

    settings = load_settings(DatabaseSettings)

    async def renew(database: Database) -> key_renewal.Renewal:
        total = await database.read(count)
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=total, label="Checks", file=sys.stderr, show_pos=True, hidden=hidden) as bar:
            return await key_renewal.renew(
                database,
                forget_old=forget_old,
                now=lambda: datetime.now(UTC),
                on_page=lambda done: bar.update(done - bar.pos),
                is_shared=not isinstance(settings.database, Path),
            )

    renewal = in_database_alone(settings, renew)
    for line in renewal.lines(key_count=len(settings.sealing_keys)):
        click.echo(line)
    if forget_old and not renewal.forgotten:
        click.echo("the older keys are not let go", err=True)
        sys.exit(1)


@main.group()
def receipts() -> None:
    """What waits for an operator: messages of Smile ID that fit nowhere, posts that could not be delivered."""


@receipts.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_stuck(*, as_json: bool) -> None:
    """List what waits, oldest first: ids and keys only."""
    import json
    from dataclasses import asdict

    from bot.settings import DatabaseSettings
    from storage import dead_letters

    settings = load_settings(DatabaseSettings)
    for row in in_database(settings, lambda database: database.read(dead_letters.listing)):
        if as_json:
            click.echo(json.dumps({**asdict(row), "at": row.at.isoformat()}))
        else:
            click.echo(f"{row.id}  {row.kind}  {row.ref or '-'}  {row.why or '-'}  {row.at:%Y-%m-%d %H:%M:%S} UTC")


@receipts.command()
@click.argument("stuck_id", metavar="ID")
def release(stuck_id: str) -> None:
    """Let ID go on: the running bot asks Smile ID's record about that job, or delivers the post again."""
    from bot.results import releases
    from bot.settings import DatabaseSettings

    settings, now = load_settings(DatabaseSettings), datetime.now(UTC)
    released = in_database(settings, lambda database: database.write(releases.release, stuck_id, now=now))
    if released is None:
        click.echo(f"nothing that waits is called {stuck_id}; `kyc-bot receipts list` shows what does", err=True)
        sys.exit(1)
    next_step = "Smile ID's record is asked" if released.kind == "receipt" else "it is posted"
    click.echo(f"released; {next_step} as soon as the bot runs")


@main.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "xlsx"]), required=True, help="Of the file.")
@click.option("--from", "first", type=Day(), help="First day, in KYC_TIMEZONE.")
@click.option("--to", "last", type=Day(), help="Last day, in KYC_TIMEZONE.")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that you alone may read, whole or not at all; without it the output.",
)
def export_checks(*, form: str, first: datetime | None, last: datetime | None, target: Path | None) -> None:
    """Write a list of all checks without personal data to a file or the output: no ID numbers, no names.

    Recorded in the audit trail; may run beside the bot. A terminal shows the progress.
    """
    if first and last and first > last:
        raise click.BadParameter(f"{first:%Y-%m-%d} is after --to", param_hint="'--from'")
    require_place(target, binary=form == "xlsx")

    from bot.domain.reporting.exports import ExportFormat
    from bot.errors import Refused
    from bot.reporting.export_writer import write_recorded
    from bot.settings import ReportSettings
    from bot.slack.blocks import refusals
    from storage.exports import ExportRange, count

    settings = load_settings(ReportSettings)
    database = settings.database
    if target is not None and isinstance(database, Path) and target.resolve().name.startswith(database.resolve().name):
        raise click.BadParameter("that is the database", param_hint="'--output'")
    zone = settings.zone
    wanted = ExportRange(
        since=first.replace(tzinfo=zone) if first else None,
        until=(last + timedelta(days=1)).replace(tzinfo=zone) if last else None,
    )

    async def write(database: Database) -> None:
        total = await database.read(count, wanted)
        # Who only takes the output, a script or a schedule, is shown nothing beside it.
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=total, label="Checks", file=sys.stderr, show_pos=True, hidden=hidden) as bar:

            async def on_page(written: int) -> None:
                bar.update(written - bar.pos)

            await write_recorded(database, ExportFormat(form), wanted, file, actor="operator", on_page=on_page)

    try:
        with file_for(target) as file:
            in_database(settings, write)
    except Refused as no:
        click.echo(refusals.plain_sentence(no), err=True)
        sys.exit(1)


@main.command("summary")
@click.option("--day", type=Day(), help="A day in KYC_TIMEZONE; without it yesterday.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def print_summary(*, day: datetime | None, as_json: bool) -> None:
    """Print the managers' figures of one day; reads only, may run beside the bot."""
    import json

    from bot.domain.reporting.figure_tables import record
    from bot.domain.reporting.periods import day_of
    from bot.domain.reporting.summary_command import SummaryRequest
    from bot.reporting import report_reader
    from bot.runtime.tables import read_tables
    from bot.settings import ReportSettings
    from bot.slack.blocks import summary
    from bot.slack.blocks.summary_numbers import DisplayNames

    settings, now = load_settings(ReportSettings), datetime.now(UTC)
    today = now.astimezone(settings.zone).date()
    period = day_of(day.date() if day else today - timedelta(days=1))
    if period.first > today:
        click.echo("that day has not come yet", err=True)
        sys.exit(2)
    asked = SummaryRequest(period=period)
    report = in_database(
        settings, lambda database: database.read(report_reader.read, asked, settings=settings, as_of=now)
    )
    if as_json:
        click.echo(json.dumps(record(report)))
        return
    with exit_on_fault():
        _codes, id_types = read_tables(settings)
    names = DisplayNames(subject=id_types.subject, country=id_types.country_name, person=str)
    said = summary.whole(report, names, summary.SummaryContext(today=today, zone=settings.timezone))
    for line in summary.lines_of(said):
        click.echo(line)


@main.command("manifest")
@click.option("--url", default=None, help="Public https base of the bot: prints the manifest for HTTP mode.")
def print_manifest(*, url: str | None) -> None:
    """Print the Slack app manifest, for Socket Mode or, with --url, for HTTP."""
    from bot.slack import manifest

    with exit_on_fault():
        click.echo(manifest.render(url), nl=False)


if __name__ == "__main__":
    import kyc_bot

    # As the command `kyc-bot` does, which begins there.
    kyc_bot.refuse_strangers()
    main()
