"""The message of a batch through its life, and the files in its thread."""

from collections.abc import Callable, Mapping, Sequence

from bot.domain.applicants.batch import CHECKED_BEFORE, Batch, BatchCounts, BatchState
from bot.domain.check.check import Check
from bot.domain.check.masking import tail
from bot.domain.mentions.incoming import is_direct
from bot.domain.outbox import Message
from bot.domain.reporting.spreadsheets import csv_bytes
from bot.errors import FileCode
from bot.slack.blocks import batch_links, capture, ids, kit, words
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.refusals import stored_sentence
from bot.slack.blocks.status import status_name
from bot.slack.blocks.text import counted, foreign, person, quoted, sentence, when

RECEIVED = "Reading the file. Watch this channel for {batch}."
RECEIVED_BEFORE = "These files were read before, as {batch}. To start again, send them in a new message."
TEMPLATE_COMMENT = "Fill in a row for each customer, add the photos (a zip, or beside it), and send both to me."
TEMPLATE_SENT = "The template is in your direct messages with me."

_FAULTS = 10
_BAR = 20
_BAR_MARKS = "█░ "
"""What a screen reader cannot read."""
_STATES = {
    BatchState.CONFIRMED: ("Preparing", "Nothing to do now: the results come here."),
    BatchState.SENDING: ("Sending", "Nothing to do now: the results come here."),
    BatchState.PAUSED: ("Paused", "Press *Resume* to send the others."),
    BatchState.CANCELLED: ("Cancelled", "Checks that were sent keep their results."),
    BatchState.DONE: ("Done", "Open the file of results in the thread."),
}

_AFTER_REFUSAL = {
    FileCode.REJECTED.value: "Talk to whoever rejected it before you send it again.",
    FileCode.NOT_APPROVED.value: "Send the file in a new message, and tell a manager or an admin.",
    FileCode.OTHER_ROWS.value: "Send the file in a new message, and see there which rows are ready.",
    FileCode.ALTERED.value: "Talk to an admin before you send it again.",
    FileCode.FAULT.value: "Ask an admin when to send it again.",
    FileCode.NOT_SHOWN.value: "Send the file in a new message.",
    FileCode.LINKS_OFF.value: "Send it again with the photos, or ask an admin to set up links first.",
}
"""Where the file itself is as it should be."""


_IN_PLACE = {
    BatchState.APPROVAL: ("Waiting for approval", "Nothing to do now. Nothing has been sent or charged."),
    BatchState.CONFIRMED: ("Sending", "Nothing to do now. You can cancel it here."),
    BatchState.SENDING: ("Sending", "Nothing to do now. You can cancel here what is left of it."),
    BatchState.PAUSED: ("Paused", "Press *Resume* to send the others, or cancel them here."),
    BatchState.CANCELLED: ("Cancelled", "Checks that were sent keep their results."),
    BatchState.DONE: ("Done", "The file of results comes here."),
    BatchState.REFUSED: ("Nothing was sent", "See my newer message about it."),
}
"""In the direct message that has a file's buttons, where its own message is gone."""


def message(batch: Batch, counts: BatchCounts) -> Message:
    """The one message of a batch, as of now."""
    if batch.state is BatchState.REFUSED:
        return _message(
            batch,
            "Nothing was sent",
            _after_refusal(batch),
            [_fault(batch, batch.preview.get("refused", batch.words))],
            [_template()],
        )
    if batch.state is BatchState.PREVIEW:
        can_send = batch.ready or batch.repeats or any(_hidden_to_send(batch)) or any(batch_links.can_send(batch))
        next_step = "Send it or cancel it below." if can_send else "Correct the file and send it in a new message."
        return _message(batch, "Not sent yet", next_step, _preview(batch), _decide(batch))
    if batch.state is BatchState.APPROVAL:
        waits = f"{_many(batch.chosen, 'check waits', 'checks wait')} for a second person: a manager or an admin."
        lines = [waits, "What one person sends by file within 24 hours counts together, until it is approved."]
        next_step = "Nothing to do now. Nothing has been sent or charged."
        return _message(batch, "Waiting for approval", next_step, lines, _steer(batch))
    if batch.state is BatchState.CANCELLED and not counts.total:
        return _message(batch, "Cancelled", "Nothing was sent and nothing was charged.", [], [])
    verdict, next_step = _STATES[batch.state]
    if batch.state is BatchState.SENDING and counts.awaiting and not counts.waiting:
        verdict = "Waiting for the customers' photos"
        gets = f"{person(batch.requester)} gets them by direct message"
        next_step = f"Send each their link: {gets}. The results come here."
    return _message(batch, verdict, next_step, _progress(batch, counts), _steer(batch))


