"""Brings an accepted request to Smile ID, in steps that a crash may fall between.

What a pass does, in this order: `reconciliation` asks Smile ID what became of an answer that was lost, `photos` loads
the photos, `preflight` may ask the requester first, `sender` goes through the three `checkpoints`. What fails is left
to `retries`.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.access.permissions import Access
from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import encode_fault
from bot.domain.results.attempt import Step
from bot.errors import IllegalMove, PhotoUnusable, SlackError, SlackRateLimited
from bot.settings import Settings
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.smile_id.interface import SmileID
from bot.submission import checkpoints
from bot.submission.photo_decoder import PhotoDecoder
from bot.submission.photos import LoadedPhoto, PhotoLoader
from bot.submission.preflight import Preflight
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from bot.submission.sender import Sender
from storage import attempts, checks, due
from storage.engine.database import Database
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
"""Longer than a pass may take (`PASS_SECONDS`), and void at every start. Two passes over one check would pay twice."""
PASS_SECONDS = 8 * 60.0
"""A pass that takes longer is cancelled, and what it was sending is in doubt. Waiting to be decoded does not count."""
ROWS_AT_ONCE = 6
"""Rows of batches under way at once: each holds up to nine photos of ten megabytes in memory."""


class SubmissionWorker:
    """Sends checks that are due."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        files: SlackDownloads,
        smile_id: SmileID,
        access: Access,
        id_types: IDTypes,
        bundles: BatchFiles,
        decoder: PhotoDecoder,
        settings: Settings,
        now: Callable[[], datetime],
        rng: random.Random,
        pass_seconds: float = PASS_SECONDS,
    ) -> None:
        self._pass_seconds = pass_seconds
        self._database = database
        self._access = access
        self._now = now
        self._photo_loader = PhotoLoader(database=database, slack=slack, files=files, bundles=bundles, decoder=decoder)
        self._preflight = Preflight(database=database, id_types=id_types, settings=settings, now=now)
        self._retries = RetryPolicy(database=database, access=access, settings=settings, now=now, rng=rng)
        self._reconciler = Reconciler(
            database=database, smile_id=smile_id, retries=self._retries, settings=settings, now=now
        )
        self._sender = Sender(
            database=database,
            smile_id=smile_id,
            reconciler=self._reconciler,
            retries=self._retries,
            settings=settings,
            now=now,
        )
        self._under_way = UnderWay()

    async def claim(self, limit: int) -> list[str]:
        """References of checks that are due, ours until the lease ends."""
        if not await self._access.is_settled():
            # With the token of another workspace Slack would refuse every photo, and checks would end without them.
            return []
        now = self._now()
        return await self._database.write(
            due.claim_due,
            now=now,
            until=now + LEASE,
            limit=limit,
            under_way=self._under_way.keys,
            of_batches=ROWS_AT_ONCE,
        )

    async def work(self, ref: str) -> None:
        """Take one check as far as it goes now; a failure leaves it due for another try."""
        await self._under_way.run(ref, lambda: self._one_pass(ref))

    async def _one_pass(self, ref: str) -> None:
        try:
            async with asyncio.timeout(self._pass_seconds) as limit:
                await self._pass(ref, limit)
        except IllegalMove as late:
            # Between our reading and our writing it was cancelled, or a callback or poll moved it.
            log.info("check.left", ref=ref, error=str(late))
        except Exception:
            # Nobody knows how far the last call came: the attempt is put in doubt, and the failure counts as a try.
            log.exception("check.pass_failed", ref=ref)
            await self._broken_off(ref)

    async def _pass(self, ref: str, limit: asyncio.Timeout) -> None:
        check = await self._database.read(checks.get, ref)
        if check.state not in (State.REQUESTED, State.SUBMITTING):
            return
        attempt = await self._database.read(attempts.latest, ref)
        if attempt is not None and await self._database.read(attempts.heard_of, attempt.job_id):
            # A callback came before the answer to our photos: whatever became of that answer, the photos are there.
            await self._reconciler.received(check, attempt, "callback")
            return
        if attempt is not None and attempt.in_doubt_since is not None:
            attempt = await self._reconciler.settle(check, attempt)
            if attempt is None:
                return
        photos = await self._photos(check, limit)
        if photos is None:
            return
        if attempt is None:
            attempt = await self._sender.record(check)
            if attempt is None:
                return
        await self._sender.send(check, attempt, photos)

    async def _photos(self, check: Check, limit: asyncio.Timeout) -> Sequence[LoadedPhoto] | None:
        """All photos, ready to be sent; None when the check ended or was put off because of them."""
        refs = await self._database.read(checks.photos, check.ref)
        try:
            photos = await self._photo_loader.load(check, refs, limit=limit)
        except PhotoUnusable as unusable:
            log.info("check.photo_unusable", ref=check.ref, error=unusable.code.value)
            await self._retries.fail(check, "photo", encode_fault(unusable.code, unusable.facts))
            return None
        except SlackError as fault:
            asked = fault.retry_after if isinstance(fault, SlackRateLimited) else None
            await self._retries.reschedule(check, str(fault), asked_seconds=asked, gives_up_as="slack_away")
            return None
        if check.photos_checked_at is None:
            sizes = [(it.ref, it.size, it.photo.sha256) for it in photos]
            await self._database.write(checkpoints.photos_checked, check.ref, sizes, now=self._now())
        if check.state is State.REQUESTED and await self._preflight.hold(check, photos):
            return None
        return photos

    async def _broken_off(self, ref: str) -> None:
        """A pass failed for a reason that nobody foresaw, perhaps in the middle of a call."""
        check = await self._database.read(checks.get, ref)
        attempt = await self._database.read(attempts.latest, ref)
        if attempt is not None and attempt.step is not Step.SENT:
            await self._database.write(attempts.doubt, attempt.job_id, since=self._now())
        await self._retries.reschedule(check, "broken off", gives_up_as="fault" if attempt is None else "unsettled")
