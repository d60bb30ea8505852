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
from bot.slack.blocks import ids, kit
from bot.slack.blocks.home import PAGE
from bot.submission import lifecycle
from storage import checks, leases
from storage.engine.database import Transaction, to_text
from tests.journeys.world import ADMIN, REVIEWER, Journey, StoppedClock, journey, patient_slack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

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
        lifecycle.accept, asked(world, number), ref=f"K-{number:06d}", now=world.clock(), budget=None
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
        assert "This tab updates itself in a moment" in shown(world, ANALYST)
        for _look in range(3):
            world.clock.move(seconds=31)
            await publish(world)
        assert published(world) == [ANALYST]
        world.clock.move(seconds=31)
        await publish(world)
        assert "My checks" in shown(world, ANALYST)
        assert published(world) == [ANALYST, ANALYST]


async def choose(world: Journey, person: str, action_id: str, value: str) -> str:
    """A filter or a page chosen in the tab; what it shows then."""
    assert (await world.slack.person(person).click_home(action_id, value=value)).ok
    await publish(world)
    return shown(world, person)


async def test_the_queue_is_paged_by_tens_and_stays_on_its_page_until_that_is_gone(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = [await ask_for(world, number) for number in range(2 * PAGE + 3)]
        await into_review(world, refs)
        await open_homes(world, REVIEWER)
        first = shown(world, REVIEWER)
        assert f"Waiting for review: {2 * PAGE + 3}" in first
        assert [ref for ref in refs if ref in first] == refs[:PAGE]
        assert f"Page 1 of 3, {2 * PAGE + 3} checks" in first
        await choose(world, REVIEWER, f"{ids.HOME_PAGE}:next", "1")
        last = await choose(world, REVIEWER, f"{ids.HOME_PAGE}:next", "2")
        assert [ref for ref in refs if ref in last] == refs[2 * PAGE :]
        home = world.slack.person(REVIEWER).home
        assert home is not None
        assert len(home["blocks"]) < 100
        # Opened again, and published after a change, it is still that page.
        world.clock.move(seconds=11)
        await ask_for(world, 99)
        await open_homes(world, REVIEWER)
        assert "Page 3 of 3" in shown(world, REVIEWER)

        def done(tx: Transaction) -> None:
            for ref in refs[PAGE:]:
                tx.run(
                    "UPDATE reviews SET state = 'decided', closed_at = :now WHERE ref = :ref",
                    now=world.clock(),
                    ref=ref,
                )

        await world.bot.database.write(done)
        await open_homes(world, REVIEWER)
        left = shown(world, REVIEWER)
        assert [ref for ref in refs if ref in left] == refs[:PAGE]
        assert "Page" not in left


async def test_filters_narrow_the_queue_and_their_numbers_agree_with_it(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = [await ask_for(world, number) for number in range(4)]
        await into_review(world, refs)

        def settle(tx: Transaction) -> None:
            tx.run("UPDATE verifications SET country = 'KE' WHERE ref = :ref", ref=refs[3])
            tx.run("UPDATE reviews SET opened_at = :now WHERE ref = :ref", now=world.clock(), ref=refs[2])

        await world.bot.database.write(settle)
        await world.bot.review.claim(REVIEWER, refs[1], reopens=False)
        await open_homes(world, REVIEWER)
        everything = shown(world, REVIEWER)
        assert "Waiting for review: 4" in everything
        home = str(world.slack.person(REVIEWER).home)
        for offered in ("All (4)", "Claimed by me (1)", "Unclaimed (3)", "Needs a second person (0)", "Over 4 h (3)"):
            assert offered in home
        for value, left in (
            ("mine", [refs[1]]),
            ("unclaimed", [refs[0], refs[2], refs[3]]),
            ("overdue", [refs[0], refs[1], refs[3]]),
            ("second", []),
        ):
            view = await choose(world, REVIEWER, ids.HOME_QUEUE, value)
            assert [ref for ref in refs if ref in view] == left
            assert "Waiting for review: 4" in view
        assert "No check matches these filters." in view
        await choose(world, REVIEWER, ids.HOME_QUEUE, "overdue")
        view = await choose(world, REVIEWER, ids.HOME_COUNTRY, "KE")
        assert [ref for ref in refs if ref in view] == [refs[3]]
        # Each filter says what it would leave of that country; the headline is of all.
        home = str(world.slack.person(REVIEWER).home)
        for offered in ("All (1)", "Over 4 h (1)", "Claimed by me (0)"):
            assert offered in home
        assert "Waiting for review: 4" in view
        # A restart in between: what was chosen is kept with the tab.
        await world.bot.database.write(leases.release_all, now=world.clock())
        await world.bot.home.tick()
        await publish(world)
        assert [ref for ref in refs if ref in shown(world, REVIEWER)] == [refs[3]]
        view = await choose(world, REVIEWER, ids.HOME_COUNTRY, ids.EVERY_COUNTRY)
        assert [ref for ref in refs if ref in view] == [refs[0], refs[1], refs[3]]
        assert view.count("Overdue · ") == 3


async def test_own_checks_are_filtered_and_paged_too(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = []
        for number in range(PAGE + 2):
            refs.append(await ask_for(world, number))
            world.clock.move(seconds=1)
        refs.reverse()
        await open_homes(world, ANALYST)
        assert [ref for ref in refs if ref in shown(world, ANALYST)] == refs[:PAGE]
        turn = f"{ids.HOME_OWN_PAGE}:older"
        home = world.analyst.home
        assert home is not None
        older = next(e for b in home["blocks"] for e in b.get("elements", ()) if e["action_id"] == turn)
        view = await choose(world, ANALYST, turn, older["value"])
        assert [ref for ref in refs if ref in view] == refs[PAGE:]
        assert "No check of yours matches" in await choose(world, ANALYST, ids.HOME_OWN, "failed")
        view = await choose(world, ANALYST, ids.HOME_OWN, "open")
        assert [ref for ref in refs if ref in view] == refs[:PAGE]


async def test_what_no_tab_of_ours_has_is_answered_and_changes_nothing(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await open_homes(world, REVIEWER)
        before = shown(world, REVIEWER)
        home = world.slack.person(REVIEWER).home
        assert home is not None
        for action_id in (f"{ids.HOME_PAGE}:next", f"{ids.HOME_OWN_PAGE}:older"):
            button = kit.button(action_id, "Next", "x", label="Next")
            home["blocks"].append({"block_id": action_id, **kit.actions(button)})
            assert (await world.slack.person(REVIEWER).click_home(action_id)).ok
            home["blocks"].pop()
        await world.bot.background.done()
        for _pause in range(2):
            world.clock.move(seconds=2)
            await world.work()
        assert len(world.direct(REVIEWER)) == 2
        assert shown(world, REVIEWER) == before


async def test_what_i_asked_for_myself_does_not_wait_for_me_unless_i_am_an_admin(tmp_path: Path) -> None:
    async with office(tmp_path, KYC_REVIEWERS=f"{REVIEWER},{ANALYST},{ADMIN}", KYC_ADMINS=ADMIN) as world:
        refs = [await ask_for(world, number) for number in range(2)]

        def ran_again(tx: Transaction) -> None:
            tx.run("UPDATE verifications SET requester = :by WHERE ref = :ref", by=ADMIN, ref=refs[1])
            tx.run("UPDATE verifications SET asked_again = :by WHERE ref = :ref", by=f"{REVIEWER} ", ref=refs[1])

        await world.bot.database.write(ran_again)
        await into_review(world, refs)
        await open_homes(world, ANALYST, REVIEWER, ADMIN)
        counts = {person: shown(world, person).count("in review for") for person in (ANALYST, REVIEWER, ADMIN)}
        assert counts == {ANALYST: 1, REVIEWER: 1, ADMIN: 2}
        for person in (ANALYST, REVIEWER):
            assert "Waiting for review: 1\n1 more is your own request: other reviewers decide." in shown(world, person)
        assert "Waiting for review: 2" in shown(world, ADMIN)


async def test_what_i_have_claimed_comes_first(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = [await ask_for(world, number) for number in range(3)]
        await into_review(world, refs)
        await open_homes(world, REVIEWER)
        await world.bot.review.claim(REVIEWER, refs[2], reopens=False)
        world.clock.move(seconds=11)
        await publish(world)
        queue = shown(world, REVIEWER)
        assert "@remi must decide" in queue
        assert sorted(refs, key=queue.index) == [refs[2], refs[0], refs[1]]
