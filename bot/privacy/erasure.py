"""Erases a customer because somebody asks for it, before any clock is over.

What is to be done stands in a sealed list (`storage.erasures`), and each check is erased in a commit of its own, in
which everything that stands against it is looked at again. So a kill costs nothing, two who ask at once do it once,
and what cannot go yet goes as soon as nothing stands against it any more.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import structlog

from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.references import parse_reference, reference
from bot.domain.outbox import PostKind
from bot.domain.privacy.clocks import Clock, Retention
from bot.domain.privacy.erasures import CheckLeft, Copies, Erased, Erasure, FoundBy, RecordKept, Standing, Wish
from bot.domain.privacy.holds import CAUSES
from bot.domain.privacy.slack_removals import SlackRemoval
from bot.errors import Refusal, Refused
from bot.privacy import slack_asks
from bot.settings import BackupSettings
from storage import audit, blind_index, checks, erasures, holds, keys, outbox, retention, slack_removals, trail_people
from storage.engine import backup
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

FIRST, LAST = "first", "last"
"""Which of the two certificates a post brings."""
CERTIFIED_AFTER = timedelta(seconds=30)
"""By then the check is erased, and most of what Slack shows of it: a list of what is to come would be worth little."""


def find(tx: Transaction, wish: Wish) -> list[str]:
    """References of the customer's checks, the oldest first; those that are erased already are found by `ref` alone."""
    match wish.found_by:
        case FoundBy.REF:
            return [wish.value] if checks.find(tx, wish.value, sealed=False) is not None else []
        case FoundBy.CUSTOMER_REFERENCE:
            return erasures.refs_by_reference(tx, _prints(tx, wish))
        case FoundBy.ID_NUMBER:
            return erasures.refs_by_number(tx, _prints(tx, wish))


def _prints(tx: Transaction, wish: Wish) -> list[str]:
    match wish.found_by:
        case FoundBy.REF:
            return []
        case FoundBy.CUSTOMER_REFERENCE:
            return blind_index.references(tx.sealer, wish.value)
        case FoundBy.ID_NUMBER:
            return [each for one in erasures.countries(tx) for each in blind_index.numbers(tx.sealer, one, wish.value)]


def known(tx: Transaction, wish: Wish) -> Erasure | None:
    """The last erasure that was asked for in the same way, for whoever asks how far it is."""
    if wish.found_by is FoundBy.REF:
        return next(iter(erasures.of_check(tx, wish.value)), None)
    prints = set(_prints(tx, wish))
    return next((one for one in erasures.open_ones(tx) if prints & set(one.looked_for)), None)


def begin(
    tx: Transaction, wish: Wish, *, number: int, by: str, now: datetime, certified: bool = False
) -> Erasure | None:
    """Take on what was asked for; None where nothing is known of the customer.

    `number` is random, for the id. The same wish again, and a wish for checks that are all on one list, give the
    erasure that is there; checks that came since join it. With `certified`, `by` is a user and gets the certificate by
    direct message, once however often they ask. Raises WrongKey where a bot at work would not know what this process
    writes.
    """
    keys.require_begun(tx)
    refs, before = find(tx, wish), known(tx, wish)
    # Also of somebody who was only looked for, and of whom there never was a check.
    trail_people.forget_looks_for(tx, _prints(tx, wish))
    if before is None and not refs:
        return None
    if before is None:
        before = next((one for one in erasures.open_ones(tx) if set(refs) <= one.checks.keys()), None)
    if before is None:
        erasure = Erasure(
            id=reference(number, prefix="F"),
            found_by=wish.found_by,
            asked_by=by,
            asked_at=now,
            checks=dict.fromkeys(refs),
            looked_for=tuple(_prints(tx, wish)),
        )
        erasures.add(tx, erasure)
        new = refs
    else:
        new = [ref for ref in refs if ref not in before.checks]
        erasure = replace(before, checks={**before.checks, **dict.fromkeys(new)})
        if new:
            erasure = replace(erasure, done_at=None)
            erasures.keep(tx, erasure)
    for ref in new:
        audit.record(tx, at=now, actor=by, act="erasure.asked", ref=ref, detail=erasure.id)
    if certified and by not in erasure.certified:
        erasure = replace(erasure, certified=(*erasure.certified, by))
        erasures.keep(tx, erasure)
        _certify(tx, erasure, by, now=now)
    return erasure


