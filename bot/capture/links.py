"""What a customer does with a link before any photo is taken: opens it, agrees, or declines; and how its time runs out.

Each is one transaction: the link, the check, the audit trail and what the thread shows are written together. People of
the workspace make, renew and withdraw links elsewhere.
"""

from datetime import datetime

import structlog

from bot.access.process import Process
from bot.capture import assets
from bot.capture.interface import OpenedLink
from bot.domain.capture.links import CaptureLink, Decline, LinkEnding, LinkStep
from bot.domain.check.check import CUSTOMER, Check, require_unerased
from bot.domain.check.masking import tail
from bot.domain.check.states import State
from bot.errors import IllegalMove, LinkGone, NewerDevice, NotAgreed, RecordAltered, Refused
from bot.outbox import link_files, link_notices, refresh
from bot.settings import Settings
from bot.submission import checkpoints, lifecycle
from storage import audit, capture_links, checks
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

_HIDDEN = "•••• "
"""As long for every number: how long one is tells something, too."""


class CaptureLinks(Process):
    """A link is looked up first, and again as it is written: whoever has none never keeps the writer busy."""

    async def open(self, token: str, device: str) -> OpenedLink:
        """Make this the link's device: the newest one wins, and is asked for consent again. A repeat changes nothing.

        Raises LinkGone; also for another device once the photos are taken.
        """
        await self.database.read(_standing, token, device, now=self.now())
        return await self.database.write(self._open, token, device, now=self.now())

    async def agree(self, token: str, device: str, *, notice: str, language: str) -> LinkStep:
        """The customer agrees to the notice of this version. A repeat changes nothing.

        Raises LinkGone, NewerDevice; NotAgreed where today's notice is another one than was read.
        """
        await self.database.read(_of_device, token, device, now=self.now())
        if notice != assets.NOTICE or language not in assets.LANGUAGES:
            raise NotAgreed
        return await self.database.write(_agree, token, device, notice=notice, language=language, now=self.now())

    async def decline(self, token: str, device: str, *, reason: Decline) -> None:
        """Cancel the check, until photos are on their way. A repeat by the same device changes nothing.

        Raises LinkGone, NewerDevice.
        """
        if not await self.database.read(_has_declined, token, device):
            await self.database.read(_of_device, token, device, now=self.now())
            await self.database.write(_decline, token, device, reason=reason, now=self.now())

    async def tick(self) -> None:
        """Called each minute: cancels checks whose link is over its time; once half of that is over, reminds.

        Links of a file that were made, and that nobody was sent since a kill or a fault came between, are sent. First
        Smile ID is asked about those that a backup which was put back knows to be waiting.
        """
        for ref in await self.database.read(capture_links.unasked_since_restore):
            try:
                await self.database.write(_ask_after_restore, ref, settings=self.settings, now=self.now())
            except (IllegalMove, RecordAltered) as fault:
                log.warning("link.not_asked_about", ref=ref, error=type(fault).__name__)
        for ref in await self.database.read(capture_links.expired, now=self.now()):
            try:
                is_over = await self.database.write(_expire, ref, now=self.now())
            except (IllegalMove, RecordAltered) as fault:
                log.warning("link.not_expired", ref=ref, error=type(fault).__name__)
                continue
            if is_over:
                log.info("link.expired", ref=ref)
        for ref in await self.database.read(capture_links.to_remind, now=self.now()):
            await self.database.write(_remind, ref, now=self.now())
        for batch_id, by in await self.database.read(link_files.forgotten, now=self.now()):
            await self.database.write(link_files.made, batch_id, by=by, now=self.now())
            log.warning("link.file_made_up_for", batch=batch_id)

    def _open(self, tx: Transaction, token: str, device: str, *, now: datetime) -> OpenedLink:
        link, check = _standing(tx, token, device, now=now)
        is_theirs = capture_links.is_device(link, device)
        if link.step is LinkStep.TAKEN and not is_theirs:
            raise LinkGone
        if not is_theirs and capture_links.opened(tx, link, device, now=now):
            refresh.check_changed(tx, check.ref, now=now)
            link = capture_links.get(tx, link.ref, link.number)
        kind = self.id_types.find(check.country, check.id_type)
        return OpenedLink(
            country=self.id_types.country_name(check.country),
            id_type=kind.label if kind is not None else check.id_type,
            number=_HIDDEN + tail(check.id_info.get("id_number", "")),
            step=link.step,
            expires_at=link.expires_at,
        )


