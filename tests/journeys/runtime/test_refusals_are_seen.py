"""A wrong secret, token or key is never silent: log, metrics and `degraded` tell of it, and of its end."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.runtime.health import Degraded
from bot.sandbox.slack import Fault as SlackFault
from tests.journeys.world import Journey, MovedClock, journey

pytestmark = pytest.mark.anyio


def logged(log_lines: io.StringIO, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    return [line for line in lines if line["event"] == event]


async def metric(world: Journey, line: str) -> bool:
    return line in (await world.bot.figures()).decode().splitlines()


async def knock(world: Journey, path: str, headers: dict[str, str] | None = None) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        found = await http.post(f"http://127.0.0.1:{world.bot.settings.port}{path}", content=b"{}", headers=headers)
        return found.status_code


# Slack's signing secret


async def test_a_wrong_signing_secret_is_seen_in_log_metrics_and_degraded(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    async with journey(tmp_path, SLACK_SIGNING_SECRET="that-of-another-app") as world:
        assert not (await world.analyst.command("")).ok
        assert world.bot.health.degraded[Degraded.SLACK_SIGNATURE] == (
            "requests refused: their signature does not fit SLACK_SIGNING_SECRET"
        )
        assert await metric(world, 'kyc_slack_refused_total{why="differs"} 1.0')
        assert await metric(world, 'kyc_degraded{what="slack_signature"} 1.0')
        (line,) = logged(log_lines, "slack.request_refused")
        assert (line["level"], line["error"], line["count"]) == ("warning", "differs", 1)
        (began,) = logged(log_lines, "degraded.began")
        assert began["what"] == "slack_signature"


async def test_a_good_request_ends_the_report_of_a_refused_one(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path) as world:
        assert await knock(world, "/slack/events", forged()) == 401
        assert Degraded.SLACK_SIGNATURE in world.bot.health.degraded
        assert (await world.analyst.command("help")).ok
        assert Degraded.SLACK_SIGNATURE not in world.bot.health.degraded
        assert await metric(world, 'kyc_degraded{what="slack_signature"} 0.0')
        assert [line["what"] for line in logged(log_lines, "degraded.ended")] == ["slack_signature"]


def forged(timestamp: str = "99999999999") -> dict[str, str]:
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": "v0=00"}


async def test_what_does_not_claim_to_be_slack_is_counted_and_no_fault_of_ours(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert await knock(world, "/slack/events") == 401
        assert await metric(world, 'kyc_slack_refused_total{why="unsigned"} 1.0')
        assert world.bot.health.degraded == {}


async def test_a_request_from_another_time_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert await knock(world, "/slack/events", forged("1000000000")) == 401
        assert "more than 5 minutes" in world.bot.health.degraded[Degraded.SLACK_SIGNATURE]
        assert await metric(world, 'kyc_slack_refused_total{why="stale"} 1.0')


async def test_a_flood_of_forgeries_is_a_line_a_minute_and_an_hour_of_degraded(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    clock = MovedClock()
    async with journey(tmp_path, clock=clock) as world:
        for _ in range(20):
            assert await knock(world, "/slack/events", forged("1000000000")) == 401
        assert len(logged(log_lines, "slack.request_refused")) == 1
        clock.move(minutes=1)
        await world.bot.slack_door.requests.forget()
        assert [line["count"] for line in logged(log_lines, "slack.request_refused")] == [1, 19]
        assert Degraded.SLACK_SIGNATURE in world.bot.health.degraded
        clock.move(hours=1)
        await world.bot.slack_door.requests.forget()
        assert Degraded.SLACK_SIGNATURE not in world.bot.health.degraded


# Slack's bot token


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_bot_token_that_slack_refuses_is_degraded_until_it_is_taken(tmp_path: Path, code: str) -> None:
    async with journey(tmp_path) as world:
        world.slack.fault = lambda _method, _number: SlackFault.error(code)
        await world.bot.access.refresh()
        assert world.bot.health.degraded[Degraded.SLACK] == code
        world.slack.fault = None
        await world.bot.access.refresh()
        assert Degraded.SLACK not in world.bot.health.degraded


# Smile ID's key, and callbacks


async def test_a_wrong_api_key_is_seen_in_log_metrics_and_degraded(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path, SMILE_ID_API_KEY="that-of-another-partner") as world:
        await world.ask()
        await world.work()
        assert world.bot.health.degraded[Degraded.SMILE_ID_KEY] == "Smile ID refuses our partner id and API key"
        assert await metric(world, 'kyc_smile_id_requests_total{call="upload",result="denied"} 1.0')
        # What Smile ID tells anybody proves nothing about the key.
        await world.bot.refresh()
        assert Degraded.SMILE_ID_KEY in world.bot.health.degraded
        assert "smile_id_key" in [line["what"] for line in logged(log_lines, "degraded.began")]


async def test_a_callback_to_an_address_of_nobody_is_seen_until_a_good_one_comes(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    async with journey(tmp_path) as world:
        assert await knock(world, f"/smile-id/callback/{'0' * 64}") == 404
        assert "of no job in this database" in world.bot.health.degraded[Degraded.CALLBACKS]
        (line,) = logged(log_lines, "callback.refused")
        assert line["error"] == "unknown_token"
        assert "0000" not in json.dumps(line)
        await world.ask()
        await world.settle()
        assert world.bot.health.degraded == {}


async def test_a_callback_that_smile_id_did_not_sign_is_seen(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.work()
        address = httpx.URL(world.job().callback_url)
        assert await knock(world, address.path) == 401
        assert "not signed with our API key" in world.bot.health.degraded[Degraded.CALLBACKS]
