"""Ten thousand bad requests to each route: none is a fault of ours, and nothing is left of them in the memory.

They come as bytes to the very protocol that serves a port, without a socket: so many take a minute or two. What a
whole process does with its sockets is in `test_raw_requests`.
"""

import asyncio
import io
import itertools
import json
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

import handlers
from bot.domain.capture.links import LinkStep
from bot.domain.capture.upload import unpack
from bot.errors import LinkGone
from bot.runtime.clock import utc_now
from bot.runtime.doors import CaptureDoor
from bot.runtime.leaky_buckets import LeakyBuckets
from bot.runtime.metrics import Metrics
from bot.runtime.server import connections_of, connections_of_monitors, http_config
from handlers.capture import origin_of
from tests.bad_requests import METHODS, Bad, Sign, one_of
from tests.handlers.customers import NOTICE, TOKEN, Behind, capture, headers
from tests.journeys.intake.test_batch_of_500 import MIB, resident_kib
from tests.journeys.intake.test_slack_payloads import signature
from tests.journeys.runtime.test_raw_requests import MOST_GROWTH_MIB, results_of, slack_samples
from tests.journeys.smile import call_back, put_on_record, waiting
from tests.journeys.world import Journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

COUNT = 10_000
WARM = 1_000
"""After so many the memory is what it needs for such a day."""
AT_ONCE = 8
READ_BYTES = 256 * 1024
"""What a loop hands on of a socket at once."""
ROUTES = {
    "a callback's address": {400, 401, 404, 405, 413, 421, 431},
    "an address of no check": {400, 404, 405, 421, 431},
    "Slack's": {200, 400, 401, 404, 405, 413, 421, 431},
    "liveness": {200, 400, 404, 405, 431},
    "the customer's page": {200, 400, 404, 405, 421, 431},
    "a customer's consent": {200, 400, 403, 404, 405, 410, 413, 415, 421, 431},
    "a customer's photos": {400, 403, 404, 405, 410, 415, 421, 431},
    "no route": {400, 404, 421, 431},
    "readiness": {503, 400, 404, 405, 431},
    "metrics": {200, 400, 404, 405, 431},
}
"""Of each the statuses that come: so the requests get as far as there is a way, and not all end at the first door.

A bot whose clock does not run, as in a journey, truly says that it is not ready.
"""
PIECES = (
    *(b"", b"{", b"}", b"[", b"]", b'"', b"&", b"=", b",", b":", b"-", b"%00", b"\r\n", b"\x00", b"\xff\xfe"),
    *(b"a" * 300, b"\\u0000", b"null", b"1e999", b"NaN", b"payload=", b"ssl_check=1", b"ResultCode", b"PartnerParams"),
    *(b"signature", b"timestamp", b"0810", "\N{PILE OF POO}".encode()),
)
HEADERS = (
    (
        "Content-Type",
        ("application/json", "application/x-www-form-urlencoded", "text/html; charset=nope", "", "\u00ff"),
    ),
    ("X-Slack-Signature", ("v0=", "v0=" + "0" * 64, "v1=x", "\u00e9")),
    ("X-Slack-Request-Timestamp", ("0", "-1", "NaN", "9" * 40, "now", "\u0663")),
    ("X-Forwarded-For", ("", ",,,", "::1", "x" * 2000, "1.2.3.4, 5.6.7.8")),
    ("Content-Encoding", ("gzip", "br", "identity")),
    ("Expect", ("100-continue", "nonsense")),
    ("Range", ("bytes=0-", "lines=1")),
    ("Host", ("localhost", "evil.example")),
)


