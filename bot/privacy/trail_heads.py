"""Tells others each day where the audit trail ends, so that nobody can cut it or make it anew unnoticed.

Whoever has the machine and its keys could write another trail and its hashes. A head that was told before, to a channel
or to a file on another machine, is of the true one: `kyc-bot audit verify --head` compares the two.
"""

import asyncio
import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

from bot.access.process import Process
from bot.domain.outbox import PostKind
from storage import audit, meta, outbox
from storage.engine.chain import Head
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

RETRY_AFTER = timedelta(minutes=10)
"""After a file that could not be written."""
_POSTED, _WRITTEN = "audit_head_posted", "audit_head_written"
"""In `meta`: where, and on which day it was told last."""


@dataclass(slots=True, kw_only=True, eq=False)
class TrailHeads(Process):
    note: Callable[[str | None], None]
    """Hears why the file cannot be written, or that it was."""
    steady: Callable[[], datetime]
    """Time that is never set, by which a failure is waited out."""
    _not_before: datetime = field(init=False, default=datetime.min.replace(tzinfo=UTC))

    async def tell(self) -> None:
        """Called each minute: once a day, by the days of `KYC_TIMEZONE`, to each place that the settings name."""
        day = self.today()
        if (channel := self.settings.audit_head_channel) is not None and await self._is_due(_POSTED, channel, day):
            head = await self.database.read(audit.head)
            await self.database.write(_post, head, channel=channel, day=day, now=self.now())
        file = self.settings.audit_head_file
        if file is not None and self.steady() >= self._not_before and await self._is_due(_WRITTEN, str(file), day):
            await self._write(file, day)

    async def _is_due(self, name: str, where: str, day: date) -> bool:
        return await self.database.read(meta.kept, name) != _told(where, day)

    async def _write(self, file: Path, day: date) -> None:
        head, now = await self.database.read(audit.head), self.now()
        failed = None
        try:
            await asyncio.to_thread(_append, file, f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {head}\n".encode())
        except OSError as error:
            failed = f"KYC_AUDIT_HEAD_FILE cannot be written: {error.strerror}"
        self.note(failed)
        if failed is not None:
            log.error("audit_head.not_written", error=failed)
            self._not_before = self.steady() + RETRY_AFTER
            return
        # Killed before this, the next process writes the day's line once more: two heads of one trail, and no harm.
        await self.database.write(meta.keep, _WRITTEN, _told(str(file), day))


def _post(tx: Transaction, head: Head, *, channel: str, day: date, now: datetime) -> None:
    if meta.kept(tx, _POSTED) == _told(channel, day):
        return
    payload = {"head": str(head), "day": day.isoformat()}
    outbox.enqueue(
        tx,
        PostKind.AUDIT_HEAD,
        # With the time: a clock that was ahead may have told of this day already.
        key=f"{channel}:{day.isoformat()}:{now:%H%M%S}",
        destination=channel,
        payload=payload,
        now=now,
    )
    meta.keep(tx, _POSTED, _told(channel, day))


def _told(where: str, day: date) -> str:
    return f"{day.isoformat()} {where}"


def _append(file: Path, line: bytes) -> None:
    """One more line at the end of a file that its owner alone may write, made if it is not there. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)
    with closing(_Opened(os.open(file, flags, 0o600))) as opened:
        status = os.fstat(opened.number)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no file", str(file))
        if status.st_size and os.pread(opened.number, 2, 0) != b"20":
            # Not begun by us: a line at the end of a database, of this bot's or another's, would ruin it.
            raise OSError(0, "it holds something else", str(file))
        if status.st_size and os.pread(opened.number, 1, status.st_size - 1) != b"\n":
            # A disk that was full took half of a line.
            line = b"\n" + line
        if os.write(opened.number, line) != len(line):
            raise OSError(0, "the disk is full", str(file))
        os.fsync(opened.number)


@dataclass(frozen=True, slots=True)
class _Opened:
    number: int

    def close(self) -> None:
        os.close(self.number)
