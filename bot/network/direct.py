"""Direct connections: a name is resolved once, and only public addresses of it are connected to.

Whoever controls a name could otherwise point the bot at this machine or its network. TLS still asks for the name: it
goes into the handshake and is what the certificate must hold. What the settings themselves name may be anywhere.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import aiohttp.abc
import httpcore

from bot.domain.hosts import is_public
from bot.network.streams import TCPStream
from bot.settings import is_loopback

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, best first; raises OSError where it has none."""

HEAD_START_SECONDS = 0.25
"""How long an address is tried alone before the next one is tried beside it (RFC 8305, section 5)."""


class NotPublic(OSError):
    """A host that others named leads to this machine or a private network: nothing was connected to."""


async def by_the_system(host: str, port: int) -> list[str]:
    """What the machine's resolver says, in its order. It reads numbers in every spelling, so its answer is checked."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_kind, address in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRule:
    """Which addresses a direct connection may go to."""

    own: frozenset[str] = frozenset()
    """Hosts that the settings themselves name: wherever they are, the operator wants them reached."""
    resolve: Resolve = by_the_system
    is_allowed: Callable[[str], bool] = is_public

    async def addresses(self, host: str, port: int) -> list[str]:
        """Those of a host that may be connected to; raises NotPublic where none may, OSError where there are none."""
        is_own = host.casefold() in self.own or (is_loopback(host) and any(map(is_loopback, self.own)))
        found = await self.resolve(host, port)
        allowed = [address for address in found if is_own or self.is_allowed(address)]
        if found and not allowed:
            raise NotPublic("not a public address")
        return allowed


class DirectBackend(httpcore.AsyncNetworkBackend):
    """Connections of httpcore's, to the addresses that the rule gives."""

    def __init__(self, rule: DirectRule) -> None:
        self._rule = rule

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises ConnectTimeout or ConnectError. The last two arguments are httpcore's, which nothing here sets."""

        async def connect(address: str) -> TCPStream:
            _transport, stream = await asyncio.get_running_loop().create_connection(TCPStream, address, port)
            return stream

        try:
            async with asyncio.timeout(timeout):
                return await _first_to_connect(await self._rule.addresses(host, port), connect)
        except TimeoutError as fault:
            raise httpcore.ConnectTimeout from fault
        except OSError as fault:
            raise httpcore.ConnectError(str(fault)) from fault


async def _first_to_connect(addresses: Sequence[str], connect: Callable[[str], Awaitable[TCPStream]]) -> TCPStream:
    """Each address gets a head start on the next. Raises what the last one raised; the losers are closed."""
    waiting, trying = list(addresses), set[asyncio.Future[TCPStream]]()
    fault: BaseException = OSError("the name has no address")
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.ensure_future(connect(waiting.pop(0))))
            head_start = HEAD_START_SECONDS if waiting else None
            done, _ = await asyncio.wait(trying, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                trying.discard(each)
                if (failed := each.exception()) is None:
                    return each.result()
                fault = failed
        raise fault
    finally:
        for each in trying:
            each.cancel()
        for lost in await asyncio.gather(*trying, return_exceptions=True):
            # It may have been made in the moment in which another one won.
            if not isinstance(lost, BaseException):
                await lost.aclose()


class DirectResolver(aiohttp.abc.AbstractResolver):
    """The same rule for aiohttp, which connects to what it is given here, and asks TLS for the name."""

    def __init__(self, rule: DirectRule) -> None:
        self._rule = rule

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._rule.addresses(host, port)
            if family in (socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET)
        ]

    async def close(self) -> None:
        """Nothing is held open."""
