"""Holds: what is known of a customer is kept beyond its time, until somebody ends it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.references import parse_reference
from bot.domain.privacy.holds import HoldCause
from bot.errors import Refusal, Refused
from storage import checks, holds, keys
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a command has changed."""

    ref: str
    cause: HoldCause | None
    """None: of whatever cause."""
    is_new: bool
    """False: it was so already."""
    still: Collection[HoldCause]
    """Causes for which the check is held now."""


class Holds(Process):
    """`/kyc hold` and `/kyc unhold`, for managers and admins. A repeat changes nothing."""

    async def hold(self, user: str, typed: str) -> Held:
        """`K-7F3K2Q`, or `K-7F3K2Q legal`. Raises Refused."""
        ref, cause = await self._read(user, typed)
        cause = cause or HoldCause.RELATIONSHIP
        held = await self.database.write(_hold, ref, cause, by=user, now=self.now(), unknown=self._unknown(ref))
        log.info("check.hold", ref=ref, cause=cause.value, new=held.is_new)
        return held

    async def unhold(self, user: str, typed: str) -> Held:
        """The same; without a cause every hold of the check ends."""
        ref, cause = await self._read(user, typed)
        held = await self.database.write(_unhold, ref, cause, by=user, now=self.now(), unknown=self._unknown(ref))
        log.info("check.unhold", ref=ref, new=held.is_new)
        return held

    async def _read(self, user: str, typed: str) -> tuple[str, HoldCause | None]:
        permission = await self.access.may(user, Right.HOLD)
        permission.require(Refused(Refusal.HOLD_NOT_A_MANAGER, admin=self.access.an_admin()))
        first, _, word = typed.strip().partition(" ")
        ref, word = parse_reference(first), word.strip().casefold()
        if ref is None or (word and word not in set(HoldCause)):
            raise Refused(Refusal.HOLD_NOT_UNDERSTOOD)
        return ref, HoldCause(word) if word else None

    def _unknown(self, ref: str) -> Refused:
        return Refused(Refusal.UNKNOWN_REF, ref=ref, admin=self.access.an_admin())


def _hold(tx: Transaction, ref: str, cause: HoldCause, *, by: str, now: datetime, unknown: Refused) -> Held:
    _require_intact(tx, ref, unknown)
    is_new = holds.add(tx, ref, cause, by=by, now=now)
    return Held(ref=ref, cause=cause, is_new=is_new, still=[one.cause for one in holds.of_check(tx, ref)])


def _unhold(tx: Transaction, ref: str, cause: HoldCause | None, *, by: str, now: datetime, unknown: Refused) -> Held:
    _require_intact(tx, ref, unknown)
    ended = holds.end(tx, ref, cause, by=by, now=now)
    return Held(ref=ref, cause=cause, is_new=bool(ended), still=[one.cause for one in holds.of_check(tx, ref)])


def _require_intact(tx: Transaction, ref: str, unknown: Refused) -> None:
    if checks.find(tx, ref, sealed=False) is None:
        raise unknown
    # A change would not be proven by any MAC.
    checks.require_intact(tx, ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a command of an operator's has changed of some checks."""

    changed: Sequence[str]
    as_before: Sequence[str]
    """Held for that cause already, or not held."""
    altered: Sequence[str]
    """Left as they are: nothing could prove the hold."""


def hold_all(tx: Transaction, refs: Sequence[str], cause: HoldCause, *, by: str, now: datetime) -> Changed:
    """Hold these checks, in one commit. Raises WrongKey where a bot at work would not know what this process writes."""
    return _change(tx, refs, lambda ref: holds.add(tx, ref, cause, by=by, now=now))


def unhold_all(tx: Transaction, refs: Sequence[str], cause: HoldCause | None, *, by: str, now: datetime) -> Changed:
    """End their holds of this cause, or of every cause. Raises as `hold_all` does."""
    return _change(tx, refs, lambda ref: bool(holds.end(tx, ref, cause, by=by, now=now)))


def _change(tx: Transaction, refs: Sequence[str], change: Callable[[str], bool]) -> Changed:
    keys.require_begun(tx)
    altered = tx.altered(refs)
    intact = [ref for ref in refs if ref not in altered]
    changed = [ref for ref in intact if change(ref)]
    return Changed(
        changed=changed,
        as_before=[ref for ref in intact if ref not in changed],
        altered=[ref for ref in refs if ref in altered],
    )
