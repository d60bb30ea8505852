"""Figures in Prometheus' text form, whose names are a contract."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.domain.check.states import ReviewReason, State
from bot.domain.installation import ForeignPart
from bot.domain.privacy.slack_removals import Removal, RemovalState
from bot.domain.reporting.durations import NO_LINKS, LinkFigures
from bot.errors import REFUSES_US
from bot.runtime.connections import Closed
from bot.runtime.health import Degraded, Health
from bot.slack.signature import SignatureFault
from storage import capture_links, checks, leases, slack_removals
from storage.engine.database import Transaction

_SMILE_ID_IS_THERE = frozenset({"ok", "refused", "denied", "expired"})
_PROVES_THE_KEY = frozenset({"upload", "job_status"})
"""`services` is for everybody, and not every environment has `products`, which may refuse for that reason alone."""
_WITHOUT_THE_BOT_TOKEN = frozenset({"response_url", "apps.connections.open"})
"""They prove nothing about it: an address is its own secret, and Socket Mode has the app token."""
REFUSED_CALLBACKS = frozenset(
    {"unknown_token", "not_trusted", "another_job", "not_an_object", "too_large", "too_many", "not_a_result"}
)
"""Fates of callbacks that moved no check: anybody who knows an address can send them."""
REFUSED_CAPTURES = frozenset({"gone", "not_from_the_page", "too_often"})
"""Results of requests for the customer's page that no page of ours with an open link has: anybody can send them."""
_OF_CUSTOMERS = frozenset({422, 425, 428})
"""A customer is asked to do something once more: that turns nobody away."""
_A_DAY = timedelta(hours=24)
_SLACK_IS_CLOSED = frozenset({"failed"}) | REFUSES_US


class Gauges(NamedTuple):
    """What the database knows: read when somebody asks for the metrics."""

    checks: Mapping[str, int]
    """By state."""
    oldest_due: Mapping[str, timedelta]
    """How long the oldest due row waits, by queue."""
    outbox_lag: timedelta
    slack_removals: Mapping[tuple[Removal, RemovalState], int]
    """What is still to be erased in Slack."""
    links: LinkFigures = NO_LINKS
    """Of the capture links made in the last 24 hours."""


def read_gauges(tx: Transaction, now: datetime) -> Gauges:
    queues = ("submission", "callbacks", "results", "homes", "inbox")
    oldest = {queue: leases.oldest_due(tx, queue, now=now) for queue in queues}
    return Gauges(
        checks.count_by_state(tx),
        oldest,
        leases.oldest_due(tx, "outbox", now=now),
        slack_removals.counts(tx),
        LinkFigures.of(capture_links.of_period(tx, now - _A_DAY, now)),
    )


