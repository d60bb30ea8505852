"""What has changed in Slack or at Smile ID: forgotten here, and by the instances beside this one, each of its own."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.access.permissions import Access
from bot.access.role_watch import RoleWatch
from bot.queries.home import HomeTab
from bot.runtime.instances import Instances, NewsKind


@dataclass(slots=True, kw_only=True, eq=False)
class Changes:
    """Slack tells one of the instances, which tells the others."""

    access: Access
    roles: RoleWatch
    home: HomeTab
    instances: Instances
    refresh_id_types: Callable[[], Awaitable[bool]]
    """Ask Smile ID; False without an answer."""
    load_id_types: Callable[[], Coroutine[Any, Any, None]]
    """Read what another instance has learned."""
    spawn: Callable[[Coroutine[Any, Any, None]], None]

    def __post_init__(self) -> None:
        self.instances.listen(
            {
                NewsKind.MEMBERS: lambda group: self.spawn(self._members(group)),
                NewsKind.PERSON: self.access.person_changed,
                NewsKind.CHANNEL: self.access.channel_changed,
                NewsKind.ID_TYPES: lambda _all: self.spawn(self.load_id_types()),
            },
            learn_all=lambda: self.spawn(self._learn_all()),
        )

    def members(self, group: str) -> None:
        """Of a user group or a channel: whoever left it loses the role at once."""
        self.spawn(self._members(group))
        self.instances.tell(NewsKind.MEMBERS, group)

    def person(self, user: str) -> None:
        """Somebody was deactivated, made a guest, or changed their status."""
        self.access.person_changed(user)
        self.instances.tell(NewsKind.PERSON, user)

    def channel(self, channel: str) -> None:
        """It was shared with another company, or is no longer."""
        self.access.channel_changed(channel)
        self.instances.tell(NewsKind.CHANNEL, channel)

    async def ask_smile_id(self) -> bool:
        """Which ID types there are and which this partner may use; False without an answer."""
        learned = await self.refresh_id_types()
        self.instances.tell(NewsKind.ID_TYPES, "")
        return learned

    async def _learn_all(self) -> None:
        await self.roles.refresh()
        await self.load_id_types()

    async def _members(self, group: str) -> None:
        await self.access.changed(group)
        await self.roles.look()
        # Whoever has lost a role must not go on reading what it showed.
        await self.home.tick()
