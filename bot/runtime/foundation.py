"""What everything else is made from: the database and the instances on it, the way out, and who may do what."""

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypedDict

from bot.access.permissions import Access
from bot.access.workspace import Workspace
from bot.domain.applicants import Limits
from bot.domain.id_types.id_types import IDTypes
from bot.outbox.links import Links
from bot.outbox.look_ups import LookUps
from bot.privacy import signing
from bot.runtime.bot import Timeouts
from bot.runtime.clock import Clock, ClockWatch, RemoteClock
from bot.runtime.health import Degraded, Health
from bot.runtime.id_type_sync import IDTypeSync
from bot.runtime.instances import Instances
from bot.runtime.metrics import Metrics
from bot.runtime.outgoing import Outgoing, connect
from bot.runtime.tables import read_tables
from bot.runtime.turned_away import TurnedAway
from bot.settings import Settings
from bot.slack.batch_files import BatchFiles
from bot.smile_id.interface import SmileID
from storage import meta
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer


class OfProcess(TypedDict):
    """What a `Process` is made from."""

    database: Database
    access: Access
    id_types: IDTypes
    settings: Settings
    now: Callable[[], datetime]
    rng: random.Random


class Foundation(NamedTuple):
    """Each part of the bot is made from this, and from parts before it."""

    process: OfProcess
    outgoing: Outgoing
    instances: Instances
    workspace: Workspace
    health: Health
    metrics: Metrics
    turned_away: TurnedAway
    timeouts: Timeouts
    sealer: Sealer
    steady: Callable[[], datetime]
    """A clock that is never set."""
    id_type_sync: IDTypeSync
    links: Links
    look_ups: LookUps
    bundles: BatchFiles
    watch: ClockWatch | None


async def lay_foundation(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    now: Callable[[], datetime],
    clock: Clock | None,
    rng: random.Random,
    timeouts: Timeouts,
    smile_id: SmileID | None,
) -> Foundation:
    """Open all of it; `stack` closes it again."""
    now, steady = (clock.now, clock.steady) if clock else (now, now)
    health, turned_away = Health(), TurnedAway()
    metrics = Metrics(health, on_turned_away=turned_away.count)
    codes, id_types = read_tables(settings)
    sealer = Sealer.from_text(settings.sealing_keys)
    database = await _database(settings, stack, sealer, metrics=metrics, turned_away=turned_away, now=now)
    instances = await _instances(settings, database, clock, health=health, metrics=metrics, now=now)
    other = partial(RemoteClock, ours=instances.whose_clock, now=now, steady=steady, health=health)
    outgoing = await connect(
        settings, stack, timeouts=timeouts, codes=codes, metrics=metrics, remote_clock=other, now=now, smile_id=smile_id
    )
    slack, seconds, note = outgoing.listener_slack, timeouts.look_up_seconds, partial(health.note, Degraded.WORKSPACE)
    workspace = Workspace(database=database, slack=slack, note=note, now=steady)
    await workspace.load()
    stack.push_async_callback(workspace.close)
    access = Access(settings=settings, slack=slack, workspace=workspace, now=steady, look_up_seconds=seconds)
    stack.push_async_callback(access.close)
    bundles = _bundles(settings, outgoing, id_types, steady=steady)
    stack.push_async_callback(bundles.close)
    watch = None
    if clock is not None:
        watch = ClockWatch(
            clock=clock, database=database, health=health, on_step=metrics.clock_step, are_several=instances.are_several
        )
    process = OfProcess(database=database, access=access, id_types=id_types, settings=settings, now=now, rng=rng)
    id_type_sync = IDTypeSync(**process, smile_id=outgoing.smile_id)
    await id_type_sync.load()
    return Foundation(
        process=process,
        outgoing=outgoing,
        instances=instances,
        workspace=workspace,
        health=health,
        metrics=metrics,
        turned_away=turned_away,
        timeouts=timeouts,
        sealer=sealer,
        steady=steady,
        id_type_sync=id_type_sync,
        links=Links(database=database, slack=outgoing.slack, seconds=seconds, steady=steady),
        look_ups=LookUps(**process),
        bundles=bundles,
        watch=watch,
    )


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


def _begin(tx: Transaction, now: datetime) -> None:
    meta.begin(tx)
    signing.note_key(tx, at=now)


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
    are_several = not isinstance(settings.database, Path)
    instances = Instances(
        database=database, health=health, now=now, are_several=are_several, on_begun_anew=metrics.begun_anew
    )
    if are_several and clock is not None:
        await instances.learn_time()
        clock.follow(instances.clock.now)
    return instances


def _bundles(
    settings: Settings, outgoing: Outgoing, id_types: IDTypes, *, steady: Callable[[], datetime]
) -> BatchFiles:
    limits = Limits(
        rows=settings.batch_rows, zip_bytes=settings.batch_bytes, liveness_required=settings.liveness_required
    )
    return BatchFiles(slack=outgoing.slack, files=outgoing.files, id_types=id_types, limits=limits, steady=steady)
