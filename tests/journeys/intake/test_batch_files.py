"""What a file of customers leaves on this machine while it waits for its click: noise, and not for long."""

from pathlib import Path

import pytest

from tests.journeys.intake.test_batches import csv_of, drop, person, photos, send, zip_of
from tests.journeys.world import SELFIE, Journey, journey
from tests.test_sealed_file import on_disk

pytestmark = pytest.mark.anyio

NAME = "Clearlyinvented"


def downloads(world: Journey) -> int:
    return sum(call.method == "files.download" for call in world.slack.calls)


async def test_a_file_that_waits_lies_sealed_and_is_closed_after_ten_idle_minutes(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        table = csv_of([person(0, first_name=NAME), person(1, "11111111110", first_name=NAME)])
        # Twice the photo fills more than one piece of the file on the disk.
        await drop(world, {"people.zip": zip_of({"people.csv": table, **photos(2)})})
        lying = [link.read_bytes() for link in on_disk()]
        assert any(len(content) > len(SELFIE) for content in lying), "nothing lies there: the test would prove nothing"
        for secret in (NAME.encode(), SELFIE[:32], b"PK\x03\x04"):
            assert not any(secret in content for content in lying)
        fetched = downloads(world)
        world.clock.move(minutes=9)
        await world.bot.batches.bundles.close_idle()
        assert any(len(link.read_bytes()) > len(SELFIE) for link in on_disk())
        world.clock.move(minutes=2)
        await world.bot.batches.bundles.close_idle()
        assert not any(len(link.read_bytes()) > len(SELFIE) for link in on_disk())
        await send(world)
        # What was closed is fetched again, once for both rows.
        assert downloads(world) == fetched + 1
        assert len(world.smile_id.jobs) == 2
