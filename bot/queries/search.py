"""Finding checks again: a person's list, and the search form; everybody sees no more than they may."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.access.permissions import Access, Permission, Role
from bot.domain.check.references import parse_reference
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.reporting.searches import Cursor, SearchFilter
from bot.errors import Refusal, Refused
from bot.slack.client import SlackClient
from storage import audit, search
from storage.engine.database import Database, Transaction
from storage.search import CheckPage

PAGE = 10

STATES: Mapping[str, frozenset[State]] = {
    "open": frozenset({State.REQUESTED, State.SUBMITTING, State.PROCESSING}),
    "review": frozenset({State.IN_REVIEW}),
    "approved": frozenset({State.APPROVED}),
    "rejected": frozenset({State.REJECTED}),
    "failed": frozenset({State.FAILED}),
    "cancelled": frozenset({State.CANCELLED}),
}
EVERYBODYS = "all"
IN_REVIEW = "review"
"""What needs a person: what one has decided does not."""
OWN = "mine"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchForm:
    """The search form, as filled in; empty fields are None. `number`, `reference` never leave this process."""

    ref: str | None = None
    reference: str | None = field(default=None, repr=False)
    number: str | None = field(default=None, repr=False)
    country: str | None = None
    job: str | None = None
    requester: str | None = None
    first: date | None = None
    last: date | None = None
    outcome: str | None = None

    @property
    def is_empty(self) -> bool:
        return not any(
            (self.ref, self.reference, self.number, self.job, self.requester, self.first, self.last, self.outcome)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One page of checks, with a link to each where Slack gave it in time."""

    page: CheckPage
    wanted: SearchFilter
    entries: Sequence[IDType | None]
    links: Sequence[str | None]


class CheckSearch:
    """Looks for checks."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        access: Access,
        id_types: IDTypes,
        timezone: str,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._slack = slack
        self._access = access
        self._id_types = id_types
        self._zone = ZoneInfo(timezone)
        self._now = now

    async def listing(self, user: str, shown: str, cursor: Cursor | None = None) -> SearchResult:
        """A person's checks, or with `all` everybody's. Raises Refused."""
        await self.require_search(user)
        wanted = SearchFilter(requester=user, states=STATES.get(shown), undecided=shown == IN_REVIEW)
        if shown == EVERYBODYS:
            await self._require_all(user)
            wanted = SearchFilter()
        found = await self._found(wanted, cursor)
        await self._record(user, found, "list")
        return found

    async def search(self, user: str, sought: SearchForm) -> SearchResult:
        """The first page of what fits every field. Others' checks are for reviewers and admins, and recorded."""
        wanted = await self._wanted(sought)
        return await self.turn(user, wanted, None, kinds=_kinds(sought))

    async def turn(
        self, user: str, wanted: SearchFilter, cursor: Cursor | None, *, kinds: str = "page"
    ) -> SearchResult:
        """One page; whose rights allow no more sees own checks alone, whatever is wanted."""
        match await self._access.has(user, Role.REVIEWER, Role.ADMIN):
            case Permission.UNKNOWN:
                raise Refused(Refusal.NOT_SURE)
            case Permission.NO:
                await self.require_search(user)
                if wanted.requester not in (None, user):
                    wanted = replace(wanted, refs=())
                wanted = replace(wanted, requester=user)
            case Permission.YES:
                pass
        found = await self._found(wanted, cursor)
        await self._record(user, found, kinds)
        return found

    async def _record(self, user: str, found: SearchResult, kinds: str) -> None:
        """Who saw others' checks, by which kinds of criteria, and how many; never which values."""
        others = sum(check.requester != user for check in found.page.checks)
        if others:

            def record(tx: Transaction) -> None:
                audit.record(tx, at=self._now(), actor=user, act="checks.found", detail=f"{kinds}:{others}")

            await self._database.write(record)

    async def require_search(self, user: str) -> None:
        """Own checks are for requesters, and having been one is no right. Raises Refused."""
        (await self._access.may_see(user, user)).require(self._access.no_access())

    async def _require_all(self, user: str) -> None:
        permission = await self._access.has(user, Role.REVIEWER, Role.ADMIN)
        permission.require(Refused(Refusal.ALL_IS_FOR_REVIEWERS))

    async def _wanted(self, sought: SearchForm) -> SearchFilter:
        countries = [sought.country] if sought.country else list(self._id_types.known_countries())

        def keyed(tx: Transaction) -> tuple[str, ...] | None:
            sets: list[set[str]] = []
            if sought.ref:
                ref = parse_reference(sought.ref)
                sets.append({ref} if ref else set())
            if sought.number:
                sets.append(search.by_number(tx, sought.number, countries))
            if sought.reference:
                sets.append(search.by_reference(tx, sought.reference))
            if sought.job:
                sets.append(search.by_job(tx, sought.job))
            return search.newest(tx, set.intersection(*sets)) if sets else None

        refs = await self._database.read(keyed)
        return SearchFilter(
            requester=sought.requester,
            states=STATES.get(sought.outcome or ""),
            undecided=sought.outcome == IN_REVIEW,
            since=self._begins(sought.first),
            until=self._begins(sought.last + timedelta(days=1)) if sought.last else None,
            refs=refs,
        )

    def _begins(self, day: date | None) -> datetime | None:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC) if day else None

    async def _found(self, wanted: SearchFilter, cursor: Cursor | None) -> SearchResult:
        page = await self._database.read(search.page, wanted, size=PAGE, cursor=cursor)
        looks = (self._slack.link(channel=check.channel, ts=check.message_ts) for check in page.checks)
        links = await asyncio.gather(*looks)
        entries = [self._id_types.find(check.country, check.id_type) for check in page.checks]
        return SearchResult(page=page, wanted=wanted, entries=entries, links=links)


def _kinds(sought: SearchForm) -> str:
    """Which fields were filled in, never with what: for the audit trail."""
    names = ("ref", "reference", "number", "job", "requester", "first", "last", "outcome")
    return "+".join(name for name in names if getattr(sought, name))
