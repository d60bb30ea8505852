"""What Slack answered is believed for a while: asked for once at a time, aged by events, never more than fits."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.access.lookup_cache import LookupCache
from bot.errors import SlackUncertain
from bot.slack.client import LOOK_UP_SECONDS

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def memory(look_up: Callable[[str], Awaitable[int]], *, most: int = 10) -> LookupCache[str, int]:
    return LookupCache("test", look_up, now=lambda: NOW, most=most)


async def test_two_fetches_at_once_share_one_request() -> None:
    asked: list[str] = []

    async def look_up(key: str) -> int:
        asked.append(key)
        return 1

    known = memory(look_up)
    first, second = known.fetch("a"), known.fetch("a")
    assert first is second
    await first
    assert (asked, known.get("a", within=HOUR)) == (["a"], 1)


@pytest.mark.slow
async def test_a_hanging_request_is_not_joined_and_its_late_answer_replaces_no_younger_one() -> None:
    answers = {1: asyncio.Event(), 2: asyncio.Event()}
    times = [NOW, NOW + timedelta(seconds=2)]
    count = 0

    async def look_up(_key: str) -> int:
        nonlocal count
        count += 1
        mine = count
        await answers[mine].wait()
        return mine

    known = LookupCache("test", look_up, now=lambda: times[min(max(count, 0), 1)])
    first = known.fetch("a")
    await asyncio.sleep(LOOK_UP_SECONDS + 0.01)
    second = known.fetch("a")
    assert second is not first
    answers[2].set()
    await second
    answers[1].set()
    await first
    assert known.get_stale("a") == 2


async def test_what_expires_during_its_request_is_requested_once_more() -> None:
    asked = 0
    gate = asyncio.Event()

    async def look_up(_key: str) -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            await gate.wait()
        return asked

    known = memory(look_up)
    task = known.fetch("a")
    await asyncio.sleep(0)
    known.expire("a")
    gate.set()
    await task
    assert (asked, known.get("a", within=HOUR)) == (2, 2)


async def test_expiring_requests_nothing_and_keeps_nothing_of_unknown_keys() -> None:
    async def look_up(_key: str) -> int:
        return 1

    known = memory(look_up)
    for number in range(1000):
        known.expire(f"unknown-{number}")
    assert not known._known
    assert not known._under_way
    await known.fetch("a")
    known.expire("a")
    assert (known.get("a", within=timedelta(days=3650)), known.get_stale("a")) == (None, 1)


async def test_the_cache_is_bounded_and_drops_the_oldest_first() -> None:
    async def look_up(_key: str) -> int:
        return 1

    known = memory(look_up, most=2)
    for key in ("a", "b", "a", "c"):
        await known.fetch(key)
    assert [known.get_stale(key) for key in "abc"] == [1, None, 1]


@pytest.mark.parametrize("fault", [SlackUncertain("no answer"), KeyError("an answer of another form")])
async def test_a_failed_request_keeps_nothing_and_raises_nothing(fault: Exception) -> None:
    async def look_up(_key: str) -> int:
        raise fault

    known = memory(look_up)
    await known.fetch("a")
    assert known.get_stale("a") is None


async def test_closing_cancels_requests_under_way() -> None:
    async def look_up(_key: str) -> int:
        await asyncio.Event().wait()
        return 1

    known = memory(look_up)
    task = known.fetch("a")
    await asyncio.sleep(0)
    await known.close()
    assert task.cancelled()
