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
from bot.domain.results.codes import Reading, ResultCodes
from bot.intake.answers import Answers
from bot.intake.batches import Batches
from bot.intake.inbox import Inbox
from bot.intake.messages import Messages
from bot.intake.preflight_answers import LOOK_EVERY, Holding
from bot.intake.service import Intake
from bot.outbox import Outbox
from bot.outbox.batch_posts import BatchPosts
from bot.outbox.builders import Builders
from bot.outbox.thread_posts import ThreadPosts
from bot.queries.details import Desk
from bot.queries.home import LOOK_EVERY as LOOK_AT_HOMES
from bot.queries.home import Home
from bot.queries.search import Finding
from bot.reporting import chart, export_commits
from bot.reporting.export_posts import ExportPosts
from bot.reporting.exports import Exports
from bot.reporting.summaries import LOOK_EVERY as LOOK_FOR_SUMMARIES
from bot.reporting.summaries import Summary
from bot.reporting.summary_posts import SummaryPosts
from bot.results import Results
from bot.review import Reminding, Reviewing
from bot.review.cards import ReviewCards
from bot.review.subscriptions import Notifying
from bot.runtime.backups import Backups
from bot.runtime.clock import KEEP_SEEN_EVERY, Clock, ClockWatch, TheirClock
from bot.runtime.health import Readiness
from bot.runtime.id_type_sync import Catalogue
from bot.runtime.metrics import Metrics
from bot.runtime.reference_data import read_tables
from bot.runtime.workers import (
    FIRST_BACKUP,
    FIRST_SUMMARIES,
    LOOK_FOR_BACKUPS,
    REFRESH_ACCESS,
    REFRESH_PRODUCTS,
    Background,
    Crew,
    Schedule,
)
from bot.settings import Settings
from bot.slack.batch_files import Bundles
from bot.slack.client import LOOK_UP_SECONDS, SlackWeb
from bot.slack.downloads import SlackFiles
from bot.slack.retry import Tries
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
class Patience:
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
    """How an answer waits between its tries; tests let their own clock pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Everything that handlers and tests need, ready made."""

    settings: Settings
    patience: Patience
    database: Database
    slack: SlackWeb
    """For calls inside a listener: 1.5 s at most."""
    patient_slack: SlackWeb
    """For calls behind it, when nothing waits for them but a person."""
    slack_signature: SlackSignature
    workspace: Workspace
    access: Access
    id_types: IDTypes
    batches: Batches
    intake: Intake
    messages: Messages
    inbox: Inbox
    inbox_pool: Crew[InboxItem]
    answers: Answers
    submission: SubmissionWorker
    results: Results
    outbox: Outbox
    backups: Backups
    desk: Desk
    finding: Finding
    holding: Holding
    home: Home
    review: Reviewing
    reminding: Reminding
    notifying: Notifying
    summary: Summary
    exports: Exports
    metrics: Metrics
    schedule: Schedule
    background: Background
    readiness: Readiness
    tries: Callable[[], Tries]
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
        self.readiness.note("late", ", ".join(late) or None)
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
    dice: random.Random | None = None,
    patience: Patience | None = None,
    smile_id: SmileID | None = None,
) -> Bot:
    """Make everything, opened; `stack` closes it again. Nobody is called yet, nothing runs yet.

    `smile_id` is another way to Smile ID than v1 of its API.
    With `clock`, steps of the machine's clock are watched for; else the time is `now`, which nobody is expected to set.
    """
    patience = patience or Patience()
    now, steady = (clock.now, clock.steady) if clock else (now, now)
    dice = dice or random.SystemRandom()
    ground = await _lay(settings, stack, now=now, steady=steady, dice=dice, patience=patience, smile_id=smile_id)
    watch = _watch(ground, clock) if clock else None
    submission, submitting = _submission(ground, pass_seconds=patience.one_pass_seconds)
    results, asking = _results(ground)
    batching, reading = _batches(ground)
    intake, messages = _intake(ground), _messages(ground)
    tries = partial(Tries, sleep=patience.answer_sleep)
    answers = Answers(
        database=ground.database,
        slack=ground.worker_slack,
        intake=intake,
        messages=messages,
        batches=batching,
        now=now,
    )
    inbox, answering = _inbox(ground, answers, tries)
    outgoing, posting = _outbox(ground, answers)
    home, showing = _home(ground)
    database, access, id_types = ground.database, ground.access, ground.id_types
    review = Reviewing(database=database, access=access, id_types=id_types, settings=settings, now=now)
    reminding = Reminding(database=database, slack=ground.worker_slack, access=access, settings=settings, now=now)
    summary = Summary(
        database=database,
        access=access,
        id_types=id_types,
        settings=settings,
        with_charts=chart.can_draw(),
        now=now,
        dice=ground.dice,
    )
    backups = Backups(
        database=database,
        sealer=ground.sealer,
        access=access,
        readiness=ground.readiness,
        settings=settings,
        now=now,
        steady=steady,
    )
    catalogue = Catalogue(database=database, smile_id=ground.smile_id, id_types=id_types, settings=settings, now=now)
    await catalogue.load()
    bot = Bot(
        settings=settings,
        patience=patience,
        database=database,
        slack=ground.listener_slack,
        patient_slack=ground.worker_slack,
        slack_signature=SlackSignature(
            settings.slack_signing_secret, slack_time=lambda: ground.slack_time.theirs(now()).timestamp()
        ),
        workspace=ground.workspace,
        access=access,
        id_types=id_types,
        batches=batching,
        intake=intake,
        messages=messages,
        inbox=inbox,
        inbox_pool=answering,
        answers=answers,
        submission=submission,
        results=results,
        outbox=outgoing,
        backups=backups,
        desk=_desk(ground),
        finding=_finding(ground),
        holding=Holding(database=database, access=access, liveness_required=settings.liveness_required, now=now),
        home=home,
        review=review,
        reminding=reminding,
        notifying=Notifying(database=database, access=access),
        summary=summary,
        exports=Exports(database=database, access=access, timezone=settings.timezone, now=now, dice=ground.dice),
        metrics=ground.metrics,
        schedule=Schedule(
            [submitting, asking, reading, answering, posting, showing],
            look=watch.look if watch else None,
            on_lag=ground.metrics.tick,
        ),
        background=Background(),
        readiness=ground.readiness,
        tries=tries,
        refresh=catalogue.refresh,
        now=now,
        recover=watch.recover if watch else _nothing,
    )
    _appoint(bot)
    if watch is not None:
        bot.schedule.every(KEEP_SEEN_EVERY, watch.keep_seen, "clock")
    return bot


