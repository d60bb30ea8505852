"""The Home tab: what each person sees, fresh when it is opened and after every change, at Slack's pace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.outbox import refresh
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack.block_rules import faults_in_view
from bot.sandbox.slack.faults import Fault
from bot.slack.blocks import ids
from storage import leases
from storage.engine.database import Transaction
from tests.journeys.smile import call_back, put_on_record, waiting
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, REVIEWER, Journey, StoppedClock, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

MANAGER = "U0DAYO00001"
STRANGER = "U0IDRIS0001"
VIEWER = "U0VERA00001"
GROUP = "S0REVIEW001"


@asynccontextmanager
async def in_review(folder: Path, **settings: Any) -> AsyncIterator[tuple[Journey, str]]:
    """A check that waits for a reviewer, and people of every kind."""
    async with waiting(folder, **{"KYC_REQUESTERS": ANALYST, "KYC_MANAGERS": MANAGER, **settings}) as (world, ref):
        world.slack.add_user(MANAGER, "dayo")
        world.slack.add_user(STRANGER, "idris")
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        yield world, ref


async def open_home(world: Journey, user: str) -> str:
    assert (await world.slack.person(user).open_home()).ok
    await world.work()
    return shown(world, user)


def shown(world: Journey, user: str) -> str:
    home = world.slack.person(user).home
    assert home is not None
    assert faults_in_view({"type": "home", "blocks": home["blocks"]}) == []
    return world.slack.plain(home)


def _blocks(world: Journey, user: str) -> list[dict[str, Any]]:
    home = world.slack.person(user).home
    assert home is not None
    return list(home["blocks"])


def publishings(world: Journey) -> int:
    return sum(call.method == "views.publish" for call in world.slack.calls)


async def test_each_person_sees_what_is_theirs_and_nothing_else(tmp_path: Path) -> None:
    async with in_review(tmp_path, KYC_VIEWERS=VIEWER) as (world, ref):
        world.slack.add_user(VIEWER, "vera")
        mine = await open_home(world, ANALYST)
        assert "My checks" in mine
        assert ref in mine
        assert "Waiting for review" not in mine
        assert "Figures" not in mine

        queue = await open_home(world, REVIEWER)
        assert "Waiting for review: 1" in queue
        assert "asked by @amina" in queue
        assert "BVN ending 000" in queue
        assert "My checks" not in queue
        assert "Figures" not in queue

        for user, part in ((MANAGER, "Figures"), (VIEWER, "Waiting for review: 1")):
            record = await open_home(world, user)
            assert part in record
            assert "Waiting for review: 1" in record
            assert ref in record
            assert "ending" not in record
            assert REVIEW_CHANNEL not in str(world.slack.person(user).home)
            assert "My checks" not in record
        assert "Today so far: 1 asked: 1 still open." in await open_home(world, MANAGER)
        assert "Figures" not in await open_home(world, VIEWER)

        nothing = await open_home(world, STRANGER)
        assert nothing.endswith("You don't have access yet. Ask @musa to add you.")
        assert ref not in nothing


async def test_every_check_says_what_it_is_why_and_what_is_next_and_leads_to_thread_and_card(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, ref):
        queue = await open_home(world, REVIEWER)
        row = next(block for block in _blocks(world, REVIEWER) if block.get("accessory", {}).get("value") == ref)
        first, following, facts = row["text"]["text"].split("\n")
        assert first.startswith("*Not final* — ")
        assert following.startswith("*Next:* ")
        assert "<@" in facts
        card = world.slack.messages(REVIEW_CHANNEL)[-1]
        assert f"/{CHANNEL}/p" in first
        assert f"/{REVIEW_CHANNEL}/p{card.ts.replace('.', '')}|review card" in first
        assert queue.count("[Details]") == 1
        await open_home(world, ANALYST)
        assert f"/{CHANNEL}/p" in str(_blocks(world, ANALYST))
        assert REVIEW_CHANNEL not in str(_blocks(world, ANALYST))


async def test_a_change_reaches_the_tabs_that_it_concerns(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, ref):
        for user in (ANALYST, REVIEWER, MANAGER, STRANGER):
            await open_home(world, user)
        assert "Unclaimed (1)" in str(_blocks(world, REVIEWER))
        await world.bot.review.claim(REVIEWER, ref, reopens=False)
        world.clock.move(seconds=11)
        await world.work()
        assert "Claimed by me (1)" in str(_blocks(world, REVIEWER))
        put_on_record(world, "1210")
        await call_back(world, "1210")
        for _wait in range(4):
            world.clock.move(seconds=6)
            await world.work()
        assert "Waiting for review: none" in shown(world, REVIEWER)
        assert "Waiting for review: none" in shown(world, MANAGER)
        assert "Approved" in shown(world, ANALYST)
        assert "1 approved" in shown(world, MANAGER)


async def test_a_reviewer_decides_from_the_tab_and_comes_to_the_next(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, ref):
        await open_home(world, REVIEWER)
        remi = world.slack.person(REVIEWER)
        assert (await remi.click_home(ids.HOME_NEXT)).ok
        waits = await remi.modal()
        assert waits.title == f"Next: {ref}"
        assert (await waits.click(f"{ids.REVIEW_DECIDE}:approved", value=ref)).ok
        form = await remi.modal()
        await form.choose(ids.REASON, "same_person")
        assert (await form.submit()).updated is not None
        assert (await world.check(ref)).decision == "approved"
        # The tab still has the button until it is published anew.
        assert (await remi.click_home(ids.HOME_NEXT)).ok
        assert "No other check waits for you." in (await remi.modal()).text()


async def test_whoever_lost_the_role_begins_no_review_from_an_old_tab(tmp_path: Path) -> None:
    async with in_review(tmp_path, KYC_REVIEWERS=GROUP, KYC_MANAGERS=f"{MANAGER},{REVIEWER}") as (world, _ref):
        world.slack.add_usergroup(GROUP, [REVIEWER])
        await world.bot.access.refresh()
        await open_home(world, REVIEWER)
        world.slack.usergroups[GROUP].discard(REVIEWER)
        await world.bot.access.refresh()
        before = len(world.slack.calls)
        assert (await world.slack.person(REVIEWER).click_home(ids.HOME_NEXT)).ok
        await world.bot.background.done()
        await world.work()
        assert "views.open" not in {call.method for call in world.slack.calls[before:]}
        assert any("reviewer" in told for told in world.direct(REVIEWER))


async def test_checks_are_started_and_found_and_notices_chosen_from_the_tab(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert "You have not asked for a check yet." in await open_home(world, ANALYST)
        for action_id, title in (
            (ids.HOME_START, "Biometric KYC check"),
            (ids.HOME_FIND, "Find checks"),
            (ids.HOME_NOTIFY, "Tell me directly"),
        ):
            assert (await world.analyst.click_home(action_id)).ok
            assert (await world.analyst.modal()).title == title


async def test_a_burst_of_changes_is_one_or_two_publishings(tmp_path: Path) -> None:
    async with in_review(tmp_path, clock=StoppedClock()) as (world, ref):
        await open_home(world, ANALYST)
        before = publishings(world)

        def change(tx: Transaction) -> None:
            refresh.check_changed(tx, ref, now=world.clock())

        for _change in range(50):
            await world.bot.database.write(change)
            await world.bot.database.write(
                lambda tx: tx.run("UPDATE verifications SET tries = tries + 1 WHERE ref = :ref", ref=ref)
            )
            for due in await world.bot.home.claim(8):
                await world.bot.home.work(due)
        world.clock.move(seconds=11)
        await world.work()
        assert publishings(world) - before <= 2


async def test_what_reads_the_same_is_not_published_again(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, _ref):
        await open_home(world, REVIEWER)
        before = publishings(world)
        await world.bot.home.tick()
        await world.work()
        assert publishings(world) == before
        await open_home(world, REVIEWER)
        assert publishings(world) == before + 1


async def test_losing_the_role_loses_the_section(tmp_path: Path) -> None:
    async with in_review(tmp_path, KYC_REVIEWERS=GROUP) as (world, ref):
        world.slack.add_usergroup(GROUP, [REVIEWER])
        await world.bot.access.refresh()
        assert ref in await open_home(world, REVIEWER)
        world.slack.usergroups[GROUP].discard(REVIEWER)
        event = {"type": "subteam_members_changed", "subteam_id": GROUP, "team_id": "T0ACME00001"}
        await world.slack.emit(event)
        # The event's own work goes on after its answer.
        await world.slack.wait_for(lambda: any(c.method == "usergroups.users.list" for c in world.slack.calls))
        await world.bot.home.tick()
        await world.work()
        assert "You don't have access yet." in shown(world, REVIEWER)


async def test_slack_is_given_the_time_that_it_asks_for_and_the_tab_comes_after_all(tmp_path: Path) -> None:
    async with in_review(tmp_path, clock=StoppedClock()) as (world, ref):
        world.slack.fail_next("views.publish", Fault.rate_limited(30), Fault.status(503))
        assert (await world.slack.person(ANALYST).open_home()).ok
        await world.work()
        assert world.slack.person(ANALYST).home is None
        world.clock.move(seconds=29)
        await world.work()
        assert publishings(world) == 1
        for _wait in range(3):
            world.clock.move(seconds=31)
            await world.work()
        assert ref in shown(world, ANALYST)


async def test_a_restart_in_the_middle_of_a_publishing_shows_the_tab(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, ref):
        assert (await world.slack.person(ANALYST).open_home()).ok
        assert await world.bot.home.claim(8)
        # Killed here: the next bot finds the lease of a dead one.
        await world.bot.database.write(leases.release_all, now=world.clock())
        await world.work()
        assert ref in shown(world, ANALYST)


async def test_a_tab_that_nobody_opens_any_more_is_left_alone(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, ref):
        await open_home(world, ADMIN)
        world.clock.move(days=8)
        before = publishings(world)
        await world.bot.home.tick()
        put_on_record(world, "1210")
        await call_back(world, "1210")
        await world.work()
        assert publishings(world) == before
        assert (await world.check(ref)).state == "approved"


async def test_the_messages_tab_is_not_the_home_tab(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.slack.emit(
            {"type": "app_home_opened", "user": ANALYST, "channel": "D0AMINA0001", "tab": "messages"}
        )
        await world.work()
        assert world.analyst.home is None
