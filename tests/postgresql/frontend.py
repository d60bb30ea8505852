"""What a client of PostgreSQL's says on the wire: its messages, and where among them a transaction is committed.

Of protocol 3.0 (postgresql.org/docs/15/protocol-message-formats.html, read 2026-11). Behind TLS nothing can be read.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_TLS_OR_GSS = frozenset({80877103, 80877104})
_STARTUP = 196608
_COMMIT = re.compile(rb"\s*COMMIT\b", re.IGNORECASE)
_ENDS = re.compile(rb"\s*(COMMIT|END|ROLLBACK(?!\s+TO)|ABORT)\b", re.IGNORECASE)
_WRITES = re.compile(rb"\b(INSERT INTO|UPDATE|DELETE FROM|FOR UPDATE|CREATE|ALTER|DROP|COPY|TRUNCATE)\b")


@dataclass(slots=True)
class Frontend:
    """Cuts one client's bytes into messages, however they arrive."""

    parameters: dict[str, str] = field(default_factory=dict)
    """What it introduced itself with: `user`, `database`, `application_name`."""
    _rest: bytes = b""
    _is_known: bool = False
    """It has introduced itself: from now on each message begins with its kind."""
    _statements: dict[bytes, bytes] = field(default_factory=dict)
    """The prepared ones, by name."""
    _writes: bool = False

    def messages(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Each whole message, and whether with it begins the commit of a transaction that has written."""
        self._rest += data
        while (message := self._next()) is not None:
            yield message, self._is_known and self._commits(message)

    def _next(self) -> bytes | None:
        head = 1 if self._is_known else 0
        if len(self._rest) < head + 4:
            return None
        (length,) = struct.unpack_from("!i", self._rest, head)
        if len(self._rest) < head + length:
            return None
        message, self._rest = self._rest[: head + length], self._rest[head + length :]
        if not self._is_known:
            self._introduce(message)
        return message

    def _introduce(self, message: bytes) -> None:
        (code,) = struct.unpack_from("!i", message, 4)
        if code == _STARTUP:
            self._is_known = True
            words = message[8:].rstrip(b"\0").decode().split("\0")
            self.parameters.update(zip(words[::2], words[1::2], strict=True))
        # Else it asks for TLS, is refused, and introduces itself in clear; or it asks for a cancellation, and goes.

    def _commits(self, message: bytes) -> bool:
        statement = self._statement(message)
        if statement is None:
            return False
        commits = self._writes and _COMMIT.match(statement) is not None
        self._writes = _ENDS.match(statement) is None and (self._writes or _WRITES.search(statement) is not None)
        return commits

    def _statement(self, message: bytes) -> bytes | None:
        """What a message has run, or is about to; None for those that run nothing."""
        body = message[5:]
        match message[:1]:
            case b"Q":
                return body.rstrip(b"\0")
            case b"P":
                name, statement, _ = body.split(b"\0", 2)
                self._statements[name] = statement
                # Named ones run when they are bound, the unnamed one in the same breath.
                return statement if not name else None
            case b"B":
                _portal, name, _ = body.split(b"\0", 2)
                return self._statements.get(name) if name else None
            case _:
                return None