async def _nothing() -> None:
    """There is no clock to be watched."""


def _appoint(bot: Bot) -> None:
    """What is done by the clock alone."""
    every = bot.schedule.every
    every(REFRESH_ACCESS, bot.access.refresh, "access")
    every(REFRESH_PRODUCTS, bot.refresh, "products")
    every(LOOK_EVERY, bot.holding.look, "held checks")
    every(LOOK_EVERY, bot.batches.look, "cancelled batches")
    every(LOOK_EVERY, bot.reminding.look, "reviews")
    every(LOOK_AT_HOMES, bot.home.look, "home tabs")
    every(LOOK_FOR_SUMMARIES, bot.summary.look, "summaries", first_in=FIRST_SUMMARIES)
    if bot.settings.backup_dir is not None:
        every(LOOK_FOR_BACKUPS, bot.backups.run, "backups", first_in=FIRST_BACKUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What all processes stand on."""

    settings: Settings
    sealer: Sealer
    database: Database
    listener_slack: SlackWeb
    worker_slack: SlackWeb
    files: SlackFiles
    smile_id: SmileID
    workspace: Workspace
    access: Access
    bundles: Bundles
    decoder: PhotoDecoder
    id_types: IDTypes
    metrics: Metrics
    readiness: Readiness
    now: Callable[[], datetime]
    steady: Callable[[], datetime]
    """Time that is never set, for what lives in memory."""
    slack_time: TheirClock
    dice: random.Random
    patience: Patience


async def _lay(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    now: Callable[[], datetime],
    steady: Callable[[], datetime],
    dice: random.Random,
    patience: Patience,
    smile_id: SmileID | None,
) -> _Ground:
    metrics, readiness = Metrics(), Readiness()
    codes, id_types = read_tables(settings)
    sealer = Sealer.from_text([k for k in settings.encryption_keys.get_secret_value().replace(",", " ").split() if k])
    database = await Database.open(settings.database, sealer=sealer, migrate=migrate, on_commit=metrics.commit)
    stack.push_async_callback(database.close)
    await database.write(meta.check_key)
    heard = _both(metrics.slack, readiness.slack)
    slack_time = TheirClock("slack", now=now, steady=steady, readiness=readiness)
    look_up = patience.look_up_seconds
    listener_slack = await _slack(
        settings, stack, timeout=patience.listener, look_up_seconds=look_up, on_call=heard, time=slack_time
    )
    worker_slack = await _slack(
        settings, stack, timeout=patience.worker, look_up_seconds=look_up, on_call=heard, time=slack_time
    )
    smile_id = smile_id or connect_smile_id(
        settings,
        await _http(stack, timeout=patience.smile_id),
        codes=codes,
        now=now,
        on_call=_both(metrics.smile_id, readiness.smile_id),
        on_date=TheirClock("smile_id", now=now, steady=steady, readiness=readiness).heard,
    )
    files = SlackFiles(
        http=await _http(stack, timeout=patience.files),
        token=settings.slack_bot_token.get_secret_value(),
        hosts=settings.download_hosts,
    )
    limits = Limits(
        rows=settings.batch_rows, zip_bytes=settings.batch_bytes, liveness_required=settings.liveness_required
    )
    workspace = Workspace(database=database, slack=listener_slack, note=readiness.note, now=steady)
    await workspace.load()
    stack.push_async_callback(workspace.close)
    access = Access(settings=settings, slack=listener_slack, workspace=workspace, now=steady, look_up_seconds=look_up)
    stack.push_async_callback(access.close)
    bundles = Bundles(slack=worker_slack, files=files, id_types=id_types, limits=limits)
    stack.push_async_callback(bundles.close)
    return _Ground(
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
        readiness=readiness,
        now=now,
        steady=steady,
        slack_time=slack_time,
        dice=dice,
        patience=patience,
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


def _watch(ground: _Ground, clock: Clock) -> ClockWatch:
    return ClockWatch(
        clock=clock, database=ground.database, readiness=ground.readiness, on_step=ground.metrics.clock_step
    )


async def _slack(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    timeout: aiohttp.ClientTimeout,
    look_up_seconds: float,
    on_call: Callable[[str, str], None],
    time: TheirClock,
) -> SlackWeb:
    return SlackWeb(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        session=await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout)),
        on_call=on_call,
        look_up_seconds=look_up_seconds,
        on_date=time.heard,
        theirs=time.theirs,
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


def _submission(ground: _Ground, *, pass_seconds: float) -> tuple[SubmissionWorker, Crew[str]]:
    submission = SubmissionWorker(
        database=ground.database,
        slack=ground.worker_slack,
        files=ground.files,
        smile_id=ground.smile_id,
        access=ground.access,
        id_types=ground.id_types,
        bundles=ground.bundles,
        decoder=ground.decoder,
        settings=ground.settings,
        now=ground.now,
        dice=ground.dice,
        pass_seconds=pass_seconds,
    )
    crew = Crew("submission", claim=submission.claim, work=submission.work, size=SUBMISSIONS_AT_ONCE)
    ground.database.subscribe(checks.SUBMISSION, crew.wake)
    return submission, crew


def _results(ground: _Ground) -> tuple[Results, Crew[Attempt]]:
    results = Results(
        database=ground.database,
        smile_id=ground.smile_id,
        access=ground.access,
        settings=ground.settings,
        now=ground.now,
        dice=ground.dice,
        on_callback=ground.metrics.callback,
    )
    crew = Crew("results", claim=results.claim, work=results.work, size=8)
    ground.database.subscribe(attempts.RESULTS, crew.wake)
    return results, crew


def _batches(ground: _Ground) -> tuple[Batches, Crew[str]]:
    batching = Batches(
        database=ground.database,
        slack=ground.worker_slack,
        bundles=ground.bundles,
        access=ground.access,
        id_types=ground.id_types,
        settings=ground.settings,
        now=ground.now,
        dice=ground.dice,
    )
    crew = Crew("batches", claim=batching.claim, work=batching.work, size=2)
    ground.database.subscribe(batches.BATCHES, crew.wake)
    return batching, crew


def _inbox(ground: _Ground, answers: Answers, tries: Callable[[], Tries]) -> tuple[Inbox, Crew[InboxItem]]:
    inbox = Inbox(
        database=ground.database,
        slack=ground.worker_slack,
        answers=answers,
        tries=tries,
        now=ground.now,
        dice=ground.dice,
    )
    crew = Crew("inbox", claim=inbox.claim, work=inbox.work, size=ANSWERS_AT_ONCE)
    ground.database.subscribe(stored_inbox.INBOX, crew.wake)
    return inbox, crew


def _outbox(ground: _Ground, answers: Answers) -> tuple[Outbox, Crew[Post]]:
    outgoing = Outbox(
        database=ground.database,
        slack=ground.worker_slack,
        access=ground.access,
        builders={**_builders(ground), PostKind.ANSWER: answers.build},
        followers=export_commits.followers(),
        settings=ground.settings,
        now=ground.now,
        steady=ground.steady,
        dice=ground.dice,
        # The crew is made of the outbox, and wakes again when a pause of the outbox ends.
        wake_in=lambda wait: crew.wake_in(wait),  # noqa: PLW0108 - `crew` does not exist yet
    )
    crew = Crew("outbox", claim=outgoing.claim, work=outgoing.work, size=8)
    ground.database.subscribe(outbox.OUTBOX, crew.wake)
    return outgoing, crew


def _builders(ground: _Ground) -> Builders:
    """Who builds each kind of post."""
    database, slack, access, id_types = ground.database, ground.worker_slack, ground.access, ground.id_types
    settings, now = ground.settings, ground.now

    def read(receipt: Receipt) -> Reading:
        return ground.smile_id.read_message(receipt.body).reading

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


def _home(ground: _Ground) -> tuple[Home, Crew[home_tabs.Due]]:
    home = Home(
        database=ground.database,
        slack=ground.worker_slack,
        access=ground.access,
        id_types=ground.id_types,
        settings=ground.settings,
        now=ground.now,
        steady=ground.steady,
        dice=ground.dice,
    )
    crew = Crew("homes", claim=home.claim, work=home.work, size=2)
    ground.database.subscribe(home_tabs.HOMES, crew.wake)
    return home, crew


# Processes that handlers call, and nobody else


def _intake(ground: _Ground) -> Intake:
    return Intake(
        database=ground.database,
        slack=ground.listener_slack,
        access=ground.access,
        id_types=ground.id_types,
        settings=ground.settings,
        now=ground.now,
        dice=ground.dice,
    )


def _messages(ground: _Ground) -> Messages:
    return Messages(
        database=ground.database,
        slack=ground.worker_slack,
        id_types=ground.id_types,
        timezone=ground.settings.timezone,
        liveness_required=ground.settings.liveness_required,
        now=ground.now,
        look_up_seconds=ground.patience.look_up_seconds,
    )


def _desk(ground: _Ground) -> Desk:
    return Desk(
        database=ground.database,
        slack=ground.listener_slack,
        smile_id=ground.smile_id,
        access=ground.access,
        id_types=ground.id_types,
        now=ground.now,
    )


def _finding(ground: _Ground) -> Finding:
    return Finding(
        database=ground.database,
        slack=ground.listener_slack,
        access=ground.access,
        id_types=ground.id_types,
        timezone=ground.settings.timezone,
        now=ground.now,
    )
