"""The bot's time of day: the machine's wall clock, which people and NTP set, smoothed by the time since boot.

Between two ticks the bot's clock advances by the time since boot alone. `ClockWatch.tick` alone follows a step of the
machine's clock, in one turn of the event loop with a transaction that moves every timer in the database by as
much. So a wait ends when it would have ended without the step, and no worker loses its lease to another.

Where several instances work on one database, its clock is that of all of them: what one has stored another compares
with its own time. Only the time since boot is each machine's own.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog

from bot.runtime.health import Degraded, Health
from storage import timers
from storage.engine.database import Database, Transaction
from storage.engine.membership import seconds_since_boot

log = structlog.get_logger(__name__)

TOLERANCE = timedelta(seconds=2)
"""Less than this is left alone until it adds up: NTP slews, and steps by fractions of a second."""
CLOCK_OK = timedelta(seconds=60)
"""Neither Slack nor Smile ID minds less, and operators need not know."""
REPORT_STEP_FOR = timedelta(hours=1)
"""How long `/readyz` reports a step."""
SURE_SECONDS = 0.5
"""An answer about the time that took longer says too little."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Clock:
    """The time of day that the bot uses, never more than `TOLERANCE` and one tick from the machine's."""

    def __init__(
        self, *, wall: Callable[[], datetime] = utc_now, since_boot: Callable[[], float] = seconds_since_boot
    ) -> None:
        self._wall = wall
        self._since_boot = since_boot
        self._boot = wall() - timedelta(seconds=since_boot())

    def now(self) -> datetime:
        return self._boot + timedelta(seconds=self._since_boot())

    def steady(self) -> datetime:
        """Time that is never set, for what lives in memory. It means nothing but its distance from another one."""
        return _EPOCH + timedelta(seconds=self._since_boot())

    def follow(self, wall: Callable[[], datetime]) -> None:
        """Take this for the wall clock, from now on and without a step."""
        self._wall = wall
        self._boot = wall() - timedelta(seconds=self._since_boot())

    def step(self) -> timedelta:
        """How far the machine's clock was set forth, or back when negative, since this one last followed it."""
        return self._wall() - self.now()

    def move(self, by: timedelta) -> None:
        self._boot += by


@dataclass(slots=True, eq=False)
class DatabaseClock:
    """The time of day of the database, as it was heard last and has gone on since boot."""

    since_boot: Callable[[], float]
    _ahead: timedelta | None = field(init=False, default=None)
    """Of the time since boot."""

    def heard(self, theirs: datetime, *, asked_at: float) -> None:
        """Its answer to a question of this moment since boot."""
        answered_at = self.since_boot()
        if self._ahead is None or answered_at - asked_at <= SURE_SECONDS:
            self._ahead = theirs - timedelta(seconds=(asked_at + answered_at) / 2) - _EPOCH

    def now(self) -> datetime:
        assert self._ahead is not None
        return _EPOCH + timedelta(seconds=self.since_boot()) + self._ahead


