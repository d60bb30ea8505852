"""What operators watch: the bot's health, and figures in Prometheus' text form, whose names are a contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.domain.check.states import State
from bot.domain.installation import ForeignPart
from storage import checks, leases
from storage.engine.database import Transaction

_SMILE_ID_IS_THERE = frozenset({"ok", "refused", "expired"})
_SLACK_IS_CLOSED = frozenset({"failed", "invalid_auth", "not_authed", "token_revoked", "token_expired"})


@dataclass(slots=True, kw_only=True)
class Health:
    """What `/readyz` reports: whether the bot can take requests, and what is wrong outside meanwhile."""

    started: bool = False
    stopping: bool = False
    degraded: dict[str, str] = field(default_factory=dict)
    """What is wrong outside, in few words: none of it keeps the bot from taking requests."""

    def note(self, what: str, fault: str | None) -> None:
        """Keep the fault of one thing; None: there is none."""
        if fault is None:
            self.degraded.pop(what, None)
        else:
            self.degraded[what] = fault


class Gauges(NamedTuple):
    """What the database knows: read when somebody asks for the metrics."""

    checks: Mapping[str, int]
    """By state."""
    oldest_due: Mapping[str, timedelta]
    """How long the oldest due row waits, by queue."""
    outbox_lag: timedelta


def read_gauges(tx: Transaction, now: datetime) -> Gauges:
    queues = ("submission", "results", "homes", "inbox")
    oldest = {queue: leases.oldest_due(tx, queue, now=now) for queue in queues}
    return Gauges(checks.count_by_state(tx), oldest, leases.oldest_due(tx, "outbox", now=now))


class Metrics:
    """Counters that run with the process, and gauges that are read from the database when asked."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._registry = CollectorRegistry()
        gauge = partial(Gauge, registry=self._registry)
        counter = partial(Counter, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        self._checks = gauge("kyc_checks", "Checks by state", ["state"])
        self._oldest_due = gauge("kyc_oldest_due_seconds", "How long the oldest due row waits", ["kind"])
        self._outbox_lag = gauge("kyc_outbox_lag_seconds", "How long the oldest due post waits")
        self._callbacks = counter("kyc_callbacks", "Callbacks by fate", ["fate"])
        self._slack = counter("kyc_slack_requests", "Calls to Slack", ["method", "result"])
        self._smile_id = counter("kyc_smile_id_requests", "Calls to Smile ID", ["call", "result"])
        self._steps = counter("kyc_clock_steps", "How often the machine's clock was set", ["direction"])
        self._foreign = counter("kyc_foreign_requests", "Requests of another workspace or app", ["named"])
        self._ticks = histogram(
            "kyc_tick_lag_seconds", "How late the clock's ticks came", buckets=(0.1, 0.5, 1, 5, 10, 60)
        )
        self._commits = histogram(
            "kyc_commit_group_size", "Functions committed together", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
        )
        for part in ForeignPart:
            # Shown from the start, so that the first one counts as an increase.
            self._foreign.labels(part.value)

    def callback(self, fate: str) -> None:
        self._callbacks.labels(fate).inc()

    def slack(self, method: str, result: str) -> None:
        self._slack.labels(method, result).inc()
        self._health.note("slack", result if result in _SLACK_IS_CLOSED else None)

    def smile_id(self, call: str, result: str) -> None:
        self._smile_id.labels(call, result).inc()
        self._health.note("smile_id", None if result in _SMILE_ID_IS_THERE else result)

    def foreign(self, named: ForeignPart) -> None:
        """A request was refused because the team, enterprise or app that it names is not ours."""
        self._foreign.labels(named.value).inc()

    def commit(self, functions: int, _seconds: float) -> None:
        self._commits.observe(functions)

    def tick(self, lag_seconds: float) -> None:
        self._ticks.observe(lag_seconds)

    def clock_step(self, step: timedelta) -> None:
        self._steps.labels("forth" if step > timedelta(0) else "back").inc()

    def render(self, gauges: Gauges) -> bytes:
        for state in State:
            self._checks.labels(state.value).set(gauges.checks.get(state.value, 0))
        for kind, wait in gauges.oldest_due.items():
            self._oldest_due.labels(kind).set(wait.total_seconds())
        self._outbox_lag.set(gauges.outbox_lag.total_seconds())
        return generate_latest(self._registry)
