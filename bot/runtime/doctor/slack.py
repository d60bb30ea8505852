"""Slack's side: the bot token, its scopes, and how Slack's requests come in."""

import asyncio

import aiohttp

from bot.access.workspace import fault_of
from bot.domain.installation import Installation
from bot.errors import SlackError, SlackRefused
from bot.runtime.doctor.findings import (
    DoctorTimeouts,
    Finding,
    fail,
    listed,
    note,
    ok,
)
from bot.runtime.doctor.workspace import WorkspaceProbe, slack_trouble
from bot.settings import Settings
from bot.slack import manifest
from bot.slack.client import Answer, SlackClient

_COPY_IT = "Copy the Bot User OAuth Token (xoxb-…) from the app's page OAuth & Permissions into SLACK_BOT_TOKEN."
_REINSTALL = "Install the app to the workspace again, then copy the new Bot User OAuth Token into SLACK_BOT_TOKEN."
_ADVICE = {
    "account_inactive": _REINSTALL,
    "token_revoked": _REINSTALL,
    "token_expired": "The app rotates its tokens, which kyc-bot does not follow. Create the app from the manifest.",
}
_FITTING = (
    "Nobody has a role until it fits. Put back the token of the app in that workspace, or give this one a database of "
    "its own (KYC_DATABASE)."
)
_FROM_MANIFEST = (
    "Reinstall the app from the manifest (kyc-bot manifest prints it; App Manifest on the app's page, "
    "then Install App)."
)
_SOCKET_ADVICE = (
    "SLACK_APP_TOKEN is an app-level token (xapp-…) with the scope connections:write: Basic Information, "
    "App-Level Tokens. Socket Mode must be turned on in the app."
)


async def probe(settings: Settings, known: Installation | None, limits: DoctorTimeouts) -> list[Finding]:
    """`known` is the workspace that the database belongs to, if it has learned of one."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=limits.call, connect=limits.connect)
    ) as session:
        slack = SlackClient(
            token=settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url, session=session
        )
        (found, me), connection = await asyncio.gather(_token(slack, settings, known), _connection(slack, settings))
        found.append(connection)
        if me is None:
            return [*found, note("channels and roles", "not looked at while Slack does not answer to the bot token")]
        return found + await WorkspaceProbe(slack, settings, me, limits).probe()


async def _token(
    slack: SlackClient, settings: Settings, known: Installation | None
) -> tuple[list[Finding], Answer | None]:
    subject = "slack token"
    try:
        me = await slack.whoami()
    except SlackRefused as no:
        advice = _ADVICE.get(no.code, _COPY_IT)
        return [fail(subject, f"Slack does not take it ({no.code}). {advice}")], None
    except SlackError as fault:
        return [fail(subject, slack_trouble(fault, settings))], None
    if not me.get("bot_id"):
        return [fail(subject, f"it belongs to a person, not to a bot. {_COPY_IT}")], None
    if misfit := fault_of(me, known):
        return [fail(subject, f"{misfit}. {_FITTING}"), _scopes(me)], me
    return [ok(subject, f"@{me.get('user')} in {me.get('team')}"), _scopes(me)], me


def _scopes(me: Answer) -> Finding:
    subject = "slack scopes"
    if "scopes" not in me:
        return note(subject, "Slack did not say which scopes the token has")
    missing = sorted(set(manifest.SCOPES) - {scope.strip() for scope in str(me["scopes"]).split(",")})
    if missing:
        return fail(subject, f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing. {_FROM_MANIFEST}")
    return ok(subject, f"all {len(manifest.SCOPES)} that the manifest asks for")


async def _connection(slack: SlackClient, settings: Settings) -> Finding:
    """How Slack's requests come in: the app token can be tried, a signing secret cannot."""
    if settings.slack_app_token is None:
        base = settings.public_url or "https://…"
        return note(
            "slack signing secret",
            f"only a request of Slack's can prove it: start the bot, then save {base}/slack/events as request URL in "
            "the app (or create it from kyc-bot manifest --url); Slack says there whether the bot answered.",
        )
    subject = "slack app token"
    try:
        await slack.try_app_token(settings.slack_app_token.get_secret_value())
    except SlackRefused as no:
        return fail(subject, f"Slack does not take it ({no.code}). {_SOCKET_ADVICE}")
    except SlackError as fault:
        return fail(subject, slack_trouble(fault, settings))
    return ok(subject, "Slack opens Socket Mode with it")
