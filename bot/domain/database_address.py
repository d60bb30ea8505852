"""Where a database on a PostgreSQL server is: libpq's URI, as far as the bot takes it.

    postgresql://user@host1,host2:5433/name?sslrootcert=/etc/kyc-bot/postgresql-ca.pem&connect_timeout=5

A password never stands in it: it would be told wherever the address is. Beyond this machine the server proves who it is
(`sslmode=verify-full`), whatever libpq would take by itself. What is wrong is said without repeating any part of the
text, since a mistyped address may hold a password anywhere.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

SCHEMES = ("postgresql://", "postgres://")
PORT = 5432
VERIFIED = "verify-full"
WRITABLE = "read-write"

_TLS = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslcrldir",
    "sslcertmode",
    "sslsni",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
_AUTHENTICATION = ("require_auth", "channel_binding", "krbsrvname", "requirepeer")
_CONNECTION = ("host", "port", "user", "target_session_attrs", "load_balance_hosts", "connect_timeout", "options")
OPTIONS = (*_CONNECTION, *_TLS, *_AUTHENTICATION)
"""Those of libpq that may be set. Not among them: what the bot sets itself, and what a secret would stand in."""

_SECRETS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"})
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", VERIFIED)
_SCHEMA = re.compile(r"\s*(?:-c\s*|--)search_path=(?:\"[^\"\\\s]+\"|[A-Za-z_][\w$]*)\s*")
_SECONDS = re.compile(r"[1-9]\d?")
_SPLIT_HOST = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_TAKE_IT_OUT = (
    "must not hold a password: take it out, and put it into KYC_DATABASE_PASSWORD or the file of "
    "KYC_DATABASE_PASSWORD_FILE, or into a password file that PGPASSFILE names"
)


@dataclass(frozen=True, slots=True)
class Host:
    """One server: a name, an address, or the folder of its socket."""

    name: str
    port: int = PORT

    @property
    def is_here(self) -> bool:
        """On this machine: nobody stands between."""
        if self.name.startswith("/") or self.name == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.name).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        name = quote(self.name, safe=":") if ":" not in self.name else f"[{self.name}]"
        return name if self.port == PORT else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAddress:
    """A database and how to reach it. As text it is the URI, without the password."""

    hosts: tuple[Host, ...]
    name: str
    user: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """As given, but for `host`, `port` and `user`."""
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None

    @property
    def is_here(self) -> bool:
        """Every server is on this machine."""
        return all(host.is_here for host in self.hosts)

    @property
    def sslmode(self) -> str:
        """As set; else what libpq prefers on this machine, and nothing but a proven server beyond it."""
        return self.options.get("sslmode") or ("prefer" if self.is_here else VERIFIED)

    @property
    def conninfo(self) -> dict[str, str]:
        """What `psycopg.connect(**…)` takes: libpq's keywords, the password among them. Never log it."""
        given = {
            "host": ",".join(host.name for host in self.hosts),
            "port": ",".join(str(host.port) for host in self.hosts),
            "dbname": self.name,
            "user": self.user,
            "password": self.password,
            "passfile": self.password_file,
        }
        return {
            "target_session_attrs": WRITABLE,
            **self.options,
            **{name: value for name, value in given.items() if value is not None},
            "sslmode": self.sslmode,
            # A ticket of Kerberos on this machine would make libpq encrypt by it, and verify no certificate.
            "gssencmode": "disable",
        }

    def __str__(self) -> str:
        folders = [host for host in self.hosts if host.name.startswith("/")]
        options = dict(self.options)
        if folders:
            # A folder between the slashes reads badly, and libpq takes it as an option too.
            options |= {"host": ",".join(host.name for host in self.hosts)}
            if any(host.port != PORT for host in self.hosts):
                options |= {"port": ",".join(str(host.port) for host in self.hosts)}
        hosts = "" if folders else ",".join(map(str, self.hosts))
        user = f"{quote(self.user, safe='')}@" if self.user is not None else ""
        said = "&".join(f"{name}={quote(value, safe='/,:')}" for name, value in options.items())
        return f"{SCHEMES[0]}{user}{hosts}/{quote(self.name, safe='')}{f'?{said}' if said else ''}"


def is_address(text: str) -> bool:
    """Whether somebody means a server by it, and not a file."""
    return text.lstrip().lower().startswith(tuple(scheme.removesuffix("//") for scheme in SCHEMES))


