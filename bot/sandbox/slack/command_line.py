"""The stand-in as a process of its own."""

import asyncio

from bot.sandbox.slack.server import SlackSandbox


async def run(port: int, bot_token: str, app_token: str, signing_secret: str, events_url: str | None) -> None:
    """Serve until cancelled. Prints one line, with the Web API's address, when ready."""
    sandbox = SlackSandbox(
        port=port,
        bot_token=bot_token,
        app_token=app_token,
        signing_secret=signing_secret,
        events_url=events_url,
    )
    await sandbox.start()
    try:
        print(f"Slack sandbox ready: {sandbox.api_url}", flush=True)
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
