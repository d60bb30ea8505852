"""Slack's refusals of Block Kit, part two: elements, their options and confirmations."""

from collections.abc import Callable
from datetime import date

from bot.sandbox.slack.inputs import options_of
from bot.sandbox.slack.rules import JSON, LIMITS, Check

_SELECTS = "static_select external_select users_select conversations_select channels_select"
_MULTI_SELECTS = " ".join(f"multi_{kind}" for kind in _SELECTS.split())
_PICKERS = f"{_SELECTS} checkboxes radio_buttons datepicker timepicker"
_TEXT_INPUTS = "plain_text_input email_text_input url_text_input number_input rich_text_input"

ALLOWED: dict[str, set[str]] = {
    "accessory": set(f"button image overflow workflow_button {_PICKERS} {_MULTI_SELECTS}".split()),
    "actions": set(f"button overflow datetimepicker workflow_button {_PICKERS}".split()),
    "input": set(f"datetimepicker file_input {_PICKERS} {_MULTI_SELECTS} {_TEXT_INPUTS}".split()),
    "context_actions": {"feedback_buttons", "icon_button"},
}
"""Which elements may stand where."""

_CHOICE = "action_id placeholder confirm focus_on_load"
_KEYS: dict[str, tuple[str, str]] = {
    "button": ("action_id url value style confirm accessibility_label", "text"),
    "image": ("image_url slack_file", "alt_text"),
    "overflow": ("action_id confirm", "options"),
    "checkboxes": ("action_id initial_options confirm focus_on_load", "options"),
    "radio_buttons": ("action_id initial_option confirm focus_on_load", "options"),
    "static_select": (f"{_CHOICE} options option_groups initial_option", ""),
    "external_select": (f"{_CHOICE} initial_option min_query_length", ""),
    "users_select": (f"{_CHOICE} initial_user", ""),
    "conversations_select": (
        f"{_CHOICE} initial_conversation default_to_current_conversation response_url_enabled filter",
        "",
    ),
    "channels_select": (f"{_CHOICE} initial_channel response_url_enabled", ""),
    "multi_static_select": (f"{_CHOICE} options option_groups initial_options max_selected_items", ""),
    "multi_external_select": (f"{_CHOICE} initial_options min_query_length max_selected_items", ""),
    "multi_users_select": (f"{_CHOICE} initial_users max_selected_items", ""),
    "multi_conversations_select": (
        f"{_CHOICE} initial_conversations default_to_current_conversation filter max_selected_items",
        "",
    ),
    "multi_channels_select": (f"{_CHOICE} initial_channels max_selected_items", ""),
    "datepicker": (f"{_CHOICE} initial_date", ""),
    "timepicker": (f"{_CHOICE} initial_time timezone", ""),
    "datetimepicker": ("action_id initial_date_time confirm focus_on_load", ""),
    "plain_text_input": (
        "action_id placeholder focus_on_load initial_value multiline min_length max_length dispatch_action_config",
        "",
    ),
    "email_text_input": ("action_id placeholder focus_on_load initial_value dispatch_action_config", ""),
    "url_text_input": ("action_id placeholder focus_on_load initial_value dispatch_action_config", ""),
    "number_input": (
        "action_id placeholder focus_on_load initial_value min_value max_value dispatch_action_config",
        "is_decimal_allowed",
    ),
    "rich_text_input": (
        "action_id placeholder focus_on_load initial_value min_lines max_lines dispatch_action_config",
        "",
    ),
    "file_input": ("action_id filetypes max_files", ""),
}


