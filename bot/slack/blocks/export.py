"""Messages about an export to who requested it: accepted, in progress, done."""

from bot.domain.outbox import Message
from bot.domain.reporting.exports import Export, ExportFormat, ExportState
from bot.slack.blocks import kit
from bot.slack.blocks.text import sentence

NAMES = {ExportFormat.CSV: "CSV", ExportFormat.JSON_LINES: "JSON Lines", ExportFormat.XLSX: "Excel"}


def preparing(export: Export) -> str:
    return f"I am preparing {_what(export, export.total)}; it comes as a file by direct message."


def comment(export: Export) -> str:
    """The text above the file. Mentions nobody: it is a direct message."""
    is_for_sheets = export.form is not ExportFormat.JSON_LINES
    neutral = " Cells that a spreadsheet would calculate begin with an apostrophe." if is_for_sheets else ""
    return f"Export {export.id}: {_what(export, export.written)}, times in UTC.{neutral} This export is logged."


def message(export: Export) -> Message:
    """The one message of a long export as of now, or of one that failed."""
    match export.state:
        case ExportState.ASKED:
            done = min(export.written, export.total)
            percent = 100 * done // export.total if export.total else 0
            verdict, next_step = "Preparing the export", "Nothing to do now: the file comes here."
            rest = f"{_what(export, export.total)}: {done:,} rows written ({percent} %)"
        case ExportState.MADE:
            verdict, next_step, rest = "Export done", "Open the file in this conversation.", rows(export.written)
        case ExportState.REFUSED:
            verdict, next_step = "Export not sent", "Ask an admin to add you to the managers."
            rest = "You are no longer among the managers or admins"
        case ExportState.FAILED:
            verdict, next_step = "Export not sent", "Try again later."
            rest = "Slack did not take the file. The admins have been told"
    blocks = [kit.section(f"*{verdict}* · {export.id}"), kit.section(f"{sentence(rest)} {next_step}")]
    return kit.told(blocks, verdict=verdict, ref=export.id, next_step=next_step, rest=[rest])


def _what(export: Export, count: int) -> str:
    """1,234 checks as CSV, of 2026-11-01 to 2026-11-15."""
    return f"{rows(count)} as {NAMES[export.form]}, {_days(export)}"


def rows(count: int) -> str:
    return "1 check" if count == 1 else f"{count:,} checks"


def _days(export: Export) -> str:
    if export.period is None:
        return "all there are"
    first, last = export.period.first.isoformat(), export.period.last.isoformat()
    return f"of {first}" if first == last else f"of {first} to {last}"
