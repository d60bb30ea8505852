"""Who may look at the photos of a check: reviewers and admins, never who asked for it; and who asked for them."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.check import Check, PhotosBy, require_unerased
from bot.domain.outbox import PostKind
from bot.errors import Refusal, Refused
from bot.outbox.look_ups import LookUps
from bot.review import eligibility
from storage import audit, checks, outbox
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class PhotoAccess(Process):
    """Every public method raises Refused for somebody who may not look.

    An admin's exception from the second-person rule does not count here: it is for decisions, and who asked for a check
    has its photos.
    """

    look_ups: LookUps

    async def open(self, user: str, ref: str) -> Check:
        """Lets a person look, and counts and records it before anything is shown."""
        await eligibility.require_reviewer(self.access, user, Right.SEE_PHOTOS)
        await self.look_ups.require_for(user, await self.database.read(_get, user, ref))

        def commit(tx: Transaction) -> Check:
            check = _get(tx, user, ref)
            audit.record(tx, at=self.now(), actor=user, act="photos.opened", ref=ref)
            return check

        return await self.database.write(commit)

    async def still_open(self, user: str, ref: str) -> Check:
        """The check, for somebody whom `open` has let in: it may have been run again, and by them, meanwhile."""
        await eligibility.require_reviewer(self.access, user, Right.SEE_PHOTOS)
        return await self.database.read(_get, user, ref)

    async def ask(self, user: str, ref: str) -> None:
        """Asks the requester, in the check's thread, to post the photos there.

        Once for each reviewer and round of the check: a repeat, or a second click, posts nothing.
        """
        await eligibility.require_reviewer(self.access, user, Right.SEE_PHOTOS)

        def commit(tx: Transaction) -> bool:
            check = _get(tx, user, ref)
            require_unerased(check)
            if check.photos_by is PhotosBy.LINK:
                raise Refused(Refusal.PHOTOS_BY_LINK, ref=ref)
            if _request(tx, user, check) is not None:
                return False
            now = self.now()
            outbox.enqueue(
                tx,
                PostKind.PHOTOS_ASKED,
                key=_key(user, check),
                ref=ref,
                destination=check.channel,
                payload={"by": user, "round": str(check.round)},
                now=now,
            )
            audit.record(tx, at=now, actor=user, act="photos.asked", ref=ref)
            return True

        if await self.database.write(commit):
            log.info("photos.asked", ref=ref)

    async def asked_at(self, user: str, check: Check) -> datetime | None:
        """When this person asked for the photos of this round."""
        return await self.database.read(_request, user, check)


def _get(tx: Transaction, user: str, ref: str) -> Check:
    check = checks.find(tx, ref)
    if check is None:
        raise Refused(Refusal.REVIEW_UNKNOWN_REF, ref=ref)
    if user in check.requesters:
        raise Refused(Refusal.OWN_PHOTOS, ref=ref)
    # Whoever altered the record may have put other photos into it.
    checks.require_intact(tx, ref)
    return check


def _request(tx: Transaction, user: str, check: Check) -> datetime | None:
    post = outbox.find(tx, f"{PostKind.PHOTOS_ASKED.value}:{_key(user, check)}")
    return post.created_at if post is not None else None


def _key(user: str, check: Check) -> str:
    return f"{check.ref}:{check.round}:{user}"
