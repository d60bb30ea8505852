"""Events about people, channels and the app: what the bot remembers of them changes, or what it may do at all."""

from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.runtime.bot import Bot
from bot.runtime.health import Degraded

log = structlog.get_logger(__name__)


async def home_opened(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """Slack sends the same event for the messages tab, where nothing is displayed."""
    await ack()
    if event.get("tab") == "home":
        await bot.home.opened(event["user"])


async def group_changed(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """A user group has other members now: whoever left it loses the role at once."""
    await ack()
    group = event.get("subteam_id") or (event.get("subteam") or {}).get("id")
    if group:
        bot.changes.members(group)


async def channel_changed(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """Somebody, perhaps the bot itself, joined or left a channel."""
    await ack()
    bot.changes.members(event.get("channel", ""))


async def person_changed(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """Somebody was deactivated, made a guest, or changed their status."""
    await ack()
    user = event.get("user")
    bot.changes.person(str(user.get("id") or "") if isinstance(user, dict) else str(user or ""))


async def sharing_changed(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """A channel was shared with another company, or is no longer."""
    await ack()
    bot.changes.channel(str(event.get("channel") or ""))


async def access_lost(ack: AsyncAck, event: dict[str, Any], bot: Bot) -> None:
    """The app was removed or its token revoked: nothing can be posted until an operator acts."""
    await ack()
    if event["type"] == "tokens_revoked" and not (event.get("tokens") or {}).get("bot"):
        return
    bot.health.note(Degraded.SLACK, event["type"])
    log.error("slack.access_lost", error=event["type"])


LISTENERS = {
    "app_home_opened": home_opened,
    "subteam_members_changed": group_changed,
    "subteam_updated": group_changed,
    "member_joined_channel": channel_changed,
    "member_left_channel": channel_changed,
    "user_change": person_changed,
    "channel_shared": sharing_changed,
    "channel_unshared": sharing_changed,
    "app_uninstalled": access_lost,
    "tokens_revoked": access_lost,
}
