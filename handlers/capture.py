"""The door of the customer's page: hands the page out, and takes what it posts. Anybody may knock here.

A token, a device and photos are read from a request and handed on; none of them is kept, logged or said again. What
only looks (GET, HEAD: previews, too) changes nothing, since the token never comes that way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from enum import StrEnum
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bot.capture.interface import Capture
from bot.domain.capture.links import Decline, is_device, is_token
from bot.errors import CaptureError, DatabaseBusy, DatabaseFault, LinkGone, UploadMalformed
from bot.runtime.doors import CaptureDoor
from handlers.capture_answers import HEADERS, CaptureFault, NotDone, in_json, later, of_error
from handlers.capture_bodies import Upload, read_texts, require_photos

log = structlog.get_logger(__name__)

PHOTOS_SECONDS = 120.0
"""Longest that photos may take: half a megabyte on a slow phone, a few with the best of cameras."""


class CaptureKind(StrEnum):
    """What is asked for."""

    PAGE = "page"
    ASSET = "asset"
    OPEN = "open"
    CONSENT = "consent"
    DECLINE = "decline"
    PHOTOS = "photos"


_SHOWN = (CaptureKind.PAGE, CaptureKind.ASSET)
_POSTED = {kind.value: kind for kind in CaptureKind if kind not in _SHOWN}
_OF_A_STRANGER = frozenset(
    {
        CaptureFault.NOT_FROM_THE_PAGE,
        CaptureFault.MALFORMED,
        CaptureFault.GONE,
        CaptureFault.OTHER_TYPE,
        CaptureFault.TOO_LARGE,
    }
)
"""What a page with an open link does not bring about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a link, by their own word."""

    token: str = field(repr=False)
    device: str = field(repr=False)


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
        self._uploads: dict[Holder, Upload] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        name = request.path_params.get("name")
        kind = CaptureKind.PAGE if name is None else _POSTED.get(name, CaptureKind.ASSET)
        try:
            answer = self._shown(request, name) if kind in _SHOWN else in_json(await self._posted(request, kind))
            self._door.heard(kind, "ok")
        except NotDone as fault:
            answer = fault.answer
            self._door.heard(kind, fault.fault)
        except Exception:
            # Whatever it is, a customer hears something; the log says where it was, and nothing of the request.
            log.exception("capture.failed", kind=kind.value)
            answer = NotDone(CaptureFault.FAILED).answer
            self._door.heard(kind, CaptureFault.FAILED)
        answer.headers.update(HEADERS)
        await answer(scope, receive, send)

    def _shown(self, request: Request, name: str | None) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise NotDone(CaptureFault.NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        page = self._capture.page
        found = page.document if name is None else page.assets.get(name)
        if found is None:
            raise NotDone(CaptureFault.NOT_FOUND)
        return Response(found.body, headers={"Content-Type": found.content_type})

    async def _posted(self, request: Request, kind: CaptureKind) -> Mapping[str, object]:
        """What is answered to a post. Raises NotDone."""
        source = self._source_of(request)
        try:
            holder = self._holder(request)
            if wait := self._door.wait(kind, source=source, link=holder.token):
                raise later(CaptureFault.TOO_OFTEN, wait.total_seconds())
            return await self._done(request, kind, holder)
        except NotDone as fault:
            if fault.fault in _OF_A_STRANGER:
                self._door.missed(source)
            raise

    def _holder(self, request: Request) -> Holder:
        """Only the page itself can post so: a browser lets no other site name these headers without asking first."""
        if request.method != "POST":
            # A browser that asks first, for another site, too: it hears of no site that might.
            raise NotDone(CaptureFault.NOT_ALLOWED, headers={"Allow": "POST"})
        headers = request.headers
        token, device = headers.getlist("kyc-link"), headers.getlist("kyc-device")
        is_ours = headers.getlist("origin") == [self._origin]
        is_ours &= set(headers.getlist("sec-fetch-site")) <= {"same-origin"}
        if not is_ours or len(token) != 1 or len(device) != 1:
            raise NotDone(CaptureFault.NOT_FROM_THE_PAGE)
        if not is_token(token[0]):
            # The shape of a token is no secret: nobody learns anything by how soon this is said.
            raise NotDone(CaptureFault.GONE)
        if not is_device(device[0]):
            raise NotDone(CaptureFault.MALFORMED)
        return Holder(token=token[0], device=device[0])

    async def _done(self, request: Request, kind: CaptureKind, holder: Holder) -> Mapping[str, object]:
        try:
            done = await self._do(request, kind, holder)
        except (CaptureError, UploadMalformed) as error:
            if not isinstance(error, LinkGone):
                self._door.came(kind, link=holder.token)
            raise of_error(error) from None
        except DatabaseFault as error:
            if not isinstance(error, DatabaseBusy):
                log.warning("capture.not_stored", kind=kind.value, error=str(error))
            raise of_error(error) from None
        self._door.came(kind, link=holder.token)
        return done

    async def _do(self, request: Request, kind: CaptureKind, holder: Holder) -> Mapping[str, object]:
        links, page = self._capture.links, self._capture.page
        match kind:
            case CaptureKind.OPEN:
                await read_texts(request, seconds=self._body_seconds)
                return await self._opened(holder)
            case CaptureKind.CONSENT:
                said = await read_texts(request, "notice", "language", seconds=self._body_seconds)
                if said["language"] not in page.languages:
                    raise NotDone(CaptureFault.MALFORMED)
                step = await links.agree(holder.token, holder.device, **said)
                return {"step": step.value}
            case CaptureKind.DECLINE:
                said = await read_texts(request, "reason", seconds=self._body_seconds)
                if said["reason"] not in set(Decline):
                    raise NotDone(CaptureFault.MALFORMED)
                await links.decline(holder.token, holder.device, reason=Decline(said["reason"]))
                return {"step": "ended"}
            case _:
                require_photos(request)
                return {"step": await self._taken(request, holder)}

    async def _opened(self, holder: Holder) -> Mapping[str, object]:
        link, page = await self._capture.links.open(holder.token, holder.device), self._capture.page
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

    async def _taken(self, request: Request, holder: Holder) -> str:
        while (earlier := self._uploads.get(holder)) is not None:
            await earlier.give_way()
        upload = self._uploads[holder] = Upload(request, self._photos_seconds)
        try:
            step = await self._capture.handover.take(holder.token, holder.device, upload.read)
        except NotDone:
            # They were read, or begun to be: it is an open link.
            self._door.came(CaptureKind.PHOTOS, link=holder.token)
            raise
        finally:
            del self._uploads[holder]
            upload.ended.set()
        return step.value


def origin_of(url: str) -> str:
    """As a browser writes it: without the port that everybody knows, without a path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    known = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, known) else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
