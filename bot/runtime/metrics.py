"""Figures for operators, in Prometheus' text form; names are a contract with those who watch them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.domain.check.states import State
from bot.domain.installation import ForeignPart
from storage import checks, leases
from storage.engine.database import Transaction


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

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._checks = Gauge("kyc_checks", "Checks by state", ["state"], registry=registry)
        self._oldest_due = Gauge(
            "kyc_oldest_due_seconds", "How long the oldest due row waits", ["kind"], registry=registry
        )
        self._outbox_lag = Gauge("kyc_outbox_lag_seconds", "How long the oldest due post waits", registry=registry)
        self._callbacks = Counter("kyc_callbacks", "Callbacks by fate", ["fate"], registry=registry)
        self._slack = Counter("kyc_slack_requests", "Calls to Slack", ["method", "result"], registry=registry)
        self._smile_id = Counter("kyc_smile_id_requests", "Calls to Smile ID", ["call", "result"], registry=registry)
        self._steps = Counter(
            "kyc_clock_steps", "How often the machine's clock was set", ["direction"], registry=registry
        )
        self._foreign = Counter(
            "kyc_foreign_requests", "Requests of another workspace or app", ["named"], registry=registry
        )
        self._ticks = Histogram(
            "kyc_tick_lag_seconds",
            "How late the clock's ticks came",
            buckets=(0.1, 0.5, 1, 5, 10, 60),
            registry=registry,
        )
        self._commits = Histogram(
            "kyc_commit_group_size",
            "Functions committed together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        for part in ForeignPart:
            # Shown from the start, so that the first one counts as an increase.
            self._foreign.labels(part.value)

    def callback(self, fate: str) -> None:
        self._callbacks.labels(fate).inc()

    def slack(self, method: str, result: str) -> None:
        self._slack.labels(method, result).inc()

    def smile_id(self, call: str, result: str) -> None:
        self._smile_id.labels(call, result).inc()

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
