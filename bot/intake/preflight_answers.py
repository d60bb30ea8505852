"""Answers to a question of the preflight: send anyway, send other photos, withdraw; and reminders without one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.permissions import Access, Role
from bot.domain.check.check import Check
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.request import FileInfo, photo_faults
from bot.errors import IllegalMove, Refusal, Refused
from bot.intake.service import photos_of
from bot.submission import lifecycle
from storage import checks, preflight_holds
from storage.audit import BOT
from storage.engine.database import Database

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class PreflightAnswers:
    database: Database
    access: Access
    liveness_required: bool
    now: Callable[[], datetime]

    async def let_pass(self, user: str, ref: str) -> None:
        """Sends the check anyway. Raises Refused."""
        await self._may_answer(user, ref)
        if not await self.database.write(lifecycle.let_pass, ref, by=user, now=self.now()):
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
        """Sends the check with other photos; returns faults by field. Raises Refused."""
        await self.may_replace(user, ref)
        faults = photo_faults(selfie, liveness, liveness_required=self.liveness_required)
        if faults:
            return faults
        photos = photos_of(selfie, liveness)
        if not await self.database.write(lifecycle.replace_photos, ref, photos, by=user, now=self.now()):
            raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
        log.info("check.photos_replaced", ref=ref)
        return {}

    async def tick(self) -> None:
        """Reminds once of an open question; cancels a check whose question nobody answered."""
        for ref in await self.database.read(preflight_holds.unanswered, now=self.now()):
            try:
                # The time of this write: the machine's clock may have been set since the rows were found.
                cancelled = await self.database.write(lifecycle.remind_or_cancel, ref, by=BOT, now=self.now())
            except IllegalMove:
                # Somebody answered in between.
                continue
            log.info("check.unanswered", ref=ref, state="cancelled" if cancelled else "reminded")

    async def _may_answer(self, user: str, ref: str) -> Check:
        check = await self.database.read(checks.find, ref)
        is_own = check is not None and check.requester == user
        refusal = self.access.no_access() if is_own else Refused(Refusal.QUESTION_NOT_YOURS)
        (await self.access.has(user, Role.ADMIN, *([Role.REQUESTER] if is_own else []))).require(refusal)
        if check is None:
            raise refusal
        return check
