"""The connections of one listener: how many there may be, how long a head may take, and who gives way to a callback.

A connection is open before anybody knows what it is for. So at the limit the one that has waited longest for a request
is closed for the one that comes, first of the source that has most; a callback that is being read does not give way,
unless more of them come to one address than Smile ID sends.
"""

import asyncio
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_BYTES = 32 * 1024
"""Of a request's line and headers. Smile ID and Slack send less than 4 KiB."""
HEAD_SECONDS = 10.0
"""From the first byte of a head to its last, and from the connection to its first byte."""
UNREAD_SECONDS = 10.0
"""For how long what was answered may wait to be taken: an answer is small, and who does not read holds a connection."""
OF_ONE_ADDRESS = 2
"""Callbacks that come in at once and belong to one job: Smile ID sends one, and may repeat it."""
_TELLS_BODIES = hasattr(AutoHTTPProtocol, "on_body")
"""httptools tells what of the bytes is body. h11, which other Pythons than CPython have, bounds the rest itself."""
PIPELINED = 8
"""Requests that a connection may send before the first is answered. Slack, Smile ID and the usual proxies send one."""
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""Of every answer: nothing of ours is shown, framed, kept or guessed at by a browser."""

_WITH_PORT = re.compile(r"\A(?:\[([^\]]*)\]|([0-9.]+))(?::\d{1,5})?\Z")
"""`198.51.100.1:443`, `[2001:db8::1]:443` or `[2001:db8::1]`, as some proxies write the address of a client."""

Networks = Collection[ipaddress.IPv4Network | ipaddress.IPv6Network]


WHOLE = "kyc-bot.whole"
"""In the scope of a request whose body has come to its end: to read it waits for nothing."""


class Phase(Enum):
    """What a connection is waited for."""

    IDLE = auto()
    """Its next request: nothing of it has come."""
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class Closed(StrEnum):
    """Why a connection was closed before it had an answer."""

    TOO_MANY = "too_many"
    TOO_MANY_OF_ONE_SOURCE = "too_many_of_one_source"
    SLOW_HEAD = "slow_head"
    LARGE_HEAD = "large_head"
    """Or what frames a body: extensions of chunks, and headers behind the last."""
    MALFORMED = "malformed"
    """No HTTP, or more requests at once than may be pipelined."""
    UNREAD = "unread"
    """Its sender does not take the answers."""
    TOO_MANY_OF_ONE_CALLBACK = "too_many_of_one_callback"


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    transport: asyncio.Transport
    source: str
    """The peer; the trusted proxy's own address while it speaks for somebody else."""
    is_proxied: bool
    since: float
    """When the phase began, by the loop's clock."""
    phase: Phase = Phase.IDLE
    callback: str = ""
    """The path, while a callback is under way."""
    head_bytes: int = 0
    body_bytes: int = 0
    framing_bytes: int = 0
    """What came behind the head and is no body."""
    deadline: asyncio.TimerHandle | None = None
    unread: asyncio.TimerHandle | None = None
    """Runs while what was answered waits to be taken."""

    @property
    def is_waiting(self) -> bool:
        """For its sender, to whom nothing is owed."""
        return self.phase in (Phase.IDLE, Phase.HEAD) or self.unread is not None

    def enters(self, phase: Phase) -> None:
        self.phase, self.since = phase, asyncio.get_running_loop().time()


