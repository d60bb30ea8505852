"""The composition root, the one place where objects are made: `build` makes a `Bot`, `bot.runtime.server` runs it."""

import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypedDict, TypeVar

from bot.access.causes import Causes
from bot.access.permissions import Access
from bot.access.refusals import Refusals
from bot.access.role_watch import RoleWatch
from bot.access.workspace import Workspace
from bot.capture import assets, link_posts
from bot.capture.handover import SEND_SECONDS, Handover
from bot.capture.interface import Capture, CustomerPage
from bot.capture.link_actions import LinkActions
from bot.capture.link_posts import LinkPosts
from bot.capture.links import CaptureLinks
from bot.domain.applicants import Limits
from bot.domain.hosts import HostKind
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import PostKind
from bot.domain.results.attempt import Receipt
from bot.domain.results.codes import ResultMeaning
from bot.intake import batch_commits
from bot.intake.answer_delivery import AnswerDelivery
from bot.intake.answers import AnswerBuilder
from bot.intake.batches import Batches
from bot.intake.corrections import Corrections
from bot.intake.inbox import Inbox
from bot.intake.messages import MessageReader
from bot.intake.service import Intake
from bot.network.hosts import HostGate
from bot.outbox.delivery import Outbox
from bot.outbox.host_alerts import HostAlerts
from bot.outbox.links import Links
from bot.outbox.look_ups import LookUps
from bot.outbox.rate_limiter import RateLimiter
from bot.outbox.thread_posts import ThreadPosts
from bot.privacy import certificate_posts, signing
from bot.privacy.certificate_posts import CertificatePosts
from bot.privacy.erased_posts import ErasedPosts
from bot.privacy.erasure import Erasures
from bot.privacy.head_posts import HeadPosts
from bot.privacy.holds import Holds
from bot.privacy.retention import NightlyPurge
from bot.privacy.slack_removals import SlackRemovals
from bot.privacy.trail_heads import TrailHeads
from bot.queries.customer import CustomerMessages
from bot.queries.details import CheckDetails
from bot.queries.home import HomeTab
from bot.queries.photos import CheckPhotos
from bot.queries.search import CheckSearch
from bot.reporting import chart, exports, summaries
from bot.reporting.export_posts import ExportPosts
from bot.reporting.exports import Exports
from bot.reporting.report_reader import ReportReader
from bot.reporting.summaries import Summaries
from bot.reporting.summary_posts import SummaryPosts
from bot.results.announcements import Announcements
from bot.results.callbacks import Callbacks
from bot.results.polling import StatusPoller
from bot.results.settlement import Settlement
from bot.results.settling import CallbackSettler
from bot.review.cards import ReviewCards
from bot.review.decisions import ReviewDecisions
from bot.review.photos import PhotoAccess
from bot.review.reminders import Reminders
from bot.review.requests import ReviewRequests
from bot.review.subscriptions import Subscriptions
from bot.runtime import doors, jobs
from bot.runtime.backups import Backups
from bot.runtime.bot import Bot, Timeouts
from bot.runtime.changes import Changes
from bot.runtime.clock import Clock, ClockWatch, RemoteClock, utc_now
from bot.runtime.health import Degraded, Health
from bot.runtime.id_type_sync import IDTypeSync
from bot.runtime.instances import Instances
from bot.runtime.metrics import Metrics
from bot.runtime.outgoing import Outgoing, connect
from bot.runtime.records import RecordWatch
from bot.runtime.tables import our_link_messages, read_customer_texts, read_tables
from bot.runtime.turned_away import TurnedAway
from bot.runtime.workers import BackgroundTasks, Queue, Scheduler, WorkerPool
from bot.settings import Settings
from bot.slack.batch_files import BatchFiles
from bot.slack.retry import Retry
from bot.slack.signature import SlackSignature
from bot.smile_id.interface import SmileID
from bot.submission.photo_decoder import PhotoDecoder
from bot.submission.photo_memory import PhotoMemory
from bot.submission.photos import PhotoLoader
from bot.submission.preflight import Preflight
from bot.submission.reconciliation import Reconciler
from bot.submission.retries import RetryPolicy
from bot.submission.sender import Sender
from bot.submission.slack_photos import SlackPhotos
from bot.submission.worker import CHECKS_AT_ONCE, SubmissionWorker
from storage import meta
from storage.attempts import RESULTS
from storage.batches import BATCHES
from storage.checks import SUBMISSION
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from storage.home_tabs import HOMES
from storage.inbox import INBOX
from storage.outbox import OUTBOX
from storage.receipts import CALLBACKS
from storage.slack_removals import SLACK_REMOVALS

