"""Three clocks for what is known of a customer: for how long each kind of data is kept, and when its time is over."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Self, assert_never

_PERIOD = re.compile(r"([0-9]{1,5})\s*([dy])")
_COUNTRY = re.compile(r"[A-Z]{2}")
LONGEST_DAYS, _LONGEST_YEARS = 36_500, 100
_LEAP_DAY = timedelta(days=1)


class Clock(StrEnum):
    """What comes to its end together. All of them count from the end of a check."""

    PHOTOS = "photos"
    """Which photos were sent, and what they are recognised by; and the photos in Slack."""
    PERSONAL = "personal"
    """What was entered, what the authority's record says of the customer, what reviewers wrote."""
    RECORD = "record"
    """That there was a check, what came of it, and who decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """So many days, or calendar years."""

    count: int
    unit: Literal["d", "y"]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`30d`, `5y`. Raises ValueError."""
        found = _PERIOD.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError("must be days or years, as 30d or 5y, perhaps with countries of their own: 5y,KE=7y")
        count, unit = int(found[1]), found[2]
        if not 1 <= count <= (_LONGEST_YEARS if unit == "y" else LONGEST_DAYS):
            raise ValueError("must be at least 1d and at most 100y")
        return cls(count=count, unit="y" if unit == "y" else "d")

    def after(self, moment: datetime) -> datetime:
        """When this period is over that began then; a year from 29 February ends on 28 February."""
        if self.unit == "d":
            return moment + timedelta(days=self.count)
        try:
            return moment.replace(year=moment.year + self.count)
        except ValueError:
            return moment.replace(year=moment.year + self.count, day=28)

    def before(self, moment: datetime) -> datetime:
        """No period that is over by then has begun after this; for years it may be a day too late."""
        if self.unit == "d":
            return moment - timedelta(days=self.count)
        try:
            return moment.replace(year=moment.year - self.count)
        except ValueError:
            return moment.replace(year=moment.year - self.count, day=28) + _LEAP_DAY

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long one clock runs: for all countries, and for those that have their own."""

    usual: Period
    by_country: Mapping[str, Period] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`30d`, or `5y,KE=7y`: the first is for every other country. Raises ValueError."""
        usual, *own = text.split(",")
        by_country: dict[str, Period] = {}
        for part in own:
            country, is_named, period = part.partition("=")
            country = country.strip().upper()
            if not is_named or not _COUNTRY.fullmatch(country):
                raise ValueError("must begin with the period of all countries and then name some, as 5y,KE=7y")
            if country in by_country:
                raise ValueError(f"names {country} twice")
            by_country[country] = Period.parse(period)
        return cls(usual=Period.parse(usual), by_country=by_country)

    def of(self, country: str) -> Period:
        return self.by_country.get(country, self.usual)

    def __str__(self) -> str:
        return ",".join([str(self.usual), *(f"{country}={period}" for country, period in self.by_country.items())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The three clocks of a site."""

    photos: Periods
    personal: Periods
    record: Periods

    def periods(self, clock: Clock) -> Periods:
        match clock:
            case Clock.PHOTOS:
                return self.photos
            case Clock.PERSONAL:
                return self.personal
            case Clock.RECORD:
                return self.record
            case _:
                assert_never(clock)

    def countries(self) -> frozenset[str]:
        """Those with a period of their own on some clock."""
        return frozenset().union(*(self.periods(clock).by_country for clock in Clock))

    def over_at(self, clock: Clock, country: str, ended_at: datetime) -> datetime:
        """When the time of a check is over that ended then.

        A record is never removed before what hangs on it: a site that keeps personal data longer keeps the record too.
        """
        if clock is not Clock.RECORD:
            return self.periods(clock).of(country).after(ended_at)
        return max(self.periods(each).of(country).after(ended_at) for each in Clock)

    def latest_end(self, clock: Clock, country: str, now: datetime) -> datetime:
        """No check that ended after this is over by `now`; one from before may still have to wait a day."""
        if clock is not Clock.RECORD:
            return self.periods(clock).of(country).before(now)
        return min(self.periods(each).of(country).before(now) for each in Clock)
