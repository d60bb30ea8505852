"""What the bot does by the clock, and how often."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from bot.runtime import planner
from bot.runtime.bot import Bot

ROLES_EVERY = timedelta(minutes=10)


def schedule(bot: Bot) -> None:
    """Have all of it run once the scheduler does."""
    bot.records.begin(bot.background.spawn)
    every, minute = bot.schedule.every, timedelta(minutes=1)

    def once(
        interval: timedelta, job: Callable[[], Awaitable[object]], name: str, *, first_in: timedelta | None = None
    ) -> None:
        """By one of the instances: docs/architecture.md says of each job why."""
        every(interval, bot.instances.once(job, name, every=interval), name, first_in=first_in)

    every(ROLES_EVERY, bot.roles.refresh, "access")
    once(timedelta(hours=24), bot.refresh, "products")
    once(minute, bot.preflight.tick, "held checks")
    once(minute, bot.capture_links.tick, "capture links")
    once(minute, bot.batches.tick, "cancelled batches")
    once(60 * minute, bot.batches.look_at_messages, "messages of files", first_in=10 * minute)
    every(minute, bot.batches.bundles.close_idle, "idle files")
    once(minute, bot.reminders.tick, "reviews")
    # Waiting times on a tab grow, and days end, without any change of a check.
    once(5 * minute, bot.home.tick, "home tabs")
    once(minute, bot.summary.tick, "summaries", first_in=timedelta(seconds=1))
    every(timedelta(seconds=10), bot.records.look_on, "records", first_in=timedelta(seconds=5))
    once(minute, bot.heads.tell, "head of the trail", first_in=timedelta(seconds=20))
    every(minute, partial(bot.turned_away.store, bot.database, bot.now), "turned away")
    every(timedelta(hours=24), bot.slack_removals.tick, "slack removals", first_in=timedelta(seconds=20))
    once(minute, bot.purge.tick, "purge")
    every(minute, bot.slack_door.requests.forget, "refused requests")
    every(minute, bot.callback_door.requests.forget, "refused callbacks")
    once(10 * minute, bot.erasures.tick, "erasures")
    if not bot.instances.are_several:
        # Of SQLite's file: a server sees to both by itself.
        learn = partial(planner.learn_figures, bot.database)
        every(timedelta(hours=24), learn, "planner", first_in=10 * minute)
        if bot.settings.backup_dir is not None:
            every(minute, bot.backups.run, "backups", first_in=timedelta(seconds=2))
    if bot.watch is not None:
        every(minute, bot.watch.keep_seen, "clock")