class Metrics:
    """Counters that run with the process, and gauges that are read from the database when asked."""

    def __init__(self, health: Health, *, on_turned_away: Callable[[str], None] = lambda _kind: None) -> None:
        """`on_turned_away` hears of each request that is turned away, by kind: for the audit trail."""
        self.health = health
        self._on_turned_away = on_turned_away
        self._registry = CollectorRegistry()
        gauge = partial(Gauge, registry=self._registry)
        counter = partial(Counter, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        self._checks = gauge("kyc_checks", "Checks by state", ["state"])
        self._oldest_due = gauge("kyc_oldest_due_seconds", "How long the oldest due row waits", ["kind"])
        self._outbox_lag = gauge("kyc_outbox_lag_seconds", "How long the oldest due post waits")
        self._slack_removals = gauge(
            "kyc_slack_removals", "Messages and files that are still to be erased in Slack", ["what", "state"]
        )
        self._links = gauge("kyc_capture_links", "Links of the last 24 hours", ["what"])
        self._link_median = gauge("kyc_capture_link_median_seconds", "From link to photos, of the last 24 hours")
        self._callbacks = counter("kyc_callbacks", "Callbacks by fate", ["fate"])
        self._captures = counter("kyc_capture_requests", "Requests for the customer's page", ["kind", "result"])
        self._slack = counter("kyc_slack_requests", "Calls to Slack", ["method", "result"])
        self._smile_id = counter("kyc_smile_id_requests", "Calls to Smile ID", ["call", "result"])
        self._steps = counter("kyc_clock_steps", "How often the machine's clock was set", ["direction"])
        self._begun_anew = counter("kyc_instances_begun_anew", "How often another instance ended this one")
        self._foreign = counter("kyc_foreign_requests", "Requests of another workspace or app", ["named"])
        self._ticks = histogram(
            "kyc_tick_lag_seconds", "How late the clock's ticks came", buckets=(0.1, 0.5, 1, 5, 10, 60)
        )
        self._commits = histogram(
            "kyc_commit_group_size", "Functions committed together", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
        )
        self._busy = counter("kyc_writes_refused", "Changes refused since too many waited for the database")
        self._refused = counter("kyc_slack_refused", "Requests in Slack's name that were refused", ["why"])
        self._turned_away = counter("kyc_http_refused", "Answers of the public port that refuse, by status", ["status"])
        self._closed = counter("kyc_connections_closed", "Connections closed before an answer", ["why"])
        self._degraded = gauge("kyc_degraded", "1 while this is degraded", ["what"])
        for fault in SignatureFault:
            self._refused.labels(fault.value)
        for status in (400, 401, 403, 404, 408, 410, 413, 421, 429, 431):
            self._turned_away.labels(str(status))
        for why in Closed:
            self._closed.labels(why.value)
        for part in ForeignPart:
            # Shown from the start, so that the first one counts as an increase.
            self._foreign.labels(part.value)

    def callback(self, fate: str) -> None:
        self._callbacks.labels(fate).inc()
        if fate in REFUSED_CALLBACKS:
            self._on_turned_away(f"callback_{fate}")

    def capture(self, kind: str, result: str) -> None:
        """A request for the customer's page, or of it, was answered."""
        self._captures.labels(kind, result).inc()
        if result in REFUSED_CAPTURES:
            self._on_turned_away(f"capture_{result}")

    def slack(self, method: str, result: str) -> None:
        self._slack.labels(method, result).inc()
        if method not in _WITHOUT_THE_BOT_TOKEN:
            self.health.note(Degraded.SLACK, result if result in _SLACK_IS_CLOSED else None)

    def slack_as_person(self, method: str, result: str) -> None:
        """With the user token, which proves nothing about the bot's."""
        self._slack.labels(f"{method} (user token)", result).inc()

    def slack_refused(self, fault: SignatureFault) -> None:
        """A request in Slack's name was not signed by Slack, or not lately."""
        self._refused.labels(fault.value).inc()
        self._on_turned_away(f"signature_{fault.value}")

    def http_refused(self, status: int) -> None:
        """The public port answered a request with this status, 400 or above."""
        self._turned_away.labels(str(status)).inc()
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _OF_CUSTOMERS:
            self._on_turned_away(f"status_{status}")

    def connection_closed(self, why: Closed) -> None:
        self._closed.labels(why.value).inc()
        self._on_turned_away(f"connection_{why.value}")

    def smile_id(self, call: str, result: str) -> None:
        self._smile_id.labels(call, result).inc()
        self.health.note(Degraded.SMILE_ID, None if result in _SMILE_ID_IS_THERE else result)
        if call in _PROVES_THE_KEY and result in {"ok", "denied"}:
            denied = "Smile ID refuses our partner id and API key" if result == "denied" else None
            self.health.note(Degraded.SMILE_ID_KEY, denied)

    def foreign(self, named: ForeignPart) -> None:
        """A request was refused because the team, enterprise or app that it names is not ours."""
        self._foreign.labels(named.value).inc()
        self._on_turned_away(f"foreign_{named.value}")

    def commit(self, functions: int, _seconds: float) -> None:
        self._commits.observe(functions)

    def write_refused(self) -> None:
        """A change was not taken, since as many as can be stored soon wait for the database already."""
        self._busy.inc()

    def tick(self, lag_seconds: float) -> None:
        self._ticks.observe(lag_seconds)

    def clock_step(self, step: timedelta) -> None:
        self._steps.labels("forth" if step > timedelta(0) else "back").inc()

    def begun_anew(self) -> None:
        """Another instance has ended this one, which goes on as a new one."""
        self._begun_anew.inc()

    def render(self, gauges: Gauges) -> bytes:
        for state in (*State, ReviewReason.ALTERED):
            self._checks.labels(state.value).set(gauges.checks.get(state.value, 0))
        for kind, wait in gauges.oldest_due.items():
            self._oldest_due.labels(kind).set(wait.total_seconds())
        self._outbox_lag.set(gauges.outbox_lag.total_seconds())
        for removal in Removal:
            for left in (RemovalState.DUE, RemovalState.LEFT):
                self._slack_removals.labels(removal.value, left.value).set(
                    gauges.slack_removals.get((removal, left), 0)
                )
        for what in ("made", "opened", "completed"):
            self._links.labels(what).set(getattr(gauges.links, what))
        self._link_median.set((gauges.links.took.median or timedelta(0)).total_seconds())
        for what in Degraded:
            self._degraded.labels(what.value).set(what in self.health.degraded)
        return generate_latest(self._registry)
