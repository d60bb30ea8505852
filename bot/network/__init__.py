"""The way out: by which proxy, and on whose certificates, every connection of the bot leaves this machine.

Slack's API, files and Socket Mode, Smile ID and its uploads, and `kyc-bot check` get their clients here. Each of the
libraries below would otherwise read the environment by a rule of its own.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import httpcore
import httpx

from bot.errors import SettingsFault
from bot.network import fence
from bot.network.direct import DirectBackend, DirectResolver, DirectRule, NotPublic, Resolve, by_the_system
from bot.network.pool import Connection, Pool
from bot.settings import NetworkSettings, is_loopback

CONNECTIONS = 8
"""To each host, where nobody says how many."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_PEM = b"-----BEGIN CERTIFICATE-----"
_STATUS = re.compile(r"\d{3}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """One rule for all connections: the proxy of `HTTPS_PROXY`, except for `NO_PROXY` and this machine itself."""

    tls: ssl.SSLContext = field(repr=False)
    """Trusts the machine's authorities, and those of `KYC_CA_FILE`."""
    proxy: str | None = field(default=None, repr=False)
    """`http://host:port`, perhaps with a user name and a password in it."""
    bypass: tuple[str, ...] = ()
    direct: DirectRule = field(default_factory=DirectRule)
    """Where a connection without the proxy may lead."""

    @classmethod
    def of(cls, settings: NetworkSettings, *, own: Iterable[str | None] = (), resolve: Resolve = by_the_system) -> Self:
        """Raises SettingsFault for a `KYC_CA_FILE` that cannot be used.

        `own` are the addresses that the settings themselves give, and that may lead to a private network.
        """
        proxy = settings.https_proxy.get_secret_value() if settings.https_proxy else None
        named = [urlsplit(url).hostname for url in (*own, proxy) if url]
        return cls(
            tls=trusting(settings.ca_file),
            proxy=proxy,
            bypass=settings.no_proxy,
            direct=DirectRule(own=frozenset(filter(None, named)), resolve=resolve),
        )

    def proxy_for(self, url: str) -> str | None:
        """The proxy that a connection to this address takes; None: it goes directly."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)
        if self.proxy is None or is_loopback(host) or any(_covers(entry, host, port) for entry in self.bypass):
            return None
        return self.proxy

    def way_to(self, url: str) -> str:
        """`directly`, or through which proxy, for an operator; without the proxy's user name and password."""
        proxy = self.proxy_for(url)
        return f"through the proxy {address_of(proxy)}" if proxy else "directly"

    def http(self, *, timeout: httpx.Timeout, connections: int = CONNECTIONS) -> httpx.AsyncClient:
        """A client for Smile ID and files, with at most so many connections to each host. Enter it, or close it."""
        return _Client(_Routed(self, connections), timeout=timeout)

    def session(self, *, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        """A session for Slack. aiohttp takes the proxy with each request: hand it `proxy_for` its address."""
        stay = aiohttp.TraceConfig()
        # slack_sdk and the WebSocket would follow one, and carry a token or a request to wherever it leads.
        stay.on_request_redirect.append(_refuse_redirect)
        return aiohttp.ClientSession(
            timeout=timeout, connector=_Connector(self), trace_configs=[stay], request_class=_Request
        )


async def _refuse_redirect(_session: Any, _context: Any, _redirect: aiohttp.TraceRequestRedirectParams) -> None:
    raise aiohttp.ClientError("sent elsewhere, and not followed")


class NotConnected(aiohttp.ClientConnectionError):
    """A connection ended before anything could be sent by it; `by_proxy`: while the proxy was to make it."""

    def __init__(self, *, by_proxy: bool) -> None:
        super().__init__("not connected")
        self.by_proxy = by_proxy


class _Connector(aiohttp.TCPConnector):
    """aiohttp has the same faults for a connection that was not made and for an answer that did not come.

    Only the second leaves it open whether the other side has the request.
    """

    def __init__(self, outbound: Outbound) -> None:
        super().__init__(ssl=outbound.tls, resolver=DirectResolver(outbound.direct))
        self._rule = outbound.direct

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        if req.proxy is None and _is_literal(req.url.raw_host):
            # aiohttp asks its resolver for names alone.
            try:
                await self._rule.addresses(req.url.raw_host, req.url.port)
            except OSError as fault:
                raise NotConnected(by_proxy=False) from fault
        await fence.require_open()
        try:
            connection = await super().connect(req, traces, timeout)
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, TimeoutError):
            raise
        except (aiohttp.ClientConnectionError, OSError) as fault:
            raise NotConnected(by_proxy=req.proxy is not None) from fault
        if not fence.is_open():
            connection.close()
            raise NotConnected(by_proxy=False)
        return connection


class _Request(aiohttp.ClientRequest):
    """Looks at the fence once more before it sends a body, and with it the head, which waits for the body.

    Before Python 3.12 aiohttp writes it in a task that begins only when the loop comes to it: whoever is frozen in
    between has its connection already.
    """

    async def write_bytes(self, writer: Any, conn: Any, content_length: int | None = None) -> None:
        if fence.is_open():
            await super().write_bytes(writer, conn, content_length)
        elif conn.protocol is not None:
            # As aiohttp tells whoever waits for the answer of any other fault in this task.
            conn.protocol.set_exception(NotConnected(by_proxy=False))


def _is_literal(host: str | None) -> bool:
    try:
        return bool(ipaddress.ip_address(host or ""))
    except ValueError:
        return False


class NoTunnel(httpx.ConnectError):
    """The proxy ended the connection before it had connected us, so that nothing was handed on."""


class _Tunnel:
    """Hears from httpcore how far one request through the proxy has come.

    httpcore waits for the proxy's word as long as for an answer of the other side, and has the same faults for both.
    """

    def __init__(self, limit: asyncio.Timeout, seconds: float | None) -> None:
        self._limit = limit
        self._seconds = seconds
        self.is_through = False

    async def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started" and self._seconds is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
        elif event == "http11.send_request_headers.started" and facts["request"].method != b"CONNECT":
            self._limit.reschedule(None)
            self.is_through = True


class PooledTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on our pool, which it has no argument for: its exceptions say what was sent."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool  # type: ignore[assignment]  # it calls nothing else of a pool


class _Client(httpx.AsyncClient):
    """One request, one answer: no redirect is followed, no cookie kept, nothing signed in.

    httpx asks for all that with each request, though it ends in nothing here: that was two fifths of what one costs.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, *, timeout: httpx.Timeout) -> None:
        super().__init__(transport=transport, timeout=timeout, trust_env=False)
        self._way = transport

    async def send(self, request: httpx.Request, *, stream: bool = False, **_unused: Any) -> httpx.Response:
        response = await self._way.handle_async_request(request)
        response.request = request
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response


class _Routed(httpx.AsyncBaseTransport):
    """Directly or by the proxy: the address decides."""

    def __init__(self, outbound: Outbound, connections: int) -> None:
        self._proxy_for: Callable[[str], str | None] = outbound.proxy_for
        backend = DirectBackend(outbound.direct)
        directly = partial(httpcore.AsyncHTTPConnection, ssl_context=outbound.tls, network_backend=backend)
        self._direct = PooledTransport(Pool(directly, connections=connections))
        self._proxied = None
        if outbound.proxy:
            proxied = _by_proxy(outbound.proxy, outbound.tls, backend)
            self._proxied = PooledTransport(Pool(proxied, connections=connections))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._proxied is None or self._proxy_for(str(request.url)) is None:
            return await self._direct.handle_async_request(request)
        limit = asyncio.timeout(None)
        tunnel = _Tunnel(limit, request.extensions.get("timeout", {}).get("connect"))
        request.extensions = {**request.extensions, "trace": tunnel.hear}
        try:
            async with limit:
                return await self._proxied.handle_async_request(request)
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, TimeoutError) as fault:
            if tunnel.is_through or isinstance(fault, httpx.ConnectError | httpx.PoolTimeout):
                raise
            kind = httpx.ConnectTimeout if isinstance(fault, httpx.TimeoutException | TimeoutError) else NoTunnel
            raise kind("no way through the proxy", request=request) from fault

    async def aclose(self) -> None:
        await self._direct.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()


def _by_proxy(
    address: str, tls: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend
) -> Callable[[httpcore.Origin], Connection]:
    # httpcore refuses a context for a proxy that is spoken to in plain.
    proxy = httpx.Proxy(address, ssl_context=tls if urlsplit(address).scheme == "https" else None)
    return httpcore.AsyncHTTPProxy(
        proxy_url=str(proxy.url),
        proxy_auth=proxy.raw_auth,
        ssl_context=tls,
        proxy_ssl_context=proxy.ssl_context,
        network_backend=backend,
    ).create_connection


def address_of(proxy: str) -> str:
    """A proxy as it may be shown: host and port alone."""
    parts = urlsplit(proxy)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `NO_PROXY` means this host: `*`, a domain with all below it, an address, or a network."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_within(host, entry)
    name, wanted = _split_port(entry.casefold())
    if wanted is not None and wanted != port:
        return False
    name, host = name.removeprefix("*").removeprefix("."), host.casefold().rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        # A name is not resolved for this: by then the question would have left the machine.
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """`host`, `host:443`, `[::1]:443` or a bare IPv6 address, whose last colon begins no port."""
    found = re.fullmatch(r"\[(.+)\](?::(\d+))?|([^:]*)(?::(\d+))?", entry)
    if found is None:
        return entry, None
    port = found[2] or found[4]
    return found[1] or found[3] or "", int(port) if port else None


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The machine's authorities, with those of a file in addition. Raises SettingsFault for a file without any.

    A machine without any, a slim container say, gets the list that httpx brings along. Without a file it is the same
    context each time, since reading the machine's list takes 25 ms: change nothing in it.
    """
    paths = ssl.get_default_verify_paths()
    if ca_file is None:
        return _shared(paths)
    context = _of_the_machine(paths)
    load_authorities(context, ca_file)
    # What many private authorities are made like: an intermediate handed out alone, and without the key
    # identifiers that Python asks for from 3.13 on. Signatures, names and dates are verified all the same.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _of_the_machine(paths: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    has_any = bool(paths.cafile) or bool(paths.capath and any(Path(paths.capath).iterdir()))
    return ssl.create_default_context() if has_any else httpx.create_ssl_context(trust_env=False)


_shared = cache(_of_the_machine)


def load_authorities(context: ssl.SSLContext, ca_file: Path) -> None:
    """Raises SettingsFault in words for an operator."""
    try:
        if _PEM not in ca_file.read_bytes():
            raise SettingsFault(
                f"KYC_CA_FILE: {ca_file} holds no certificate in PEM form ({_PEM.decode()}). "
                f"Convert one in DER form: openssl x509 -inform der -in FILE -out FILE.pem"
            )
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as fault:
        raise SettingsFault(f"KYC_CA_FILE: {ca_file} holds a certificate that is damaged") from fault
    except OSError as fault:
        raise SettingsFault(f"KYC_CA_FILE: {ca_file} cannot be read ({fault.strerror})") from fault


def why_unreachable(fault: BaseException) -> str | None:
    """What kept a connection from being made, in a few words and without anything that was sent; None: not known."""
    for each in _chain(fault):
        words = _cause(each)
        if words is not None:
            return words
    return None


def _cause(fault: BaseException) -> str | None:
    match fault:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not accepted: {fault.verify_message.rstrip('.')}"
        case ssl.SSLError():
            return f"TLS failed: {fault.reason or 'no reason given'}"
        case NotPublic():
            return "the name leads to no public address"
        case aiohttp.ClientHttpProxyError():
            return _proxy_says(fault.status)
        case httpx.ProxyError():
            status = _STATUS.match(str(fault))
            return _proxy_says(int(status[0])) if status else "the proxy refuses"
        case aiohttp.ClientProxyConnectionError():
            return "no connection to the proxy"
        case NoTunnel() | NotConnected(by_proxy=True):
            return "the proxy ends the connection"
        case NotConnected():
            return "the connection is ended"
        case aiohttp.ConnectionTimeoutError() | httpx.ConnectTimeout():
            return "no answer in time"
        case socket.gaierror():
            return "the name cannot be resolved"
        case ConnectionRefusedError():
            return "the connection is refused"
        case _:
            return None


def _proxy_says(status: int) -> str:
    return f"the proxy refuses (HTTP {status}{': user name or password' if status == 407 else ''})"


def _chain(fault: BaseException) -> Iterator[BaseException]:
    """The fault and what it came from, innermost first: a certificate's fault is inside the one of a connection."""
    found: list[BaseException] = []
    seen: BaseException | None = fault
    while seen is not None and seen not in found:
        found.append(seen)
        seen = seen.__cause__ or seen.__context__
    return reversed(found)
