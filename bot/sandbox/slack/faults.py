"""What can go wrong between the bot and Slack, on order: errors, refusals, resets, silence, half answers."""

import asyncio
import inspect
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from aiohttp import web

from bot.sandbox.slack.streamed import pieces_of

Hook = Callable[[], object]
"""Called without arguments; what it returns is awaited if it can be."""


class Kind(StrEnum):
    STATUS = "status"
    RATE_LIMITED = "rate_limited"
    ERROR = "error"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    """Slack acts, but the connection breaks before the answer: the caller cannot know."""
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    HALF_ANSWER = "half_answer"
    LATE = "late"
    """The connection breaks before the answer, and Slack acts some time after that."""
    CALL = "call"
    """Nothing breaks; the test runs something of its own at that instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    kind: Kind
    code: int = 200
    name: str = ""
    told: str = ""
    """What Slack's answer says besides, for developers."""
    seconds: float = 0.0
    run_before: Hook | None = None
    run_after: Hook | None = None
    run_answered: Hook | None = None

    @classmethod
    def status(cls, code: int) -> Self:
        return cls(kind=Kind.STATUS, code=code)

    @classmethod
    def rate_limited(cls, retry_after: float = 1) -> Self:
        return cls(kind=Kind.RATE_LIMITED, seconds=retry_after)

    @classmethod
    def error(cls, name: str, *, told: str = "") -> Self:
        return cls(kind=Kind.ERROR, name=name, told=told)

    @classmethod
    def reset_before(cls) -> Self:
        return cls(kind=Kind.RESET_BEFORE)

    @classmethod
    def reset_after(cls) -> Self:
        return cls(kind=Kind.RESET_AFTER)

    @classmethod
    def hang_before(cls, seconds: float) -> Self:
        return cls(kind=Kind.HANG_BEFORE, seconds=seconds)

    @classmethod
    def hang_after(cls, seconds: float) -> Self:
        return cls(kind=Kind.HANG_AFTER, seconds=seconds)

    @classmethod
    def late(cls, until: Hook) -> Self:
        """Break the connection at once; act when `until`, which is awaited, returns."""
        return cls(kind=Kind.LATE, run_before=until)

    @classmethod
    def half_answer(cls) -> Self:
        return cls(kind=Kind.HALF_ANSWER)

    @classmethod
    def call(cls, *, before: Hook | None = None, after: Hook | None = None, answered: Hook | None = None) -> Self:
        """Run `before` acting, `after` acting, and once it is `answered`; to kill the client, for instance."""
        return cls(kind=Kind.CALL, run_before=before, run_after=after, run_answered=answered)


FaultHook = Callable[[str, int], Fault | None]


class Faults:
    """Which fault strikes the next request: first what was queued for its method, then the hook's word."""

    def __init__(self) -> None:
        self.hook: FaultHook | None = None
        self._queued: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._requests = 0

    def queue(self, method: str, *faults: Fault) -> None:
        self._queued[method].extend(faults)

    def next_for(self, method: str) -> Fault | None:
        self._requests += 1
        if self._queued[method]:
            return self._queued[method].popleft()
        return self.hook(method, self._requests) if self.hook else None


def refusal(fault: Fault) -> web.Response | None:
    """The answer that a fault gives in Slack's stead, if it gives one."""
    match fault.kind:
        case Kind.STATUS:
            return web.Response(status=fault.code, text="server error")
        case Kind.RATE_LIMITED:
            return rate_limited(fault.seconds)
        case Kind.ERROR:
            told = {"response_metadata": {"messages": [fault.told]}} if fault.told else {}
            return web.json_response({"ok": False, "error": fault.name, **told})
        case _:
            return None


def rate_limited(retry_after_seconds: float) -> web.Response:
    headers = {"Retry-After": f"{retry_after_seconds:g}"}
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)


async def answer_through(
    fault: Fault | None, request: web.Request, act: Callable[[], Awaitable[web.Response]]
) -> web.StreamResponse:
    """Do what was asked, spoiled as the fault says. `act` runs at most once."""
    if fault is None:
        return await act()
    if fault.kind is Kind.LATE:
        await request.read()  # once the connection is gone there is nothing to read any more
        _reset(request)
    await _run(fault.run_before)
    if refused := refusal(fault):
        return refused
    if fault.kind is Kind.RESET_BEFORE:
        return _reset(request)
    if fault.kind is Kind.HANG_BEFORE:
        await asyncio.sleep(fault.seconds)
    response = await act()
    await _run(fault.run_after)
    if fault.kind is Kind.RESET_AFTER:
        return _reset(request)
    if fault.kind is Kind.HALF_ANSWER:
        return await _half(request, response)
    if fault.kind is Kind.HANG_AFTER:
        await asyncio.sleep(fault.seconds)
    if fault.run_answered is not None:
        await response.prepare(request)
        await response.write_eof()
        await _run(fault.run_answered)
    return response


async def _run(hook: Hook | None) -> None:
    if hook is None:
        return
    waiting = hook()
    if inspect.isawaitable(waiting):
        await waiting


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, response: web.Response) -> web.StreamResponse:
    half = web.StreamResponse(status=response.status)
    half.content_type = response.content_type
    half.content_length = response.content_length
    await half.prepare(request)
    left = (response.content_length or 0) // 2
    async for piece in pieces_of(response):
        await half.write(piece[:left])
        left -= len(piece)
        if left <= 0:
            break
    if request.transport is not None:
        request.transport.close()
    return half
