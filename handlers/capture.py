"""The door of the customer's page: hands the page out, and takes what it posts. Anybody may knock here.

A token, a device and photos are read from a request and handed on; none of them is kept, logged or said again. What
only looks (GET, HEAD: previews, too) changes nothing, since the token never comes that way.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bot.capture.interface import Capture
from bot.domain.capture.links import Decline, is_device, is_token
from bot.domain.capture.upload import MAX_BODY_BYTES
from bot.errors import (
    CaptureError,
    DatabaseBusy,
    DatabaseFault,
    LinkGone,
    NewerDevice,
    NotAgreed,
    NotNow,
    PhotosFlawed,
    PhotosUnderWay,
    UploadMalformed,
)
from bot.runtime.doors import CaptureDoor
from handlers.bodies import read_body

log = structlog.get_logger(__name__)

JSON_BYTES = 4 * 1024
PHOTOS_SECONDS = 120.0
"""Longest that photos may take: half a megabyte on a slow phone, a few with the best of cameras."""
BUSY_SECONDS = 5
"""After which a page may try again that came while too much waited to be stored."""
HOME = "index.html"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer, beside those that every answer of this port has. None lets another site read or ask anything."""


class Kind(StrEnum):
    """What is asked for."""

    PAGE = "page"
    ASSET = "asset"
    OPEN = "open"
    CONSENT = "consent"
    DECLINE = "decline"
    PHOTOS = "photos"


class Fault(StrEnum):
    """Why it is not done. The page has the words for each."""

    MALFORMED = "malformed"
    NOT_FROM_THE_PAGE = "not_from_the_page"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    TOO_SLOW = "too_slow"
    NEWER_DEVICE = "newer_device"
    GONE = "gone"
    TOO_LARGE = "too_large"
    OTHER_TYPE = "other_type"
    FLAWS = "flaws"
    UNDER_WAY = "under_way"
    AGREE_FIRST = "agree_first"
    TOO_OFTEN = "too_often"
    NOT_NOW = "not_now"
    LEFT = "left"
    """The sender has left; nobody reads this."""


_STATUS = {
    Fault.MALFORMED: 400,
    Fault.LEFT: 400,
    Fault.NOT_FROM_THE_PAGE: 403,
    Fault.NOT_FOUND: 404,
    Fault.NOT_ALLOWED: 405,
    Fault.TOO_SLOW: 408,
    Fault.NEWER_DEVICE: 409,
    Fault.GONE: 410,
    Fault.TOO_LARGE: 413,
    Fault.OTHER_TYPE: 415,
    Fault.FLAWS: 422,
    Fault.UNDER_WAY: 425,
    Fault.AGREE_FIRST: 428,
    Fault.TOO_OFTEN: 429,
    Fault.NOT_NOW: 503,
}
_POSTED = {kind.value: kind for kind in (Kind.OPEN, Kind.CONSENT, Kind.DECLINE, Kind.PHOTOS)}
_OF_A_STRANGER = frozenset({Fault.NOT_FROM_THE_PAGE, Fault.MALFORMED, Fault.GONE, Fault.OTHER_TYPE, Fault.TOO_LARGE})
"""What a page with an open link does not bring about."""


class _Refused(Exception):
    """The answer to this request is this fault."""

    def __init__(self, fault: Fault, *, headers: Mapping[str, str] | None = None, **more: object) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.headers = dict(headers or {})
        self.more = more


@dataclass(frozen=True, slots=True, kw_only=True)
class _From:
    """Whose request it is."""

    token: str = field(repr=False)
    device: str = field(repr=False)


@dataclass(slots=True, eq=False)
class _Upload:
    """Photos that come in. A newer upload from the same page takes their place until they are all here.

    A phone that changes networks leaves a connection behind that says nothing any more, and its page begins again.
    """

    request: Request
    seconds: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _is_whole: bool = False
    _gave_way: bool = False
    _limit: asyncio.Timeout | None = None

    async def read(self) -> bytes:
        """Raises _Refused."""
        try:
            async with asyncio.timeout(self.seconds) as self._limit:
                if self._gave_way:
                    raise _Refused(Fault.UNDER_WAY)
                body = await read_body(self.request, MAX_BODY_BYTES)
        except TimeoutError:
            raise _too_slow(Fault.UNDER_WAY if self._gave_way else Fault.TOO_SLOW) from None
        except ClientDisconnect:
            raise _Refused(Fault.LEFT) from None
        if body is None:
            raise _Refused(Fault.TOO_LARGE)
        self._is_whole = True
        return body

    async def give_way(self) -> None:
        """Returns when it has ended; raises PhotosUnderWay once its photos are all here."""
        if self._is_whole:
            raise PhotosUnderWay
        self._gave_way = True
        if self._limit is not None:
            with suppress(RuntimeError):  # it has just ended by itself
                self._limit.reschedule(asyncio.get_running_loop().time())
        await self.ended.wait()


