"""The purge: erases what is over its time, clock by clock, a few checks in each commit.

What is left to do stands in the checks themselves, so that a kill at any instruction costs nothing: the next purge goes
on. Each check is looked at again in the transaction that erases it, since a hold or a second result may have come.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.applicants.batch import BatchState
from bot.domain.outbox import AdminAlert
from bot.domain.privacy.clocks import Clock, Retention
from bot.domain.privacy.erasures import Traces
from bot.domain.privacy.purge import ERASED, Counts, Purge, is_due, kept
from bot.outbox import alerts, refresh
from bot.privacy import slack_asks
from storage import audit, batches, keys, purges, retention, trail_people
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

PAGE = 500
"""As many checks are looked at in one read."""
AT_A_TIME = 50
"""As many are erased in one commit, which others wait for."""
REFRESHED = 500
"""Of so many checks a night the messages in Slack are updated at once: more would hold up those of today."""

_ORDER = (Clock.RECORD, Clock.PERSONAL, Clock.PHOTOS)
"""What loses its record loses everything, in one go."""


async def purge(
    database: Database, wanted: Retention, *, actor: str, now: Callable[[], datetime]
) -> tuple[Purge, Traces]:
    """Erase everything that is over its time; the report, and where pieces of it may still lie.

    Safe to be killed, and to run twice at once.

    Raises WrongKey where a bot at work would not know what this process writes.
    """
    began = now()
    number = await database.write(_begin, actor=actor, now=began)
    refreshed = 0
    for clock in _ORDER:
        async for over in _pages(database, wanted, clock, began):
            for start in range(0, len(over), AT_A_TIME):
                refs = over[start : start + AT_A_TIME]
                step = _Step(wanted=wanted, clock=clock, actor=actor, now=began, is_refreshing=refreshed < REFRESHED)
                refreshed += len(refs)
                await database.write(step.take, number, refs)
    await database.write(_forget_what_has_no_check, wanted, actor=actor, now=began)
    done = await database.write(purges.end, number, now=now())
    # Until then pieces still lie there. A reader may be in the way, or a file be too large: the next night tries again.
    return done, await database.clear_traces()


async def survey(database: Database, wanted: Retention, *, now: datetime) -> Counts:
    """What a purge would erase now, and what it would leave; only reads."""
    found: dict[Clock, Counter[str]] = {clock: Counter() for clock in Clock}
    for clock in _ORDER:
        async for over in _pages(database, wanted, clock, now):
            found[clock].update(await database.read(_count, over, now))
    return found


async def _pages(database: Database, wanted: Retention, clock: Clock, now: datetime) -> AsyncIterator[Sequence[str]]:
    """References of checks that are over, page by page."""
    place: tuple[datetime, str] | None = None
    while found := await database.read(_page, wanted, clock, place, now):
        place = found.place
        yield found.over


def _begin(tx: Transaction, *, actor: str, now: datetime) -> int:
    keys.require_begun(tx)
    return purges.begin(tx, actor=actor, erases=True, now=now)


def _count(tx: Transaction, refs: Sequence[str], now: datetime) -> Counter[str]:
    tx.altered(refs)  # all at once; each asks again
    return Counter(retention.stays(tx, ref, now=now) or ERASED for ref in refs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One page of checks that have ended."""

    over: Sequence[str]
    """Those whose time is over."""
    place: tuple[datetime, str]
    """Where the next page begins."""


def _page(
    tx: Transaction, wanted: Retention, clock: Clock, after: tuple[datetime, str] | None, now: datetime
) -> _Found | None:
    # The countries with the shortest time decide how far to look; of the others some are passed over.
    until = max(wanted.latest_end(clock, country, now) for country in (*wanted.countries(), ""))
    found = retention.ended(tx, clock, until=until, after=after, most=PAGE)
    if not found:
        return None
    over = [one.ref for one in found if _is_over(wanted, clock, one, now)]
    return _Found(over=over, place=(found[-1].ended_at, found[-1].ref))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A few checks in one commit."""

    wanted: Retention
    clock: Clock
    actor: str
    now: datetime
    is_refreshing: bool

    def take(self, tx: Transaction, number: int, refs: Sequence[str]) -> None:
        tx.altered(refs)  # all at once; each asks again
        counts: Counter[str] = Counter()
        for ref in refs:
            one = retention.find(tx, ref)
            # Since the page was read it may be gone, erased by another purge, or held and released again.
            if one is None or not _is_over(self.wanted, self.clock, one, self.now) or _is_done(self.clock, one):
                continue
            stay = retention.stays(tx, ref, now=self.now)
            counts[stay or ERASED] += 1
            if stay is None:
                erase(tx, ref, self.clock, actor=self.actor, now=self.now)
                if self.is_refreshing and self.clock is not Clock.RECORD:
                    refresh.check_changed(tx, ref, now=self.now)
        purges.count(tx, number, self.clock, counts)


def _is_over(wanted: Retention, clock: Clock, one: retention.Ended, now: datetime) -> bool:
    return wanted.over_at(clock, one.country, one.over_since) <= now


def _is_done(clock: Clock, one: retention.Ended) -> bool:
    return {
        Clock.PHOTOS: one.photos_erased_at is not None,
        Clock.PERSONAL: one.personal_erased_at is not None,
        Clock.RECORD: False,
    }[clock]


def erase(tx: Transaction, ref: str, clock: Clock, *, actor: str, now: datetime) -> dict[str, int]:
    """All of a check that goes with a clock, in the caller's transaction; counts what went, by kind."""
    # First, while the rows that know where it is in Slack are there.
    slack_asks.ask(tx, ref, what=[clock], at=now, messages=clock is Clock.RECORD)
    match clock:
        case Clock.PHOTOS:
            return retention.erase_photos(tx, ref, at=now, actor=actor)
        case Clock.PERSONAL:
            return retention.erase_personal(tx, ref, at=now, actor=actor)
        case Clock.RECORD:
            return retention.erase_record(tx, ref, at=now, actor=actor)


