"""Who may do what: the settings name people, groups and channels; Slack says who is a full member now.

A role counts only for an active full member of the bot's own workspace, whatever names them. Decided from memory; where
that is cold one look-up of at most a second is made, and no answer means no. Nobody is ever told who else may.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from bot.access.lookup_cache import LookupCache
from bot.access.workspace import Workspace
from bot.domain.installation import NOBODY, WorkspaceMember, gives_roles, is_full_member, is_shared_outside, person_of
from bot.errors import Refusal, Refused, SlackRefused
from bot.settings import Settings
from bot.slack.client import LOOK_UP_SECONDS, SlackClient

log = structlog.get_logger(__name__)

FRESH_FOR = timedelta(minutes=10)
"""How old an answer about a person or channel may be before it is asked anew."""
KEEP_FOR = timedelta(hours=6)
"""How long a group's members are believed while Slack does not answer: then nobody has the role by it. Whether each of
them is still a full member is asked anew all the same."""
_NO_SUCH_GROUP = frozenset({"no_such_subteam", "subteam_not_found", "channel_not_found"})
_NO_SUCH_PERSON = frozenset({"user_not_found", "user_not_visible"})
EVERYBODY = "*"


class Role(StrEnum):
    REQUESTER = "requester"
    REVIEWER = "reviewer"
    MANAGER = "manager"
    ADMIN = "admin"


class Permission(StrEnum):
    """Whether somebody may do something."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """Slack did not answer in time: counts as no, and the person reads *try again in a moment*."""

    def require(self, refusal: Refused) -> None:
        """Raises `refusal` for no, and `NOT_SURE` where Slack did not answer."""
        match self:
            case Permission.UNKNOWN:
                raise Refused(Refusal.NOT_SURE)
            case Permission.NO:
                raise refusal
            case Permission.YES:
                pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What matters of a conversation."""

    id: str
    name: str
    can_post: bool
    shared: bool
    """With another company: checks are never asked there."""


