"""Slack's part of the setup: the tokens, each tried when it is typed, and what can be chosen by name."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bot.domain.installation import installation_of
from bot.errors import SlackError, SlackRefused
from bot.network import Outbound
from bot.runtime.doctor import slack as doctor
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail
from bot.runtime.setup.choices import Choice, channel_choice, group_choice, people_choices, role_choice_of_channel
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.secrets import SecretQuestion, ask_secret
from bot.runtime.setup.terminal import Terminal, printable
from bot.slack import manifest
from bot.slack.client import Answer, SlackClient

_APP = re.compile(r"xapp-\d+-(A[A-Z0-9]+)-")
_BOT_TOKEN = SecretQuestion(name="SLACK_BOT_TOKEN", text="Bot token (xoxb-…; page OAuth & Permissions)", begins="xoxb-")
_APP_TOKEN = SecretQuestion(
    name="SLACK_APP_TOKEN",
    text="App token (xapp-…; page Basic Information, App-Level Tokens, scope connections:write; - for Slack over HTTP)",
    begins="xapp-",
    optional=True,
)
_SIGNING_SECRET = SecretQuestion(name="SLACK_SIGNING_SECRET", text="Signing secret (page Basic Information)")


@dataclass(slots=True, kw_only=True)
class Directory:
    """What there is to choose from in the workspace, as far as Slack lists it."""

    bot: str = "kyc"
    channels: list[Choice] = field(default_factory=list)
    holders: list[Choice] = field(default_factory=list)
    """User groups and private channels, whose members may have a role."""
    absent: frozenset[str] = frozenset()
    """Ids of the channels that the bot is not in."""
    missing_scopes: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    """Why something is not listed, in words."""

    def label(self, id_: str) -> str:
        return next((each.label for each in (*self.channels, *self.holders) if each.id == id_), id_)


class SlackTrial:
    """Asks Slack with what the draft holds now."""

    def __init__(self, draft: Draft, outbound: Outbound, limits: DoctorTimeouts) -> None:
        self._draft = draft
        self._outbound = outbound
        self._limits = limits
        self.me: Answer | None = None
        """Of `auth.test`, once Slack has taken the bot token."""

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[SlackClient]:
        settings, limits, outbound = self._draft.slack(), self._limits, self._outbound
        timeout = aiohttp.ClientTimeout(total=limits.call, connect=limits.connect)
        async with outbound.session(timeout=timeout) as session:
            yield SlackClient(
                token=settings.slack_bot_token.get_secret_value(),
                base_url=settings.slack_api_url,
                session=session,
                proxy_for=outbound.proxy_for,
            )

    async def bot_token(self) -> list[Finding]:
        async with self._client() as slack:
            found, self.me = await doctor.try_bot_token(slack, self._draft.slack(), self._outbound, None)
            return found

    async def app_token(self) -> list[Finding]:
        token = self._draft.get("SLACK_APP_TOKEN")
        async with self._client() as slack:
            found = await doctor.try_app_token(slack, self._draft.slack(), self._outbound, self._limits)
            if found.ok and self.me and (other := await _other_app(slack, str(self.me.get("bot_id")), token)):
                return [fail(found.subject, other)]
            return [found]

    async def directory(self) -> Directory:
        """Empty where the bot token was left untried."""
        found = Directory()
        if self.me is None:
            return found
        found.bot = printable(str(self.me.get("user") or found.bot))
        found.missing_scopes = manifest.missing_scopes(self.me)
        async with self._client() as slack:
            channels = await self._listed(found, "channels", slack.channels())
            groups = await self._listed(found, "user groups", slack.groups())
        found.channels = [choice for each in channels if (choice := channel_choice(each))]
        found.holders = [group_choice(each) for each in groups]
        found.holders += [choice for each in channels if (choice := role_choice_of_channel(each))]
        found.absent = frozenset(str(each["id"]) for each in channels if not each.get("is_member"))
        return found

    async def people(self, found: Directory) -> list[Choice]:
        if self.me is None:
            return []
        async with self._client() as slack:
            return people_choices(await self._listed(found, "people", slack.users()), installation_of(self.me))

    async def _listed(self, found: Directory, what: str, listing: Awaitable[list[Answer]]) -> list[Answer]:
        try:
            return await listing
        except SlackRefused as no:
            # A plan without user groups is no fault: people and private channels remain.
            if no.code != "plan_upgrade_required":
                found.unlisted.append(f"Slack does not list the {what} ({no.code}). Type ids instead of names.")
        except SlackError as fault:
            trouble = doctor.slack_trouble(fault, self._draft.slack(), self._outbound)
            found.unlisted.append(f"The {what} cannot be listed: {trouble} Type ids instead of names.")
        return []


async def _other_app(slack: SlackClient, bot: str, token: str) -> str | None:
    """Slack takes tokens of two apps as well: the bot would hear as one and speak as the other."""
    named = _APP.match(token)
    try:
        app = await slack.app_id_of(bot) if named else None
    except SlackError:
        return None
    if named and app and named[1] != app:
        return f"it is of the app {named[1]}, and the bot token of {app}. Take both from one app."
    return None


def ask_tokens(draft: Draft, terminal: Terminal, trial: SlackTrial, runner: asyncio.Runner) -> None:
    """The bot token, and the app token or, for HTTP, the signing secret, which nobody can try."""
    terminal.say("\nSlack")
    terminal.say("  Create the app at https://api.slack.com/apps (Create New App, From a manifest; `kyc-bot manifest`")
    terminal.say("  prints it), and install it to your workspace. Secrets are not shown while you type.")
    ask_secret(draft, terminal, _BOT_TOKEN, lambda: runner.run(trial.bot_token()))
    ask_secret(draft, terminal, _APP_TOKEN, lambda: runner.run(trial.app_token()))
    if not draft.get("SLACK_APP_TOKEN"):
        ask_secret(draft, terminal, _SIGNING_SECRET, None)