class CapturePage:
    """ASGI: `/c` and what lies below it, with any method."""

    def __init__(
        self,
        capture: Capture,
        door: CaptureDoor,
        *,
        public_url: str,
        source_of: Callable[[Request], str | None],
        body_seconds: float,
        photos_seconds: float,
    ) -> None:
        self._capture = capture
        self._door = door
        self._origin = origin_of(public_url)
        self._source_of = source_of
        self._body_seconds = body_seconds
        self._photos_seconds = photos_seconds
        self._uploads: dict[_From, _Upload] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        name = request.path_params.get("name")
        kind = Kind.PAGE if name is None else _POSTED.get(name, Kind.ASSET)
        answer = await self._answer(request, kind, HOME if name is None else name)
        for field_name, value in HEADERS.items():
            answer.headers[field_name] = value
        await answer(scope, receive, send)

    async def _answer(self, request: Request, kind: Kind, name: str) -> Response:
        try:
            if kind in (Kind.PAGE, Kind.ASSET):
                answer = self._shown(request, kind, name)
            else:
                answer = _json(await self._posted(request, kind))
        except _Refused as refused:
            self._door.heard(kind, refused.fault)
            answer = _json({"error": refused.fault.value, **refused.more}, _STATUS[refused.fault])
            answer.headers.update(refused.headers)
            return answer
        self._door.heard(kind, "ok")
        return answer

    def _shown(self, request: Request, kind: Kind, name: str) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise _Refused(Fault.NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        found = self._capture.page.assets.get(name)
        if found is None or (kind is Kind.ASSET and name == HOME):
            # The addresses that the page names are relative to its own.
            raise _Refused(Fault.NOT_FOUND)
        return Response(found.body, headers={"Content-Type": found.content_type})

    async def _posted(self, request: Request, kind: Kind) -> Mapping[str, object]:
        source = self._source_of(request)
        try:
            sender = self._sender(request)
            if wait := self._door.wait(kind, source=source, link=sender.token):
                raise _later(Fault.TOO_OFTEN, wait.total_seconds())
            _require_type(request, "application/octet-stream" if kind is Kind.PHOTOS else "application/json")
            return await self._done(request, kind, sender)
        except _Refused as refused:
            if refused.fault in _OF_A_STRANGER:
                self._door.missed(source)
            raise

    def _sender(self, request: Request) -> _From:
        """Only the page itself can post so: a browser lets no other site name these headers without asking first."""
        if request.method != "POST":
            # A browser that asks first, for another site, too: it hears of no site that might.
            raise _Refused(Fault.NOT_ALLOWED, headers={"Allow": "POST"})
        headers = request.headers
        token, device = headers.getlist("kyc-link"), headers.getlist("kyc-device")
        is_ours = headers.getlist("origin") == [self._origin]
        is_ours &= set(headers.getlist("sec-fetch-site")) <= {"same-origin"}
        if not is_ours or len(token) != 1 or len(device) != 1:
            raise _Refused(Fault.NOT_FROM_THE_PAGE)
        if not is_token(token[0]):
            # The shape of a token is no secret: nobody learns anything by how soon this is said.
            raise _Refused(Fault.GONE)
        if not is_device(device[0]):
            raise _Refused(Fault.MALFORMED)
        return _From(token=token[0], device=device[0])

    async def _done(self, request: Request, kind: Kind, sender: _From) -> Mapping[str, object]:
        """What is answered to a good request. Raises _Refused."""
        try:
            body = None if kind is Kind.PHOTOS else await self._fields(request)
            step = await self._do(request, kind, sender, body or {})
        except (CaptureError, UploadMalformed, DatabaseFault) as fault:
            if not isinstance(fault, LinkGone | DatabaseFault):
                self._door.came(kind, link=sender.token)
            raise _fault_of(fault, kind) from None
        self._door.came(kind, link=sender.token)
        return step

    async def _do(self, request: Request, kind: Kind, sender: _From, body: Mapping[str, str]) -> Mapping[str, object]:
        links, page = self._capture.links, self._capture.page
        match kind:
            case Kind.OPEN:
                _require_names(body)
                return await self._opened(sender)
            case Kind.CONSENT:
                _require_names(body, "notice", "language")
                if body["language"] not in page.languages:
                    raise _Refused(Fault.MALFORMED)
                step = await links.agree(sender.token, sender.device, notice=body["notice"], language=body["language"])
                return {"step": step.value}
            case Kind.DECLINE:
                _require_names(body, "reason")
                if body["reason"] not in set(Decline):
                    raise _Refused(Fault.MALFORMED)
                await links.decline(sender.token, sender.device, reason=Decline(body["reason"]))
                return {"step": "ended"}
            case _:
                return {"step": await self._take(request, sender)}

    async def _opened(self, sender: _From) -> Mapping[str, object]:
        link, page = await self._capture.links.open(sender.token, sender.device), self._capture.page
        return {
            "company": page.company,
            "privacy_url": page.privacy_url,
            "country": link.country,
            "id_type": link.id_type,
            "number": link.number,
            "step": link.step.value,
            "expires_at": link.expires_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "notice": page.notice,
            "languages": list(page.languages),
        }

    async def _take(self, request: Request, sender: _From) -> str:
        if _length_of(request) > MAX_BODY_BYTES:
            raise _Refused(Fault.TOO_LARGE)
        while (earlier := self._uploads.get(sender)) is not None:
            await earlier.give_way()
        upload = self._uploads[sender] = _Upload(request, self._photos_seconds)
        try:
            step = await self._capture.handover.take(sender.token, sender.device, upload.read)
        except _Refused:
            # They were read, or begun to be: it is an open link.
            self._door.came(Kind.PHOTOS, link=sender.token)
            raise
        finally:
            del self._uploads[sender]
            upload.ended.set()
        return step.value

    async def _fields(self, request: Request) -> dict[str, str]:
        """A JSON object of texts. Raises _Refused."""
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await read_body(request, JSON_BYTES)
        except TimeoutError:
            raise _too_slow(Fault.TOO_SLOW) from None
        except ClientDisconnect:
            raise _Refused(Fault.LEFT) from None
        if body is None:
            raise _Refused(Fault.TOO_LARGE)
        try:
            found = json.loads(body.decode(), object_pairs_hook=_each_name_once)
        except (ValueError, RecursionError):
            raise _Refused(Fault.MALFORMED) from None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise _Refused(Fault.MALFORMED)
        return found


def origin_of(url: str) -> str:
    """As a browser writes it: without the port that everybody knows, without a path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    known = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, known) else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _fault_of(fault: Exception, kind: Kind) -> _Refused:
    match fault:
        case LinkGone():
            return _Refused(Fault.GONE)
        case NewerDevice():
            return _Refused(Fault.NEWER_DEVICE)
        case NotAgreed():
            return _Refused(Fault.AGREE_FIRST)
        case PhotosUnderWay():
            return _Refused(Fault.UNDER_WAY)
        case PhotosFlawed():
            return _Refused(Fault.FLAWS, flaws=[flaw._asdict() for flaw in fault.flaws])
        case NotNow():
            return _later(Fault.NOT_NOW, fault.retry_after)
        case DatabaseFault():
            if not isinstance(fault, DatabaseBusy):
                log.error("capture.failed", kind=kind.value, error=str(fault))
            return _later(Fault.NOT_NOW, BUSY_SECONDS)
        case _:
            return _Refused(Fault.MALFORMED)


def _later(fault: Fault, seconds: float) -> _Refused:
    return _Refused(fault, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def _too_slow(fault: Fault) -> _Refused:
    return _Refused(fault, headers={"Connection": "close"})


def _json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(value).encode(), status_code=status, media_type="application/json")


def _length_of(request: Request) -> int:
    """What it says itself; 0 where it does not."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _require_type(request: Request, wanted: str) -> None:
    if request.headers.getlist("content-type") != [wanted] or "content-encoding" in request.headers:
        raise _Refused(Fault.OTHER_TYPE)


def _require_names(body: Mapping[str, str], *names: str) -> None:
    if set(body) != set(names):
        raise _Refused(Fault.MALFORMED)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
