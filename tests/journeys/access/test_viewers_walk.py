"""A viewer's and a manager's walk over every listener: they never receive anything of a customer's.

The steps are those of the outsiders' walk, which are held against the app's own list of listeners.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import CHANNEL
from bot.slack.blocks import private
from tests.journeys.access.test_outsiders import STEPS, Walk, said
from tests.journeys.access.walkers import CANARIES, FIRST, MANAGER, NUMBER, STAFF, VIEWER, a_check
from tests.journeys.world import REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

FAULT = private.FAULT.partition(";")[0]
"""How an answer begins that says that the bot failed: such a step has shown nothing, and so has proven nothing."""
MORE_WORDS = ("list review", "list all rejected", "export jsonl", "summary week")
ALWAYS: dict[str, Any] = {"KYC_WORKING_DAYS": "mon-sun", "KYC_WORKING_HOURS": "00:00-00:00"}


@pytest.mark.parametrize(
    "who", [pytest.param(VIEWER, id="viewer"), pytest.param(MANAGER, id="manager", marks=pytest.mark.endurance)]
)
async def test_no_listener_shows_a_customer_to_who_sees_records(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path, **STAFF, **ALWAYS) as world:
        walk = await begin(world, who)
        steps = [*STEPS.items(), ("more words", [said(words) for words in MORE_WORDS])]
        for listener, each in steps:
            for number, step in enumerate(each):
                heard = len(world.slack.calls)
                answer = await step(walk)
                await world.answered()
                await world.work()
                received = [repr(answer), *arguments(world, heard), *shown_to(world, who)]
                assert leaked(received) == [], f"{listener} {number}"
                assert not [text for text in received if FAULT in text], f"{listener} {number}: a step that only fails"
        await world.bot.reminders.tick()
        for _ in range(3):
            world.clock.move(hours=9)
            await world.bot.reminders.tick()
            await world.work()
        assert leaked(shown_to(world, who)) == []
        escalated = [text for text in world.direct(who) if walk.ref in text and "claimed" in text]
        assert bool(escalated) is (who == MANAGER), "managers hear of what waits too long, and nobody else of these two"


async def begin(world: Journey, who: str) -> Walk:
    """A check that waits for a reviewer, with a note; one that was rejected; and what others left on the screen."""
    world.smile_id.stories_by_id_number[NUMBER] = "unknown_code"
    ref = await a_check(world)
    await world.settle()
    await world.bot.review.note(REVIEWER, ref, f"{FIRST} called us", form_id="V0NOTE")
    await world.ask(first_name=FIRST, customer_reference=CANARIES[4])
    await world.settle()
    amina = world.analyst
    selfie = await amina.upload(SELFIE, "selfie.jpg")
    message = await amina.say(CHANNEL, f"NG BVN {NUMBER} {FIRST}", files=[selfie])
    form = await world.fill(await world.form())
    await world.answered()
    left_open = {**form.view, "state": form.view["state"]}
    await form.close()
    world.slack.channels[CHANNEL].members.add(who)
    whispered = world.slack.world.whisper(CHANNEL, who, text="Try again.")
    return Walk(world=world, ref=ref, message=message.ts, form=left_open, shown=whispered, user=who)


def arguments(world: Journey, since: int) -> list[str]:
    """What the bot has sent to Slack since: all of it is caused by this person's step."""
    return [repr(call.arguments) for call in world.slack.calls[since:]]


def shown_to(world: Journey, who: str) -> list[str]:
    """Everything that this person alone sees: private answers, direct messages with their files, the Home tab."""
    person = world.slack.person(who)
    messages = [*world.slack.ephemerals(who), *world.slack.direct_messages(who)]
    files = [file.content.decode("utf-8", "replace") for _post, file in world.slack.bot_files(person.direct_channel_id)]
    return [*(f"{message.text}{message.blocks}" for message in messages), *files, repr(person.home)]


def leaked(received: Iterable[str]) -> list[str]:
    return [word for word in CANARIES for text in received if word in text]
