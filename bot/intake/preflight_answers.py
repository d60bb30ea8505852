"""Checks that wait for an answer: sent all the same, with other photos, or not at all; and what silence brings."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.access.permissions import Access, Permission, Role
from bot.domain.check.check import Check, PhotoKind, PhotoRef
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.request import FileInfo, photo_faults
from bot.errors import IllegalMove, Refusal, Refused
from bot.submission import lifecycle
from storage import checks, preflight_holds
from storage.audit import BOT
from storage.engine.database import Database

log = structlog.get_logger(__name__)


class PreflightAnswers:
    """Takes the answers."""

    def __init__(
        self, *, database: Database, access: Access, liveness_required: bool, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._access = access
        self._liveness_required = liveness_required
        self._now = now

    async def let_pass(self, user: str, ref: str) -> None:
        """Send it all the same. Raises Refused."""
        await self._may_answer(user, ref)
        if not await self._database.write(lifecycle.let_pass, ref, by=user, now=self._now()):
            raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
        log.info("check.let_pass", ref=ref)

    async def may_replace(self, user: str, ref: str) -> Check:
        """The check whose photos this person may replace. Raises Refused."""
        check = await self._may_answer(user, ref)
        if check.held is None:
            raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
        return check

    async def replace_photos(
        self, user: str, ref: str, *, selfie: Sequence[FileInfo], liveness: Sequence[FileInfo]
    ) -> dict[str, FieldFault]:
        """Send it with other photos; faults by field, or nothing. Raises Refused."""
        await self.may_replace(user, ref)
        faults = photo_faults(selfie, liveness, liveness_required=self._liveness_required)
        if faults:
            return faults
        photos = [
            *(PhotoRef(kind=PhotoKind.SELFIE, position=n, file_id=file.id) for n, file in enumerate(selfie)),
            *(PhotoRef(kind=PhotoKind.LIVENESS, position=n, file_id=file.id) for n, file in enumerate(liveness)),
        ]
        if not await self._database.write(lifecycle.replace_photos, ref, photos, by=user, now=self._now()):
            raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
        log.info("check.photos_replaced", ref=ref)
        return {}

    async def tick(self) -> None:
        """Remind once of a question that waits; withdraw a check whose question nobody answered."""
        for ref in await self._database.read(preflight_holds.unanswered, now=self._now()):
            try:
                # The time of this very write: the clock may have been set since the rows were found.
                cancelled = await self._database.write(lifecycle.remind_or_cancel, ref, by=BOT, now=self._now())
            except IllegalMove:
                # Answered in this very moment.
                continue
            log.info("check.silence", ref=ref, state="cancelled" if cancelled else "reminded")

    async def _may_answer(self, user: str, ref: str) -> Check:
        check = await self._database.read(checks.find, ref)
        is_own = check is not None and check.requester == user
        match await self._access.has(user, Role.ADMIN, *([Role.REQUESTER] if is_own else [])):
            case Permission.YES if check is not None:
                return check
            case Permission.UNKNOWN:
                raise Refused(Refusal.NOT_SURE)
            case Permission.YES | Permission.NO:
                raise self._access.no_access() if is_own else Refused(Refusal.QUESTION_NOT_YOURS)


LOOK_EVERY = timedelta(minutes=1)
