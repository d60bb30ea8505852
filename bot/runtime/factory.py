"""The composition root, the one place where objects are made: `build` makes a `Bot`, `bot.runtime.server` runs it."""

import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypedDict, TypeVar

from bot.access.role_watch import RoleWatch
from bot.capture import link_posts
from bot.capture.link_posts import LinkPosts
from bot.domain.outbox import Post, PostKind
from bot.intake import batch_commits
from bot.outbox.delivery import Outbox
from bot.outbox.host_alerts import HostAlerts
from bot.outbox.rate_limiter import RateLimiter
from bot.outbox.thread_posts import ThreadPosts
from bot.privacy import certificate_posts
from bot.privacy.certificate_posts import CertificatePosts
from bot.privacy.head_posts import HeadPosts
from bot.queries.home import HomeTab
from bot.reporting import chart, exports, summaries
from bot.reporting.export_posts import ExportPosts
from bot.reporting.exports import Exports
from bot.reporting.report_reader import ReportReader
from bot.reporting.summaries import Summaries
from bot.reporting.summary_posts import SummaryPosts
from bot.runtime import jobs, parts
from bot.runtime.backups import Backups
from bot.runtime.bot import Bot, Timeouts
from bot.runtime.changes import Changes
from bot.runtime.clock import Clock, utc_now
from bot.runtime.foundation import Foundation, lay_foundation
from bot.runtime.records import RecordWatch
from bot.runtime.tables import our_link_messages
from bot.runtime.workers import BackgroundTasks, Queue, Scheduler, WorkerPool
from bot.settings import Settings
from bot.smile_id.interface import SmileID
from bot.submission.worker import CHECKS_AT_ONCE, SubmissionWorker
from storage.attempts import RESULTS
from storage.batches import BATCHES
from storage.checks import SUBMISSION
from storage.home_tabs import HOMES
from storage.inbox import INBOX
from storage.outbox import OUTBOX
from storage.receipts import CALLBACKS
from storage.slack_removals import SLACK_REMOVALS

T = TypeVar("T")

ANSWERS_AT_ONCE = 16
"""Each of them mostly waits for Slack."""


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
    base = await lay_foundation(settings, stack, now=now, clock=clock, rng=rng, timeouts=timeouts, smile_id=smile_id)
    intake = parts.make_intake(base)
    submission = parts.make_submission(base)
    slack_door, callback_door = parts.make_doors(base)
    results = parts.make_results(base, on_callback=callback_door.heard)
    reports = ReportReader(**base.process)
    queries = parts.make_queries(base, reports)
    review = parts.make_review(base)
    privacy = parts.make_privacy(base)
    inbox_pool = _pool(base, "inbox", INBOX, intake["inbox"], size=ANSWERS_AT_ONCE)
    outbox, outbox_pool = _outbox(base, intake, review, privacy, reports)
    pools = inbox_pool, outbox_pool
    bot = Bot(
        settings=settings,
        timeouts=timeouts,
        database=base.process["database"],
        access=base.process["access"],
        id_types=base.process["id_types"],
        now=base.process["now"],
        slack=base.outgoing.listener_slack,
        patient_slack=base.outgoing.slack,
        smile_id=base.outgoing.smile_id,
        workspace=base.workspace,
        health=base.health,
        metrics=base.metrics,
        turned_away=base.turned_away,
        instances=base.instances,
        watch=base.watch,
        slack_door=slack_door,
        callback_door=callback_door,
        submission=submission,
        preflight=submission.preflight,
        outbox=outbox,
        schedule=_schedule(base, pools, submission, intake=intake, results=results, queries=queries, privacy=privacy),
        inbox_pool=inbox_pool,
        summary=Summaries(**base.process, links=base.links, reports=reports, with_charts=chart.can_draw()),
        exports=Exports(**base.process),
        **intake,
        **results,
        **queries,
        **review,
        **privacy,
        **parts.make_capture(base, submission),
        **_upkeep(base, queries["home"]),
    )
    jobs.schedule(bot)
    return bot


