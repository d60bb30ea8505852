"""A web application on a port of the loopback."""

import asyncio
import socket
import ssl
from contextvars import ContextVar

from aiohttp import web
from aiohttp.typedefs import Handler

HOST = "127.0.0.1"
_TURNS = 3
"""Of the loop, until a connection that was taken from its port is known to the server."""


caller: ContextVar[tuple[int, int]] = ContextVar("caller")
"""Ports of the connection whose request is being answered, the other end's first: which of several clients it is."""


@web.middleware
async def _note_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.transport is not None:
        there, here = (request.transport.get_extra_info(name)[1] for name in ("peername", "sockname"))
        caller.set((there, here))
    return await handler(request)


class Listener:
    """Made by `listen`."""

    def __init__(self, runner: web.AppRunner, sock: socket.socket) -> None:
        self._runner, self._sock = runner, sock
        self.port: int = sock.getsockname()[1]

    async def close(self) -> None:
        """Take no more connections, then close those that are open.

        Whoever is taken from the port while its server closes would stay open for ever: Python makes a connection of
        it only turns later, and refuses to once the server is closed. So first nobody is taken any more.
        """
        asyncio.get_running_loop().remove_reader(self._sock)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await self._runner.cleanup()


async def listen(
    app: web.Application, port: int = 0, *, grace_seconds: float = 0.1, tls: ssl.SSLContext | None = None
) -> Listener:
    """Serve it there, 0 for a free port; raises `OSError` where the port is taken."""
    app.middlewares.append(_note_caller)
    sock = socket.create_server((HOST, port))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace_seconds)
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=tls).start()
    return Listener(runner, sock)
