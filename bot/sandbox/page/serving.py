"""Serves the page on a loopback port of its own, on the event loop of the stand-ins."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from bot.sandbox.page.acts import SamplePhotos, photos_of_this_clone
from bot.sandbox.page.app import Desk, page_app
from bot.sandbox.slack.server import SlackSandbox

_HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: whoever serves the page decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_page(
    slack: SlackSandbox,
    *,
    desk: Desk | None = None,
    port: int = 0,
    roles: Mapping[str, str] | None = None,
    samples: SamplePhotos = photos_of_this_clone,
    preparing: Callable[[], str] = str,
    public_url: str = "",
) -> AsyncIterator[str]:
    """Gives the page's address, such as `http://127.0.0.1:8200/`, and stops serving at the end.

    `preparing` and `public_url`: as in `page_app`.

    Raises OSError if the port is taken.
    """
    closing = asyncio.Event()
    app = page_app(
        slack,
        desk=desk,
        roles=roles,
        samples=samples,
        preparing=preparing,
        public_url=public_url,
        closing=closing,
    )
    # Named TCP, so that asyncio sets TCP_NODELAY: else each answer waits 40 ms for the browser to acknowledge its head.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        # Whoever reads the address may come at once, before uvicorn has begun; and a port that is taken is told here.
        listener.listen()
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://{_HOST}:{listener.getsockname()[1]}/"
        finally:
            closing.set()
            server.should_exit = True
            await serving
