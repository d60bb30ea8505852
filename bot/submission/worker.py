"""Submits accepted checks to Smile ID, in steps with a checkpoint between them, since a crash may fall anywhere.

The steps of a pass: `reconciliation` asks Smile ID about an answer that was lost, `photos` loads the photos from
`slack_photos`, `preflight` may ask the requester first, `sender` goes through the `checkpoints`. Failures go to
`retries`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.domain.check.check import Check, PhotoRef, PhotosBy
from bot.domain.check.states import State
from bot.domain.outbox import encode_fault
from bot.domain.results.attempt import Attempt
from bot.errors import EditedMeanwhile, IllegalMove, PhotoUnusable, RecordAltered, SlackError
from bot.submission import checkpoints
from bot.submission.photo_memory import PhotoMemory, Share
from bot.submission.photos import LoadedPhoto, PhotoLoader
from bot.submission.preflight import Preflight
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from bot.submission.sender import Sender
from bot.submission.slack_photos import SlackPhotos
from bot.submission.weighted_semaphore import WeightedSemaphore, suspended
from storage import attempts, batches, checks, due, leases
from storage.engine.database import Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
"""Longer than a pass may take (`PASS_SECONDS`), and void at every start. Two passes over one check would pay twice."""
LOOK_AGAIN_AFTER = timedelta(hours=1)
"""At a check whose record was altered: it may be mended by whoever altered it, and is not sent before."""
PASS_SECONDS = 8 * 60.0
"""A pass that takes longer is cancelled, and its attempt is in doubt. Time in a queue for its photos does not count."""
CHECKS_AT_ONCE = 128
"""Under way at once; how many of them have photos in memory is up to `PhotoMemory`."""
ROWS_AT_ONCE = 96
"""Of those, rows of batches: a check from a form finds a place while Smile ID takes its time for them."""
ROWS_PREPARED_AT_ONCE = 16
"""Of those in turn, rows that are prepared, which is all work of this machine's: enough for its cores. More would only
queue for threads and the writer, and whatever somebody waits for would queue behind them.
"""


@dataclass(slots=True, kw_only=True, eq=False)
class SubmissionWorker(Process):
    slack_photos: SlackPhotos
    photo_loader: PhotoLoader
    memory: PhotoMemory
    preflight: Preflight
    retries: RetryPolicy
    reconciler: Reconciler
    sender: Sender
    pass_seconds: float
    under_way: UnderWay = field(default_factory=UnderWay, init=False)
    _turns: WeightedSemaphore = field(default_factory=lambda: WeightedSemaphore(ROWS_PREPARED_AT_ONCE), init=False)

    async def claim(self, limit: int) -> list[str]:
        if not await self.access.is_settled():
            # With the token of another workspace Slack would refuse every photo, and checks would end without them.
            return []
        now = self.now()
        return await self.database.write(
            due.claim_due,
            now=now,
            until=now + LEASE,
            limit=limit,
            under_way=self.under_way.keys,
            of_batches=ROWS_AT_ONCE,
        )

    async def give_up(self, refs: Sequence[str]) -> None:
        await self.database.write(leases.give_up, "verifications", "ref", refs, now=self.now())

    async def work(self, ref: str) -> None:
        """Take one check as far as possible now; after a failure it is due for a retry."""
        await self.under_way.run(ref, lambda: self._one_pass(ref))

    async def _one_pass(self, ref: str) -> None:
        try:
            async with asyncio.timeout(self.pass_seconds) as limit:
                await self._until_unedited(ref, limit)
        except (IllegalMove, RecordAltered) as late:
            # Between our reading and our writing it was cancelled, a callback or poll moved it, or its record altered.
            log.info("check.left", ref=ref, error=str(late))
        except Exception:
            log.exception("check.pass_failed", ref=ref)
            await self.reconciler.pass_failed(ref)

    async def _until_unedited(self, ref: str, limit: asyncio.Timeout) -> None:
        """Once more from the beginning, if its requester edits the check, or runs it again, while it is prepared."""
        while True:
            try:
                await self._pass(ref, limit)
                return
            except EditedMeanwhile:
                # What was loaded is not what shall be sent; and this pass has the check, so that no other takes it.
                log.info("check.edited_meanwhile", ref=ref)
                now = self.now()
                if not await self.database.write(due.lease_again, ref, now=now, until=now + LEASE):
                    return

    async def _pass(self, ref: str, limit: asyncio.Timeout) -> None:
        stored = await self.database.read(_as_stored, ref)
        check, attempt = stored.check, stored.attempt
        if check.is_altered:
            # Not sent, nor ended: what it says of itself is not the bot's word.
            await self.database.write(checks.postpone, ref, until=self.now() + LOOK_AGAIN_AFTER, counts=False)
            return
        if check.state not in (State.REQUESTED, State.SUBMITTING):
            return
        if attempt is not None and stored.is_heard_of:
            # A callback came before the answer to our photos: even if that answer was lost, the photos have arrived.
            await self.reconciler.received(check, attempt, "callback")
            return
        if attempt is not None and attempt.in_doubt_since is not None:
            attempt = await self.reconciler.settle(check, attempt)
            if attempt is None:
                return
        if check.photos_by is PhotosBy.LINK:
            # Smile ID does not have them, and nor does the bot: they were with whoever handed them in.
            await self.database.write(checkpoints.photos_lost, ref, now=self.now())
            return
        async with self.memory.share(of_file=check.batch is not None, limit=limit) as share:
            async with self._turn(stored.photos, limit):
                photos = await self._photos(stored, share, limit)
                if photos is not None:
                    attempt = attempt or await self._begin(check, photos)
            if photos is not None and attempt is not None:
                await self.sender.send(check, attempt, photos)

    @asynccontextmanager
    async def _turn(self, refs: Sequence[PhotoRef], limit: asyncio.Timeout) -> AsyncIterator[None]:
        """Around what prepares a row. None queues whose photos come from Slack by themselves, at a pace of its own."""
        if any(ref.inside is None for ref in refs):
            yield
            return
        with suspended(limit):
            await self._turns.take(1)
        try:
            yield
        finally:
            self._turns.give_back(1)

    async def _photos(self, stored: "_Stored", share: Share, limit: asyncio.Timeout) -> Sequence[LoadedPhoto] | None:
        """All photos, ready to be sent; None when the check ended or waits because of them."""
        check = stored.check
        try:
            origin = self.slack_photos.of(stored.files)
            return await self.photo_loader.load(stored.photos, origin, share=share, limit=limit)
        except PhotoUnusable as unusable:
            log.info("check.photo_unusable", ref=check.ref, error=unusable.code.value)
            await self.retries.fail(check, "photo", encode_fault(unusable.code, unusable.facts))
        except SlackError as fault:
            await self.retries.reschedule(check, fault, gives_up_as="slack_away")
        return None

    async def _begin(self, check: Check, photos: Sequence[LoadedPhoto]) -> Attempt | None:
        """Store what the photos are, and either the question that they raise or checkpoint (a): all in one commit.

        None when the check waits for an answer, or for Smile ID's record.
        """
        hold = await self.preflight.judge(check, photos)
        sizes = [(it.ref, it.size, it.photo.sha256) for it in photos]
        suppliers = {person for it in photos for person in it.supplied_by if person}

        def commit(tx: Transaction, now: datetime) -> Attempt | None:
            if check.photos_checked_at is None:
                checkpoints.photos_checked(tx, check, sizes, suppliers, now=now)
            if check.state is State.REQUESTED and hold(tx, now):
                return None
            return checkpoints.record(tx, check, replaces=None, settings=self.settings, now=now)

        attempt = await self.database.write(commit, self.now())
        return await self.sender.recorded(check, attempt) if attempt is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A check as a pass begins."""

    check: Check
    attempt: Attempt | None
    """That of its own round which counts."""
    is_heard_of: bool
    """Smile ID has spoken of the attempt's job."""
    photos: Sequence[PhotoRef]
    files: Sequence[str]
    """Those of its batch, if it has one."""


def _as_stored(tx: Transaction, ref: str) -> _Stored:
    check, attempt = checks.get(tx, ref), attempts.latest(tx, ref)
    return _Stored(
        check=check,
        attempt=attempt,
        is_heard_of=attempt is not None and attempts.heard_of(tx, attempt.job_id),
        photos=checks.photos(tx, ref),
        files=batches.files(tx, check.batch) if check.batch is not None else (),
    )
