"""`/kyc list review`: a reviewer's queue, with what they can decide first, decided from where it stands."""

from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import Message
from bot.slack.blocks import ids
from tests.journeys.world import REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

ZOE = "U0ZOE000001"


async def test_a_reviewer_sees_what_is_waiting_and_claims_it_there(tmp_path: Path) -> None:
    async with journey(
        tmp_path, story="unknown_code", KYC_REQUESTERS=f"{ANALYST},{REVIEWER}", KYC_REVIEWERS=f"{REVIEWER},{ZOE}"
    ) as world:
        world.slack.add_user(ZOE, "zoe")
        await world.bot.access.refresh()
        numbers = [f"0000000000{n}" for n in range(1, 4)]
        world.smile_id.stories_by_id_number |= dict.fromkeys(numbers, "unknown_code")
        refs = [await world.ask(id_number=number) for number in numbers]
        own = await ask_as_reviewer(world)
        await world.settle()
        await world.bot.review.claim(ZOE, refs[0])

        remi = world.slack.person(REVIEWER)
        queue = (await remi.command("list review")).message
        assert queue is not None
        # What nobody has claimed stands before what somebody else has; their own request is not theirs to decide.
        assert in_order(queue, [*refs, own]) == [refs[1], refs[2], refs[0]]
        assert queue.text.startswith("Waiting for review: 3\nNeeds review — ")

        await remi.click(queue, ids.REVIEW_MORE, value=f"{ids.REVIEW_CLAIM}|{refs[2]}")
        # The list stays a list, with their claim first.
        expected = [refs[2], refs[1], refs[0]]
        await world.slack.wait_for(lambda: in_order(world.slack.ephemerals(REVIEWER)[-1], refs) == expected)


async def ask_as_reviewer(world: Journey) -> str:
    remi = world.slack.person(REVIEWER)
    world.smile_id.stories_by_id_number["00000000009"] = "unknown_code"
    form = await world.fill(await world.form(remi), person=remi, id_number="00000000009")
    assert (await form.submit()).closed
    return await world.newest()


def in_order(shown: Message, refs: list[str]) -> list[str]:
    return sorted((ref for ref in refs if ref in shown.text), key=shown.text.index)
