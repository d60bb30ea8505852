"""Tells the admins that a list of hosts refuses a host that Slack or Smile ID has named."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.hosts import HostKind
from bot.domain.outbox import AdminAlert
from bot.network.hosts import HostGate
from bot.outbox import alerts
from storage.engine.database import Transaction


@dataclass(slots=True, kw_only=True, eq=False)
class HostAlerts(Process):
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    """Runs what nobody waits for: whatever was refused is tried again, and refused again, after a kill too."""

    def hear(self, gates: Iterable[HostGate]) -> None:
        """From now on each refusal of theirs is told."""
        for gate in gates:
            gate.on_refused = self.refused

    def refused(self, kind: HostKind, host: str) -> None:
        """At most one alert an hour for each setting."""
        self.spawn(self._alert(kind, host))

    async def _alert(self, kind: HostKind, host: str) -> None:
        admins = self.access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            facts = {"setting": kind.value, "host": host}
            alerts.alert(tx, f"host:{kind}", AdminAlert.HOST_REFUSED, recipients=admins, now=now, **facts)

        await self.database.write(commit, self.now())
