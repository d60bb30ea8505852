"""Sums of days: figures are those of the facts themselves, whatever becomes of a check and whoever writes the file."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from bot.access.permissions import Access
from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.check.states import FINAL, State
from bot.domain.id_types.id_types import IDTypes
from bot.domain.reporting.figures import Report
from bot.domain.reporting.periods import Period, Span, day_of, month_of, week_of
from bot.domain.reporting.summary_command import SummaryRequest
from bot.reporting import report_reader
from bot.reporting.report_reader import ReportReader
from bot.settings import Settings
from storage import check_facts, checks, day_sums, meta, summaries
from storage.engine import kept_sums
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import engines

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SEALER = Sealer([b"k" * 32])
MONDAY = datetime(2026, 3, 9, 12, tzinfo=UTC)
ALL = 10**9
"""More than there are: then figures are made from the facts."""


@dataclass
class Office:
    database: Database
    zone: str = "Africa/Lagos"
    now: datetime = MONDAY
    refs: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings.model_construct(timezone=self.zone, review_due=timedelta(hours=4))

    async def report(self, period: Period, **only: str) -> Report:
        """Of sums as far as they can be kept. The facts say the same."""
        asked = SummaryRequest(period=period, **only)
        reader = ReportReader(
            database=self.database,
            access=cast("Access", None),
            id_types=cast("IDTypes", None),
            settings=self.settings,
            now=lambda: self.now,
            rng=random.Random(7),
            few=-1,
        )
        said = await reader.read(asked)
        plain = await self.database.read(report_reader.read, asked, settings=self.settings, as_of=self.now, few=ALL)
        assert said == plain
        return said

    async def ask(self, *, at: datetime | None = None, who: str = "U1", id_type: str = "BVN") -> str:
        ref = f"K-{len(self.refs)}"
        self.refs.append(ref)
        await self.database.write(_ask, ref, at or self.now, who, id_type)
        return ref

    async def end(self, ref: str, state: State, *, at: datetime | None = None, decision: str | None = None) -> None:
        await self.database.write(_end, ref, state, at or self.now, decision)

    async def kept(self) -> set[Span]:
        def read(tx: Transaction) -> set[Span]:
            days = [
                (datetime.fromisoformat(row["begins"]), datetime.fromisoformat(row["ends"]))
                for row in tx.rows("SELECT begins, ends FROM day_sums WHERE mac IS NOT NULL")
            ]
            return day_sums.which(tx, days)

        return await self.database.read(read)


def _ask(tx: Transaction, ref: str, at: datetime, who: str, id_type: str) -> None:
    request = Request(
        requester=who,
        team="T1",
        channel="C1",
        thread_ts=None,
        view_id=f"V-{ref}",
        country="NG",
        id_type=id_type,
        id_info={"id_number": "00000000000"},
        customer_reference="",
        photos=(PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id="F1"),),
        consent_at=at,
    )
    checks.add(tx, request, ref=ref, now=at)


def _end(tx: Transaction, ref: str, state: State, at: datetime, decision: str | None) -> None:
    """As a result or a decision leaves the check; looked at anew, it has no end."""
    sql = """
        UPDATE verifications SET state = :state, reason = CASE WHEN :state = 'in_review' THEN 'smile_id' END,
            verdict_why = 'faces_differ', decision = :decision, decision_reason = 'other',
            decided_at = CASE WHEN CAST(:decision AS TEXT) IS NOT NULL THEN :at END,
            ended_at = CASE WHEN :is_ended = 1 THEN :at END
        WHERE ref = :ref
        """
    tx.run(sql, state=state, decision=decision, at=at, is_ended=state in FINAL or decision is not None, ref=ref)
    check_facts.note(tx, ref, now=at)


@asynccontextmanager
async def office(path: Path, *, zone: str = "Africa/Lagos") -> AsyncIterator[Office]:
    database = await Database.open(engines.lay(path, SEALER), sealer=SEALER, migrate=migrate)
    try:
        await database.write(meta.check_key)
        await database.write(summaries.begin, None, now=MONDAY - timedelta(days=30))
        yield Office(database, zone)
    finally:
        await database.close()


@asynccontextmanager
async def summed(path: Path) -> AsyncIterator[Office]:
    """Two checks of Monday, approved the same day, and asked about on Thursday."""
    async with office(path) as world:
        for _number in range(2):
            await world.end(await world.ask(), State.APPROVED)
        world.now += timedelta(days=3)
        assert (await world.report(day_of(MONDAY.date()))).figures.approved == 2
        yield world


def monday(world: Office) -> Period:
    return day_of(MONDAY.date())


# The same figures


async def walk(world: Office, rng: random.Random, steps: int) -> None:
    """Checks come, end, are decided, looked at anew and run again, days later too; each time somebody asks."""
    for _step in range(steps):
        world.now += timedelta(minutes=rng.choice([7, 90, 600, 1500]))
        if not world.refs or rng.random() < 0.4:
            await world.ask(who=rng.choice(["U1", "U2"]), id_type=rng.choice(["BVN", "NIN"]))
        else:
            state = rng.choice([*sorted(FINAL), State.IN_REVIEW, State.APPROVED])
            decision = rng.choice([None, None, "approved", "rejected", "new_photos"])
            await world.end(rng.choice(world.refs), state, decision=decision)
        today = world.now.date()
        of = rng.choice([day_of, day_of, week_of, month_of])(today - timedelta(days=rng.randint(0, 4)))
        await world.report(of, **rng.choice([{}, {}, {"id_type": "BVN"}]))


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "seed"), [("Africa/Lagos", 1), ("America/New_York", 2)])
async def test_whatever_happens_sums_say_what_the_facts_say(tmp_path: Path, zone: str, seed: int) -> None:
    async with office(tmp_path / "kyc.db", zone=zone) as world:
        await walk(world, random.Random(seed), 25)
        assert await world.kept()


@pytest.mark.slow
@pytest.mark.endurance
@pytest.mark.parametrize("seed", range(10, 16))
async def test_on_a_long_walk_too(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    async with office(tmp_path / "kyc.db", zone=rng.choice(["Europe/London", "Pacific/Apia"])) as world:
        await walk(world, rng, 400)
        assert await world.kept()


@pytest.mark.slow
async def test_a_later_result_is_in_the_figures_of_its_day_at_once(tmp_path: Path) -> None:
    async with summed(tmp_path / "kyc.db") as world:
        late = await world.ask(at=MONDAY + timedelta(hours=1))
        assert (await world.report(monday(world))).figures.open == 1
        for state, counts in ((State.REJECTED, (2, 1)), (State.APPROVED, (3, 0))):
            await world.end(late, state, at=MONDAY + timedelta(hours=2))
            figures = (await world.report(monday(world))).figures
            assert (figures.approved, figures.rejected) == counts


@pytest.mark.slow
async def test_a_day_is_kept_once_it_has_ended_and_until_one_of_its_facts_changes(tmp_path: Path) -> None:
    async with office(tmp_path / "kyc.db") as world:
        ref = await world.ask()
        await world.end(ref, State.APPROVED)
        await world.report(monday(world))
        lagos_monday = monday(world).span(world.settings.zone)
        assert lagos_monday not in await world.kept()
        world.now += timedelta(days=1)
        await world.report(monday(world))
        assert lagos_monday in await world.kept()
        # A decision of another day changes both: when it was asked, and when it was settled.
        await world.report(day_of(date(2026, 3, 9)))
        await world.end(ref, State.APPROVED, decision="rejected")
        assert lagos_monday not in await world.kept()
        assert (await world.report(monday(world))).figures.rejected == 1


@pytest.mark.slow
async def test_another_time_zone_has_days_of_its_own(tmp_path: Path) -> None:
    async with summed(tmp_path / "kyc.db") as world:
        await world.end(await world.ask(at=MONDAY + timedelta(hours=11, minutes=30)), State.FAILED)
        assert (await world.report(monday(world))).figures.asked == 2
        world.zone = "Europe/London"
        assert (await world.report(monday(world))).figures.asked == 3
        world.zone = "Africa/Lagos"
        assert (await world.report(monday(world))).figures.asked == 2


@pytest.mark.slow
async def test_what_changes_while_a_day_is_summed_is_not_lost(tmp_path: Path) -> None:
    async with office(tmp_path / "kyc.db") as world:
        ref = await world.ask()
        world.now += timedelta(days=1)
        day = monday(world).span(world.settings.zone)
        await world.database.write(day_sums.begin, [day], making="first")
        of_before = day_sums.written([])
        await world.end(ref, State.APPROVED, at=MONDAY)
        assert await world.database.write(day_sums.keep, {day: of_before}, making="first") == 0
        # Nor does another one keep what somebody else has begun.
        await world.database.write(day_sums.begin, [day], making="second")
        assert await world.database.write(day_sums.keep, {day: of_before}, making="first") == 0
        assert (await world.report(monday(world))).figures.approved == 1


# Whoever writes the file


Row = tuple[object, ...]


def rows(path: Path) -> list[Row]:
    with closing(engines.beside(path)) as db:
        return db.execute("SELECT begins, ends, making, mac, sums FROM day_sums").fetchall()


def put(path: Path, older: list[Row]) -> None:
    with closing(engines.beside(path)) as db:
        db.execute("DELETE FROM day_sums")
        db.executemany("INSERT INTO day_sums (begins, ends, making, mac, sums) VALUES (?, ?, ?, ?, ?)", older)


@pytest.mark.slow
async def test_sums_that_were_thrown_away_and_put_back_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with summed(path) as world:
        older = rows(path)
        await world.end("K-0", State.REJECTED, at=MONDAY)
        put(path, older)
        assert (await world.report(monday(world))).figures.approved == 1
        # And what the bot keeps from then on does not make them its own.
        assert (await world.report(week_of(MONDAY.date()))).figures.approved == 1
        put(path, older)
        await world.end(await world.ask(), State.APPROVED)
        assert (await world.report(monday(world))).figures.approved == 1
    put(path, older)
    async with office(path) as again:
        again.now = MONDAY + timedelta(days=3)
        assert (await again.report(monday(again))).figures.approved == 1


ATTACKS: dict[str, str] = {
    "other sums": "UPDATE day_sums SET sums = replace(sums, 'approved', 'rejected')",
    "no mac": "UPDATE day_sums SET mac = ''",
    "another day": "UPDATE day_sums SET begins = '2026-03-01', ends = '2026-03-02' WHERE begins LIKE '2026-03-08T23%'",
    "none": "DELETE FROM day_sums",
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_sums_that_are_not_the_bots_are_not_believed(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "kyc.db"
    async with summed(path) as world:
        with closing(engines.beside(path)) as db:
            assert db.execute(attack).rowcount > 0
        for _again in range(2):
            assert (await world.report(monday(world))).figures.approved == 2


@pytest.mark.slow
async def test_an_altered_record_is_in_no_sum_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with summed(path) as world:
        with closing(engines.beside(path)) as db:
            db.execute("UPDATE verifications SET state = 'rejected' WHERE ref = 'K-1'")
        assert (await world.database.read(checks.get, "K-1")).is_altered
        report = await world.report(monday(world))
        assert (report.figures.approved, report.figures.rejected, report.altered) == (1, 0, 1)
        # A fact that is changed beside the bot throws the day's sums away: its own MAC tells then.
        with closing(engines.beside(path)) as db:
            db.execute("UPDATE facts SET country = 'KE' WHERE ref = 'K-0'")
        report = await world.report(monday(world))
        assert (report.figures.asked, report.altered) == (0, 2)


@pytest.mark.slow
async def test_sums_of_older_keys_go_with_them(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with summed(path) as world:
        assert await world.kept()
        assert await world.database.read(lambda tx: kept_sums.digest(tx.connection)) != kept_sums.NONE
    database = await Database.open(engines.place_of(path), sealer=Sealer([b"n" * 32, b"k" * 32]), migrate=migrate)
    try:
        again = Office(database, now=MONDAY + timedelta(days=3))
        assert (await again.report(monday(again))).figures.approved == 2
    finally:
        await database.close()
