"""The way out: how Slack and Smile ID are called, and which of the hosts that they name may be connected to."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import httpx

from bot.domain.hosts import HostKind, read_url
from bot.domain.results.codes import ResultCodes
from bot.network import Outbound
from bot.network.hosts import HostGate
from bot.runtime.bot import Timeouts
from bot.runtime.clock import RemoteClock
from bot.runtime.health import Degraded
from bot.runtime.metrics import Metrics
from bot.settings import Settings, SmileIDSettings
from bot.slack.client import SlackClient
from bot.slack.downloads import SlackDownloads
from bot.smile_id.client import CALL_SECONDS, V1Client
from bot.smile_id.interface import SmileID
from bot.smile_id.v1 import SmileIDV1
from bot.submission.worker import CHECKS_AT_ONCE

CONNECTIONS = CHECKS_AT_ONCE
"""To each host, of the client for Smile ID, and of the one for files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What others are called with, opened."""

    listener_slack: SlackClient
    """For calls inside a listener: the answer to Slack must leave within 3 s."""
    slack: SlackClient
    slack_as_person: SlackClient | None
    """Where somebody lets the bot delete other people's files."""
    slack_clock: RemoteClock
    files: SlackDownloads
    smile_id: SmileID
    gates: Mapping[HostKind, HostGate]


async def connect(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    timeouts: Timeouts,
    codes: ResultCodes,
    metrics: Metrics,
    remote_clock: Callable[[Degraded], RemoteClock],
    now: Callable[[], datetime],
    smile_id: SmileID | None = None,
) -> Outgoing:
    """Open all of it; `stack` closes it again. Nothing is called yet. `smile_id` replaces v1 of Smile ID's API."""
    outbound = Outbound.of(settings, own=settings.own_urls)
    gates = {kind: host_gate(settings, kind) for kind in HostKind}
    slack_clock = remote_clock(Degraded.CLOCK_AGAINST_SLACK)
    to_slack = partial(SlackClient, base_url=settings.slack_api_url, proxy_for=outbound.proxy_for)
    as_bot = partial(
        to_slack,
        token=settings.slack_bot_token.get_secret_value(),
        files=gates[HostKind.FILES],
        responses=gates[HostKind.RESPONSES],
        on_call=metrics.slack,
        look_up_seconds=timeouts.look_up_seconds,
        on_date=slack_clock.heard,
        to_slack_time=slack_clock.theirs,
    )
    listener_slack, slack = [
        as_bot(session=await stack.enter_async_context(outbound.session(timeout=timeout)))
        for timeout in (timeouts.listener, timeouts.worker)
    ]
    slack_as_person = None
    if settings.slack_user_token is not None:
        slack_as_person = to_slack(
            token=settings.slack_user_token.get_secret_value(),
            session=await stack.enter_async_context(outbound.session(timeout=timeouts.worker)),
            on_call=metrics.slack_as_person,
        )
    files = SlackDownloads(
        http=await _http(stack, outbound, timeouts.files),
        token=settings.slack_bot_token.get_secret_value(),
        gate=gates[HostKind.FILES],
    )
    smile_id = smile_id or connect_smile_id(
        settings,
        await _http(stack, outbound, timeouts.smile_id),
        codes=codes,
        now=now,
        uploads=gates[HostKind.UPLOADS],
        on_call=metrics.smile_id,
        on_date=remote_clock(Degraded.CLOCK_AGAINST_SMILE_ID).heard,
    )
    return Outgoing(
        listener_slack=listener_slack,
        slack=slack,
        slack_as_person=slack_as_person,
        slack_clock=slack_clock,
        files=files,
        smile_id=smile_id,
        gates=gates,
    )


def host_gate(settings: Settings, kind: HostKind) -> HostGate:
    """Which hosts may be connected to where Slack or Smile ID name them."""
    theirs = settings.smile_id_url if kind is HostKind.UPLOADS else settings.slack_api_url
    where = read_url(theirs)
    return HostGate(
        kind=kind,
        listed=settings.listed_hosts(kind),
        usual=settings.download_hosts if kind is HostKind.FILES else None,
        is_local=where is not None and where.is_loopback,
    )


def connect_smile_id(
    settings: SmileIDSettings,
    http: httpx.AsyncClient,
    *,
    now: Callable[[], datetime],
    codes: ResultCodes | None = None,
    call_seconds: float = CALL_SECONDS,
    uploads: HostGate | None = None,
    on_call: Callable[[str, str], None] = lambda _call, _result: None,
    on_date: Callable[[str | None], None] = lambda _date: None,
) -> SmileID:
    """The one place that chooses the implementation of the interface to Smile ID. Without `codes`, results are unknown.

    Raises ValueError for a partner id, key or address that cannot be used.
    """
    client = V1Client(
        http=http,
        base_url=settings.smile_id_url,
        partner_id=settings.smile_id_partner_id,
        api_key=settings.smile_id_api_key.get_secret_value(),
        now=now,
        call_seconds=call_seconds,
        uploads=uploads,
        on_call=on_call,
        on_date=on_date,
    )
    return SmileIDV1(client=client, codes=codes or ResultCodes({}))


async def _http(stack: AsyncExitStack, outbound: Outbound, timeout: httpx.Timeout) -> httpx.AsyncClient:
    return await stack.enter_async_context(outbound.http(timeout=timeout, connections=CONNECTIONS))
