"""The proxies of `deploy/`, started as written but for names and ports: what they pass on, and what they log."""

import asyncio
import datetime
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.sandbox.demo import free_port
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.installation, pytest.mark.slow]

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "unguessable-token-of-one-job"
CALLBACK = f"/smile-id/callback/{TOKEN}"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def needs(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def certificate(folder: Path) -> Path:
    """Self-signed, key and all in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kyc.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "kyc.example.com.pem"
    unencrypted = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, form, unencrypted))
    return path


class Upstream:
    """Stands where the bot would, and keeps the request lines."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: list[str] = []
        self.body_bytes = 0
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._answer, "127.0.0.1", self.port):
            try:
                yield
            finally:
                for writer in self._writers:
                    writer.close()
                    with suppress(ConnectionError):
                        await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        # A proxy breaks off what is too large for it.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.lines.append(head.split(" HTTP/", 1)[0])
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            self.body_bytes += len(await reader.readexactly(int(length[1]))) if length else 0
            writer.write(ANSWER)
            await writer.drain()
        writer.close()


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder, env={"HOME": str(folder)})
    try:
        yield
    finally:
        process.terminate()
        process.wait(GIVE_UP_SECONDS)


def logged(folder: Path) -> str:
    """All that was written into any log."""
    return "".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.log"))


async def through(port: int, upstream: Upstream, folder: Path) -> None:
    """A callback while the bot is away, then callbacks and strangers while it is there."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    base, host = f"https://127.0.0.1:{port}", {"Host": "kyc.example.com"}
    async with httpx.AsyncClient(
        base_url=base, headers=host, verify=trusting, timeout=GIVE_UP_SECONDS, trust_env=False
    ) as http:

        async def post(path: str, content: bytes = b"{}") -> int:
            request = http.build_request("POST", path, content=content, extensions={"sni_hostname": "kyc.example.com"})
            answered = await http.send(request)
            # Also to strangers, and while the bot is away.
            assert answered.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            return answered.status_code

        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                try:
                    assert await post(CALLBACK) in (502, 503)
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.1)
        async with upstream.listening():
            assert await post(CALLBACK) == 200
            assert await post(f"{CALLBACK}?again=1") == 200
            assert await post("/slack/events") == 200
            assert await post(CALLBACK, b"x" * 4 * 1024 * 1024) == 200
            for page in ("/c", "/c/open", "/c/style.css"):
                assert await post(page) == 200
            assert await post("/c/photos", b"x" * 12 * 1024 * 1024) == 200
            for stranger in ("/healthz", "/metrics", "/readyz", "/", "/smile-id/other", "/cc"):
                assert await post(stranger) == 404
            assert await post(CALLBACK, b"x" * 6 * 1024 * 1024) in (413, 502)
            assert await post("/c/photos", b"x" * 14 * 1024 * 1024) in (413, 502)
    assert upstream.lines[:3] == [
        f"POST {CALLBACK}",
        f"POST {CALLBACK}?again=1",
        "POST /slack/events",
    ]
    assert upstream.body_bytes > (4 + 12) * 1024 * 1024


def assert_the_token_is_in_no_log(folder: Path) -> None:
    said = logged(folder)
    assert TOKEN not in said
    assert said.count("/smile-id/callback/-") >= 4


def rewritten(original: str, *changes: tuple[str, str]) -> str:
    """With the names and ports of this test; a change that finds nothing to change fails."""
    for written, here in changes:
        assert written in original
        original = original.replace(written, here)
    return original


def accepted(*command: str) -> None:
    """The program's own look at its configuration."""
    tested = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": "/nonexistent"})
    assert tested.returncode == 0, tested.stderr


def files_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


async def test_nginx_passes_callbacks_on_and_logs_no_token(tmp_path: Path) -> None:
    nginx, port, upstream = needs("nginx"), free_port(), Upstream(free_port())
    pem = str(certificate(tmp_path))
    site = rewritten(
        (DEPLOY / "nginx.conf").read_text(encoding="utf-8"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("127.0.0.1:3000", f"127.0.0.1:{upstream.port}"),
        ("/etc/ssl/kyc.example.com.pem", pem),
        ("/etc/ssl/kyc.example.com.key", pem),
        ("/var/log/nginx", str(tmp_path)),
    )
    # Debian's own nginx.conf includes the file as this one does.
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    whole = (
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/main.log;\nevents {{}}\nhttp {{ {temporary}\n{site} }}"
    )
    if os.geteuid() == 0:
        whole = f"user root;\n{whole}"  # its own user could not reach this folder
    (tmp_path / "whole.conf").write_text(whole, encoding="utf-8")
    command = [nginx, "-p", str(tmp_path), "-e", str(tmp_path / "early.log"), "-c", str(tmp_path / "whole.conf")]
    accepted(*command, "-t")
    with running(command, tmp_path):
        await through(port, upstream, tmp_path)
    assert_the_token_is_in_no_log(tmp_path)
    assert files_in(tmp_path / "client_body") == []


async def test_caddy_passes_callbacks_on_and_logs_no_token(tmp_path: Path) -> None:
    caddy, port, upstream = needs("caddy"), free_port(), Upstream(free_port())
    original = DEPLOY / "Caddyfile"
    accepted(caddy, "validate", "--adapter", "caddyfile", "--config", str(original))
    pem = certificate(tmp_path)
    site = rewritten(
        original.read_text(encoding="utf-8"),
        ("auto_https disable_redirects", f"admin off\n\tauto_https off\n\tstorage file_system {tmp_path}/kept"),
        ("\nkyc.example.com {\n", f"\nhttps://kyc.example.com:{port} {{\n\tbind 127.0.0.1\n\ttls {pem} {pem}\n"),
        ("127.0.0.1:3000", f"127.0.0.1:{upstream.port}"),
        ("/var/log/caddy", str(tmp_path)),
    )
    (tmp_path / "Caddyfile").write_text(site, encoding="utf-8")
    with running([caddy, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"], tmp_path):
        await through(port, upstream, tmp_path)
    assert_the_token_is_in_no_log(tmp_path)