def parse(text: str) -> DatabaseAddress:
    """Read a URI. ValueError in words that follow the name of a setting, and hold no part of the text."""
    text = text.strip()
    scheme = next((scheme for scheme in SCHEMES if text.startswith(scheme)), None)
    if scheme is None:
        raise ValueError(f"must begin with {SCHEMES[0]}, in small letters")
    authority, _, rest = text.removeprefix(scheme).partition("/")
    # Else the `/` or `?` within a password would end the hosts before their time, and the rest of it be told.
    before, at, hosts = authority.rpartition("@")
    if ":" in before:
        raise ValueError(_TAKE_IT_OUT)
    if not text.isprintable() or " " in text or "?" in authority or "#" in text or "@" in before + rest:
        raise ValueError(
            "cannot be read: special characters of a name are percent-encoded, as %40 for @, and a password does not "
            "stand in it"
        )
    if _ESCAPE.search(text):
        raise ValueError("cannot be read: a % is followed by two hexadecimal digits, and stands for itself as %25")
    name, _, query = rest.partition("?")
    options = _options(query)
    if not name or "/" in name:
        raise ValueError("must name a database behind its hosts, as postgresql://kyc@db.example.com/kyc")
    named = options.pop("host", None)
    if named is not None and hosts:
        raise ValueError("names its hosts twice: before the name of the database, and as host")
    ports = options.pop("port", None)
    user = options.pop("user", None)
    if user is not None and at:
        raise ValueError("names its user twice: before the hosts, and as user")
    address = DatabaseAddress(
        hosts=_hosts_of_option(named, ports) if named is not None else _hosts(hosts, ports),
        name=unquote(name),
        user=(unquote(before) if at else user) or None,
        options=options,
    )
    _require_proof(address)
    return address


def _options(query: str) -> dict[str, str]:
    """What stands behind `?`; an option is named in a fault only if libpq knows it."""
    found: dict[str, str] = {}
    for number, part in enumerate(query.split("&") if query else [], 1):
        name, equals, value = part.partition("=")
        name, value = unquote(name), unquote(value)
        if name in _SECRETS:
            raise ValueError(_TAKE_IT_OUT if name == "password" else f"must not hold {name}, which is a secret")
        if name not in OPTIONS or not equals:
            raise ValueError(f"has an option (number {number}) that the bot does not take; it takes {_listed(OPTIONS)}")
        if name in found:
            raise ValueError(f"has {name} twice")
        if not value:
            raise ValueError(f"has {name} without a value")
        found[name] = value
    if found.get("sslmode", VERIFIED) not in _SSL_MODES:
        raise ValueError(f"must have as sslmode one of {_listed(_SSL_MODES)}")
    if found.get("target_session_attrs", WRITABLE) not in (WRITABLE, "primary"):
        raise ValueError("must have target_session_attrs=read-write, or none: the bot writes")
    if "options" in found and not _SCHEMA.fullmatch(found["options"]):
        raise ValueError("may set by options a schema alone, as options=-csearch_path%3Dkyc")
    if "connect_timeout" in found and not _SECONDS.fullmatch(found["connect_timeout"]):
        raise ValueError("must have as connect_timeout a number of seconds, at most 99")
    return found


def _hosts(text: str, ports: str | None) -> tuple[Host, ...]:
    found: list[Host] = []
    for part in text.split(","):
        split = _SPLIT_HOST.fullmatch(part)
        if split is None:
            raise ValueError("has a host that cannot be read; an IPv6 address stands in brackets, as [::1]")
        name, port = unquote(split["name"]).removeprefix("[").removesuffix("]"), split["port"]
        if port is not None and ports is not None:
            raise ValueError("names its ports twice: behind the hosts, and as port")
        found.append(Host(_named(name), _port(port) if port is not None else PORT))
    return _with_ports(found, ports)


def _hosts_of_option(names: str, ports: str | None) -> tuple[Host, ...]:
    return _with_ports([Host(_named(name)) for name in names.split(",")], ports)


def _with_ports(hosts: list[Host], ports: str | None) -> tuple[Host, ...]:
    """One port is for all of them, as libpq has it."""
    if ports is None:
        return tuple(hosts)
    numbers = [_port(port) for port in ports.split(",")]
    if len(numbers) not in (1, len(hosts)):
        raise ValueError("must have one port for all hosts, or one for each")
    numbers = numbers * len(hosts) if len(numbers) == 1 else numbers
    return tuple(Host(host.name, number) for host, number in zip(hosts, numbers, strict=True))


def _named(name: str) -> str:
    # libpq would take a folder that was chosen when it was built, which is seldom the server's.
    if not name:
        raise ValueError("must name a host, or the folder of the server's socket, as ?host=/var/run/postgresql")
    if not name.isascii() or not name.isprintable() or set(name) & set(" ,@?&=") or ("/" in name and name[0] != "/"):
        raise ValueError("has a host that is neither a name, nor an address, nor the folder of a socket")
    return name


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16):
        raise ValueError("has a port that is no number from 1 to 65535")
    return int(text)


def _require_proof(address: DatabaseAddress) -> None:
    if address.is_here:
        return
    if address.sslmode != VERIFIED:
        raise ValueError(
            f"must have sslmode={VERIFIED}, or none, for a host that is not this machine: with anything less somebody "
            "else may answer"
        )
    if "sslrootcert" not in address.options:
        raise ValueError(
            "must say whom to trust for the server's certificate, as sslrootcert=/etc/kyc-bot/postgresql-ca.pem"
        )


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
