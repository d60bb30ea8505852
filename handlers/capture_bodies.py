"""What a customer's page posts, read in memory alone and in bounds: small objects of JSON, and photos.

A form with files would be written to disk by whoever parses it; so photos are one raw body.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from bot.domain.capture.upload import MAX_BODY_BYTES
from bot.errors import PhotosUnderWay
from handlers.bodies import length_of, read_body
from handlers.capture_answers import CaptureFault, NotDone, too_slow

JSON_BYTES = 4 * 1024


async def read_texts(request: Request, *names: str, seconds: float) -> dict[str, str]:
    """A JSON object of these texts and no others. Raises NotDone."""
    _require_type(request, "application/json")
    try:
        async with asyncio.timeout(seconds):
            body = await read_body(request, JSON_BYTES)
    except TimeoutError:
        raise too_slow() from None
    except ClientDisconnect:
        raise NotDone(CaptureFault.LEFT) from None
    if body is None:
        raise NotDone(CaptureFault.TOO_LARGE)
    try:
        found = json.loads(body.decode(), object_pairs_hook=_each_name_once)
    except (ValueError, RecursionError):
        raise NotDone(CaptureFault.MALFORMED) from None
    if not isinstance(found, dict) or set(found) != set(names):
        raise NotDone(CaptureFault.MALFORMED)
    if not all(isinstance(value, str) for value in found.values()):
        raise NotDone(CaptureFault.MALFORMED)
    return found


def require_photos(request: Request) -> None:
    """What its head says must fit; nothing is read. Raises NotDone."""
    _require_type(request, "application/octet-stream")
    if length_of(request) > MAX_BODY_BYTES:
        raise NotDone(CaptureFault.TOO_LARGE)


@dataclass(slots=True, eq=False)
class Upload:
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
        """Raises NotDone."""
        try:
            async with asyncio.timeout(self.seconds) as self._limit:
                if self._gave_way:
                    raise NotDone(CaptureFault.UNDER_WAY)
                body = await read_body(self.request, MAX_BODY_BYTES)
        except TimeoutError:
            raise too_slow(CaptureFault.UNDER_WAY if self._gave_way else CaptureFault.TOO_SLOW) from None
        except ClientDisconnect:
            raise NotDone(CaptureFault.LEFT) from None
        if body is None:
            raise NotDone(CaptureFault.TOO_LARGE)
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


def _require_type(request: Request, wanted: str) -> None:
    if request.headers.getlist("content-type") != [wanted] or "content-encoding" in request.headers:
        raise NotDone(CaptureFault.OTHER_TYPE)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
