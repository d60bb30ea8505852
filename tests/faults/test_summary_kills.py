"""The bot's process is killed while it posts a summary, its file and its picture: there is one of each at the end."""

from collections import Counter

import pytest

from bot.sandbox.slack import SlackSandbox
from bot.slack.blocks import ids
from tests.faults.counts import Counts
from tests.faults.kept_up import KeptUp, kept_up
from tests.faults.test_kills import MOMENTS, Point, play_all, set_on
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

MANAGER = "U0MEERA0001"
MANAGERS = "C0KYCMGR001"
CALLS = (
    "chat.postMessage",
    "files.getUploadURLExternal",
    "files.completeUploadExternal",
    "files.info",
    "conversations.history",
    "chat.update",
)
"""What a summary is made of, in this order; the second upload is the table."""
SAMPLE = [
    Point("chat.postMessage", 1, "after"),
    Point("files.completeUploadExternal", 1, "after"),
    Point("files.completeUploadExternal", 1, "answered"),
    Point("files.info", 1, "before"),
    Point("chat.update", 1, "after"),
    Point("chat.update", 1, "answered"),
]


async def share(point: Point) -> Counts:
    """A manager shares the figures of one check, and the process is killed at `point`, counted from the click."""
    seen: Counter[str] = Counter()
    is_armed = False

    def strike(call: str) -> str | None:
        if not is_armed:
            return None
        seen[call] += 1
        return point.when if (call, seen[call]) == (point.call, point.number) else None

    def prepare(bot: KeptUp) -> None:
        bot.world.slack.add_user(MANAGER, "meera")
        bot.world.slack.add_channel(MANAGERS, "kyc-managers", private=True, members=[MANAGER])
        set_on(bot, strike)

    async with kept_up(prepare=prepare, managers=MANAGER) as bot:
        await bot.ask()
        await bot.world.wait_for_the_end()
        meera = bot.world.slack.person(MANAGER)
        answer = (await meera.command("summary today", channel_id=MANAGERS)).message
        assert answer is not None
        is_armed = True
        assert (await meera.click(answer, ids.SHARE_SUMMARY)).ok
        await bot.world.wait_for(lambda: bot.kills == 1)
        await bot.up.wait()
        await bot.world.wait_for_posts(2 * GIVE_UP_SECONDS)
        return counted(bot.world.slack, kills=bot.kills)


def counted(slack: SlackSandbox, *, kills: int) -> Counts:
    """Whatever is beyond one message with one picture in it, one drawing and one table in its thread."""
    messages = slack.messages(MANAGERS)
    roots = [message for message in messages if message.thread_ts in (None, message.ts)]
    files = Counter(file.name.rpartition(".")[2] for message in messages for file in message.files)
    shown = [block for message in roots for block in message.blocks if block["type"] == "image"]
    found = {"summaries": len(roots), "pictures": len(shown), **files}
    each = {"summaries": 1, "pictures": 1, "png": 1, "csv": 1}
    return Counts(
        asked=1,
        faults=kills,
        lost=sum(found.get(name, 0) < count for name, count in each.items()),
        posted_twice=sum(found.get(name, 0) > count for name, count in each.items()),
        details=[] if found == each else [f"{found}"],
    )


def refused(ends: dict[Point, Counts]) -> list[str]:
    return [f"{point}: {counts}" for point, counts in ends.items() if not counts.clean or counts.faults != 1]


@pytest.mark.sample
async def test_a_bot_killed_between_two_steps_of_a_summary_ends_with_one_of_each() -> None:
    assert refused(await play_all(SAMPLE, share)) == []


@pytest.mark.all_faults
@pytest.mark.parametrize("when", MOMENTS)
async def test_a_bot_killed_at_any_step_of_a_summary_ends_with_one_of_each(when: str) -> None:
    points = [Point(call, number, when) for call in CALLS for number in ((1, 2) if "files.c" in call else (1,))]
    assert refused(await play_all(points, share)) == []
