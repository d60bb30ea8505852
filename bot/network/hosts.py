"""Whether something may be sent to a host that Slack or Smile ID has named; what the bot does for those it refuses."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot.domain.hosts import Destination, HostKind, covers, read_url

log = structlog.get_logger(__name__)

MOST_KNOWN = 1000
"""Hosts that are remembered as told of; a bucket per day would not reach it in years."""


@dataclass(slots=True, kw_only=True, eq=False)
class HostGate:
    """Decides by the name alone; `bot.network.direct` sees to the addresses behind it."""

    kind: HostKind
    listed: tuple[str, ...] = ()
    """What the setting of this kind lists; empty: it is not set."""
    usual: frozenset[str] | None = None
    """`host` or `host:port`: the only ones without a list; None: every public host."""
    is_local: bool = False
    """The other side itself is on this machine, as in tests and the demo, and may name it."""
    on_refused: Callable[[HostKind, str], None] = lambda _kind, _host: None
    """Gets the setting and the host of everything that a list refuses."""
    _known: set[str] = field(default_factory=set, init=False)

    def admits(self, url: str) -> bool:
        """Whether to connect; a new host is logged once, and so is each refusal by a list, without the rest of it."""
        where = read_url(url)
        if where is None or not self._is_possible(where):
            return False
        if self.listed and not covers(self.listed, where):
            log.warning("host.refused", setting=self.kind.value, host=where.host)
            self.on_refused(self.kind, where.host)
            return False
        if where.netloc not in self._known and len(self._known) < MOST_KNOWN:
            self._known.add(where.netloc)
            log.info("host.new", setting=self.kind.value, host=where.netloc)
        return True

    def is_usual(self, url: str) -> bool:
        """Slack's own host that the list leaves out: the operator's to mend, and nobody else's."""
        where = read_url(url)
        return where is not None and bool(self.listed) and self._is_possible(where) and self._is_among_usual(where)

    def _is_among_usual(self, where: Destination) -> bool:
        return self.usual is not None and not self.usual.isdisjoint({where.netloc, f"{where.host}:{where.port}"})

    def _is_possible(self, where: Destination) -> bool:
        """Encrypted and to the outside, or to this machine where the other side is on it too."""
        if where.is_loopback:
            is_theirs = bool(self.listed) or self.usual is None or self._is_among_usual(where)
            return self.is_local and is_theirs and where.scheme in ("http", "https")
        if where.scheme != "https":
            return False
        if self.listed:
            # The list decides about names. An address has to be public whatever it says.
            return where.is_name or where.may_be_public
        return where.may_be_public if self.usual is None else self._is_among_usual(where)
