"""How often one person may look things up in an hour; beyond that they hear when to go on, and admins hear of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.check.check import Check
from bot.domain.outbox import AdminAlert
from bot.domain.review.review import ReviewState
from bot.errors import Refusal, Refused
from bot.outbox import alerts
from bot.settings import Settings
from storage import audit, look_ups, reviews
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

_HOUR = timedelta(hours=1)


class LookUp(StrEnum):
    """What is counted, whichever command, button or form it comes by."""

    FIND = "find"
    """A search, each further page of what it found, and each page of a list of everybody's checks."""
    CHECK = "check"
    """Somebody else's check, or a reference of none: its status, *Details*, record, card, photos, and what a form shows
    of it."""
    SEEN_BEFORE = "seen_before"
    """Whether a customer was checked before by anybody, for who may see all checks; a file counts once."""


class LookUps(Process):
    async def require(self, user: str, kind: LookUp, *, ref: str | None = None) -> None:
        """Counts a look, before it is made and in a commit of its own: nothing that is seen goes uncounted.

        `ref`: what is looked at, which is not counted while they have claimed it for review. Raises Refused beyond the
        limit.
        """
        now = self.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if not await self.database.write(self._take, user, kind, ref=ref, hour=hour, now=now):
            minutes = -(-(hour + _HOUR - now) // timedelta(minutes=1))
            raise Refused(Refusal.LOOKED_UP_TOO_OFTEN, wait=minutes)

    async def require_for(self, user: str, check: Check | None) -> None:
        """The same for a look at one check, or at a reference of none, unless it is theirs.

        That is what they asked for, and what they have claimed: deciding is work, which no limit stops.
        """
        if check is None or check.requester != user:
            await self.require(user, LookUp.CHECK, ref=check.ref if check is not None else None)

    def _take(
        self, tx: Transaction, user: str, kind: LookUp, *, ref: str | None, hour: datetime, now: datetime
    ) -> bool:
        if ref is not None and _has_claimed(tx, user, ref):
            return True
        most = _most(self.settings)[kind]
        taken = look_ups.take(tx, person=user, kind=kind, most=most, hour=hour)
        if taken.is_first_refusal:
            log.warning("look_ups.refused", kind=kind.value)
            audit.record(tx, at=now, actor=user, act="look_ups.refused", detail=kind.value)
            alerts.alert_once(
                tx,
                f"look_ups:{kind.value}:{user}:{hour:%Y-%m-%dT%H}",
                AdminAlert.LOOKED_UP_TOO_OFTEN,
                recipients=self.access.people(Role.ADMIN),
                now=now,
                who=user,
                most=str(most),
                looked=kind.value,
            )
        return taken.is_allowed


def _has_claimed(tx: Transaction, user: str, ref: str) -> bool:
    review = reviews.find(tx, ref, sealed=False)
    return review is not None and review.state is ReviewState.OPEN and review.claimed_by == user


def _most(settings: Settings) -> Mapping[LookUp, int]:
    return {
        LookUp.FIND: settings.finds_per_hour,
        LookUp.CHECK: settings.looks_per_hour,
        LookUp.SEEN_BEFORE: settings.seen_before_per_hour,
    }
