"""Requests as strangers, scanners and broken senders make them: each one of a number, the same every time."""

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "BREW",
    "post",
    "",
)
ENDINGS = (
    "",
    "",
    "",
    "/",
    "//",
    "%00",
    "%2e%2e/",
    "/../..",
    "%F0%9F%98%80",
    "%ff",
    ";a=b",
    "?",
    "?a=%",
    "?ssl_check=2",
    "\\",
    " ",
    "\t",
)
TEXTS = (
    "",
    "\x00",
    "-1",
    "1e999",
    "NaN",
    "9" * 400,
    "\u0661\u0662\u0663",
    "null",
    "a" * 9_000,
    "<!channel>",
    "' OR 1=1 --",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "\ud800",
    "=1+1",
    "\U0001f600",
)
"""Values that something somewhere once stumbled over."""
SCALARS: Sequence[Any] = (*TEXTS, None, True, False, 0, -1, 10**30, 1.5, [], {}, [[]], {"": ""}, ["x"] * 50)
FIELDS = (
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "Content-Length",
    "Expect",
    "Upgrade",
    "Connection",
    "Host",
    "Cookie",
    "Accept",
    "X-Forwarded-For",
    "X-Slack-Request-Timestamp",
    "X-Slack-Signature",
    "X-Slack-Retry-Num",
    "Response-Timestamp",
    "Response-Signature",
    "Range",
    "If-Modified-Since",
)
VALUES = (
    *(text for text in TEXTS if text.isascii() and text.isprintable()),
    "chunked",
    "gzip",
    "identity, chunked",
    "100-continue",
    "websocket",
    "h2c",
    "upgrade",
    "close, upgrade",
    "application/json; charset=utf-7",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x",
    "text/\xff",
    "v0=" + "0" * 64,
    "evil.example",
    "[::",
    "127.0.0.1, 198.51.100.7, nonsense",
)

Sign = Callable[[bytes], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One request in bytes, as it goes over a connection."""

    sent: bytes = field(repr=False)
    is_whole: bool
    """The server has all of it: an answer comes, and then the connection ends."""


def one_of(rng: random.Random, samples: Sequence[Any], *, path: str, sign: Sign | None = None) -> Bad:
    """A bad request for `path`, made of these samples of good content; some of them are signed by `sign`."""
    kind = rng.random()
    if kind < 0.05:
        return Bad(sent=rng.randbytes(rng.randrange(1, 2_000)), is_whole=False)
    body = _body(rng, samples)
    signed = dict(sign(body)) if sign is not None and rng.random() < 0.5 else {}
    if kind < 0.5:
        # Good HTTP with bad content, so that it comes as far as it can.
        head = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body))}
        head["Content-Type"] = "application/json" if body[:1] in b"{[" else "application/x-www-form-urlencoded"
        return Bad(sent=_written("POST", path, [*head.items(), *signed.items()]) + body, is_whole=True)
    method = rng.choice(METHODS) if rng.random() < 0.5 else "POST"
    place = path if rng.random() < 0.5 else _spoiled(rng, path)
    fields = [("Host", "localhost"), ("Content-Length", str(len(body))), *signed.items()]
    for _ in range(rng.randrange(4)):
        fields.insert(rng.randrange(len(fields) + 1), (rng.choice(FIELDS), rng.choice(VALUES)))
    sent = _written(method, place, fields) + (_chunked(rng, body) if rng.random() < 0.2 else body)
    if kind > 0.8:
        sent = _damaged(rng, sent)
    return Bad(sent=sent, is_whole=False)


def spoiled(rng: random.Random, value: Any, odds: float = 0.15) -> Any:
    """A JSON value of the same shape, with some of its parts gone, doubled or replaced by what does not belong."""
    if rng.random() < odds:
        return rng.choice(SCALARS)
    if isinstance(value, dict):
        kept = {key: spoiled(rng, inner, odds) for key, inner in value.items() if rng.random() > odds / 3}
        return kept | ({rng.choice(TEXTS): rng.choice(SCALARS)} if rng.random() < odds else {})
    if isinstance(value, list):
        return [spoiled(rng, inner, odds) for inner in value for _ in range(rng.choice((1, 1, 1, 1, 0, 2)))]
    return value


def _body(rng: random.Random, samples: Sequence[Any]) -> bytes:
    value = spoiled(rng, rng.choice(samples), rng.choice((0.02, 0.05, 0.15)))
    match rng.randrange(12):
        case 0:
            return rng.randbytes(rng.randrange(3_000))
        case 1:
            return gzip.compress(json.dumps(value).encode(), mtime=0)
        case 2:
            depth = rng.choice((10, 70, 970, 50_000))
            return b'{"a":' * depth + b"1" + b"}" * depth
        case 3:
            return b"x" * rng.choice((0, 1, 70_000, 1_100_000, 4_300_000))
        case 4:
            text = json.dumps(value).encode()
            return text[: rng.randrange(len(text) + 1)]
        case 5:
            return urlencode({rng.choice(TEXTS[:13]): rng.choice(TEXTS[:13]), "payload": json.dumps(value)}).encode()
        case 6:
            return json.dumps(value).replace('": ', '": "\\ud800", "x": ', 1).replace("0", "NaN", 1).encode()
        case 7 | 8 if isinstance(value, dict):
            # As Slack sends a command; and its interactions, in one field.
            flat = {str(key): str(inner) for key, inner in value.items()}
            return urlencode(flat, errors="replace").encode()
        case 9:
            return urlencode({"payload": json.dumps(value)}).encode()
        case _:
            return json.dumps(value).encode()


def _written(method: str, path: str, fields: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", errors="replace")


def _spoiled(rng: random.Random, path: str) -> str:
    match rng.randrange(5):
        case 0:
            return path + "/" + quote(rng.choice(TEXTS), errors="replace")
        case 1:
            return "http://evil.example" + path
        case 2:
            return path + "?" + "a=1&" * rng.choice((1, 100, 9_000))
        case 3:
            return rng.choice(("*", "/", "", "//", "/.git/config", "/docs", "/openapi.json", "/admin", path.upper()))
        case _:
            return path + rng.choice(ENDINGS)


def _chunked(rng: random.Random, body: bytes) -> bytes:
    size = rng.choice((b"%x" % len(body), b"0", b"-1", b"ffffffffffffffff", b"5;" + b"e" * 40_000, b"g", b""))
    return size + b"\r\n" + body + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"


def _damaged(rng: random.Random, sent: bytes) -> bytes:
    place = rng.randrange(len(sent))
    match rng.randrange(4):
        case 0:
            return sent[:place]
        case 1:
            return sent[:place] + rng.randbytes(rng.randrange(1, 40)) + sent[place:]
        case 2:
            return sent.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\n ", b"\x00\r\n")), rng.randrange(1, 4))
        case _:
            return sent * 3
