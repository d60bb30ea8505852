"""The one place where objects are made: `build` makes a `Bot` from settings; `bot.serve` runs one."""

import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import httpx

from bot.access import Access
from bot.backups import Backups
from bot.batches import Batches
from bot.bundles import Bundles
from bot.catalogue import Catalogue
from bot.desk import Desk
from bot.domain.applicants import Limits
from bot.domain.id_types import IDTypes
from bot.exports import Exports
from bot.finding import Finding
from bot.holding import LOOK_EVERY, Holding
from bot.home import LOOK_EVERY as LOOK_AT_HOMES
from bot.home import Home
from bot.intake import Intake
from bot.messages import Messages
from bot.metrics import Metrics
from bot.notifying import Notifying
from bot.outbox import Exporting, Outbox, Reporting, Saying
from bot.readiness import Readiness
from bot.results import Results
from bot.review import Reviewing
from bot.schedule import (
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
from bot.slack.files import SlackFiles
from bot.slack.signature import SlackSignature
from bot.slack.web import SlackWeb
from bot.smile_id.client import TIMEOUT, SmileID
from bot.submission import PASS_SECONDS, Submission
from bot.summary import LOOK_EVERY as LOOK_FOR_SUMMARIES
from bot.summary import Summary
from bot.tables import read_tables
from bot.tries import DOUBT_SECONDS, SPACES_SECONDS, Tries
from storage import attempts, batches, checks, homes, meta, outbox
from storage.database import Database, Transaction
from storage.migrations import migrate
from storage.sealing import Sealer

SUBMISSIONS_AT_ONCE = 32
LATE = timedelta(minutes=5)
"""Work that is due for longer is told at `/readyz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each kind of call may take; tests have less of it."""

    listener: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=1.5))
    """Calls inside a listener: the answer to Slack must leave within 3 s."""
    worker: aiohttp.ClientTimeout = field(default_factory=lambda: aiohttp.ClientTimeout(total=15, connect=5))
    smile_id: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    files: httpx.Timeout = field(default_factory=lambda: httpx.Timeout(30, connect=5))
    one_pass_seconds: float = PASS_SECONDS
    answer_spaces_seconds: Sequence[float] = SPACES_SECONDS
    answer_doubt_seconds: float = DOUBT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Everything that handlers and tests need, ready made."""

    settings: Settings
    database: Database
    slack: SlackWeb
    """For calls inside a listener: 1.5 s at most."""
    patient_slack: SlackWeb
    """For calls behind it, when nothing waits for them but a person."""
    slack_signature: SlackSignature
    access: Access
    id_types: IDTypes
    batches: Batches
    intake: Intake
    messages: Messages
    submission: Submission
    results: Results
    outbox: Outbox
    backups: Backups
    desk: Desk
    finding: Finding
    holding: Holding
    home: Home
    review: Reviewing
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

    async def figures(self) -> bytes:
        """The metrics, with gauges read from the database now."""
        now = self.now()
        states, due, lag = await self.database.read(_gauges, now)
        late = [kind for kind, wait in {**due, "outbox": lag}.items() if wait > LATE]
        self.readiness.note("late", ", ".join(late) or None)
        return self.metrics.render(checks=states, oldest_due=due, outbox_lag=lag)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def build(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    now: Callable[[], datetime] = utc_now,
    dice: random.Random | None = None,
    patience: Patience | None = None,
) -> Bot:
    """Make everything, opened; `stack` closes it again. Nobody is called yet, nothing runs yet."""
    dice = dice or random.SystemRandom()
    patience = patience or Patience()
    metrics, readiness = Metrics(), Readiness()
    codes, id_types = read_tables(settings)
    sealer = Sealer.from_text([k for k in settings.encryption_keys.get_secret_value().replace(",", " ").split() if k])
    database = await Database.open(settings.database, sealer=sealer, migrate=migrate, on_commit=metrics.commit)
    stack.push_async_callback(database.close)
    await database.write(meta.check_key)
    token = settings.slack_bot_token.get_secret_value()
    listener_slack, worker_slack = [
        SlackWeb(
            token=token,
            base_url=settings.slack_api_url,
            session=await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout)),
            on_call=_both(metrics.slack, readiness.slack),
        )
        for timeout in (patience.listener, patience.worker)
    ]
    limits = httpx.Limits(max_connections=SUBMISSIONS_AT_ONCE, max_keepalive_connections=8)
    smile_http, file_http = [
        await stack.enter_async_context(httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False))
        for timeout in (patience.smile_id, patience.files)
    ]
    smile_id = SmileID(
        http=smile_http,
        base_url=settings.smile_id_url,
        partner_id=settings.smile_id_partner_id,
        api_key=settings.smile_id_api_key.get_secret_value(),
        now=now,
        timeout=patience.smile_id,
        on_call=_both(metrics.smile_id, readiness.smile_id),
    )
    slack_files = SlackFiles(http=file_http, token=token, hosts=settings.download_hosts)
    access = Access(settings=settings, slack=listener_slack, now=now)
    bundles = Bundles(
        slack=worker_slack,
        files=slack_files,
        id_types=id_types,
        limits=Limits(rows=settings.batch_rows, zip_bytes=settings.batch_bytes),
    )
    stack.push_async_callback(bundles.close)
    batching = Batches(
        database=database,
        slack=worker_slack,
        bundles=bundles,
        access=access,
        id_types=id_types,
        settings=settings,
        now=now,
        dice=dice,
    )
    submission = Submission(
        database=database,
        slack=worker_slack,
        files=slack_files,
        smile_id=smile_id,
        access=access,
        id_types=id_types,
        bundles=bundles,
        settings=settings,
        now=now,
        dice=dice,
        pass_seconds=patience.one_pass_seconds,
    )
    results = Results(
        database=database,
        smile_id=smile_id,
        codes=codes,
        access=access,
        settings=settings,
        now=now,
        dice=dice,
        on_callback=metrics.callback,
    )
    outgoing = Outbox(
        database=database,
        slack=worker_slack,
        access=access,
        saying=Saying(slack=worker_slack, access=access, codes=codes, id_types=id_types, settings=settings, now=now),
        reporting=Reporting(slack=worker_slack, id_types=id_types, settings=settings, now=now),
        exporting=Exporting(database=database, slack=worker_slack, access=access, now=now),
        settings=settings,
        now=now,
        dice=dice,
        # The crew is made of the outbox, and wakes again when a pause of the outbox ends.
        wake_in=lambda wait: posting.wake_in(wait),  # noqa: PLW0108 - `posting` does not exist yet
    )
    home = Home(
        database=database,
        slack=worker_slack,
        access=access,
        id_types=id_types,
        settings=settings,
        now=now,
        dice=dice,
    )
    submitting = Crew("submission", claim=submission.claim, work=submission.work, size=SUBMISSIONS_AT_ONCE)
    reading = Crew("batches", claim=batching.claim, work=batching.work, size=2)
    asking = Crew("results", claim=results.claim, work=results.work, size=8)
    posting = Crew("outbox", claim=outgoing.claim, work=outgoing.work, size=8)
    showing = Crew("homes", claim=home.claim, work=home.work, size=2)
    database.subscribe(homes.HOMES, showing.wake)
    database.subscribe(checks.SUBMISSION, submitting.wake)
    database.subscribe(attempts.RESULTS, asking.wake)
    database.subscribe(batches.BATCHES, reading.wake)
    database.subscribe(outbox.OUTBOX, posting.wake)
    schedule = Schedule([submitting, asking, reading, posting, showing])
    schedule.every(REFRESH_ACCESS, access.refresh, "access")

    catalogue = Catalogue(database=database, smile_id=smile_id, id_types=id_types, settings=settings, now=now)
    await catalogue.load()
    schedule.every(REFRESH_PRODUCTS, catalogue.refresh, "products")
    holding = Holding(database=database, access=access, now=now)
    schedule.every(LOOK_EVERY, holding.look, "held checks")
    schedule.every(LOOK_EVERY, batching.look, "cancelled batches")
    review = Reviewing(
        database=database, slack=worker_slack, access=access, id_types=id_types, settings=settings, now=now
    )
    schedule.every(LOOK_EVERY, review.look, "reviews")
    schedule.every(LOOK_AT_HOMES, home.look, "home tabs")
    summary = Summary(database=database, access=access, id_types=id_types, settings=settings, now=now, dice=dice)
    schedule.every(LOOK_FOR_SUMMARIES, summary.look, "summaries", first_in=FIRST_SUMMARIES)
    backups = Backups(database=database, sealer=sealer, access=access, readiness=readiness, settings=settings, now=now)
    if settings.backup_dir is not None:
        schedule.every(LOOK_FOR_BACKUPS, backups.run, "backups", first_in=FIRST_BACKUP)
    return Bot(
        settings=settings,
        database=database,
        slack=listener_slack,
        patient_slack=worker_slack,
        slack_signature=SlackSignature(settings.slack_signing_secret),
        access=access,
        id_types=id_types,
        intake=Intake(
            database=database,
            slack=listener_slack,
            access=access,
            id_types=id_types,
            settings=settings,
            now=now,
            dice=dice,
        ),
        batches=batching,
        messages=Messages(
            database=database, slack=worker_slack, id_types=id_types, timezone=settings.timezone, now=now
        ),
        submission=submission,
        results=results,
        outbox=outgoing,
        backups=backups,
        desk=Desk(
            database=database,
            slack=listener_slack,
            smile_id=smile_id,
            access=access,
            codes=codes,
            id_types=id_types,
            now=now,
        ),
        holding=holding,
        home=home,
        review=review,
        notifying=Notifying(database=database, access=access),
        summary=summary,
        exports=Exports(database=database, access=access, timezone=settings.timezone, now=now, dice=dice),
        finding=Finding(
            database=database,
            slack=listener_slack,
            access=access,
            id_types=id_types,
            timezone=settings.timezone,
            now=now,
        ),
        metrics=metrics,
        schedule=schedule,
        background=Background(),
        readiness=readiness,
        now=now,
        tries=lambda: Tries(spaces_seconds=patience.answer_spaces_seconds, doubt_seconds=patience.answer_doubt_seconds),
        refresh=catalogue.refresh,
    )


def _gauges(tx: Transaction, now: datetime) -> tuple[dict[str, int], dict[str, timedelta], timedelta]:
    due = {
        "submission": checks.oldest_due(tx, now=now),
        "results": attempts.oldest_due(tx, now=now),
        "homes": homes.oldest_due(tx, now=now),
    }
    return checks.count_by_state(tx), due, outbox.lag(tx, now=now)


def _both(*hear: Callable[[str, str], None]) -> Callable[[str, str], None]:
    def heard(call: str, result: str) -> None:
        for one in hear:
            one(call, result)

    return heard