def of_pieces(rng: random.Random, path: str) -> Bad:
    """A whole request, most of them with fair HTTP, whose body is put together of what readers stumble over."""
    body = b"".join(rng.choice(PIECES) for _ in range(rng.randrange(12)))
    chosen = {name: rng.choice(values) for name, values in rng.sample(HEADERS, rng.randrange(4))}
    query = f"?{quote(rng.choice(PIECES))}={quote(rng.choice(PIECES))}" if rng.random() < 0.3 else ""
    method = "POST" if rng.random() < 0.5 else rng.choice(METHODS)
    fields = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body)), **chosen}
    lines = [f"{method} {path}{query} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return Bad(sent="\r\n".join(lines).encode() + body, is_whole=True)


class Insatiable(Behind):
    """Every link is open and agreed to, whatever came before."""

    async def take(self, token: str, device: str, read: Callable[[], Awaitable[bytes]]) -> LinkStep:
        if token != TOKEN:
            raise LinkGone
        unpack(await read())
        return LinkStep.TAKEN

    async def agree(self, token: str, device: str, *, notice: str, language: str) -> LinkStep:
        if token != TOKEN:
            raise LinkGone
        return LinkStep.AGREED


def let_all_in(metrics: Metrics) -> CaptureDoor:
    """As often as they like: so they come as far as they can."""
    endless = LeakyBuckets(burst=10**6, every=timedelta(seconds=1), steady=utc_now)
    return CaptureDoor(metrics=metrics, strangers=endless, posts=endless, photos=endless)


def of_a_page(origin: str, content_type: str | None) -> Sign:
    """Headers as the page has them, but for the link now and then."""

    numbers = itertools.count()

    def sign(_body: bytes) -> Mapping[str, str]:
        token = TOKEN if next(numbers) % 5 else TOKEN[::-1]
        return dict(headers(origin=origin, token=token, content_type=content_type))

    return sign


class Line(asyncio.Transport):
    """A connection without a socket."""

    def __init__(self, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer, "sockname": ("127.0.0.1", 3000)})
        self.said = b""
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.said += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It takes all at once."""

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()
        self.may_read.set()

    abort = close

    def pause_reading(self) -> None:
        self.may_read.clear()

    def resume_reading(self) -> None:
        self.may_read.set()

    def statuses(self) -> list[int]:
        return [int(found) for found in re.findall(rb"^HTTP/1\.1 (\d{3}) ", self.said, re.MULTILINE)]


class Door:
    """One of a bot's ports, and its route that the requests go to."""

    def __init__(self, config: uvicorn.Config, path: str) -> None:
        config.load()
        self.config, self.path = config, path
        self._ports = itertools.count(1)

    async def answers(self, bad: Bad) -> list[int]:
        """What is said to it, if the sender waits for all of that and then leaves."""
        state, line = ServerState(), Line(("127.0.0.1", next(self._ports)))
        made: Any = self.config.http_protocol_class
        protocol = made(self.config, state, {})
        protocol.connection_made(line)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            for start in range(0, len(bad.sent), READ_BYTES):
                if line.is_closing():
                    break
                protocol.data_received(bad.sent[start : start + READ_BYTES])
                await line.may_read.wait()
            while state.tasks and not protocol.cycle.more_body:
                await asyncio.wait(state.tasks)
            line.close()
            protocol.connection_lost(None)
            while state.tasks:
                await asyncio.wait(state.tasks)
        return line.statuses()


def door_of(world: Journey, route: str) -> Door:
    bot = world.bot
    if route in ("readiness", "metrics"):
        monitors = connections_of_monitors(bot)
        path = "/readyz" if route == "readiness" else "/metrics"
        return Door(http_config(handlers.admin(bot, monitors), monitors), path)
    callback = urlsplit(world.job().callback_url).path
    paths = {
        "a callback's address": callback,
        "an address of no check": callback[:-64] + "0" * 64,
        "Slack's": "/slack/events",
        "liveness": "/healthz",
        "the customer's page": "/c",
        "a customer's consent": "/c/consent",
        "a customer's photos": "/c/photos",
    }
    bot = replace(bot, capture=capture(Insatiable()), capture_door=let_all_in(bot.metrics))
    callers = connections_of(bot)
    return Door(http_config(handlers.web(bot, handlers.bolt(bot), callers), callers), paths.get(route, "/nowhere"))


async def play(door: Door, bad_ones: Iterator[Bad], expected: set[int]) -> Counter[int]:
    """Some at once; how often which status came. One of 500 and above is no answer, unless it is expected."""
    heard: Counter[int] = Counter()

    async def sender() -> None:
        for bad in bad_ones:
            statuses = await door.answers(bad)
            assert all(status < 500 or status in expected for status in statuses), (bad.sent[:2_000], statuses)
            assert statuses or not bad.is_whole, bad.sent[:2_000]
            heard.update(statuses)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(sender())
    return heard


@pytest.mark.parametrize("route", ROUTES)
async def test_ten_thousand_bad_requests_are_answered_and_leave_nothing_behind(
    tmp_path: Path, route: str, log_lines: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    # HTTP mode: Slack's route is there too.
    async with waiting(tmp_path) as (world, ref):
        door = door_of(world, route)
        samples: Sequence[Any] = results_of(world.job())
        sign: Sign | None = None
        if route == "Slack's":
            samples, sign = slack_samples(), signature
        elif route.startswith("a customer's"):
            samples = [{"notice": NOTICE, "language": "en"}]
            kind = "application/octet-stream" if route.endswith("photos") else None
            sign = of_a_page(origin_of(world.bot.settings.public_url or ""), kind)

        def made(numbers: range) -> Iterator[Bad]:
            for number in numbers:
                rng = random.Random(f"{route} {number}")
                yield one_of(rng, samples, path=door.path, sign=sign) if number % 2 else of_pieces(rng, door.path)

        answers = await play(door, made(range(WARM)), ROUTES[route])
        before = resident_kib(os.getpid(), "VmRSS")
        answers += await play(door, made(range(WARM, COUNT)), ROUTES[route])
        after = resident_kib(os.getpid(), "VmRSS")
        with capsys.disabled():
            print(f"\n{route}: {dict(sorted(answers.items()))}; {before // MIB} MiB, then {after // MIB} MiB")
        assert after - before < MOST_GROWTH_MIB * MIB
        assert ROUTES[route] <= set(answers)
        lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
        errors = {line["event"] for line in lines if line["level"] in ("error", "critical")}
        # One of Slack's own samples, and signed: the app was removed.
        assert errors <= {"slack.access_lost"}

        # Nothing was believed, and what is true is heard.
        assert (await world.check(ref)).state == "processing"
        assert world.thread() == []
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await world.settle()
        assert (await world.check(ref)).state == "rejected"
