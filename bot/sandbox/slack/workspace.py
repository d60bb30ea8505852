"""What every Web API method works on: the world, the open views, and what the bot's token allows."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.files import PendingUpload
from bot.sandbox.slack.views import Triggers, Views
from bot.sandbox.slack.world import BOT_NAME, BOT_USER_ID, JSON, TEAM_DOMAIN, Channel, World

TEAM_NAME = "Acme Compliance"


@dataclass(slots=True, kw_only=True)
class Workspace:
    world: World
    views: Views
    triggers: Triggers
    scopes: list[str]
    has_home: bool = True
    """Whether the app's Home tab is switched on."""
    file_seconds: float = 0.0
    """How long Slack works on an uploaded file before it knows its kind and shares."""
    files_may_be_deleted: bool = True
    """Whether the workspace lets people and apps delete files."""
    uploads: dict[str, PendingUpload] = field(default_factory=dict)
    """Files of the bot that were announced, by the ticket in their upload address, until they are completed."""

    def need_any_scope(self, scopes: Iterable[str]) -> None:
        wanted = list(scopes)
        if wanted and not set(wanted) & set(self.scopes):
            raise ApiError("missing_scope", needed=",".join(wanted), provided=",".join(self.scopes))

    def identity(self) -> JSON:
        world = self.world
        shown: JSON = {
            "ok": True,
            "url": f"https://{TEAM_DOMAIN}.slack.com/",
            "team": TEAM_NAME,
            "user": BOT_NAME,
            "team_id": world.team_id,
            "user_id": BOT_USER_ID,
            "bot_id": world.bot_id,
            "is_enterprise_install": world.is_enterprise_install,
        }
        # Slack names it only where there is one (docs.slack.dev/reference/methods/auth.test, 2026-11).
        return shown | ({"enterprise_id": world.enterprise_id} if world.enterprise_id else {})

    def visible_channel(self, channel_id: str) -> Channel:
        """A conversation whose existence the bot may know: a private one only as a member."""
        channel = self.world.channels.get(channel_id)
        if channel is None or (not channel.bot_is_member and (channel.is_private or channel.is_im)):
            raise ApiError("channel_not_found")
        return channel


Method = Callable[[Workspace, Arguments], JSON | Awaitable[JSON]]
