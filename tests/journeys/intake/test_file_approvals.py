"""A second person for long files: asked, answered once, by somebody else than who sent or uploaded it."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.errors import Refusal, Refused
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message
from bot.sandbox.slack.world import BOT_USER_ID
from bot.slack.blocks import ids
from storage import batches, timers
from storage.audit import BOT
from storage.engine.database import Transaction
from tests.journeys.intake.test_batches import batch_message, csv_of, drop, person, photos
from tests.journeys.submission.test_spending import clock_at
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio

LONG = {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(3)]), **photos(3)}


def acts(tx: Transaction) -> list[tuple[str, str]]:
    found = tx.rows("SELECT act, actor FROM audit WHERE act LIKE 'batch.%' ORDER BY seq")
    return [(row["act"], row["actor"]) for row in found if row["act"] not in ("batch.asked", "batch.moved")]


async def only_file(world: Journey) -> str:
    (batch_id,) = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches"))
    return str(batch_id)


async def state(world: Journey) -> BatchState:
    return (await world.bot.database.read(batches.get, await only_file(world))).state


def card(world: Journey, user: str) -> Message:
    return [m for m in world.slack.direct_messages(user) if "File " in m.text][-1]


async def pressed(world: Journey, user: str, message: Message, action: str) -> str:
    """What somebody reads privately after a click."""
    before = len(world.slack.ephemerals(user))
    assert (await world.slack.person(user).click(message, action, stale=True)).ok
    await world.slack.wait_for(lambda: len(world.slack.ephemerals(user)) > before)
    return world.slack.ephemerals(user)[-1].text


async def waiting(world: Journey) -> None:
    await drop(world, LONG)
    assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
    await world.settle()
    world.clock.move(seconds=4)
    await world.settle()


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
async def test_a_long_file_is_sent_when_a_second_person_approves_it(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(
        tmp_path,
        socket_mode=socket_mode,
        clock=clock_at(12),
        KYC_ADMINS=f"{ADMIN},{ANALYST}",
        KYC_REQUESTERS="*",
        KYC_BATCH_APPROVAL="2",
        KYC_DAILY_CHECKS="3",
    ) as world:
        await waiting(world)
        assert await state(world) is BatchState.APPROVAL
        assert not world.smile_id.jobs
        shown = world.slack.plain(batch_message(world))
        assert "Waiting for approval" in shown
        assert "3 checks wait for a second person" in shown
        # Nothing of the customers, and no name of a file.
        asked = world.slack.plain(card(world, ADMIN))
        assert "3 checks, each charged by Smile ID." in asked
        assert "3 × NG BVN" in asked
        assert not [word for word in ("people.csv", "Invented", "2222", "CUST") if word in asked]
        assert not [m for m in world.slack.direct_messages(ANALYST) if "waits for approval" in m.text]

        # Not by who sent it, admin or not; and not by somebody who may only decide checks.
        batch_id = await only_file(world)
        for user, code in ((ANALYST, Refusal.APPROVAL_OWN), (REVIEWER, Refusal.APPROVAL_NOT_YOURS)):
            for answer in (world.bot.batches.approve, world.bot.batches.reject):
                with pytest.raises(Refused) as no:
                    await answer(user, batch_id)
                assert no.value.code is code

        # The day is counted when it is approved: without room nothing begins, and the file still waits.
        await world.ask()
        said = await pressed(world, ADMIN, card(world, ADMIN), ids.BATCH_APPROVE)
        assert said.startswith("Daily limit: these are 3 checks, and 2 are left today.")
        assert await state(world) is BatchState.APPROVAL
        world.clock.move(days=1)
        await world.settle()

        # Twice at once: one counts, and the day is counted once.
        message = card(world, ADMIN)
        admin = world.slack.person(ADMIN)
        both = await asyncio.gather(*(admin.click(message, ids.BATCH_APPROVE) for _ in range(2)))
        assert all(reply.ok for reply in both)
        for _ in range(3):
            await world.settle()
            world.clock.move(seconds=4)
        assert len(world.smile_id.jobs) == 1 + 3
        assert await state(world) is BatchState.DONE
        assert "File approved" in world.slack.plain(card(world, ADMIN))
        assert "Nothing to approve any more" in await pressed(world, ADMIN, message, ids.BATCH_REJECT)
        assert await world.bot.database.read(acts) == [
            ("batch.read", BOT),
            ("batch.consent_confirmed", ANALYST),
            ("batch.approval_asked", ANALYST),
            ("batch.approved", ADMIN),
            ("batch.begun", BOT),
            ("batch.file_posted", BOT),
        ]
        assert await world.bot.database.read(lambda tx: tx.value("SELECT SUM(checks) FROM spending")) == 1 + 3


async def test_a_clock_that_is_set_a_year_forth_and_back_ends_no_approval_and_puts_off_none(tmp_path: Path) -> None:
    async def set_clock(days: float) -> None:
        before = world.clock()
        world.clock.move(days=days)
        await world.bot.database.write(timers.move, by=timedelta(days=days), before=before, now=world.clock())
        await world.bot.batches.tick()
        await world.settle()

    async with journey(tmp_path, KYC_BATCH_APPROVAL="2") as world:
        await waiting(world)
        await set_clock(365)
        assert await state(world) is BatchState.APPROVAL
        world.clock.move(days=6, hours=23)
        await world.bot.batches.tick()
        assert await state(world) is BatchState.APPROVAL
        await set_clock(-365)
        world.clock.move(hours=2)
        await world.bot.batches.tick()
        assert await state(world) is BatchState.REFUSED, "late rather than never, but no later than without the step"


@pytest.mark.parametrize("end", ["rejected", "expired", "cancelled"])
async def test_a_file_that_nobody_approves_is_not_sent(tmp_path: Path, end: str) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="2") as world:
        await waiting(world)
        asked = card(world, ADMIN)
        if end == "rejected":
            assert (await world.slack.person(ADMIN).click(asked, ids.BATCH_REJECT)).ok
        elif end == "cancelled":
            assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        else:
            world.clock.move(days=7, minutes=1)
            await world.bot.batches.tick()
        for _ in range(2):
            world.clock.move(seconds=4)
            await world.settle()
        expected = BatchState.CANCELLED if end == "cancelled" else BatchState.REFUSED
        assert await state(world) is expected
        said = world.slack.plain(batch_message(world))
        assert {
            "rejected": "A second person did not approve this file",
            "expired": "Nobody approved this file within 7 days",
            "cancelled": "Nothing was sent and nothing was charged.",
        }[end] in said
        assert "File not approved" in world.slack.plain(card(world, ADMIN))
        assert "Nothing to approve any more" in await pressed(world, ADMIN, asked, ids.BATCH_APPROVE)
        assert not world.smile_id.jobs
        assert await world.bot.database.read(lambda tx: tx.value("SELECT SUM(checks) FROM spending")) is None


async def test_without_a_second_person_a_long_file_says_so_and_a_short_one_is_sent(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="2", KYC_ADMINS=ANALYST, KYC_REQUESTERS="*") as world:
        await drop(world, LONG)
        said = await pressed(world, ANALYST, batch_message(world), ids.BATCH_CONFIRM)
        assert said.startswith("Not sent: more than 2 checks by file within 24 hours need a second person")
        assert "Without one, 2 are left" in said
        assert await state(world) is BatchState.PREVIEW


async def test_managers_see_that_a_file_waits_and_for_how_long(tmp_path: Path) -> None:
    """In the summary and on the Home tab, until somebody has answered; a part of the figures says nothing of it."""
    async with journey(tmp_path, KYC_BATCH_APPROVAL="2", KYC_MANAGERS=REVIEWER) as world:
        await waiting(world)
        world.clock.move(hours=5)
        manager = world.slack.person(REVIEWER)

        async def shown() -> tuple[str, str]:
            await manager.open_home()
            await world.work()
            assert manager.home is not None
            return (await manager.command("summary today")).text, world.slack.plain(manager.home)

        summary, home = await shown()
        assert summary.startswith("1 file waits for approval, 5 h")
        assert "Needs a second person: 1 file waits for approval, 5 h" in home
        assert not [word for word in ("people.csv", "Invented", "2222", "CUST") if word in f"{summary}{home}"]
        assert "approval," not in (await manager.command("summary today NG")).text
        await world.bot.batches.approve(ADMIN, await only_file(world))
        assert not [text for text in await shown() if "waits for approval" in text]


async def test_whoever_uploaded_a_part_of_a_file_does_not_approve_it(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="2", KYC_ADMINS=f"{ADMIN},{REVIEWER}") as world:
        table = await world.slack.person(ADMIN).upload(LONG["people.csv"], "people.csv")
        shots = [await world.analyst.upload(data, name) for name, data in photos(3).items()]
        await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}>", files=[table, *shots])
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ANALYST)))
        await world.work()
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.settle()
        assert [m for m in world.slack.direct_messages(REVIEWER) if "waits for approval" in m.text]
        assert not [m for m in world.slack.direct_messages(ADMIN) if "waits for approval" in m.text]
        with pytest.raises(Refused) as no:
            await world.bot.batches.approve(ADMIN, await only_file(world))
        assert no.value.code is Refusal.APPROVAL_OWN


async def test_a_long_file_that_is_split_waits_as_if_it_were_whole(tmp_path: Path) -> None:
    """What one person sends by file counts together for a day, whatever they press at once."""
    async with journey(tmp_path, clock=clock_at(12), KYC_BATCH_APPROVAL="4", KYC_SEEN_BEFORE="0") as world:

        async def confirmed(message: Message, number: str) -> BatchState:
            assert (await world.analyst.click(message, ids.BATCH_CONFIRM, stale=True)).ok
            await world.settle()
            return (await world.bot.database.read(batches.get, number)).state

        parts = [await part(world, n) for n in range(2)]
        both = await asyncio.gather(*(world.analyst.click(message, ids.BATCH_CONFIRM) for message, _id in parts))
        assert all(reply.ok for reply in both)
        await world.settle()
        states = {id_: (await world.bot.database.read(batches.get, id_)).state for _message, id_ in parts}
        assert sorted(states.values()) == [BatchState.APPROVAL, BatchState.DONE]
        assert len(world.smile_id.jobs) == 3
        waits = next(id_ for id_, state in states.items() if state is BatchState.APPROVAL)
        world.clock.move(seconds=4)
        await world.settle()
        shown = [text for m in world.slack.messages(CHANNEL) if waits in (text := world.slack.plain(m))]
        assert "within 24 hours counts together" in shown[0]
        asked = world.slack.plain(card(world, ADMIN))
        assert "Sent by the same person within 24 hours, and approved by nobody: 3." in asked

        # One that still fits goes at once; approved ones are not counted any more.
        assert await confirmed(*await part(world, 2, rows=1)) is BatchState.DONE
        await world.bot.batches.approve(ADMIN, waits)
        await world.settle()
        assert len(world.smile_id.jobs) == 3 + 1 + 3
        assert await confirmed(*await part(world, 3, rows=1)) is BatchState.APPROVAL
        # Somebody else's are their own; and the next day begins anew.
        world.clock.move(hours=24, minutes=1)
        assert await confirmed(*await part(world, 4)) is BatchState.DONE


async def part(world: Journey, n: int, *, rows: int = 3) -> tuple[Message, str]:
    """One of several files of a person, read: its message, and its id."""
    people = [person(row, f"333333{n}{row}000") for row in range(rows)]
    message = await drop(world, {f"part{n}.csv": csv_of(people), **photos(rows)})
    newest = await world.bot.database.read(
        lambda tx: tx.column("SELECT id FROM batches ORDER BY asked_at DESC LIMIT 1")
    )
    return message, str(newest[0])
