"""Who may do what, decided from memory: settings, and what Slack says of groups, channels and people.

The memory is filled at start and refreshed by the clock and by Slack's events. On a cold cache one look-up of at
most a second is made; no answer means no. Nobody is ever told who else may.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

import structlog

from bot.errors import SlackError, SlackRefused
from bot.settings import Settings
from bot.slack.web import SlackWeb

log = structlog.get_logger(__name__)

T = TypeVar("T")

FRESH_FOR = timedelta(minutes=10)
"""How old an answer about a person or channel may be before it is asked anew."""
KEEP_FOR = timedelta(hours=6)
"""How long a group's members are believed while Slack does not answer: then nobody has the role by it."""
LOOK_UP_SECONDS = 1.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NO_SUCH_GROUP = frozenset({"no_such_subteam", "subteam_not_found", "channel_not_found"})
_NO_SUCH_PERSON = frozenset({"user_not_found", "user_not_visible"})


class Role(StrEnum):
    REQUESTER = "requester"
    REVIEWER = "reviewer"
    MANAGER = "manager"
    ADMIN = "admin"


class Verdict(StrEnum):
    """What became of a question about rights."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """Slack did not answer in time: treated as no, told as *try again in a moment*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What matters of a conversation."""

    id: str
    name: str
    can_post: bool
    shared: bool
    """With another company: checks are never asked there."""


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    value: T
    at: datetime
    """When it was asked for: what changed while the answer was on its way is not in it."""


class Access:
    """Rights of people and channels."""

    def __init__(
        self,
        *,
        settings: Settings,
        slack: SlackWeb,
        now: Callable[[], datetime],
        look_up_seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._slack = slack
        self._look_up_seconds = look_up_seconds
        self._now = now
        self._roles = {
            Role.REQUESTER: settings.requesters,
            Role.REVIEWER: settings.reviewers,
            Role.MANAGER: settings.managers,
            Role.ADMIN: settings.admins,
        }
        self._channels_allowed = frozenset(settings.channels)
        self._members: dict[str, _Known[frozenset[str]]] = {}
        self._people: dict[str, _Known[bool]] = {}
        self._channels: dict[str, _Known[Channel]] = {}
        self._changed_at: dict[str, datetime] = {}

    async def refresh(self) -> None:
        """Fill the memory: members of every group and private channel that a setting names."""
        for entry in sorted({e for entries in self._roles.values() for e in entries if _is_group(e)}):
            await self._refresh_members(entry)

    async def changed(self, entry: str) -> None:
        """An event says that this group or channel changed: what was known of it holds no longer."""
        self._channels.pop(entry, None)
        if not any(entry in entries for entries in self._roles.values()):
            return
        self._changed_at[entry] = self._now()
        if known := self._members.get(entry):
            # Nobody has a role by it until Slack was asked anew; whom to call stays known meanwhile.
            self._members[entry] = replace(known, at=_LONG_AGO)
        await self._refresh_members(entry)

    async def has(self, user: str, *roles: Role) -> Verdict:
        """Whether a person has one of these roles; asks Slack only where memory has nothing, for a second at most."""
        entries = dict.fromkeys(entry for role in roles for entry in self._roles[role])
        unknown = []
        for entry in entries:
            match self._remembered(entry, user):
                case Verdict.YES:
                    return Verdict.YES
                case Verdict.UNKNOWN:
                    unknown.append(entry)
        answers = await asyncio.gather(*(self._ask(entry, user) for entry in unknown))
        return next((v for v in (Verdict.YES, Verdict.UNKNOWN) if v in answers), Verdict.NO)

    def people(self, role: Role) -> list[str]:
        """Everybody known to have a role by name or group, sorted; `*` names nobody."""
        found: set[str] = set()
        for entry in self._roles[role]:
            if _is_group(entry):
                known = self._members.get(entry)
                found |= known.value if known else set()
            elif entry != "*":
                found.add(entry)
        return sorted(found)

    def mentions(self, role: Role) -> str:
        """How to call everybody with a role in a message; empty if nobody can be called."""
        parts: list[str] = []
        for entry in self._roles[role]:
            if entry[0] == "S":
                parts.append(f"<!subteam^{entry}>")
            elif entry[0] in "UW":
                parts.append(f"<@{entry}>")
            elif entry != "*" and (known := self._members.get(entry)):
                parts += [f"<@{user}>" for user in sorted(known.value)]
        return " ".join(dict.fromkeys(parts[:20]))

    async def channel(self, channel: str, user: str, *, fresh_for: timedelta = FRESH_FOR) -> Channel | None:
        """What is known of a conversation that `user` is in; None when Slack does not answer in time."""
        known = self._channels.get(channel)
        if known and self._now() - known.at < fresh_for:
            return known.value
        asked_at = self._now()
        try:
            found = await asyncio.wait_for(self._look_up_channel(channel, user), self._look_up_seconds)
        except (SlackError, TimeoutError):
            return known.value if known else None
        # A channel that the bot was just invited to must not stay closed for minutes.
        if found.can_post:
            self._channels[channel] = _Known(found, asked_at)
        else:
            self._channels.pop(channel, None)
        return found

    def is_allowed(self, channel: str) -> bool:
        """Whether the settings let checks be asked here."""
        return not self._channels_allowed or channel in self._channels_allowed

    @property
    def channels_allowed(self) -> frozenset[str]:
        return self._channels_allowed

    def _remembered(self, entry: str, user: str) -> Verdict:
        """What one entry of a setting says of a person by memory alone."""
        if entry == "*":
            person = self._people.get(user)
            return _yes(person.value) if person and self._now() - person.at < FRESH_FOR else Verdict.UNKNOWN
        if _is_group(entry):
            group = self._members.get(entry)
            return _yes(user in group.value) if group and self._now() - group.at < KEEP_FOR else Verdict.UNKNOWN
        return _yes(entry == user)

    async def _ask(self, entry: str, user: str) -> Verdict:
        look_up = self._look_up_person(user) if entry == "*" else self._refresh_members(entry)
        try:
            await asyncio.wait_for(look_up, self._look_up_seconds)
        except (SlackError, TimeoutError):
            return Verdict.UNKNOWN
        return self._remembered(entry, user)

    async def _refresh_members(self, entry: str) -> None:
        asked_at = self._now()
        try:
            found = await self._look_up_members(entry)
        except SlackRefused as no:
            log.warning("access.refresh_failed", group=entry, error=no.code)
            if no.code not in _NO_SUCH_GROUP:
                return
            # Gone, or the bot was removed from it: that is an answer, and nobody has the role by it.
            found = frozenset()
        except SlackError as fault:
            log.warning("access.refresh_failed", group=entry, error=str(fault))
            return
        if asked_at >= self._changed_at.get(entry, _LONG_AGO):
            self._members[entry] = _Known(found, asked_at)

    async def _look_up_members(self, entry: str) -> frozenset[str]:
        if entry[0] == "S":
            return await self._slack.group_members(entry)
        channel = await self._slack.channel(entry)
        if not channel.get("is_private") or channel.get("is_ext_shared"):
            # Anybody can walk into a public channel, so it gives nobody a role.
            return frozenset()
        # The bot sits there too, but is nobody to be asked or told.
        return await self._slack.members(entry) - {await self._slack.me()}

    async def _look_up_person(self, user: str) -> None:
        asked_at = self._now()
        try:
            person = await self._slack.user(user)
        except SlackRefused as no:
            if no.code not in _NO_SUCH_PERSON:
                raise
            person = {"deleted": True}
        outside = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_workflow_bot")
        self._people[user] = _Known(not any(person.get(flag) for flag in outside), asked_at)

    async def _look_up_channel(self, channel: str, user: str) -> Channel:
        if channel.startswith("D"):
            # The bot may only speak in its own conversations, and reading about others is not its right.
            own = await self._slack.direct_channel(user)
            return Channel(id=channel, name="", can_post=own == channel, shared=False)
        try:
            found = await self._slack.channel(channel)
        except SlackRefused as no:
            if no.code not in {"channel_not_found", "missing_scope"}:
                raise
            # Private channels and other people's conversations hide their existence from the bot.
            return Channel(id=channel, name="", can_post=False, shared=False)
        return Channel(
            id=channel,
            name=str(found.get("name") or ""),
            can_post=bool(found.get("is_member")) and not found.get("is_archived"),
            shared=bool(found.get("is_ext_shared") or found.get("is_pending_ext_shared")),
        )


def _is_group(entry: str) -> bool:
    return entry[0] in "SCG"


def _yes(value: bool) -> Verdict:
    return Verdict.YES if value else Verdict.NO
