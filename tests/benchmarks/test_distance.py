"""The way to a server that is far away, as benchmarks make it."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot.sandbox.demo import free_port
from tests.benchmarks.distance import HOST, Line, line_to
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.slow

WORD = b"well?"


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while said := self.request.recv(1 << 16):
            self.request.sendall(said)


@pytest.fixture
def line() -> Iterator[Line]:
    """To a server that says whatever it is told."""
    with socketserver.ThreadingTCPServer((HOST, 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with line_to(server.server_address[1]) as line:
            yield line
        server.shutdown()


@contextmanager
def connected(line: Line) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, line.port), GIVE_UP_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


def ask(client: socket.socket, said: bytes = WORD) -> bytes:
    client.sendall(said)
    heard = b""
    while len(heard) < len(said):
        heard += client.recv(1 << 16)
    return heard


@pytest.mark.parametrize("milliseconds", [0.5, 2.0, 20.0])
def test_each_round_trip_takes_so_much_longer(line: Line, milliseconds: float) -> None:
    line.stretch(milliseconds)
    with connected(line) as client:
        began = time.perf_counter()
        assert [ask(client) for _ in range(20)] == [WORD] * 20
        assert time.perf_counter() - began >= 20 * milliseconds / 1e3


def test_round_trips_are_counted_however_long_they_take(line: Line) -> None:
    with connected(line) as one, connected(line) as another:
        for client in (one, one, another):
            ask(client)
        assert line.stretch(1.0) == 3
        ask(one)
        assert line.stretch(0.0) == 4


def test_much_at_once_arrives_whole_and_in_its_order(line: Line) -> None:
    much = b"".join(number.to_bytes(4, "big") for number in range(50_000))
    line.stretch(2.0)
    with connected(line) as client:
        assert ask(client, much) == much


def test_nothing_overtakes_what_is_under_way_when_the_way_becomes_shorter(line: Line) -> None:
    line.stretch(400.0)
    with connected(line) as client:
        client.sendall(b"first")
        line.stretch(0.0)
        assert ask(client, b"other")[:5] == b"first"


def test_who_comes_where_no_server_is_hears_so() -> None:
    with line_to(free_port()) as line, connected(line) as client, pytest.raises(ConnectionResetError):
        ask(client)


def test_a_connection_that_ends_at_one_side_ends_at_the_other(line: Line) -> None:
    line.stretch(1.0)
    with connected(line) as client:
        ask(client)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
