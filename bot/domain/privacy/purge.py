"""What a purge has done, in numbers: by clock what was erased, and what is kept although its time is over, and why."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.holds import Stay

ERASED = "erased"
"""Among the counts of a clock, beside those of `Stay`; of a purge that only reports, what it would erase."""
NIGHT = time(2)
"""From when on, in the site's time zone, the purge of a day is due."""

Counts = Mapping[Clock, Mapping[str, int]]

STAYS: Mapping[Stay, str] = {
    Stay.NOT_ENDED: "opened again",
    Stay.HELD: "held",
    Stay.UNDER_WAY: "still being posted, or part of a file that is still being sent",
    Stay.UNCONFIRMED: "its result not yet in Smile ID's own record",
    Stay.ASKED: "ended without an answer of Smile ID's, which is asked once more",
    Stay.ALTERED: "altered beside the bot, see docs/operations.md",
}
"""Why a check is kept, in words."""
_NAMES: Mapping[Clock, str] = {
    Clock.PHOTOS: "photos",
    Clock.PERSONAL: "personal data",
    Clock.RECORD: "whole records",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """One run."""

    began_at: datetime
    ended_at: datetime | None
    """None: it is running, or was interrupted; the next one goes on."""
    actor: str
    erases: bool
    """Else it only reported."""
    counts: Counts

    def of(self, clock: Clock, what: str = ERASED) -> int:
        return self.counts.get(clock, {}).get(what, 0)

    @property
    def erased(self) -> int:
        """Of all clocks together."""
        return sum(self.of(clock) for clock in Clock)


def lines(counts: Counts, *, erases: bool) -> list[str]:
    """For a terminal: a line for each clock, and for each reason why something is kept."""
    verb = "erased" if erases else "to be erased"
    said = [f"{_NAMES[clock]} of {checks(counts.get(clock, {}).get(ERASED, 0))}: {verb}" for clock in Clock]
    return [*said, *(f"kept beyond its time, {STAYS[stay]}: {checks(count)}" for stay, count in kept(counts).items())]


def kept(counts: Counts) -> Mapping[Stay, int]:
    """How many checks are kept although a clock is over; of several clocks the largest number counts."""
    found = {stay: max(counts.get(clock, {}).get(stay, 0) for clock in Clock) for stay in Stay}
    return {stay: count for stay, count in found.items() if count}


def checks(count: int) -> str:
    return "1 check" if count == 1 else f"{count} checks"


def dump(counts: Counts) -> str:
    return json.dumps({clock.value: dict(of) for clock, of in counts.items()}, separators=(",", ":"))


def load(text: str) -> Counts:
    return {Clock(name): Counter(of) for name, of in json.loads(text).items()}


def is_due(last_began_at: datetime | None, *, now: datetime, zone: ZoneInfo) -> bool:
    """Whether no purge began since the last night did. One that lies in the future is of a clock that was set back."""
    local = now.astimezone(zone)
    night = local.replace(hour=NIGHT.hour, minute=0, second=0, microsecond=0)
    if night > local:
        night -= timedelta(days=1)
    return last_began_at is None or last_began_at < night or last_began_at > now + timedelta(days=1)
