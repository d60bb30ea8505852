"""users.*, bots.*, usergroups.* and team.info: look-ups about people, bots and the workspace."""

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.pages import page_of
from bot.sandbox.slack.workspace import TEAM_NAME, Method, Workspace
from bot.sandbox.slack.world import BOT_NAME, BOT_USER_ID, ENTERPRISE_NAME, JSON, TEAM_DOMAIN, TEAM_ID, User


def user_info(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("user")
    user = workspace.world.users.get(arguments.text("user"))
    if user is None:
        raise ApiError("user_not_found")
    return {"ok": True, "user": user_json(user)}


def users_list(workspace: Workspace, arguments: Arguments) -> JSON:
    """Everybody, deleted people and bots too; without `limit` all at once."""
    everybody = [user_json(user) for _, user in sorted(workspace.world.users.items())]
    page, following = page_of(everybody, arguments, default=1000)
    now = int(workspace.world.clock().timestamp())
    return {"ok": True, "members": page, "cache_ts": now, "response_metadata": {"next_cursor": following}}


def user_json(user: User) -> JSON:
    shown: JSON = {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.handle,
        "deleted": user.is_deleted,
        "real_name": user.name.title(),
        "profile": {
            "real_name": user.name.title(),
            "real_name_normalized": user.name.title(),
            "display_name": user.name,
            "display_name_normalized": user.name,
            "team": user.team_id,
        },
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": 1795375000,
    }
    if user.is_stranger:
        shown["is_stranger"] = True
    if user.is_workflow_bot:
        shown["is_workflow_bot"] = True
    if user.enterprise_id:
        shown["enterprise_user"] = {
            "id": f"W{user.id[1:]}",
            "enterprise_id": user.enterprise_id,
            "enterprise_name": ENTERPRISE_NAME,
            "is_admin": False,
            "is_owner": False,
            "teams": list(user.enterprise_teams),
        }
    if not user.is_deleted:
        shown |= {
            "tz": user.timezone,
            "tz_label": user.timezone,
            "tz_offset": 3600,
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": user.is_guest or user.is_single_channel_guest,
            "is_ultra_restricted": user.is_single_channel_guest,
            "is_invited_user": user.is_invited,
        }
    return shown


def bot_info(workspace: Workspace, arguments: Arguments) -> JSON:
    if arguments.text("bot") not in ("", workspace.world.bot_id):
        raise ApiError("bot_not_found")
    bot = {
        "id": workspace.world.bot_id,
        "deleted": False,
        "name": BOT_NAME,
        "updated": 1795375000,
        "app_id": workspace.world.app_id,
    }
    return {"ok": True, "bot": bot | {"user_id": BOT_USER_ID, "icons": {}}}


def team_info(workspace: Workspace, arguments: Arguments) -> JSON:
    world = workspace.world
    if arguments.text("team") not in ("", world.team_id):
        raise ApiError("team_not_found")
    team: JSON = {
        "id": world.team_id,
        "name": TEAM_NAME,
        "url": f"https://{TEAM_DOMAIN}.slack.com/",
        "domain": TEAM_DOMAIN,
        "email_domain": "",
        "icon": {"image_default": True},
    }
    if world.enterprise_id:
        team |= {"enterprise_id": world.enterprise_id, "enterprise_name": ENTERPRISE_NAME}
    return {"ok": True, "team": team}


def usergroups_list(workspace: Workspace, arguments: Arguments) -> JSON:
    groups: list[JSON] = []
    for group_id, users in workspace.world.usergroups.items():
        name = workspace.world.usergroup_names.get(group_id, group_id)
        group: JSON = {"id": group_id, "team_id": TEAM_ID, "is_usergroup": True}
        group |= {"handle": name.lower().replace(" ", "-"), "name": name, "date_delete": 0}
        if arguments.flag("include_count"):
            group["user_count"] = len(users)
        if arguments.flag("include_users"):
            group["users"] = sorted(users)
        groups.append(group)
    return {"ok": True, "usergroups": groups}


def usergroups_users_list(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("usergroup")
    users = workspace.world.usergroups.get(arguments.text("usergroup"))
    if users is None:
        raise ApiError("no_such_subteam")
    return {"ok": True, "users": sorted(users)}


METHODS: dict[str, Method] = {
    "bots.info": bot_info,
    "team.info": team_info,
    "users.info": user_info,
    "users.list": users_list,
    "usergroups.list": usergroups_list,
    "usergroups.users.list": usergroups_users_list,
}
