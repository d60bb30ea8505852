"""What stands between a bank's machine and the internet: a CONNECT proxy, and a private authority's certificates."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class PrivateAuthority:
    """An authority that no machine trusts by itself; its certificate is `ca_file`."""

    def __init__(self, folder: Path, *, lasts: timedelta = timedelta(days=1)) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invented Bank Root")])
        self._lasts = lasts
        self._made = 0
        self.ca_file = folder / "invented-bank.pem"
        certificate = self._certificate(self._name, self._key, is_authority=True)
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.der = certificate.public_bytes(serialization.Encoding.DER)

    def serves(self, *names: str) -> ssl.SSLContext:
        """The context of a server with these names, or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._certificate(subject, key, names=names)
        self._made += 1
        pem = self._folder / f"server-{self._made}.pem"
        pem.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        names: tuple[str, ...] = (),
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        begins = min(now, now + self._lasts) - timedelta(days=1)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(now + self._lasts)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            # From Python 3.13 on a certificate is refused that does not say whose key it has, and whose signed it.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if is_authority:
            built = built.add_extension(_SIGNS_CERTIFICATES, critical=True)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), False)
        return built.sign(self._key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class ConnectProxy:
    """A forward proxy that knows the world by `hosts` (name to a port of the loopback), and nothing else.

    With `credentials` (`user:password`) it answers 407 without them. `refuses`, `hang` and `die` take it away,
    `recover` brings it back.
    """

    def __init__(self, hosts: dict[str, int], *, credentials: str | None = None, host: str = "127.0.0.1") -> None:
        self._hosts = hosts
        self._host = host
        self._wanted = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()
        self.refuses: int | None = None
        """The status that everybody gets."""
        self.asked: list[str] = []
        """Every `host:port` that somebody asked to be connected to."""
        self._connected: set[asyncio.StreamWriter] = set()
        self._is_hanging = self._is_dead = False

    def hang(self) -> None:
        """Takes connections, and never answers a CONNECT."""
        self._is_hanging = True

    def die(self) -> None:
        """Cuts every connection, and each new one at once."""
        self._is_dead = True
        for writer in self._connected:
            writer.transport.abort()

    def recover(self) -> None:
        self._is_hanging = self._is_dead = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_dead:
            writer.transport.abort()
            return
        self._connected.add(writer)
        try:
            await self._connect(reader, writer)
        finally:
            self._connected.discard(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _version = head.split("\r\n", 1)[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        given = next((value for name, value in headers.items() if name.lower() == "proxy-authorization"), None)
        self.asked.append(target)
        if self._is_hanging:
            await reader.read()
            return
        host = target.rpartition(":")[0]
        status = self.refuses or (407 if self._wanted and given != self._wanted else None)
        if method != "CONNECT" or host not in self._hosts:
            status = status or 502
        if status:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await forward(self._hosts[host], host=self._host)(reader, writer)


def forward(port: int, *, host: str = "127.0.0.1") -> Served:
    """Hands on to a port of the loopback, both ways, until one side ends."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(host, port)
        try:
            ways = [_pipe(reader, inner_writer), _pipe(inner_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            inner_writer.close()

    return handle


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def listening(
    handle: Served, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serves raw connections on a free port of the loopback."""

    tasks: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            # Whoever leaves in the middle is nobody's fault.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handle(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(served, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
