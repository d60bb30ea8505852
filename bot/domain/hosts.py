"""Hosts that Slack and Smile ID name in their answers: how an address is read, and which hosts may be connected to.

An address is read strictly. What two parsers could read differently (user names, backslashes, signs of other scripts,
zone ids, a dot at the end, numbers that are not written as usual) is no address here.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address


class HostKind(StrEnum):
    """What is sent to a host that others name; each is the setting that may list those hosts."""

    UPLOADS = "KYC_UPLOAD_HOSTS"
    """Smile ID says where the photos of a job go."""
    RESPONSES = "KYC_RESPONSE_HOSTS"
    """Slack says where an answer to a command or a click goes."""
    FILES = "KYC_SLACK_FILE_HOSTS"
    """Slack says where a file is fetched from with the bot token, and where an export is sent."""


_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_URL = re.compile(r"(?P<scheme>[a-z]{2,5})://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
_LABELS = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f]")
_ENTRY = re.compile(r"(?P<any>\*\.)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
_RESERVED = (".localhost", ".local", ".internal", ".home.arpa")
"""Names of the network that asks (RFC 6761, 6762, 8375; ICANN reserved `.internal` in 2024)."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an address leads: `host` is a name in lower case, or an IP address as it is usually written."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_name(self) -> bool:
        return _address(self.host) is None

    @property
    def is_loopback(self) -> bool:
        address = _address(self.host)
        return self.host == "localhost" if address is None else address.is_loopback

    @property
    def may_be_public(self) -> bool:
        """As far as the text tells: of a name, its addresses tell the rest."""
        if not self.is_name:
            return is_public(self.host)
        return "." in self.host and not self.host.endswith(_RESERVED)


def read_url(url: str) -> Destination | None:
    """Where an address leads; None for what is no plain http, https, ws or wss address."""
    found = _URL.match(url)
    if found is None or _NOT_IN_A_URL.search(url) or url[found.end() : found.end() + 1] not in ("", "/", "?", "#"):
        return None
    scheme, host, port = found["scheme"], _host(found["host"]), found["port"]
    if scheme not in _DEFAULT_PORTS or host is None:
        return None
    number = _DEFAULT_PORTS[scheme] if port is None else int(port)
    return Destination(scheme, host, number) if 0 < number < 65536 else None


def _host(text: str) -> str | None:
    if text.startswith("["):
        address = _address(text[1:-1])
        return str(address) if isinstance(address, IPv6Address) else None
    host = text.lower()
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # As browsers read it (WHATWG URL, "ends in a number"): never a name, and 127.1 or 0x7f.1 is no usual address.
        address = _address(host)
        return host if isinstance(address, IPv4Address) else None
    return host if len(host) <= 253 and _LABELS.fullmatch(host) else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address can be one of the internet; what carries an IPv4 address inside is judged by that."""
    found = _address(address)
    if found is None:
        return False
    if isinstance(found, IPv6Address):
        if found.scope_id is not None or found.is_site_local or found in _LOCAL_NAT64:
            return False
        if (inner := _carried(found)) is not None:
            return is_public(str(inner))
    # Python calls multicast global, and 192.88.99.0/24 (relays of 6to4) leads wherever the network likes.
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is reached by an IPv6 address: mapped, compatible, NAT64, 6to4."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def is_entry(entry: str) -> bool:
    """Whether an entry of a list has the form of a host: `name`, `*.domain.tld` or an address, perhaps with `:port`."""
    found = _ENTRY.fullmatch(entry)
    if found is None or (found["port"] and not 0 < int(found["port"]) < 65536):
        return False
    host = _host(found["host"])
    if host is None or found["any"] is None:
        return host is not None
    # `*.com` would be nearly everybody, and an address has no names below it.
    return "." in host and _address(host) is None


def covers(entries: Iterable[str], where: Destination) -> bool:
    """Whether a list names this host: `*.` stands for all names below, never for the domain itself.

    An entry without a port means port 443.
    """
    return any(_covers(entry, where) for entry in entries)


def _covers(entry: str, where: Destination) -> bool:
    found = _ENTRY.fullmatch(entry)
    if found is None or int(found["port"] or 443) != where.port:
        return False
    host = _host(found["host"])
    return host is not None and (where.host.endswith(f".{host}") if found["any"] else where.host == host)
