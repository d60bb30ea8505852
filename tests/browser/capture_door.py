"""A stand-in of the door behind the capture page: the protocol, and whatever a test orders in its place."""

import asyncio
import json
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.capture.assets import ASSETS, LANGUAGES, NOTICE, PAGE, Asset
from bot.domain.capture.upload import MAX_BODY_BYTES, CapturedPhotos, unpack
from bot.sandbox.listening import listen

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}
INSECURE_HOST = "page.example"
COMPANY = "Zola Microfinance"
PRIVACY_URL = "https://zola.example/privacy"
EXPIRES_AT = "2026-12-01T14:30:00Z"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(status: int, told: object = None, *, retry_after: int | None = None) -> Answer:
    """One that a test orders in place of the door's own."""

    async def give(_request: web.Request) -> web.StreamResponse:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if isinstance(told, str):
            return web.Response(status=status, text=told, content_type="text/html", headers=headers)
        return web.json_response(told if told is not None else {"error": "ordered"}, status=status, headers=headers)

    return give


@dataclass(slots=True, kw_only=True)
class Link:
    """One link, and what the page behind it has asked for."""

    address: str
    token: str
    step: str = "opened"
    device: str = ""
    consented: dict[str, str] = field(default_factory=dict)
    declined: str = ""
    photos: list[CapturedPhotos] = field(default_factory=list)
    """Every set that arrived, also those that were answered by what a test ordered."""
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released by each set."""
    asked: list[str] = field(default_factory=list)
    ordered: dict[str, deque[Answer]] = field(default_factory=dict)
    """What the next requests of each kind are answered."""
    cut_off: set[str] = field(default_factory=set)
    """Kinds of requests whose connection ends without an answer; Chromium then asks once more by itself."""

    @property
    def url(self) -> str:
        return f"{self.address}/c#{self.token}"

    def order(self, act: str, *answers: Answer) -> None:
        """What the next requests of this kind are answered."""
        self.ordered.setdefault(act, deque()).extend(answers)

    def hold(self, act: str) -> asyncio.Event:
        """Answer the next request of this kind only once the event is set, and then with *not now*."""
        release = asyncio.Event()

        async def give(_request: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.json_response({"error": "not_now"}, status=503, headers={"Retry-After": "200"})

        self.order(act, give)
        return release


class CaptureDoor:
    def __init__(self) -> None:
        self.address = ""
        self.insecure_address = ""
        """The same port by a name that is no address of the loopback: without https the browser does not trust it."""
        self.links: dict[str, Link] = {}
        self.faults: list[str] = []
        """Requests that the page must never make."""
        self.app = web.Application(client_max_size=MAX_BODY_BYTES + 1)
        self.app.router.add_get("/c", self._page)
        self.app.router.add_get("/c/{name}", self._asset)
        self.app.router.add_post("/c/{act}", self._act)
        self.app.on_response_prepare.append(_add_headers)

    @property
    def origins(self) -> set[str]:
        return {self.address, self.insecure_address}

    def make_link(self, *, step: str = "opened", is_secure: bool = True) -> Link:
        address = self.address if is_secure else self.insecure_address
        link = Link(address=address, token=secrets.token_urlsafe(32), step=step)
        self.links[link.token] = link
        return link

    async def _page(self, _request: web.Request) -> web.Response:
        return _served(PAGE)

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in ASSETS:
            self.faults.append(f"no such file: {name}")
            raise web.HTTPNotFound
        return _served(ASSETS[name])

    async def _act(self, request: web.Request) -> web.StreamResponse:
        act = request.match_info["act"]
        body = await request.read()
        if (fault := self._fault(request, act)) is not None:
            self.faults.append(f"{act}: {fault}")
            return _fault(403, "not_from_the_page")
        link = self.links.get(request.headers["Kyc-Link"])
        if link is None:
            return _fault(410, "gone")
        link.asked.append(act)
        if act == "photos":
            link.photos.append(unpack(body))
            link.arrived.release()
        if act in link.cut_off and request.transport is not None:
            request.transport.abort()
        if link.ordered.get(act):
            return await link.ordered[act].popleft()(request)
        return self._by_the_book(link, act, request.headers["Kyc-Device"], body)

    def _fault(self, request: web.Request, act: str) -> str | None:
        headers = request.headers
        if headers.get("Origin") not in self.origins or headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return "from elsewhere"
        if not re.fullmatch(r"[\w-]{43}", headers.get("Kyc-Link", "")):
            return "no token"
        if not re.fullmatch(r"[\w-]{22,}", headers.get("Kyc-Device", "")):
            return "no device"
        if "Cookie" in headers or "Referer" in headers or request.query_string:
            return "says more than it should"
        expected = "application/octet-stream" if act == "photos" else "application/json"
        return None if request.content_type == expected else "another type"

    def _by_the_book(self, link: Link, act: str, device: str, body: bytes) -> web.Response:
        if link.step == "ended" or (link.step == "taken" and device != link.device):
            same = act == "decline" and device == link.device
            return web.json_response({"step": "ended"}) if same else _fault(410, "gone")
        if act == "open":
            link.device = device
            return web.json_response(_opened(link))
        if device != link.device:
            return _fault(409, "newer_device")
        told: dict[str, Any] = {} if act == "photos" else json.loads(body)
        match act:
            case "consent":
                if told["notice"] != NOTICE or told["language"] not in LANGUAGES:
                    return _fault(428, "agree_first")
                link.step, link.consented = "agreed", told
            case "decline":
                link.step, link.declined = "ended", told["reason"]
            case "photos" if link.step == "opened":
                return _fault(428, "agree_first")
            case "photos":
                link.step = "taken"
            case _:
                return _fault(404, "unknown")
        return web.json_response({"step": link.step})


def _opened(link: Link) -> dict[str, object]:
    return {
        "company": COMPANY,
        "privacy_url": PRIVACY_URL,
        "country": "Nigeria",
        "id_type": "Bank Verification Number",
        "number": "•••• 678",
        "step": link.step,
        "expires_at": EXPIRES_AT,
        "notice": NOTICE,
        "languages": list(LANGUAGES),
    }


def _served(asset: Asset) -> web.Response:
    return web.Response(body=asset.body, headers={"Content-Type": asset.content_type})


def _fault(status: int, code: str) -> web.Response:
    return web.json_response({"error": code}, status=status)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


@asynccontextmanager
async def open_door() -> AsyncIterator[CaptureDoor]:
    """On a port of the loopback. At its end no page may have asked for anything that it must not."""
    door = CaptureDoor()
    listener = await listen(door.app)
    door.address = f"http://127.0.0.1:{listener.port}"
    door.insecure_address = f"http://{INSECURE_HOST}:{listener.port}"
    try:
        yield door
    finally:
        await listener.close()
    assert door.faults == []