class Access:
    """Rights of people and channels."""

    def __init__(
        self,
        *,
        settings: Settings,
        slack: SlackClient,
        workspace: Workspace,
        now: Callable[[], datetime],
        look_up_seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._slack = slack
        self._workspace = workspace
        self._look_up_seconds = look_up_seconds
        self._roles = {
            Role.REQUESTER: settings.requesters,
            Role.REVIEWER: settings.reviewers,
            Role.MANAGER: settings.managers,
            Role.ADMIN: settings.admins,
        }
        self._channels_allowed = frozenset(settings.channels)
        self._people: LookupCache[str, WorkspaceMember] = LookupCache("person", self._look_up_person, now=now)
        self._members: LookupCache[str, frozenset[str]] = LookupCache("group", self._look_up_members, now=now)
        self._channels: LookupCache[tuple[str, str], Channel] = LookupCache("channel", self._look_up_channel, now=now)

    async def close(self) -> None:
        await asyncio.gather(self._people.close(), self._members.close(), self._channels.close())

    async def refresh(self) -> None:
        """Fill the memory: our workspace, everybody and every group and private channel that a setting names."""
        await self._workspace.looking()
        for entry in sorted({entry for entries in self._roles.values() for entry in entries} - {EVERYBODY}):
            await (self._members.asking(entry) if _is_group(entry) else self._people.asking(entry))

    async def changed(self, entry: str) -> None:
        """Members of this group or channel came or went: whoever has a role by it is looked up at once."""
        self.channel_changed(entry)
        if any(entry in entries for entries in self._roles.values()):
            # Nobody has a role by it until Slack was asked anew; whom to call stays known meanwhile.
            await self._members.asking(entry)

    def person_changed(self, user: str) -> None:
        """What was known of them holds no longer; looked at again when they act, or are about to be told something."""
        self._people.age(user)

    def channel_changed(self, channel: str) -> None:
        """What was known of this channel holds no longer, nor what it gave its members."""
        self._members.age(channel)
        self._channels.age(_key(channel, ""))

    async def has(self, user: str, *roles: Role) -> Permission:
        """Whether a person has one of these roles; asks Slack only where memory has nothing, for a second at most."""
        return await self._decide(user, dict.fromkeys(entry for role in roles for entry in self._roles[role]))

    async def is_member(self, user: str) -> Permission:
        """Whether somebody is an active full member of our workspace, with or without a role."""
        return await self._decide(user, [EVERYBODY])

    async def may_see(self, user: str, requester: str) -> Permission:
        """Whether a person may see a check: reviewers and admins any, its requester as long as they are one."""
        own = (Role.REQUESTER,) if user == requester else ()
        return await self.has(user, Role.REVIEWER, Role.ADMIN, *own)

    async def is_settled(self) -> bool:
        """Whether Slack has named our workspace and the token fits it; asks where it has not said so yet.

        Until then nothing is posted and no photo fetched: with the token of another workspace it would go astray.
        """
        if self._workspace.ours is None and self._workspace.fault is None and not self._workspace.waits:
            await self._workspace.looking()
        return self._workspace.ours is not None

    def people(self, role: Role) -> list[str]:
        """Everybody known to have a role by name or group, sorted; `*` names nobody."""
        found: set[str] = set()
        for entry in self._roles[role]:
            if _is_group(entry):
                found |= self._members.last(entry) or frozenset()
            elif entry != EVERYBODY:
                found.add(entry)
        return sorted(user for user in found if not self._is_outside(user))

    def an_admin(self) -> str | None:
        """Whom somebody without a right may ask for it."""
        return next(iter(self.people(Role.ADMIN)), None)

    def no_access(self) -> Refused:
        """For somebody without a role, or who has lost the one that this needs."""
        return Refused(Refusal.NO_ACCESS, admin=self.an_admin())

    def mentions(self, role: Role) -> str:
        """How to call everybody with a role in a message; empty if nobody can be called."""
        parts: list[str] = []
        for entry in self._roles[role]:
            if entry[0] == "S":
                parts.append(f"<!subteam^{entry}>")
            elif entry != EVERYBODY:
                named = sorted(self._members.last(entry) or ()) if _is_group(entry) else [entry]
                parts += [f"<@{user}>" for user in named if not self._is_outside(user)]
        return " ".join(dict.fromkeys(parts[:20]))

    async def channel(self, channel: str, user: str, *, fresh_for: timedelta = FRESH_FOR) -> Channel | None:
        """What is known of a conversation that `user` is in; None when Slack does not answer in time."""
        key = _key(channel, user)
        known = self._channels.get(key, within=fresh_for)
        # A channel that the bot was just invited to must not stay closed for minutes.
        if known is not None and known.can_post:
            return known
        await asyncio.wait({self._channels.asking(key)}, timeout=self._look_up_seconds)
        return self._channels.get(key, within=KEEP_FOR)

    def is_allowed(self, channel: str) -> bool:
        """Whether the settings let checks be asked here."""
        return not self._channels_allowed or channel in self._channels_allowed

    @property
    def channels_allowed(self) -> frozenset[str]:
        return self._channels_allowed

    # Deciding

    async def _decide(self, user: str, entries: Iterable[str]) -> Permission:
        """By memory; else by what Slack answers within the second, as soon as that is enough."""
        entries = list(entries)
        if self._people.last(user) is NOBODY:
            # Whom Slack did not know may have joined since.
            self._people.age(user)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._look_up_seconds
        verdict = self._by_memory(user, entries)
        waiting = self._ask_for_the_missing(user, entries) if verdict is Permission.UNKNOWN else set()
        while waiting and verdict is Permission.UNKNOWN:
            done, waiting = await asyncio.wait(
                waiting, timeout=max(0.0, until - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            verdict = self._by_memory(user, entries)
            if not done:
                break
        return verdict

    def _by_memory(self, user: str, entries: list[str]) -> Permission:
        found = (self._is_named(user, entries), self._is_member(user))
        if Permission.NO in found:
            return Permission.NO
        return Permission.UNKNOWN if Permission.UNKNOWN in found else Permission.YES

    def _is_named(self, user: str, entries: list[str]) -> Permission:
        """Whether one of these entries of the settings means this person."""
        if user in entries or EVERYBODY in entries:
            return Permission.YES
        groups = [self._members.get(entry, within=KEEP_FOR) for entry in entries if _is_group(entry)]
        if any(members and user in members for members in groups):
            return Permission.YES
        return Permission.UNKNOWN if None in groups else Permission.NO

    def _is_member(self, user: str) -> Permission:
        ours, person = self._workspace.ours, self._people.get(user, within=FRESH_FOR)
        if ours is None or person is None:
            return Permission.UNKNOWN
        return Permission.YES if is_full_member(person, ours) else Permission.NO

    def _is_outside(self, user: str) -> bool:
        """Known to be no full member, as of the last time that somebody asked.

        Whom Slack did not know then may have joined since: before they are told anything they are looked up anew.
        """
        ours, person = self._workspace.ours, self._people.last(user)
        if ours is None or person is None or person is NOBODY:
            return False
        return not is_full_member(person, ours)

    def _ask_for_the_missing(self, user: str, entries: list[str]) -> set[asyncio.Task[None]]:
        """Look-ups side by side for what memory lacks to decide about one person."""
        asking: set[asyncio.Task[None]] = set()
        if self._workspace.ours is None and self._workspace.fault is None:
            asking.add(self._workspace.looking())
        if self._people.get(user, within=FRESH_FOR) is None:
            asking.add(self._people.asking(user))
        if self._is_named(user, entries) is Permission.UNKNOWN:
            cold = (e for e in entries if _is_group(e) and self._members.get(e, within=KEEP_FOR) is None)
            asking |= {self._members.asking(entry) for entry in cold}
        return asking

    # Asking Slack

    async def _look_up_person(self, user: str) -> WorkspaceMember:
        try:
            return person_of(await self._slack.user(user))
        except SlackRefused as no:
            if no.code not in _NO_SUCH_PERSON:
                raise
            return NOBODY

    async def _look_up_members(self, entry: str) -> frozenset[str]:
        try:
            if entry[0] == "S":
                return await self._slack.group_members(entry)
            if not gives_roles(await self._slack.channel(entry)):
                return frozenset()
            # The bot sits there too, but is nobody to be asked or told.
            return await self._slack.members(entry) - {await self._slack.bot_user_id()}
        except SlackRefused as no:
            if no.code not in _NO_SUCH_GROUP:
                raise
            # Gone, or the bot was removed from it: that is an answer, and nobody has the role by it.
            log.warning("access.no_such_group", group=entry, error=no.code)
            return frozenset()

    async def _look_up_channel(self, key: tuple[str, str]) -> Channel:
        channel, user = key
        if user:
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
            shared=is_shared_outside(found),
        )


def _is_group(entry: str) -> bool:
    return entry[0] in "SCG"


def _key(channel: str, user: str) -> tuple[str, str]:
    """A direct conversation is looked up by whose it is."""
    return (channel, user if channel.startswith("D") else "")
