"""Says at start, in one line each, whether Slack and Smile ID let the bot in, and if not why; then goes on trying.

Nothing of it keeps the bot from running. While Smile ID refuses its key, `ask_again` finds out when that ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from bot.errors import SlackError, SlackRefused, SmileIDError, SmileIDRefused
from bot.runtime.bot import Bot
from bot.runtime.health import Degraded
from bot.slack import manifest
from bot.slack.blocks import refusals

log = structlog.get_logger(__name__)

AGAIN_IN = timedelta(minutes=1)
CONNECT_SECONDS = 5.0
"""How long the line about Slack waits for Socket Mode, which usually takes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a platform said."""

    platform: str
    is_in: bool
    words: str
    """For an operator; names no secret."""

    @property
    def line(self) -> str:
        text = "".join(letter if letter.isprintable() else " " for letter in self.words)
        return f"{self.platform}: {text}"


async def greet(
    bot: Bot,
    announce: Callable[[str], None],
    *,
    connected: asyncio.Event | None = None,
    again_in: timedelta = AGAIN_IN,
) -> None:
    """Both platforms side by side, until each has let the bot in. A line is said when it differs from the last one.

    `connected` is set while Socket Mode is; None over HTTP.
    """
    await asyncio.gather(
        _until_in(lambda: slack(bot, connected), announce, again_in),
        _until_in(lambda: smile_id(bot), announce, again_in),
    )


async def _until_in(
    ask: Callable[[], Awaitable[Greeting]], announce: Callable[[str], None], again_in: timedelta
) -> None:
    said = ""
    while True:
        greeting = await ask()
        if greeting.line != said:
            said = greeting.line
            event = "platform.let_in" if greeting.is_in else "platform.not_let_in"
            (log.info if greeting.is_in else log.warning)(event, platform=greeting.platform, words=greeting.words)
            with suppress(OSError):
                # Nobody may be reading any more; the log has it too.
                announce(said)
        if greeting.is_in:
            return
        await asyncio.sleep(again_in.total_seconds())


async def slack(bot: Bot, connected: asyncio.Event | None = None) -> Greeting:
    """What Slack says of the bot token, and in Socket Mode of the app token.

    The answer's date also tells its clock, by which requests are verified.
    """
    try:
        me = await bot.patient_slack.whoami()
    except SlackRefused as no:
        return Greeting(
            platform="Slack",
            is_in=False,
            words=f"refuses the bot token ({no.code}). Put the app's Bot User OAuth Token into SLACK_BOT_TOKEN and "
            "restart; if the app was removed or its token revoked, install it to the workspace first.",
        )
    except SlackError as fault:
        return Greeting(platform="Slack", is_in=False, words=f"no answer yet ({fault}). The bot goes on trying.")
    if (misfit := bot.workspace.misfit(me)) is not None:
        return Greeting(platform="Slack", is_in=False, words=f"{misfit}. Nobody has a role until it fits.")
    if connected is not None and (why := await _not_connected(bot, connected)) is not None:
        return Greeting(platform="Slack", is_in=False, words=f"takes the bot token, but Socket Mode is {why}")
    words = f"let in as @{me.get('user')} in {me.get('team')}"
    if missing := manifest.missing_scopes(me):
        words += f", but without {', '.join(missing)}: reinstall the app from the manifest (kyc-bot manifest)"
    return Greeting(platform="Slack", is_in=True, words=words)


async def _not_connected(bot: Bot, connected: asyncio.Event) -> str | None:
    """Why there is no connection; None as soon as there is one."""
    try:
        await asyncio.wait_for(connected.wait(), CONNECT_SECONDS)
    except TimeoutError:
        return bot.health.degraded.get(Degraded.SOCKET_MODE, "not connected yet")
    return None


async def smile_id(bot: Bot) -> Greeting:
    """What Smile ID says of partner id and API key."""
    where = f"{bot.settings.smile_id_environment.value}, {urlsplit(bot.settings.smile_id_url).hostname}"
    try:
        # Not every environment has a list of our own ID types, and its refusal alone proves nothing.
        proven = await bot.smile_id.accepts_credentials()
        if not proven:
            with suppress(SmileIDRefused):
                proven = await bot.smile_id.enabled_id_types() is not None
    except SmileIDRefused as no:
        why = f"code {no.code}" if no.code else f"HTTP {no.status}"
        return Greeting(
            platform="Smile ID", is_in=False, words=f"refuses us ({why}; {where}). {refusals.SENTENCES[no.why]}"
        )
    except SmileIDError as fault:
        return Greeting(platform="Smile ID", is_in=False, words=f"no answer yet ({fault}). The bot goes on trying.")
    partner = f"partner {bot.settings.smile_id_partner_id} ({where})"
    # Smile ID refuses a wrong key here; but a right one it may have nothing to answer with.
    doubt = "" if proven else "; the first check will prove it"
    return Greeting(platform="Smile ID", is_in=True, words=f"let in as {partner}{doubt}")


async def ask_again(bot: Bot) -> None:
    """Once a minute: while Smile ID refuses us nobody can ask for a check, so no check would notice that it ended."""
    if Degraded.SMILE_ID_KEY in bot.health.degraded:
        with suppress(SmileIDError):
            await bot.smile_id.accepts_credentials()
