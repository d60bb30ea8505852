"""Asks the requester before a check is paid for: about photos that look unusable, or a selfie that was checked before.

The check is held until somebody answers: send it anyway, or with other photos. `photo_quality` judges the photos.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import structlog

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.check import Check, HoldReason, PhotoKind
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.other_photos import with_kept
from bot.domain.check.photo_quality import Flaw, same_pictures
from bot.domain.check.request import FileInfo, photo_faults, photos_of
from bot.domain.id_types.id_types import IDType
from bot.domain.review.requests import RequestKind, ReviewRequest, needs_reason
from bot.errors import IllegalMove, RecordAltered, Refusal, Refused
from bot.review import transitions
from bot.settings import Environment, Settings
from bot.submission import lifecycle
from bot.submission.budget import Budget
from bot.submission.photos import LoadedPhoto
from storage import audit, checks, preflight_holds, review_requests
from storage.engine.database import Transaction
from storage.preflight_holds import SameSelfie

log = structlog.get_logger(__name__)


class Preflight(Process):
    # What the bot asks

    async def judge(self, check: Check, photos: Sequence[LoadedPhoto]) -> Callable[[Transaction, datetime], bool]:
        """Look at what would be sent; returns what a transaction then calls, before it has the check sent.

        That holds the check and asks its requester, if need be, and says whether it did. No question is repeated once
        it was answered.
        """
        selfie = next(it.photo for it in photos if it.ref.kind is PhotoKind.SELFIE)
        flaws = _flaws(photos)
        # Without an answer of Slack's they see their own: a question says that somebody was checked before.
        sees_all = await self.access.may(check.requester, Right.SEE_WHOLE) is Permission.YES

        def hold(tx: Transaction, now: datetime) -> bool:
            # Read in the transaction that holds the check: two checks with the same selfie cannot miss each other.
            checks.require_unedited(tx, check)
            passed = preflight_holds.passed(tx, check.ref)
            if flaws and HoldReason.PHOTOS.value not in passed:
                lifecycle.hold(tx, check.ref, HoldReason.PHOTOS, {"flaws": flaws}, now=now)
                return True
            if HoldReason.SELFIE_SEEN.value in passed:
                return False
            found = self._seen(tx, check, selfie.sha256, passed, now)
            visible = [one for one in found if sees_all or one.requester == check.requester]
            about = _about(visible, found)
            is_held = about is not None and lifecycle.hold(tx, check.ref, HoldReason.SELFIE_SEEN, about, now=now)
            if is_held or about is None:
                self._call_reviewers(tx, check.ref, found, now=now)
            return about is not None

        return hold

    def call_reviewers(self, tx: Transaction, check: Check, sha256: str, *, now: datetime) -> None:
        """Look whether the selfie was used in checks of others, where its check cannot be held to ask anybody."""
        passed = preflight_holds.passed(tx, check.ref)
        self._call_reviewers(tx, check.ref, self._seen(tx, check, sha256, passed, now), now=now)

    def _call_reviewers(self, tx: Transaction, ref: str, found: Sequence[SameSelfie], *, now: datetime) -> None:
        """The same face with another ID number is the strongest sign of fraud: not only the requester hears of it.

        Nor do they hear of a check that they may not see: then it is not held, and a reviewer has the last word.
        """
        if differing := _differing(found):
            channel = self.settings.review_channel
            transitions.suspect(tx, checks.get(tx, ref), differing, channel=channel, now=now)

    def _seen(
        self, tx: Transaction, check: Check, sha256: str, passed: Collection[str], now: datetime
    ) -> list[SameSelfie]:
        """The other checks in which this selfie was used lately, as far as somebody should hear of them."""
        entry = self.id_types.find(check.country, check.id_type)
        # The same selfie is often used with the test numbers.
        is_test = is_test_number(entry, check.id_info.get("id_number", ""), self.settings)
        if is_test or not self.settings.asks_about_selfies:
            return []
        found = preflight_holds.same_selfie(tx, check.ref, sha256, since=now - self.settings.seen_before)
        if checks.AGAIN in passed:
            # The form has already asked about checks of the same ID number.
            found = [one for one in found if not one.has_same_number]
        return found

    # What people answer

    async def may_pass(self, user: str, ref: str) -> Check:
        """The held check that this person may send anyway; `needs_reason` says whether a form asks why first."""
        check = await self._may_answer(user, ref)
        if check.held is None:
            raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
        return check

    async def let_pass(self, user: str, ref: str) -> None:
        """Sends the check anyway. Raises Refused."""
        await self._may_answer(user, ref)
        budget = Budget.of(self)

        def commit(tx: Transaction, now: datetime) -> None:
            # Another question may have been asked since the click was read, and this one wants a reason.
            if needs_reason(checks.get(tx, ref)) or not lifecycle.let_pass(tx, ref, by=user, now=now, budget=budget):
                raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)

        await self.database.write(commit, self.now())
        log.info("check.let_pass", ref=ref)

    async def send_anyway(self, user: str, ref: str, *, reason: str, words: str, form_id: str) -> None:
        """The same with the reason, which reviewers read on their card. The same form sent twice sends once."""
        await self._may_answer(user, ref)
        budget = Budget.of(self)

        def commit(tx: Transaction, now: datetime) -> None:
            if review_requests.find(tx, form_id) is not None:
                return
            check = checks.get(tx, ref)
            if not needs_reason(check) or not lifecycle.let_pass(tx, ref, by=user, now=now, budget=budget):
                raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
            asked = ReviewRequest(
                id=form_id,
                ref=ref,
                round=check.round,
                kind=RequestKind.SEND_ANYWAY,
                person=user,
                reason=reason,
                words=words,
                at=now,
            )
            review_requests.add(tx, asked)
            audit.record(tx, at=now, actor=user, act="check.sent_anyway", ref=ref, detail=reason)

        await self.database.write(commit, self.now())
        log.info("check.let_pass", ref=ref)

    async def to_replace_photos(self, user: str, ref: str) -> Check:
        """A held check whose photos this person may replace now. Raises Refused."""
        return await self.may_pass(user, ref)

    async def replace_photos(
        self, user: str, ref: str, *, selfie: Sequence[FileInfo], liveness: Sequence[FileInfo]
    ) -> dict[str, FieldFault]:
        """Sends the check with other photos; returns faults by field. Raises Refused.

        What was asked about is not sent again; of the other kind, photos are kept where no new ones are attached.
        """
        check = await self.to_replace_photos(user, ref)
        selfie, liveness = with_kept(
            check, await self.database.read(checks.photos, ref), selfie=selfie, liveness=liveness
        )
        faults = photo_faults(selfie, liveness, liveness_required=self.settings.liveness_required)
        if faults:
            return faults
        photos = photos_of(selfie, liveness)
        if not await self.database.write(
            lifecycle.replace_photos, ref, photos, by=user, now=self.now(), budget=Budget.of(self)
        ):
            raise Refused(Refusal.QUESTION_ANSWERED, ref=ref)
        log.info("check.photos_replaced", ref=ref)
        return {}

    async def tick(self) -> None:
        """Reminds once of an open question; cancels a check whose question nobody answered."""
        for ref in await self.database.read(preflight_holds.unanswered, now=self.now()):
            try:
                # The time of this write: the machine's clock may have been set since the rows were found.
                cancelled = await self.database.write(lifecycle.remind_or_cancel, ref, now=self.now())
            except IllegalMove:
                # Somebody answered in between.
                continue
            log.info("check.unanswered", ref=ref, state="cancelled" if cancelled else "reminded")

    async def _may_answer(self, user: str, ref: str) -> Check:
        check = await self.database.read(checks.find, ref)
        is_own = check is not None and check.requester == user
        refusal = self.access.no_access() if is_own else Refused(Refusal.QUESTION_NOT_YOURS)
        (await self.access.may(user, Right.ANSWER, own=is_own)).require(refusal)
        if check is None:
            raise refusal
        if check.is_altered:
            raise RecordAltered(ref)
        return check


def _about(visible: Sequence[SameSelfie], found: Sequence[SameSelfie]) -> dict[str, object] | None:
    """What the requester is asked, of the checks that they may see; None if there is nothing to ask.

    `differing` is what the reviewers' card names, of all.
    """
    if not visible:
        return None
    return {
        "seen": [one.ref for one in visible[:10]],
        "others": len(visible),
        "other_number": bool(_differing(visible)),
        "differing": _differing(found),
    }


def _differing(found: Sequence[SameSelfie]) -> list[str]:
    return [one.ref for one in found if not one.has_same_number][:10]


def is_test_number(entry: IDType | None, number: str, settings: Settings) -> bool:
    """Whether it is one of Smile ID's test numbers, in its sandbox: it stands for nobody there."""
    return settings.smile_id_environment is Environment.SANDBOX and entry is not None and entry.is_test_number(number)


def _flaws(photos: Sequence[LoadedPhoto]) -> list[list[str | int]]:
    """For each flaw: kind and position of the photo, and the flaw."""
    flaws: list[list[str | int]] = [
        [it.ref.kind.value, it.ref.position, flaw.value] for it in photos for flaw in it.photo.quality.flaws
    ]
    if same_pictures([it.photo.quality.picture for it in photos]):
        flaws.append([PhotoKind.SELFIE.value, 0, Flaw.SAME_PICTURE.value])
    return flaws
