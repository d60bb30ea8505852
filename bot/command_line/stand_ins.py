"""The commands `demo` and `sandbox`, which play Slack and Smile ID on the loopback.

Each imports its stand-in when it runs, since production has none.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from bot.command_line.arguments import PORT
from bot.command_line.terminal import run_until_told

NO_SANDBOX = (
    "This installation has no stand-ins for Slack and Smile ID, which production does without. "
    "Run this command from a clone of the repository, after `make demo ONCE=1`."
)


@contextmanager
def _needs_the_sandbox() -> Iterator[None]:
    """Around the import of a stand-in, which each command makes for itself: production has no `bot.sandbox`."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name != "bot.sandbox":
            raise
        click.echo(NO_SANDBOX, err=True)
        sys.exit(1)


class _StoryName(click.ParamType[str]):
    """One of the stories that Smile ID's stand-in knows."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        stories = _stories()
        if stories and value not in stories:
            self.fail(f"there is no story {value!r}; there are {', '.join(sorted(stories))}", param, ctx)
        return value


class _WithStories(click.Command):
    """A command whose help lists the stories, and what each is for."""

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if stories := _stories():
            with formatter.section("Stories"):
                formatter.write_dl(list(stories.items()))


def _stories() -> dict[str, str]:
    """What each story is for, by name; none in production, which has no stand-ins."""
    try:
        from bot.sandbox.smile_id.stories import STORIES
    except ModuleNotFoundError:
        return {}
    return {name: story.purpose for name, story in STORIES.items()}


_story_option = click.option(
    "--story", type=_StoryName(), default="approved", show_default=True, help="What Smile ID's stand-in plays."
)


@click.command(cls=_WithStories)
@click.option("--once", is_flag=True, help="Play one check, print what is said of it, and end.")
@_story_option
@click.option("--port", type=PORT, default=0, help="Of the page; without it any that is free.")
@click.option("--no-history", is_flag=True, help="Begin with one finished check instead of two days of them.")
def demo(*, once: bool, story: str, port: int, no_history: bool) -> None:
    """Open a small workspace in the browser, between stand-ins of Slack and Smile ID; needs no accounts."""
    with _needs_the_sandbox():
        from bot.sandbox.demo import DemoFailed, launcher
        from bot.sandbox.demo.once import run_once
    # By pipe, too, what is said comes as it happens, and a reader who has seen enough ends it.
    say = partial(print, flush=True)
    try:
        with _exit_on_busy_port():
            run_until_told(
                run_once(story=story, say=say)
                if once
                else launcher.run(story=story, port=port, with_history=not no_history, say=say)
            )
    except DemoFailed as fault:
        click.echo(f"The demo failed: {fault}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        if once:
            raise
        click.echo("")


@click.group()
def sandbox() -> None:
    """Run one of the stand-ins by itself, on the loopback."""


@sandbox.command("slack")
@click.option("--port", type=PORT, required=True, help="On the loopback.")
@click.option("--bot-token", default="xoxb-sandbox", show_default=True, help="The only one that is taken.")
@click.option("--app-token", default="xapp-sandbox", show_default=True, help="For Socket Mode.")
@click.option("--signing-secret", default="sandbox-secret", show_default=True, help="For --events-url.")
@click.option("--events-url", default=None, help="Where to send requests; without it everything goes by Socket Mode.")
@click.option("--page-port", type=PORT, default=0, help="Of the page in a browser; without it any free one.")
def slack_stand_in(**options: Any) -> None:
    """Slack's Web API, Socket Mode, signed requests, and the workspace in a browser."""
    with _needs_the_sandbox():
        from bot.sandbox.page import command_line
    _until_interrupted(command_line.run(**options))


@sandbox.command("smile-id", cls=_WithStories)
@click.option("--port", type=PORT, required=True, help="On the loopback.")
@click.option("--partner-id", required=True, help="The only partner it knows.")
@click.option("--api-key", required=True, help="Both sides sign with it.")
@_story_option
def smile_id_stand_in(**options: Any) -> None:
    """Smile ID's v1 API; every official SDK can talk to it."""
    with _needs_the_sandbox():
        from bot.sandbox.smile_id import run as run_smile_id
    _until_interrupted(run_smile_id(**options))


@sandbox.command("env")
@click.option("--slack-port", type=PORT, required=True, help="Of `sandbox slack`.")
@click.option("--smile-id-port", type=PORT, required=True, help="Of `sandbox smile-id`.")
@click.option("--bot-token", default="xoxb-sandbox", show_default=True, help="As `sandbox slack` was told.")
@click.option("--app-token", default="xapp-sandbox", show_default=True, help="As `sandbox slack` was told.")
@click.option("--partner-id", default="0421", show_default=True, help="As `sandbox smile-id` was told.")
@click.option("--api-key", default="sandbox-api-key", show_default=True, help="As `sandbox smile-id` was told.")
@click.option("--port", type=PORT, default=3000, show_default=True, help="Of the bot, for Smile ID's callbacks.")
@click.option("--database", default="sandbox.db", show_default=True, help="Where the bot keeps its checks.")
def sandbox_settings(**wanted: Any) -> None:
    """Print settings for `serve` against both stand-ins, for a .env file or `env $(…) kyc-bot serve`."""
    with _needs_the_sandbox():
        from bot.sandbox.demo.environment import settings_between
    for name, value in settings_between(**wanted).items():
        click.echo(f"{name}={value}")


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    try:
        with _exit_on_busy_port():
            run_until_told(work)
    except KeyboardInterrupt:
        click.echo("")


@contextmanager
def _exit_on_busy_port() -> Iterator[None]:
    """Around a stand-in: what else goes wrong with the outside world is told as everywhere."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        click.echo(f"Cannot listen: {fault.strerror}", err=True)
        sys.exit(1)
