"""The one place where objects are made: `build` makes a `Bot` from settings; `bot.runtime.server` runs one.

First the ground that all processes stand on, then the processes, those with due rows each with its crew, and last what
the clock does.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import httpx

from bot.access.permissions import Access
from bot.access.workspace import Workspace
from bot.domain.applicants import Limits
from bot.domain.id_types.id_types import IDTypes
from bot.domain.mentions.inbox import InboxItem
from bot.domain.outbox import Post, PostKind
from bot.domain.results.attempt import Attempt, Receipt
from bot.domain.results.codes import ResultCodes, ResultMeaning
from bot.intake.answer_delivery import AnswerDelivery
from bot.intake.answers import AnswerBuilder
from bot.intake.batches import Batches
from bot.intake.inbox import Inbox
from bot.intake.messages import MessageReader
from bot.intake.preflight_answers import TICK_EVERY, PreflightAnswers
from bot.intake.service import Intake
from bot.outbox import Outbox
from bot.outbox.batch_posts import BatchPosts
from bot.outbox.builders import Builders
from bot.outbox.thread_posts import ThreadPosts
from bot.queries.details import CheckDetails
from bot.queries.home import LOOK_EVERY as LOOK_AT_HOMES
from bot.queries.home import HomeTab
from bot.queries.search import CheckSearch
from bot.reporting import chart, export_commits
from bot.reporting.export_posts import ExportPosts
from bot.reporting.exports import Exports
from bot.reporting.summaries import LOOK_EVERY as LOOK_FOR_SUMMARIES
from bot.reporting.summaries import Summaries
from bot.reporting.summary_posts import SummaryPosts
from bot.results import Results
from bot.review import Reminders, ReviewDecisions
from bot.review.cards import ReviewCards
from bot.review.subscriptions import Subscriptions
from bot.runtime.backups import Backups
from bot.runtime.clock import KEEP_SEEN_EVERY, Clock, ClockWatch, RemoteClock
from bot.runtime.health import Health
from bot.runtime.id_type_sync import IDTypeSync
from bot.runtime.metrics import Metrics
from bot.runtime.reference_data import read_tables
from bot.runtime.workers import (
    FIRST_BACKUP,
    FIRST_SUMMARIES,
    LOOK_FOR_BACKUPS,
    REFRESH_ACCESS,
    REFRESH_PRODUCTS,
    BackgroundTasks,
    WorkerPool,
    Workers,
)
from bot.settings import Settings
from bot.slack.batch_files import BatchFiles
from bot.slack.client import LOOK_UP_SECONDS, SlackClient
from bot.slack.downloads import SlackDownloads
from bot.slack.retry import Retry
from bot.slack.signature import SlackSignature
from bot.smile_id.client import CALL_SECONDS, TIMEOUT, V1Client
from bot.smile_id.interface import SmileID
from bot.smile_id.v1 import SmileIDV1
from bot.submission import PASS_SECONDS, SubmissionWorker
from bot.submission.photo_decoder import PhotoDecoder
from storage import (
    attempts,
    batches,
    checks,
    due,
    home_tabs,
    meta,
    outbox,
)
from storage import inbox as stored_inbox
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer

SUBMISSIONS_AT_ONCE = 32
ANSWERS_AT_ONCE = 16
"""Each of them mostly waits for Slack."""
LATE = timedelta(minutes=5)
"""Work that is due for longer is told at `/readyz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each kind of call may take; tests have less of it."""

    listener: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=1.5))
    """Calls inside a listener: the answer to Slack must leave within 3 s."""
    look_up_seconds: float = LOOK_UP_SECONDS
    """What a listener asks Slack before it goes on without the answer."""
    show_seconds: float = 1.7
    """A form changes before the answer, at most so long."""
    answer_seconds: float = 2.7
    """From a request's coming to its answer, whatever was asked of Slack before; Slack gives up after three."""
    sum_up_seconds: float = 1.5
    """Figures that somebody asked for; later they follow the answer."""
    worker: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=15, connect=5))
    smile_id: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    files: httpx.Timeout = field(default_factory=lambda: httpx.Timeout(30, connect=5))
    one_pass_seconds: float = PASS_SECONDS
    answer_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """How an answer waits between retries; tests let their own clock pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Everything that handlers and tests need, ready made."""

    settings: Settings
    timeouts: Timeouts
    database: Database
    slack: SlackClient
    """For calls inside a listener: 1.5 s at most."""
    patient_slack: SlackClient
    """For calls behind it, when nothing waits for them but a person."""
    slack_signature: SlackSignature
    workspace: Workspace
    access: Access
    id_types: IDTypes
    batches: Batches
    intake: Intake
    messages: MessageReader
    inbox: Inbox
    inbox_pool: WorkerPool[InboxItem]
    answers: AnswerBuilder
    answer_delivery: AnswerDelivery
    submission: SubmissionWorker
    results: Results
    outbox: Outbox
    backups: Backups
    details: CheckDetails
    search: CheckSearch
    preflight_answers: PreflightAnswers
    home: HomeTab
    review: ReviewDecisions
    reminders: Reminders
    subscriptions: Subscriptions
    summary: Summaries
    exports: Exports
    metrics: Metrics
    schedule: Workers
    background: BackgroundTasks
    health: Health
    retry: Callable[[], Retry]
    """Those of one answer that is given in the background, begun now."""
    refresh: Callable[[], Coroutine[Any, Any, bool]]
    """Ask Smile ID which ID types there are and which this partner may use; False when it gave no answer."""
    now: Callable[[], datetime]
    recover: Callable[[], Coroutine[Any, Any, None]]
    """At start, before anything is due: see to timers of a clock that was set back since."""

    async def figures(self) -> bytes:
        """The metrics, with gauges read from the database now."""
        now = self.now()
        states, due, lag = await self.database.read(gauges, now)
        late = [kind for kind, wait in {**due, "outbox": lag}.items() if wait > LATE]
        self.health.note("late", ", ".join(late) or None)
        return self.metrics.render(checks=states, oldest_due=due, outbox_lag=lag)


def gauges(tx: Transaction, now: datetime) -> tuple[dict[str, int], dict[str, timedelta], timedelta]:
    oldest = {
        "submission": due.oldest(tx, now=now),
        "results": attempts.oldest_due(tx, now=now),
        "homes": home_tabs.oldest_due(tx, now=now),
        "inbox": stored_inbox.oldest_due(tx, now=now),
    }
    return checks.count_by_state(tx), oldest, outbox.lag(tx, now=now)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def build(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    now: Callable[[], datetime] = utc_now,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    timeouts: Timeouts | None = None,
    smile_id: SmileID | None = None,
) -> Bot:
    """Make everything, opened; `stack` closes it again. Nobody is called yet, nothing runs yet.

    `smile_id` is another way to Smile ID than v1 of its API.
    With `clock`, steps of the machine's clock are watched for; else the time is `now`, which nobody is expected to set.
    """
    timeouts = timeouts or Timeouts()
    now, steady = (clock.now, clock.steady) if clock else (now, now)
    rng = rng or random.SystemRandom()
    dependencies = await _dependencies(
        settings, stack, now=now, steady=steady, rng=rng, timeouts=timeouts, smile_id=smile_id
    )
    watch = _watch(dependencies, clock) if clock else None
    submission, submitting = _submission(dependencies, pass_seconds=timeouts.one_pass_seconds)
    results, asking = _results(dependencies)
    batching, reading = _batches(dependencies)
    intake, messages = _intake(dependencies), _messages(dependencies)
    retry = partial(Retry, sleep=timeouts.answer_sleep)
    answers = AnswerBuilder(intake=intake, messages=messages, batches=batching)
    delivery = AnswerDelivery(database=dependencies.database, slack=dependencies.worker_slack, builder=answers, now=now)
    inbox, answering = _inbox(dependencies, answers, delivery, retry)
    outgoing, posting = _outbox(dependencies, delivery)
    home, showing = _home(dependencies)
    database, access, id_types = dependencies.database, dependencies.access, dependencies.id_types
    review = ReviewDecisions(database=database, access=access, id_types=id_types, settings=settings, now=now)
    reminders = Reminders(database=database, slack=dependencies.worker_slack, access=access, settings=settings, now=now)
    summary = Summaries(
        database=database,
        access=access,
        id_types=id_types,
        settings=settings,
        with_charts=chart.can_draw(),
        now=now,
        rng=dependencies.rng,
    )
    backups = Backups(
        database=database,
        sealer=dependencies.sealer,
        access=access,
        health=dependencies.health,
        settings=settings,
        now=now,
        steady=steady,
    )
    catalogue = IDTypeSync(
        database=database, smile_id=dependencies.smile_id, id_types=id_types, settings=settings, now=now
    )
    await catalogue.load()
    bot = Bot(
        settings=settings,
        timeouts=timeouts,
        database=database,
        slack=dependencies.listener_slack,
        patient_slack=dependencies.worker_slack,
        slack_signature=SlackSignature(
            settings.slack_signing_secret, slack_time=lambda: dependencies.slack_time.theirs(now()).timestamp()
        ),
        workspace=dependencies.workspace,
        access=access,
        id_types=id_types,
        batches=batching,
        intake=intake,
        messages=messages,
        inbox=inbox,
        inbox_pool=answering,
        answers=answers,
        answer_delivery=delivery,
        submission=submission,
        results=results,
        outbox=outgoing,
        backups=backups,
        details=_details(dependencies),
        search=_search(dependencies),
        preflight_answers=PreflightAnswers(
            database=database, access=access, liveness_required=settings.liveness_required, now=now
        ),
        home=home,
        review=review,
        reminders=reminders,
        subscriptions=Subscriptions(database=database, access=access),
        summary=summary,
        exports=Exports(database=database, access=access, timezone=settings.timezone, now=now, rng=dependencies.rng),
        metrics=dependencies.metrics,
        schedule=Workers(
            [submitting, asking, reading, answering, posting, showing],
            tick=watch.tick if watch else None,
            on_lag=dependencies.metrics.tick,
        ),
        background=BackgroundTasks(),
        health=dependencies.health,
        retry=retry,
        refresh=catalogue.refresh,
        now=now,
        recover=watch.recover if watch else _nothing,
    )
    _schedule_jobs(bot)
    if watch is not None:
        bot.schedule.every(KEEP_SEEN_EVERY, watch.keep_seen, "clock")
    return bot


async def _nothing() -> None:
    """There is no clock to be watched."""


def _schedule_jobs(bot: Bot) -> None:
    """What is done by the clock alone."""
    every = bot.schedule.every
    every(REFRESH_ACCESS, bot.access.refresh, "access")
    every(REFRESH_PRODUCTS, bot.refresh, "products")
    every(TICK_EVERY, bot.preflight_answers.tick, "held checks")
    every(TICK_EVERY, bot.batches.tick, "cancelled batches")
    every(TICK_EVERY, bot.reminders.tick, "reviews")
    every(LOOK_AT_HOMES, bot.home.tick, "home tabs")
    every(LOOK_FOR_SUMMARIES, bot.summary.tick, "summaries", first_in=FIRST_SUMMARIES)
    if bot.settings.backup_dir is not None:
        every(LOOK_FOR_BACKUPS, bot.backups.run, "backups", first_in=FIRST_BACKUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What all processes stand on."""

    settings: Settings
    sealer: Sealer
    database: Database
    listener_slack: SlackClient
    worker_slack: SlackClient
    files: SlackDownloads
    smile_id: SmileID
    workspace: Workspace
    access: Access
    bundles: BatchFiles
    decoder: PhotoDecoder
    id_types: IDTypes
    metrics: Metrics
    health: Health
    now: Callable[[], datetime]
    steady: Callable[[], datetime]
    """Time that is never set, for what lives in memory."""
    slack_time: RemoteClock
    rng: random.Random
    timeouts: Timeouts


async def _dependencies(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    now: Callable[[], datetime],
    steady: Callable[[], datetime],
    rng: random.Random,
    timeouts: Timeouts,
    smile_id: SmileID | None,
) -> Dependencies:
    metrics, health = Metrics(), Health()
    codes, id_types = read_tables(settings)
    sealer = Sealer.from_text([k for k in settings.encryption_keys.get_secret_value().replace(",", " ").split() if k])
    database = await Database.open(settings.database, sealer=sealer, migrate=migrate, on_commit=metrics.commit)
    stack.push_async_callback(database.close)
    await database.write(meta.check_key)
    heard = _both(metrics.slack, health.slack)
    slack_time = RemoteClock("slack", now=now, steady=steady, health=health)
    look_up = timeouts.look_up_seconds
    listener_slack = await _slack(
        settings, stack, timeout=timeouts.listener, look_up_seconds=look_up, on_call=heard, time=slack_time
    )
    worker_slack = await _slack(
        settings, stack, timeout=timeouts.worker, look_up_seconds=look_up, on_call=heard, time=slack_time
    )
    smile_id = smile_id or connect_smile_id(
        settings,
        await _http(stack, timeout=timeouts.smile_id),
        codes=codes,
        now=now,
        on_call=_both(metrics.smile_id, health.smile_id),
        on_date=RemoteClock("smile_id", now=now, steady=steady, health=health).heard,
    )
    files = SlackDownloads(
        http=await _http(stack, timeout=timeouts.files),
        token=settings.slack_bot_token.get_secret_value(),
        hosts=settings.download_hosts,
    )
    limits = Limits(
        rows=settings.batch_rows, zip_bytes=settings.batch_bytes, liveness_required=settings.liveness_required
    )
    workspace = Workspace(database=database, slack=listener_slack, note=health.note, now=steady)
    await workspace.load()
    stack.push_async_callback(workspace.close)
    access = Access(settings=settings, slack=listener_slack, workspace=workspace, now=steady, look_up_seconds=look_up)
    stack.push_async_callback(access.close)
    bundles = BatchFiles(slack=worker_slack, files=files, id_types=id_types, limits=limits)
    stack.push_async_callback(bundles.close)
    return Dependencies(
        settings=settings,
        sealer=sealer,
        database=database,
        listener_slack=listener_slack,
        worker_slack=worker_slack,
        files=files,
        smile_id=smile_id,
        workspace=workspace,
        access=access,
        bundles=bundles,
        decoder=PhotoDecoder(),
        id_types=id_types,
        metrics=metrics,
        health=health,
        now=now,
        steady=steady,
        slack_time=slack_time,
        rng=rng,
        timeouts=timeouts,
    )


def connect_smile_id(
    settings: Settings,
    http: httpx.AsyncClient,
    *,
    now: Callable[[], datetime],
    codes: ResultCodes | None = None,
    call_seconds: float = CALL_SECONDS,
    on_call: Callable[[str, str], None] = lambda _call, _result: None,
    on_date: Callable[[str | None], None] = lambda _date: None,
) -> SmileID:
    """The one place that chooses how Smile ID is spoken to. Without `codes` every result is unknown.

    Raises ValueError for a partner id, key or address that cannot be used.
    """
    client = V1Client(
        http=http,
        base_url=settings.smile_id_url,
        partner_id=settings.smile_id_partner_id,
        api_key=settings.smile_id_api_key.get_secret_value(),
        now=now,
        timeout=http.timeout,
        call_seconds=call_seconds,
        on_call=on_call,
        on_date=on_date,
    )
    return SmileIDV1(client=client, codes=codes or ResultCodes({}))


def _watch(dependencies: Dependencies, clock: Clock) -> ClockWatch:
    return ClockWatch(
        clock=clock, database=dependencies.database, health=dependencies.health, on_step=dependencies.metrics.clock_step
    )


async def _slack(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    timeout: aiohttp.ClientTimeout,
    look_up_seconds: float,
    on_call: Callable[[str, str], None],
    time: RemoteClock,
) -> SlackClient:
    return SlackClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        session=await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout)),
        on_call=on_call,
        look_up_seconds=look_up_seconds,
        on_date=time.heard,
        to_slack_time=time.theirs,
    )


async def _http(stack: AsyncExitStack, *, timeout: httpx.Timeout) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=SUBMISSIONS_AT_ONCE, max_keepalive_connections=8)
    return await stack.enter_async_context(httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False))


def _both(*hear: Callable[[str, str], None]) -> Callable[[str, str], None]:
    def heard(call: str, result: str) -> None:
        for one in hear:
            one(call, result)

    return heard


# Processes that claim what is due, each with its crew, and with the topic that wakes it


def _submission(dependencies: Dependencies, *, pass_seconds: float) -> tuple[SubmissionWorker, WorkerPool[str]]:
    submission = SubmissionWorker(
        database=dependencies.database,
        slack=dependencies.worker_slack,
        files=dependencies.files,
        smile_id=dependencies.smile_id,
        access=dependencies.access,
        id_types=dependencies.id_types,
        bundles=dependencies.bundles,
        decoder=dependencies.decoder,
        settings=dependencies.settings,
        now=dependencies.now,
        rng=dependencies.rng,
        pass_seconds=pass_seconds,
    )
    crew = WorkerPool("submission", claim=submission.claim, work=submission.work, size=SUBMISSIONS_AT_ONCE)
    dependencies.database.subscribe(checks.SUBMISSION, crew.wake)
    return submission, crew


def _results(dependencies: Dependencies) -> tuple[Results, WorkerPool[Attempt]]:
    results = Results(
        database=dependencies.database,
        smile_id=dependencies.smile_id,
        access=dependencies.access,
        settings=dependencies.settings,
        now=dependencies.now,
        rng=dependencies.rng,
        on_callback=dependencies.metrics.callback,
    )
    crew = WorkerPool("results", claim=results.claim, work=results.work, size=8)
    dependencies.database.subscribe(attempts.RESULTS, crew.wake)
    return results, crew


def _batches(dependencies: Dependencies) -> tuple[Batches, WorkerPool[str]]:
    batching = Batches(
        database=dependencies.database,
        slack=dependencies.worker_slack,
        bundles=dependencies.bundles,
        access=dependencies.access,
        id_types=dependencies.id_types,
        settings=dependencies.settings,
        now=dependencies.now,
        rng=dependencies.rng,
    )
    crew = WorkerPool("batches", claim=batching.claim, work=batching.work, size=2)
    dependencies.database.subscribe(batches.BATCHES, crew.wake)
    return batching, crew


def _inbox(
    dependencies: Dependencies, answers: AnswerBuilder, delivery: AnswerDelivery, retry: Callable[[], Retry]
) -> tuple[Inbox, WorkerPool[InboxItem]]:
    inbox = Inbox(
        database=dependencies.database,
        slack=dependencies.worker_slack,
        answers=answers,
        delivery=delivery,
        retry=retry,
        now=dependencies.now,
        rng=dependencies.rng,
    )
    crew = WorkerPool("inbox", claim=inbox.claim, work=inbox.work, size=ANSWERS_AT_ONCE)
    dependencies.database.subscribe(stored_inbox.INBOX, crew.wake)
    return inbox, crew


def _outbox(dependencies: Dependencies, delivery: AnswerDelivery) -> tuple[Outbox, WorkerPool[Post]]:
    outgoing = Outbox(
        database=dependencies.database,
        slack=dependencies.worker_slack,
        access=dependencies.access,
        builders={**_builders(dependencies), PostKind.ANSWER: delivery.build},
        followers=export_commits.followers(),
        settings=dependencies.settings,
        now=dependencies.now,
        steady=dependencies.steady,
        rng=dependencies.rng,
        # The crew is made of the outbox, and wakes again when a pause of the outbox ends.
        wake_in=lambda wait: crew.wake_in(wait),  # noqa: PLW0108 - `crew` does not exist yet
    )
    crew = WorkerPool("outbox", claim=outgoing.claim, work=outgoing.work, size=8)
    dependencies.database.subscribe(outbox.OUTBOX, crew.wake)
    return outgoing, crew


def _builders(dependencies: Dependencies) -> Builders:
    """Who builds each kind of post."""
    database, slack, access, id_types = (
        dependencies.database,
        dependencies.worker_slack,
        dependencies.access,
        dependencies.id_types,
    )
    settings, now = dependencies.settings, dependencies.now

    def read(receipt: Receipt) -> ResultMeaning:
        return dependencies.smile_id.read_message(receipt.body).reading

    threads = ThreadPosts(database=database, access=access, id_types=id_types, read=read, settings=settings, now=now)
    cards = ReviewCards(database=database, slack=slack, access=access, id_types=id_types, read=read, now=now)
    summaries = SummaryPosts(database=database, slack=slack, id_types=id_types, settings=settings, now=now)
    exports = ExportPosts(database=database, slack=slack, access=access, now=now)
    return {
        **threads.builders(),
        **BatchPosts(database=database).builders(),
        **cards.builders(),
        **summaries.builders(),
        **exports.builders(),
    }


def _home(dependencies: Dependencies) -> tuple[HomeTab, WorkerPool[home_tabs.DueTab]]:
    home = HomeTab(
        database=dependencies.database,
        slack=dependencies.worker_slack,
        access=dependencies.access,
        id_types=dependencies.id_types,
        settings=dependencies.settings,
        now=dependencies.now,
        steady=dependencies.steady,
        rng=dependencies.rng,
    )
    crew = WorkerPool("homes", claim=home.claim, work=home.work, size=2)
    dependencies.database.subscribe(home_tabs.HOMES, crew.wake)
    return home, crew


# Processes that handlers call, and nobody else


def _intake(dependencies: Dependencies) -> Intake:
    return Intake(
        database=dependencies.database,
        slack=dependencies.listener_slack,
        access=dependencies.access,
        id_types=dependencies.id_types,
        settings=dependencies.settings,
        now=dependencies.now,
        rng=dependencies.rng,
    )


def _messages(dependencies: Dependencies) -> MessageReader:
    return MessageReader(
        database=dependencies.database,
        slack=dependencies.worker_slack,
        id_types=dependencies.id_types,
        timezone=dependencies.settings.timezone,
        liveness_required=dependencies.settings.liveness_required,
        now=dependencies.now,
        look_up_seconds=dependencies.timeouts.look_up_seconds,
    )


def _details(dependencies: Dependencies) -> CheckDetails:
    return CheckDetails(
        database=dependencies.database,
        slack=dependencies.listener_slack,
        smile_id=dependencies.smile_id,
        access=dependencies.access,
        id_types=dependencies.id_types,
        now=dependencies.now,
    )


def _search(dependencies: Dependencies) -> CheckSearch:
    return CheckSearch(
        database=dependencies.database,
        slack=dependencies.listener_slack,
        access=dependencies.access,
        id_types=dependencies.id_types,
        timezone=dependencies.settings.timezone,
        now=dependencies.now,
    )
