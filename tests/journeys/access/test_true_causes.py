"""Whoever asks hears why it cannot be: not *try again* where trying again cannot help, and not a form in vain."""

import asyncio
from pathlib import Path

import pytest

from bot.runtime import greetings
from bot.runtime.health import Degraded
from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import Fault
from bot.sandbox.smile_id import Fault as SmileIDFault
from bot.slack.blocks import ids
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey
from tests.journeys.writing import MENTION, WHOLE, mention, said, said_directly, write

pytestmark = pytest.mark.anyio

NOT_AUTHORISED = SmileIDFault.status(400, {"error": "invented", "code": "2205"})


async def told(world: Journey, words: str = "") -> str:
    reply = await world.analyst.command(words)
    assert reply.ok, reply
    return reply.text


@pytest.mark.parametrize("code", ["token_revoked", "invalid_auth", "account_inactive"])
@pytest.mark.parametrize("words", ["", "list", "export csv"])
async def test_a_token_that_slack_refuses_is_told_to_whoever_types_kyc(tmp_path: Path, code: str, words: str) -> None:
    async with journey(tmp_path) as world:
        world.slack.fault = lambda _method, _number: Fault.error(code)
        # What was known of people has expired: Slack is asked, and refuses the bot.
        world.clock.move(hours=7)
        said = await told(world, words)
        assert said.startswith(f"Slack refuses my token ({code})")
        assert "Nothing was sent." in said
        assert f"<@{ADMIN}>" in said
        world.slack.fault = None
        assert "refuses" not in await told(world, "list")


async def test_a_token_refused_at_the_very_click_is_no_slow_form(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        # Who asks is known still, so that nothing but the form is refused.
        world.slack.fault = lambda method, _number: Fault.error("token_revoked") if method == "views.open" else None
        assert (await told(world)).startswith("Slack refuses my token (token_revoked)")


async def test_an_app_that_was_removed_says_so_before_any_call_fails(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        body = {"type": "event_callback", "team_id": "T0ACME00001", "api_app_id": "A0KYCAPP001", "event_id": "Ev0AAA"}
        assert (await world.slack.deliver("events_api", {**body, "event": {"type": "app_uninstalled"}})).ok
        refused = world.bot.causes.refused_by_slack()
        assert refused is not None
        assert refused.facts["reason"] == "app_uninstalled"


async def test_a_token_of_another_workspace_is_told_as_that(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.world.team_id = "T0OTHER0001"
        await world.bot.access.refresh()
        world.slack.world.team_id = "T0ACME00001"
        assert (await told(world)).startswith("I am set up with the token of another workspace")


async def test_a_key_that_smile_id_refuses_is_told_instead_of_a_form(tmp_path: Path) -> None:
    async with journey(tmp_path, SMILE_ID_API_KEY="that-of-another-partner") as world:
        assert not (await greetings.smile_id(world.bot)).is_in
        for words in ("", "check"):
            said = await told(world, words)
            assert said.startswith("Smile ID refuses my partner id or API key, so no check can be sent now.")
            assert f"<@{ADMIN}>" in said
        # What needs no call to Smile ID goes on.
        assert "refuses" not in await told(world, "list")
        # A mention is answered in the same words.
        await mention(world, f"{MENTION} Nigeria BVN 00000000000", "selfie.jpg")
        await world.answered()
        found = [world.slack.plain(message) for message in world.slack.ephemerals(ANALYST)]
        assert any("Smile ID refuses my partner id or API key" in text for text in found)


async def test_a_refusal_that_is_not_about_the_key_keeps_nobody_out(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        # A page of somebody's on the way, and a contract that lacks production.
        for fault in (SmileIDFault.status(403), SmileIDFault.status(400, {"error": "invented", "code": "2220"})):
            world.smile_id.fail_next("upload", fault)
            await world.ask()
            await world.work()
            assert Degraded.SMILE_ID_KEY not in world.bot.health.degraded
            assert "refuses" not in await told(world)


async def test_a_form_that_was_open_says_it_when_it_is_sent_and_stays(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        world.bot.health.note(Degraded.SMILE_ID_KEY, "Smile ID refuses our partner id and API key")
        world.smile_id.fault = lambda _call, _number: NOT_AUTHORISED
        submission = await modal.submit()
        assert "Smile ID refuses my partner id or API key" in " ".join(submission.errors.values())
        # Smile ID takes the key again, which the bot finds out by itself: the same form goes through.
        world.smile_id.fault = None
        await greetings.ask_again(world.bot)
        assert Degraded.SMILE_ID_KEY not in world.bot.health.degraded
        assert (await modal.submit()).closed


async def test_a_key_that_was_mended_is_found_out_by_whoever_asks_next(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        world.smile_id.fault = lambda _call, _number: NOT_AUTHORISED
        assert not (await greetings.smile_id(world.bot)).is_in
        assert (await told(world)).startswith("Smile ID refuses my partner id or API key")
        world.smile_id.fault = None
        assert (await modal.submit()).closed
        assert "refuses" not in await told(world)


async def test_a_message_that_was_shown_back_can_be_sent_once_the_key_is_mended(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        world.smile_id.fault = lambda _call, _number: NOT_AUTHORISED
        assert not (await greetings.smile_id(world.bot)).is_in
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        assert "Smile ID refuses my partner id or API key" in world.slack.plain(await said(world))
        world.smile_id.fault = None
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.answered()
        await world.work()
        assert len(world.smile_id.jobs) == 1


async def test_one_job_that_smile_id_refuses_like_a_wrong_key_keeps_nobody_out(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", NOT_AUTHORISED)
        await world.ask()
        await world.work()
        assert Degraded.SMILE_ID_KEY in world.bot.health.degraded
        assert "refuses" not in await told(world)
        assert Degraded.SMILE_ID_KEY not in world.bot.health.degraded


async def test_whoever_asks_does_not_wait_for_a_smile_id_that_hangs(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.bot.health.note(Degraded.SMILE_ID_KEY, "Smile ID refuses our partner id and API key")
        world.smile_id.fault = lambda _call, _number: SmileIDFault.hang_before(30)
        async with asyncio.timeout(3):
            assert (await told(world)).startswith("Smile ID refuses my partner id or API key")


async def test_somebody_without_a_role_does_not_hear_of_keys(tmp_path: Path) -> None:
    async with journey(tmp_path, SMILE_ID_API_KEY="that-of-another-partner") as world:
        await greetings.smile_id(world.bot)
        said = await world.slack.person(REVIEWER).command("")
        assert "refuses" not in said.text
