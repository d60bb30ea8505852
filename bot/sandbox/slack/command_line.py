"""The stand-in as a process of its own."""

import asyncio

from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.web_api import DEFAULT_SCOPES

SCOPES = (*DEFAULT_SCOPES, "im:read", "mpim:read", "team:read")
"""Those of our own app, and what the clients of other apps need for the first questions that they ask."""


async def run(port: int, bot_token: str, app_token: str, signing_secret: str, events_url: str | None) -> None:
    """Serve until cancelled. Prints one line, with the Web API's address, when ready."""
    sandbox = SlackSandbox(
        port=port,
        bot_token=bot_token,
        app_token=app_token,
        signing_secret=signing_secret,
        events_url=events_url,
        scopes=SCOPES,
    )
    await sandbox.start()
    try:
        print(f"Slack sandbox ready: {sandbox.api_url}", flush=True)
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
