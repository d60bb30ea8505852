"""The door: writes down every request to Smile ID's endpoints and lets it fail where it is told to."""

import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from aiohttp import web

from .api import Endpoint, answered, json_object
from .faults import Fault, answer_with
from .records import SeenRequest
from .refusals import RefusedError

CALLS = frozenset({"upload", "put", "job_status", "services", "products_config"})


class Front:
    """Remembers requests and the faults that wait for the next ones."""

    def __init__(self, changed: Callable[[], None], clock: Callable[[], datetime]) -> None:
        self.requests: list[SeenRequest] = []
        self.fault: Callable[[str, int], Fault | None] | None = None
        self._queued: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._changed = changed
        self._clock = clock

    def fail_next(self, call: str, *faults: Fault) -> None:
        if call not in CALLS:
            raise ValueError(f"no call {call!r}; there are {', '.join(sorted(CALLS))}")
        self._queued[call].extend(faults)

    def watch(self, call: str, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The endpoint, with its requests written down and its faults applied."""

        async def watched(request: web.Request) -> web.StreamResponse:
            seen = SeenRequest(call=call, at=self._clock(), headers=request.headers.copy())
            began = time.monotonic()
            self.requests.append(seen)
            fault = self._next_fault(call, len(self.requests))

            async def act() -> web.Response:
                response = await answered(endpoint, request)
                seen.acted = True
                return response

            response: web.StreamResponse | None = None
            # A client that leaves in the middle of its request or of our answer is no fault of ours.
            with suppress(ConnectionError):
                if call != "put":
                    seen.body = _body(await request.read())
                response = await answer_with(fault, request, act) if fault else await act()
            seen.status = response.status if response else None
            seen.answer = _body(response.body) if isinstance(response, web.Response) else None
            seen.seconds = time.monotonic() - began
            self._changed()
            # aiohttp wants an answer in any case; on a connection that is gone it goes nowhere.
            return response or web.Response()

        return watched

    def _next_fault(self, call: str, number: int) -> Fault | None:
        if self._queued[call]:
            return self._queued[call].popleft()
        return self.fault(call, number) if self.fault else None


def _body(raw: object) -> dict[str, Any] | None:
    if not isinstance(raw, bytes):
        return None
    try:
        return json_object(raw)
    except RefusedError:
        return None
