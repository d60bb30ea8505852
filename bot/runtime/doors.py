"""Requests from outside that are turned away: counted, logged and reported, so that a wrong secret is never silent.

Strangers knock too. So a refusal is reported as degraded for an hour at most, one that does not even claim to be signed
by Slack not at all, and the log has at most a line a minute for each reason.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from secrets import token_bytes

import structlog

from bot.runtime.health import Degraded, Health
from bot.runtime.leaky_buckets import LeakyBuckets
from bot.runtime.metrics import Metrics
from bot.slack.signature import SignatureFault, SlackSignature

log = structlog.get_logger(__name__)

REMEMBERED_FOR = timedelta(hours=1)
"""How long a refused request is reported if no good one comes: a stranger's must not be reported for ever."""
PHOTOS = "photos"
LOG_EVERY = timedelta(minutes=1)
"""Refused requests are logged no more often: a stranger must not fill the disk."""


@dataclass(slots=True, kw_only=True, eq=False)
class RefusedRequests:
    """Requests from outside that were turned away before their content counted for anything.

    They are `degraded` until a good one comes or `REMEMBERED_FOR` has passed, and logged at most each `LOG_EVERY`.
    """

    what: Degraded
    health: Health
    event: str
    """Under which they are logged."""
    steady: Callable[[], datetime]
    """Time that is never set."""
    _since_logged: Counter[str] = field(init=False, default_factory=Counter)
    _logged_at: dict[str, datetime] = field(init=False, default_factory=dict)
    _last: datetime | None = field(init=False, default=None)

    def refused(self, why: str, words: str | None) -> None:
        """One more, for the reason `why`; with `words` it is reported as degraded."""
        self._since_logged[why] += 1
        self._log_if_due(why)
        if words is not None:
            self.report(words)

    def report(self, words: str) -> None:
        """As degraded, for one that is logged elsewhere."""
        self._last = self.steady()
        self.health.note(self.what, words)

    def _log_if_due(self, why: str) -> None:
        now = self.steady()
        if why not in self._logged_at or now - self._logged_at[why] >= LOG_EVERY:
            log.warning(self.event, error=why, count=self._since_logged.pop(why))
            self._logged_at[why] = now

    def let_in(self) -> None:
        """A good one came: whatever was wrong is mended."""
        self._last = None
        self.health.note(self.what, None)

    async def forget(self) -> None:
        """Called each minute: what is long ago is reported no more, and what the log left out is logged."""
        for why in list(self._since_logged):
            self._log_if_due(why)
        if self._last is not None and self.steady() - self._last >= REMEMBERED_FOR:
            self.let_in()


@dataclass(slots=True, kw_only=True, eq=False)
class SlackDoor:
    """`POST /slack/events`, which only Slack may use."""

    signature: SlackSignature
    requests: RefusedRequests
    metrics: Metrics

    def lets_in(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether Slack signed this request, and lately. `headers` must not mind upper and lower case."""
        fault = self.signature.fault(headers, body)
        if fault is None:
            self.requests.let_in()
            return True
        self.metrics.slack_refused(fault)
        self.requests.refused(fault.value, _SLACK_WORDS.get(fault))
        return False


_SLACK_WORDS = {
    SignatureFault.DIFFERS: "requests refused: their signature does not fit SLACK_SIGNING_SECRET",
    SignatureFault.STALE: "requests refused: they are more than 5 minutes old, by Slack's clock",
}


@dataclass(slots=True, kw_only=True, eq=False)
class CallbackDoor:
    """`POST /smile-id/callback/…`, which only Smile ID may use."""

    requests: RefusedRequests
    metrics: Metrics

    def heard(self, fate: str) -> None:
        """`fate` is the disposition of a callback, or why it was refused."""
        self.metrics.callback(fate)
        if fate in {"unknown_token", "too_many"}:
            self.requests.refused(fate, _CALLBACK_WORDS[fate])
        elif fate in _CALLBACK_WORDS:
            # Logged with its check, by `bot.results.callbacks`.
            self.requests.report(_CALLBACK_WORDS[fate])
        elif fate != "not_a_result":
            self.requests.let_in()


_CALLBACK_WORDS = {
    "unknown_token": "callbacks refused: their address is of no job in this database",
    "not_trusted": "callbacks refused: they are not signed with our API key, or not lately",
    "another_job": "callbacks refused: they are about another job than their address",
    "not_an_object": "callbacks refused: they are no JSON objects",
    "too_large": "callbacks refused: they are larger than KYC_CALLBACK_MAX_BYTES",
    "too_many": "callbacks refused: more different messages about one job than Smile ID sends",
}


@dataclass(slots=True, kw_only=True, eq=False)
class CaptureDoor:
    """`/c`, where customers take their photos, and anybody may knock."""

    metrics: Metrics
    strangers: LeakyBuckets
    """Requests of one source that came from no page with an open link. Others behind its address are not counted."""
    posts: LeakyBuckets
    """Of one link."""
    photos: LeakyBuckets
    """Of one link: each is decoded and looked at."""
    _key: bytes = field(init=False, repr=False, default_factory=partial(token_bytes, 32))
    """Links are known by a keyed digest while this process runs, so that no token stays in the memory."""

    def wait(self, kind: str, *, source: str | None, link: str) -> timedelta:
        """How long until this may be asked; zero: now. `source` is None where nobody knows who asks."""
        known = self._print(link)
        waits = [self.posts.wait(known)]
        if kind == PHOTOS:
            waits.append(self.photos.wait(known))
        if source is not None:
            waits.append(self.strangers.wait(source))
        return max(waits)

    def came(self, kind: str, *, link: str) -> None:
        """Something was asked with an open link."""
        known = self._print(link)
        self.posts.count(known)
        if kind == PHOTOS:
            self.photos.count(known)

    def missed(self, source: str | None) -> None:
        """Something came that no page of ours with an open link sends."""
        if source is not None:
            self.strangers.count(source)

    def heard(self, kind: str, result: str) -> None:
        """One request is answered: `result` is `ok`, or why not. Both are words of ours."""
        self.metrics.capture(kind, result)

    def _print(self, link: str) -> bytes:
        return hmac.digest(self._key, link.encode(), "sha256")


def make_capture_door(metrics: Metrics, *, steady: Callable[[], datetime]) -> CaptureDoor:
    """As patient as a customer needs who takes the photos again, reloads the page, or waits for Smile ID."""
    rate = partial(LeakyBuckets, steady=steady)
    return CaptureDoor(
        metrics=metrics,
        strangers=rate(burst=60, every=timedelta(seconds=1)),
        posts=rate(burst=60, every=timedelta(seconds=10)),
        photos=rate(burst=12, every=timedelta(seconds=20)),
    )


def make(
    signature: SlackSignature, *, metrics: Metrics, health: Health, steady: Callable[[], datetime]
) -> tuple[SlackDoor, CallbackDoor]:
    """Both doors of one bot."""
    refused = partial(RefusedRequests, health=health, steady=steady)
    return (
        SlackDoor(
            signature=signature,
            requests=refused(what=Degraded.SLACK_SIGNATURE, event="slack.request_refused"),
            metrics=metrics,
        ),
        CallbackDoor(requests=refused(what=Degraded.CALLBACKS, event="callback.refused"), metrics=metrics),
    )
