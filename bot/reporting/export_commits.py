"""The moves of an export that somebody asked for in Slack, each a plain function inside a transaction of the caller."""

from collections.abc import Mapping
from datetime import datetime

from bot.domain.outbox import Post, PostKind
from bot.domain.reporting.exports import Export, ExportState
from bot.outbox import refresh
from bot.outbox.builders import Follower
from storage import audit, exports, outbox
from storage.engine.database import Transaction

LONG = 5_000
"""Of more rows than this somebody would wonder where the file is: a message shows how far it is."""
DESTINATION = "exports"
"""Their files go out one at a time, whoever asked: the memory and the disk that they take are bounded."""


def ask(tx: Transaction, export: Export, *, now: datetime) -> bool:
    """Store it with the posts that bring it. False when the same is being prepared for the same person already."""
    if not exports.add(tx, export, now=now):
        return False
    if export.total > LONG:
        _post_message(tx, export, now=now)
    payload = {"export": export.id}
    outbox.enqueue(tx, PostKind.EXPORT_FILE, key=export.id, destination=DESTINATION, payload=payload, now=now)
    return True


def keep_written(tx: Transaction, export_id: str, count: int, *, now: datetime) -> None:
    """So many rows are in the file by now."""
    exports.keep_written(tx, export_id, count)
    _refresh(tx, export_id, now=now)


def give_up(tx: Transaction, export_id: str, state: ExportState, *, now: datetime) -> None:
    """It was refused, or Slack did not take it; whoever asked is told."""
    export = exports.find(tx, export_id)
    if export is not None and exports.end(tx, export_id, state, now=now):
        _post_message(tx, export, now=now)
        _refresh(tx, export_id, now=now)


def _make(tx: Transaction, export_id: str, *, now: datetime) -> None:
    """The file stands in Slack; who took how much is recorded."""
    export = exports.find(tx, export_id)
    if export is not None and exports.end(tx, export_id, ExportState.MADE, now=now):
        detail = f"{export.form.value}:{export.written}"
        audit.record(tx, at=now, actor=export.person, act="export.made", detail=detail)
        _refresh(tx, export_id, now=now)


def followers() -> Mapping[PostKind, Follower]:
    """What follows when a post about an export has been delivered, or has failed."""
    return {PostKind.EXPORT: _after_message, PostKind.EXPORT_FILE: _after_file}


def _after_message(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    if delivered:
        # The export may have advanced since the message was built.
        _refresh(tx, post.payload["export"], now=now)


def _after_file(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    if delivered:
        _make(tx, post.payload["export"], now=now)
    else:
        give_up(tx, post.payload["export"], ExportState.FAILED, now=now)


def _post_message(tx: Transaction, export: Export, *, now: datetime) -> None:
    payload = {"export": export.id}
    outbox.enqueue(tx, PostKind.EXPORT, key=export.id, destination=export.person, payload=payload, now=now)


def _refresh(tx: Transaction, export_id: str, *, now: datetime) -> None:
    """Bring its message up to date; nothing where there is none."""
    opening = f"{PostKind.EXPORT.value}:{export_id}"
    message = outbox.find(tx, opening)
    if message is None:
        return
    refresh.at_pace(
        tx,
        PostKind.EXPORT_PROGRESS,
        key=export_id,
        opening=opening,
        destination=message.destination,
        payload={"export": export_id},
        now=now,
    )
