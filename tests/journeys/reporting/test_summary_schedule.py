"""When summaries are told: once per channel and period, whatever happens to the bot, its clock and its zone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.runtime.bot import Bot
from bot.runtime.factory import build
from bot.settings import Settings
from storage import meta
from storage.engine.database import Transaction, to_text
from storage.engine.sealing import Sealer

pytestmark = pytest.mark.anyio

CHANNEL = "C0KYCMGR001"
KEY = Sealer.new_key()


class Clock:
    """Stands where it was put."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now.astimezone(UTC)


def local(zone: str, month: int, day: int, hour: int = 0, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def lagos(day: int, hour: int = 0, minute: int = 0, month: int = 11) -> datetime:
    return local("Africa/Lagos", month, day, hour, minute)


@asynccontextmanager
async def bot_at(folder: Path, clock: Clock, **settings: str) -> AsyncIterator[Bot]:
    """A bot that nobody runs: only its schedule is asked. Another one on the same folder is the same, restarted."""
    environment = {
        "SLACK_BOT_TOKEN": "xoxb-invented",
        "SLACK_APP_TOKEN": "xapp-invented",
        "SMILE_ID_PARTNER_ID": "0421",
        "SMILE_ID_API_KEY": "invented",
        "KYC_ENCRYPTION_KEYS": KEY,
        "KYC_REQUESTERS": "*",
        "KYC_DATABASE": str(folder / "kyc.db"),
        "KYC_SUMMARY_CHANNEL": CHANNEL,
        **settings,
    }
    async with AsyncExitStack() as stack:
        yield await build(Settings.load(environment), stack, now=clock)


async def told(bot: Bot, kind: str = "day", channel: str = CHANNEL) -> list[str]:
    """First days of the summaries that were enqueued, in order."""

    def read(tx: Transaction) -> list[str]:
        rows = tx.rows("SELECT id FROM posts WHERE kind = 'summary' AND lane = :channel ORDER BY seq", channel=channel)
        return [row["id"].split(":")[-1] for row in rows if f":{kind}:" in row["id"]]

    return await bot.database.read(read)


async def older(bot: Bot) -> list[tuple[str, str]]:
    def read(tx: Transaction) -> list[tuple[str, str]]:
        rows = tx.rows("SELECT id, note FROM posts WHERE kind = 'summary_older' ORDER BY seq")
        return [(row["id"], row["note"]) for row in rows]

    return await bot.database.read(read)


async def look(folder: Path, clock: Clock, at: datetime, **settings: str) -> list[str]:
    """Start, look once, stop; gives the days told so far."""
    clock.now = at
    async with bot_at(folder, clock, **settings) as bot:
        await bot.summary.tick()
        return await told(bot)


async def test_the_day_before_is_posted_once_at_the_hour(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 15))
    async with bot_at(tmp_path, clock) as bot:
        for hour, minute, expected in ((7, 59, []), (8, 0, ["2026-11-20"]), (8, 1, ["2026-11-20"]), (23, 0, None)):
            await bot.summary.tick()
            clock.now = lagos(21, hour, minute)
            await bot.summary.tick()
            await bot.summary.tick()
            assert await told(bot) == (["2026-11-20"] if expected is None else expected)


async def test_a_summary_brings_a_picture_and_a_file_for_its_thread(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 15))
    async with bot_at(tmp_path, clock) as bot:
        await bot.summary.tick()
        clock.now = lagos(21, 8)
        await bot.summary.tick()

        def posts(tx: Transaction) -> list[tuple[str, str | None]]:
            return [(row["kind"], row["about"]) for row in tx.rows("SELECT kind, about FROM posts ORDER BY seq")]

        opening = f"summary:{CHANNEL}:day:2026-11-20"
        expected = [("summary", None), ("summary_chart", opening), ("summary_csv", opening)]
        assert await bot.database.read(posts) == expected


async def test_no_day_before_the_first_start_is_posted(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 9))
    assert await look(tmp_path, clock, lagos(20, 9)) == []
    assert await look(tmp_path, clock, lagos(20, 23)) == []
    assert await look(tmp_path, clock, lagos(21, 9)) == ["2026-11-20"]


async def test_a_channel_configured_later_gets_yesterday_and_nothing_earlier(tmp_path: Path) -> None:
    clock = Clock(lagos(10, 9))
    await look(tmp_path, clock, lagos(10, 9), KYC_SUMMARY_CHANNEL="")
    await look(tmp_path, clock, lagos(19, 9), KYC_SUMMARY_CHANNEL="")
    assert await look(tmp_path, clock, lagos(20, 9)) == ["2026-11-19"]


