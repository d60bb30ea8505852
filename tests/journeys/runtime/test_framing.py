"""Where a request ends: what a proxy could read in another way than the bot is no request, and hides none behind it."""

from pathlib import Path

import anyio
import pytest

from tests.journeys.runtime.test_front_doors import answer, impatient
from tests.journeys.world import journey

pytestmark = pytest.mark.anyio

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""What a proxy would take for a body, and who reads otherwise for a request of somebody else."""
CHUNKED = b"0\r\n\r\n" + HIDDEN
TWO_WAYS = {
    "a length and chunks": (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(CHUNKED), CHUNKED),
    "chunks and a length": (b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(CHUNKED), CHUNKED),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "a list of lengths": (b"Content-Length: 0, %d\r\n" % len(HIDDEN), HIDDEN),
    "a length with a sign": (b"Content-Length: +%d\r\n" % len(HIDDEN), HIDDEN),
    "a length in hex": (b"Content-Length: 0x%x\r\n" % len(HIDDEN), HIDDEN),
    "a blank before the colon": (b"Content-Length : %d\r\n" % len(HIDDEN), HIDDEN),
    "a line that goes on": (b"X-Any: 1\r\n Content-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "chunks that are not the last coding": (b"Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    "chunks by another name": (b"Transfer-Encoding: xchunked\r\n", CHUNKED),
    "chunks twice": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKED),
    "a bare line feed": (b"X-Any: 1\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "a zero in a header": (b"Content-Length: %d\x00\r\n" % len(HIDDEN), HIDDEN),
    "a chunk's length with a sign": (b"Transfer-Encoding: chunked\r\n", b"+0\r\n\r\n" + HIDDEN),
    "a chunk's length beyond all": (b"Transfer-Encoding: chunked\r\n", b"f" * 17 + b"\r\n\r\n" + HIDDEN),
    "a chunk that ends elsewhere": (b"Transfer-Encoding: chunked\r\n", b"1\r\nabc\r\n0\r\n\r\n" + HIDDEN),
}


async def said_to(place: tuple[str, int], fields: bytes, body: bytes) -> bytes:
    async with await anyio.connect_tcp(*place) as line:
        await line.send(b"POST /smile-id/callback/x HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n" + body)
        return await answer(line)


async def test_a_request_whose_end_could_be_read_in_two_ways_is_refused_with_what_is_behind_it(tmp_path: Path) -> None:
    async with journey(tmp_path) as world, impatient(world) as place:
        # What is hidden would be answered, if it were read.
        for sound, body in ((b"Content-Length: 0\r\n", HIDDEN), (b"Transfer-Encoding: chunked\r\n", CHUNKED)):
            said = await said_to(place, sound, body)
            assert (said.startswith(b"HTTP/1.1 404"), said.count(b"HTTP/1.1 200")) == (True, 1)
        for what, (fields, body) in TWO_WAYS.items():
            said = await said_to(place, fields, body)
            assert (said.startswith(b"HTTP/1.1 400"), said.count(b"HTTP/1.1")) == (True, 1), what
