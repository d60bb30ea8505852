"""Keeps other pages away from this one: no foreign frame or script, and no POST that the page did not send itself."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ["127.0.0.1", "localhost"]
"""A name that somebody points at the loopback is answered with an error."""
OWN_HEADER = "x-workspace"
"""A browser lets another page send it only after asking, and nobody here says yes."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def _is_welcome(method: str, headers: Headers) -> bool:
    """Another page may lead here by a link, and do nothing by itself: even a look leaves marks of what was read."""
    is_own = headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    if not is_own and headers.get("sec-fetch-mode") != "navigate":
        return False
    return method in ("GET", "HEAD") or headers.get(OWN_HEADER) == "1"


class Guard:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not _is_welcome(scope["method"], Headers(scope=scope)):
            refusal = JSONResponse({"ok": False, "says": "only the page itself may do this"}, status_code=403)
            await refusal(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
                headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, guarded)
