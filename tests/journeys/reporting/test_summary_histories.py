"""Days of checks at random, told by the bot's figures and counted a second time by whoever asked for them.

`tests/domain/reporting/test_figures.py` holds the definitions against facts made by hand; here the facts are what
the bot itself wrote down, through submission, results, reviewers and reruns, across a night in which the clocks change.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.domain.reporting.figures import Figures
from bot.domain.reporting.periods import day_of
from bot.domain.reporting.summary_command import SummaryRequest
from bot.domain.review.review import Decision
from bot.reporting import report_reader
from bot.submission import lifecycle
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.reporting.test_summary import go_to
from tests.journeys.world import REVIEWER, Journey, MovedClock, journey, patient_slack

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

ENDS = {
    "approved": "approved",
    "rejected": "rejected",
    "authority_down": "failed",
    "provisional": "in_review",
}
"""Stories of Smile ID, and the state to which each brings a check."""
NUMBERS = [f"{n}" * 11 for n in range(5)]
STEPS = 9

Entry = dict[str, Any]
"""One round of a check, as remembered by who asked for it."""


class Office:
    """Somebody who asks for checks, and keeps a list of their own."""

    def __init__(self, world: Journey, zone: ZoneInfo, rng: random.Random) -> None:
        self.world = world
        self.zone = zone
        self.rng = rng
        self.kept: list[Entry] = []

    async def one_step(self) -> None:
        self._pass_time()
        number = self.rng.choice(NUMBERS)
        entry = await self._ask(number)
        if self.rng.random() < 0.15:
            await self._cancel(entry)
            return
        await self._end(entry)
        if entry["outcome"] == "open" and self.rng.random() < 0.7:
            await self._decide(entry)
        if entry["outcome"] in ("rejected", "failed", "new_photos") and self.rng.random() < 0.6:
            await self._run_again(entry)

    async def _ask(self, number: str) -> Entry:
        story = self._choose_story(number)
        asked = self.world.clock()
        ref = await self.world.ask(id_number=number)
        return self._keep(ref=ref, round=1, number=number, story=story, asked=asked)

    async def _run_again(self, before: Entry) -> None:
        self._pass_time()
        story = self._choose_story(before["number"])
        modal = await run_again(self.world)
        asked = self.world.clock()
        await sent_again(self.world, modal)
        again = self._keep(ref=before["ref"], round=2, number=before["number"], story=story, asked=asked)
        await self._end(again)

    async def _cancel(self, entry: Entry) -> None:
        by = (await self.world.check(entry["ref"])).requester
        await self.world.bot.database.write(lifecycle.cancel, entry["ref"], by=by, now=self.world.clock())
        await self.world.work()
        entry.update(outcome="cancelled")

    async def _end(self, entry: Entry) -> None:
        """Let Smile ID speak, however long a busy machine takes for it."""
        state = ENDS[entry["story"]]
        for _try in range(200):
            await self.world.work()
            if (await self.world.check(entry["ref"])).state == state:
                break
            await asyncio.sleep(0.01)
            self.world.clock.move(seconds=0.1)
        else:
            raise AssertionError(f"{entry['story']} did not come to {state}")
        entry.update(outcome="open" if state == "in_review" else state, ended=self.world.clock())

    async def _decide(self, entry: Entry) -> None:
        self._pass_time()
        decision = self.rng.choice(list(Decision))
        review, ref = self.world.bot.review, entry["ref"]
        await review.claim(REVIEWER, ref)
        check = await self.world.check(ref)
        stands = await review.decide(
            REVIEWER,
            ref,
            decision,
            form_id=f"V{len(self.kept)}",
            seen=check.version_token,
            reason="other",
            own_words="as I see it",
            overrides=False,
        )
        assert stands
        await self.world.work()
        entry.update(outcome=decision.value, ended=self.world.clock())

    def _keep(self, **known: Any) -> Entry:
        entry = {"outcome": "open", "ended": None, **known}
        self.kept.append(entry)
        return entry

    def _choose_story(self, number: str) -> str:
        story = self.rng.choice([*ENDS, "approved"])
        self.world.smile_id.stories_by_id_number[number] = story
        return story

    def _pass_time(self) -> None:
        """Up to nine hours, often to just before or after a midnight; never so close that a slow step crosses it."""
        clock, zone = self.world.clock, self.zone
        clock.move(minutes=self.rng.randint(1, 540))
        local = clock().astimezone(zone)
        if self.rng.random() < 0.4:
            midnight = datetime.combine(local.date() + timedelta(days=1), time(0), zone)
            go_to(clock, midnight + timedelta(minutes=self.rng.choice([-5, 5])))
        elif min(local.hour * 60 + local.minute, 24 * 60 - local.hour * 60 - local.minute) < 5:
            clock.move(minutes=10)

    # The definitions, from docs/figures.md

    def counted(self, day: date) -> dict[str, Any]:
        def local(moment: datetime) -> date:
            return moment.astimezone(self.zone).date()

        def outcomes(of: list[Entry]) -> Callable[..., int]:
            return lambda *names: len([entry for entry in of if entry["outcome"] in names])

        mine = [entry for entry in self.kept if local(entry["asked"]) == day]
        first = {number: next(e for e in self.kept if e["number"] == number) for number in NUMBERS if self._met(number)}
        decided = {entry["number"] for entry in mine if entry["outcome"] in ("approved", "rejected")}
        at_once = {
            entry["number"] for entry in mine if entry is first[entry["number"]] and entry["outcome"] == "approved"
        }
        ended = [entry for entry in self.kept if entry["ended"] and local(entry["ended"]) == day]
        count = outcomes(mine)
        return {
            "asked": len(mine),
            **{name: count(name) for name in ("approved", "rejected", "failed", "cancelled", "new_photos", "open")},
            "approval": (count("approved"), count("approved", "rejected")),
            "first_pass": (len(at_once), len(decided)),
            "decided": outcomes(ended)("approved", "rejected"),
        }

    def _met(self, number: str) -> bool:
        return any(entry["number"] == number for entry in self.kept)


def told(figures: Figures) -> dict[str, Any]:
    return {
        **{name: getattr(figures, name) for name in ("asked", "approved", "rejected", "failed", "cancelled")},
        **{name: getattr(figures, name) for name in ("new_photos", "open", "decided")},
        "approval": tuple(figures.approval),
        "first_pass": tuple(figures.first_pass),
    }


@pytest.mark.parametrize(
    ("zone_name", "first_day", "seed"),
    [
        ("Africa/Lagos", date(2026, 3, 28), 1),
        ("Europe/London", date(2026, 10, 24), 2),
        ("America/New_York", date(2026, 3, 7), 3),
    ],
)
async def test_each_days_figures_match_the_requesters_own_count(
    tmp_path: Path, zone_name: str, first_day: date, seed: int
) -> None:
    zone, clock = ZoneInfo(zone_name), MovedClock()
    go_to(clock, datetime.combine(first_day, time(15), zone))
    async with journey(tmp_path, slack=patient_slack(clock), clock=clock, KYC_TIMEZONE=zone_name) as world:
        office = Office(world, zone, random.Random(seed))
        for _step in range(STEPS):
            await office.one_step()
        now, settings = clock(), world.bot.settings
        for ahead in range((now.astimezone(zone).date() - first_day).days + 2):
            day = first_day + timedelta(days=ahead)
            report = await world.bot.database.read(
                report_reader.read, SummaryRequest(period=day_of(day)), settings=settings, as_of=now
            )
            assert told(report.figures) == office.counted(day), day
        # A history that holds nothing would prove nothing.
        assert len({entry["outcome"] for entry in office.kept}) >= 4
        assert {entry["round"] for entry in office.kept} == {1, 2}
