"""A workspace with a small bot, and its page as a browser asks for it."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bot.sandbox.page.app import Desk
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import SlackSandbox
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, REMI, REVIEW, running

GIFT = "U0GIFT00001"
ROLES = {AMINA: "analyst", REMI: "reviewer"}

__all__ = ["AMINA", "CHANNEL", "GIFT", "JSON", "REMI", "REVIEW", "Browser", "page_of"]


class Browser:
    """One person's browser: what it shows, and what it posts."""

    def __init__(self, client: httpx.AsyncClient, person: str) -> None:
        self._client = client
        self.person = person

    async def page(self, place: str = CHANNEL, **query: str) -> httpx.Response:
        return await self._client.get(f"/as/{self.person}/{place}", params=query)

    async def panes(self, place: str = CHANNEL, **query: str) -> dict[str, str]:
        response = await self._client.get(f"/as/{self.person}/{place}/panes", params=query)
        assert response.status_code == 200, response.text
        found: dict[str, str] = response.json()["panes"]
        return found

    async def sees(self, place: str = CHANNEL, **query: str) -> str:
        """Every word and mark of the page in this place."""
        return "\n".join((await self.panes(place, **query)).values())

    async def post(self, act: str, given: JSON) -> JSON:
        response = await self._client.post(f"/as/{self.person}/{act}", json=given)
        answer: JSON = response.json()
        return answer

    async def say(self, text: str, *, channel: str = CHANNEL, thread: str = "", **files: bytes) -> JSON:
        """`files` by name; `_` stands for a dot."""
        parts: Any = [("files", (name.replace("_", "."), content)) for name, content in files.items()]
        data = {"channel": channel, "thread": thread, "text": text}
        response = await self._client.post(f"/as/{self.person}/say", data=data, files=parts or None)
        answer: JSON = response.json()
        return answer

    async def form(self) -> str:
        """The id of the open view."""
        found = re.search(r'data-view="(\w+)"', (await self.panes())["modal"])
        assert found is not None, "no form is open"
        return found[1]


class Site:
    def __init__(self, slack: SlackSandbox, client: httpx.AsyncClient, address: str) -> None:
        self.slack = slack
        self.client = client
        self.address = address

    def browser(self, person: str = "amina") -> Browser:
        return Browser(self.client, person)


@asynccontextmanager
async def page_of(
    *, desk: Desk | None = None, preparing: Callable[[], str] = str, public_url: str = "", **options: Any
) -> AsyncIterator[Site]:
    """The page of a workspace with amina, remi, musa and a guest, gift."""
    async with running(**options) as slack:
        slack.add_user(GIFT, "gift", guest=True)
        page = serve_page(slack, desk=desk, roles=ROLES, preparing=preparing, public_url=public_url)
        async with page as address:
            client = httpx.AsyncClient(
                base_url=address, headers={"X-Workspace": "1"}, timeout=GIVE_UP_SECONDS, follow_redirects=True
            )
            async with client:
                yield Site(slack, client, address)
