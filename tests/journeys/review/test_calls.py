"""Who is called to a review finds thread and card behind the reference, and a manager nothing of the customer."""

from pathlib import Path

import pytest

from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Message
from bot.slack.blocks import ids
from tests.journeys.review.test_review import MANAGER, ZOE, card, decide, press, provisional
from tests.journeys.smile import pass_time
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, hanging

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


def last(world: Journey, user: str) -> Message:
    """The newest direct message, as it was sent."""
    return world.slack.direct_messages(user)[-1]


async def remind(world: Journey) -> None:
    world.clock.move(hours=2, minutes=1)
    await world.bot.reminders.tick()
    await world.work()


async def test_an_escalation_leads_to_the_thread_and_shows_a_manager_nothing_of_the_customer(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0899") as (world, ref):
        await remind(world)
        (below,) = world.slack.thread(REVIEW_CHANNEL, card(world).ts)[1:]
        assert below.text.startswith(
            f"Nobody has claimed this for 2 h 1 min · {ref}. Approve or reject it on the card."
        )
        assert "Nigeria · BVN ending 000" in world.slack.plain(below)
        await remind(world)
        told = last(world, MANAGER)
        shown = str(told.blocks) + told.text
        assert told.text.startswith(f"Nobody has claimed this for 4 h 2 min · {ref}. Ask a reviewer to take it.")
        assert f"/archives/{CHANNEL}/p" in shown
        assert "Nigeria · BVN" in shown
        assert "ending" not in shown
        assert REVIEW_CHANNEL not in shown
        assert [e["action_id"] for b in told.blocks for e in b.get("elements", ()) if "action_id" in e] == [ids.DETAILS]


async def test_a_direct_message_to_a_reviewer_leads_to_the_card(tmp_path: Path) -> None:
    async with provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        zoe = world.slack.person(ZOE)
        assert (await zoe.command("notify")).ok
        form = await zoe.modal()
        await form.choose(ids.CHOICES, ["second"])
        assert (await form.submit()).closed
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "same_person")
        await pass_time(world, 0, 1)
        told = last(world, ZOE)
        assert told.text.startswith(f"A decision needs a second person · {ref}. Agree or disagree on the card.")
        assert f"/{REVIEW_CHANNEL}/p{card(world).ts.replace('.', '')}" in str(told.blocks)
        assert f"/{CHANNEL}/p" in str(told.blocks)


async def test_a_reminder_goes_out_without_a_link_that_slack_does_not_give(tmp_path: Path) -> None:
    async with provisional(tmp_path, "0899") as (world, ref):
        world.bot.details.links._known.clear()
        with hanging(world.slack, "chat.getPermalink"):
            await remind(world)
        (below,) = world.slack.thread(REVIEW_CHANNEL, card(world).ts)[1:]
        assert f"Nobody has claimed this for 2 h 1 min* · {ref}" in str(below.blocks)
