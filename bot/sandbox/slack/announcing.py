"""Which events of the workspace the app hears of: those it subscribed to and has the scope for.

Mentions where the bot is a member, and everything in people's conversations with the bot. The bot's own messages
there are among it, as Slack sends them too: an app that answers its own words is to be found out here.
"""

from collections.abc import Iterable

from bot.sandbox.slack import payloads
from bot.sandbox.slack.delivery import Courier
from bot.sandbox.slack.message_json import message_json
from bot.sandbox.slack.world import BOT_USER_ID, JSON, Act, Message, World

APP_MENTION, MESSAGE_IM = "app_mention", "message.im"
_SCOPES = {APP_MENTION: "app_mentions:read", MESSAGE_IM: "im:history"}
"""By the name that a manifest's `bot_events` has for it."""


class Announcer:
    """`events`: what the app subscribed to; None for everything that its scopes open."""

    def __init__(self, world: World, courier: Courier, *, scopes: list[str], events: Iterable[str] | None) -> None:
        self._world = world
        self._courier = courier
        wanted = set(_SCOPES if events is None else events)
        self._heard = {event for event, scope in _SCOPES.items() if event in wanted and scope in scopes}
        world.watcher = self._watch

    async def tell(self, act: Act, message: Message, before: Message | None = None) -> None:
        """Bring what the app is to hear of this; returns after the first attempt, as `Courier.emit` does."""
        if event := self._event(act, message, before):
            await self._courier.emit(event, is_ext_shared=self._world.channels[message.channel].is_ext_shared)

    def _watch(self, act: Act, message: Message, before: Message | None) -> None:
        """The bot's own acts go out by themselves; of people's, `Person` tells and waits for the first attempt."""
        if message.user == BOT_USER_ID and self._is_direct(message) and (event := self._event(act, message, before)):
            self._courier.in_background(self._courier.emit(event))

    def _event(self, act: Act, message: Message, before: Message | None) -> JSON | None:
        if self._is_direct(message):
            return self._direct(act, message, before) if MESSAGE_IM in self._heard else None
        channel = self._world.channels[message.channel]
        is_mention = f"<@{BOT_USER_ID}>" in message.text and channel.bot_is_member and not channel.is_im
        if is_mention and act is not Act.DELETED and APP_MENTION in self._heard:
            return payloads.app_mention(self._world, self._world.users[message.user], message)
        return None

    def _direct(self, act: Act, message: Message, before: Message | None) -> JSON:
        if act is Act.POSTED:
            return payloads.direct_message(self._world, message)
        earlier = message_json(self._world, before or message)
        if act is Act.DELETED and not message.tombstone:
            return payloads.message_deleted(self._world, message, before=earlier)
        return payloads.message_changed(self._world, message, before=earlier)

    def _is_direct(self, message: Message) -> bool:
        channel = self._world.channels[message.channel]
        return channel.is_im and channel.bot_is_member
