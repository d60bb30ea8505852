"""Home tabs: who opened one, what they chose to see, what was published last, and when to publish next."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.review.home_choices import HomeChoices
from storage import leases
from storage.engine.database import Transaction, any_moment, load

HOMES = "homes"
"""Topic woken when a Home tab is due to be published."""

KEPT_FRESH = timedelta(days=7)
"""A tab that was not opened for this long is not refreshed until it is."""
GAP = timedelta(seconds=10)
"""One person's tab is published no more often."""

_QUEUE = leases.Queue(
    table="homes",
    key="person",
    columns="person, view_print, choices, is_opened",
    # A change makes a tab due even while it is being published, but it waits for that: one view could overtake another.
    due=f"(due_at <= :now OR leased_until <= :now) AND {leases.FREE}",
    order="due_at, person",
    taken="due_at = NULL, is_opened = 0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTab:
    """A tab that is due to be published."""

    person: str
    view_print: str
    """Of what was published last; empty when it must be published in any case."""
    choices: HomeChoices
    is_opened: bool
    """Its person has opened it, or turned a page of it, since it was last published."""


def prints_of(tx: Transaction, view: str) -> list[str]:
    """What a tab is recognised by, under every key, newest first. It shows names: its bare hash could be guessed.

    After a change of the keys a tab is published once more, at worst: what it shows can be built at any time.
    """
    return tx.sealer.fingerprints(view, purpose="home-tab")


def opened(tx: Transaction, person: str, *, now: datetime) -> None:
    """Somebody opened it: publish it at once."""
    sql = """
        INSERT INTO homes (person, opened_at, due_at, is_opened) VALUES (:person, :now, :now, 1)
        ON CONFLICT (person) DO UPDATE SET opened_at = :now, due_at = :now, view_print = '', is_opened = 1
        """
    tx.run(sql, person=person, now=now)
    tx.wake(HOMES)


def choose(tx: Transaction, person: str, change: Callable[[HomeChoices], HomeChoices], *, now: datetime) -> None:
    """Somebody chose a filter or a page: keep it, and publish at once."""
    # Read and written in one transaction: two quick clicks change two choices, and neither takes the other back.
    before = HomeChoices.load(tx.value("SELECT choices FROM homes WHERE person = :person", person=person) or "")
    sql = """
        INSERT INTO homes (person, opened_at, due_at, choices, is_opened) VALUES (:person, :now, :now, :choices, 1)
        ON CONFLICT (person) DO UPDATE SET opened_at = :now, due_at = :now, view_print = '', choices = :choices,
            is_opened = 1
        """
    tx.run(sql, person=person, now=now, choices=change(before).dump())
    tx.wake(HOMES)


def mark_due(tx: Transaction, requester: str, *, now: datetime) -> None:
    """A check changed: refresh the tab of its requester, and of those who see everybody's checks."""
    # A tab that is due already will include this change. One that is being published now becomes due once more.
    sql = """
        UPDATE homes SET due_at = CASE
            WHEN published_at IS NULL OR published_at <= :early THEN :now
            ELSE :soon END
        WHERE due_at IS NULL AND opened_at > :since AND (person = :requester OR sees <> '')
        """
    touched = tx.run(sql, now=now, early=now - GAP, soon=now + GAP, since=now - KEPT_FRESH, requester=requester)
    if touched:
        tx.wake(HOMES)


def mark_forgotten(tx: Transaction, requester: str, *, now: datetime) -> None:
    """A check is erased: whatever tab may still show it is published anew, however long ago it was opened."""
    sql = "UPDATE homes SET due_at = :now, view_print = '' WHERE due_at IS NULL AND (person = :requester OR sees <> '')"
    if tx.run(sql, now=now, requester=requester):
        tx.wake(HOMES)


def claim_due(tx: Transaction, *, now: datetime, until: datetime, limit: int) -> list[DueTab]:
    """Tabs to publish, ours until the lease ends. Later changes make them due once more."""
    rows = leases.claim_due(tx, _QUEUE, now=now, until=until, limit=limit)
    return [load(DueTab, row, choices=HomeChoices.load(row["choices"])) for row in rows]


def shown(
    tx: Transaction, person: str, *, view_print: str, sees: Collection[str], again_at: datetime | None, now: datetime
) -> None:
    """It is published, or was up to date already. Incomplete, rebuild it at `again_at`, or earlier after a change."""
    sql = """
        UPDATE homes SET leased_until = NULL, view_print = :view_print, sees = :sees, published_at = :now,
            due_at = CASE WHEN due_at IS NULL OR due_at > :again_at THEN :again_at ELSE due_at END
        WHERE person = :person RETURNING due_at
        """
    seen = ",".join(sorted(sees))
    due_at = tx.value(sql, view_print=view_print, sees=seen, again_at=again_at, now=now, person=person)
    if due_at is not None and any_moment(due_at) <= now:
        # Something changed while it was being published, and waited for the lease.
        tx.wake(HOMES)


def reschedule(tx: Transaction, person: str, *, at: datetime, is_opened: bool) -> None:
    """It could not be published: retry at `at`, unless a change makes it due earlier. `is_opened` as it was claimed."""
    sql = """
        UPDATE homes SET leased_until = NULL, view_print = '',
            is_opened = CASE WHEN :is_opened = 1 THEN 1 ELSE is_opened END,
            due_at = CASE WHEN due_at IS NULL OR due_at > :at THEN :at ELSE due_at END
        WHERE person = :person
        """
    tx.run(sql, at=at, is_opened=is_opened, person=person)


def forget(tx: Transaction, person: str) -> None:
    """Its person is gone."""
    tx.run("DELETE FROM homes WHERE person = :person", person=person)


def mark_all_due(tx: Transaction, *, now: datetime) -> None:
    """Refresh every tab in use: a new day began, or roles changed."""
    tx.run(
        "UPDATE homes SET due_at = :now WHERE due_at IS NULL AND opened_at > :since", now=now, since=now - KEPT_FRESH
    )
    tx.wake(HOMES)
