"""A link that cannot be delivered: who waits for it hears that, and never somebody who has no role."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault
from bot.slack.blocks import ids
from tests.journeys.access.test_who_may import GROUP, leave
from tests.journeys.capture.test_asking_by_link import WHOLE, form_by_link, leads_to, sealed_token, token_in
from tests.journeys.capture.test_files_by_link import THREE, batch_of, files_of_links, refs_of, tokens, without_links
from tests.journeys.intake.test_batches import batch_message, drop, send
from tests.journeys.world import Journey, journey

pytestmark = pytest.mark.anyio


async def by_form(world: Journey) -> None:
    assert (await (await form_by_link(world)).submit()).closed


async def by_file(world: Journey) -> None:
    await drop(world, {"people.csv": THREE})
    assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM_LINK)).ok


async def join(world: Journey) -> None:
    world.slack.add_usergroup(GROUP, [ANALYST])
    await world.bot.access.changed(GROUP)


def links_of(world: Journey) -> list[str]:
    """Tokens that the analyst has, by message or file."""
    files = [token for file in files_of_links(world) for token in tokens(file)]
    return files or [token_in(m) for m in world.slack.direct_messages(ANALYST) if "/c#" in str(m.blocks)]


WAYS = pytest.mark.parametrize("ask", [by_form, by_file])
Ask = Callable[[Journey], Awaitable[None]]


@WAYS
async def test_links_wait_for_who_has_no_role_for_a_moment(tmp_path: Path, ask: Ask) -> None:
    async with journey(tmp_path, **WHOLE, KYC_REQUESTERS=GROUP) as world:
        await join(world)
        await ask(world)
        await leave(world)
        await world.settle()
        assert not links_of(world)
        await join(world)
        world.clock.move(minutes=2)
        await world.settle()
        refs = await refs_of(world) if ask is by_file else [await world.newest()]
        assert [await leads_to(world, token) for token in links_of(world)] == refs
        assert not world.thread()
        assert [await sealed_token(world, ref) for ref in refs] == [None] * len(refs), "delivered, so forgotten"


@WAYS
async def test_who_has_no_role_for_good_gets_no_link_and_the_thread_says_so(tmp_path: Path, ask: Ask) -> None:
    async with journey(tmp_path, **WHOLE, KYC_REQUESTERS=GROUP) as world:
        await join(world)
        await ask(world)
        await leave(world)
        for _five_minutes in range(12):
            await world.settle()
            world.clock.move(minutes=5)
        assert not links_of(world)
        (lost,) = world.thread()
        assert "did not reach you" in lost
        assert "or you had no access then" in lost
        refs = await refs_of(world) if ask is by_file else [await world.newest()]
        assert [await sealed_token(world, ref) for ref in refs] == [None] * len(refs), "nobody gets it any more"
        # What the message says to do helps, once they have the role again.
        await join(world)
        root = batch_message(world) if ask is by_file else world.root()
        below = world.slack.thread(CHANNEL, root.ts)[-1]
        assert (await world.analyst.click(below, ids.BATCH_NEW_LINKS if ask is by_file else ids.NEW_LINK)).ok
        await world.answered()
        await world.settle()
        assert [await leads_to(world, token) for token in links_of(world)] == refs


@WAYS
async def test_once_links_are_turned_off_the_thread_says_so_and_nothing_waits_for_ever(
    tmp_path: Path, ask: Ask
) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        await ask(world)
        if ask is by_file:
            # Its rows are checks, and the file of links waits in the outbox.
            for batch in await world.bot.batches.claim(1):
                await world.bot.batches.work(batch)
            assert (await batch_of(world)).state is BatchState.SENDING
        async with without_links(world, tmp_path) as again:
            await again.settle()
            assert not links_of(again)
            (lost,) = again.thread()
            assert "did not reach you" in lost
            assert "Links for customers are not set up any more" in lost
            assert "New link" not in lost
            refs = await refs_of(again) if ask is by_file else [await again.newest()]
            assert [await sealed_token(again, ref) for ref in refs] == [None] * len(refs)
            again.clock.move(days=8)
            await again.bot.capture_links.tick()
            await again.settle()
            assert [(await again.check(ref)).state for ref in refs] == [State.CANCELLED] * len(refs)


async def test_a_single_one_that_comes_too_late_may_be_withdrawn_where_links_are_turned_off(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        await by_form(world)
        async with without_links(world, tmp_path) as again:
            await again.settle()
            below = again.slack.thread(CHANNEL, again.root().ts)[-1]
            assert ids.NEW_LINK not in str(below.blocks)
            assert (await again.analyst.click(below, ids.WITHDRAW_LINK)).ok
            await again.answered()
            await again.settle()
            assert (await again.check(await again.newest())).state is State.CANCELLED


async def test_links_that_came_though_the_answer_was_lost_are_not_called_lost_once_their_reader_has_no_role(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path, **WHOLE, KYC_REQUESTERS=GROUP) as world:
        await join(world)
        await by_file(world)
        world.slack.fail_next("files.completeUploadExternal", Fault.reset_after())
        for batch in await world.bot.batches.claim(1):
            await world.bot.batches.work(batch)
        for _post in range(6):
            for post in await world.bot.outbox.claim(8):
                await world.bot.outbox.work(post)
        (came,) = files_of_links(world)
        await leave(world)
        for _five_minutes in range(14):
            world.clock.move(minutes=5)
            await world.settle()
        assert not world.thread()
        for ref in await refs_of(world):
            assert await sealed_token(world, ref) is None, "they have it, so it is forgotten"
        # What came lies about no longer than what was known to have come.
        world.clock.move(days=8)
        await world.bot.capture_links.tick()
        await world.settle()
        assert came.is_deleted


async def test_the_trail_says_that_somebody_was_reminded_only_where_they_were(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        await drop(world, {"people.csv": THREE})
        world.slack.fail_next("conversations.open", Fault.error("channel_not_found"))
        await send(world, ids.BATCH_CONFIRM_LINK)
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.settle()
        assert not [said for said in world.direct(ANALYST) if said.startswith("No photos yet")]
        reminded = "SELECT ref FROM audit WHERE act = 'link.reminded'"
        assert await world.bot.database.read(lambda tx: tx.column(reminded)) == []
