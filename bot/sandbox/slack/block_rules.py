"""Slack's refusals of Block Kit, part three: blocks, whole messages and whole views."""

import json
from collections.abc import Callable

from bot.sandbox.slack.element_rules import check_element, check_image_source
from bot.sandbox.slack.rules import BLOCKS_BY_SURFACE, JSON, LIMITS, Check

VIEW_MAX_BYTES = 250_000
ONLY_ONE_TABLE = "only_one_table_allowed"


def faults_in_message(blocks: object) -> list[str]:
    """What Slack would say of a message's blocks; empty when it takes them."""
    check = Check("message")
    check_blocks(check, blocks, "/blocks", LIMITS["message"]["blocks"])
    return check.errors


def has_two_tables(blocks: list[JSON]) -> bool:
    return len([block for block in blocks if block.get("type") == "table"]) > 1


def faults_in_view(view: JSON) -> list[str]:
    """What Slack would say of a modal or home view; empty when it takes it."""
    surface = view.get("type")
    if surface not in {"modal", "home"}:
        return ["must be one of modal, home [json-pointer:/view/type]"]
    check = Check(surface)
    limits = LIMITS["view"]
    required = "blocks title" if surface == "modal" else "blocks"
    allowed = "callback_id private_metadata external_id clear_on_close notify_on_close"
    if surface == "modal":
        allowed += " close submit submit_disabled"
    if not check.keys(view, "/view", allowed=allowed, required=required):
        return check.errors
    for key in ("title", "submit", "close"):
        check.text(view.get(key), f"/view/{key}", limits[key], plain=True)
    for key in ("private_metadata", "callback_id", "external_id"):
        check.string(view.get(key), f"/view/{key}", limits[key])
    check_blocks(check, view["blocks"], "/view/blocks", limits["blocks"])
    blocks = view["blocks"] if isinstance(view["blocks"], list) else []
    has_inputs = any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
    if surface == "modal" and has_inputs and not view.get("submit"):
        check.refuse("/view", "missing required field: submit")
    return check.errors


def view_is_too_large(view: JSON) -> bool:
    return len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_MAX_BYTES


def check_blocks(check: Check, blocks: object, at: str, limit: JSON) -> None:
    seen: set[str] = set()
    for index, block in enumerate(check.items(blocks, at, limit)):
        here = f"{at}/{index}"
        if not check.is_object(block, here):
            continue
        kind = block.get("type")
        if kind not in BLOCKS_BY_SURFACE[check.surface]:
            check.refuse(f"{here}/type", f"unsupported type: {kind}")
            continue
        block_id = block.get("block_id")
        check.string(block_id, f"{here}/block_id", LIMITS["block_id"])
        if isinstance(block_id, str) and block_id in seen:
            check.refuse(f"{here}/block_id", f"block_id already exists: {block_id}")
        if isinstance(block_id, str):
            seen.add(block_id)
        if special := _SPECIAL.get(kind):
            special(check, block, here)
    if check.focused > 1:
        check.refuse(at, "only one element may have focus_on_load")
    _total_markdown(check, blocks, at)


def _total_markdown(check: Check, blocks: object, at: str) -> None:
    listed = blocks if isinstance(blocks, list) else []
    texts = [block.get("text") for block in listed if isinstance(block, dict) and block.get("type") == "markdown"]
    if sum(len(text) for text in texts if isinstance(text, str)) > LIMITS["markdown"]["total_text"]["max_length"]:
        check.refuse(at, "markdown blocks are too long together")


def _section(check: Check, block: JSON, at: str) -> None:
    check.keys(block, at, allowed="block_id text fields accessory expand")
    if block.get("text") is None and not block.get("fields"):
        check.refuse(at, "missing required field: text")
    check.text(block.get("text"), f"{at}/text", LIMITS["section"]["text"])
    fields = LIMITS["section"]["fields"]
    if "fields" in block:
        for index, text in enumerate(check.items(block["fields"], f"{at}/fields", fields)):
            check.text(text, f"{at}/fields/{index}", {"max_length": fields["item_max_length"]})
    if block.get("accessory") is not None:
        check_element(check, block["accessory"], f"{at}/accessory", place="accessory")


def _header(check: Check, block: JSON, at: str) -> None:
    check.keys(block, at, allowed="block_id level", required="text")
    check.text(block.get("text"), f"{at}/text", LIMITS["header"]["text"], plain=True)


def _divider(check: Check, block: JSON, at: str) -> None:
    check.keys(block, at, allowed="block_id")


def _image(check: Check, block: JSON, at: str) -> None:
    if check.keys(block, at, allowed="block_id image_url slack_file title", required="alt_text"):
        check_image_source(check, block, at)
        check.text(block.get("title"), f"{at}/title", LIMITS["image"]["title"], plain=True)


def _context(check: Check, block: JSON, at: str) -> None:
    if not check.keys(block, at, allowed="block_id", required="elements"):
        return
    limit = {"min_items": 1, **LIMITS["context"]["elements"]}
    for index, element in enumerate(check.items(block["elements"], f"{at}/elements", limit)):
        here = f"{at}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            check_element(check, element, here, place="accessory")
        else:
            check.text(element, here)


