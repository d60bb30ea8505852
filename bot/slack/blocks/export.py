"""An export as whoever asked for it hears of it: at once, on its way, at its end."""

from bot.domain.outbox import Message
from bot.domain.reporting.exports import Export, ExportFormat, ExportState
from bot.slack.blocks.text import section

NAMES = {ExportFormat.CSV: "CSV", ExportFormat.JSON_LINES: "JSON Lines", ExportFormat.XLSX: "Excel"}


def preparing(export: Export) -> str:
    """The answer to the command."""
    return f"I am preparing {_what(export, export.total)}; it comes as a file by direct message."


def comment(export: Export) -> str:
    """What stands above the file. Mentions nobody: it is their own conversation."""
    neutral = " Cells that a spreadsheet would calculate begin with an apostrophe." if _is_for_sheets(export) else ""
    return f"Export {export.id}: {_what(export, export.written)}, times in UTC.{neutral} That you took it was recorded."


def message(export: Export) -> Message:
    """The one message of a long export, as it stands now; or of one that came to nothing."""
    match export.state:
        case ExportState.ASKED:
            done = min(export.written, export.total)
            percent = 100 * done // export.total if export.total else 0
            text = (
                f"*Export {export.id}* — preparing {_what(export, export.total)}: {done:,} rows written ({percent} %)"
            )
        case ExportState.MADE:
            text = f"*Export {export.id}* — done: {rows(export.written)}; the file is in this conversation"
        case ExportState.REFUSED:
            text = f"*Export {export.id}* — not sent: you are no longer among the managers or admins"
        case ExportState.FAILED:
            text = f"*Export {export.id}* — not sent: Slack did not take the file. The operators have been told"
    return Message(text=text.replace("*", ""), blocks=[section(f"{text}.")])


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


def _is_for_sheets(export: Export) -> bool:
    return export.form is not ExportFormat.JSON_LINES