async def test_each_channel_gets_a_summary_once(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 9))
    other = "C0KYCMGR002"
    await look(tmp_path, clock, lagos(20, 9))
    await look(tmp_path, clock, lagos(21, 9))
    clock.now = lagos(21, 10)
    async with bot_at(tmp_path, clock, KYC_SUMMARY_CHANNEL=other) as bot:
        await bot.summary.tick()
        await bot.summary.tick()
        assert (await told(bot), await told(bot, channel=other)) == (["2026-11-20"], ["2026-11-20"])


async def test_a_summary_due_while_the_bot_is_down_is_posted_at_the_next_start(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 9))
    await look(tmp_path, clock, lagos(20, 9))
    await look(tmp_path, clock, lagos(21, 7))
    assert await look(tmp_path, clock, lagos(21, 14)) == ["2026-11-20"]
    assert await look(tmp_path, clock, lagos(22, 8)) == ["2026-11-20", "2026-11-21"]


async def test_two_restarts_within_the_minute_post_it_once(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 9))
    await look(tmp_path, clock, lagos(20, 9))
    for second in (0, 20, 40):
        assert await look(tmp_path, clock, lagos(21, 8) + timedelta(seconds=second)) == ["2026-11-20"]


async def test_two_schedules_at_the_same_instant_post_it_once(tmp_path: Path) -> None:
    clock = Clock(lagos(20, 9))
    await look(tmp_path, clock, lagos(20, 9))
    clock.now = lagos(21, 8)
    async with bot_at(tmp_path, clock) as bot, bot_at(tmp_path, clock) as second:
        for one in (bot, second, bot):
            # As if both had looked at the same time: what one found due, the other has told meanwhile.
            await one.database.write(one.summary.post_due, CHANNEL, clock())
        assert await told(bot) == ["2026-11-20"]


async def test_after_a_long_stop_three_days_are_posted_and_the_older_ones_in_one_line(tmp_path: Path) -> None:
    clock = Clock(lagos(2, 9))
    await look(tmp_path, clock, lagos(2, 9))
    clock.now = lagos(20, 9)
    async with bot_at(tmp_path, clock) as bot:
        await bot.summary.tick()
        await bot.summary.tick()
        assert await told(bot) == ["2026-11-17", "2026-11-18", "2026-11-19"]
        assert await told(bot, "week") == ["2026-11-09"]
        days, weeks = await older(bot)
        assert days[0] == f"summary_older:{CHANNEL}:day:2026-11-02"
        assert all(part in days[1] for part in ('"first": "2026-11-02"', '"last": "2026-11-16"', '"count": "15"'))
        assert all(part in weeks[1] for part in ('"first": "2026-11-02"', '"last": "2026-11-08"', '"unit": "week"'))


async def test_a_week_is_posted_on_monday_and_a_month_on_the_first(tmp_path: Path) -> None:
    clock = Clock(lagos(18, 9))
    async with bot_at(tmp_path, clock) as bot:
        await bot.summary.tick()
        for day in range(19, 31):
            clock.now = lagos(day, 8)
            await bot.summary.tick()
        clock.now = lagos(1, 8, month=12)
        await bot.summary.tick()
        assert await told(bot, "week") == ["2026-11-16", "2026-11-23"]
        assert await told(bot, "month") == ["2026-11-01"]
        assert len(await told(bot)) == 13


# Clocks that change


