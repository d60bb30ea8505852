"""What `build` makes: everything that handlers, the server and tests need, ready made."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import httpx

from bot.access.causes import Causes
from bot.access.permissions import Access
from bot.access.refusals import Refusals
from bot.access.role_watch import RoleWatch
from bot.access.workspace import Workspace
from bot.capture.handover import Handover
from bot.capture.interface import Capture
from bot.capture.link_actions import LinkActions
from bot.capture.links import CaptureLinks
from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.incoming import InboxItem
from bot.intake.answer_delivery import AnswerDelivery
from bot.intake.answers import AnswerBuilder
from bot.intake.batches import Batches
from bot.intake.corrections import Corrections
from bot.intake.inbox import Inbox
from bot.intake.messages import MessageReader
from bot.intake.service import Intake
from bot.outbox.delivery import Outbox
from bot.privacy.erasure import Erasures
from bot.privacy.holds import Holds
from bot.privacy.retention import NightlyPurge
from bot.privacy.slack_removals import SlackRemovals
from bot.privacy.trail_heads import TrailHeads
from bot.queries.customer import CustomerMessages
from bot.queries.details import CheckDetails
from bot.queries.home import HomeTab
from bot.queries.photos import CheckPhotos
from bot.queries.search import CheckSearch
from bot.reporting.exports import Exports
from bot.reporting.summaries import Summaries
from bot.results.callbacks import Callbacks
from bot.results.polling import StatusPoller
from bot.results.settling import CallbackSettler
from bot.review.cards import ReviewCards
from bot.review.decisions import ReviewDecisions
from bot.review.reminders import Reminders
from bot.review.requests import ReviewRequests
from bot.review.subscriptions import Subscriptions
from bot.runtime.backups import Backups
from bot.runtime.changes import Changes
from bot.runtime.clock import ClockWatch
from bot.runtime.doors import CallbackDoor, CaptureDoor, SlackDoor
from bot.runtime.health import Degraded, Health
from bot.runtime.instances import Instances
from bot.runtime.metrics import Metrics, read_gauges
from bot.runtime.records import RecordWatch
from bot.runtime.turned_away import TurnedAway
from bot.runtime.workers import BackgroundTasks, Scheduler, WorkerPool
from bot.settings import Settings
from bot.slack.client import LOOK_UP_SECONDS, SlackClient
from bot.slack.retry import Retry
from bot.smile_id.interface import SmileID
from bot.submission.preflight import Preflight
from bot.submission.worker import PASS_SECONDS, SubmissionWorker
from storage.engine.database import Database

LATE = timedelta(minutes=5)
"""Work that has been due for longer is reported at `/readyz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each kind of call may take; tests have less of it."""

    listener: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=1.5))
    """Calls inside a listener: the answer to Slack must leave within 3 s."""
    look_up_seconds: float = LOOK_UP_SECONDS
    """For each question of a listener to Slack; without an answer it continues."""
    show_seconds: float = 1.7
    """For the update of a form before the request is answered."""
    answer_seconds: float = 2.7
    """From a request's arrival to its answer, whatever Slack was asked before; Slack gives up after three."""
    sum_up_seconds: float = 1.5
    """For the figures of `/kyc summary`; later they follow the answer."""
    worker: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=15, connect=5))
    smile_id: httpx.Timeout = field(default_factory=lambda: httpx.Timeout(30, connect=5, pool=5))
    """Long enough for photos on a slow line."""
    files: httpx.Timeout = field(default_factory=lambda: httpx.Timeout(30, connect=5))
    one_pass_seconds: float = PASS_SECONDS
    answer_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """How an answer waits between retries; tests advance their own clock instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Everything that handlers and tests need, ready made."""

    settings: Settings
    timeouts: Timeouts
    database: Database
    slack: SlackClient
    """For calls inside a listener: 1.5 s at most."""
    patient_slack: SlackClient
    """For calls in the background, where only a person waits."""
    slack_door: SlackDoor
    callback_door: CallbackDoor
    capture_door: CaptureDoor
    smile_id: SmileID
    workspace: Workspace
    access: Access
    causes: Causes
    refusals: Refusals
    roles: RoleWatch
    changes: Changes
    heads: TrailHeads
    turned_away: TurnedAway
    id_types: IDTypes
    batches: Batches
    intake: Intake
    corrections: Corrections
    link_actions: LinkActions
    messages: MessageReader
    inbox: Inbox
    inbox_pool: WorkerPool[InboxItem]
    answers: AnswerBuilder
    answer_delivery: AnswerDelivery
    submission: SubmissionWorker
    capture_links: CaptureLinks
    handover: Handover
    callbacks: Callbacks
    settler: CallbackSettler
    poller: StatusPoller
    outbox: Outbox
    slack_removals: SlackRemovals
    backups: Backups
    erasures: Erasures
    details: CheckDetails
    search: CheckSearch
    check_photos: CheckPhotos
    preflight: Preflight
    home: HomeTab
    review: ReviewDecisions
    review_requests: ReviewRequests
    cards: ReviewCards
    customer_messages: CustomerMessages
    reminders: Reminders
    subscriptions: Subscriptions
    summary: Summaries
    exports: Exports
    metrics: Metrics
    schedule: Scheduler
    background: BackgroundTasks
    health: Health
    instances: Instances
    records: RecordWatch
    purge: NightlyPurge
    holds: Holds
    retry: Callable[[], Retry]
    """The retries of one answer that is given in the background; their common bound begins now."""
    refresh: Callable[[], Coroutine[Any, Any, bool]]
    """Ask Smile ID which ID types there are and which this partner may use; False without an answer."""
    now: Callable[[], datetime]
    watch: ClockWatch | None
    """Watches the machine's clock; None where tests move the time."""
    capture: Capture | None = None
    """What customers' links lead to; None: there are none."""

    async def figures(self) -> bytes:
        """The metrics, with gauges read from the database now."""
        gauges = await self.database.read_long(read_gauges, self.now())
        waits = {**gauges.oldest_due, "outbox": gauges.outbox_lag}
        self.health.note(Degraded.LATE, ", ".join(kind for kind, wait in waits.items() if wait > LATE) or None)
        return self.metrics.render(gauges)
