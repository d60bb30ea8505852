"""The workspace as the stand-in knows it: people, conversations, messages, files, user groups.

Pure state with Slack's rules of who sees what. HTTP, views and people's acts live elsewhere.
"""

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.sandbox.slack.changes import Changes
from bot.sandbox.slack.files import SlackFile

JSON = dict[str, Any]

TEAM_ID = "T0ACME00001"
TEAM_DOMAIN = "acme-compliance"
BOT_USER_ID = "U0KYCBOT001"
BOT_ID = "B0KYCBOT001"
APP_ID = "A0KYCAPP001"
BOT_NAME = "kyc-bot"
ENTERPRISE_NAME = "Acme Group"


@dataclass(slots=True, kw_only=True)
class User:
    id: str
    name: str
    team_id: str = TEAM_ID
    is_guest: bool = False
    """A guest of several channels."""
    is_single_channel_guest: bool = False
    is_invited: bool = False
    """Was asked to join and has not come yet."""
    is_admin: bool = False
    """Of the workspace: may delete other people's files."""
    is_bot: bool = False
    is_workflow_bot: bool = False
    is_deleted: bool = False
    is_stranger: bool = False
    """From another company, met through Slack Connect."""
    enterprise_id: str | None = None
    """The organization of Enterprise Grid that this person belongs to."""
    enterprise_teams: tuple[str, ...] = ()
    """The workspaces of that organization where this person is a member."""
    timezone: str = "Africa/Lagos"

    @property
    def handle(self) -> str:
        return f"{self.name}.test"


