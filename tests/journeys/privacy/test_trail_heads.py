"""Where the audit trail ended is told each day, to a channel and to a file, whatever comes between."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.runtime.health import Degraded
from bot.sandbox.demo import CHANNEL, settings_for
from storage import audit
from storage.engine.sealing import Sealer
from tests.journeys.world import Journey, MovedClock, bot_between, journey, patient_slack

pytestmark = pytest.mark.anyio


def clock_at(moment: datetime) -> MovedClock:
    clock = MovedClock()
    clock.offset = moment - datetime.now(UTC)
    return clock


def told(world: Journey) -> list[str]:
    return [text for text in map(world.slack.plain, world.slack.messages(CHANNEL)) if text.startswith("Audit trail")]


async def test_each_day_has_one_message_and_one_line_with_the_head_of_that_moment(tmp_path: Path) -> None:
    file, clock = tmp_path / "elsewhere" / "heads", clock_at(datetime(2026, 11, 20, 22, 30, tzinfo=UTC))
    file.parent.mkdir()
    settings: dict[str, Any] = {
        "KYC_AUDIT_HEAD_CHANNEL": CHANNEL,
        "KYC_AUDIT_HEAD_FILE": str(file),
        "KYC_TIMEZONE": "Africa/Lagos",
        "KYC_ENCRYPTION_KEYS": Sealer.new_key(),
    }
    slack = patient_slack(clock)
    async with journey(tmp_path, slack=slack, clock=clock, **settings) as world:
        head = await world.bot.database.read(audit.head)
        # Two at once, and again: the day has been told of.
        await asyncio.gather(world.bot.heads.tell(), world.bot.heads.tell())
        await world.bot.heads.tell()
        await world.work()
        (message,) = told(world)
        assert message.startswith(f"Audit trail on Friday 20 November 2026: line {head.seq}")
        assert str(head) in message
        first = file.read_text().splitlines()
        assert {line.partition(" ")[2] for line in first} == {str(head)}
        assert file.stat().st_mode & 0o777 == 0o600
        # In Lagos it is the next day an hour before it is in Greenwich.
        await world.ask()
        clock.move(minutes=40)
        later = await world.bot.database.read(audit.head)
        assert later.seq > head.seq
        await world.bot.heads.tell()
        await world.work()
        assert told(world)[1].startswith(f"Audit trail on Saturday 21 November 2026: line {later.seq}")
        assert file.read_text().splitlines()[len(first) :] == [
            f"{file.read_text().splitlines()[-1].split()[0]} {later}"
        ]
        # Another process, the same day: nothing more.
        lines, messages = file.read_text(), told(world)
        environment = settings_for(slack, world.smile_id, database=tmp_path / "kyc.db", socket_mode=False, **settings)
        await world.bot.database.close()
        async with bot_between(slack, world.smile_id, environment, clock=clock) as again:
            await again.bot.heads.tell()
            await again.work()
            assert (file.read_text(), told(again)) == (lines, messages)


async def test_a_file_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "mount" / "heads"
    async with journey(tmp_path, KYC_AUDIT_HEAD_FILE=str(file)) as world:
        heads, degraded = world.bot.heads, world.bot.health.degraded
        await heads.tell()
        assert degraded[Degraded.AUDIT_HEAD] == "KYC_AUDIT_HEAD_FILE cannot be written: No such file or directory"
        file.parent.mkdir()
        # Half of a line, of a disk that was full.
        file.write_text("2026-11-2")
        await heads.tell()
        assert file.read_text() == "2026-11-2"
        world.clock.move(minutes=11)
        head = await world.bot.database.read(audit.head)
        await heads.tell()
        assert Degraded.AUDIT_HEAD not in degraded
        half, line = file.read_text().splitlines()
        assert (half, line.split()[1]) == ("2026-11-2", str(head))
        # A slip of the pen that names the database ruins nothing.
        database = file.with_name("other.db")
        with closing(sqlite3.connect(database)) as other:
            other.execute("CREATE TABLE notes (body)")
        before = database.read_bytes()
        file.unlink()
        database.rename(file)
        world.clock.move(days=1)
        await heads.tell()
        assert degraded[Degraded.AUDIT_HEAD].endswith("it holds something else")
        assert file.read_bytes() == before
        # What is no file, a pipe say, would take the line and keep nothing.
        file.unlink()
        file.mkdir()
        world.clock.offset += timedelta(days=1)
        await heads.tell()
        assert "Is a directory" in degraded[Degraded.AUDIT_HEAD]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_unset_nothing_is_told_and_nothing_written(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        before = names_in(tmp_path)
        await world.bot.heads.tell()
        await world.work()
        assert told(world) == []
        assert names_in(tmp_path) == before
