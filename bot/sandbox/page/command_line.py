"""The stand-in of Slack as a process of its own, with its page."""

import asyncio

from bot.sandbox.page.serving import serve_page
from bot.sandbox.page.sight import people
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.web_api import DEFAULT_SCOPES

SCOPES = (*DEFAULT_SCOPES, "im:read", "mpim:read", "team:read")
"""Those of our own app, and what the clients of other apps need for the first questions that they ask."""


async def run(
    *,
    port: int,
    bot_token: str,
    app_token: str,
    signing_secret: str,
    events_url: str | None,
    page_port: int = 0,
) -> None:
    """Serve until cancelled. When ready, print the addresses of the Web API and of the page, and who and what is there.

    Raises OSError if a port is taken.
    """
    slack = SlackSandbox(
        port=port,
        bot_token=bot_token,
        app_token=app_token,
        signing_secret=signing_secret,
        events_url=events_url,
        scopes=SCOPES,
    )
    await slack.start()
    try:
        async with serve_page(slack, port=page_port) as address:
            print("\n".join(greeting(slack, address)), flush=True)
            await asyncio.Event().wait()
    finally:
        await slack.stop()


def greeting(slack: SlackSandbox, address: str) -> list[str]:
    """What a person needs to know to begin."""
    channels = [channel for channel in slack.channels.values() if not channel.is_im]
    return [
        f"Slack sandbox ready: {slack.api_url}",
        f"In a browser:        {address}",
        "People:              " + ", ".join(f"{user.name} ({user.id})" for user in people(slack)),
        "Channels:            "
        + ", ".join(
            f"#{channel.name} ({channel.id}{', private' if channel.is_private else ''})" for channel in channels
        ),
    ]