def _outbox(
    base: Foundation,
    intake: parts.IntakeParts,
    review: parts.ReviewParts,
    privacy: parts.PrivacyParts,
    reports: ReportReader,
) -> tuple[Outbox, WorkerPool[Post]]:
    """What the bot says unprompted: who builds each kind of post, what follows its end, and what works it off."""
    process, instances, slack = base.process, base.instances, base.outgoing.slack
    settings = process["settings"]
    outbox = Outbox(
        **process,
        slack=slack,
        builders={
            **ThreadPosts(**process, read=review["cards"].read).builders(),
            **review["cards"].builders(),
            **SummaryPosts(**process, slack=slack, links=base.links, reports=reports).builders(),
            **HeadPosts(**process).builders(),
            **ExportPosts(**process, slack=slack).builders(),
            **privacy["slack_removals"].posts.builders(),
            **CertificatePosts(**process, slack=slack).builders(),
            **LinkPosts(**process, slack=slack, messages=our_link_messages()).builders(),
            PostKind.ANSWER: intake["answer_delivery"].build,
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
            steady=base.steady,
            # The pool is made from the outbox, and wakes when a pause of the outbox ends.
            wake_in=lambda wait: pool.wake_in(wait),  # noqa: PLW0108 - `pool` does not exist yet
            share=lambda: instances.count,
        ),
    )
    pool = _pool(base, "outbox", OUTBOX, outbox, size=8)
    return outbox, pool


def _schedule(
    base: Foundation,
    made: Sequence[WorkerPool[Any]],
    submission: SubmissionWorker,
    *,
    intake: parts.IntakeParts,
    results: parts.ResultParts,
    queries: parts.QueryParts,
    privacy: parts.PrivacyParts,
) -> Scheduler:
    pool = partial(_pool, base)
    return Scheduler(
        [
            # Of files so many rows are under way at once, and the next follows each that ends.
            pool("submission", SUBMISSION, submission, size=CHECKS_AT_ONCE, holds_back=True),
            # Few at once, and none amid a burst: a callback waits for the same writer, and Smile ID for its answer.
            pool("callbacks", CALLBACKS, results["settler"], size=4, in_a_lull=True),
            pool("results", RESULTS, results["poller"], size=8),
            pool("batches", BATCHES, intake["batches"], size=2),
            *made,
            pool("homes", HOMES, queries["home"], size=2),
            pool("slack removals", SLACK_REMOVALS, privacy["slack_removals"], size=1),
        ],
        tick=base.watch.tick if base.watch else None,
        on_lag=base.metrics.tick,
    )


def _pool(
    base: Foundation,
    name: str,
    topic: str,
    queue: Queue[T],
    *,
    size: int,
    holds_back: bool = False,
    in_a_lull: bool = False,
) -> WorkerPool[T]:
    """What is due in each queue is worked off by a pool, which a commit to that queue wakes."""
    pool = WorkerPool(name, queue, size=size, holds_back=holds_back, at_work=base.instances.at_work)
    base.process["database"].subscribe(topic, pool.wake_in_a_lull if in_a_lull else pool.wake)
    return pool


class _Upkeep(TypedDict):
    roles: RoleWatch
    background: BackgroundTasks
    changes: Changes
    refresh: Callable[[], Coroutine[Any, Any, bool]]
    records: RecordWatch
    backups: Backups


def _upkeep(base: Foundation, home: HomeTab) -> _Upkeep:
    """What is learned anew, looked after and backed up while the bot runs."""
    process, health, instances, steady = base.process, base.health, base.instances, base.steady
    roles = RoleWatch(**process, takes_turn=partial(instances.take_turn, "roles", every=jobs.ROLES_EVERY))
    background = BackgroundTasks()
    # Among what it runs are the admins' alerts of hosts that were refused.
    HostAlerts(**process, spawn=background.spawn).hear(base.outgoing.gates.values())
    changes = Changes(
        access=process["access"],
        roles=roles,
        home=home,
        instances=instances,
        refresh_id_types=base.id_type_sync.refresh,
        load_id_types=base.id_type_sync.load,
        spawn=background.spawn,
    )
    return _Upkeep(
        roles=roles,
        background=background,
        changes=changes,
        refresh=changes.ask_smile_id,
        records=RecordWatch(**process, health=health, steady=steady),
        backups=Backups(**process, sealer=base.sealer, health=health, steady=steady),
    )
