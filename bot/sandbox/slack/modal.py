"""An open modal in a person's hands: choosing, filling, attaching, submitting, with the client's own checks."""

from datetime import date, datetime
from typing import Any

from bot.sandbox.slack import payloads
from bot.sandbox.slack.changes import PATIENCE_SECONDS
from bot.sandbox.slack.client_checks import check_files, check_form
from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.inputs import (
    TEXT_INPUTS,
    VALUE_KEYS,
    is_empty,
    options_of,
    python_value,
    stateful,
)
from bot.sandbox.slack.pressing import Chosen, chosen_in, find_element
from bot.sandbox.slack.reading import plain
from bot.sandbox.slack.stage import Stage
from bot.sandbox.slack.submission import Submission, take_answer
from bot.sandbox.slack.views import OpenView
from bot.sandbox.slack.world import JSON, User

_EMPTIED = {"static_select", "users_select", "conversations_select", "channels_select"}
"""Menus that a person may empty again where the field is optional."""


class Modal:
    """A live handle: after an update it shows the newer view."""

    def __init__(self, stage: Stage, user: User, view: OpenView) -> None:
        self._stage = stage
        self._user = user
        self._view = view
        self._seen_hash = view.hash

    @property
    def view(self) -> JSON:
        return self._stage.views.as_json(self._view)

    @property
    def id(self) -> str:
        return self._view.id

    @property
    def blocks(self) -> list[JSON]:
        return self._view.blocks

    @property
    def is_open(self) -> bool:
        return self._view.is_open

    @property
    def hash(self) -> str:
        return self._view.hash

    @property
    def title(self) -> str:
        return str(self._view.definition["title"]["text"])

    @property
    def values(self) -> dict[str, Any]:
        """By block_id: a text, an option's value, a list of values, or a list of file ids."""
        return {block_id: python_value(held) for (block_id, _), held in self._view.values.items()}

    def text(self) -> str:
        return plain(self.view, names=self._stage.world.names)

    async def enter(self, block_id: str, value: Any) -> None:
        """Give this block a value in the way that fits its element."""
        _, element = self._element(block_id)
        if element["type"] in TEXT_INPUTS:
            await self.fill(block_id, str(value))
        elif element["type"] == "file_input":
            await self.attach(block_id, *value)
        else:
            await self.choose(block_id, value)

    async def choose(
        self, block_id: str, value: Any, *, action_id: str | None = None, typed: str | None = None
    ) -> Delivery | None:
        """Choose in a menu, among boxes, or on a calendar. Gives the bot's answer if it was told.

        `typed`: what was typed into a menu that asks the bot for its options; without it the value itself.
        """
        block, element = self._element(block_id, action_id)
        chosen: Any
        if element["type"] == "external_select":
            chosen = await self._suggested(block, element, str(value), typed)
        elif element["type"] == "multi_external_select":
            chosen = [await self._suggested(block, element, str(item)) for item in _several(element, value, block_id)]
        else:
            chosen = self._choice(block, element, value)
        return await self._hold(block, element, chosen)

    async def fill(self, block_id: str, text: str, *, press_enter: bool = False) -> Delivery | None:
        block, element = self._element(block_id)
        if element["type"] not in TEXT_INPUTS:
            raise ClientRefuses(f"a {element['type']} takes no text", block_id)
        config = element.get("dispatch_action_config") or {}
        wanted = config.get("trigger_actions_on", ["on_enter_pressed"])
        tells = ("on_enter_pressed" in wanted and press_enter) or "on_character_entered" in wanted
        return await self._hold(block, element, text or None, quietly=not tells)

    async def attach(self, block_id: str, *files: SlackFile, client_checks: bool = True) -> None:
        """Replace what the block holds by these files. `client_checks=False`: a client that lets all pass."""
        block, element = self._element(block_id)
        if element["type"] != "file_input":
            raise ClientRefuses(f"a {element['type']} takes no files", block_id)
        if client_checks:
            check_files(element, files, block_id)
        await self._hold(block, element, [file.id for file in files])

    async def suggestions(self, block_id: str, typed: str) -> list[JSON]:
        """What an external_select offers for what was typed."""
        block, element = self._element(block_id)
        payload = payloads.block_suggestion(
            self._user, self.view, block_id=block_id, action_id=element["action_id"], typed=typed
        )
        delivery = await self._stage.courier.deliver("interactive", payload)
        if not isinstance(delivery.body, dict):
            raise ClientRefuses("no suggestions came", block["block_id"])
        return options_of(delivery.body)

    async def click(self, action_id: str, *, value: Chosen = None, block_id: str | None = None) -> Delivery:
        """Press a button inside the modal, or choose in a menu that has no field of its own."""
        block, element = find_element(self.blocks, action_id, value, block_id=block_id)
        held = chosen_in(element, value)
        if held is not None and element["type"] in VALUE_KEYS:
            self._view.values[block["block_id"], element["action_id"]] = held
        return await self._tell(block, element, held)

    async def submit(self, *, client_checks: bool = True) -> Submission:
        if not self.is_open:
            raise ClientRefuses("the modal is closed")
        if client_checks:
            check_form(self._view)
        for held in self._view.values.values():
            for file_id in held.get("files", ()):
                self._stage.world.files[file_id].was_submitted = True
        payload = payloads.view_submission(
            self._user,
            self.view,
            trigger_id=self._trigger(),
            response_urls=self._response_urls(),
        )
        delivery = await self._stage.courier.deliver("interactive", payload)
        submission = take_answer(self._stage.views, self._view, delivery)
        if submission.updated is not None:
            self._seen_hash = self._view.hash
        return submission

    async def close(self, *, all_views: bool = False) -> None:
        """Cancel this view, or by the × (`all_views`) the whole stack."""
        views = self._stage.views
        shown, tell = self.view, self.view["notify_on_close"]
        if all_views:
            root = views.stacks.get(self._user.id, [self._view])[0]
            shown = views.as_json(root)
            tell = shown["notify_on_close"]
            views.clear(self._user.id)
        else:
            views.close(self._view)
        if tell:
            payload = payloads.view_closed(self._user, shown, is_cleared=all_views)
            await self._stage.courier.deliver("interactive", payload)

    async def changed(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a newer view than before this person's last act (or the last call of this)."""
        await self._stage.world.changes.until(lambda: self._view.hash != self._seen_hash, timeout_seconds)
        self._seen_hash = self._view.hash

    def _element(self, block_id: str, action_id: str | None = None) -> tuple[JSON, JSON]:
        if not self.is_open:
            raise ClientRefuses("the modal is closed")
        for block, element in stateful(self.blocks):
            if block["block_id"] == block_id and action_id in (None, element["action_id"]):
                return block, element
        there = ", ".join(block["block_id"] for block, _ in stateful(self.blocks))
        raise ClientRefuses(f"there is no field {block_id}; there is {there}")

    async def _hold(self, block: JSON, element: JSON, inner: Any, *, quietly: bool = False) -> Delivery | None:
        held = {"type": element["type"], VALUE_KEYS[element["type"]]: inner}
        self._view.values[block["block_id"], element["action_id"]] = held
        self._stage.world.changes.tell()
        if quietly or (block["type"] == "input" and not block["dispatch_action"]):
            return None
        return await self._tell(block, element, held)

    async def _tell(self, block: JSON, element: JSON, held: JSON | None) -> Delivery:
        self._seen_hash = self._view.hash
        payload = payloads.block_actions(
            self._stage.world,
            self._user,
            action=payloads.action_of(block, element, held),
            trigger_id=self._trigger(),
            **payloads.place_of_view(self.view),
        )
        return await self._stage.courier.deliver("interactive", payload)

    def _choice(self, block: JSON, element: JSON, value: Any) -> Any:
        kind, block_id = element["type"], block["block_id"]
        if value is None and kind in _EMPTIED and block.get("optional"):
            return None
        if kind in {"static_select", "radio_buttons"}:
            return _offered(element, value, block_id)
        if kind in {"checkboxes", "multi_static_select"}:
            return [_offered(element, item, block_id) for item in _several(element, value, block_id)]
        if kind == "datepicker":
            return date.fromisoformat(str(value)).isoformat() if value else None
        if kind == "datetimepicker":
            return int(value.timestamp()) if isinstance(value, datetime) else value
        if kind == "multi_users_select":
            value = _several(element, value, block_id)
            if strangers := set(value) - set(self._stage.world.users):
                raise ClientRefuses(f"there is no user {sorted(strangers)}", block_id)
        if kind == "conversations_select" and value not in self.conversations(element):
            raise ClientRefuses(f"{value} is not offered", block_id)
        if kind == "users_select" and value not in self._stage.world.users:
            raise ClientRefuses(f"there is no user {value}", block_id)
        return value

    def conversations(self, element: JSON) -> list[str]:
        """What a conversation menu lists: this person's conversations that pass the filter."""
        rule = element.get("filter") or {}
        kinds = set(rule.get("include") or ["im", "mpim", "private", "public"])
        offered = []
        for channel in self._stage.world.channels.values():
            kind = "im" if channel.is_im else "private" if channel.is_private else "public"
            shared_out = rule.get("exclude_external_shared_channels") and channel.is_ext_shared
            seen = kind == "public" or self._user.id in channel.members
            if kind in kinds and seen and not shared_out and not channel.is_archived:
                offered.append(channel.id)
        return offered

    async def _suggested(self, block: JSON, element: JSON, value: str, typed: str | None = None) -> JSON:
        offered = await self.suggestions(block["block_id"], value if typed is None else typed)
        return _offered({"action_id": element["action_id"], "options": offered}, value, block["block_id"])

    def _response_urls(self) -> list[JSON]:
        issued = []
        for block, element in stateful(self.blocks):
            held = self._view.values[block["block_id"], element["action_id"]]
            if element.get("response_url_enabled") and not is_empty(held):
                channel_id = python_value(held)
                url = self._stage.response_urls.issue("app", channel_id=channel_id, user_id=self._user.id)
                issued.append(
                    {
                        "block_id": block["block_id"],
                        "action_id": element["action_id"],
                        "channel_id": channel_id,
                        "response_url": url,
                    }
                )
        return issued

    def _trigger(self) -> str:
        view = self._view
        return self._stage.triggers.issue(self._user.id, channel_id=view.channel_id, view_id=view.id)


def _several(element: JSON, value: Any, block_id: str) -> list[Any]:
    """What is to be chosen where more than one may be."""
    wanted = list(value) if isinstance(value, list | tuple) else [value]
    if len(wanted) > element.get("max_selected_items", len(wanted)):
        raise ClientRefuses(f"no more than {element['max_selected_items']} may be chosen", block_id)
    return wanted


def _offered(element: JSON, value: Any, block_id: str) -> JSON:
    """The option with this value, or with this text."""
    options = options_of(element)
    for option in options:
        if value in (option["value"], option["text"]["text"]):
            return option
    there = ", ".join(option["value"] for option in options)
    raise ClientRefuses(f"{value} is not offered among {there}", block_id)