def check_element(check: Check, element: object, at: str, *, place: str) -> None:
    """`place` says where it stands: a key of ALLOWED."""
    if not check.is_object(element, at):
        return
    assert isinstance(element, dict)
    kind = element.get("type")
    if not isinstance(kind, str) or kind not in ALLOWED[place]:
        check.refuse(f"{at}/type", f"unsupported type: {kind}")
        return
    if kind not in _KEYS:
        return
    allowed, required = _KEYS[kind]
    if not check.keys(element, at, allowed=allowed, required=required):
        return
    check.string(element.get("action_id"), f"{at}/action_id", LIMITS["action_id"])
    check.text(element.get("placeholder"), f"{at}/placeholder", LIMITS["select"]["placeholder"], plain=True)
    check_confirm(check, element.get("confirm"), f"{at}/confirm")
    check.focused += bool(element.get("focus_on_load"))
    if special := _SPECIAL.get(kind):
        special(check, element, at)


def check_confirm(check: Check, confirm: object, at: str) -> None:
    if confirm is None or not check.is_object(confirm, at):
        return
    assert isinstance(confirm, dict)
    check.keys(confirm, at, allowed="style", required="title text confirm deny")
    limits = LIMITS["confirmation"]
    check.text(confirm.get("title"), f"{at}/title", limits["title"], plain=True)
    check.text(confirm.get("text"), f"{at}/text", limits["text"])
    check.text(confirm.get("confirm"), f"{at}/confirm", limits["confirm"], plain=True)
    check.text(confirm.get("deny"), f"{at}/deny", limits["deny"], plain=True)
    _style(check, confirm, at)


def _style(check: Check, thing: JSON, at: str) -> None:
    """Of a button, or of the button that confirms."""
    if thing.get("style", "primary") not in {"primary", "danger"}:
        check.refuse(f"{at}/style", "must be one of primary, danger")


def check_image_source(check: Check, image: JSON, at: str) -> None:
    """What the words of an image say; `image_rules` looks at the file that it names."""
    if ("image_url" in image) == ("slack_file" in image):
        check.refuse(at, "must have exactly one of image_url and slack_file")
    if "slack_file" in image and check.is_object(image["slack_file"], f"{at}/slack_file"):
        named = [key for key in ("id", "url") if isinstance(image["slack_file"].get(key), str)]
        if len(named) != 1 or set(image["slack_file"]) != set(named):
            check.refuse(f"{at}/slack_file", "must have exactly one of id and url")
    check.string(image.get("image_url"), f"{at}/image_url", LIMITS["image"]["image_url"])
    check.string(image.get("alt_text"), f"{at}/alt_text", LIMITS["image"]["alt_text"])


def _button(check: Check, button: JSON, at: str) -> None:
    limits = LIMITS["button"]
    check.text(button["text"], f"{at}/text", limits["text"], plain=True)
    for key in ("value", "url", "accessibility_label"):
        check.string(button.get(key), f"{at}/{key}", limits[key])
    _style(check, button, at)


def _options(
    check: Check, options: object, at: str, limit: JSON, *, plain: bool = True, extra: str = "description"
) -> None:
    """`extra`: what an option may have besides its text and value; only in an overflow menu that is a link."""
    limits = LIMITS["option"]
    for index, option in enumerate(check.items(options, at, limit)):
        here = f"{at}/{index}"
        if not check.is_object(option, here):
            continue
        if check.keys(option, here, allowed=extra, required="text value"):
            check.text(option["text"], f"{here}/text", limits["text"], plain=plain)
            check.string(option["value"], f"{here}/value", limits["value"])
            check.text(option.get("description"), f"{here}/description", limits["description"], plain=plain)
            check.string(option.get("url"), f"{here}/url", limits["url"])


def _select(check: Check, select: JSON, at: str) -> None:
    if ("options" in select) == ("option_groups" in select):
        check.refuse(at, "must have exactly one of options and option_groups")
        return
    if "options" in select:
        _options(check, select["options"], f"{at}/options", {"min_items": 1, **LIMITS["select"]["options"]})
    limit = {"min_items": 1, **LIMITS["select"]["option_groups"]}
    groups = check.items(select["option_groups"], f"{at}/option_groups", limit) if "option_groups" in select else []
    for index, group in enumerate(groups):
        here = f"{at}/option_groups/{index}"
        if check.is_object(group, here) and check.keys(group, here, allowed="", required="label options"):
            check.text(group["label"], f"{here}/label", LIMITS["option_group"]["label"], plain=True)
            _options(check, group["options"], f"{here}/options", LIMITS["option_group"]["options"])
    _initial_is_offered(check, select, at)


