"""Callers in a process of their own, so that their own work is not counted as the server's."""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

LONGEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Answers:
    """What callers heard, in seconds."""

    statuses: frozenset[int]
    elapsed: float
    latencies: Sequence[float]
    """Of each request, from its first byte out to its last byte in."""


@dataclass(frozen=True, slots=True)
class Callers:
    _pool: ProcessPoolExecutor

    async def call(self, port: int, requests: Sequence[bytes], *, at_once: int) -> Answers:
        """Send each of these HTTP/1.1 requests once, over `at_once` connections that are kept."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _call, port, requests, at_once)


@asynccontextmanager
async def callers() -> AsyncIterator[Callers]:
    # Not forked: a copy of this process would hold its sockets and its database.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Callers(pool)


def posted(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _call(port: int, requests: Sequence[bytes], at_once: int) -> Answers:
    return asyncio.run(asyncio.wait_for(_call_all(port, requests, at_once), LONGEST_SECONDS))


async def _call_all(port: int, requests: Sequence[bytes], at_once: int) -> Answers:
    waiting = iter(requests)
    statuses, latencies = set[int](), list[float]()

    async def one_caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            sent = time.perf_counter()
            writer.write(request)
            statuses.add(await _answer(reader))
            latencies.append(time.perf_counter() - sent)
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_caller())
    return Answers(frozenset(statuses), time.perf_counter() - began, latencies)


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer, read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, after = head.lower().partition(b"content-length:")
    await reader.readexactly(int(after.partition(b"\r\n")[0]))
    return int(head[9:12])
