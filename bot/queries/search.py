"""Searches among checks: a person's list, and the search form. Nobody sees more than they may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from bot.access.permissions import Permission, Sight, sight_of
from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.check import Check, Cursor, SearchFilter
from bot.domain.check.references import parse_reference
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDType
from bot.domain.review.queue import Queue
from bot.domain.review.review import Review
from bot.errors import Refusal, Refused
from bot.outbox.links import Links
from bot.outbox.look_ups import LookUp, LookUps
from storage import audit, blind_index, checks, reviews, search
from storage.engine.database import Transaction
from storage.search import CheckPage

PAGE = 10

STATES: Mapping[str, frozenset[State]] = {
    "open": frozenset({State.REQUESTED, State.AWAITING_PHOTOS, State.SUBMITTING, State.PROCESSING}),
    "review": frozenset({State.IN_REVIEW}),
    **{state.value: frozenset({state}) for state in (State.APPROVED, State.REJECTED, State.FAILED, State.CANCELLED)},
}
EVERYBODYS = "all"
"""Alone, or followed by a blank and one of `STATES`."""
IN_REVIEW = "review"
"""What needs a person, ended or not, which leaves out what one has decided; for a reviewer, what they can take."""
OWN = "mine"
OWN_FILTERS = frozenset({"", OWN, *STATES})
FILTERS = (OWN, *STATES, EVERYBODYS, *(f"{EVERYBODYS} {name}" for name in STATES))
PERSONAL = ("reference", "number", "job")
"""What finds a customer; only among checks that somebody sees whole."""


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
    reviews: Sequence[Review | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchScope:
    """Which checks somebody may look among."""

    user: str
    is_requester: bool
    """Sees those that they asked for whole."""
    others: Sight
    """How much of everybody else's they see."""

    @property
    def sees_customers(self) -> bool:
        """Of any check: who sees records alone has nothing that finds a customer."""
        return self.is_requester or self.others is Sight.WHOLE

    @property
    def filters(self) -> Sequence[str]:
        """Those of `FILTERS` that show this person anything."""
        if self.others is Sight.NOTHING:
            return [name for name in FILTERS if not name.startswith(EVERYBODYS)]
        if self.is_requester:
            return FILTERS
        queue = [IN_REVIEW] if self.others is Sight.WHOLE else []
        return [*queue, *(name for name in FILTERS if name.startswith(EVERYBODYS))]

    def filter_of(self, shown: str) -> str:
        """The filter that is meant: who asks for no checks means everybody's by every word."""
        shown = shown or OWN
        if shown in self.filters:
            return shown
        return EVERYBODYS if shown == OWN else f"{EVERYBODYS} {shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A check that waits for a reviewer."""

    check: Check
    entry: IDType | None
    review: Review
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """What waits for one reviewer: their claims, what they may take, then what others have."""

    rows: Sequence[QueueRow]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The answer to `/kyc list`: a page of checks, or a reviewer's queue."""

    shown: str
    offers: Sequence[str]
    """The filters that can be chosen instead."""
    found: SearchResult | None = None
    queue: QueuePage | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class CheckSearch(Process):
    links: Links
    look_ups: LookUps

    async def scope(self, user: str) -> SearchScope:
        """Which checks this person may look among. Raises Refused where there are none."""
        starts, whole, record = await self.access.may_each(user, Right.START, Right.SEE_WHOLE, Right.SEE_RECORD)
        own, others = starts.settled(Refused(Refusal.NOT_SURE)), sight_of(whole, record)
        if not own and others is Sight.NOTHING:
            raise self.access.no_access()
        return SearchScope(user=user, is_requester=own, others=others)

    async def _own_scope(self, user: str) -> SearchScope:
        """The same; while Slack does not say what else they may see, somebody's own checks."""
        try:
            return await self.scope(user)
        except Refused as no:
            if no.code is not Refusal.NOT_SURE or not await self._is_requester(user):
                raise
            return SearchScope(user=user, is_requester=True, others=Sight.NOTHING)

    async def _is_requester(self, user: str) -> bool:
        return (await self.access.may(user, Right.START)).settled(Refused(Refusal.NOT_SURE))

    async def list_checks(self, user: str, shown: str, cursor: Cursor | None = None) -> Listing:
        """A page of a person's own checks, of everybody's, or what waits for a reviewer. Raises Refused.

        `shown` is one of `FILTERS`, or empty for what this person most likely looks for.
        """
        scope = await (self._own_scope(user) if shown in OWN_FILTERS else self.scope(user))
        if shown.startswith(EVERYBODYS) and scope.others is Sight.NOTHING:
            raise Refused(Refusal.OWN_CHECKS_ALONE, admin=self.access.an_admin())
        shown = scope.filter_of(shown)
        if shown == IN_REVIEW and scope.others is Sight.WHOLE:
            return Listing(shown=shown, offers=scope.filters, queue=await self._queue(user))
        if shown.startswith(EVERYBODYS):
            await self.look_ups.require(user, LookUp.FIND)
        state = shown.removeprefix(EVERYBODYS).strip()
        wanted = SearchFilter(
            requester=None if shown.startswith(EVERYBODYS) else user,
            states=STATES.get(state),
            undecided=state == IN_REVIEW,
        )
        found = await self._found(scope, wanted, cursor, kinds="list")
        return Listing(shown=shown, offers=scope.filters, found=found)

    async def lists_own_alone(self, user: str, typed: str) -> bool:
        """Whether `list_checks` shows this person nothing of others, so that no look is recorded: whatever is typed."""
        shown = typed.strip().casefold()
        if shown not in OWN_FILTERS or shown == IN_REVIEW:
            return False
        # Who asks for no checks means everybody's by every word.
        return await self.access.may(user, Right.START) is Permission.YES

    async def search(self, user: str, sought: SearchForm) -> SearchResult:
        """The first page of checks that match every field. What finds a customer finds own checks alone, unless this
        person sees everybody's whole. Audited. Raises Refused.
        """
        scope = await self.scope(user)
        if scope.others is not Sight.WHOLE and any(getattr(sought, name) for name in PERSONAL):
            if not scope.is_requester:
                raise Refused(Refusal.FIND_IS_PERSONAL)
            scope = replace(scope, others=Sight.NOTHING)
        await self.look_ups.require(user, LookUp.FIND)
        looked_for = (sought.country, sought.number) if sought.country and sought.number else None
        return await self._page(
            scope, await self._wanted(scope, sought), None, kinds=_kinds(sought), looked_for=looked_for
        )

    async def page(self, user: str, wanted: SearchFilter, cursor: Cursor | None) -> SearchResult:
        """Another page of what was found. Raises Refused."""
        scope = await self.scope(user)
        await self.look_ups.require(user, LookUp.FIND)
        return await self._page(scope, wanted, cursor, kinds="page")

    async def _page(
        self,
        scope: SearchScope,
        wanted: SearchFilter,
        cursor: Cursor | None,
        *,
        kinds: str,
        looked_for: tuple[str, str] | None = None,
    ) -> SearchResult:
        """Whatever is wanted, who sees nothing of others' checks gets their own alone."""
        if scope.others is Sight.NOTHING:
            if wanted.requester not in (None, scope.user):
                wanted = replace(wanted, refs=())
            wanted = replace(wanted, requester=scope.user)
        return await self._found(scope, wanted, cursor, kinds=kinds, looked_for=looked_for)

    async def _queue(self, user: str) -> QueuePage:
        overrides = (await self.access.may(user, Right.DECIDE, own=True)).settled(Refused(Refusal.NOT_SURE))

        def read(tx: Transaction) -> tuple[list[tuple[Check, Review]], int]:
            queue = Queue.of(reviews.open_now(tx), viewer=user, now=self.now(), due=self.settings.review_due)
            theirs = queue.for_reviewer(overrides=overrides).found
            refs = [one.ref for one in theirs[:PAGE]]
            found = reviews.of_checks(tx, refs)
            return [(check, found[check.ref]) for check in checks.get_all(tx, refs) if check.ref in found], len(theirs)

        first, total = await self.database.read(read)
        self.looked(user, "queue.shown", detail=str(len(first)))
        self.listed(user, [check for check, _review in first], where="queue")
        links = await self.links.threads([check for check, _review in first])
        rows = [
            QueueRow(check=check, entry=self._entry(check), review=review, link=link)
            for (check, review), link in zip(first, links, strict=True)
        ]
        return QueuePage(rows=rows, more=total - len(rows))

    def _entry(self, check: Check) -> IDType | None:
        return self.id_types.find(check.country, check.id_type)

    async def _wanted(self, scope: SearchScope, sought: SearchForm) -> SearchFilter:
        # The view remembers these references: of a customer's other checks, not even that they are.
        only = scope.user if scope.others is Sight.NOTHING else None
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
            return search.newest(tx, set.intersection(*sets), requester=only) if sets else None

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

    async def _found(
        self,
        scope: SearchScope,
        wanted: SearchFilter,
        cursor: Cursor | None,
        *,
        kinds: str,
        looked_for: tuple[str, str] | None = None,
    ) -> SearchResult:
        user = scope.user
        opens_for = None if scope.others is Sight.WHOLE else user if scope.is_requester else ""

        def read(tx: Transaction) -> tuple[CheckPage, list[Review | None]]:
            page = search.page(tx, wanted, size=PAGE, cursor=cursor, opens_for=opens_for)
            reviewed = [check.ref for check in page.checks if check.review is not None]
            # A list says who has it and who decided, and never anybody's own words.
            found = reviews.of_checks(tx, reviewed, sealed=False) if reviewed else {}
            return page, [found.get(check.ref) for check in page.checks]

        page, found = await self.database.read(read)
        links = await self.links.threads(page.checks)
        entries = [self._entry(check) for check in page.checks]
        others = sum(check.requester != user for check in page.checks)
        if others or kinds != "list":
            # Who searched, by which kinds of criteria, and how many checks of others they saw; never by which values.
            detail = f"{kinds}:{others}"
            of_nobody = looked_for if not page.checks else None
            await self.database.write(_note_find, of_nobody, at=self.now(), actor=user, detail=detail)
            if opens_for is None:
                # Of the others, nothing that could name a customer is shown.
                self.listed(user, page.checks, where="list" if kinds in ("list", "page") else "find")
        return SearchResult(page=page, wanted=wanted, entries=entries, links=links, reviews=found)


def _note_find(tx: Transaction, looked_for: tuple[str, str] | None, *, at: datetime, actor: str, detail: str) -> None:
    # Somebody without a check was looked for: the line points to them too, for as long as erasure lets it.
    prints = blind_index.numbers(tx.sealer, *looked_for) if looked_for else [None]
    audit.record(tx, at=at, actor=actor, act="checks.found", detail=detail, number_print=prints[0])


def _kinds(sought: SearchForm) -> str:
    """Which fields were filled in, never with what: for the audit trail."""
    names = ("ref", "reference", "number", "job", "requester", "first", "last", "outcome")
    return "+".join(name for name in names if getattr(sought, name))
