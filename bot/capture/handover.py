"""Hands the photos that a customer has taken to Smile ID, while their page waits for the answer.

The photos are in memory alone and come once: nothing here waits for a person, and nobody else sends them. What they are
is judged and sent by the code that sends photos from Slack. If they do not arrive, the check waits for its customer
again, under the same job id; while that is in doubt, the worker asks Smile ID's record, and no photos are taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.capture.taken_photos import TAKEN, TakenPhotos, flawed, unusable
from bot.domain.capture.links import CaptureLink, LinkEnding, LinkStep
from bot.domain.capture.upload import unpack
from bot.domain.check.check import Check, PhotoKind, require_unerased
from bot.domain.check.states import State
from bot.domain.results.attempt import Attempt, Step
from bot.errors import (
    IllegalMove,
    LeaseLost,
    LinkGone,
    NewerDevice,
    NotAgreed,
    NotNow,
    PhotosFlawed,
    PhotosUnderWay,
    PhotoUnusable,
    RecordAltered,
    Refused,
)
from bot.submission import checkpoints
from bot.submission.photo_memory import PhotoMemory, Share
from bot.submission.photos import LoadedPhoto, PhotoLoader
from bot.submission.preflight import Preflight
from bot.submission.reconciliation import Reconciler
from bot.submission.sender import Sender
from storage import attempts, capture_links, checks, due
from storage.engine.database import Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

UPLOADS_AT_ONCE = 16
"""Under way at once, of all links: each may have a body of 12 MiB in memory."""
PREPARE_SECONDS = 30.0
"""For nine photos of a phone, which take less than one; time in a queue does not count."""
SEND_SECONDS = 50.0
"""For what is sent while a customer waits, which a proxy lets them do for a minute. Then it is in doubt."""
LEASE = timedelta(minutes=10)
"""Longer than that: until the answer is stored, no worker asks about these photos."""
BUSY_SECONDS = 3
"""When to try again that has found no place."""
AWAY_SECONDS = 10
"""When to try again what could not be sent."""
ASK_SECONDS = 10
"""When to ask again about what is in doubt: Smile ID's record needs ten seconds itself."""


