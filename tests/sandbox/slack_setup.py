"""Real counterparts for the Slack stand-in: SDK clients and Bolt apps, by HTTP or by socket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.listening import listen
from bot.sandbox.slack import SlackSandbox
from tests.patience import GIVE_UP_SECONDS

CHANNEL = "C0KYCREQ001"
REVIEW = "C0KYCREV001"
AMINA = "U0AMINA0001"
REMI = "U0REMI00001"
JSON = dict[str, Any]


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[SlackSandbox]:
    slack = SlackSandbox(**{"answer_seconds": GIVE_UP_SECONDS, **options})
    await slack.start()
    try:
        yield slack
    finally:
        await slack.stop()


def client_of(slack: SlackSandbox, token: str = "xoxb-sandbox") -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=slack.api_url, timeout=GIVE_UP_SECONDS)


def bolt_for(slack: SlackSandbox) -> AsyncApp:
    return AsyncApp(client=client_of(slack), signing_secret="sandbox-secret", process_before_response=True)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The address of this application on a free loopback port."""
    listener = await listen(app, grace_seconds=0.2)
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        await listener.close()


@asynccontextmanager
async def by_http(slack: SlackSandbox, app: AsyncApp) -> AsyncIterator[None]:
    async with serving(app.web_app("/slack/events")) as address:
        slack.events_url = f"{address}/slack/events"
        yield


@asynccontextmanager
async def by_socket(slack: SlackSandbox, app: AsyncApp) -> AsyncIterator[AsyncSocketModeHandler]:
    handler = AsyncSocketModeHandler(app, "xapp-sandbox", ping_interval=0.2)
    before = slack.socket_count
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.wait_for(lambda: slack.socket_count > before)
    try:
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def answering(
    slack: SlackSandbox, handle: Callable[[web.Request], Awaitable[web.Response]]
) -> AsyncIterator[None]:
    """A bare web server in the bot's place, for what Bolt would hide."""
    app = web.Application()
    app.router.add_post("/slack/events", handle)
    async with serving(app) as address:
        slack.events_url = f"{address}/slack/events"
        yield


def plain_text(text: str) -> JSON:
    return {"type": "plain_text", "text": text}


def section(text: str) -> JSON:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(action_id: str, text: str = "Press", value: str = "1") -> JSON:
    return {"type": "button", "action_id": action_id, "text": plain_text(text), "value": value}


def option(value: str) -> JSON:
    return {"text": plain_text(value.title()), "value": value}


def field(block_id: str, element: JSON, **more: Any) -> JSON:
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain_text(block_id.title()),
        "element": {"action_id": "v", **element},
        **more,
    }


def form(*blocks: JSON, **more: Any) -> JSON:
    """A modal with a country menu that tells the bot, an ID number and a selfie, or with these blocks."""
    countries = {"type": "static_select", "options": [option("nigeria"), option("ghana")]}
    fields = blocks or (
        field("country", countries, dispatch_action=True),
        field("id_number", {"type": "plain_text_input", "max_length": 11}),
        field("selfie", {"type": "file_input", "filetypes": ["jpg", "png"], "max_files": 1}),
    )
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain_text("KYC check"),
        "submit": plain_text("Check"),
        "blocks": list(fields),
        **more,
    }