T = TypeVar("T")

ANSWERS_AT_ONCE = 16
"""Each of them mostly waits for Slack."""


class _Process(TypedDict):
    """What a `Process` is made from."""

    database: Database
    access: Access
    id_types: IDTypes
    settings: Settings
    now: Callable[[], datetime]
    rng: random.Random


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
    """Make everything, opened; `stack` closes it again. Nothing is called and nothing runs yet.

    `smile_id` replaces v1 of Smile ID's API. With `clock`, steps of the machine's clock are watched for; without it the
    time is `now`, which is expected never to be set.
    """
    timeouts, rng = timeouts or Timeouts(), rng or random.SystemRandom()
    now, steady = (clock.now, clock.steady) if clock else (now, now)
    health, turned_away = Health(), TurnedAway()
    metrics = Metrics(health, on_turned_away=turned_away.count)

    # Connections
    codes, id_types = read_tables(settings)
    sealer = Sealer.from_text(settings.sealing_keys)
    database = await _database(settings, stack, sealer, metrics=metrics, turned_away=turned_away, now=now)
    instances = await _instances(settings, database, clock, health=health, metrics=metrics, now=now)
    outgoing = await connect(
        settings,
        stack,
        timeouts=timeouts,
        codes=codes,
        metrics=metrics,
        remote_clock=partial(RemoteClock, ours=instances.whose_clock, now=now, steady=steady, health=health),
        now=now,
        smile_id=smile_id,
    )
    listener_slack, slack, slack_clock = outgoing.listener_slack, outgoing.slack, outgoing.slack_clock
    smile_id = outgoing.smile_id

    # Who may do what, and what processes share
    workspace = Workspace(
        database=database, slack=listener_slack, note=partial(health.note, Degraded.WORKSPACE), now=steady
    )
    await workspace.load()
    stack.push_async_callback(workspace.close)
    access = Access(
        settings=settings,
        slack=listener_slack,
        workspace=workspace,
        now=steady,
        look_up_seconds=timeouts.look_up_seconds,
    )
    stack.push_async_callback(access.close)
    bundles = BatchFiles(
        slack=slack,
        files=outgoing.files,
        id_types=id_types,
        limits=Limits(
            rows=settings.batch_rows, zip_bytes=settings.batch_bytes, liveness_required=settings.liveness_required
        ),
        steady=steady,
    )
    stack.push_async_callback(bundles.close)
    causes = Causes(
        access=access,
        slack_refuses=lambda: health.refusal_of_slack,
        smile_id_refuses=lambda: Degraded.SMILE_ID_KEY in health.degraded,
        ask_smile_id=smile_id.accepts_credentials,
    )
    retry = partial(Retry, sleep=timeouts.answer_sleep)
    links = Links(database=database, slack=slack, seconds=timeouts.look_up_seconds, steady=steady)
    process = _Process(database=database, access=access, id_types=id_types, settings=settings, now=now, rng=rng)

    # Processes
    id_type_sync, look_ups = IDTypeSync(**process, smile_id=smile_id), LookUps(**process)
    await id_type_sync.load()
    intake = Intake(**process, slack=listener_slack, links=links, causes=causes, look_ups=look_ups)
    messages = MessageReader(**process, slack=slack, look_up_seconds=timeouts.look_up_seconds)
    batches = Batches(**process, slack=slack, bundles=bundles, look_ups=look_ups)
    answers = AnswerBuilder(
        intake=intake,
        messages=messages,
        batches=batches,
        refusals=Refusals(**process, count=turned_away.count),
    )
    answer_delivery = AnswerDelivery(**process, slack=slack, builder=answers)
    inbox = Inbox(**process, slack=slack, answers=answers, delivery=answer_delivery, retry=retry)
    submission = _submission(process, outgoing, bundles, pass_seconds=timeouts.one_pass_seconds)
    settlement = Settlement(
        smile_id=smile_id, announcements=Announcements(access=access, settings=settings), settings=settings, rng=rng
    )
    slack_door, callback_door = doors.make(
        SlackSignature(settings.slack_signing_secret, slack_time=lambda: slack_clock.theirs(now()).timestamp()),
        metrics=metrics,
        health=health,
        steady=steady,
    )
    settler = CallbackSettler(**process, settlement=settlement, on_callback=callback_door.heard)
    poller = StatusPoller(**process, smile_id=smile_id, settlement=settlement)

    def read(receipt: Receipt) -> ResultMeaning:
        return smile_id.read_message(receipt.body).reading

    reports = ReportReader(**process)
    home = HomeTab(**process, slack=slack, links=links, reports=reports, steady=steady)
    cards = ReviewCards(**process, links=links, look_ups=look_ups, read=read)
    removals = _slack_removals(process, outgoing, instances, health=health, steady=steady)
    outbox = Outbox(
        **process,
        slack=slack,
        builders={
            **ThreadPosts(**process, read=read).builders(),
            **cards.builders(),
            **SummaryPosts(**process, slack=slack, links=links, reports=reports).builders(),
            **HeadPosts(**process).builders(),
            **ExportPosts(**process, slack=slack).builders(),
            **removals.posts.builders(),
            **CertificatePosts(**process, slack=slack).builders(),
            **LinkPosts(**process, slack=slack, messages=our_link_messages()).builders(),
            PostKind.ANSWER: answer_delivery.build,
        },
        followers={
            **exports.followers(),
            **summaries.followers(),
            **batch_commits.followers(),
            **certificate_posts.followers(),
            **link_posts.followers(),
        },
        rate_limiter=RateLimiter(
            usual=timedelta(seconds=1 / settings.slack_posts_per_second),
            steady=steady,
            # The pool is made from the outbox, and wakes when a pause of the outbox ends.
            wake_in=lambda wait: outbox_pool.wake_in(wait),  # noqa: PLW0108 - `outbox_pool` does not exist yet
            share=lambda: instances.count,
        ),
    )

    # What is due in each queue is worked off by a pool, which a commit to that queue wakes
    pool = partial(_pool, database, instances)
    inbox_pool = pool("inbox", INBOX, inbox, size=ANSWERS_AT_ONCE)
    outbox_pool = pool("outbox", OUTBOX, outbox, size=8)
    watch = (
        ClockWatch(
            clock=clock,
            database=database,
            health=health,
            on_step=metrics.clock_step,
            are_several=instances.are_several,
        )
        if clock
        else None
    )
    schedule = Scheduler(
        [
            # Of files so many rows are under way at once, and the next follows each that ends.
            pool("submission", SUBMISSION, submission, size=CHECKS_AT_ONCE, holds_back=True),
            # Few at once, and none amid a burst: a callback waits for the same writer, and Smile ID for its answer.
            pool("callbacks", CALLBACKS, settler, size=4, in_a_lull=True),
            pool("results", RESULTS, poller, size=8),
            pool("batches", BATCHES, batches, size=2),
            inbox_pool,
            outbox_pool,
            pool("homes", HOMES, home, size=2),
            pool("slack removals", SLACK_REMOVALS, removals, size=1),
        ],
        tick=watch.tick if watch else None,
        on_lag=metrics.tick,
    )

    roles, background, changes = _changes(process, outgoing.gates, home, id_type_sync, instances)
    bot = Bot(
        settings=settings,
        timeouts=timeouts,
        database=database,
        slack=listener_slack,
        patient_slack=slack,
        slack_door=slack_door,
        callback_door=callback_door,
        capture_door=doors.make_capture_door(metrics, steady=steady),
        smile_id=smile_id,
        workspace=workspace,
        access=access,
        causes=causes,
        refusals=answers.refusals,
        roles=roles,
        changes=changes,
        heads=TrailHeads(**process, note=partial(health.note, Degraded.AUDIT_HEAD), steady=steady),
        turned_away=turned_away,
        id_types=id_types,
        batches=batches,
        intake=intake,
        corrections=Corrections(**process, intake=intake),
        link_actions=LinkActions(**process),
        messages=messages,
        inbox=inbox,
        inbox_pool=inbox_pool,
        answers=answers,
        answer_delivery=answer_delivery,
        submission=submission,
        capture_links=CaptureLinks(**process),
        handover=Handover(
            **process,
            photo_loader=submission.photo_loader,
            memory=submission.memory,
            preflight=submission.preflight,
            reconciler=submission.reconciler,
            sender=submission.sender,
            under_way=submission.under_way,
            at_work=instances.at_work,
            send_seconds=min(SEND_SECONDS, timeouts.one_pass_seconds),
        ),
        callbacks=Callbacks(**process, smile_id=smile_id, settlement=settlement, on_callback=callback_door.heard),
        settler=settler,
        poller=poller,
        outbox=outbox,
        slack_removals=removals,
        erasures=Erasures(**process),
        backups=Backups(**process, sealer=sealer, health=health, steady=steady),
        details=CheckDetails(**process, slack=listener_slack, links=links, smile_id=smile_id, look_ups=look_ups),
        search=CheckSearch(**process, links=links, look_ups=look_ups),
        check_photos=CheckPhotos(
            **process, slack=slack, links=links, photo_access=PhotoAccess(**process, look_ups=look_ups)
        ),
        preflight=submission.preflight,
        home=home,
        review=ReviewDecisions(**process),
        review_requests=ReviewRequests(**process),
        cards=cards,
        customer_messages=CustomerMessages(**process, texts=read_customer_texts(settings), look_ups=look_ups),
        reminders=Reminders(**process, slack=slack),
        subscriptions=Subscriptions(**process),
        summary=Summaries(**process, links=links, reports=reports, with_charts=chart.can_draw()),
        exports=Exports(**process),
        metrics=metrics,
        schedule=schedule,
        background=background,
        health=health,
        instances=instances,
        records=RecordWatch(**process, health=health, steady=steady),
        holds=Holds(**process),
        purge=NightlyPurge(**process, is_clock_off=lambda: health.clock_is_off),
        retry=retry,
        refresh=changes.ask_smile_id,
        now=now,
        watch=watch,
    )
    jobs.schedule(bot)
    return replace(bot, capture=_capture(bot))