def in_place(batch: Batch, counts: BatchCounts) -> Message:
    """To who sent it, directly: in place of its own message, which is gone and could not be posted anew; as of now."""
    verdict, next_step = _IN_PLACE[batch.state]
    lines = ["Its message is gone, and I can't post it anew where you sent the file."]
    if batch.state is BatchState.CANCELLED and not counts.total:
        next_step = "Nothing was sent and nothing was charged."
    elif counts.total and batch.state is not BatchState.REFUSED:
        lines += _progress(batch, counts)
    return _message(batch, verdict, next_step, lines, _steer(batch))


def lost(batch: Batch) -> Message:
    """To who sent it, directly: nothing was sent, and that could not be posted where they sent it."""
    line = "I read it, but could not show you its preview. Nothing was charged."
    if batch.state is BatchState.REFUSED:
        # Without the names of files, sheets and columns: no clock erases this message.
        line = stored_sentence(batch.preview.get("refused", batch.words), with_names=False)
    is_open = is_direct(batch.channel)
    where = "in a new message" if is_open else "in a channel where I can"
    next_step = f"Send the file again {where}."
    if batch.state is BatchState.REFUSED and not batch.was_never_shown:
        next_step = _after_refusal(batch, where)
    if not is_open:
        next_step = f"I can't post in <#{batch.channel}>. {next_step}"
    return _message(batch, "Nothing was sent", next_step, [line], [])


def refused_directly(batch: Batch) -> Message:
    """To who sent it: its own message takes no update, so that it does not say there how the file ended."""
    # Without the names of files, sheets and columns, as above.
    why = stored_sentence(batch.preview.get("refused", batch.words), with_names=False)
    lines = [why, "Sent here because I can't update the file's own message."]
    return _message(batch, "Nothing was sent", _after_refusal(batch), lines, [])


def _after_refusal(batch: Batch, where: str = "in a new message") -> str:
    return _AFTER_REFUSAL.get(batch.refused_as, f"Correct the file and send it {where}.")


def faults_csv(batch: Batch) -> bytes:
    rows = [
        [str(row), str(column), _fault(batch, str(fault))] for row, column, fault in batch.preview.get("faults", ())
    ]
    return csv_bytes(["row", "column", "what is wrong"], rows)


def results_csv(checks: Sequence[Check], *, with_customer_reference: bool) -> bytes:
    """One line for each row that was sent, in the order of the file. Of ID numbers only the last characters.

    The row's number leads back to the customer for whoever has the file; a customer reference would for everybody
    who can look it up elsewhere.
    """
    columns = {name: read for name, read in _COLUMNS.items() if with_customer_reference or name != _CUSTOMERS_OWN}
    return csv_bytes(list(columns), [[read(check) for read in columns.values()] for check in checks])


def faults_comment(batch: Batch) -> str:
    return f"What is wrong with the rows of {batch.id}: correct them and send the file in a new message."


