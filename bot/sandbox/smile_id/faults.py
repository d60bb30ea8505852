"""Ways in which a server, or the line to it, fails on demand.

A fault changes one request: whether the stand-in acts, when, and how much of the answer leaves. The
difference that matters is *acted or not*, and a client cannot see it.
"""

import asyncio
import inspect
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self, TypeAlias

from aiohttp import web

Hook: TypeAlias = Callable[[], object]
"""Called without arguments; what it returns is awaited if it can be."""

_NOTICE_SECONDS = 0.05
"""How long a client that died in a `before` hook gets for its end to reach us."""

_DISCARD_ON_CLOSE = struct.pack("ii", 1, 0)
"""`SO_LINGER` on, zero seconds: closing sends RST, where a plain abort would end the stream politely."""


class Ending(StrEnum):
    """How much of the answer the client gets."""

    WHOLE = "whole"
    HALF = "half"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failure; made by the class methods."""

    name: str
    acts: bool = True
    ending: Ending = Ending.WHOLE
    canned: Callable[[], web.Response] | None = field(default=None, repr=False)
    """Makes the answer that is given instead of acting."""

    wait_before_seconds: float = 0
    wait_after_seconds: float = 0
    before: Hook | None = field(default=None, repr=False)
    after: Hook | None = field(default=None, repr=False)
    answered: Hook | None = field(default=None, repr=False)

    @classmethod
    def status(
        cls, status: int, body: str | bytes | dict[str, Any] = "", headers: Mapping[str, str] | None = None
    ) -> Self:
        """Answer with this status without acting; a dict is sent as JSON, other bodies as they are."""
        encoded = json.dumps(body) if isinstance(body, dict) else body
        sent = encoded.encode() if isinstance(encoded, str) else encoded
        kind = {"Content-Type": "application/json" if isinstance(body, dict) else "text/html"}

        def canned() -> web.Response:
            return web.Response(status=status, body=sent, headers={**kind, **(headers or {})})

        return cls(name=f"status {status}", acts=False, canned=canned)

    @classmethod
    def rate_limited(cls, retry_after: float | str) -> Self:
        """429 with `Retry-After`: seconds, or an HTTP date. Smile ID documents no rate limit for v1."""
        return cls.status(429, {"error": "Too Many Requests"}, {"Retry-After": str(retry_after)})

    @classmethod
    def reset_before(cls) -> Self:
        """Reset the connection without acting; a body on its way is not read."""
        return cls(name="reset before acting", acts=False, ending=Ending.NOTHING)

    @classmethod
    def reset_after(cls) -> Self:
        """Act, then reset the connection without an answer."""
        return cls(name="reset after acting", ending=Ending.NOTHING)

    @classmethod
    def hang_before(cls, seconds: float) -> Self:
        """Wait, then act and answer, unless the client has gone by then."""
        return cls(name="hang before acting", wait_before_seconds=seconds)

    @classmethod
    def hang_after(cls, seconds: float) -> Self:
        """Act, then wait before the answer."""
        return cls(name="hang after acting", wait_after_seconds=seconds)

    @classmethod
    def half_answer(cls) -> Self:
        """Act, announce the whole answer, send half of it, and close."""
        return cls(name="half an answer", ending=Ending.HALF)

    @classmethod
    def call(cls, before: Hook | None = None, after: Hook | None = None, *, answered: Hook | None = None) -> Self:
        """Run `before` acting, `after` acting, and once it is `answered`; to kill the client, for instance.

        Nothing is done for a client that died in `before`: let the hook return when it is really dead.
        """
        return cls(name="call", before=before, after=after, answered=answered)


async def answer_with(
    fault: Fault, request: web.Request, act: Callable[[], Awaitable[web.Response]]
) -> web.StreamResponse | None:
    """Let one request fail in this way; None if no answer left us."""
    if not await _still_wanted(fault, request):
        return None
    if fault.canned:
        await request.read()
        response = fault.canned()
    elif fault.acts:
        response = await act()
    else:
        _reset(request)
        return None
    await _run(fault.after)
    await asyncio.sleep(fault.wait_after_seconds)
    match fault.ending:
        case Ending.NOTHING:
            _reset(request)
            return None
        case Ending.HALF:
            return await _send_half(request, response)
        case Ending.WHOLE:
            return await _send(request, response, fault.answered)


async def _still_wanted(fault: Fault, request: web.Request) -> bool:
    if fault.before:
        await request.read()
        await _run(fault.before)
        await asyncio.sleep(_NOTICE_SECONDS)
    await asyncio.sleep(fault.wait_before_seconds)
    return not (request.transport is None or request.transport.is_closing())


async def _run(hook: Hook | None) -> None:
    if hook:
        outcome = hook()
        if inspect.isawaitable(outcome):
            await outcome


async def _send(request: web.Request, response: web.Response, answered: Hook | None) -> web.Response:
    if answered:
        await response.prepare(request)
        await response.write_eof()
        await _run(answered)
    return response


async def _send_half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    body = whole.body if isinstance(whole.body, bytes) else b""
    half = web.StreamResponse(status=whole.status, headers=whole.headers)
    # An empty answer has no half: one announced byte that never comes keeps the client waiting.
    half.content_length = max(len(body), 1)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return half


def _reset(request: web.Request) -> None:
    if request.transport is None:
        return
    connection: socket.socket = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_ON_CLOSE)
    request.transport.abort()
