"""Who may do what: the settings name people, groups and channels; Slack says who is a full member now.

A role counts only for an active full member of the bot's own workspace, whatever names them. Decided from memory, else
by look-ups of at most a second; no answer means no. Nobody ever learns who else may.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from bot.access.lookup_cache import LookupCache
from bot.access.rights import Right, Role, roles_with
from bot.access.workspace import Workspace
from bot.domain.installation import NOBODY, WorkspaceMember, gives_roles, is_full_member, is_shared_outside, person_of
from bot.errors import KycError, Refusal, Refused, SlackRefused
from bot.settings import Settings
from bot.slack.client import SlackClient

log = structlog.get_logger(__name__)

FRESH_FOR = timedelta(minutes=10)
"""How old an answer about a person or channel may be before Slack is asked."""
KEEP_FOR = timedelta(hours=6)
"""How long a group's members count while Slack does not answer: after that nobody has the role by it. Whether each of
them is still a full member is checked every `FRESH_FOR` all the same."""
_NO_SUCH_GROUP = frozenset({"no_such_subteam", "subteam_not_found", "channel_not_found"})
_NO_SUCH_PERSON = frozenset({"user_not_found", "user_not_visible"})
EVERYBODY = "*"


class Sight(StrEnum):
    """How much of a check somebody sees."""

    WHOLE = "whole"
    """With the customer's data, masked in Slack as everywhere."""
    RECORD = "record"
    """State, reasons, times, who asked and who decided, the thread. Nothing that is sealed is opened for it."""
    NOTHING = "nothing"


class Permission(StrEnum):
    """Whether somebody may do something."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """Slack did not answer in time: counts as no, and the person reads *try again in a moment*."""

    def settled(self, error: KycError) -> bool:
        """Whether it is yes; raises `error` where Slack did not answer."""
        if self is Permission.UNKNOWN:
            raise error
        return self is Permission.YES

    def require(self, refusal: Refused) -> None:
        """Raises `refusal` for no, and `NOT_SURE` where Slack did not answer."""
        if not self.settled(Refused(Refusal.NOT_SURE)):
            raise refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who has a role, as far as Slack has ever said; `EVERYBODY` where the setting says so."""

    people: frozenset[str]
    is_whole: bool
    """Slack has answered about all that the setting names; else somebody may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A conversation, as far as it matters here."""

    id: str
    name: str
    can_post: bool
    shared: bool
    """With another company: no check is ever requested there."""