CHANGES = [
    # 01:30 is jumped over on 29 March, 02:30 on 8 March: due at the jump.
    ("Europe/London", time(1, 30), datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("America/New_York", time(2, 30), datetime(2026, 3, 8, 7, tzinfo=UTC)),
    # 01:30 comes twice: due at the first.
    ("Europe/London", time(1, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ("America/New_York", time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
    ("Africa/Lagos", time(8), datetime(2026, 11, 1, 7, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "hour", "then"), CHANGES)
async def test_each_day_is_posted_once_where_clocks_change_at_the_hour(
    tmp_path: Path, zone: str, hour: time, then: datetime
) -> None:
    before, changing = then - timedelta(minutes=1), then.astimezone(ZoneInfo(zone)).replace(hour=12)
    clock = Clock(changing - timedelta(days=3))
    dates = [(changing + timedelta(days=n)).astimezone(ZoneInfo(zone)).date().isoformat() for n in range(-3, 2)]
    async with bot_at(tmp_path, clock, KYC_TIMEZONE=zone, KYC_SUMMARY_TIME=hour.isoformat()) as bot:
        await bot.summary.tick()
        clock.now = before
        await bot.summary.tick()
        assert await told(bot) == dates[:2]
        # Every ten minutes through the change and the day after it.
        seen = []
        clock.now = then
        while clock.now < then + timedelta(hours=50):
            await bot.summary.tick()
            seen.append(await told(bot))
            clock.now += timedelta(minutes=10)
        assert seen[0] == dates[:3]
        assert seen[-1] == dates
        assert [len(now) - len(was) for was, now in pairwise(seen) if now != was] == [1, 1]


async def test_a_changed_time_zone_posts_no_date_twice_and_skips_none(tmp_path: Path) -> None:
    clock = Clock(lagos(19, 9))
    await look(tmp_path, clock, lagos(19, 9))
    assert await look(tmp_path, clock, lagos(21, 9)) == ["2026-11-19", "2026-11-20"]
    there = {"KYC_TIMEZONE": "America/New_York"}
    # In New York it is 03:05 of the same day, then its hour comes.
    assert await look(tmp_path, clock, lagos(21, 9, 5), **there) == ["2026-11-19", "2026-11-20"]
    new_york = "America/New_York"
    assert await look(tmp_path, clock, local(new_york, 11, 21, 9), **there) == ["2026-11-19", "2026-11-20"]
    days = ["2026-11-19", "2026-11-20", "2026-11-21"]
    assert await look(tmp_path, clock, local(new_york, 11, 22, 8), **there) == days
    assert await look(tmp_path, clock, lagos(22, 20)) == days
    assert await look(tmp_path, clock, lagos(23, 8)) == [*days, "2026-11-22"]


async def test_a_clock_that_was_ahead_posts_no_day_twice(tmp_path: Path) -> None:
    clock = Clock(lagos(19, 9))
    await look(tmp_path, clock, lagos(19, 9))
    assert await look(tmp_path, clock, lagos(22, 9)) == ["2026-11-19", "2026-11-20", "2026-11-21"]
    assert await look(tmp_path, clock, lagos(20, 9)) == ["2026-11-19", "2026-11-20", "2026-11-21"]
    assert (await look(tmp_path, clock, lagos(23, 9)))[-2:] == ["2026-11-21", "2026-11-22"]


async def test_a_clock_that_was_a_year_ahead_does_not_silence_a_year(tmp_path: Path) -> None:
    clock = Clock(lagos(19, 9))
    await look(tmp_path, clock, lagos(19, 9))
    ahead = await look(tmp_path, clock, lagos(19, 9) + timedelta(days=365))
    assert ahead == ["2027-11-16", "2027-11-17", "2027-11-18"]
    # What ended before it was set back was passed over in one line; what ends from then on is told.
    assert await look(tmp_path, clock, lagos(20, 9)) == ahead
    assert await look(tmp_path, clock, lagos(22, 9)) == [*ahead, "2026-11-21"]
    # The days that were told ahead are told in their own time, when there is something to tell of them.
    again = await look(tmp_path, clock, lagos(17, 9) + timedelta(days=365))
    assert again[-1].startswith("2027-11-16@")


async def test_a_clock_set_back_over_midnight_and_the_hour_posts_the_day_once(tmp_path: Path) -> None:
    clock = Clock(lagos(19, 9))
    await look(tmp_path, clock, lagos(19, 9))
    at_midnight = {"KYC_SUMMARY_TIME": "00:00"}
    assert await look(tmp_path, clock, lagos(20, 0, 10), **at_midnight) == ["2026-11-19"]
    for minute in range(0, 80, 5):
        assert await look(tmp_path, clock, lagos(19, 23, 10) + timedelta(minutes=minute), **at_midnight) == [
            "2026-11-19"
        ]


async def test_a_summary_due_before_a_restored_backup_is_searched_for_first(tmp_path: Path) -> None:
    clock = Clock(lagos(19, 9))
    await look(tmp_path, clock, lagos(19, 9))
    clock.now = lagos(21, 10)
    async with bot_at(tmp_path, clock) as bot:
        await bot.database.write(meta.keep, "restored_at", to_text(lagos(20, 12)))
        await bot.summary.tick()

        def doubts(tx: Transaction) -> dict[str, str | None]:
            return {row["id"]: row["in_doubt_since"] for row in tx.rows("SELECT id, in_doubt_since FROM posts")}

        found = await bot.database.read(doubts)
        assert found[f"summary:{CHANNEL}:day:2026-11-19"] == to_text(lagos(20, 8))
        assert found[f"summary:{CHANNEL}:day:2026-11-20"] is None