def _capture(bot: Bot) -> Capture | None:
    """What stands behind customers' links, where the settings say who asks and where that can be read."""
    company, privacy_url = bot.settings.company_name, bot.settings.privacy_url
    if not bot.settings.offers_links or company is None or privacy_url is None:
        return None
    page = CustomerPage(
        company=company,
        privacy_url=privacy_url,
        notice=assets.NOTICE,
        languages=assets.LANGUAGES,
        document=assets.PAGE,
        assets=assets.ASSETS,
    )
    return Capture(page=page, links=bot.capture_links, handover=bot.handover)


def _begin(tx: Transaction, now: datetime) -> None:
    meta.begin(tx)
    signing.note_key(tx, at=now)


async def _database(
    settings: Settings,
    stack: AsyncExitStack,
    sealer: Sealer,
    *,
    metrics: Metrics,
    turned_away: TurnedAway,
    now: Callable[[], datetime],
) -> Database:
    database = await Database.open(
        settings.database, sealer=sealer, migrate=migrate, on_commit=metrics.commit, on_busy=metrics.write_refused
    )
    for at_the_end in (database.close, partial(turned_away.store, database, now)):
        stack.push_async_callback(at_the_end)
    await database.write(_begin, now())
    return database


def _submission(process: _Process, outgoing: Outgoing, bundles: BatchFiles, *, pass_seconds: float) -> SubmissionWorker:
    smile_id, retries = outgoing.smile_id, RetryPolicy(**process)
    reconciler = Reconciler(**process, smile_id=smile_id, retries=retries)
    return SubmissionWorker(
        **process,
        slack_photos=SlackPhotos(slack=outgoing.slack, files=outgoing.files, bundles=bundles),
        photo_loader=PhotoLoader(decoder=PhotoDecoder()),
        memory=PhotoMemory(),
        preflight=Preflight(**process),
        retries=retries,
        reconciler=reconciler,
        sender=Sender(**process, smile_id=smile_id, reconciler=reconciler, retries=retries),
        pass_seconds=pass_seconds,
    )


