"""A reserved port is the bot's alone, before it starts and while it restarts."""

import asyncio
import errno
import socket
import sys

import pytest

from bot.sandbox.demo import free_port, reserved_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is looked up, not reserved")

PLAYER = """
import sys
from bot.sandbox.demo import free_port
print(*(free_port() for _ in range(int(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


def test_a_reserved_port_cannot_be_bound_by_a_stranger() -> None:
    port = free_port()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use") as refused:
        stranger.bind(("127.0.0.1", port))
    assert refused.value.errno == errno.EADDRINUSE


def test_a_reserved_port_takes_a_server_again_and_again() -> None:
    port = free_port()
    for _ in range(3):
        # As the bot listens: `create_server` sets SO_REUSEADDR.
        with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_reserved_port_in_use_refuses_a_second_server() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port))


def test_a_port_that_is_reserved_for_a_while_is_anybodys_afterwards() -> None:
    with reserved_port() as port, socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))


@pytest.mark.anyio
async def test_two_processes_never_reserve_the_same_port() -> None:
    each = 300
    players = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PLAYER, str(each), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    try:
        lines = [await _line(player) for player in players]
    finally:
        for player in players:
            player.kill()
            await player.wait()
    drawn = [int(port) for line in lines for port in line.split()]
    assert len(drawn) == len(set(drawn)) == len(players) * each


async def _line(player: asyncio.subprocess.Process) -> bytes:
    assert player.stdout is not None
    return await player.stdout.readline()