@dataclass(slots=True, kw_only=True, eq=False)
class ClockWatch:
    """Checks at each tick whether the machine's clock was set, and then moves the bot's clock and all timers."""

    clock: Clock
    database: Database
    health: Health
    on_step: Callable[[timedelta], None]
    are_several: bool = False
    """Others see the same clock set, and one of all moves the timers."""
    _moves: int = field(init=False, default=0)
    """How often they were moved, as far as this clock has followed."""
    _reported_at: datetime | None = field(init=False, default=None)

    async def tick(self) -> None:
        """Raises DatabaseFault when the timers cannot be moved now; then the next tick retries."""
        if self._reported_at is not None and self.clock.steady() - self._reported_at >= REPORT_STEP_FOR:
            self._reported_at = None
            self.health.note(Degraded.CLOCK_STEP, None)
        step = self.clock.step()
        if abs(step) < TOLERANCE:
            return
        before = self.clock.now()
        # No await between the two: what was queued for the writer before holds the old time and is moved with the
        # rest, and whatever is queued behind holds the new time already.
        self.clock.move(step)
        try:
            await self._move_timers(step, before)
        except Exception:
            # Nothing was moved. After a cancellation it was: such a write is stored all the same.
            self.clock.move(-step)
            raise
        self._report(step)

    async def _move_timers(self, step: timedelta, before: datetime) -> None:
        now = self.clock.now()
        if not self.are_several:
            await self.database.write(timers.move, by=step, before=before, now=now)
            return
        self._moves = await self.database.write(timers.move_once, known=self._moves, by=step, before=before, now=now)

    async def recover(self) -> None:
        """At start: a clock that was set back while the bot was down left its timers too far ahead."""
        step, self._moves = await self.database.write(_recover, self.clock.now())
        if step is not None:
            self._report(step)

    async def keep_seen(self) -> None:
        """Once a minute: how late it was when the bot was last alive."""
        await self.database.write(timers.seen, now=self.clock.now())

    def _report(self, step: timedelta) -> None:
        log.warning("clock.set", seconds=round(step.total_seconds(), 3))
        self.on_step(step)
        if abs(step) < CLOCK_OK:
            return
        self._reported_at = self.clock.steady()
        way = "forth" if step > timedelta(0) else "back"
        at = f"{self.clock.now():%Y-%m-%d %H:%M} UTC"
        self.health.note(Degraded.CLOCK_STEP, f"set {way} by {spoken(abs(step))}; since then it shows {at}")


def _recover(tx: Transaction, now: datetime) -> tuple[timedelta | None, int]:
    """With how often the timers were moved by then."""
    return timers.recover(tx, now=now, tolerance=TOLERANCE), timers.moves(tx)


@dataclass(slots=True, eq=False)
class RemoteClock:
    """The time of somebody we talk to, by the date on their last answer, however our own clock is set since."""

    what: Degraded
    """What is reported when the two differ."""
    _: KW_ONLY
    ours: str = "this machine"
    """Whose clock the bot goes by, for operators."""
    now: Callable[[], datetime]
    steady: Callable[[], datetime]
    health: Health
    _from_steady: timedelta | None = field(init=False, default=None)
    """Their time less the time that is never set."""

    def heard(self, date: str | None) -> None:
        """`date` is the header of an answer that has just come."""
        ahead = ahead_of(date, self.steady())
        if ahead is None:
            return
        self._from_steady = -ahead
        self.health.note(self.what, apart(self._ahead(), self.ours) if self._ahead() else None)

    def theirs(self, ours: datetime) -> datetime:
        """A moment by our clock, by theirs; the same while the two agree."""
        return ours - self._ahead()

    def _ahead(self) -> timedelta:
        """How far our clock is ahead; nothing within `CLOCK_OK`, since an answer may have been slow on its way."""
        if self._from_steady is None:
            return timedelta(0)
        ahead = self.now() - (self.steady() + self._from_steady)
        return ahead if abs(ahead) > CLOCK_OK else timedelta(0)


def ahead_of(date: str | None, ours: datetime) -> timedelta | None:
    """How far our clock is ahead of the one that wrote an HTTP date; None where that is no date."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return ours - theirs.replace(tzinfo=theirs.tzinfo or UTC)


def apart(ahead: timedelta, ours: str = "this machine") -> str:
    """For operators: what is wrong, and what to do."""
    return (
        f"{ours} is {spoken(abs(ahead))} {'fast' if ahead > timedelta(0) else 'slow'}. "
        "Turn on time synchronisation (NTP): requests and results more than 5 minutes off are refused."
    )


def spoken(time: timedelta) -> str:
    """45 s, 10 min, 3 h or 365 d."""
    seconds = round(time.total_seconds())
    if seconds < 180:
        return f"{seconds} s"
    for unit, length, end in (("min", 60, 7200), ("h", 3600, 48 * 3600)):
        if seconds < end:
            return f"{round(seconds / length)} {unit}"
    return f"{round(seconds / 86_400)} d"
