"""How many checks people may start in a day (`KYC_DAILY_CHECKS`), counted where somebody decides that one is paid for.

That is: a form, a file, *Run again*, other photos, an answer to the bot's question, an edit, *Resume*. Each counts in
the transaction of the decision itself, so that nothing is sent uncounted whatever happens in between, and retries of
the bot's own never count. What is cancelled or fails before Smile ID was asked is given back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.check.check import Check
from bot.domain.outbox import AdminAlert
from bot.domain.spending import DailyLimits, reached
from bot.errors import Refusal, Refused
from bot.outbox import alerts
from storage import attempts, spending
from storage.engine.database import Transaction

_BEGUN = Refusal.DAILY_FILE, Refusal.DAILY_FILE_NEVER
_RESUMED = Refusal.DAILY_RESUMED, Refusal.DAILY_RESUMED_NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits, and whom to tell; what is used of them is stored."""

    limits: DailyLimits
    zone: ZoneInfo
    admins: Sequence[str] = ()
    an_admin: str | None = None

    @classmethod
    def of(cls, process: Process) -> Self:
        """As the settings say, and with the admins that are known now."""
        return cls(
            limits=process.settings.daily_checks or DailyLimits(),
            zone=process.settings.zone,
            admins=process.access.people(Role.ADMIN),
            an_admin=process.access.an_admin(),
        )

    def take(self, tx: Transaction, check: Check, *, person: str, at: datetime, now: datetime) -> None:
        """Count a check for the day of `at`, on which it is to be sent, as started by `person`.

        A check counts once in a round: what counts for another day, or as another's, is moved. Raises Refused where the
        day has no room, which undoes the transaction.
        """
        day = self._day(at)
        if spending.of_check(tx, check) != (day, person):
            with self._room(tx, day=day, person=person, now=now):
                spending.take(tx, check, day=day, person=person)

    def take_file(self, tx: Transaction, batch_id: str, *, person: str, checks: int, now: datetime) -> None:
        """Count all rows of a file that will become checks. Raises Refused where they do not fit into this day."""
        day = self._day(now)
        self.require_possible(checks)
        with self._room(tx, day=day, person=person, now=now, of_file=_BEGUN):
            spending.take_file(tx, batch_id, day=day, person=person, checks=checks)

    def require_possible(self, checks: int) -> None:
        """Raises Refused for a file that fits into no day, however little is used of it."""
        most = self.limits.left(own=0, all_=0)
        if most is not None and checks > most:
            raise Refused(Refusal.DAILY_FILE_NEVER, checks=checks, most=most, admin=self.an_admin)

    def resume(self, tx: Transaction, batch_id: str, *, person: str, now: datetime) -> None:
        """Count what is left of a paused file for the day on which it goes on. Raises Refused, as `take_file`.

        A part of it may be sent and paid for, so what is said of a file that was not begun would not be true of it.
        """
        day = self._day(now)
        with self._room(tx, day=day, person=person, now=now, of_file=_RESUMED):
            spending.move_rows(tx, batch_id, day=day, person=person)

    def _day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    @contextmanager
    def _room(
        self, tx: Transaction, *, day: date, person: str, now: datetime, of_file: tuple[Refusal, Refusal] | None = None
    ) -> Iterator[None]:
        """Around what counts more checks for a day: refuses what is too much, and tells admins of the marks passed.

        `of_file`: what is said of a file for which this day has no room, and of one for which no day has.
        """
        own, all_ = spending.used(tx, day, person)
        yield
        own_now, all_now = spending.used(tx, day, person)
        limits = self.limits
        later, admin = day.isoformat() if day != self._day(now) else "", self.an_admin
        is_own, is_all = _exceeds(limits.per_person, own, own_now), _exceeds(limits.total, all_, all_now)
        left = limits.left(own=own, all_=all_)
        if of_file is not None and (is_own or is_all):
            this_day, never = of_file
            checks = all_now - all_
            # A paused one may be longer than a limit that was lowered since: no other day has room for it. Rows that
            # count as an admin's, who let them pass, take of the room of all alone.
            added = ((limits.per_person, own_now - own), (limits.total, checks))
            if too_low := [most for most, more in added if most is not None and more > most]:
                raise Refused(never, checks=checks, rest=checks, most=min(too_low), admin=admin)
            raise Refused(this_day, checks=checks, rest=checks, left=left, day=later, admin=admin)
        if is_own:
            raise Refused(Refusal.DAILY_OWN, most=limits.per_person, left=left, day=later, admin=admin)
        if is_all:
            raise Refused(Refusal.DAILY_ALL, most=limits.total, left=left, day=later, admin=admin)
        self._tell(tx, day, person, own=(own, own_now), all_=(all_, all_now), now=now)

    def _tell(
        self, tx: Transaction, day: date, person: str, *, own: tuple[int, int], all_: tuple[int, int], now: datetime
    ) -> None:
        """Alert the admins once a day of each mark that all together have passed, and of who has used up their own."""
        limits, date_ = self.limits, day.isoformat()
        mark = reached(limits.total, before=all_[0], after=all_[1]) if limits.total else None
        most, used = str(limits.total), str(all_[1])
        if mark == 100:
            alerts.alert_once(
                tx,
                f"daily:100:{date_}",
                AdminAlert.DAILY_REACHED,
                recipients=self.admins,
                now=now,
                date=date_,
                most=most,
            )
        elif mark is not None:
            fault, code = f"daily:{mark}:{date_}", AdminAlert.DAILY_NEARLY
            alerts.alert_once(tx, fault, code, recipients=self.admins, now=now, date=date_, used=used, most=most)
        if limits.per_person and own[0] < limits.per_person <= own[1]:
            alerts.alert_once(
                tx,
                f"daily:{person}:{date_}",
                AdminAlert.DAILY_OF_PERSON,
                recipients=self.admins,
                now=now,
                date=date_,
                most=str(limits.per_person),
            )


def _exceeds(most: int | None, before: int, after: int) -> bool:
    """Whether more was added than there was room for; what only moves away never is."""
    return most is not None and after > max(most, before)


def give_back(tx: Transaction, check: Check) -> None:
    """A check ends: it no longer counts if Smile ID was never asked in this round."""
    if not attempts.count_of_round(tx, check.ref):
        spending.give_back(tx, check)


def count_if_uncounted(tx: Transaction, check: Check, *, zone: ZoneInfo, now: datetime) -> None:
    """Whatever is about to be paid for counts, also a check that was accepted before checks were counted."""
    if spending.of_check(tx, check) is None:
        spending.take(tx, check, day=now.astimezone(zone).date(), person=check.requester)
