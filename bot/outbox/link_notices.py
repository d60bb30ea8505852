"""Which post follows which event of a link, inside the caller's transaction.

What holds the link goes to who made it, by direct message; a post holds the number of the link, and never its token.
"""

from datetime import datetime

from bot.domain.capture.links import CaptureLink, LinkEnding
from bot.domain.check.check import Check
from bot.domain.outbox import PostKind
from bot.domain.privacy.slack_removals import Removal, RemovalPlace
from bot.outbox import link_files
from storage import capture_links, checks, outbox, slack_removals
from storage.engine.database import Transaction


def made(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    """The message with the link; the QR code follows once that is delivered."""
    _enqueue(tx, PostKind.LINK, link, to=link.made_by, now=now)


def qr_code(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    _enqueue(tx, PostKind.LINK_QR, link, to=link.made_by, parent_id=_message(link), now=now)


def has_message(tx: Transaction, link: CaptureLink) -> bool:
    """False of a link that comes with others, in a file."""
    return outbox.find(tx, _message(link)) is not None


def reminder(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    _enqueue(tx, PostKind.LINK_REMINDER, link, to=link.made_by, now=now)
    capture_links.reminder_made(tx, link, now=now)


def end(tx: Transaction, ref: str, ending: LinkEnding, *, by: str, now: datetime) -> CaptureLink | None:
    """End the check's open link, wherever it stands; None if there is none."""
    link = capture_links.end(tx, ref, ending, by=by, now=now)
    if link is not None:
        ended(tx, link, now=now)
    return link


def ended(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    """Take the link out of its message, and its QR code out of Slack. What was not delivered yet says nothing more."""
    forget_qr_codes(tx, link, now=now)
    reminder_ended(tx, link, now=now)
    if outbox.delivered(tx, _message(link)):
        _enqueue(tx, PostKind.LINK_ENDED, link, to=link.made_by, parent_id=_message(link), now=now)
    elif (batch_id := checks.whereabouts(tx, link.ref).batch) is not None:
        link_files.forget(tx, batch_id, now=now)


def reminder_ended(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    """The reminder promises nothing any more, and has no buttons for what has ended."""
    reminder_id = f"{PostKind.LINK_REMINDER.value}:{capture_links.name(link)}"
    if outbox.delivered(tx, reminder_id):
        _enqueue(tx, PostKind.LINK_ENDED, link, to=link.made_by, parent_id=reminder_id, suffix=":reminder", now=now)


def forget_qr_codes(tx: Transaction, link: CaptureLink, *, now: datetime) -> None:
    """Of a link that has ended, as all before it have: they lead nowhere, and lie about."""
    pictures = [(Removal.UPLOAD, RemovalPlace(file=file), None) for file in outbox.qr_codes(tx, link.ref)]
    slack_removals.add(tx, link.ref, pictures, at=now)


def not_delivered(tx: Transaction, check: Check, link: CaptureLink, *, now: datetime) -> None:
    """In the thread of the request: its requester must make a new one."""
    if link.ended_at is None:
        _enqueue(tx, PostKind.LINK_LOST, link, to=check.channel, now=now)


def _message(link: CaptureLink) -> str:
    return f"{PostKind.LINK.value}:{capture_links.name(link)}"


def _enqueue(
    tx: Transaction,
    kind: PostKind,
    link: CaptureLink,
    *,
    to: str,
    now: datetime,
    parent_id: str | None = None,
    suffix: str = "",
) -> None:
    outbox.enqueue(
        tx,
        kind,
        ref=link.ref,
        key=f"{capture_links.name(link)}{suffix}",
        destination=to,
        payload={"number": str(link.number)},
        parent_id=parent_id,
        now=now,
    )
