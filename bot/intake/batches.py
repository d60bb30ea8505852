"""Batches: `reading` makes a preview of a file of applicants, `sending` makes checks of its rows."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from bot.access.permissions import Access
from bot.domain.applicants import Applicant, PhotoSource, ReadApplicants, read
from bot.domain.applicants.batch import Batch, BatchState
from bot.domain.backoff import retry_in
from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.check.references import batch_reference, reference
from bot.domain.check.request import FileInfo
from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.incoming import FileKind, IncomingMessage, kind_of
from bot.domain.outbox import encode_fault
from bot.errors import FileCode, FileUnusable, PhotoUnusable, Refusal, Refused, SlackError
from bot.intake import batch_commits
from bot.intake.batch_preview import digest, preview_of
from bot.outbox import refresh
from bot.settings import Settings
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.file_info import file_info
from bot.submission import lifecycle
from storage import batches, checks
from storage.audit import BOT
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=30)
MAX_TRIES = 8
LOOK_EVERY = timedelta(minutes=1)
CHUNK = 100
"""Rows that become checks in one transaction: other writers get their turn between."""


class Batches:
    """Reads and begins them, and takes what people decide about them."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        bundles: BatchFiles,
        access: Access,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._database = database
        self._slack = slack
        self._bundles = bundles
        self._access = access
        self._id_types = id_types
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._now = now
        self._rng = rng

    # What people do

    async def accept(self, dropped: IncomingMessage) -> tuple[str, bool]:
        """A message with a table or a zip: its id, and whether it is new."""
        files = [file.id for file in dropped.files if kind_of(file) is FileKind.APPLICANTS]
        for _try in range(20):
            try:
                stored = await self._database.write(
                    batch_commits.accept,
                    batch_reference(self._rng.getrandbits(40)),
                    source={"ts": dropped.ts, "thread_ts": dropped.thread_ts},
                    requester=dropped.user,
                    team=dropped.team,
                    channel=dropped.channel,
                    files=files,
                    now=self._now(),
                )
            except sqlite3.IntegrityError:
                continue
            log.info("batch.asked", batch=stored[0], new=stored[1])
            return stored
        raise RuntimeError("no free reference found")

    async def confirm(self, user: str, batch_id: str, *, with_repeats: bool) -> None:
        """The requester says that every customer has agreed. Raises Refused."""
        batch = await self._known(batch_id)
        if batch.requester != user:
            raise Refused(Refusal.BATCH_NOT_YOURS)
        if not await self._database.write(
            batch_commits.confirm, batch_id, by=user, with_repeats=with_repeats, now=self._now()
        ):
            raise Refused(Refusal.BATCH_MOVED_ON)

    async def pause(self, user: str, batch_id: str) -> None:
        await self._move(user, batch_id, BatchState.PAUSED, of=[BatchState.SENDING])

    async def resume(self, user: str, batch_id: str) -> None:
        await self._move(user, batch_id, BatchState.SENDING, of=[BatchState.PAUSED])

        def wake(tx: Transaction) -> None:
            tx.wake(checks.SUBMISSION)

        await self._database.write(wake)

    async def cancel(self, user: str, batch_id: str) -> None:
        """What was not sent will not be. Rows become cancelled some at a time, and a restart goes on with it."""
        of = [BatchState.PREVIEW, BatchState.CONFIRMED, BatchState.SENDING, BatchState.PAUSED]
        await self._move(user, batch_id, BatchState.CANCELLED, of=of)
        await self.cancel_rows(batch_id, by=user)

    async def cancel_rows(self, batch_id: str, *, by: str = BOT) -> None:
        now = self._now()

        def some(tx: Transaction) -> int:
            refs = batches.unsent(tx, batch_id, limit=CHUNK)
            for ref in refs:
                lifecycle.cancel(tx, ref, by=by, now=now, tell=False)
            return len(refs)

        while await self._database.write(some):
            pass

    async def tick(self) -> None:
        """Go on with what a restart cut short: rows of cancelled files that are not yet cancelled themselves."""
        for batch_id in await self._database.read(batches.half_cancelled):
            await self.cancel_rows(batch_id)

    async def _move(self, user: str, batch_id: str, target: BatchState, *, of: Sequence[BatchState]) -> None:
        batch = await self._known(batch_id)
        permission = await self._access.may_see(user, batch.requester)
        is_own = batch.requester == user
        permission.require(self._access.no_access() if is_own else Refused(Refusal.BATCH_NOT_YOURS))
        if not await self._database.write(batch_commits.move, batch_id, target, of=of, by=user, now=self._now()):
            raise Refused(Refusal.BATCH_MOVED_ON)

    async def _known(self, batch_id: str) -> Batch:
        batch = await self._database.read(batches.find, batch_id)
        if batch is None:
            raise Refused(Refusal.BATCH_MOVED_ON)
        return batch

    # What the bot does by itself

    async def claim(self, limit: int) -> list[str]:
        """Batches to be read or begun, ours until the lease ends."""
        if not await self._access.is_settled():
            return []
        now = self._now()
        return await self._database.write(batches.claim_due, now=now, until=now + LEASE, limit=limit)

    async def work(self, batch_id: str) -> None:
        """Read a batch, or make checks of it; a failure leaves it due for another try, a bounded number of times."""
        batch = await self._database.read(batches.get, batch_id)
        try:
            if batch.state is BatchState.READING:
                await self._preview(batch)
            elif batch.state is BatchState.CONFIRMED:
                await self._begin(batch)
        except (FileUnusable, PhotoUnusable) as unusable:
            log.info("batch.refused", batch=batch_id, error=unusable.code.value)
            await self._database.write(
                batch_commits.refuse, batch_id, encode_fault(unusable.code, unusable.facts), now=self._now()
            )
        except SlackError as fault:
            log.warning("batch.try_failed", batch=batch_id, error=str(fault))
            if batch.tries + 1 >= MAX_TRIES:
                await self._database.write(
                    batch_commits.refuse, batch_id, encode_fault(FileCode.SLACK_AWAY, {}), now=self._now()
                )
                return
            wait = retry_in(batch.tries + 1, jitter=self._rng.random())
            await self._database.write(batches.reschedule, batch_id, at=self._now() + wait)

    async def _read(self, batch: Batch) -> ReadApplicants:
        message = await self._slack.message(channel=batch.channel, ts=batch.source_ts, thread_ts=batch.source_thread_ts)
        if message is None:
            raise FileUnusable(FileCode.MESSAGE_GONE)
        found = [file_info(file) for file in message.get("files") or ()]
        loose = [file for file in found if kind_of(file) is FileKind.PHOTO]
        today = self._now().astimezone(self._zone).date()
        async with self._bundles.open(batch.files) as (files, _bundle):
            return await asyncio.to_thread(
                read, files, loose, id_types=self._id_types, today=today, limits=self._bundles.limits
            )

    async def _preview(self, batch: Batch) -> None:
        reading = await self._read(batch)
        now = self._now()
        since = now - self._settings.seen_before if self._settings.seen_before else None
        preview = await self._database.read(preview_of, reading, self._id_types, self._settings, since=since)
        faulty = {fault[0] for fault in preview["faults"]}
        repeats = {row for row, _why in preview["repeats"]} - faulty
        await self._database.write(
            batch_commits.show_preview,
            batch.id,
            preview,
            total=len(reading.applicants),
            ready=len(reading.applicants) - len(faulty) - len(repeats),
            repeats=len(repeats),
            now=now,
        )
        log.info("batch.read", batch=batch.id, rows=len(reading.applicants))

    async def _begin(self, batch: Batch) -> None:
        """Rows become checks, some at a time; begun again after a restart, it goes on where it was."""
        reading = await self._read(batch)
        if digest(reading) != batch.preview["digest"]:
            raise FileUnusable(FileCode.CHANGED)
        left_out = {int(row) for row, _why in batch.preview["repeats"]} if not batch.with_repeats else set()
        ready = [one for one in reading.applicants if not one.faults and one.row not in left_out]
        for start in range(0, len(ready), CHUNK):
            await self._database.write(self._insert, batch, ready[start : start + CHUNK], self._now())
        await self._database.write(
            batch_commits.move, batch.id, BatchState.SENDING, of=[BatchState.CONFIRMED], by=BOT, now=self._now()
        )

        def wake(tx: Transaction) -> None:
            refresh.batch_changed(tx, batch.id, now=self._now())
            tx.wake(checks.SUBMISSION)

        await self._database.write(wake)
        log.info("batch.begun", batch=batch.id, rows=len(ready))

    def _insert(self, tx: Transaction, batch: Batch, applicants: Sequence[Applicant], now: datetime) -> None:
        if batches.get(tx, batch.id).state is not BatchState.CONFIRMED:
            # Cancelled meanwhile.
            return
        known = batches.rows_known(tx, batch.id)
        for applicant in applicants:
            if applicant.row in known:
                continue
            request = _request(batch, applicant)
            while True:
                ref = reference(self._rng.getrandbits(40))
                if checks.find(tx, ref) is None:
                    break
            lifecycle.accept(tx, request, ref=ref, now=now)


def _request(batch: Batch, applicant: Applicant) -> Request:
    assert batch.consent_at is not None
    assert applicant.selfie is not None
    return Request(
        requester=batch.requester,
        team=batch.team,
        channel=batch.channel,
        thread_ts=batch.message_ts,
        view_id=f"{batch.id}:{applicant.row}",
        country=applicant.country,
        id_type=applicant.id_type,
        id_info=applicant.texts,
        customer_reference=applicant.customer_reference,
        photos=(
            _photo(applicant.selfie, PhotoKind.SELFIE, 0),
            *(_photo(source, PhotoKind.LIVENESS, n) for n, source in enumerate(applicant.liveness)),
        ),
        consent_at=batch.consent_at,
        again=batch.with_repeats,
        batch=batch.id,
        batch_row=applicant.row,
    )


def _photo(source: PhotoSource, kind: PhotoKind, position: int) -> PhotoRef:
    return PhotoRef(kind=kind, position=position, file_id=source.file_id, inside=source.inside)


def applicants_in(files: Sequence[FileInfo]) -> bool:
    """Whether a message holds a table or a zip."""
    return any(kind_of(file) is FileKind.APPLICANTS for file in files)
