"""views.*: opening, pushing, changing and publishing views."""

from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.block_rules import faults_in_view, view_is_too_large
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.image_rules import refuse_unfit_files
from bot.sandbox.slack.views import OpenView
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import JSON, World


def checked_view(world: World, view: JSON, *, kind: str) -> JSON:
    """The view, if Slack would take it as a modal or as a home tab."""
    if view_is_too_large(view):
        raise ApiError("view_too_large")
    if view.get("type") != kind:
        raise ApiError.about_fields("invalid_arguments", [f"must be {kind} [json-pointer:/view/type]"])
    if faults := faults_in_view(view):
        raise ApiError.about_fields("invalid_arguments", faults)
    refuse_unfit_files(world, view["blocks"], error="invalid_arguments", at="/view/blocks")
    return view


def _answer(workspace: Workspace, view: OpenView) -> JSON:
    return {"ok": True, "view": workspace.views.as_json(view, with_values=False)}


def open_view(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("trigger_id")
    view = checked_view(workspace.world, arguments.view(), kind="modal")
    trigger = workspace.triggers.exchange(arguments.text("trigger_id"))
    return _answer(workspace, workspace.views.open(trigger, view))


def push(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("trigger_id")
    view = checked_view(workspace.world, arguments.view(), kind="modal")
    trigger = workspace.triggers.exchange(arguments.text("trigger_id"))
    if trigger.view_id is None:
        raise ApiError("not_found")
    # Closed meanwhile: there is no stack that the new view could lie on.
    workspace.views.find(view_id=trigger.view_id)
    return _answer(workspace, workspace.views.push(trigger.user_id, view))


def update(workspace: Workspace, arguments: Arguments) -> JSON:
    view_id, external_id = arguments.optional("view_id"), arguments.optional("external_id")
    if (view_id is None) == (external_id is None):
        raise ApiError.about_fields("invalid_arguments", ["give either view_id or external_id"])
    current = workspace.views.find(view_id=view_id, external_id=external_id)
    view = checked_view(workspace.world, arguments.view(), kind=current.definition["type"])
    return _answer(workspace, workspace.views.update(current, view, expected_hash=arguments.optional("hash")))


def publish(workspace: Workspace, arguments: Arguments) -> JSON:
    arguments.require("user_id")
    if not workspace.has_home:
        raise ApiError("not_enabled")
    view = checked_view(workspace.world, arguments.view(), kind="home")
    user = workspace.world.users.get(arguments.text("user_id"))
    if user is None or user.is_bot or user.is_stranger:
        raise ApiError("user_not_found" if user is None else "not_enabled")
    home = workspace.views.publish(user.id, view, expected_hash=arguments.optional("hash"))
    return _answer(workspace, home)


METHODS: dict[str, Method] = {
    "views.open": open_view,
    "views.push": push,
    "views.update": update,
    "views.publish": publish,
}
