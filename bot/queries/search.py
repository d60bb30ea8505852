"""Searches among checks: a person's list, and the search form. Nobody sees more than they may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from bot.access.permissions import Role
from bot.access.process import Process
from bot.domain.check.check import Cursor, SearchFilter
from bot.domain.check.references import parse_reference
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDType
from bot.errors import Refusal, Refused
from bot.outbox.links import Links
from storage import audit, search
from storage.engine.database import Transaction
from storage.search import CheckPage

PAGE = 10

STATES: Mapping[str, frozenset[State]] = {
    "open": frozenset({State.REQUESTED, State.SUBMITTING, State.PROCESSING}),
    "review": frozenset({State.IN_REVIEW}),
    **{state.value: frozenset({state}) for state in (State.APPROVED, State.REJECTED, State.FAILED, State.CANCELLED)},
}
EVERYBODYS = "all"
IN_REVIEW = "review"
"""What needs a person, which leaves out what one has decided."""
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
        return not _kinds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One page of checks, with a link to each where Slack gave it in time."""

    page: CheckPage
    wanted: SearchFilter
    entries: Sequence[IDType | None]
    links: Sequence[str | None]


@dataclass(slots=True, kw_only=True, eq=False)
class CheckSearch(Process):
    links: Links

    async def list_checks(self, user: str, filter_: str, cursor: Cursor | None = None) -> SearchResult:
        """A page of a person's checks, or with `all` of everybody's. Raises Refused."""
        await self.require_search(user)
        wanted = SearchFilter(requester=user, states=STATES.get(filter_), undecided=filter_ == IN_REVIEW)
        if filter_ == EVERYBODYS:
            permission = await self.access.has(user, Role.REVIEWER, Role.ADMIN)
            permission.require(Refused(Refusal.ALL_IS_FOR_REVIEWERS))
            wanted = SearchFilter()
        return await self._found(user, wanted, cursor, kinds="list")

    async def search(self, user: str, sought: SearchForm) -> SearchResult:
        """The first page of checks that match every field. Others' checks are for reviewers and admins, and audited."""
        return await self.page(user, await self._wanted(sought), None, kinds=_kinds(sought))

    async def page(
        self, user: str, wanted: SearchFilter, cursor: Cursor | None, *, kinds: str = "page"
    ) -> SearchResult:
        """One page. Without the right to see others' checks a person gets their own alone, whatever is wanted."""
        permission = await self.access.has(user, Role.REVIEWER, Role.ADMIN)
        if not permission.settled(Refused(Refusal.NOT_SURE)):
            await self.require_search(user)
            if wanted.requester not in (None, user):
                wanted = replace(wanted, refs=())
            wanted = replace(wanted, requester=user)
        return await self._found(user, wanted, cursor, kinds=kinds)

    async def require_search(self, user: str) -> None:
        """Own checks are for requesters, and having been one gives no right. Raises Refused."""
        await self.access.require_to_see(user, user, self.access.no_access())

    async def _wanted(self, sought: SearchForm) -> SearchFilter:
        countries = [sought.country] if sought.country else list(self.id_types.known_countries())

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

        refs = await self.database.read(keyed)
        return SearchFilter(
            requester=sought.requester,
            states=STATES.get(sought.outcome or ""),
            undecided=sought.outcome == IN_REVIEW,
            since=self._begins(sought.first),
            until=self._begins(sought.last + timedelta(days=1)) if sought.last else None,
            refs=refs,
        )

    def _begins(self, day: date | None) -> datetime | None:
        return datetime(day.year, day.month, day.day, tzinfo=self.settings.zone).astimezone(UTC) if day else None

    async def _found(self, user: str, wanted: SearchFilter, cursor: Cursor | None, *, kinds: str) -> SearchResult:
        page = await self.database.read(search.page, wanted, size=PAGE, cursor=cursor)
        links = await self.links.threads(page.checks)
        entries = [self.id_types.find(check.country, check.id_type) for check in page.checks]
        others = sum(check.requester != user for check in page.checks)
        if others:
            # Who saw others' checks, by which kinds of criteria, and how many; never by which values.
            detail = f"{kinds}:{others}"
            await self.database.write(audit.record, at=self.now(), actor=user, act="checks.found", detail=detail)
        return SearchResult(page=page, wanted=wanted, entries=entries, links=links)


def _kinds(sought: SearchForm) -> str:
    """Which fields were filled in, never with what: for the audit trail."""
    names = ("ref", "reference", "number", "job", "requester", "first", "last", "outcome")
    return "+".join(name for name in names if getattr(sought, name))
