"""Slack sends some requests again: when an answer was late, or when a connection was lost before it."""

from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from tests.journeys.world import journey

pytestmark = pytest.mark.anyio


def revoked(event_id: str) -> dict[str, Any]:
    return {
        "type": "event_callback",
        "team_id": "T0ACME00001",
        "api_app_id": "A0KYCAPP001",
        "event_id": event_id,
        "event": {"type": "app_uninstalled"},
    }


def command(trigger_id: str) -> dict[str, Any]:
    return {
        "command": "/kyc",
        "text": "help",
        "user_id": ANALYST,
        "channel_id": CHANNEL,
        "team_id": "T0ACME00001",
        "trigger_id": trigger_id,
    }


async def test_an_event_that_comes_again_is_answered_and_does_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert (await world.slack.deliver("events_api", revoked("Ev0AAA"))).ok
        assert "slack" in world.bot.health.degraded
        world.bot.health.degraded.clear()
        again = await world.slack.deliver("events_api", revoked("Ev0AAA"), retry_num=1, retry_reason="http_timeout")
        assert again.ok
        assert world.bot.health.degraded == {}
        assert (await world.slack.deliver("events_api", revoked("Ev0BBB"))).ok
        assert "slack" in world.bot.health.degraded


async def test_a_repeat_is_recognised_after_a_restart(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.slack.deliver("events_api", revoked("Ev0AAA"))
        settings = world.bot.settings
    async with journey(tmp_path, KYC_ENCRYPTION_KEYS=settings.encryption_keys.get_secret_value()) as world:
        await world.slack.deliver("events_api", revoked("Ev0AAA"), retry_num=3, retry_reason="http_timeout")
        assert world.bot.health.degraded == {}


async def test_what_was_taken_long_ago_is_forgotten(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.slack.deliver("events_api", revoked("Ev0AAA"))
        world.clock.move(days=3)
        await world.bot.intake.is_first("event:another")
        assert await world.bot.intake.is_first("event:Ev0AAA")


async def test_a_command_that_is_delivered_twice_answers_once(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        first = await world.slack.deliver("slash_commands", command("111.222.help"))
        second = await world.slack.deliver("slash_commands", command("111.222.help"))
        assert first.ok
        assert first.body
        assert second.ok
        assert not second.body
