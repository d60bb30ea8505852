"""Slack sends some requests again: when an answer was late, or when a connection was lost before it."""

from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from storage.engine.database import Transaction
from tests.journeys.world import REVIEWER, journey

pytestmark = pytest.mark.anyio


def revoked(event_id: str) -> dict[str, Any]:
    return {
        "type": "event_callback",
        "team_id": "T0ACME00001",
        "api_app_id": "A0KYCAPP001",
        "event_id": event_id,
        "event": {"type": "app_uninstalled"},
    }


def stored(tx: Transaction) -> tuple[int, int]:
    """How many lines the trail has, and how many requests are remembered."""
    return int(tx.value("SELECT COUNT(*) FROM audit")), int(tx.value("SELECT COUNT(*) FROM slack_requests"))


def command(trigger_id: str, text: str) -> dict[str, Any]:
    return {
        "command": "/kyc",
        "text": text,
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


async def test_a_command_that_is_delivered_twice_opens_one_form(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        trigger = world.slack._stage.triggers.issue(ANALYST, channel_id=CHANNEL)
        first = await world.slack.deliver("slash_commands", command(trigger, "check"))
        second = await world.slack.deliver("slash_commands", command(trigger, "check"))
        assert first.ok
        assert second.ok
        assert not second.body, "the second trigger is spent, and nobody should hear so"
        assert len(world.analyst.open_modals) == 1


@pytest.mark.parametrize("text", ["help", "nonsense", "list", "list open", "LIST Mine"])
async def test_words_that_only_read_are_answered_again_and_store_nothing(tmp_path: Path, text: str) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        before = await world.bot.database.read(stored)
        first = await world.slack.deliver("slash_commands", command("111.222.read", text))
        second = await world.slack.deliver("slash_commands", command("111.222.read", text))
        assert first.body
        assert second.body == first.body
        assert await world.bot.database.read(stored) == before


@pytest.mark.parametrize(
    ("person", "text"),
    [(REVIEWER, "list"), (REVIEWER, "list mine"), (REVIEWER, "list all"), (ANALYST, "list review")],
)
async def test_a_list_that_leaves_a_look_on_record_is_answered_once(tmp_path: Path, person: str, text: str) -> None:
    """A reviewer who asks for no checks is shown everybody's, by whatever word."""
    async with journey(tmp_path, KYC_REVIEWERS=f"{REVIEWER},{ANALYST}") as world:
        await world.ask()
        before, _ = await world.bot.database.read(stored)
        answers = [
            await world.slack.deliver("slash_commands", command("111.222.look", text) | {"user_id": person})
            for _ in range(2)
        ]
        assert [bool(answer.body) for answer in answers] == [True, False]
        after, _ = await world.bot.database.read(stored)
        assert after > before
        acts = await world.bot.database.read(
            lambda tx: tx.column("SELECT act FROM audit WHERE actor = :who", who=person)
        )
        looks = [act for act in acts if act in ("checks.found", "queue.shown")]
        assert len(looks) == 1
