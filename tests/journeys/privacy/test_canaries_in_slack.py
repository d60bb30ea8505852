"""After everything was erased, the canaries stand nowhere in Slack that is not listed."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.slack_removals import Removal
from bot.privacy.slack_asks import ask
from bot.sandbox.slack.world import BOT_USER_ID
from storage import slack_removals
from storage.engine.database import Transaction
from tests.journeys.access.canaries import Surfaces, photo, picture_of
from tests.journeys.access.test_canaries import SETTINGS, TYPED, walk
from tests.journeys.world import Journey, journey

pytestmark = pytest.mark.anyio

OF_NO_CHECK = {"direct name", "direct file"}
"""In the answer to a message that nobody confirmed: it became no check, and belongs to none."""


def ask_for_all(tx: Transaction, now: datetime) -> None:
    for ref in tx.column("SELECT ref FROM verifications ORDER BY ref"):
        ask(tx, ref, what=tuple(Clock), at=now)


def stands_now(world: Journey, surfaces: Surfaces) -> None:
    """What people read when they open Slack: each message of the bot as it is now, and each file of its own."""
    for channel in world.slack.channels.values():
        place = "direct message" if channel.is_im else channel.name
        for message in world.slack.messages(channel.id):
            if message.user == BOT_USER_ID:
                surfaces.read(place, f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}")
                for file in message.files:
                    surfaces.read(f"file in {place}", file.content or b"")


async def test_what_was_erased_stands_nowhere_in_slack(tmp_path: Path) -> None:
    selfie = photo(TYPED["hidden in the photo"])
    async with journey(tmp_path, story="never", **SETTINGS) as world:
        canaries: dict[str, str | bytes] = {**TYPED, "pixels": picture_of(selfie)}
        before = Surfaces(canaries)
        await walk(world, selfie, before)
        before = Surfaces(canaries)
        stands_now(world, before)
        assert len(set().union(*before.found.values())) > len(OF_NO_CHECK)
        await world.bot.database.write(ask_for_all, world.clock())
        for _round in range(3):
            world.clock.move(minutes=6)
            await world.work()
        after = Surfaces(canaries)
        stands_now(world, after)
        left = {place: names for place, names in after.found.items() if names}
        assert left == {"direct message": OF_NO_CHECK}
        # What people put there themselves is on the list, file by file.
        listed = await world.bot.database.read(slack_removals.open_list)
        assert {one.what for one in listed} == {Removal.FILE}
        on_list = {one.place.file for one in listed}
        used = await world.bot.database.read(lambda tx: set(tx.column("SELECT file_id FROM photos")))
        assert used <= on_list
