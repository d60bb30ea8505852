"""Links to a check's thread and card: asked for once, and left out where Slack does not answer in time."""

from pathlib import Path

import pytest

from bot.domain.outbox import CheckLinks
from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Fault
from tests.journeys.review.test_review import ZOE, card, provisional
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, StoppedClock, hanging

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


def asked(world: Journey) -> int:
    return sum(call.method == "chat.getPermalink" for call in world.slack.calls)


async def test_a_check_is_linked_to_its_request_and_its_card_and_slack_is_asked_once(tmp_path: Path) -> None:
    async with provisional(tmp_path) as (world, ref):
        links = world.bot.details.links
        links._known.clear()
        with hanging(world.slack, "chat.getPermalink"):
            assert await links.of([ref], seconds=0.01) == {ref: CheckLinks()}
        before = asked(world)
        found = await links.of([ref, "K-000000", ref])
        check = await world.check(ref)
        assert list(found) == [ref]
        assert check.message_ts is not None
        assert f"/{CHANNEL}/p{check.message_ts.replace('.', '')}" in str(found[ref].thread)
        assert f"/{REVIEW_CHANNEL}/p{card(world).ts.replace('.', '')}" in str(found[ref].card)
        assert await links.of([ref]) == found
        assert await links.thread(check) == found[ref].thread
        assert asked(world) == before + 2


async def test_what_slack_refuses_is_left_alone_for_a_minute_and_everything_while_it_says_wait(tmp_path: Path) -> None:
    """Home tabs are built every few seconds, by tens of checks: each would ask again for what cannot be had."""
    clock = StoppedClock()
    async with provisional(tmp_path, clock=clock) as (world, ref):
        links = world.bot.details.links
        for faults, wait in (([Fault.error("channel_not_found")] * 2, 61), ([Fault.rate_limited(30)] * 2, 31)):
            links._known.clear()
            world.slack.fail_next("chat.getPermalink", *faults)
            assert await links.of([ref]) == {ref: CheckLinks()}
            before = asked(world)
            clock.move(seconds=wait - 2)
            assert await links.of([ref]) == {ref: CheckLinks()}
            assert asked(world) == before
            clock.move(seconds=2)
            found = (await links.of([ref]))[ref]
            assert found.thread
            assert found.card


async def test_a_card_that_one_reviewer_got_directly_is_linked_for_them_alone(tmp_path: Path) -> None:
    async with provisional(tmp_path, KYC_REVIEW_CHANNEL="C0GONE00001") as (world, ref):
        links = world.bot.details.links
        own = [(await links.of([ref], reader=user))[ref].card for user in (REVIEWER, ZOE)]
        assert all(own)
        assert own[0] != own[1]
        assert (await links.of([ref]))[ref].card is None