def _standing(tx: Transaction, token: str, device: str, *, now: datetime) -> tuple[CaptureLink, Check]:
    """A link that the customer can go on with, or whose photos this device has handed in. Raises LinkGone."""
    link = capture_links.by_token(tx, token)
    if link is None:
        raise LinkGone
    check = checks.get(tx, link.ref)
    is_used = link.ending is LinkEnding.USED and capture_links.is_device(link, device)
    is_waited_for = link.is_open(now) and check.state in (State.AWAITING_PHOTOS, State.SUBMITTING)
    if check.is_altered or link.round != check.round or not (is_waited_for or is_used):
        raise LinkGone
    try:
        require_unerased(check)
    except Refused as erased:
        raise LinkGone from erased
    return link, check


def _of_device(tx: Transaction, token: str, device: str, *, now: datetime) -> tuple[CaptureLink, Check]:
    """The same, for the device that opened it last. Raises LinkGone, NewerDevice."""
    link, check = _standing(tx, token, device, now=now)
    if not capture_links.is_device(link, device):
        raise LinkGone if link.step is LinkStep.TAKEN else NewerDevice
    return link, check


def _agree(tx: Transaction, token: str, device: str, *, notice: str, language: str, now: datetime) -> LinkStep:
    link, check = _of_device(tx, token, device, now=now)
    if capture_links.agreed(tx, link, notice=notice, language=language, now=now):
        refresh.check_changed(tx, check.ref, now=now)
    return capture_links.get(tx, link.ref, link.number).step


def _has_declined(tx: Transaction, token: str, device: str) -> bool:
    link = capture_links.by_token(tx, token)
    declined = {reason.ending for reason in Decline}
    return link is not None and link.ending in declined and capture_links.is_device(link, device)


def _decline(tx: Transaction, token: str, device: str, *, reason: Decline, now: datetime) -> None:
    if _has_declined(tx, token, device):
        return
    _link, check = _of_device(tx, token, device, now=now)
    try:
        lifecycle.cancel(tx, check.ref, by=CUSTOMER, ending=reason.ending, now=now)
    except IllegalMove as late:
        # Photos are on their way: nothing can be taken back any more. The ended link is rolled back with this.
        raise LinkGone from late


def _ask_after_restore(tx: Transaction, ref: str, *, settings: Settings, now: datetime) -> None:
    """Leave it to a worker, which finds out whether Smile ID has the photos; if not, the customer is waited for again.

    Their page has heard that all is done: without this they would never come, and what was paid for would be lost.
    """
    check = checks.get(tx, ref)
    if check.state is State.AWAITING_PHOTOS and not check.is_altered:
        # It has the job id of the attempt that the backup does not know, and is in doubt.
        checkpoints.record(tx, check, replaces=None, settings=settings, now=now)
        checks.postpone(tx, ref, until=now, counts=False)
        tx.wake(checks.SUBMISSION)


def _expire(tx: Transaction, ref: str, *, now: datetime) -> bool:
    """False where the customer, or somebody else, was faster."""
    link = capture_links.open_one(tx, ref)
    if link is None or link.is_open(now) or checks.get(tx, ref, sealed=False).state is not State.AWAITING_PHOTOS:
        return False
    # Most links of a file may expire at once: its own message counts them.
    tell = checks.whereabouts(tx, ref).batch is None
    lifecycle.cancel(tx, ref, by=audit.BOT, ending=LinkEnding.EXPIRED, now=now, tell=tell)
    return True


def _remind(tx: Transaction, ref: str, *, now: datetime) -> None:
    link = capture_links.reminded(tx, ref, now=now)
    if link is None:
        return
    batch_id = checks.whereabouts(tx, ref).batch
    if batch_id is None or link_notices.has_message(tx, link):
        link_notices.reminder(tx, link, now=now)
    else:
        link_files.reminder(tx, batch_id, link, now=now)