def _certify(tx: Transaction, erasure: Erasure, user: str, *, now: datetime) -> None:
    """Have the certificate sent: the last one once nothing is left to be done, or else one that says what stays.

    It is about no check, whose messages are erased and wait for each other.
    """
    is_last = erasure.done_at is not None
    outbox.enqueue(
        tx,
        PostKind.CERTIFICATE,
        key=f"{erasure.id}:{user}{':done' if is_last else ''}",
        destination=user,
        payload={"erasure": erasure.id, "what": LAST if is_last else FIRST},
        now=now,
        due_at=now if is_last else now + CERTIFIED_AFTER,
    )


async def carry_out(database: Database, erasure_id: str, wanted: Retention, *, now: Callable[[], datetime]) -> bool:
    """Erase what can go now; whether it was anything. Safe to repeat, to be killed, and to be run twice at once."""
    erasure = await database.read(erasures.get, erasure_id)
    erased = False
    for ref in [ref for ref, one in erasure.checks.items() if one is None]:
        erased |= await database.write(_erase, erasure_id, ref, wanted, now=now())
    return erased


def _erase(tx: Transaction, erasure_id: str, ref: str, wanted: Retention, *, now: datetime) -> bool:
    erasure = erasures.get(tx, erasure_id)
    if erasure.checks[ref] is not None:
        return False  # by another process, since the list was read
    gone: Counter[str] = Counter()
    if checks.find(tx, ref, sealed=False) is not None:
        # Looked at in this very transaction: a hold, or another result, may have come since.
        if retention.stays(tx, ref, now=now) is not None:
            return False
        ended = retention.find(tx, ref)
        is_over = ended is not None and wanted.over_at(Clock.RECORD, ended.country, ended.over_since) <= now
        slack_asks.ask(tx, ref, what=list(Clock) if is_over else [Clock.PHOTOS, Clock.PERSONAL], at=now)
        gone.update(retention.erase_photos(tx, ref, at=now, actor=erasure.asked_by))
        gone.update(retention.erase_personal(tx, ref, at=now, actor=erasure.asked_by))
        if is_over:
            gone.update(retention.erase_record(tx, ref, at=now, actor=erasure.asked_by))
    erasures.keep(tx, replace(erasure, checks={**erasure.checks, ref: Erased(at=now, gone=gone)}))
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where copies of the database may lie, and for how long."""

    database: Path | None
    """None on a server, whose copies are its operator's."""
    backup_dir: Path | None
    backup_every: timedelta
    backup_keep: int

    @classmethod
    def of(cls, settings: BackupSettings) -> Self:
        return cls(
            database=settings.database if isinstance(settings.database, Path) else None,
            backup_dir=settings.backup_dir,
            backup_every=settings.backup_every,
            backup_keep=settings.backup_keep,
        )


async def look(
    database: Database, erasure_id: str, wanted: Retention, places: Places, *, now: Callable[[], datetime]
) -> Standing:
    """How far it is: looked up in database, log and copies. One of which nothing is left is noted as done."""
    traces = await database.clear_traces()
    erasure, left = await database.read(_left, erasure_id, wanted, now())
    copies = await asyncio.to_thread(copies_of, list(erasure.checks), places)
    standing = Standing(erasure=erasure, checks=left, copies=copies, traces=traces)
    if standing.is_whole and erasure.done_at is None:
        done = await database.write(_finish, erasure, now=now())
        return replace(standing, erasure=done)
    return standing


def copies_of(refs: Sequence[str], places: Places) -> Copies:
    """Which files beside the database hold one of these checks whole. Opens each of them: not for the event loop."""
    if places.database is None:
        return Copies(backups=[], backups_until=None, set_aside=[])
    backups: Sequence[tuple[datetime, Path]] = []
    if places.backup_dir is not None:
        backups = backup.scheduled_holding(places.backup_dir, places.database, refs)
    until = backups[-1][0] + places.backup_keep * places.backup_every if backups else None
    return Copies(
        backups=[path.name for _taken_at, path in backups],
        backups_until=until,
        set_aside=[path.name for path in backup.set_aside_holding(places.database, refs)],
    )


def remove_set_aside(places: Places, copies: Copies) -> None:
    """Delete the databases that a restore has set aside and that hold one of these checks."""
    if places.database is not None:
        backup.remove_set_aside(places.database, copies.set_aside)


def _left(tx: Transaction, erasure_id: str, wanted: Retention, now: datetime) -> tuple[Erasure, list[CheckLeft]]:
    erasure = erasures.get(tx, erasure_id)
    return erasure, [_of_check(tx, ref, erased, wanted, now) for ref, erased in erasure.checks.items()]


