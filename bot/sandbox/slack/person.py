"""A human at Slack's client: commands, shortcuts, uploads, messages, clicks. The bot sees real requests only."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bot.sandbox.slack import kinds, payloads
from bot.sandbox.slack.changes import PATIENCE_SECONDS
from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.errors import ApiError, ClientRefuses
from bot.sandbox.slack.files import IN_MEMORY_MAX_BYTES, MAX_BYTES, SlackFile
from bot.sandbox.slack.inputs import VALUE_KEYS, as_state, carried_over
from bot.sandbox.slack.modal import Modal
from bot.sandbox.slack.pressing import Chosen, chosen_in, find_element
from bot.sandbox.slack.response_urls import ResponseUrl
from bot.sandbox.slack.stage import Stage
from bot.sandbox.slack.typed import typed_blocks, typed_text
from bot.sandbox.slack.world import JSON, Act, Channel, Message, User

HOME_CHANNEL = "C0KYCREQ001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the person sees at once. `ok` False is Slack's own complaint, named in `error`."""

    ok: bool
    text: str = ""
    seconds: float = 0.0
    blocks: list[JSON] = field(default_factory=list)
    error: str = ""
    message: Message | None = None
    """A command's answer as the ephemeral message it is; its buttons can be clicked."""


class Person:
    def __init__(self, stage: Stage, user_id: str) -> None:
        self.user_id = user_id
        self._stage = stage

    @property
    def user(self) -> User:
        return self._stage.world.users[self.user_id]

    async def command(self, text: str = "", *, command: str = "/kyc", channel_id: str = HOME_CHANNEL) -> Reply:
        channel = self._enter(channel_id)
        response_url = self._stage.response_urls.issue("commands", channel_id=channel.id, user_id=self.user_id)
        payload = payloads.slash_command(
            self.user,
            channel,
            command=command,
            text=text,
            trigger_id=self._stage.triggers.issue(self.user_id, channel_id=channel.id),
            response_url=response_url,
        )
        return self._command_reply(await self._stage.courier.deliver("slash_commands", payload), channel)

    async def shortcut(self, callback_id: str) -> Reply:
        payload = payloads.shortcut(
            self.user,
            callback_id=callback_id,
            trigger_id=self._stage.triggers.issue(self.user_id),
            action_ts=self._stage.world.next_ts(),
        )
        return await self._act(payload)

    async def message_shortcut(self, callback_id: str, channel_id: str, ts: str) -> Reply:
        message = self._enter(channel_id).find(ts)
        if message is None:
            raise ClientRefuses(f"there is no message {ts} in {channel_id}")
        payload = payloads.message_shortcut(
            self._stage.world,
            self.user,
            message,
            callback_id=callback_id,
            trigger_id=self._stage.triggers.issue(self.user_id, channel_id=channel_id),
            response_url=self._stage.response_urls.issue("app", channel_id=channel_id, user_id=self.user_id),
        )
        return await self._act(payload)

    async def modal(self, timeout_seconds: float = PATIENCE_SECONDS) -> Modal:
        """The view that lies on top for this person; waits until there is one."""
        await self._stage.world.changes.until(lambda: self._stage.views.top(self.user_id) is not None, timeout_seconds)
        top = self._stage.views.top(self.user_id)
        assert top is not None
        return Modal(self._stage, self.user, top)

    @property
    def open_modals(self) -> list[Modal]:
        """This person's stack of views, the top one last."""
        return [Modal(self._stage, self.user, view) for view in self._stage.views.stacks.get(self.user_id, ())]

    async def upload(
        self,
        path_or_bytes: Path | str | bytes,
        name: str,
        *,
        mimetype: str | None = None,
        channel_id: str | None = None,
    ) -> SlackFile:
        """Private to this person until submitted in a modal, or shared in `channel_id`.

        Any kind of file up to 1 GB. A path to a large one is kept as such: the file must stay where it is.
        """
        content, on_disk = await asyncio.to_thread(_bytes_of, path_or_bytes)
        world = self._stage.world
        file = SlackFile(
            id=world.new_id("F"),
            name=name,
            content=content,
            on_disk=on_disk,
            mimetype=mimetype or kinds.mimetype(name),
            user=self.user_id,
            user_team=self.user.team_id,
            created=int(world.clock().timestamp()),
            is_stub=self.user.is_stranger,
        )
        world.files[file.id] = file
        world.changes.tell()
        if channel_id is not None:
            await self.say(channel_id, "", files=[file])
        return file

    async def say(
        self,
        channel_id: str,
        text: str,
        *,
        files: Iterable[SlackFile] = (),
        forwarding: Message | None = None,
        thread_ts: str | None = None,
        broadcast: bool = False,
    ) -> Message:
        """Post as this person, in a thread if `thread_ts` names its root; `broadcast` shows it in the channel too.

        A mention of the bot reaches it if it is in the channel; in their direct conversation every word does.
        `forwarding` shares another message with it. What the client links may be written so:
        `<tel:22212345678|22212345678>`.
        """
        channel = self._enter(channel_id)
        if thread_ts is not None and channel.root(thread_ts) is None:
            raise ClientRefuses(f"there is no thread {thread_ts} in {channel_id}")
        message = self._stage.world.post(
            channel.id,
            user=self.user_id,
            text=typed_text(text),
            blocks=typed_blocks(text),
            thread_ts=thread_ts,
            files=files,
            forwarded=forwarding,
            broadcast=broadcast,
        )
        await self._stage.announcer.tell(Act.POSTED, message)
        return message

    @property
    def direct_channel_id(self) -> str:
        """This person's conversation with the bot."""
        return self._stage.world.direct_channel(self.user_id).id

    async def write(self, text: str, *, files: Iterable[SlackFile] = (), thread_ts: str | None = None) -> Message:
        """Say it to the bot alone, in a direct message."""
        return await self.say(self.direct_channel_id, text, files=files, thread_ts=thread_ts)

    async def edit(self, message: Message, text: str) -> None:
        """Change the words of an own message. Slack tells the bot: of a direct message by `message_changed`, of a
        message that now mentions it by another `app_mention`.
        """
        self._must_own(message)
        before = self._stage.world.rewrite(message, text=typed_text(text), blocks=typed_blocks(text))
        await self._stage.announcer.tell(Act.CHANGED, message, before)

    async def delete(self, message: Message) -> None:
        """Take an own message back. A root with replies leaves a stone in its place."""
        self._must_own(message)
        replies = self._stage.world.channels[message.channel].replies(message.ts)
        before = self._stage.world.delete(message, tombstone=bool(replies))
        await self._stage.announcer.tell(Act.DELETED, message, before)

    async def click(
        self,
        message: Message,
        action_id: str,
        *,
        value: Chosen = None,
        block_id: str | None = None,
        stale: bool = False,
    ) -> Reply:
        """Press a button, or choose in a menu, of a message.

        `action_id` is exact or a prefix. `value` picks among buttons, or the option of a menu, by its value or by what
        is read there, be it behind ⋯ too; `block_id` among elements of the same action_id.
        `stale`: this person's screen still shows an earlier version of the message.
        """
        self._must_see(message)
        if message.deleted and not stale:
            raise ClientRefuses("the message was deleted")
        blocks = message.blocks
        if stale:
            blocks = [block for edition in message.edited for block in edition.blocks] + blocks
        block, element = find_element(blocks, action_id, value, block_id=block_id)
        held = chosen_in(element, value)
        values = carried_over(message.blocks, message.choices.get(self.user_id, {}))
        if held is not None and element["type"] in VALUE_KEYS:
            values[block["block_id"], element["action_id"]] = held
        message.choices[self.user_id] = values
        response_url = self._stage.response_urls.issue(
            "actions", channel_id=message.channel, user_id=self.user_id, origin=message
        )
        place = payloads.place_of_message(self._stage.world, message, response_url=response_url, state=as_state(values))
        trigger_id = self._stage.triggers.issue(self.user_id, channel_id=message.channel)
        action = payloads.action_of(block, element, held)
        return await self._act(
            payloads.block_actions(self._stage.world, self.user, action=action, trigger_id=trigger_id, **place)
        )

    async def press(self, action: JSON, *, message: Message | None = None, view: JSON | None = None) -> Reply:
        """Send a click from a screen that still shows what is long gone: whether it stands anywhere is not looked at.

        In a message, which brings a response_url, or in a view.
        """
        world = self._stage.world
        place: JSON = {} if view is None else payloads.place_of_view(view)
        channel_id = None
        if message is not None:
            channel_id = message.channel
            url = self._stage.response_urls.issue(
                "actions", channel_id=channel_id, user_id=self.user_id, origin=message
            )
            place = payloads.place_of_message(world, message, response_url=url, state={"values": {}})
        trigger_id = self._stage.triggers.issue(self.user_id, channel_id=channel_id, view_id=(view or {}).get("id"))
        return await self._act(payloads.block_actions(world, self.user, action=action, trigger_id=trigger_id, **place))

    async def submit(self, view: JSON) -> Delivery:
        """Send a form from a screen that still shows it; the body of the answer is what the bot does with it."""
        trigger_id = self._stage.triggers.issue(self.user_id)
        payload = payloads.view_submission(self.user, view, trigger_id=trigger_id, response_urls=[])
        return await self._stage.courier.deliver("interactive", payload)

    async def suggest(self, view: JSON, *, block_id: str, action_id: str, typed: str) -> Delivery:
        """Type into a menu that asks the bot for its options."""
        payload = payloads.block_suggestion(self.user, view, block_id=block_id, action_id=action_id, typed=typed)
        return await self._stage.courier.deliver("interactive", payload)

    @property
    def home(self) -> JSON | None:
        """The home tab as this person sees it, or None before the bot ever filled it."""
        home = self._stage.views.homes.get(self.user_id)
        return None if home is None else self._stage.views.as_json(home)

    async def open_home(self) -> Reply:
        event = payloads.app_home_opened(self._stage.world, self.user, self.home)
        return _reply(await self._stage.courier.emit(event))

    async def click_home(self, action_id: str, *, value: Chosen = None, block_id: str | None = None) -> Reply:
        home = self.home
        if home is None:
            raise ClientRefuses("the home tab is empty")
        block, element = find_element(home["blocks"], action_id, value, block_id=block_id)
        action = payloads.action_of(block, element, chosen_in(element, value))
        trigger_id = self._stage.triggers.issue(self.user_id)
        place = payloads.place_of_view(home)
        return await self._act(
            payloads.block_actions(self._stage.world, self.user, action=action, trigger_id=trigger_id, **place)
        )

    def _enter(self, channel_id: str) -> Channel:
        """Slack's client makes a person join a public channel before acting there."""
        world = self._stage.world
        if channel_id == f"D{self.user_id[1:]}":
            return world.direct_channel(self.user_id)
        channel = world.channels.get(channel_id)
        if channel is None:
            raise ClientRefuses(f"there is no channel {channel_id}")
        if self.user_id not in channel.members:
            if channel.is_private or channel.is_im:
                raise ClientRefuses(f"{self.user_id} is not in {channel_id}")
            channel.members.add(self.user_id)
        return channel

    def _must_see(self, message: Message) -> None:
        channel = self._stage.world.channels[message.channel]
        hidden = (channel.is_private or channel.is_im) and self.user_id not in channel.members
        if hidden or message.ephemeral_to not in (None, self.user_id):
            raise ClientRefuses(f"{self.user_id} does not see this message")

    def _must_own(self, message: Message) -> None:
        if message.user != self.user_id or message.deleted:
            raise ClientRefuses(f"{self.user_id} has no such message {message.ts}")

    async def _act(self, payload: JSON) -> Reply:
        return _reply(await self._stage.courier.deliver("interactive", payload))

    def _command_reply(self, delivery: Delivery, channel: Channel) -> Reply:
        """A command's ack may be words: they appear as an ephemeral message."""
        if not delivery.ok or not delivery.body:
            return _reply(delivery)
        fields = delivery.body if isinstance(delivery.body, dict) else {"text": delivery.body}
        url = ResponseUrl(channel_id=channel.id, user_id=self.user_id, issued_at=datetime.now(UTC), origin=None)
        try:
            message = self._stage.response_urls.say(url, fields)
        except ApiError as error:
            return Reply(ok=False, error=error.error, seconds=delivery.seconds)
        text = message.text if message else ""
        blocks = message.blocks if message else []
        return Reply(ok=True, text=text, blocks=blocks, message=message, seconds=delivery.seconds)


def _bytes_of(path_or_bytes: Path | str | bytes) -> tuple[bytes, Path | None]:
    """The content to hold, or none and the path where too much of it lies."""
    if isinstance(path_or_bytes, bytes):
        size, path = len(path_or_bytes), None
    else:
        path = Path(path_or_bytes)
        size = path.stat().st_size
    if size > MAX_BYTES:
        raise ClientRefuses("files may be up to 1 GB")
    if path is None:
        assert isinstance(path_or_bytes, bytes)
        return path_or_bytes, None
    return (b"", path) if size > IN_MEMORY_MAX_BYTES else (path.read_bytes(), None)


def _reply(delivery: Delivery) -> Reply:
    error = {"": "", "http_timeout": "operation_timeout"}.get(delivery.failure, "dispatch_failed")
    return Reply(ok=delivery.ok, error=error, seconds=delivery.seconds)
