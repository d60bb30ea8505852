"""Keeps web pages away from the stand-in, which takes files of this machine by their paths, and whose token all know.

A browser lets any page post to the loopback, and a name that its owner points there makes the answers readable too.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

_NAMES = frozenset({"127.0.0.1", "localhost"})
_ASKED_BY_A_PERSON = "none"
"""What a browser says of an address that somebody typed."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def turn_away_pages(*also: str) -> Any:
    """A middleware that answers with 403 what a page in a browser asks; programs send none of these headers.

    `also` are more names, by which programs reach the stand-in through something that stands before it.
    """
    names = _NAMES | set(also)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        is_of_a_page = headers.get("Sec-Fetch-Site", _ASKED_BY_A_PERSON) != _ASKED_BY_A_PERSON
        is_posted_by_one = "Origin" in headers and request.method not in ("GET", "HEAD")
        if headers.get("Host", "").partition(":")[0] not in names or is_of_a_page or is_posted_by_one:
            return web.Response(status=403, text="for programs on this machine alone")
        return await handler(request)

    return guard
