"""The managers' summary: ten seconds on a phone; the rest is in its thread (`summary_details`) and in the file."""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime

from bot.domain.outbox import Message
from bot.domain.reporting.figures import Figures, Report
from bot.domain.reporting.periods import DAY, Period, PeriodKind, name
from bot.slack.blocks import ids, kit, summary_needs
from bot.slack.blocks.summary_details import GROUPS, NAME, details
from bot.slack.blocks.summary_numbers import DisplayNames, before, checks, counts, four_numbers, percent, rate_text
from bot.slack.blocks.text import cut, person, quoted, sentence, spoken, when

SOON = "Adding up many checks. The figures appear here in a moment."
ALT_LENGTH = 1000
"""Slack's limit for a picture."""
NUMBERS_BLOCK = "summary_numbers"
"""The picture goes below it."""
PICTURE_BLOCK = "summary_picture"

_MOST = 2900
"""Of a section's 3,000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryContext:
    """When, where and by whom a report is posted."""

    today: date
    late_since: datetime | None = None
    """When it was due, if that is long ago."""
    by: str | None = None
    """Who shared it."""
    zone: str = ""


def message(report: Report, names: DisplayNames, about: SummaryContext) -> Message:
    """What needs the reader, four numbers and the outcomes; for a channel, with a thread for the rest."""
    thread = "More in the thread · " if report.figures.asked else ""
    return _message(report, names, about, more=[], foot=f"{thread}{_foot(report, about)}")


def whole(report: Report, names: DisplayNames, about: SummaryContext) -> Message:
    """The same with the details below it, where there is no thread for them."""
    return _message(report, names, about, more=details(report, names), foot=_foot(report, about))


def _message(report: Report, names: DisplayNames, about: SummaryContext, *, more: list[str], foot: str) -> Message:
    needs, said = summary_needs.needs(report, names), summary_needs.needs(report, replace(names, check=str))
    numbers = four_numbers(report) if report.figures.asked else []
    head, body = title(report, names, about), _body(report, about)
    fields = [kit.named(NUMBERS_BLOCK, kit.fields(*map(kit.mrkdwn, numbers)))] if numbers else []
    below = [kit.divider(), *(kit.section(cut(text, _MOST)) for text in more)] if more else []
    read = [*(number.replace("\n", ": ") for number in numbers), body, *said.rest, *more, foot]
    return Message(
        text=cut(" ".join([f"{said.spoken} {head}.", *(sentence(spoken(text)) for text in read)]), _MOST),
        blocks=[kit.header(head), *needs.blocks, *fields, kit.section(body), *below, kit.small_mrkdwn(foot)],
    )


def file_comment(report: Report, names: DisplayNames) -> str:
    """Goes with the file: what the message leaves out, in mrkdwn."""
    opening = "The same figures as a table, with every group and reason."
    return cut("\n\n".join([opening, *details(report, names)]), _MOST)


def title(report: Report, names: DisplayNames, about: SummaryContext) -> str:
    """KYC, Monday 21 November so far, Ghana only; plain text."""
    so_far = " so far" if report.is_running else ""
    only = f", {quoted(filtered, NAME)} only" if (filtered := narrowed(report, names)) else ""
    return f"KYC, {name(report.period, about.today)}{so_far}{only}"


def _body(report: Report, about: SummaryContext) -> str:
    f = report.figures
    if f.asked:
        return f"{' · '.join(counts(f))}."
    decided = f" {checks(f.decided)} of other days decided." if f.decided else ""
    return f"{_quiet(report, about)}{decided}"


def headline(report: Report, names: DisplayNames, about: SummaryContext) -> str:
    """KYC, Monday 21 November: 48 checks: 39 approved, 5 rejected. Approval rate 89 % (last Monday 84 %)."""
    f, head = report.figures, title(report, names, about)
    if not f.asked:
        return f"{head}: {_body(report, about)}"
    than = ""
    if report.previous and (rate := report.previous[1].approval).value is not None:
        than = f" ({before(report)} {percent(rate)})"
    return f"{head}: {checks(f.asked)}: {', '.join(counts(f))}. {rate_text(f.approval)}{than}."


def narrowed(report: Report, names: DisplayNames) -> str:
    """The country and ID type that the report is limited to, as plain text; empty without a limit."""
    country, id_type = report.country, report.id_type
    if country and id_type:
        return names.subject(country, id_type)
    return names.country(country) if country else id_type or ""


def _quiet(report: Report, about: SummaryContext) -> str:
    if report.is_running:
        return "Nobody has asked for a check yet."
    if report.period.kind is PeriodKind.DAY and report.period.last == about.today - DAY:
        return "Yesterday nobody asked for a check."
    return "Nobody asked for a check."


def with_picture(posted: Message, *, file_id: str, alt_text: str) -> Message | None:
    """The posted message with the picture below its numbers; None if it has it already, or has no numbers.

    `file_id` is Slack's, of a file that is shared in the message's thread: who reads the one may see the other.
    """
    at = next((n for n, block in enumerate(posted.blocks) if block.get("block_id") == NUMBERS_BLOCK), None)
    if at is None or any(block.get("block_id") == PICTURE_BLOCK for block in posted.blocks):
        return None
    image = {"type": "image", "slack_file": {"id": file_id}, "alt_text": alt_text or "The same figures as a picture"}
    blocks = [*posted.blocks[: at + 1], kit.named(PICTURE_BLOCK, image), *posted.blocks[at + 1 :]]
    return Message(text=posted.text, blocks=blocks)


def older(report: Report, *, unit: str, count: int, today: date) -> Message:
    """One line for the days, weeks or months of a long stop, instead of a summary for each."""
    period = report.period
    dates = f"{period.first.isoformat()}..{period.last.isoformat()}"
    earlier = f"{count} earlier {unit}s" if count > 1 else f"1 earlier {unit}"
    text = (
        f"{checks(report.figures.asked)} in {earlier}: {name(period, today)}. "
        f"To see the figures, type `/kyc summary {dates}`."
    )
    return kit.text_message(text)


def _foot(report: Report, about: SummaryContext) -> str:
    parts = []
    if about.late_since is not None:
        parts.append(f"Posted late: due {when(about.late_since)}")
    if about.by:
        parts.append(f"Shared by {person(about.by)}")
    parts.append(f"Updated {when(report.as_of, '{time}')}")
    parts.append(f"Time zone: {_city(about.zone)}")
    return " · ".join(parts)


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def alt_text(report: Report, names: DisplayNames, about: SummaryContext) -> str:
    """A description of the picture for people who cannot see it."""
    lines = [headline(report, names, about)]
    if len(report.series) > 1:
        shown = "; ".join(f"{short(p)}: {_bar(f)}" for p, f in report.series)
        lines.append(f"Checks asked and approval rate by {report.period.kind.value}: {shown}.")
    groups = [f"{quoted(names.subject(*g.key), NAME)} {g.asked}" for g in report.figures.by_type[:GROUPS]]
    lines.append(f"By country and ID type: {', '.join(groups)}.")
    return cut(" ".join(lines), ALT_LENGTH)


def _bar(figures: Figures) -> str:
    return f"{figures.asked}, {percent(figures.approval)}" if figures.approval.value is not None else str(figures.asked)


def short(period: Period) -> str:
    """Mon 21; from 16 Nov; Nov."""
    match period.kind:
        case PeriodKind.MONTH:
            return f"{period.first:%b}"
        case PeriodKind.WEEK:
            return f"from {period.first.day} {period.first:%b}"
        case _:
            return f"{period.first:%a} {period.first.day}"


def with_button(answer: Message, *, value: dict[str, str], with_chart: bool) -> Message:
    """The private answer, with a button that shares it in the same conversation."""
    label = f"Share this summary in this conversation, with {'picture and file' if with_chart else 'its file'}"
    share = kit.button(ids.SHARE_SUMMARY, "Share here", json.dumps(value), label=label)
    return Message(text=answer.text, blocks=[*answer.blocks, kit.actions(share)])


def with_line(answer: Message, line: str) -> Message:
    """The private answer once it was shared: without the button."""
    return Message(text=answer.text, blocks=[*answer.blocks, kit.small_mrkdwn(line)])


def shared(where: str, *, with_chart: bool) -> str:
    if not where.startswith("C"):
        return "Shared here."
    what = "the picture and the file follow" if with_chart else "the file follows"
    return f"Shared in <#{where}>; {what} in its thread."


def lines_of(message: Message) -> list[str]:
    """A message as plain lines, for a terminal."""
    texts = [text for block in message.blocks if block["type"] in ("header", "section") for text in _texts(block)]
    return [line for text in texts for line in spoken(text).split("\n")]


def _texts(block: kit.Block) -> list[str]:
    """A field takes one line: the number and its trend."""
    return [str(f["text"]).replace("\n", ": ") for f in block.get("fields", ())] or [str(block["text"]["text"])]
