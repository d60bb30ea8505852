"""A customer before the door of the page, and a stand-in for what lies behind the door."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from bot.capture import assets
from bot.capture.interface import Capture, CustomerPage, OpenedLink
from bot.domain.capture.links import Decline, LinkStep
from bot.errors import LinkGone, NewerDevice, NotAgreed, NotNow
from bot.runtime.connections import Closed, Connections
from bot.runtime.doors import make_capture_door
from bot.runtime.health import Health
from bot.runtime.metrics import Gauges, Metrics
from handlers.capture import CapturePage
from handlers.http_guard import Guard, who_asks

ORIGIN = "https://kyc.example.com"
NOTICE = assets.NOTICE
TOKEN = "kyc-link-canary-AbCdEfGhIjKlMnOpQrStUvWxYz0"
DEVICE = "device-canary-0123456789"
OTHER_DEVICE = "device-canary-9876543210"
PHOTOS = b"KYC1 photo-canary"
JSON = "application/json"


PAGE = CustomerPage(
    company="Example Bank",
    privacy_url="https://www.example.com/privacy",
    notice=NOTICE,
    languages=assets.LANGUAGES,
    document=assets.PAGE,
    assets=assets.ASSETS,
)


def shown(step: LinkStep) -> OpenedLink:
    return OpenedLink(
        country="Nigeria",
        id_type="Bank Verification Number",
        number="•••• 4321",
        step=step,
        expires_at=datetime(2026, 11, 30, 9, 0, tzinfo=UTC),
    )


@dataclass
class Link:
    device: str = ""
    step: LinkStep = LinkStep.MADE
    is_over: bool = False


@dataclass
class Behind:
    """Links and their photos as the bot treats them, in few words; the test says what goes wrong."""

    links: dict[str, Link] = field(default_factory=lambda: {TOKEN: Link()})
    places: int = 16
    asked: list[str] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    """The size of each body."""
    fault: Exception | None = None
    hold: asyncio.Event | None = None
    """Smile ID takes so long."""
    is_whole: asyncio.Event = field(default_factory=asyncio.Event)
    """Photos are all here."""
    under_way: int = 0

    async def open(self, token: str, device: str) -> OpenedLink:
        link = self._link("open", token)
        if link.step is LinkStep.TAKEN and link.device != device:
            raise LinkGone
        link.device = device
        link.step = LinkStep.OPENED if link.step is LinkStep.MADE else link.step
        return shown(link.step)

    async def agree(self, token: str, device: str, *, notice: str, language: str) -> LinkStep:
        link = self._of("agree", token, device)
        if notice != NOTICE:
            raise NotAgreed
        link.step = LinkStep.AGREED
        return link.step

    async def decline(self, token: str, device: str, *, reason: Decline) -> None:
        self._of(f"decline {reason.value}", token, device)

    async def take(self, token: str, device: str, read: Callable[[], Awaitable[bytes]]) -> LinkStep:
        link = self._of("take", token, device)
        if link.step is LinkStep.OPENED:
            raise NotAgreed
        if link.step is LinkStep.TAKEN:
            return link.step
        if self.under_way >= self.places:
            raise NotNow(7.2)
        self.under_way += 1
        try:
            body = await read()
            self.is_whole.set()
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.under_way -= 1
        self.taken.append(len(body))
        link.step = LinkStep.TAKEN
        return link.step

    def _of(self, what: str, token: str, device: str) -> Link:
        link = self._link(what, token)
        if link.device != device:
            raise NewerDevice
        return link

    def _link(self, what: str, token: str) -> Link:
        self.asked.append(what)
        if self.fault is not None:
            raise self.fault
        link = self.links.get(token)
        if link is None or link.is_over:
            raise LinkGone
        return link


def capture(behind: Behind) -> Capture:
    return Capture(page=PAGE, links=behind, handover=behind)


def headers(*, token: str | None = TOKEN, device: str | None = DEVICE, **more: str | None) -> list[tuple[str, str]]:
    """As the page sends them; `content_type="…"` changes one, None leaves it out."""
    fields: Mapping[str, str | None] = {
        "Origin": ORIGIN,
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": JSON,
        "Kyc-Link": token,
        "Kyc-Device": device,
        **{name.replace("_", "-").title(): value for name, value in more.items()},
    }
    return [(name, value) for name, value in fields.items() if value is not None]


class Door:
    """The page's routes behind their guard, without sockets."""

    def __init__(self, **more: Any) -> None:
        self.behind = Behind()
        self.now = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
        self.turned_away: list[str] = []
        self.metrics = Metrics(Health(), on_turned_away=self.turned_away.append)
        proxies = more.pop("proxies", ())
        connections = Connections(
            most=64, per_source=64, proxies=proxies, on_closed=_not_here, on_refused=self.metrics.http_refused
        )
        page = CapturePage(
            capture(self.behind),
            make_capture_door(self.metrics, steady=lambda: self.now),
            public_url=more.pop("public_url", ORIGIN),
            source_of=lambda request: who_asks(request.scope, connections),
            **{"body_seconds": 5.0, "photos_seconds": 5.0, **more},
        )
        routes = Starlette(routes=[Route("/c", page), Route("/c/{name}", page)])
        self.app = Guard(routes, connections, hosts=None, on_refused=self.metrics.http_refused)

    async def ask(self, method: str, path: str, *, source: str = "198.51.100.7", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(source, 50000))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            return await client.request(method, path, **more)

    async def post(self, what: str, content: Any = b"{}", **more: Any) -> httpx.Response:
        """As the page does; `headers` replaces all of them."""
        fields = more.pop("headers", None)
        source = {"source": more.pop("source")} if "source" in more else {}
        return await self.ask("POST", f"/c/{what}", content=content, headers=fields or headers(**more), **source)

    async def photos(self, content: Any = PHOTOS, **more: Any) -> httpx.Response:
        return await self.post("photos", content, content_type="application/octet-stream", **more)

    async def agreed(self) -> None:
        assert (await self.post("open")).status_code == 200
        answer = await self.post("consent", b'{"notice": "2026-11", "language": "sw"}')
        assert answer.status_code == 200

    def count(self, kind: str, result: str) -> float:
        text = self.metrics.render(Gauges({}, {}, timedelta(0), {})).decode()
        line = f'kyc_capture_requests_total{{kind="{kind}",result="{result}"}} '
        return sum(float(one.removeprefix(line)) for one in text.splitlines() if one.startswith(line))


def _not_here(_why: Closed) -> None:
    raise AssertionError("there are no connections")
