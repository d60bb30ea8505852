"""Who may do what, decided from memory: settings, and what Slack says of groups, channels and people.

The memory is filled at start and refreshed by the clock and by Slack's events. On a cold cache one look-up of at
most a second is made; no answer means no. Nobody is ever told who else may.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
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


class Access:
    """Rights of people and channels."""

    def __init__(self, *, settings: Settings, slack: SlackWeb, now: Callable[[], datetime]) -> None:
        self._slack = slack
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

    async def refresh(self) -> None:
        """Fill the memory: members of every group and private channel that a setting names."""
        for entry in sorted({e for entries in self._roles.values() for e in entries if _is_group(e)}):
            try:
                self._members[entry] = _Known(await self._look_up_members(entry), self._now())
            except SlackError as fault:
                log.warning("access.refresh_failed", group=entry, error=str(fault))

    def forget(self, entry: str) -> None:
        """An event says that this group, channel or person changed."""
        self._members.pop(entry, None)
        self._people.pop(entry, None)
        self._channels.pop(entry, None)

    async def has(self, user: str, role: Role) -> Verdict:
        """Whether a person has a role; asks Slack only where memory has nothing."""
        entries = self._roles[role]
        if user in entries:
            return Verdict.YES
        answer = Verdict.NO
        for entry in entries:
            if entry == "*":
                answer = _worse(answer, await self._is_full_member(user))
            elif _is_group(entry):
                members = await self._members_of(entry)
                answer = _worse(answer, Verdict.UNKNOWN if members is None else _yes(user in members))
            if answer is Verdict.YES:
                return answer
        return answer

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

    async def channel(self, channel: str, user: str) -> Channel | None:
        """What is known of a conversation that `user` is in; None when Slack does not answer in time."""
        known = self._channels.get(channel)
        if known and self._now() - known.at < FRESH_FOR:
            return known.value
        try:
            found = await asyncio.wait_for(self._look_up_channel(channel, user), LOOK_UP_SECONDS)
        except (SlackError, TimeoutError):
            return known.value if known else None
        # A channel that the bot was just invited to must not stay closed for minutes.
        if found.can_post:
            self._channels[channel] = _Known(found, self._now())
        return found

    def is_allowed(self, channel: str) -> bool:
        """Whether the settings let checks be asked here."""
        return not self._channels_allowed or channel in self._channels_allowed

    @property
    def channels_allowed(self) -> frozenset[str]:
        return self._channels_allowed

    async def _members_of(self, entry: str) -> frozenset[str] | None:
        known = self._members.get(entry)
        if known and self._now() - known.at < KEEP_FOR:
            return known.value
        found = await _briefly(self._look_up_members(entry))
        if found is not None:
            self._members[entry] = _Known(found, self._now())
        return found

    async def _look_up_members(self, entry: str) -> frozenset[str]:
        if entry[0] == "S":
            return await self._slack.group_members(entry)
        channel = await self._slack.channel(entry)
        if not channel.get("is_private") or channel.get("is_ext_shared"):
            # Anybody can walk into a public channel, so it gives nobody a role.
            return frozenset()
        return await self._slack.members(entry)

    async def _is_full_member(self, user: str) -> Verdict:
        known = self._people.get(user)
        if known and self._now() - known.at < FRESH_FOR:
            return _yes(known.value)
        person = await _briefly(self._slack.user(user))
        if person is None:
            return Verdict.UNKNOWN
        outside = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_workflow_bot")
        full = not any(person.get(flag) for flag in outside)
        self._people[user] = _Known(full, self._now())
        return _yes(full)

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


async def _briefly(call: Awaitable[T]) -> T | None:
    try:
        return await asyncio.wait_for(call, LOOK_UP_SECONDS)
    except (SlackError, TimeoutError):
        return None


def _is_group(entry: str) -> bool:
    return entry[0] in "SCG"


def _yes(value: bool) -> Verdict:
    return Verdict.YES if value else Verdict.NO


def _worse(so_far: Verdict, new: Verdict) -> Verdict:
    """One yes is enough; otherwise not knowing outweighs a no."""
    return new if so_far is Verdict.NO or new is Verdict.YES else so_far
