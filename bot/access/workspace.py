"""The workspace that the bot is installed in: what `auth.test` says of it, and what the database remembers.

Until Slack has answered `auth.test` in this process nobody has a role, since the token may have been exchanged while
the bot was down. What the database remembers tells foreign requests from ours in the meantime.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.access.lookup_cache import LookupCache
from bot.domain.installation import ForeignPart, Installation, RequestOrigin, foreign_part, installation_of
from bot.errors import SlackError, SlackRateLimited
from bot.slack.client import SlackClient
from storage import meta
from storage.engine.database import Database

log = structlog.get_logger(__name__)


def fault_of(answer: Mapping[str, Any], known: Installation | None) -> str | None:
    """Why an answer of `auth.test` does not fit this database, for an operator; None where it does."""
    team = str(answer.get("team_id") or "")
    if answer.get("is_enterprise_install") or not team.startswith("T"):
        return "the app is installed for a whole organization, not in one workspace"
    if known is not None and known.team != team:
        return f"SLACK_BOT_TOKEN is of workspace {team}, the database belongs to {known.team}"
    return None


@dataclass(slots=True, kw_only=True, eq=False)
class Workspace:
    """Knows which workspace, organization and app are ours."""

    database: Database
    slack: SlackClient
    note: Callable[[str | None], None]
    """Gets that fault, or None, for whoever watches the bot."""
    now: Callable[[], datetime]
    """Time that is never set."""
    fault: str | None = field(init=False, default=None)
    """What an operator must fix before anybody has a role again."""
    _remembered: Installation | None = field(init=False, default=None)
    _confirmed: bool = field(init=False, default=False)
    _wait_until: datetime | None = field(init=False, default=None)
    """Slack's rate limit."""
    _answers: LookupCache[str, None] = field(init=False)

    def __post_init__(self) -> None:
        self._answers = LookupCache("workspace", self._verify, self.now)

    @property
    def ours(self) -> Installation | None:
        """None before the first `auth.test`, and while the token does not fit the database."""
        return self._remembered if self._confirmed and self.fault is None else None

    async def load(self) -> None:
        """Read what an earlier process learned."""
        self._remembered = await self.database.read(meta.installation)

    def foreign_part(self, origin: RequestOrigin) -> ForeignPart | None:
        """What makes a request foreign; None for one of ours, and while nothing is known to compare it with."""
        return foreign_part(origin, self._remembered) if self._remembered is not None else None

    def misfit(self, answer: Mapping[str, Any]) -> str | None:
        """Why an answer of `auth.test` does not fit this database; None where it does."""
        return fault_of(answer, self._remembered)

    def verify(self) -> asyncio.Task[None]:
        """Asks Slack, or joins a request under way; never fails."""
        return self._answers.fetch("auth.test")

    @property
    def waits(self) -> bool:
        """Whether Slack's rate limit still holds. Workers wait; for a person who acts, Slack is asked anyway."""
        return self._wait_until is not None and self.now() < self._wait_until

    async def close(self) -> None:
        await self._answers.close()

    async def _verify(self, _method: str) -> None:
        try:
            answer = await self.slack.whoami()
        except SlackRateLimited as limited:
            self._wait_until = self.now() + timedelta(seconds=limited.retry_after)
            raise
        self._wait_until = None
        fault = fault_of(answer, self._remembered)
        if fault is not None and fault != self.fault:
            log.error("workspace.does_not_fit", error=fault)
        self.fault = fault
        self.note(fault)
        if fault is None:
            await self._confirm(answer)

    async def _confirm(self, answer: Mapping[str, Any]) -> None:
        """Roles count from here on. Stores what is new, and looks up the app's id where it is not known."""
        known = self._remembered
        current = installation_of(answer)
        if known is not None and known.bot == current.bot:
            current = replace(current, app=known.app)
        self._remembered, self._confirmed = current, True
        if current.app is None:
            current = self._remembered = replace(current, app=await self._app_of(current.bot))
        if current != known:
            await self.database.write(meta.keep_installation, current)
            log.info("workspace.learned")

    async def _app_of(self, bot: str) -> str | None:
        try:
            return await self.slack.app_id_of(bot)
        except SlackError as fault:
            log.warning("workspace.app_unknown", error=str(fault))
            return None
