"""What auditors ask of the trail: who had which role when, and whose data was looked at or changed in a span."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.trail import ACTS, ActKind
from storage import audit, trail
from storage.engine.database import Database
from storage.trail import RoleLine, Touch

STEP = 20_000
"""Lines that are read at once."""
_PAGE = 500
"""Checks whose rows are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePeriod:
    role: str
    person: str
    """`*` for every member of the workspace."""
    since: datetime
    """When the bot learned of it: for those that were there before this was recorded, the first start since."""
    until: datetime | None
    """None while they have it."""


@dataclass(slots=True, kw_only=True)
class TouchedCheck:
    """One check in a span of time."""

    ref: str
    country: str = ""
    """Empty where the check was erased since."""
    looks: int = 0
    changes: int = 0
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    checks: Sequence[TouchedCheck]
    """By reference."""
    customers: int
    """At most: what was erased cannot be told from another customer's any more."""
    looks_for_nobody: int
    """How often an ID number was looked for that is of no check."""


async def role_periods(
    database: Database, *, since: datetime | None, until: datetime | None, step: int = STEP
) -> list[RolePeriod]:
    """Who had which role at any time from `since` on and before `until`, in the order in which they gained it."""
    lines: list[RoleLine] = []
    end = await database.read(trail.ends)
    for after in range(0, end, step):
        lines += await database.read(trail.role_lines, after=after, size=step)
    return [
        one
        for one in _periods(lines)
        if (until is None or one.since < until) and (since is None or one.until is None or one.until > since)
    ]


def _periods(lines: Iterable[RoleLine]) -> Iterator[RolePeriod]:
    began: dict[tuple[str, str], datetime] = {}
    ended: list[RolePeriod] = []
    for line in lines:
        role, _, person = line.detail.partition(":")
        if line.act == "role.gained":
            began.setdefault((role, person), line.at)
        elif (since := began.pop((role, person), None)) is not None:
            ended.append(RolePeriod(role=role, person=person, since=since, until=line.at))
    still = (RolePeriod(role=role, person=person, since=at, until=None) for (role, person), at in began.items())
    yield from sorted([*ended, *still], key=lambda one: (one.since, one.role, one.person))


@dataclass(slots=True)
class _Tally:
    checks: dict[str, TouchedCheck] = field(default_factory=dict)

    def add(self, touch: Touch) -> None:
        known = ACTS.get(touch.act)
        # An act of another version counts as a change: rather told once too often than not at all.
        kind = known.kind if known is not None else ActKind.CHANGE
        if kind not in (ActKind.LOOK, ActKind.CHANGE):
            return
        one = self.checks.setdefault(touch.ref, TouchedCheck(ref=touch.ref, first=touch.first, last=touch.last))
        one.first, one.last = min(one.first, touch.first), max(one.last, touch.last)
        if kind is ActKind.LOOK:
            one.looks += touch.count
        else:
            one.changes += touch.count


async def touched(
    database: Database, *, since: datetime, until: datetime, now: datetime, span: str, step: int = STEP
) -> Touched:
    """Whose data was looked at or changed from `since` on and before `until`; for a breach notice.

    Recorded in the trail itself as an act of the operator, before it is handed over; `span` are the days as asked for.
    """
    tally, for_nobody = _Tally(), 0
    end = await database.read(trail.ends)
    for after in range(0, end, step):
        for touch in await database.read(trail.touches, after=after, size=step, since=since, until=until):
            tally.add(touch)
        for_nobody += await database.read(trail.looks_for_nobody, after=after, size=step, since=since, until=until)
    refs, customers = sorted(tally.checks), set[str]()
    for start in range(0, len(refs), _PAGE):
        page = refs[start : start + _PAGE]
        found = await database.read(trail.customers, page)
        for ref in page:
            tally.checks[ref].country, customer = found.get(ref, ("", ""))
            customers.add(customer or ref)
    detail = f"{span}:{len(refs)}"
    await database.write(audit.record, at=now, actor=audit.OPERATOR, act="touched.listed", detail=detail)
    return Touched(checks=[tally.checks[ref] for ref in refs], customers=len(customers), looks_for_nobody=for_nobody)
