"""The machine's clock is set: every wait goes with it, and nothing else does."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.check import HoldReason
from bot.domain.check.states import State
from bot.domain.outbox import AdminAlert, PostKind
from bot.outbox import alerts
from bot.submission import lifecycle
from storage import attempts, deliveries, due, home_tabs, timers
from storage.engine.database import Transaction, from_text, to_text
from tests.journeys.smile import waiting
from tests.journeys.world import ADMIN, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

STEPS = [timedelta(days=365), timedelta(minutes=10), timedelta(hours=-1), timedelta(days=-365)]
LEASE = timedelta(minutes=5)


async def set_clock(world: Journey, by: timedelta) -> None:
    """As the bot's watch does it: the time and the timers in one go."""
    before = world.clock()
    world.clock.offset += by
    await world.bot.database.write(timers.move, by=by, before=before, now=before + by)


async def rows(world: Journey, statement: str) -> list[dict[str, Any]]:
    return await world.bot.database.read(lambda tx: [dict(row) for row in tx.rows(statement)])


async def claimed(world: Journey) -> dict[str, int]:
    """How much each kind of worker would take from another one now."""
    now = world.clock()

    def claim(tx: Transaction) -> dict[str, int]:
        until = now + LEASE
        return {
            "checks": len(due.claim_due(tx, now=now, until=until, limit=9)),
            "attempts": len(attempts.claim_due(tx, now=now, until=until, limit=9)),
            "posts": len(deliveries.claim_due(tx, now=now, until=until, limit=9)),
            "homes": len(home_tabs.claim_due(tx, now=now, until=until, limit=9)),
        }

    return await world.bot.database.write(claim)


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_a_worker_keeps_its_lease_when_the_clock_is_set_in_the_middle_of_it(
    tmp_path: Path, step: timedelta
) -> None:
    async with waiting(tmp_path, public=False) as (world, _ref):
        await world.ask(id_number="11111111111")
        await world.bot.home.opened(ADMIN)
        world.clock.move(seconds=90)
        first = await claimed(world)
        assert all(first.values()), first
        await set_clock(world, step)
        assert not any((await claimed(world)).values())
        world.clock.move(seconds=LEASE.total_seconds() + 1)
        # A lease still ends when it would have ended.
        assert (await claimed(world))["attempts"] == first["attempts"]


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_the_next_asking_comes_as_soon_as_without_the_step(tmp_path: Path, step: timedelta) -> None:
    async with waiting(tmp_path, public=False) as (world, _ref):
        (before,) = await rows(world, "SELECT ask_at, sent_at, asked_at FROM attempts")
        left = from_text(before["ask_at"]) - world.clock()
        await set_clock(world, step)
        (after,) = await rows(world, "SELECT ask_at, sent_at, asked_at FROM attempts")
        assert abs(from_text(after["ask_at"]) - world.clock() - left) < timedelta(seconds=1)
        # Asked by the same rhythm: what counts is how long ago it was sent.
        assert from_text(after["sent_at"]) - from_text(before["sent_at"]) == step


async def test_a_time_that_a_person_chose_stays(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        chosen = to_text(world.clock() + timedelta(days=2))
        await world.bot.database.write(
            lambda tx: tx.run("UPDATE verifications SET due_at = :at WHERE ref = :ref", at=chosen, ref=ref)
        )
        await set_clock(world, timedelta(hours=-1))
        assert [row["due_at"] for row in await rows(world, "SELECT due_at FROM verifications")] == [chosen]


async def test_a_check_that_was_just_asked_for_is_not_put_off(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await set_clock(world, timedelta(hours=-1))
        assert (await claimed(world))["checks"] == 1


async def test_a_question_is_neither_reminded_of_nor_given_up_because_of_a_step(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.bot.database.write(lifecycle.hold, ref, HoldReason.PHOTOS, {"photos": []}, now=world.clock())
        await set_clock(world, timedelta(days=365))
        await world.bot.preflight.tick()
        assert (await world.check(ref)).state is State.REQUESTED
        world.clock.move(hours=25)
        await world.bot.preflight.tick()
        reminders = await rows(world, "SELECT id FROM posts WHERE kind = 'held' AND id LIKE '%:reminder'")
        assert len(reminders) == 1
        world.clock.move(days=7)
        await world.bot.preflight.tick()
        assert (await world.check(ref)).state is State.CANCELLED


async def test_a_message_that_waits_for_slack_is_not_given_up_because_of_a_step(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.slack.stop()
        await set_clock(world, timedelta(days=365))
        (post,) = [row for row in await world.bot.outbox.claim(9) if row.kind is PostKind.REQUEST]
        await world.bot.outbox.work(post)
        assert [row["state"] for row in await rows(world, "SELECT state FROM posts WHERE kind = 'request'")] == ["due"]
        await world.slack.start()


async def test_what_stands_on_record_stays(tmp_path: Path) -> None:
    records = (
        "SELECT ref, asked_at, consent_at, photos_checked_at, ended_at FROM verifications ORDER BY ref",
        "SELECT seq, at FROM audit ORDER BY seq",
        "SELECT id, received_at FROM receipts ORDER BY id",
        "SELECT ref, round, asked_at, machine_at, ended_at FROM facts ORDER BY ref, round",
        "SELECT id, done_at, created_at FROM posts WHERE state = 'done' ORDER BY id",
    )
    async with journey(tmp_path, story="provisional") as world:
        world.smile_id.stories_by_id_number["00000000000"] = "approved"
        await world.ask()
        await world.ask(id_number="11111111111")
        await world.settle()
        before = [await rows(world, statement) for statement in records]
        assert all(before)
        await set_clock(world, timedelta(days=365))
        assert [await rows(world, statement) for statement in records] == before


async def test_forth_and_back_leaves_every_row_as_it_was(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        await world.ask(id_number="11111111111")
        await world.bot.home.opened(ADMIN)
        before = await everything(world)
        await set_clock(world, timedelta(days=365, microseconds=7))
        assert await everything(world) != before
        await set_clock(world, -timedelta(days=365, microseconds=7))
        assert await everything(world) == before


async def everything(world: Journey) -> list[list[dict[str, Any]]]:
    def ordered() -> Iterator[str]:
        for table, key in (("verifications", "ref"), ("attempts", "job_id"), ("posts", "id"), ("homes", "person")):
            yield f"SELECT * FROM {table} ORDER BY {key}"  # noqa: S608 - names from above

    return [await rows(world, statement) for statement in ordered()]


async def test_admins_hear_of_a_fault_although_it_was_told_by_a_clock_that_was_ahead(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:

        def alert(tx: Transaction, now: datetime) -> None:
            alerts.alert(tx, "invented", AdminAlert.FAULT, recipients=[ADMIN], now=now)

        now = world.clock()
        await world.bot.database.write(alert, now + timedelta(days=365))
        await world.bot.database.write(alert, now)
        await world.bot.database.write(alert, now + timedelta(minutes=59))
        assert len(await rows(world, "SELECT id FROM posts WHERE kind = 'alert'")) == 2