def results_comment(batch: Batch, counts: BatchCounts, *, still_open: bool, is_moved: bool = False) -> str:
    """`is_moved`: it goes to who sent the file, directly."""
    waiting = _many(counts.needs_person, "row still needs review", "rows still need review")
    more = f" {waiting}; another file follows at the end." if still_open else ""
    if counts.altered:
        rows = _many(counts.altered, "row counts", "rows count")
        more += f" {rows} as not approved, since somebody else than the bot has changed what is stored. Ask an admin."
    if is_moved:
        more += f" Sent here because I can't post in the thread of {batch.id}."
    return f"{person(batch.requester)} Results of {batch.id}: {_listed(counts)}.{more}"


def _fault(batch: Batch, stored: str | None) -> str:
    """What is wrong, with names of files and sheets only where its requester alone reads it."""
    return stored_sentence(stored, with_names=is_direct(batch.channel))


def _why(check: Check) -> str:
    story = words.STORIES[check.verdict_why].name if check.verdict_why else ""
    failure = words.FAILURES.get(check.failure or "")
    ended = capture.end_of(check)
    why = story or (failure.title if failure else ended.why if ended else "")
    return ". ".join(filter(None, (why, stored_sentence(check.failure_words))))


_CUSTOMERS_OWN = "customer_reference"
_COLUMNS: Mapping[str, Callable[[Check], str]] = {
    "row": lambda check: str(check.batch_row),
    "reference": lambda check: check.ref,
    _CUSTOMERS_OWN: lambda check: check.customer_reference,
    "country": lambda check: check.country,
    "id_type": lambda check: check.id_type,
    "id_number_ending": lambda check: tail(check.id_info.get("id_number", "")),
    "result": status_name,
    "code": lambda check: check.verdict or "",
    "why": _why,
    "asked_at": lambda check: check.asked_at.isoformat(timespec="seconds"),
    "ended_at": lambda check: check.ended_at.isoformat(timespec="seconds") if check.ended_at else "",
    "record_match": lambda check: check.record.outcome.value,
    "liveness": lambda check: check.liveness.value if check.liveness else "",
}


def _preview(batch: Batch) -> list[str]:
    faults = batch.preview.get("faults", ())
    faulty = len({row for row, _column, _words in faults})
    found = [] if batch.preview.get("for_links") else [f"{batch.ready} ready"]
    if faulty:
        found.append(f"{faulty} with faults")
    if batch.repeats:
        found.append(_many(batch.repeats, "looks like a repeat", "look like repeats"))
    lines = [f"{': '.join(filter(None, (_many(batch.total, 'row', 'rows'), ', '.join(found))))}."]
    if batch.preview.get("for_links"):
        lines.append(batch_links.preview_line(batch))
    lines += _unseen(batch)
    lines += [
        f"Row {row}, {quoted(str(column), 40)}: {quoted(_fault(batch, str(fault)), 160)}"
        for row, column, fault in faults[:_FAULTS]
    ]
    if len(faults) > _FAULTS:
        lines.append(f"and {len(faults) - _FAULTS} more faults: the file in the thread names all of them")
    lines += _repeats(batch)
    if ignored := batch.preview.get("ignored"):
        shown = _named(batch, ignored, batch.preview.get("ignored_at", ()))
        lines.append(f"{_left_out(len(ignored), 'unknown column')}{shown}")
    if unused := batch.preview.get("unused"):
        lines.append(f"{_many(unused, 'photo belongs', 'photos belong')} to no row.")
    if not batch.ready and not batch.repeats and not any((*_hidden_to_send(batch), *batch_links.can_send(batch))):
        lines.append("No row can be sent.")
    return lines


def _repeats(batch: Batch) -> list[str]:
    """Which rows they are, and why.

    A channel reads how many were checked before, and not which: its members have the file, and may see none of these
    checks.
    """
    repeats = batch.preview.get("repeats", ())
    named = repeats if is_direct(batch.channel) else [one for one in repeats if one[1] != CHECKED_BEFORE]
    lines = [f"Row {row}: {quoted(str(why), 80)}" for row, why in named[:5]]
    if len(named) > 5:
        lines.append(f"and {len(named) - 5} more repeats")
    if untold := len(repeats) - len(named):
        rows = _many(untold, "row was checked before", "rows were checked before")
        lines.append(f"{rows}. To see which, send me the file in a direct message.")
    return lines