def _slack_removals(
    process: _Process, outgoing: Outgoing, instances: Instances, *, health: Health, steady: Callable[[], datetime]
) -> SlackRemovals:
    # Half of what Slack takes: the other half is for what people wait for. Each tick wakes the pool.
    pace = RateLimiter(
        usual=timedelta(seconds=2 / process["settings"].slack_posts_per_second),
        steady=steady,
        wake_in=lambda _wait: None,
        share=lambda: instances.count,
    )
    return SlackRemovals(
        **process,
        slack=outgoing.slack,
        posts=ErasedPosts(**process),
        as_person=outgoing.slack_as_person,
        note=partial(health.note, Degraded.SLACK_DELETIONS),
        pace=pace,
    )


async def _instances(
    settings: Settings,
    database: Database,
    clock: Clock | None,
    *,
    health: Health,
    metrics: Metrics,
    now: Callable[[], datetime],
) -> Instances:
    """Those beside this process go by the database's clock, and so does this one."""
    instances = Instances(
        database=database,
        health=health,
        now=now,
        are_several=not isinstance(settings.database, Path),
        on_begun_anew=metrics.begun_anew,
    )
    if instances.are_several and clock is not None:
        await instances.learn_time()
        clock.follow(instances.clock.now)
    return instances


def _changes(
    process: _Process,
    gates: Mapping[HostKind, HostGate],
    home: HomeTab,
    id_type_sync: IDTypeSync,
    instances: Instances,
) -> tuple[RoleWatch, BackgroundTasks, Changes]:
    roles = RoleWatch(**process, takes_turn=partial(instances.take_turn, "roles", every=jobs.ROLES_EVERY))
    background = _background(process, gates)
    changes = Changes(
        access=process["access"],
        roles=roles,
        home=home,
        instances=instances,
        refresh_id_types=id_type_sync.refresh,
        load_id_types=id_type_sync.load,
        spawn=background.spawn,
    )
    return roles, background, changes


def _background(process: _Process, gates: Mapping[HostKind, HostGate]) -> BackgroundTasks:
    """Among what it runs are the admins' alerts of hosts that were refused."""
    background = BackgroundTasks()
    HostAlerts(**process, spawn=background.spawn).hear(gates.values())
    return background


def _pool(
    database: Database,
    instances: Instances,
    name: str,
    topic: str,
    queue: Queue[T],
    *,
    size: int,
    holds_back: bool = False,
    in_a_lull: bool = False,
) -> WorkerPool[T]:
    pool = WorkerPool(name, queue, size=size, holds_back=holds_back, at_work=instances.at_work)
    database.subscribe(topic, pool.wake_in_a_lull if in_a_lull else pool.wake)
    return pool
