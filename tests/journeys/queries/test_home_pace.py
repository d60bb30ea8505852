"""The Home tab when much happens, when Slack says wait or no, and when there is more than it can hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.check import Request
from bot.review import transitions
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault
from bot.sandbox.slack.block_rules import faults_in_view
from bot.slack.blocks import ids
from bot.slack.blocks.home import QUEUE
from bot.submission import lifecycle
from storage import checks
from storage.engine.database import Transaction, to_text
from tests.journeys.world import ADMIN, REVIEWER, Journey, StoppedClock, journey, patient_slack

pytestmark = pytest.mark.anyio

MANAGER = "U0MEERA0001"
EVERYBODY = (ANALYST, REVIEWER, MANAGER)


@asynccontextmanager
async def office(folder: Path, *, requesters: str = ANALYST, **more: Any) -> AsyncIterator[Journey]:
    clock = StoppedClock()
    slack = patient_slack(clock)
    slack.add_user(MANAGER, "meera")
    settings = {"KYC_MANAGERS": MANAGER, "KYC_REQUESTERS": requesters, **more}
    async with journey(folder, slack=slack, clock=clock, **settings) as world:
        yield world


def asked(world: Journey, number: int) -> Request:
    return Request(
        requester=ANALYST,
        team="T0ACME00001",
        channel=CHANNEL,
        thread_ts=None,
        view_id=f"V{number}",
        country="NG",
        id_type="BVN",
        id_info={"id_number": f"{number:011d}"},
        customer_reference="",
        photos=(),
        consent_at=world.clock(),
    )


async def ask_for(world: Journey, number: int) -> str:
    ref, _new = await world.bot.database.write(
        lifecycle.accept, asked(world, number), ref=f"K-{number:06d}", now=world.clock()
    )
    return ref


async def into_review(world: Journey, refs: list[str]) -> None:
    """In review for reasons of our own, one after the other."""

    def move(tx: Transaction) -> None:
        for n, ref in enumerate(refs):
            tx.run(
                """
                UPDATE verifications SET state = 'in_review', reason = 'unknown_code', due_at = NULL, asked_at = :at
                WHERE ref = :ref
                """,
                ref=ref,
                at=to_text(world.clock().replace(year=2025, microsecond=n)),
            )
            check = checks.get(tx, ref)
            transitions.call(
                tx, check, f"unknown:{ref}", channel=None, now=check.asked_at, payload={"tell": "unknown_code"}
            )

    await world.bot.database.write(move)


async def publish(world: Journey) -> None:
    """The homes that are due now, and nothing else of the bot."""
    while found := await world.bot.home.claim(8):
        await asyncio.gather(*(world.bot.home.work(one) for one in found))


async def open_homes(world: Journey, *people: str) -> None:
    for person in people:
        assert (await world.slack.person(person).open_home()).ok
    await publish(world)


def shown(world: Journey, person: str) -> str:
    home = world.slack.person(person).home
    assert home is not None
    assert faults_in_view({"type": "home", "blocks": home["blocks"]}) == []
    return world.slack.plain(home)


def published(world: Journey) -> list[str]:
    return [call.arguments["user_id"] for call in world.slack.calls if call.method == "views.publish"]


async def test_fifty_changes_are_few_publishings_and_the_last_change_is_shown(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await open_homes(world, *EVERYBODY)
        before = len(published(world))
        for number in range(50):
            await ask_for(world, number)
            world.clock.move(seconds=0.2)
            await publish(world)
        world.clock.move(seconds=11)
        await publish(world)
        of_the_burst = published(world)[before:]
        # Ten seconds of changes: at the first, once in between, and once after them.
        assert 1 <= of_the_burst.count(ANALYST) <= 3
        assert 1 <= of_the_burst.count(MANAGER) <= 3
        assert of_the_burst.count(REVIEWER) == 0
        assert "K-000049" in shown(world, ANALYST)
        assert "50 asked" in shown(world, MANAGER)


async def test_when_slack_says_wait_nobodys_tab_is_published_before(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        world.slack.fail_next("views.publish", Fault.rate_limited(30))
        assert (await world.slack.person(ANALYST).open_home()).ok
        await publish(world)
        assert published(world) == [ANALYST]
        for person in (REVIEWER, MANAGER):
            assert (await world.slack.person(person).open_home()).ok
        world.clock.move(seconds=28)
        await publish(world)
        assert published(world) == [ANALYST]
        world.clock.move(seconds=3)
        await publish(world)
        assert sorted(published(world)[1:]) == sorted(EVERYBODY)
        for person in EVERYBODY:
            shown(world, person)


async def test_a_home_tab_that_is_switched_off_is_tried_again_until_it_is_on(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        world.slack.has_home = False
        await open_homes(world, ANALYST)
        assert world.analyst.home is None
        world.slack.has_home = True
        world.clock.move(minutes=6)
        await publish(world)
        assert "My checks" in shown(world, ANALYST)


async def test_an_unknown_person_reads_so_and_the_tab_is_not_published_repeatedly(tmp_path: Path) -> None:
    async with office(tmp_path, requesters="*") as world:
        world.slack.fail_next("users.info", *[Fault.status(500)] * 4)
        await open_homes(world, ANALYST)
        assert "I look again in a moment" in shown(world, ANALYST)
        for _look in range(3):
            world.clock.move(seconds=31)
            await publish(world)
        assert published(world) == [ANALYST]
        world.clock.move(seconds=31)
        await publish(world)
        assert "My checks" in shown(world, ANALYST)
        assert published(world) == [ANALYST, ANALYST]


async def test_the_oldest_stand_in_the_queue_and_the_rest_is_counted(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = [await ask_for(world, number) for number in range(QUEUE + 3)]
        await into_review(world, refs)
        await open_homes(world, REVIEWER)
        queue = shown(world, REVIEWER)
        assert f"Waiting for review: {QUEUE + 3}" in queue
        assert [ref for ref in refs if ref in queue] == refs[:QUEUE]
        assert "and 3 more" in queue
        assert "Needs review: unknown code" in queue
        home = world.slack.person(REVIEWER).home
        assert home is not None
        assert len(home["blocks"]) <= 100


async def test_what_i_asked_for_myself_does_not_wait_for_me_unless_i_am_an_admin(tmp_path: Path) -> None:
    async with office(tmp_path, KYC_REVIEWERS=f"{REVIEWER},{ANALYST},{ADMIN}", KYC_ADMINS=ADMIN) as world:
        refs = [await ask_for(world, number) for number in range(2)]

        def ran_again(tx: Transaction) -> None:
            tx.run("UPDATE verifications SET requester = :by WHERE ref = :ref", by=ADMIN, ref=refs[1])
            tx.run("UPDATE verifications SET asked_again = :by WHERE ref = :ref", by=f"{REVIEWER} ", ref=refs[1])

        await world.bot.database.write(ran_again)
        await into_review(world, refs)
        await open_homes(world, ANALYST, REVIEWER, ADMIN)
        counts = {person: shown(world, person).count("nobody has claimed it") for person in (ANALYST, REVIEWER, ADMIN)}
        assert counts == {ANALYST: 1, REVIEWER: 1, ADMIN: 2}
        assert "Waiting for review: 1" in shown(world, ANALYST)


async def test_what_i_have_claimed_comes_first(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = [await ask_for(world, number) for number in range(3)]
        await into_review(world, refs)
        await open_homes(world, REVIEWER)
        assert (
            await world.slack.person(REVIEWER).click_home(ids.REVIEW_MORE, value=f"{ids.REVIEW_CLAIM}|{refs[2]}")
        ).ok
        world.clock.move(seconds=11)
        await publish(world)
        queue = shown(world, REVIEWER)
        assert "claimed by @remi" in queue
        assert sorted(refs, key=queue.index) == [refs[2], refs[0], refs[1]]