@dataclass(slots=True, kw_only=True, eq=False)
class Connections:
    """All of one listener; bounded in number, in all and per source."""

    most: int
    per_source: int
    """Those that are no callbacks; a proxy's own connections have no such bound."""
    proxies: Networks = ()
    head_seconds: float = HEAD_SECONDS
    unread_seconds: float = UNREAD_SECONDS
    on_closed: Callable[[Closed], None]
    on_refused: Callable[[int], None]
    """Given the status of a request that was answered here."""
    _open: dict[tuple[str, int], Connection] = field(init=False, default_factory=dict)
    _forwarded: Counter[str] = field(init=False, default_factory=Counter)
    """Requests under way by the source that a trusted proxy names."""

    def __len__(self) -> int:
        return len(self._open)

    def is_proxy(self, address: str) -> bool:
        """Whether what this peer says about its clients is believed."""
        return is_of(address, self.proxies)

    def find(self, client: tuple[str, int] | None) -> Connection | None:
        """By ASGI's `client`."""
        return self._open.get(client) if client is not None else None

    def opened(self, transport: asyncio.Transport) -> Connection:
        """Count it in; at a limit another is closed for it, or it is closed itself."""
        loop = asyncio.get_running_loop()
        peer = _peer(transport)
        made = Connection(
            transport=transport, source=source_of(peer[0]), is_proxied=self.is_proxy(peer[0]), since=loop.time()
        )
        if not made.is_proxied and self._of(made.source) >= self.per_source:
            self._make_room(made, Closed.TOO_MANY_OF_ONE_SOURCE, {made.source})
        elif len(self._open) >= self.most:
            if crowd := self._of_one_callback():
                self._leaves(min(crowd, key=lambda one: one.since), Closed.TOO_MANY_OF_ONE_CALLBACK)
            else:
                self._make_room(made, Closed.TOO_MANY, self._crowds())
        if not transport.is_closing():
            self._open[peer] = made
            self._wait_for_head(made)
        return made

    def closed(self, connection: Connection) -> None:
        if connection.deadline is not None:
            connection.deadline.cancel()
        self.answer_taken(connection)
        peer = _peer(connection.transport)
        if self._open.get(peer) is connection:
            del self._open[peer]

    def head_came(self, connection: Connection) -> None:
        """All of it: how long the body may take is the business of who reads it."""
        if connection.deadline is not None:
            connection.deadline.cancel()
        connection.head_bytes = connection.body_bytes = connection.framing_bytes = 0
        connection.enters(Phase.BODY)

    def body_came(self, connection: Connection, count: int, *, of_it: int) -> None:
        """So many bytes behind a head, `of_it` of the body itself: what frames it is bounded as a head is."""
        connection.body_bytes += of_it
        connection.framing_bytes += count - of_it
        if connection.framing_bytes <= HEAD_BYTES + connection.body_bytes:
            self._left_over(connection)
        elif connection.phase is Phase.BODY:
            self._answer(connection, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, Closed.LARGE_HEAD)
        else:
            self.on_closed(Closed.LARGE_HEAD)
            connection.transport.close()

    def malformed(self, connection: Connection) -> None:
        self._answer(connection, HTTPStatus.BAD_REQUEST, Closed.MALFORMED)

    def came(self, connection: Connection, count: int) -> None:
        """So many bytes of a head that is not yet whole."""
        if connection.phase is not Phase.HEAD:
            if connection.phase is not Phase.IDLE:
                return  # what a sender says before it has heard waits, bounded by the server's flow control
            connection.enters(Phase.HEAD)
            self._wait_for_head(connection)
        connection.head_bytes += count
        if connection.head_bytes > HEAD_BYTES:
            self._answer(connection, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, Closed.LARGE_HEAD)

    def _left_over(self, connection: Connection) -> None:
        """More of a body whose request was answered without it: not for ever."""
        if connection.phase is Phase.IDLE and (connection.deadline is None or connection.deadline.cancelled()):
            self._wait_for_head(connection)

    def answer_waits(self, connection: Connection) -> None:
        """The kernel takes no more of what was answered, since its sender takes nothing."""
        self.answer_taken(connection)
        loop = asyncio.get_running_loop()
        connection.unread = loop.call_later(self.unread_seconds, self._leaves, connection, Closed.UNREAD)

    def answer_taken(self, connection: Connection) -> None:
        if connection.unread is not None:
            connection.unread.cancel()
            connection.unread = None

    def may_start(self, source: str) -> bool:
        """Count in a request of a client behind a trusted proxy, unless it has as many as it may; see `ended`."""
        if self._forwarded[source] >= self.per_source:
            return False
        self._forwarded[source] += 1
        return True

    def ended(self, source: str) -> None:
        self._forwarded[source] -= 1
        if self._forwarded[source] <= 0:
            del self._forwarded[source]

    def _of(self, source: str) -> int:
        return sum(one.source == source and (not one.callback or one.is_waiting) for one in self._open.values())

    def _crowds(self) -> set[str]:
        """The sources that have most connections waiting for a request: one of theirs goes first."""
        counts = Counter(one.source for one in self._open.values() if one.is_waiting)
        most = max(counts.values(), default=0)
        return {source for source, count in counts.items() if count == most} or {*self._sources()}

    def _sources(self) -> set[str]:
        return {one.source for one in self._open.values()}

    def _of_one_callback(self) -> list[Connection]:
        """Of the address to which more callbacks come in than one job has: whoever holds it would keep others out."""
        coming = [one for one in self._open.values() if one.callback and one.phase is Phase.BODY]
        [(address, count)] = Counter(one.callback for one in coming).most_common(1) or [("", 0)]
        return [one for one in coming if one.callback == address] if count > OF_ONE_ADDRESS else []

    def _make_room(self, made: Connection, why: Closed, sources: Collection[str]) -> None:
        of_them = [one for one in self._open.values() if one.source in sources]
        waiting = [one for one in of_them if one.is_waiting]
        slow = [one for one in of_them if one.phase is Phase.BODY and not one.callback]
        self._leaves(min(waiting or slow or [made], key=lambda one: one.since), why)

    def _leaves(self, connection: Connection, why: Closed) -> None:
        self.on_closed(why)
        # Not `close`, which waits until all is sent.
        connection.transport.abort()
        self.closed(connection)

    def _wait_for_head(self, connection: Connection) -> None:
        if connection.deadline is not None:
            connection.deadline.cancel()
        loop = asyncio.get_running_loop()
        connection.deadline = loop.call_later(self.head_seconds, self._head_is_late, connection)

    def _head_is_late(self, connection: Connection) -> None:
        if connection.phase is Phase.HEAD:
            self._answer(connection, HTTPStatus.REQUEST_TIMEOUT, Closed.SLOW_HEAD)
        elif connection.phase is Phase.IDLE:
            self.on_closed(Closed.SLOW_HEAD)
            connection.transport.close()

    def _answer(self, connection: Connection, status: HTTPStatus, why: Closed) -> None:
        if not connection.transport.is_closing():
            self.on_closed(why)
            self.on_refused(int(status))
            fields = ((b"connection", b"close"), (b"content-length", b"0"), *HEADERS)
            lines = [f"HTTP/1.1 {status} {status.phrase}".encode(), *(b"%b: %b" % field for field in fields)]
            connection.transport.write(b"\r\n".join([*lines, b"", b""]))
            connection.transport.close()