@dataclass(slots=True, kw_only=True, eq=False)
class Access:
    """Rights of people and channels."""

    settings: Settings
    slack: SlackClient
    workspace: Workspace
    now: InitVar[Callable[[], datetime]]
    look_up_seconds: float
    _roles: Mapping[Role, Sequence[str]] = field(init=False)
    _entries: dict[tuple[Sequence[Right], bool], Sequence[str]] = field(init=False, default_factory=dict)
    """Made when first asked: there are as many as places in the code that ask."""
    _people: LookupCache[str, WorkspaceMember] = field(init=False)
    _members: LookupCache[str, frozenset[str]] = field(init=False)
    """Of groups and channels."""
    _channels: LookupCache[tuple[str, str], Channel] = field(init=False)

    def __post_init__(self, now: Callable[[], datetime]) -> None:
        self._roles = {
            Role.REQUESTER: self.settings.requesters,
            Role.REVIEWER: self.settings.reviewers,
            Role.MANAGER: self.settings.managers,
            Role.VIEWER: self.settings.viewers,
            Role.ADMIN: self.settings.admins,
        }
        self._people = LookupCache("person", self._look_up_person, now)
        self._members = LookupCache("group", self._look_up_members, now)
        self._channels = LookupCache("channel", self._look_up_channel, now)

    async def close(self) -> None:
        await asyncio.gather(self._people.close(), self._members.close(), self._channels.close())

    async def refresh(self) -> None:
        """Looks up our workspace, and everybody and every group and channel that a setting names."""
        await self.workspace.verify()
        for entry in sorted({entry for entries in self._roles.values() for entry in entries} - {EVERYBODY}):
            await (self._members.fetch(entry) if _is_group(entry) else self._people.fetch(entry))

    async def changed(self, entry: str) -> None:
        """Members of this group or channel came or went: looks up at once those who have a role by it."""
        self.channel_changed(entry)
        if any(entry in entries for entries in self._roles.values()):
            # Nobody has a role by it until Slack answers; whom to mention stays known meanwhile.
            await self._members.fetch(entry)

    def person_changed(self, user: str) -> None:
        """What was known of them is outdated; looked up when they act or are about to get a message."""
        self._people.expire(user)

    def channel_changed(self, channel: str) -> None:
        """What was known of this channel is outdated, as are the rights it gave its members."""
        self._members.expire(channel)
        self._channels.expire(_key(channel, ""))

    async def has(self, user: str, *roles: Role) -> Permission:
        """Whether a person has one of these roles; asks Slack only for what memory lacks, for a second at most."""
        return await self._decide(user, list(dict.fromkeys(entry for role in roles for entry in self._roles[role])))

    async def may(self, user: str, *rights: Right, own: bool = False) -> Permission:
        """Whether a person has one of these rights; `own`: for what they asked for or sent themselves.

        Asks Slack as `has` does.
        """
        return await self._decide(user, self._entries_of(*rights, own=own))

    async def may_each(self, user: str, *rights: Right) -> list[Permission]:
        """Whether a person has each of these rights, whoever asked. Asks Slack as `has` does, side by side."""
        member = self._is_member(user)
        known = [_both(self._is_named(user, self._entries_of(right, own=False)), member) for right in rights]
        if Permission.UNKNOWN not in known and self._people.get_stale(user) is not NOBODY:
            return known
        # A look-up may take a second, and a command must be answered within three.
        return await asyncio.gather(*(self.may(user, right) for right in rights))

    def _entries_of(self, *rights: Right, own: bool) -> Sequence[str]:
        """By which entries of the settings somebody has one of these rights."""
        if (known := self._entries.get((rights, own))) is not None:
            return known
        roles = dict.fromkeys(role for right in rights for role in roles_with(right, own=own))
        return self._entries.setdefault(
            (rights, own), list(dict.fromkeys(entry for role in roles for entry in self._roles[role]))
        )

    async def is_member(self, user: str) -> Permission:
        """Whether somebody is an active full member of our workspace, with or without a role."""
        return await self._decide(user, [EVERYBODY])

    async def sight(self, user: str, requester: str) -> Sight:
        """How much of a check a person sees; raises Refused where Slack does not say in time who they are."""
        # Side by side: a look-up may take a second, and a command must be answered within three.
        return sight_of(*await asyncio.gather(self.may_see(user, requester), self.sees_records(user)))

    async def sees_records(self, user: str) -> Permission:
        """Whether a person may see the record of every check, which names no customer."""
        return await self.may(user, Right.SEE_RECORD)

    async def may_see(self, user: str, requester: str) -> Permission:
        """Whether a person may see all of a check: reviewers and admins any, its requester as long as they are one."""
        return await self.may(user, Right.SEE_WHOLE, own=user == requester)

    async def require_to_see(self, user: str, requester: str, refusal: Refused) -> None:
        """Raises `refusal` where `may_see` is no; a requester without the role reads that they lack it."""
        permission = await self.may_see(user, requester)
        permission.require(self.no_access() if user == requester else refusal)

    async def is_settled(self) -> bool:
        """Whether Slack has named our workspace and the token fits it; asks where it has not yet.

        Until then nothing is posted and no photo fetched: with another workspace's token it would go astray.
        """
        if self.workspace.ours is None and self.workspace.fault is None and not self.workspace.waits:
            await self.workspace.verify()
        return self.workspace.ours is not None

    def people(self, role: Role) -> list[str]:
        """Everybody known to have a role by name or group, sorted; `*` names nobody."""
        return sorted({user for entry in self._roles[role] for user in self._named_by(entry)})

    def _named_by(self, entry: str) -> list[str]:
        if entry == EVERYBODY:
            return []
        users = (self._members.get_stale(entry) or ()) if _is_group(entry) else [entry]
        return sorted(user for user in users if not self._is_outside(user))

    def holders(self, role: Role) -> Holders:
        """Everybody who has this role, by Slack's last answers, however old: asks nothing."""
        named = [self._holders_by(entry) for entry in self._roles[role]]
        people = frozenset(user for users in named for user in users or ())
        return Holders(people=people, is_whole=self.workspace.ours is not None and None not in named)

    def _holders_by(self, entry: str) -> frozenset[str] | None:
        """None where Slack has not said yet who has a role by this entry."""
        ours = self.workspace.ours
        if entry == EVERYBODY:
            return frozenset({entry})
        users = self._members.get_stale(entry) if _is_group(entry) else frozenset({entry})
        if ours is None or users is None:
            return None
        found = {user: self._people.get_stale(user) for user in users}
        if not _is_group(entry) and found[entry] is None:
            return None
        # Of a group's members Slack has said who they are by naming them, until it has said more.
        return frozenset(
            user
            for user, known in found.items()
            if known is None or (known is not NOBODY and is_full_member(known, ours))
        )

    def people_who_may(self, right: Right) -> list[str]:
        """Everybody known to have a right, whoever asked; for their own, what a rule says besides is not looked at."""
        return sorted({user for role in roles_with(right) for user in self.people(role)})

    def an_admin(self) -> str | None:
        """Whom somebody may ask for a right that they lack."""
        return next(iter(self.people(Role.ADMIN)), None)

    def no_access(self) -> Refused:
        """For somebody without a role, or without the one that this needs."""
        return Refused(Refusal.NO_ACCESS, admin=self.an_admin())

    def mentions(self, role: Role) -> str:
        """Mentions everybody with a role in a message; empty if nobody is known."""
        parts: list[str] = []
        for entry in self._roles[role]:
            is_user_group = entry[0] == "S"
            parts += [f"<!subteam^{entry}>"] if is_user_group else [f"<@{user}>" for user in self._named_by(entry)]
        return " ".join(dict.fromkeys(parts[:20]))

    async def channel(self, channel: str, user: str, *, fresh_for: timedelta = FRESH_FOR) -> Channel | None:
        """A conversation that `user` is in; None when Slack does not answer in time."""
        key = _key(channel, user)
        known = self._channels.get(key, within=fresh_for)
        # A channel that the bot was just invited to must not stay closed for minutes.
        if known is not None and known.can_post:
            return known
        await asyncio.wait({self._channels.fetch(key)}, timeout=self.look_up_seconds)
        return self._channels.get(key, within=KEEP_FOR)

    def is_allowed(self, channel: str) -> bool:
        """Whether the settings let checks be requested here."""
        return not self.settings.channels or channel in self.settings.channels

    # Deciding

    async def _decide(self, user: str, entries: Sequence[str]) -> Permission:
        """By memory; else by what Slack answers within the second, as soon as that is enough."""
        if self._people.get_stale(user) is NOBODY:
            # Somebody whom Slack did not know may have joined since.
            self._people.expire(user)
        loop = asyncio.get_running_loop()
        until = loop.time() + self.look_up_seconds
        permission = self._from_memory(user, entries)
        waiting = self._fetch_missing(user, entries) if permission is Permission.UNKNOWN else set()
        while waiting and permission is Permission.UNKNOWN:
            done, waiting = await asyncio.wait(
                waiting, timeout=max(0.0, until - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            permission = self._from_memory(user, entries)
            if not done:
                break
        return permission

    def _from_memory(self, user: str, entries: Sequence[str]) -> Permission:
        return _both(self._is_named(user, entries), self._is_member(user))

    def _is_named(self, user: str, entries: Sequence[str]) -> Permission:
        if user in entries or EVERYBODY in entries:
            return Permission.YES
        groups = [self._members.get(entry, within=KEEP_FOR) for entry in entries if _is_group(entry)]
        if any(members and user in members for members in groups):
            return Permission.YES
        return Permission.UNKNOWN if None in groups else Permission.NO

    def _is_member(self, user: str) -> Permission:
        ours, person = self.workspace.ours, self._people.get(user, within=FRESH_FOR)
        if ours is None or person is None:
            return Permission.UNKNOWN
        return Permission.YES if is_full_member(person, ours) else Permission.NO

    def _is_outside(self, user: str) -> bool:
        """Known to be no full member, as of the last answer, however old.

        Somebody whom Slack did not know then may have joined since: they are looked up before they get any message.
        """
        ours, person = self.workspace.ours, self._people.get_stale(user)
        if ours is None or person is None or person is NOBODY:
            return False
        return not is_full_member(person, ours)

    def _fetch_missing(self, user: str, entries: Sequence[str]) -> set[asyncio.Task[None]]:
        """Looks up, side by side, what memory lacks to decide about one person."""
        tasks: set[asyncio.Task[None]] = set()
        if self.workspace.ours is None and self.workspace.fault is None:
            tasks.add(self.workspace.verify())
        if self._people.get(user, within=FRESH_FOR) is None:
            tasks.add(self._people.fetch(user))
        if self._is_named(user, entries) is Permission.UNKNOWN:
            cold = (e for e in entries if _is_group(e) and self._members.get(e, within=KEEP_FOR) is None)
            tasks |= {self._members.fetch(entry) for entry in cold}
        return tasks

    # Asking Slack

    async def _look_up_person(self, user: str) -> WorkspaceMember:
        try:
            return person_of(await self.slack.user(user))
        except SlackRefused as no:
            if no.code not in _NO_SUCH_PERSON:
                raise
            return NOBODY

    async def _look_up_members(self, entry: str) -> frozenset[str]:
        try:
            if entry[0] == "S":
                return await self.slack.group_members(entry)
            if not gives_roles(await self.slack.channel(entry)):
                return frozenset()
            # The bot is a member too, but no person to ask or to notify.
            return await self.slack.members(entry) - {await self.slack.bot_user_id()}
        except SlackRefused as no:
            if no.code not in _NO_SUCH_GROUP:
                raise
            # Deleted, or the bot was removed from it: that is an answer, and nobody has the role by it.
            log.warning("access.no_such_group", group=entry, error=no.code)
            return frozenset()

    async def _look_up_channel(self, key: tuple[str, str]) -> Channel:
        channel, user = key
        if user:
            # The bot may only post in its own direct conversations, and may not read about others.
            own = await self.slack.direct_channel(user)
            return Channel(id=channel, name="", can_post=own == channel, shared=False)
        try:
            found = await self.slack.channel(channel)
        except SlackRefused as no:
            if no.code not in {"channel_not_found", "missing_scope"}:
                raise
            # Slack hides private channels and other people's conversations from the bot.
            return Channel(id=channel, name="", can_post=False, shared=False)
        return Channel(
            id=channel,
            name=str(found.get("name") or ""),
            can_post=bool(found.get("is_member")) and not found.get("is_archived"),
            shared=is_shared_outside(found),
        )


def _both(*found: Permission) -> Permission:
    if Permission.NO in found:
        return Permission.NO
    return Permission.UNKNOWN if Permission.UNKNOWN in found else Permission.YES


def sight_of(whole: Permission, record: Permission) -> Sight:
    """How much somebody sees with these two rights; raises Refused where Slack did not answer in time."""
    not_sure = Refused(Refusal.NOT_SURE)
    if whole.settled(not_sure):
        return Sight.WHOLE
    return Sight.RECORD if record.settled(not_sure) else Sight.NOTHING


def _is_group(entry: str) -> bool:
    return entry[0] in "SCG"


def _key(channel: str, user: str) -> tuple[str, str]:
    """A direct conversation is looked up by its person."""
    return (channel, user if channel.startswith("D") else "")
