"""What the door of the customer's page answers: headers, faults, and which error is which of them."""

import json
import math
from collections.abc import Mapping
from enum import StrEnum

from starlette.responses import Response

from bot.errors import (
    LinkGone,
    NewerDevice,
    NotAgreed,
    NotNow,
    PhotosFlawed,
    PhotosUnderWay,
    UploadMalformed,
)

BUSY_SECONDS = 5
"""After which a page may try again that came while nothing could be stored."""
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


class CaptureFault(StrEnum):
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
    FAILED = "failed"
    """The fault is ours."""
    LEFT = "left"
    """The sender has left; nobody reads this."""


_STATUS = {
    CaptureFault.MALFORMED: 400,
    CaptureFault.LEFT: 400,
    CaptureFault.NOT_FROM_THE_PAGE: 403,
    CaptureFault.NOT_FOUND: 404,
    CaptureFault.NOT_ALLOWED: 405,
    CaptureFault.TOO_SLOW: 408,
    CaptureFault.NEWER_DEVICE: 409,
    CaptureFault.GONE: 410,
    CaptureFault.TOO_LARGE: 413,
    CaptureFault.OTHER_TYPE: 415,
    CaptureFault.FLAWS: 422,
    CaptureFault.UNDER_WAY: 425,
    CaptureFault.AGREE_FIRST: 428,
    CaptureFault.TOO_OFTEN: 429,
    CaptureFault.FAILED: 500,
    CaptureFault.NOT_NOW: 503,
}


class NotDone(Exception):
    """The answer to a request is this fault."""

    def __init__(
        self, fault: CaptureFault, *, headers: Mapping[str, str] | None = None, more: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self._headers = headers or {}
        self._more = more or {}

    @property
    def answer(self) -> Response:
        made = in_json({"error": self.fault.value, **self._more}, _STATUS[self.fault])
        made.headers.update(self._headers)
        return made


def of_error(error: Exception) -> NotDone:
    """What is said of a CaptureError, an upload that is none, or a database that takes nothing now."""
    match error:
        case LinkGone():
            return NotDone(CaptureFault.GONE)
        case NewerDevice():
            return NotDone(CaptureFault.NEWER_DEVICE)
        case NotAgreed():
            return NotDone(CaptureFault.AGREE_FIRST)
        case PhotosUnderWay():
            return NotDone(CaptureFault.UNDER_WAY)
        case PhotosFlawed():
            return NotDone(CaptureFault.FLAWS, more={"flaws": [flaw._asdict() for flaw in error.flaws]})
        case NotNow():
            return later(CaptureFault.NOT_NOW, error.retry_after)
        case UploadMalformed():
            return NotDone(CaptureFault.MALFORMED)
        case _:
            return later(CaptureFault.NOT_NOW, BUSY_SECONDS)


def later(fault: CaptureFault, seconds: float) -> NotDone:
    """With the time after which the page may try again."""
    return NotDone(fault, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def too_slow(fault: CaptureFault = CaptureFault.TOO_SLOW) -> NotDone:
    """The rest of what was sent is not waited for."""
    return NotDone(fault, headers={"Connection": "close"})


def in_json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(value).encode(), status_code=status, media_type="application/json")
