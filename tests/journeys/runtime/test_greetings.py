"""`serve` says in one line for each platform that it was let in, or why not, and goes on trying."""

import asyncio
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.runtime import greetings
from bot.sandbox.slack import Fault
from bot.slack import manifest
from tests.journeys.site import Site, site
from tests.journeys.world import MovedClock, journey, patient_slack
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=10)


async def said(world: Site) -> dict[str, str]:
    """The two lines after the one that says where the bot listens, by platform."""
    assert world.process is not None
    assert world.process.stdout is not None
    found: dict[str, str] = {}
    for _ in range(2):
        line = await asyncio.wait_for(world.process.stdout.readline(), GIVE_UP_SECONDS)
        platform, _, words = line.decode().strip().partition(": ")
        found[platform] = words
    return found


@pytest.mark.processes
async def test_both_platforms_let_the_bot_in_and_each_is_a_line() -> None:
    async with site() as world:
        lines = await said(world)
        assert lines["Slack"] == "let in as @kyc-bot in Acme Compliance"
        assert lines["Smile ID"].startswith("let in as partner 0421 (sandbox, 127.0.0.1)")
        logged = [json.loads(line) for line in world.log().splitlines()]
        assert {line["platform"] for line in logged if line["event"] == "platform.let_in"} == {"Slack", "Smile ID"}


@pytest.mark.processes
async def test_wrong_credentials_are_told_with_their_reason_and_without_a_secret() -> None:
    token, key = "xoxb-not-this-one", "that-of-another-partner"
    async with site(SLACK_BOT_TOKEN=token, SMILE_ID_API_KEY=key) as world:
        lines = await said(world)
        assert lines["Slack"].startswith("refuses the bot token (invalid_auth). Put the app's Bot User OAuth Token")
        assert lines["Smile ID"].startswith("refuses us (code 2205; sandbox, 127.0.0.1). Smile ID does not accept our")
        for secret in (token, key):
            assert secret not in str(lines) + world.log()
        assert world.log().count('"event": "platform.not_let_in"') == 2


@pytest.mark.processes
async def test_an_app_token_that_slack_refuses_is_told_beside_a_bot_token_that_it_takes() -> None:
    async with site(start=False, SLACK_APP_TOKEN="xapp-not-this-one") as world:
        await world.start()
        lines = await said(world)
        assert lines["Slack"].startswith("takes the bot token, but Socket Mode is not connected: Slack refuses the app")
        assert "xapp-not-this-one" not in str(lines) + world.log()


async def test_what_is_away_is_told_once_and_again_when_it_is_back(tmp_path: Path, log_lines: io.StringIO) -> None:
    lines: list[str] = []
    async with journey(tmp_path) as world:
        world.slack.fault = lambda _method, _number: Fault.status(503)
        await world.smile_id.stop()
        greeting = asyncio.create_task(greetings.greet(world.bot, lines.append, again_in=SOON))
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await world.slack.wait_for(lambda: len(lines) >= 2 and len(world.slack.calls) >= 4)
            assert sorted(lines)[0].startswith("Slack: no answer yet (auth.test: HTTP 503)")
            assert sorted(lines)[1].startswith("Smile ID: no answer yet (")
            assert len(lines) == 2, "the same words are said once"
            world.slack.fault = None
            await world.smile_id.start()
            await greeting
        assert sorted(line.split(" as ")[0] for line in lines[2:]) == ["Slack: let in", "Smile ID: let in"]


async def test_a_token_of_another_workspace_is_not_let_in(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.world.team_id = "T0OTHER0001"
        found = await greetings.slack(world.bot)
        assert not found.is_in
        assert found.words.endswith("the database belongs to T0ACME00001. Nobody has a role until it fits.")


async def test_scopes_that_are_missing_are_named(tmp_path: Path) -> None:
    clock = MovedClock()
    few = [scope for scope in manifest.SCOPES if scope != "files:read"]
    async with journey(tmp_path, clock=clock, slack=patient_slack(clock, scopes=few)) as world:
        found = await greetings.slack(world.bot)
        assert found.is_in
        assert "but without files:read: reinstall the app from the manifest" in found.line
