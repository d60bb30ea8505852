"""What stands before every route of a listener: whose name was asked for, how large the head is, who asks.

The answer to a request that is turned away here has no body and reads nothing of the request's.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.runtime.connections import HEAD_BYTES, HEADERS, Connections, Phase, forwarded_source, source_of

CALLBACKS = "/smile-id/callback/"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d*)?")
ALIVE = frozenset({"/healthz", "/healthz/"})


def hosts_of(public_url: str | None, *, socket_mode: bool) -> frozenset[str] | None:
    """The names, beside those of the loopback, that the listener answers to; None: to any.

    Slack over HTTP may come without a public URL, by a name that no setting holds.
    """
    if public_url is None:
        return frozenset() if socket_mode else None
    return frozenset({(urlsplit(public_url).hostname or "").lower()})


class Guard:
    def __init__(
        self,
        app: ASGIApp,
        connections: Connections,
        *,
        hosts: Collection[str] | None,
        on_refused: Callable[[int], None],
    ) -> None:
        self._app = app
        self._connections = connections
        self._hosts = hosts
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # No websockets, and no lifespan: nobody here speaks either.
            return
        connection = self._connections.find(scope["client"])
        is_proxied = False
        if connection is not None:
            is_proxied = connection.is_proxied
            connection.callback = scope["path"].rstrip("/") if scope["path"].startswith(CALLBACKS) else ""
            # Its head may have come together with the request before it.
            self._connections.head_came(connection)

        async def receive_counted() -> Message:
            message = await receive()
            if connection is not None and not message.get("more_body", False):
                connection.enters(Phase.ANSWER)
            return message

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message)
                if message["status"] >= HTTPStatus.BAD_REQUEST:
                    self._on_refused(message["status"])
            await send(message)

        try:
            await self._pass(scope, receive_counted, send_guarded, is_proxied=is_proxied)
        finally:
            if connection is not None:
                connection.callback = ""
                connection.enters(Phase.IDLE)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, *, is_proxied: bool) -> None:
        status = self._fault(scope)
        if status is not None:
            await _answer(send, status)
            return
        source = None
        if is_proxied and not scope["path"].startswith(CALLBACKS):
            source = who_asks(scope, self._connections)
        if source is None:
            await self._app(scope, receive, send)
            return
        if not self._connections.may_start(source):
            await _answer(send, HTTPStatus.TOO_MANY_REQUESTS)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._connections.ended(source)

    def _fault(self, scope: Scope) -> HTTPStatus | None:
        size, hosts = len(scope.get("raw_path") or b"") + len(scope["query_string"]), list[str]()
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host":
                hosts.append(value.decode("latin-1"))
        if size > HEAD_BYTES:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if len(hosts) > 1:
            # A proxy may have believed the other one (RFC 9112, section 3.2).
            return HTTPStatus.BAD_REQUEST
        if scope["path"] in ALIVE or self._hosts is None:
            return None
        host = _host(*hosts)
        return None if host in self._hosts or _is_loopback(host) else HTTPStatus.MISDIRECTED_REQUEST


def who_asks(scope: Scope, connections: Connections) -> str | None:
    """The source of a request, as far as it is known.

    None for a proxy of ours that names nobody: a bound of one source would be one of all its clients.
    """
    peer = scope["client"][0] if scope["client"] else ""
    forwarded = forwarded_source(peer, _joined(Headers(scope=scope)), connections.proxies)
    return None if connections.is_proxy(forwarded) else source_of(forwarded)


def _joined(headers: Headers) -> dict[str, str]:
    """A proxy may add a second header in place of an entry to the first."""
    return {"x-forwarded-for": ",".join(headers.getlist("x-forwarded-for"))}


def _host(header: str = "") -> str:
    """The name alone, in small letters, without port, brackets and the dot of the root; empty where it is no name.

    Read strictly: a proxy or a wall may find another name in what has a user, a path or something behind a bracket.
    """
    found = _HOST.fullmatch(header)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _add_headers(message: MutableMapping[str, Any]) -> None:
    headers = list(message.get("headers") or ())
    named = {name.lower() for name, _value in headers}
    message["headers"] = [*headers, *((name, value) for name, value in HEADERS if name not in named)]


async def _answer(send: Send, status: HTTPStatus) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b""})
