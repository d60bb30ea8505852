"""Modals and home tabs: stacks, triggers, hashes, and what a form holds while it is open."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.inputs import VALUE_KEYS, Values, as_state, carried_over
from bot.sandbox.slack.normal import normal_blocks, normal_text
from bot.sandbox.slack.world import APP_ID, BOT_ID, JSON, TEAM_ID, World

MAX_STACK = 3


@dataclass(slots=True, kw_only=True, eq=False)
class Trigger:
    id: str
    user_id: str
    issued_at: datetime
    channel_id: str | None
    view_id: str | None
    """The modal inside which the person acted; only such a trigger may push."""
    is_used: bool = False


class Triggers:
    """Leave to show one person one view: once, and soon."""

    def __init__(self, clock: Callable[[], datetime], lifetime_seconds: float) -> None:
        self._clock = clock
        self.lifetime_seconds = lifetime_seconds
        self._issued: dict[str, Trigger] = {}

    def issue(self, user_id: str, *, channel_id: str | None = None, view_id: str | None = None) -> str:
        now = self._clock()
        trigger = Trigger(
            id=f"{int(now.timestamp())}.{len(self._issued) + 111}.{secrets.token_hex(16)}",
            user_id=user_id,
            issued_at=now,
            channel_id=channel_id,
            view_id=view_id,
        )
        self._issued[trigger.id] = trigger
        return trigger.id

    def exchange(self, trigger_id: str) -> Trigger:
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise ApiError("invalid_trigger_id")
        if trigger.is_used:
            raise ApiError("exchanged_trigger_id")
        if self._clock() - trigger.issued_at > timedelta(seconds=self.lifetime_seconds):
            raise ApiError("expired_trigger_id")
        trigger.is_used = True
        return trigger


@dataclass(slots=True, kw_only=True, eq=False)
class OpenView:
    """One view as it stands now; `hash` changes with each update."""

    id: str
    user_id: str
    root_id: str
    previous_id: str | None = None
    channel_id: str | None = None
    definition: JSON = field(default_factory=dict)
    blocks: list[JSON] = field(default_factory=list)
    values: Values = field(default_factory=dict)
    hash: str = ""
    is_open: bool = True

    @property
    def external_id(self) -> str:
        return str(self.definition.get("external_id") or "")


class Views:
    def __init__(self, world: World) -> None:
        self.world = world
        self._by_id: dict[str, OpenView] = {}
        self.stacks: dict[str, list[OpenView]] = {}
        self.homes: dict[str, OpenView] = {}

    def open(self, trigger: Trigger, definition: JSON) -> OpenView:
        self._refuse_taken_external_id(definition, None)
        self.clear(trigger.user_id)
        view_id = self.world.new_id("V")
        view = OpenView(id=view_id, user_id=trigger.user_id, root_id=view_id, channel_id=trigger.channel_id)
        return self._show(view, definition)

    def push(self, user_id: str, definition: JSON) -> OpenView:
        """Lay a view on this person's open stack."""
        stack = self.stacks.get(user_id, [])
        if not stack:
            raise ApiError("not_found")
        if len(stack) >= MAX_STACK:
            raise ApiError("push_limit_reached")
        self._refuse_taken_external_id(definition, None)
        below = stack[-1]
        view = OpenView(
            id=self.world.new_id("V"),
            user_id=user_id,
            root_id=below.root_id,
            previous_id=below.id,
            channel_id=below.channel_id,
        )
        return self._show(view, definition)

    def update(self, view: OpenView, definition: JSON, *, expected_hash: str | None = None) -> OpenView:
        if not view.is_open:
            raise ApiError("not_found")
        if expected_hash is not None and expected_hash != view.hash:
            raise ApiError("hash_conflict")
        self._refuse_taken_external_id(definition, view)
        self._fill(view, definition)
        return view

    def publish(self, user_id: str, definition: JSON, *, expected_hash: str | None = None) -> OpenView:
        home = self.homes.get(user_id)
        if home is None:
            view_id = self.world.new_id("V")
            home = OpenView(id=view_id, user_id=user_id, root_id=view_id)
        elif expected_hash is not None and expected_hash != home.hash:
            raise ApiError("hash_conflict")
        self.homes[user_id] = home
        self._by_id[home.id] = home
        self._fill(home, definition)
        return home

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> OpenView:
        if view_id is not None:
            found = self._by_id.get(view_id)
        else:
            found = next((view for view in self._by_id.values() if view.external_id == external_id), None)
        if found is None:
            raise ApiError("not_found")
        return found

    def top(self, user_id: str) -> OpenView | None:
        stack = self.stacks.get(user_id)
        return stack[-1] if stack else None

    def close(self, view: OpenView) -> None:
        """Close this view and whatever lies on it."""
        stack = self.stacks.get(view.user_id, [])
        while view in stack:
            self._forget(stack.pop())
        self.world.changes.tell()

    def clear(self, user_id: str) -> None:
        for view in self.stacks.pop(user_id, []):
            self._forget(view)
        self.world.changes.tell()

    def as_json(self, view: OpenView, *, with_values: bool = True) -> JSON:
        given = view.definition
        title = given.get("title") or normal_text("View Title")
        return {
            "id": view.id,
            "team_id": TEAM_ID,
            "type": given["type"],
            "blocks": view.blocks,
            "private_metadata": given.get("private_metadata") or "",
            "callback_id": given.get("callback_id") or "",
            "state": as_state(self._shown_values(view)) if with_values else {"values": {}},
            "hash": view.hash,
            "title": {"emoji": True, **title},
            "clear_on_close": bool(given.get("clear_on_close")),
            "notify_on_close": bool(given.get("notify_on_close")),
            "close": given.get("close"),
            "submit": given.get("submit"),
            "previous_view_id": view.previous_id,
            "root_view_id": view.root_id,
            "app_id": APP_ID,
            "external_id": view.external_id,
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
        }

    def _show(self, view: OpenView, definition: JSON) -> OpenView:
        self._by_id[view.id] = view
        self.stacks.setdefault(view.user_id, []).append(view)
        self._fill(view, definition)
        return view

    def _fill(self, view: OpenView, definition: JSON) -> None:
        view.definition = definition
        view.blocks = normal_blocks(definition["blocks"])
        view.values = carried_over(view.blocks, view.values, current_channel=view.channel_id)
        view.hash = f"{int(self.world.clock().timestamp())}.{secrets.token_hex(4)}"
        self.world.changes.tell()

    def _shown_values(self, view: OpenView) -> Values:
        shown: Values = {}
        for place, held in view.values.items():
            if VALUE_KEYS[held["type"]] == "files":
                attached = [self.world.files[file_id] for file_id in held["files"]]
                files = [file.in_payload(self.world.files_url) for file in attached]
                shown[place] = {**held, "files": files}
            else:
                shown[place] = held
        return shown

    def _forget(self, view: OpenView) -> None:
        view.is_open = False
        self._by_id.pop(view.id, None)

    def _refuse_taken_external_id(self, definition: JSON, own: OpenView | None) -> None:
        wanted = definition.get("external_id")
        if wanted and any(view is not own and view.external_id == wanted for view in self._by_id.values()):
            raise ApiError("duplicate_external_id")