def _hidden_to_send(batch: Batch) -> tuple[int, int]:
    """Hidden rows that are ready, and those that look like repeats."""
    hidden = batch.preview.get("hidden", {})
    return hidden.get("ready", 0), len(hidden.get("repeats", ()))


def _named(batch: Batch, names: Sequence[object], places: Sequence[int] = ()) -> str:
    """Titles of sheets and columns as they stand, where the requester alone reads them.

    Somebody may have made a title of a customer's name. Where others read along, a column is called by its place.
    """
    if is_direct(batch.channel):
        shown = [quoted(str(name), 40) for name in names[:8]]
    else:
        shown = [f"column {place}" for place in places[:8]]
    return f": {', '.join(shown)}{' …' if len(names) > 8 else ''}" if shown else ""


def _unseen(batch: Batch) -> list[str]:
    """Which sheet was read, and what of the file is not acted on because its sender did not see it."""
    lines, preview = [], batch.preview
    if (sheet := preview.get("sheet")) and is_direct(batch.channel):
        lines.append(f"The sheet {quoted(str(sheet), 40)} was read.")
    if above := preview.get("above"):
        lines.append(f"{_rows(above)} above the header {'is' if len(above) == 1 else 'are'} left out.")
    hidden = preview.get("hidden", {})
    for what in ("sheet", "column"):
        if names := hidden.get(f"{what}s"):
            shown = _named(batch, names, hidden.get(f"{what}s_at", ()))
            lines.append(f"{_left_out(len(names), f'hidden {what}')}{shown}")
    if rows := hidden.get("rows"):
        none = "" if hidden["ready"] or hidden["repeats"] else " None of them can be sent."
        lines.append(f"{_left_out(hidden['row_count'], 'hidden or filtered row')}: {_rows(rows).lower()}.{none}")
    return lines


def _left_out(count: int, what: str) -> str:
    return f"{_many(count, what, f'{what}s')} {'is' if count == 1 else 'are'} left out"


def _rows(numbers: Sequence[int]) -> str:
    shown = [str(number) for number in numbers[:8]]
    if len(numbers) > 8:
        return f"Rows {', '.join(shown)} …"
    return f"Row {shown[0]}" if len(shown) == 1 else f"Rows {', '.join(shown[:-1])} and {shown[-1]}"


def _decide(batch: Batch) -> list[Block]:
    buttons = []
    if batch.ready:
        checks = "1 check" if batch.ready == 1 else f"{batch.ready} checks"
        buttons.append(_send(ids.BATCH_CONFIRM, f"Send {checks}", batch, batch.ready, style=Style.PRIMARY))
    if batch.repeats:
        all_ = batch.ready + batch.repeats
        buttons.append(_send(ids.BATCH_CONFIRM_ALL, f"Send {all_}, repeats too", batch, all_))
    hidden, hidden_repeats = _hidden_to_send(batch)
    if hidden:
        count = batch.ready + hidden
        buttons.append(_send(ids.BATCH_CONFIRM_HIDDEN, f"Send {count}, hidden rows too", batch, count))
    if hidden_repeats or (hidden and batch.repeats):
        count = batch.ready + batch.repeats + hidden + hidden_repeats
        text = f"Send {count}, repeats and hidden rows too"
        buttons.append(_send(ids.BATCH_CONFIRM_HIDDEN_ALL, text, batch, count))
    buttons += batch_links.choices(batch)
    buttons.append(_button(ids.BATCH_CANCEL, "Cancel", batch.id))
    if batch.preview.get("faults"):
        buttons.append(_template())
    return buttons


