"""The summary's picture in the message itself: a moment later, once, or not at all, and the message stays as it was."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.reporting.summaries import READY_AFTER
from bot.sandbox.slack import Fault, Message
from bot.sandbox.slack.files import SlackFile
from bot.slack.blocks.summary import PICTURE_BLOCK
from storage.engine.database import Transaction
from tests.journeys.reporting.test_summary import (
    MANAGERS,
    a_day_of_checks,
    a_day_with_a_check,
    files,
    morning,
    office,
    restarted,
    roots,
)
from tests.journeys.world import ADMIN, Journey

pytestmark = pytest.mark.anyio


async def a_moment_later(world: Journey, seconds: float = READY_AFTER.total_seconds()) -> None:
    world.clock.move(seconds=seconds)
    await world.work()


def pictures(message: Message) -> list[dict[str, Any]]:
    return [block for block in message.blocks if block["type"] == "image"]


def drawn(world: Journey) -> SlackFile:
    return next(file for _message, file in files(world) if file.name.endswith(".png"))


def others(message: Message) -> list[dict[str, Any]]:
    """What the message says besides, without what Slack adds."""
    return [
        {key: block[key] for key in block if key != "block_id"} for block in message.blocks if block["type"] != "image"
    ]


async def state_of(world: Journey) -> Sequence[str]:
    def read(tx: Transaction) -> list[str]:
        return tx.column("SELECT state FROM posts WHERE kind = 'summary_picture'")

    return await world.bot.database.read(read)


async def test_the_picture_comes_into_the_message_and_changes_nothing_else(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_of_checks(world)
        await morning(world)
        (root,) = roots(world)
        assert pictures(root) == []
        text, blocks = root.text, others(root)
        # A result that comes meanwhile does not change figures that were read.
        await world.ask(id_number="00000000000")
        await a_moment_later(world)
        (root,) = roots(world)
        (picture,) = pictures(root)
        assert (picture["block_id"], picture["slack_file"]) == (PICTURE_BLOCK, {"id": drawn(world).id})
        assert "9 checks: 6 approved, 1 rejected, 1 no result, 1 still open" in picture["alt_text"]
        assert picture["alt_text"] == drawn(world).alt_text
        # Below the numbers, above the outcomes.
        assert ["fields" in block for block in root.blocks][root.blocks.index(picture) - 1]
        assert (root.text, others(root)) == (text, blocks)


async def test_it_waits_until_slack_has_finished_the_picture(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_with_a_check(world)
        await morning(world)
        drawn(world).ready_at = world.clock() + timedelta(seconds=60)
        await a_moment_later(world)
        (root,) = roots(world)
        assert (pictures(root), await state_of(world)) == ([], ["due"])
        await a_moment_later(world, seconds=60)
        assert len(pictures(roots(world)[0])) == 1


@pytest.mark.parametrize("why", ["refused", "picture deleted", "message deleted"])
async def test_if_slack_does_not_take_it_the_message_stays_and_nobody_is_alerted(tmp_path: Path, why: str) -> None:
    async with office(tmp_path) as world:
        await a_day_with_a_check(world)
        await morning(world)
        (root,) = roots(world)
        before = (root.text, root.blocks)
        match why:
            case "refused":
                world.slack.world.takes_slack_files = False
            case "picture deleted":
                drawn(world).is_deleted = True
            case _:
                world.slack.delete_message(MANAGERS, root.ts, tombstone=True)
        for _try in range(6):
            await a_moment_later(world, seconds=600)
        assert await state_of(world) == ["dropped"]
        assert (root.text, root.blocks) == before or why == "message deleted"
        assert len(files(world)) == 2
        assert world.direct(ADMIN) == []


@pytest.mark.parametrize("lost", [pytest.param(Fault.reset_before, marks=pytest.mark.endurance), Fault.reset_after])
@pytest.mark.parametrize(
    "method", ["files.completeUploadExternal", "files.info", "conversations.history", "chat.update"]
)
async def test_whatever_answer_is_lost_before_a_restart_there_is_one_summary_and_one_picture(
    tmp_path: Path, method: str, lost: Any
) -> None:
    async with office(tmp_path) as world:
        await a_day_with_a_check(world)
        world.slack.fail_next(method, lost())
        await morning(world)
        await a_moment_later(world)
        async with restarted(world, tmp_path) as again:
            await again.bot.summary.tick()
            for _round in range(4):
                await a_moment_later(again, seconds=15)
        (root,) = roots(world)
        assert sorted(file.name for _m, file in files(world)) == ["kyc-day-2026-11-24.csv", "kyc-day-2026-11-24.png"]
        (picture,) = pictures(root)
        assert picture["slack_file"] == {"id": drawn(world).id}
