"""Smile ID and its storage over TLS, in a process of its own: answers each request after a while, and checks nothing.

`python -m tests.benchmarks.smile_id_peer PEM MILLISECONDS` prints its port and serves until its input ends.
"""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from tests.outside import PrivateAuthority

_HEAD_BYTES = 64 * 1024


class _Peer:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.prepared = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
                await _discard(reader, int(lengths[0].partition(b":")[2]) if lengths else 0)
                await asyncio.sleep(self._seconds)
                body = self.prepared if lines[0].startswith(b"POST /v1/upload ") else b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, OSError):
            # The other side has closed its connection, as it may.
            writer.close()


async def _discard(reader: asyncio.StreamReader, length: int) -> None:
    while length:
        length -= len(await reader.read(min(length, 1 << 20)))


async def _run(pem: str, milliseconds: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    peer = _Peer(int(milliseconds) / 1000)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=context, limit=_HEAD_BYTES, backlog=512)
    port = server.sockets[0].getsockname()[1]
    answer = {
        "upload_url": f"https://127.0.0.1:{port}/videos/selfie.zip?Signature=x",
        "ref_id": "0421-0000000583-x",
        "smile_job_id": "0000000583",
        "camera_config": None,
        "code": "2202",
    }
    peer.prepared = json.dumps(answer).encode()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def smile_id_peer(folder: Path, *, milliseconds: int) -> Iterator[tuple[str, Path]]:
    """Its address, and the certificate of whoever vouches for it."""
    authority = PrivateAuthority(folder)
    authority.serves("127.0.0.1")
    command = [sys.executable, "-m", "tests.benchmarks.smile_id_peer", str(folder / "server-1.pem"), str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"https://127.0.0.1:{process.stdout.readline().strip()}", authority.ca_file
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(_run(*sys.argv[1:]))