def _send(action_id: str, text: str, batch: Batch, count: int, *, style: Style = Style.PLAIN) -> Block:
    cost = "1 check goes to Smile ID and is" if count == 1 else f"{count} checks go to Smile ID and are"
    return kit.confirmed(
        _button(action_id, text, batch.id, style=style),
        title="Has every customer agreed?",
        text=f"{cost} charged. You confirm that every customer knows that their photo "
        "and ID information are compared with the authority's record, and has explicitly agreed.",
        confirm="All have agreed: send",
        deny="Not yet",
    )


def _progress(batch: Batch, counts: BatchCounts) -> list[str]:
    if not counts.total:
        return ["Confirmed; the rows are being prepared."]
    filled = _BAR * counts.ended // counts.total
    percent = 100 * counts.ended // counts.total
    bar = "█" * filled + "░" * (_BAR - filled)
    return [f"{bar} {counts.ended} of {counts.total} ended ({percent} %)", f"{_listed(counts)}."]


def _listed(counts: BatchCounts) -> str:
    named = counted(
        (counts.approved, "approved"),
        (counts.differs, "approved by Smile ID although the authority's record differs"),
        (counts.rejected, "rejected"),
        (counts.failed, "without result"),
        (counts.decided, "decided by a reviewer"),
        (counts.needs_person, "needs review" if counts.needs_person == 1 else "need review"),
        (counts.held, "needs your answer" if counts.held == 1 else "need your answer"),
        (counts.sent, "at Smile ID"),
        (counts.awaiting, "waiting for photos"),
        (counts.waiting, "not sent yet"),
        (counts.cancelled, "cancelled"),
        (counts.altered, "record altered" if counts.altered == 1 else "records altered"),
    )
    return ", ".join(named) or "nothing yet"


def _steer(batch: Batch) -> list[Block]:
    buttons = []
    if batch.state is BatchState.SENDING and batch.is_by_link:
        buttons.append(batch_links.new_links(batch))
    elif batch.state is BatchState.SENDING:
        buttons.append(_button(ids.BATCH_PAUSE, "Pause", batch.id))
    if batch.state is BatchState.PAUSED:
        buttons.append(_button(ids.BATCH_RESUME, "Resume", batch.id, style=Style.PRIMARY))
    if batch.state is BatchState.APPROVAL:
        buttons.append(_button(ids.BATCH_CANCEL, "Cancel", batch.id))
    if batch.state in (BatchState.SENDING, BatchState.PAUSED, BatchState.CONFIRMED):
        cancel = kit.confirmed(
            _button(ids.BATCH_CANCEL, "Cancel remaining checks", batch.id),
            title="Cancel remaining checks?",
            text="Checks already at Smile ID continue. The others are not sent and not charged.",
            confirm="Cancel remaining checks",
            deny="Keep sending",
        )
        buttons.append(cancel)
    return buttons


def _message(batch: Batch, verdict: str, next_step: str, lines: Sequence[str], buttons: Sequence[Block]) -> Message:
    what = f"Biometric KYC · file of customers · Asked by {person(batch.requester)} {when(batch.asked_at)}"
    blocks = [
        kit.section(f"*{verdict}* · {batch.id}\n{next_step}"),
        kit.small_mrkdwn(what),
        *(kit.plain_section("\n".join(lines[n : n + 8])) for n in range(0, len(lines), 8)),
    ]
    if buttons:
        blocks.append(kit.actions(*buttons))
    heard = " ".join(line.lstrip(_BAR_MARKS) for line in map(sentence, lines))
    rest = [foreign(heard, 1500), what]
    return kit.told(blocks, verdict=verdict, ref=batch.id, next_step=next_step, rest=rest)


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _template() -> Block:
    return kit.button(ids.BATCH_TEMPLATE, "Download template", "template", label="Download a template for such a file")


def _button(action_id: str, text: str, value: str, *, style: Style = Style.PLAIN) -> Block:
    return kit.button(action_id, text, value, label=f"{text}: file {value}", style=style)