@dataclass(slots=True, kw_only=True, eq=False)
class Handover(Process):
    photo_loader: PhotoLoader
    memory: PhotoMemory
    preflight: Preflight
    reconciler: Reconciler
    sender: Sender
    under_way: UnderWay
    """The worker's own: of a check that is sent here it works on nothing."""
    at_work: Callable[[], AbstractContextManager[None]] = nullcontext
    """Around what is sent on the lease of a check."""
    send_seconds: float = SEND_SECONDS
    _uploads: set[str] = field(default_factory=set, init=False)
    """By the references of their checks."""

    async def take(self, token: str, device: str, read: Callable[[], Awaitable[bytes]]) -> LinkStep:
        """Send the photos of the body that `read` gives; TAKEN once Smile ID has them, and for a repeat after that.

        `read` is called once, when nothing else stands in the way, and raises what it likes. Raises CaptureError:
        LinkGone, NewerDevice, NotAgreed, UploadMalformed, PhotosFlawed, PhotosUnderWay, and NotNow where the same
        photos may be handed in again. Must not be cancelled once `read` has returned: what was sent is in doubt then
        until the next start.
        """
        found = await self.database.read(_found, token, device, now=self.now())
        if found.is_sent:
            return LinkStep.TAKEN
        with self._place(found.check):
            if found.needs_asking:
                await self.database.write(_ask_first, found.check.ref, self.now())
                raise NotNow(ASK_SECONDS)
            await self.database.write(capture_links.tried, found.link)
            photos = TakenPhotos(unpack(await read()))
            try:
                with self.at_work():
                    return await self._hand_over(found.check.ref, token, device, photos)
            except LeaseLost as lost:
                # Whoever has ended this instance asks Smile ID what has arrived.
                raise NotNow(ASK_SECONDS) from lost

    @contextmanager
    def _place(self, check: Check) -> Iterator[None]:
        """One for each link, so many for all. Raises PhotosUnderWay, NotNow."""
        if check.ref in self._uploads:
            raise PhotosUnderWay
        if len(self._uploads) >= min(UPLOADS_AT_ONCE, max(1, self.settings.connections // 2 - 1)):
            raise NotNow(BUSY_SECONDS)
        with self.under_way.only(check.ref) as is_only:
            if check.state is State.SUBMITTING or not is_only:
                # It is in doubt whether Smile ID has photos of an earlier try: a worker asks.
                raise NotNow(ASK_SECONDS)
            self._uploads.add(check.ref)
            try:
                yield
            finally:
                self._uploads.remove(check.ref)

    async def _hand_over(self, ref: str, token: str, device: str, photos: TakenPhotos) -> LinkStep:
        try:
            async with (
                asyncio.timeout(PREPARE_SECONDS) as limit,
                self.memory.share(of_file=False, limit=limit) as share,
            ):
                loaded = await self._load(ref, photos, share, limit)
                limit.reschedule(None)  # from here on there is another limit, and what passes it is in doubt
                check, attempt = await self._begin(token, device, loaded)
                await self._send(check, attempt, loaded)
        except TimeoutError as late:
            raise NotNow(BUSY_SECONDS) from late
        return await self._outcome(ref)

    async def _load(self, ref: str, photos: TakenPhotos, share: Share, limit: asyncio.Timeout) -> Sequence[LoadedPhoto]:
        """What would be sent. Raises PhotosFlawed: the customer is there and can take them again."""
        try:
            loaded = await self.photo_loader.load(TAKEN, photos, share=share, limit=limit)
        except PhotoUnusable as fault:
            flaws = [unusable(fault)]
        else:
            flaws = flawed(loaded)
            if not flaws:
                return loaded
        log.info("photos.flawed", ref=ref, error=", ".join(sorted({flaw.flaw for flaw in flaws})))
        raise PhotosFlawed(flaws)

    async def _begin(self, token: str, device: str, photos: Sequence[LoadedPhoto]) -> tuple[Check, Attempt]:
        """Checkpoint (a): what the photos are, the customer's consent, and the attempt, all in one commit.

        Everything is looked at once more: meanwhile the link may have ended, been opened elsewhere, or handed in more.
        """
        selfie = next(it.photo for it in photos if it.ref.kind is PhotoKind.SELFIE)
        sizes = [(it.ref, it.size, it.photo.sha256) for it in photos]

        def commit(tx: Transaction, now: datetime) -> tuple[Check, Attempt]:
            found = _found(tx, token, device, now=now)
            check, link = found.check, found.link
            if found.needs_asking or check.state is not State.AWAITING_PHOTOS:
                raise NotNow(ASK_SECONDS)
            if link.agreed_at is None or not capture_links.taken(tx, link, now=now):
                raise LinkGone
            checks.keep_photos(tx, check.ref, TAKEN)
            checks.forget_photo_checks(tx, check.ref)
            checks.photos_taken(tx, check.ref, agreed_at=link.agreed_at, notice=link.notice or "", now=now)
            check = checks.get(tx, check.ref)
            checkpoints.photos_checked(tx, check, sizes, now=now)
            self.preflight.call_reviewers(tx, check, selfie.sha256, now=now)
            attempt = checkpoints.record(tx, check, replaces=None, settings=self.settings, now=now)
            due.lease(tx, check.ref, now=now, until=now + LEASE)
            return check, attempt

        try:
            return await self.database.write(commit, self.now())
        except (IllegalMove, Refused, RecordAltered) as over:
            # Withdrawn, expired, erased or altered, all of which the customer hears in one and the same way.
            raise LinkGone from over

    async def _send(self, check: Check, attempt: Attempt, photos: Sequence[LoadedPhoto]) -> None:
        """Checkpoints (b) and (c). Whatever is raised in here is stored as a doubt, and never told as a failure."""
        try:
            async with asyncio.timeout(self.send_seconds):
                recorded = await self.sender.recorded(check, attempt)
                if recorded is not None:
                    await self.sender.send(check, recorded, photos)
        except (IllegalMove, RecordAltered) as late:
            log.info("check.left", ref=check.ref, error=str(late))
        except Exception:
            log.exception("check.pass_failed", ref=check.ref)
            await self.reconciler.pass_failed(check.ref)

    async def _outcome(self, ref: str) -> LinkStep:
        """What the customer hears, by what is stored now."""
        check, attempt = await self.database.read(_as_stored, ref)
        if attempt is not None and attempt.step is Step.SENT:
            return LinkStep.TAKEN
        match check.state:
            case State.AWAITING_PHOTOS:
                raise NotNow(AWAY_SECONDS)
            case State.SUBMITTING:
                raise NotNow(ASK_SECONDS)
            case _:
                # Smile ID has refused the check, for instance; its requester hears why.
                raise LinkGone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A link that the caller may hand photos in by, and its check."""

    link: CaptureLink
    check: Check
    is_sent: bool
    """Smile ID has its photos: the page repeats what it has not heard the answer to."""
    needs_asking: bool
    """An attempt of before may have arrived after all, which a restart or a message of Smile ID says."""


def _found(tx: Transaction, token: str, device: str, *, now: datetime) -> _Found:
    """Raises LinkGone, NewerDevice, NotAgreed."""
    link = capture_links.by_token(tx, token)
    if link is None:
        raise LinkGone
    check, attempt = _as_stored(tx, link.ref)
    is_theirs, is_sent = capture_links.is_device(link, device), link.ending is LinkEnding.USED
    if check.is_altered or not (link.is_open(now) or (is_sent and is_theirs)):
        raise LinkGone
    if not is_theirs:
        # Once its photos are taken, the link is no other device's any more.
        raise LinkGone if link.step is LinkStep.TAKEN else NewerDevice
    if link.agreed_at is None:
        raise NotAgreed
    try:
        require_unerased(check)
    except Refused as erased:
        raise LinkGone from erased
    if not is_sent and check.state not in (State.AWAITING_PHOTOS, State.SUBMITTING):
        raise LinkGone
    needs_asking = attempt is not None and (attempt.in_doubt_since is not None or attempts.heard_of(tx, attempt.job_id))
    return _Found(link=link, check=check, is_sent=is_sent, needs_asking=needs_asking)


def _as_stored(tx: Transaction, ref: str) -> tuple[Check, Attempt | None]:
    return checks.get(tx, ref, sealed=False), attempts.latest(tx, ref)


def _ask_first(tx: Transaction, ref: str, now: datetime) -> None:
    """Leave a check that waits for photos to the worker, which asks Smile ID whether it has some."""
    if checks.get(tx, ref, sealed=False).state is State.AWAITING_PHOTOS:
        checkpoints.ask_first(tx, ref, now=now)
