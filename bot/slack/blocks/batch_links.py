"""Links for the customers of a file: the choice at its preview, the file of links, and what follows if that is lost."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain.applicants.batch import Batch
from bot.domain.capture.links import CaptureLink
from bot.domain.check.check import Check
from bot.domain.outbox import Message
from bot.domain.reporting.spreadsheets import csv_bytes
from bot.slack.blocks import ids, kit
from bot.slack.blocks.capture import NOT_SENT, TURNED_OFF
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.text import person, when

_COLUMNS = ("row", "reference", "customer_reference", "link", "expires_at")


def csv(rows: Sequence[tuple[Check, CaptureLink, str]]) -> bytes:
    """One line for each link, in the order of the file, for its requester alone.

    Row and customer reference are those of their own file: without them, nobody could tell whose link is whose.
    """
    lines = [
        [
            str(check.batch_row),
            check.ref,
            check.customer_reference,
            url,
            link.expires_at.isoformat(timespec="seconds"),
        ]
        for check, link, url in rows
    ]
    return csv_bytes(_COLUMNS, lines)


def comment(batch: Batch, count: int) -> str:
    links = _many(count, "link", "links")
    return (
        f"{links} for the customers of {batch.id}. Send each customer their own alone: whoever has a link can use it, "
        "and this file has all of them. I delete it here once the last of them works no more; delete your copies too."
    )


def lost(batch: Batch, *, are_offered: bool = True) -> Message:
    """In the thread: Slack has not taken the file of links, or nobody knows whether it has, or its reader had no
    role; or links were turned off before it came.
    """
    verdict, mention = "The file of links did not reach you", person(batch.requester)
    next_step, why = "Choose *New links*.", f"{NOT_SENT} The links that were in it are known to nobody."
    if not are_offered:
        next_step, why = "Send it again with the photos, and cancel the remaining checks above.", TURNED_OFF
    blocks = [
        kit.section(f"{mention} *{verdict}* · {batch.id}"),
        kit.section(f"{why} {next_step}"),
        *([kit.actions(new_links(batch))] if are_offered else []),
    ]
    return kit.told(blocks, verdict=verdict, ref=batch.id, next_step=next_step, mention=mention, rest=[why])


def reminder(batch: Batch, waiting: int, *, until: datetime) -> Message:
    """By direct message, once for all links of one file, when half of their time is over."""
    verdict = "No photos yet"
    why = _many(waiting, "customer has not taken their photos", "customers have not taken their photos")
    next_step = f"Remind them: the links work until {when(until)}. If they have lost them, choose *New links*."
    blocks = [
        kit.section(f"*{verdict}* · {batch.id}\n{why}.\n*Next:* {next_step}"),
        kit.actions(new_links(batch)),
    ]
    return kit.told(blocks, verdict=verdict, why=why, ref=batch.id, next_step=next_step)


def can_send(batch: Batch) -> tuple[int, int]:
    """Rows whose customers could be sent a link, and those of them that look like repeats come second."""
    links = batch.preview.get("by_link", {})
    return links.get("ready", 0), links.get("repeats", 0)


def preview_line(batch: Batch) -> str:
    """Of a table that came without photos: what else would be said of its rows, that none can be sent, is not so."""
    ready, repeats = can_send(batch)
    looks = f", {_many(repeats, 'looks like a repeat', 'look like repeats')}" if repeats else ""
    return f"No photos came with it. Their customers can take them, by link: {ready} ready{looks}."


def choices(batch: Batch) -> list[Block]:
    ready, repeats = can_send(batch)
    style = Style.PRIMARY if batch.preview.get("for_links") else Style.PLAIN
    buttons = []
    if ready:
        buttons.append(_choice(ids.BATCH_CONFIRM_LINK, f"Photos by link: {ready}", batch, ready, style=style))
    if repeats:
        text = f"Photos by link: {ready + repeats}, repeats too"
        buttons.append(_choice(ids.BATCH_CONFIRM_LINK_ALL, text, batch, ready + repeats))
    return buttons


def new_links(batch: Batch) -> Block:
    return kit.confirmed(
        kit.button(ids.BATCH_NEW_LINKS, "New links", batch.id, label=f"New links: file {batch.id}"),
        title="Make new links?",
        text="Customers who have taken no photos get a new link. Those of the file before work no more.",
        confirm="Make new links",
        deny="Keep the old ones",
    )


def _choice(action_id: str, text: str, batch: Batch, count: int, *, style: Style = Style.PLAIN) -> Block:
    links = "1 link comes" if count == 1 else f"{count} links come"
    return kit.confirmed(
        kit.button(action_id, text, batch.id, label=f"{text}: file {batch.id}", style=style),
        title="Have customers take photos?",
        text=f"{links} to you in a file, by direct message. Behind it each customer agrees and takes the photos. "
        "Checks are charged once Smile ID has their photos.",
        confirm="Make the links",
        deny="Not yet",
    )


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
