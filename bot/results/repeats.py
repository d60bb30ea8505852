"""Callbacks that were kept a moment ago, so that a repeat is answered without being read or looked up.

In memory, since a repeat that is not known here is only slower: the receipt itself is what makes it one. Nothing is
known of a callback before its receipt is stored.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

REMEMBERED_FOR = timedelta(minutes=15)
"""Smile ID repeats within minutes; and for no longer is anything known of a job whose record was erased since."""
JOBS = 1024
"""As many jobs are remembered, those with the latest callbacks."""
DELIVERIES = 8
"""Of one job. One that is signed anew is another delivery of the same message."""
MESSAGES = 64
"""Of one job; more are never kept of it."""


@dataclass(slots=True, eq=False)
class KnownJob:
    """What was kept of one job, by keyed prints: whoever reads the memory learns no message by guessing."""

    since: datetime
    _key: bytes = field(repr=False)
    _deliveries: OrderedDict[bytes, Sequence[datetime]] = field(init=False, default_factory=OrderedDict)
    _messages: OrderedDict[bytes, None] = field(init=False, default_factory=OrderedDict)

    def signed_at(self, signature: str, raw: bytes) -> Sequence[datetime]:
        """The times of the signatures of this very delivery; none if it is not known."""
        return self._deliveries.get(self._print(signature, raw), ())

    def holds(self, digest: str) -> bool:
        """Whether the message was kept, however it was signed."""
        return self._print(digest, b"") in self._messages

    def keep(self, signature: str, raw: bytes, signed_at: Sequence[datetime], digest: str) -> None:
        """Its message, of this digest, is stored."""
        self._deliveries[self._print(signature, raw)] = tuple(signed_at)
        self._messages[self._print(digest, b"")] = None
        while len(self._deliveries) > DELIVERIES:
            self._deliveries.popitem(last=False)
        while len(self._messages) > MESSAGES:
            self._messages.popitem(last=False)

    def _print(self, text: str, raw: bytes) -> bytes:
        beginning = text.encode(errors="surrogatepass")
        said = b"%d:%b%b" % (len(beginning), beginning, raw)
        # Not `hmac.digest`, which lets go of Python's lock for the shortest message, and waits to have it again.
        return hmac.new(self._key, said, "sha256").digest()


class Repeats:
    """The jobs with the latest callbacks, by the token of their address."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._jobs: OrderedDict[str, KnownJob] = OrderedDict()

    def find(self, token: str, *, now: datetime) -> KnownJob | None:
        """None also once it is too long ago, or lies ahead because the clock was set back."""
        known = self._jobs.get(token)
        if known is None or not timedelta(0) <= now - known.since <= REMEMBERED_FOR:
            return None
        return known

    def of(self, token: str, *, now: datetime) -> KnownJob:
        """The same, for a job of which a callback has just been stored."""
        known = self.find(token, now=now) or KnownJob(now, self._key)
        self._jobs[token] = known
        self._jobs.move_to_end(token)
        while len(self._jobs) > JOBS:
            self._jobs.popitem(last=False)
        return known