def _forget_what_has_no_check(tx: Transaction, wanted: Retention, *, actor: str, now: datetime) -> None:
    """What a file held whose rows never became checks, files that nobody confirmed, and searches that found nobody."""
    # None of them has a country of its own: the one with the longest time counts.
    before = min(wanted.latest_end(Clock.PERSONAL, country, now) for country in (*wanted.countries(), ""))
    trail_people.forget_looks(tx, before=before)
    for batch_id in retention.unconfirmed_files(tx, asked_before=before):
        # Its requester may confirm it at this moment: then it is on its way.
        if batches.move(tx, batch_id, BatchState.CANCELLED, of=[BatchState.PREVIEW], now=now):
            audit.record(tx, at=now, actor=actor, act="batch.moved", ref=batch_id, detail=BatchState.CANCELLED.value)
            retention.erase_file(tx, batch_id)
            refresh.batch_changed(tx, batch_id, now=now)
    for batch_id in retention.ended_files(tx, ended_before=before):
        retention.erase_file(tx, batch_id)


@dataclass(slots=True, kw_only=True, eq=False)
class NightlyPurge(Process):
    """Runs the purge once a night, or as soon as the bot is up again."""

    is_clock_off: Callable[[], bool]
    """What is erased too early is gone: nothing is erased while Slack or Smile ID show another time."""

    async def tick(self) -> None:
        """Purge if that is due."""
        now = self.now()
        last = await self.database.read(purges.last)
        if not is_due(last.began_at if last else None, now=now, zone=self.settings.zone):
            return
        if self.is_clock_off():
            log.warning("purge.waits_for_the_clock")
            return
        erases = await self.database.read(may_erase, is_set=self.settings.retention_is_set)
        wanted = self.settings.retention
        left = Traces.NONE
        if erases:
            done, left = await purge(self.database, wanted, actor=audit.BOT, now=self.now)
        else:
            found = await survey(self.database, wanted, now=now)
            done = await self.database.write(purges.keep_survey, found, actor=audit.BOT, now=now)
        counts = {clock.value: done.of(clock) for clock in Clock}
        log.info("purge.done" if erases else "purge.reported", **counts, kept=_kept(done))
        if left is not Traces.NONE:
            log.warning("purge.pieces_left", where=left.value)
        await self.database.write(self._tell, done, left)

    def _tell(self, tx: Transaction, done: Purge, left: Traces) -> None:
        # Once a week, and not each night: whoever has not acted yet is reminded, and not worn out.
        year, week, _day = done.began_at.isocalendar()
        admins = self.access.people(Role.ADMIN)
        facts = {clock.value: str(done.of(clock)) for clock in Clock}
        if done.erases and (done.erased or _kept(done)):
            at = f"{done.began_at:%Y-%m-%dT%H:%M}"
            alerts.alert_once(
                tx, f"purged:{at}", AdminAlert.PURGED, recipients=admins, now=self.now(), kept=str(_kept(done)), **facts
            )
        elif not done.erases and done.erased:
            alerts.alert_once(
                tx, f"purge:{year}-{week}", AdminAlert.PURGE_WAITS, recipients=admins, now=self.now(), **facts
            )
        if left is Traces.FILE:  # the log is emptied by the next purge, when nobody reads it
            alerts.alert_once(tx, f"pieces:{year}-{week}", AdminAlert.PIECES_LEFT, recipients=admins, now=self.now())


def _kept(done: Purge) -> int:
    return sum(kept(done.counts).values())


def may_erase(tx: Transaction, *, is_set: bool) -> bool:
    """A database that was never purged loses nothing until somebody has set a clock."""
    return is_set or purges.has_erased(tx)
