"""The workspace that the bot is installed in: what `auth.test` says of it, and what the database remembers.

Until Slack has answered `auth.test` in this process nobody has a role, since the token may have been exchanged while
the bot was down. What the database remembers tells foreign requests from ours in the meantime.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.access.lookup_cache import LookupCache
from bot.domain.installation import ForeignPart, Installation, RequestOrigin, foreign_part, installation_of
from bot.errors import SlackError, SlackRateLimited
from bot.slack.client import SlackClient
from storage import installation
from storage.engine.database import Database

log = structlog.get_logger(__name__)

ANOTHER_WORKSPACE = "SLACK_BOT_TOKEN is of workspace {told}, the database belongs to {known}"
ORG_WIDE = "the app is installed for a whole organization, not in one workspace"


def fault_of(answer: Mapping[str, Any], known: Installation | None) -> str | None:
    """Why an answer of `auth.test` does not fit this database, for an operator; None where it does."""
    team = str(answer.get("team_id") or "")
    if answer.get("is_enterprise_install") or not team.startswith("T"):
        return ORG_WIDE
    if known is not None and known.team != team:
        return ANOTHER_WORKSPACE.format(told=team, known=known.team)
    return None


class Workspace:
    """Knows which workspace, organization and app are ours."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        note: Callable[[str, str | None], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._slack = slack
        self._note = note
        self._remembered: Installation | None = None
        self._confirmed = False
        self._now = now
        self._wait_until: datetime | None = None
        """Until when Slack asked not to be asked, in time that is never set."""
        self._answers: LookupCache[str, None] = LookupCache("workspace", self._look, now=now)
        self.fault: str | None = None
        """What an operator must mend before anybody has a role again."""

    @property
    def ours(self) -> Installation | None:
        """None before the first `auth.test`, and while the token does not fit the database."""
        return self._remembered if self._confirmed and self.fault is None else None

    async def load(self) -> None:
        """Read what an earlier process learned."""
        self._remembered = await self._database.read(installation.kept)

    def foreign_part(self, origin: RequestOrigin) -> ForeignPart | None:
        """What makes a request foreign; None for one of ours, and as long as nothing is known to compare it with."""
        return foreign_part(origin, self._remembered) if self._remembered is not None else None

    def looking(self) -> asyncio.Task[None]:
        """Ask Slack, or join whoever asks already; never fails."""
        return self._answers.asking("auth.test")

    @property
    def waits(self) -> bool:
        """Whether Slack has asked for a wait that is not over. Workers heed it; a person who acts asks all the same."""
        return self._wait_until is not None and self._now() < self._wait_until

    async def close(self) -> None:
        await self._answers.close()

    async def _look(self, _method: str) -> None:
        try:
            answer = await self._slack.whoami()
        except SlackRateLimited as limited:
            self._wait_until = self._now() + timedelta(seconds=limited.retry_after)
            raise
        self._wait_until = None
        fault_ = fault_of(answer, self._remembered)
        if fault_ is not None and fault_ != self.fault:
            log.error("workspace.does_not_fit", error=fault_)
        self.fault = fault_
        self._note("workspace", fault_)
        if fault_ is None:
            await self._confirm(answer)

    async def _confirm(self, answer: Mapping[str, Any]) -> None:
        """Roles count from here on; what is new is written down, and the app's id looked up where it is not known."""
        known = self._remembered
        told = installation_of(answer)
        if known is not None and known.bot == told.bot:
            told = replace(told, app=known.app)
        self._remembered, self._confirmed = told, True
        if told.app is None:
            told = self._remembered = replace(told, app=await self._app_of(told.bot))
        if told != known:
            await self._database.write(installation.keep, told)
            log.info("workspace.learned")

    async def _app_of(self, bot: str) -> str | None:
        try:
            return await self._slack.app_id_of(bot)
        except SlackError as fault:
            log.warning("workspace.app_not_told", error=str(fault))
            return None
