"""The Slack app's manifest: what the bot asks of a workspace, and nothing that is not handled yet.

`app_manifest.yaml` in the repository is this, rendered for Socket Mode; tests hold both against Slack's schema and
against what the handlers and the Web API calls really use.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.errors import SettingsFault
from bot.slack.blocks import ids

SCOPES = (
    "app_mentions:read",
    "commands",
    "chat:write",
    "files:read",
    "files:write",
    "users:read",
    "usergroups:read",
    "im:write",
    "channels:read",
    "groups:read",
    "channels:history",
    "groups:history",
    "im:history",
)
USER_SCOPES = ("files:write",)
"""Of whoever lets the bot delete other people's files, by KYC_SLACK_USER_TOKEN; everything else works without."""
EVENTS = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_shared",
    "channel_unshared",
    "member_joined_channel",
    "member_left_channel",
    "message.im",
    "subteam_members_changed",
    "subteam_updated",
    "tokens_revoked",
    "user_change",
)
_HEAD = """\
# Create the Slack app from this: api.slack.com/apps, "Create New App", "From a manifest".
# For HTTP instead of Socket Mode print the other form: kyc-bot manifest --url https://kyc.example.com
"""

_HINT = (
    "[check | status K-… | list | find | rerun K-… | cancel K-… | review K-… | summary | export | hold K-… | "
    "forget K-… | notify | help]"
)


def missing_scopes(me: Mapping[str, Any]) -> list[str]:
    """Of `SCOPES`, by what `whoami` has heard; none where Slack does not say which scopes the token has."""
    granted = {scope.strip() for scope in str(me["scopes"]).split(",")} if "scopes" in me else set(SCOPES)
    return sorted(set(SCOPES) - granted)


def build(url: str | None = None) -> dict[str, Any]:
    """The manifest as data; with `url`, for HTTP mode at that public base. Raises SettingsFault for a poor URL."""
    endpoint = f"{_https(url)}/slack/events" if url else None
    here, request_url = ({"url": endpoint}, {"request_url": endpoint}) if endpoint else ({}, {})
    return {
        "_metadata": {"major_version": 2},
        "display_information": {
            "name": "KYC",
            "description": "Smile ID Biometric KYC checks, asked for and answered in Slack.",
            "background_color": "#1d3557",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "kyc", "always_online": True},
            "slash_commands": [
                {
                    "command": ids.COMMAND,
                    "description": "Start a Biometric KYC check, or ask where one stands",
                    "usage_hint": _HINT,
                    "should_escape": False,
                    **here,
                }
            ],
            "shortcuts": [
                {
                    "name": "Run Biometric KYC",
                    "type": "global",
                    "callback_id": ids.SHORTCUT_CHECK,
                    "description": "Open the form for a new check",
                },
                {
                    "name": "Run Biometric KYC",
                    "type": "message",
                    "callback_id": ids.SHORTCUT_CHECK_MESSAGE,
                    "description": "Open the form with this message's photos",
                },
            ],
        },
        "oauth_config": {"scopes": {"user": list(USER_SCOPES), "bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {**request_url, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": url is None,
            "token_rotation_enabled": False,
        },
    }


def render(url: str | None = None) -> str:
    import yaml  # noqa: PLC0415 - a running bot knows its manifest, and never writes it out

    return _HEAD + yaml.safe_dump(build(url), sort_keys=False, allow_unicode=True, width=100)


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.username:
        raise SettingsFault("Slack wants a public https address, for example https://kyc.example.com")
    return url.rstrip("/")
