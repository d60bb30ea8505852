"""What Slack's own client refuses before anything reaches the bot."""

import re

from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.inputs import TEXT_INPUTS, is_empty, stateful
from bot.sandbox.slack.views import OpenView
from bot.sandbox.slack.world import JSON

FILE_MAX_BYTES = 10_000_000
TEXT_MAX_LENGTH = 3000


def check_form(view: OpenView) -> None:
    """Every required input is filled, every text is as long as its element wants."""
    empty, unfit = [], []
    for block, element in stateful(view.blocks):
        held = view.values[block["block_id"], element["action_id"]]
        if is_empty(held):
            if block["type"] == "input" and not block["optional"]:
                empty.append(block["block_id"])
        elif element["type"] in TEXT_INPUTS and not _fits(element, held["value"]):
            unfit.append(block["block_id"])
    if empty:
        raise ClientRefuses("please fill in", *empty)
    if unfit:
        raise ClientRefuses("too long, too short, or not of its kind", *unfit)


def check_files(element: JSON, files: tuple[SlackFile, ...], block_id: str) -> None:
    allowed = {kind.lower().lstrip(".") for kind in element.get("filetypes", ())}
    if len(files) > element.get("max_files", 10):
        raise ClientRefuses(f"too many files: at most {element.get('max_files', 10)} fit here", block_id)
    for file in files:
        if allowed and not {file.extension, file.filetype} & allowed:
            raise ClientRefuses(f"{file.name} does not fit here; what fits: {', '.join(sorted(allowed))}", block_id)
        if file.size > FILE_MAX_BYTES:
            raise ClientRefuses(f"{file.name} is over 10 MB", block_id)


def _fits(element: JSON, text: str) -> bool:
    match element["type"]:
        case "number_input":
            return _is_number(element, text)
        case "email_text_input":
            return re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) is not None
        case "url_text_input":
            return re.fullmatch(r"https?://\S+", text) is not None
        case _:
            return bool(element.get("min_length", 0) <= len(text) <= element.get("max_length", TEXT_MAX_LENGTH))


def _is_number(element: JSON, text: str) -> bool:
    decimals = r"(\.\d+)?" if element["is_decimal_allowed"] else ""
    if not re.fullmatch(rf"-?\d+{decimals}", text):
        return False
    return float(element.get("min_value", text)) <= float(text) <= float(element.get("max_value", text))