def _actions(check: Check, block: JSON, at: str) -> None:
    if not check.keys(block, at, allowed="block_id", required="elements"):
        return
    place = block["type"]
    limit = {"min_items": 1, **LIMITS[place]["elements"]}
    seen: set[str] = set()
    for index, element in enumerate(check.items(block["elements"], f"{at}/elements", limit)):
        here = f"{at}/elements/{index}"
        check_element(check, element, here, place=place)
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if action_id is not None and action_id in seen:
            check.refuse(f"{here}/action_id", f"action_id already exists: {action_id}")
        seen.add(str(action_id))


def _input(check: Check, block: JSON, at: str) -> None:
    allowed = "block_id hint optional dispatch_action"
    if check.keys(block, at, allowed=allowed, required="label element"):
        check.text(block["label"], f"{at}/label", LIMITS["input"]["label"], plain=True)
        check.text(block.get("hint"), f"{at}/hint", LIMITS["input"]["hint"], plain=True)
        check_element(check, block["element"], f"{at}/element", place="input")


def _rich_text(check: Check, block: JSON, at: str) -> None:
    if check.keys(block, at, allowed="block_id", required="elements"):
        known = {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
        for index, element in enumerate(check.items(block["elements"], f"{at}/elements", {"min_items": 1})):
            if not isinstance(element, dict) or element.get("type") not in known:
                check.refuse(f"{at}/elements/{index}", "unsupported rich text element")


def _markdown(check: Check, block: JSON, at: str) -> None:
    if check.keys(block, at, allowed="block_id", required="text"):
        check.string(block["text"], f"{at}/text", LIMITS["markdown"]["text"])


def _alert(check: Check, block: JSON, at: str) -> None:
    if check.keys(block, at, allowed="block_id level", required="text"):
        check.text(block["text"], f"{at}/text", LIMITS["alert"]["text"])
        if block.get("level", "default") not in {"default", "info", "warning", "error", "success"}:
            check.refuse(f"{at}/level", "unknown level")


def _table(check: Check, block: JSON, at: str) -> None:
    if not check.keys(block, at, allowed="block_id column_settings", required="rows"):
        return
    limits = LIMITS["table"]
    _columns(check, block.get("column_settings", []), f"{at}/column_settings")
    for index, row in enumerate(check.items(block["rows"], f"{at}/rows", {"min_items": 1, **limits["rows"]})):
        for column, cell in enumerate(check.items(row, f"{at}/rows/{index}", limits["columns"])):
            here = f"{at}/rows/{index}/{column}"
            if check.is_object(cell, here) and cell.get("type") not in {"raw_text", "rich_text"}:
                check.refuse(f"{here}/type", f"unsupported type: {cell.get('type')}")
            elif isinstance(cell, dict) and cell.get("type") == "raw_text" and not cell.get("text"):
                check.refuse(f"{here}/text", "must be more than 0 characters")


def _columns(check: Check, settings: object, at: str) -> None:
    """docs.slack.dev/reference/block-kit/blocks/table-block (2026-11)."""
    for index, setting in enumerate(check.items(settings, at, LIMITS["table"]["column_settings"])):
        here = f"{at}/{index}"
        if not check.is_object(setting, here):
            continue
        for key in set(setting) - {"align", "is_wrapped"}:
            check.refuse(here, f"invalid additional property: {key}")
        if setting.get("align", "left") not in {"left", "center", "right"}:
            check.refuse(f"{here}/align", "must be one of left, center, right")
        if not isinstance(setting.get("is_wrapped", False), bool):
            check.refuse(f"{here}/is_wrapped", "must be a boolean")


def _data_table(check: Check, block: JSON, at: str) -> None:
    if not check.keys(block, at, allowed="block_id page_size row_header_column_index", required="rows caption"):
        return
    limits = LIMITS["data_table"]
    check.number(block.get("page_size"), f"{at}/page_size", limits["page_size"])
    for index, row in enumerate(check.items(block["rows"], f"{at}/rows", limits["rows"])):
        check.items(row, f"{at}/rows/{index}", limits["columns"])
    if len(json.dumps(block["rows"], ensure_ascii=False)) > limits["content"]["max_length"] * 4:
        check.refuse(f"{at}/rows", "too much content")


def _card(check: Check, block: JSON, at: str) -> None:
    for key in ("title", "subtitle", "body", "subtext"):
        check.text(block.get(key), f"{at}/{key}", LIMITS["card"][key])
    for index, button in enumerate(check.items(block.get("actions", []), f"{at}/actions", LIMITS["card"]["actions"])):
        check_element(check, button, f"{at}/actions/{index}", place="actions")


_SPECIAL: dict[str, Callable[[Check, JSON, str], None]] = {
    "section": _section,
    "header": _header,
    "divider": _divider,
    "image": _image,
    "context": _context,
    "actions": _actions,
    "context_actions": _actions,
    "input": _input,
    "rich_text": _rich_text,
    "markdown": _markdown,
    "alert": _alert,
    "table": _table,
    "data_table": _data_table,
    "card": _card,
}