def _initial_is_offered(check: Check, element: JSON, at: str) -> None:
    if check.errors:
        return
    offered = options_of(element)
    begun = [element["initial_option"]] if element.get("initial_option") else []
    for option in [*begun, *element.get("initial_options", ())]:
        if option not in offered:
            check.refuse(at, "initial option must exactly match one of the options")


def _boxes(check: Check, element: JSON, at: str) -> None:
    _options(check, element["options"], f"{at}/options", LIMITS[element["type"]]["options"], plain=False)
    _initial_is_offered(check, element, at)


def _overflow(check: Check, element: JSON, at: str) -> None:
    """One to five entries (docs.slack.dev/reference/block-kit/block-elements/overflow-menu-element, 2026-11)."""
    _options(check, element["options"], f"{at}/options", LIMITS["overflow"]["options"], extra="description url")


def _text_input(check: Check, element: JSON, at: str) -> None:
    limits = LIMITS["plain_text_input"]
    for key in ("min_length", "max_length"):
        check.number(element.get(key), f"{at}/{key}", limits[key])
    longest = {"max_length": element.get("max_length", limits["max_length"]["max"])}
    check.string(element.get("initial_value"), f"{at}/initial_value", longest)


def _typed_value(check: Check, element: JSON, at: str) -> None:
    """Numbers too are given as text."""
    for key in ("initial_value", "min_value", "max_value"):
        check.string(element.get(key), f"{at}/{key}", {})


def _menu(check: Check, element: JSON, at: str) -> None:
    """A menu that Slack or the app fills as the person types."""
    for key in ("initial_user", "initial_conversation", "initial_channel"):
        check.string(element.get(key), f"{at}/{key}", {})
    for key, least in (("max_selected_items", 1), ("min_query_length", 0)):
        check.number(element.get(key), f"{at}/{key}", {"min": least})


def _moment(check: Check, element: JSON, at: str) -> None:
    check.number(element.get("initial_date_time"), f"{at}/initial_date_time", {"min": 10**9, "max": 10**10 - 1})


def _file_input(check: Check, element: JSON, at: str) -> None:
    if check.surface != "modal":
        check.refuse(f"{at}/type", "unsupported type: file_input")
    check.number(element.get("max_files"), f"{at}/max_files", LIMITS["file_input"]["max_files"])
    for index, kind in enumerate(check.items(element.get("filetypes", []), f"{at}/filetypes", {})):
        check.string(kind, f"{at}/filetypes/{index}", {"min_length": 1})


def _date(check: Check, element: JSON, at: str) -> None:
    begun = element.get("initial_date")
    try:
        if begun is not None:
            date.fromisoformat(begun)
    except (TypeError, ValueError):
        check.refuse(f"{at}/initial_date", "must be a date as YYYY-MM-DD")


_SPECIAL: dict[str, Callable[[Check, JSON, str], None]] = {
    "button": _button,
    "image": check_image_source,
    "static_select": _select,
    "multi_static_select": _select,
    "checkboxes": _boxes,
    "radio_buttons": _boxes,
    "overflow": _overflow,
    "plain_text_input": _text_input,
    "file_input": _file_input,
    "datepicker": _date,
    "datetimepicker": _moment,
    "email_text_input": _typed_value,
    "url_text_input": _typed_value,
    "number_input": _typed_value,
    **dict.fromkeys(("external_select", "users_select", "conversations_select", "channels_select"), _menu),
    **dict.fromkeys(("multi_external_select", "multi_users_select", "multi_conversations_select"), _menu),
}