def protocol(connections: Connections) -> type[asyncio.Protocol]:
    """Of one listener: uvicorn makes one for each connection, and hands it nothing of ours."""
    return type("Bounded", (_Bounded,), {"counted": connections})


class _Bounded(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """uvicorn's own protocol, whose connections are counted, timed and bounded."""

    counted: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._connection = self.counted.opened(transport)
        # Whatever the kernel does not take at once makes `pause_writing` known, however little it is.
        transport.set_write_buffer_limits(0)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counted.closed(self._connection)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self.counted.answer_waits(self._connection)
        super().pause_writing()

    def resume_writing(self) -> None:
        self.counted.answer_taken(self._connection)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        before = self.cycle
        was_in_body = before is not None and before.more_body
        self._of_body = 0
        super().data_received(data)
        if self.cycle is not before:
            self.counted.head_came(self._connection)
        elif was_in_body:
            of_it = self._of_body if _TELLS_BODIES else len(data)
            self.counted.body_came(self._connection, len(data), of_it=of_it)
        else:
            self.counted.came(self._connection, len(data))

    def on_headers_complete(self) -> None:
        # Each answer would let more of them in than it takes away.
        if len(self.pipeline) >= PIPELINED:
            raise _TooManyAtOnceError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._of_body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.cycle.scope[WHOLE] = True

    def send_400_response(self, _msg: str) -> None:
        self.counted.malformed(self._connection)


class _TooManyAtOnceError(Exception):
    """Ends the parser's work in the middle of what came."""


def source_of(address: str) -> str:
    """Who is behind an address: a household has a whole /64 of IPv6, and IPv4 may be written as IPv6."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed) if parsed is not None else address


def is_of(address: str, networks: Networks) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def forwarded_source(peer: str, headers: Mapping[str, str], proxies: Networks) -> str:
    """The client's address, as trusted proxies name it: the last of `X-Forwarded-For` that is none of theirs.

    Whatever stands further left was written by a stranger. Without a believable entry it is the peer itself.
    """
    source = peer
    for entry in reversed(headers.get("x-forwarded-for", "").split(",")):
        named = _WITH_PORT.sub(r"\1\2", entry.strip())
        if not is_of(source, proxies) or _parsed(named) is None:
            break
        source = named
    return source


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    name: Any = transport.get_extra_info("peername") or ("", 0)
    return str(name[0]), int(name[1])