@dataclass(slots=True, kw_only=True, eq=False)
class Edition:
    """What a message said before it was changed."""

    text: str
    blocks: list[JSON]
    metadata: JSON | None
    replaced_ts: str


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """A live message: an update changes this object and keeps the earlier wording in `edited`."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[JSON] = field(default_factory=list)
    thread_ts: str | None = None
    """The root's ts for a reply; None for a root."""
    metadata: JSON | None = None
    files: list[SlackFile] = field(default_factory=list)
    forwarded: "Message | None" = None
    """A message that this one shares: Slack carries it as an attachment, with its own files."""
    edited: list[Edition] = field(default_factory=list)
    deleted: bool = False
    tombstone: bool = False
    """Deleted, but its replies stand: Slack may leave a stone in its place."""
    broadcast: bool = False
    ephemeral_to: str | None = None
    choices: dict[str, dict[tuple[str, str], JSON]] = field(default_factory=dict, repr=False)
    """By person, what they chose in its menus: their client keeps it, and the next click brings it along."""
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names by user and channel id, for reading the message aloud."""


@dataclass(slots=True, kw_only=True, eq=False)
class Channel:
    id: str
    name: str
    is_private: bool = False
    is_im: bool = False
    is_ext_shared: bool = False
    is_org_shared: bool = False
    """With other workspaces of the same organization."""
    is_pending_ext_shared: bool = False
    """Another company was invited and has not answered yet."""
    pending_shared: tuple[str, ...] = ()
    """Workspaces that were invited."""
    is_archived: bool = False
    members: set[str] = field(default_factory=set)
    posts: list[Message] = field(default_factory=list, repr=False)
    _by_ts: dict[str, Message] = field(default_factory=dict, repr=False)
    _replies: dict[str, list[Message]] = field(default_factory=dict, repr=False)

    @property
    def bot_is_member(self) -> bool:
        return BOT_USER_ID in self.members

    @property
    def scope_family(self) -> str:
        """The first half of the scopes that open this kind of conversation."""
        if self.is_im:
            return "im"
        return "groups" if self.is_private else "channels"

    def find(self, ts: str) -> Message | None:
        """The message with this ts, if it still stands."""
        message = self._by_ts.get(ts)
        return None if message is None or message.deleted else message

    def root(self, ts: str) -> Message | None:
        """What a thread hangs on: a standing message, or the stone of a deleted one."""
        message = self._by_ts.get(ts)
        return None if message is None or (message.deleted and not message.tombstone) else message

    def replies(self, root_ts: str) -> list[Message]:
        return [reply for reply in self._replies.get(root_ts, ()) if not reply.deleted]

    def add(self, message: Message) -> None:
        self.posts.append(message)
        self._by_ts[message.ts] = message
        if message.thread_ts is not None:
            self._replies.setdefault(message.thread_ts, []).append(message)


class Act(StrEnum):
    """What may happen to a message that everybody in its conversation sees."""

    POSTED = "posted"
    CHANGED = "changed"
    DELETED = "deleted"


Watcher = Callable[[Act, Message, Message | None], None]
"""Told of each act, of the message, and of how the message was before it."""


class World:
    """Everything that is the case in the workspace, and the acts that change it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.team_id = TEAM_ID
        """The workspace of the bot's token. What people send carries the workspace that they act in."""
        self.enterprise_id: str | None = None
        self.takes_slack_files = True
        """Whether images may name a file of Slack's; else each is refused, as Slack does for reasons that it keeps."""
        """The organization that the workspace belongs to."""
        self.bot_id = BOT_ID
        self.app_id = APP_ID
        """The bot of the token, and its app as `bots.info` tells it: others where the app was made anew."""
        self.is_enterprise_install = False
        self.base_url = ""
        self.files_url = ""
        """Slack keeps files at a host of their own; here it is the same unless told otherwise."""
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, SlackFile] = {}
        self.usergroups: dict[str, set[str]] = {}
        self.usergroup_names: dict[str, str] = {}
        self.ephemerals: list[Message] = []
        self.names: dict[str, str] = {}
        self.changes = Changes()
        self.watcher: Watcher | None = None
        self._last_tick = 0
        self._numbers = itertools.count(1)

    def next_ts(self) -> str:
        """The time as Slack writes it; never the same twice, never going back."""
        self._last_tick = max(int(self.clock().timestamp() * 10_000), self._last_tick + 1)
        return f"{self._last_tick // 10_000}.{self._last_tick % 10_000:04d}00"

    def new_id(self, letter: str) -> str:
        return f"{letter}0{next(self._numbers):04d}{secrets.token_hex(3).upper()}"

    def add_user(self, user: User) -> User:
        self.users[user.id] = user
        self.names[user.id] = user.name
        self.changes.tell()
        return user

    def add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.names[channel.id] = channel.name
        self.changes.tell()
        return channel

    def direct_channel(self, user_id: str) -> Channel:
        """The conversation between this person and the bot, made when first needed."""
        channel_id = f"D{user_id[1:]}"
        if channel_id not in self.channels:
            members = {user_id, BOT_USER_ID}
            self.add_channel(Channel(id=channel_id, name="directmessage", is_im=True, members=members))
        return self.channels[channel_id]

    def post(
        self,
        channel_id: str,
        *,
        user: str,
        text: str,
        blocks: list[JSON] | None = None,
        thread_ts: str | None = None,
        metadata: JSON | None = None,
        files: Iterable[SlackFile] = (),
        forwarded: Message | None = None,
        broadcast: bool = False,
    ) -> Message:
        message = Message(
            channel=channel_id,
            ts=self.next_ts(),
            user=user,
            text=text,
            blocks=blocks or [],
            thread_ts=thread_ts,
            metadata=metadata,
            files=list(files),
            forwarded=forwarded,
            broadcast=broadcast,
            names=self.names,
        )
        for file in message.files:
            file.shared_in.add(channel_id)
        self.channels[channel_id].add(message)
        self._happened(Act.POSTED, message, None)
        return message

    def whisper(
        self,
        channel_id: str,
        to: str,
        *,
        text: str,
        blocks: list[JSON] | None = None,
        thread_ts: str | None = None,
    ) -> Message:
        """A message that one person alone sees, and that no method finds again."""
        message = Message(
            channel=channel_id,
            ts=self.next_ts(),
            user=BOT_USER_ID,
            text=text,
            blocks=blocks or [],
            thread_ts=thread_ts,
            ephemeral_to=to,
            names=self.names,
        )
        self.ephemerals.append(message)
        self.changes.tell()
        return message

    def rewrite(self, message: Message, *, text: str, blocks: list[JSON], metadata: JSON | None = None) -> Message:
        """Gives the message as it was."""
        before = replace(message, edited=list(message.edited))
        edition = Edition(
            text=message.text, blocks=message.blocks, metadata=message.metadata, replaced_ts=self.next_ts()
        )
        message.edited.append(edition)
        message.text = text
        message.blocks = blocks
        message.metadata = metadata if metadata is not None else message.metadata
        self._happened(Act.CHANGED, message, before)
        return before

    def delete(self, message: Message, *, tombstone: bool = False) -> Message:
        """Gives the message as it was."""
        before = replace(message, edited=list(message.edited))
        message.deleted = True
        message.tombstone = tombstone
        self._happened(Act.DELETED, message, before)
        return before

    def delete_file(self, file: SlackFile) -> None:
        """For good: of the file, messages keep the place alone."""
        file.is_deleted = True
        file.content, file.on_disk = b"", None
        self.changes.tell()

    def _happened(self, act: Act, message: Message, before: Message | None) -> None:
        self.changes.tell()
        if self.watcher is not None and message.ephemeral_to is None:
            self.watcher(act, message, before)

    def bot_may_read(self, file: SlackFile) -> bool:
        if file.user == BOT_USER_ID or file.was_submitted:
            return True
        return any(
            self.channels[channel_id].bot_is_member for channel_id in file.shared_in if channel_id in self.channels
        )
