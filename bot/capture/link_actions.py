"""What people of the workspace do with a customer's link: it is made with the check, renewed, and withdrawn."""

import base64
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.capture.links import TOKEN_BYTES, CaptureLink, LinkEnding, half_time
from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, State
from bot.errors import IllegalMove, RecordAltered, Refusal, Refused
from bot.outbox import link_files, link_notices, refresh
from bot.submission import lifecycle
from storage import batches, capture_links, checks
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

CHUNK = 10
"""Links that are made anew by one function: it runs to its end, and forms wait for it."""


def make(
    tx: Transaction, ref: str, *, by: str, hours: int, rng: random.Random, now: datetime, in_file: bool = False
) -> CaptureLink:
    """A link for a check that waits for photos, and the message that brings it to who makes it.

    `in_file`: it has no message of its own; the caller has it sent with others (`link_files.made`).

    Raises ConstraintFailed while another one is open, IllegalMove where nothing is waited for.
    """
    if checks.get(tx, ref, sealed=False).state is not State.AWAITING_PHOTOS:
        raise IllegalMove(f"{ref} waits for no photos")
    token = base64.urlsafe_b64encode(rng.randbytes(TOKEN_BYTES)).rstrip(b"=").decode()
    until = now + timedelta(hours=hours)
    link = capture_links.add(tx, ref, token, by=by, expires_at=until, remind_at=half_time(now, until), now=now)
    if not in_file:
        link_notices.made(tx, link, now=now)
    return link


def renew(
    tx: Transaction, ref: str, *, by: str, hours: int, rng: random.Random, now: datetime, in_file: bool = False
) -> CaptureLink:
    """A new link in place of the one before, which works no more from this commit on. Raises IllegalMove."""
    link_notices.end(tx, ref, LinkEnding.REPLACED, by=by, now=now)
    link = make(tx, ref, by=by, hours=hours, rng=rng, now=now, in_file=in_file)
    # Whoever has the link could take the photos: like the requester's, their own check is for others to decide.
    checks.also_asked_by(tx, ref, by)
    refresh.check_changed(tx, ref, now=now)
    return link


class LinkActions(Process):
    """The buttons of a link, for who asked for the check, and for admins."""

    async def renew(self, user: str, ref: str) -> None:
        """A new link, which comes to this person; the earlier one works no more. Raises Refused."""
        await self._may(user, ref)
        if not self.settings.offers_links:
            raise Refused(Refusal.LINKS_OFF)
        try:
            link = await self.database.write(
                renew, ref, by=user, hours=self.settings.link_hours, rng=self.rng, now=self.now()
            )
        except IllegalMove:
            raise await self._too_late(ref) from None
        log.info("link.renewed", ref=ref, number=link.number)

    async def withdraw(self, user: str, ref: str) -> None:
        """Cancels the check, and its link with it. Raises Refused."""
        check = await self._may(user, ref)
        if check.state is not State.AWAITING_PHOTOS:
            raise await self._too_late(ref)
        try:
            await self.database.write(lifecycle.cancel, ref, by=user, now=self.now(), ending=LinkEnding.WITHDRAWN)
        except IllegalMove:
            raise await self._too_late(ref) from None
        log.info("link.withdrawn", ref=ref)

    async def renew_file(self, user: str, batch_id: str) -> None:
        """New links for those of a file's customers who have taken no photos, in one file to this person.

        Links that came by a message of their own stay. Raises Refused.
        """
        batch = await self.database.read(batches.find, batch_id, sealed=False)
        is_own = batch is not None and batch.requester == user
        refusal = self.access.no_access() if is_own else Refused(Refusal.BATCH_NOT_YOURS)
        (await self.access.may(user, Right.LINK, own=is_own)).require(refusal)
        if not self.settings.offers_links:
            raise Refused(Refusal.LINKS_OFF)
        waiting = await self.database.read(capture_links.of_file, batch_id, waiting=True)
        renewed = 0
        for start in range(0, len(waiting), CHUNK):
            renewed += await self.database.write(self._renew_some, waiting[start : start + CHUNK], user, self.now())
        if not renewed:
            raise Refused(Refusal.BATCH_MOVED_ON)
        await self.database.write(link_files.renewed, batch_id, by=user, count=renewed, now=self.now())
        log.info("link.file_renewed", batch=batch_id, links=renewed)

    def _renew_some(self, tx: Transaction, links: Sequence[CaptureLink], by: str, now: datetime) -> int:
        renewed = 0
        for link in links:
            newest, state = capture_links.open_one(tx, link.ref), checks.get(tx, link.ref, sealed=False).state
            if newest is None or newest.number != link.number or state is not State.AWAITING_PHOTOS:
                continue  # its customer, or somebody else, was faster
            renew(tx, link.ref, by=by, hours=self.settings.link_hours, rng=self.rng, now=now, in_file=True)
            renewed += 1
        return renewed

    async def _may(self, user: str, ref: str) -> Check:
        check = await self.database.read(checks.find, ref)
        is_own = check is not None and check.requester == user
        refusal = self.access.no_access() if is_own else Refused(Refusal.LINK_NOT_YOURS, ref=ref)
        (await self.access.may(user, Right.LINK, own=is_own)).require(refusal)
        if check is None:
            raise refusal
        if check.is_altered:
            raise RecordAltered(ref)
        return check

    async def _too_late(self, ref: str) -> Refused:
        """The customer, or somebody else, was faster."""
        check = await self.database.read(checks.get, ref)
        return Refused(Refusal.LINK_ENDED if check.state in FINAL else Refusal.LINK_TOO_LATE, ref=ref)