def survey(tx: Transaction, refs: list[str], wanted: Retention, now: datetime) -> list[CheckLeft]:
    """The same of checks whose erasure nobody has asked for: what would go, and what would stay."""
    return [_of_check(tx, ref, None, wanted, now) for ref in refs]


def _of_check(tx: Transaction, ref: str, erased: Erased | None, wanted: Retention, now: datetime) -> CheckLeft:
    stay = retention.stays(tx, ref, now=now) if erased is None else None
    ended = retention.find(tx, ref)
    until = wanted.over_at(Clock.RECORD, ended.country, ended.over_since) if ended else None
    country = ended.country if ended else ""
    return CheckLeft(
        ref=ref,
        erased=erased,
        stay=stay,
        causes=[CAUSES[hold.cause] for hold in holds.of_check(tx, ref)],
        record=RecordKept(until=until, rule=f"KYC_RETENTION_RECORD, {wanted.periods(Clock.RECORD).of(country)}"),
        in_slack=[_told(one) for one in slack_removals.pending(tx, ref)],
    )


def _of_one(tx: Transaction, ref: str, wanted: Retention, now: datetime) -> CheckLeft | None:
    asked = next(iter(erasures.of_check(tx, ref)), None)
    if asked is None and checks.find(tx, ref, sealed=False) is None:
        return None
    return _of_check(tx, ref, asked.checks[ref] if asked else None, wanted, now)


def _told(removal: SlackRemoval) -> str:
    return f"{removal.what.value}: {removal.why or 'due'}"


def _finish(tx: Transaction, erasure: Erasure, *, now: datetime) -> Erasure:
    current = erasures.get(tx, erasure.id)
    if current.done_at is not None or current.checks.keys() != erasure.checks.keys():
        return current
    # Nothing is left to be asked about, so the prints of what was looked for go as well.
    done = replace(current, looked_for=(), done_at=now)
    erasures.keep(tx, done)
    audit.record(tx, at=now, actor=audit.BOT, act="erasure.done", detail=done.id)
    for user in done.certified:
        _certify(tx, done, user, now=now)
    return done


async def go_on(database: Database, wanted: Retention, places: Places, *, now: Callable[[], datetime]) -> int:
    """Carry out what is open, with what a restore has brought back; how many erasures these were."""
    again = await database.write(erasures.take_again)
    if again:
        log.warning("erasure.again", count=again)
    open_ones = await database.read(erasures.open_ones)
    for erasure in open_ones:
        if await carry_out(database, erasure.id, wanted, now=now):
            log.info("erasure.carried_out", erasure=erasure.id)
        await look(database, erasure.id, wanted, places, now=now)
    return len(open_ones)


@dataclass(slots=True, kw_only=True, eq=False)
class Erasures(Process):
    """Goes on with what could not be erased when it was asked for, and after a restore."""

    async def may_forget(self, user: str, typed: str) -> CheckLeft:
        """What would go of this check, and what stays; of one that was erased, how far it is. Raises Refused."""
        permission = await self.access.may(user, Right.FORGET)
        permission.require(Refused(Refusal.FORGET_NOT_AN_ADMIN, admin=self.access.an_admin()))
        ref = parse_reference(typed)
        if ref is None:
            raise Refused(Refusal.FORGET_NOT_UNDERSTOOD)
        left = await self.database.read(_of_one, ref, self.settings.retention, self.now())
        if left is None:
            raise Refused(Refusal.UNKNOWN_REF, ref=ref, admin=self.access.an_admin())
        return left

    async def forget(self, user: str, ref: str) -> CheckLeft:
        """Erase what can go, and the rest as soon as nothing stands against it. A repeat erases nothing twice."""
        await self.may_forget(user, ref)
        wish = Wish(found_by=FoundBy.REF, value=ref)
        number, now = self.rng.getrandbits(64), self.now()
        began = await self.database.write(begin, wish, number=number, by=user, now=now, certified=True)
        if began is not None:
            await carry_out(self.database, began.id, self.settings.retention, now=self.now)
            log.info("erasure.asked", ref=ref, erasure=began.id)
        return await self.may_forget(user, ref)

    async def tick(self) -> None:
        """Erase what can go by now, and note what is done."""
        await go_on(self.database, self.settings.retention, Places.of(self.settings), now=self.now)
