"""Exports requested in Slack, each stored as a row until its file is delivered, and recorded in the audit trail."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.references import reference
from bot.domain.outbox import Post, PostKind
from bot.domain.reporting.exports import Export, ExportState, parse
from bot.errors import Refusal, Refused
from bot.outbox import refresh
from bot.outbox.builders import Follower
from storage import audit, exports, outbox
from storage.engine.database import Transaction
from storage.exports import ExportRange

log = structlog.get_logger(__name__)

MOST_IN_SLACK = 1_000_000
"""Rows that fit a workbook, and in every format a file that Slack takes: 1 GB."""
LONG = 5_000
"""An export of more rows gets a message that reports its progress."""
DESTINATION = "exports"
"""All export files share it, so they go out one at a time: the memory and disk that they take are bounded."""


@dataclass(slots=True, kw_only=True, eq=False)
class Exports(Process):
    most: int = MOST_IN_SLACK

    async def ask(self, user: str, typed: str) -> Export:
        """Store a manager's request; the file comes by direct message. Raises Refused."""
        permission = await self.access.may(user, Right.EXPORT)
        permission.require(Refused(Refusal.EXPORT_NOT_A_MANAGER, admin=self.access.an_admin()))
        now, zone = self.now(), self.settings.zone
        asked = parse(typed, today=now.astimezone(zone).date())
        since, until = asked.period.span(zone) if asked.period else (None, now)
        until = min(until, now)
        total = await self.database.read_long(exports.count, ExportRange(since=since, until=until))
        if not total:
            raise Refused(Refusal.EXPORT_EMPTY)
        if total > self.most:
            raise Refused(Refusal.EXPORT_TOO_MANY, total=total, most=self.most)
        export = Export(
            id=reference(self.rng.getrandbits(40), prefix="X"),
            state=ExportState.ASKED,
            person=user,
            form=asked.form,
            period=asked.period,
            since=since,
            until=until,
            total=total,
            written=0,
        )
        if not await self.database.write(_add, export, now=now):
            raise Refused(Refusal.EXPORT_UNDER_WAY)
        log.info("export.asked", export=export.id, rows=total)
        return export


def _add(tx: Transaction, export: Export, *, now: datetime) -> bool:
    """Store it with its posts. False while the same export is under way for the same person."""
    if not exports.add(tx, export, now=now):
        return False
    detail = f"{export.form.value}:{export.total}"
    audit.record(tx, at=now, actor=export.person, act="export.asked", detail=detail)
    if export.total > LONG:
        _enqueue(tx, PostKind.EXPORT, export, destination=export.person, now=now)
    _enqueue(tx, PostKind.EXPORT_FILE, export, destination=DESTINATION, now=now)
    return True


def set_written(tx: Transaction, export_id: str, count: int, *, now: datetime) -> None:
    """Store how many rows are in the file by now."""
    exports.keep_written(tx, export_id, count)
    _refresh(tx, export_id, now=now)


def give_up(tx: Transaction, export_id: str, state: ExportState, *, now: datetime) -> None:
    """It was refused, or Slack did not take it: the person gets a message."""
    export = exports.find(tx, export_id)
    if export is not None and exports.end(tx, export_id, state, now=now):
        _enqueue(tx, PostKind.EXPORT, export, destination=export.person, now=now)
        _refresh(tx, export_id, now=now)


def followers() -> Mapping[PostKind, Follower]:
    return {PostKind.EXPORT: _after_message, PostKind.EXPORT_FILE: _after_file}


def _after_message(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    if delivered:
        # The export may have advanced since the message was built.
        _refresh(tx, post.payload["export"], now=now)


def _after_file(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    export_id = post.payload["export"]
    if not delivered:
        give_up(tx, export_id, ExportState.FAILED, now=now)
        return
    export = exports.find(tx, export_id)
    if export is not None and exports.end(tx, export_id, ExportState.MADE, now=now):
        detail = f"{export.form.value}:{export.written}"
        audit.record(tx, at=now, actor=export.person, act="export.made", detail=detail)
        _refresh(tx, export_id, now=now)


def _enqueue(tx: Transaction, kind: PostKind, export: Export, *, destination: str, now: datetime) -> None:
    outbox.enqueue(tx, kind, key=export.id, destination=destination, payload={"export": export.id}, now=now)


def _refresh(tx: Transaction, export_id: str, *, now: datetime) -> None:
    """Update its message; nothing where there is none."""
    refresh.at_pace(tx, PostKind.EXPORT_PROGRESS, f"{PostKind.EXPORT.value}:{export_id}", now=now)
