"""Block Kit as HTML that looks like Slack. A block, element or key that is not known here raises NotDrawn.

Menus and confirmations, which Slack shows only after a click, are drawn below what opens them.
"""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from bot.sandbox.page import marks
from bot.sandbox.page.marks import NotDrawn, Reader

JSON = Mapping[str, Any]
Typed = str | Sequence[str]

_MENU = 12
"""How many entries of a menu are drawn."""


@dataclass(slots=True, kw_only=True)
class Canvas:
    """What is known besides the blocks while they are drawn."""

    reader: Reader
    typed: Mapping[str, Typed] = field(default_factory=dict)
    """What a person has filled in, by block_id: text, option values, names of files."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """`response_action: errors`, by block_id."""
    images: Mapping[str, bytes] = field(default_factory=dict)
    """PNGs by the URL or Slack file id under which a block names them: no picture is fetched."""
    confirms: list[str] = field(default_factory=list)
    """Confirmations met in the block that is being drawn."""
    met: set[str] = field(default_factory=set)
    """Inputs, by block_id."""
    asked: set[str] = field(default_factory=set)
    """Confirmations that the sheet shows already."""


Draw = Callable[[Canvas, JSON], str]
_BLOCKS: dict[str, tuple[Draw, frozenset[str]]] = {}
_ELEMENTS: dict[str, tuple[Draw, frozenset[str]]] = {}


def _draws(table: dict[str, tuple[Draw, frozenset[str]]], kinds: str, keys: str) -> Callable[[Draw], Draw]:
    """Registers the drawing of these types; `keys` are all that it draws or knows to be invisible."""

    def register(draw: Draw) -> Draw:
        for kind in kinds.split():
            table[kind] = (draw, frozenset(f"type {keys}".split()))
        return draw

    return register


def _drawn(table: dict[str, tuple[Draw, frozenset[str]]], canvas: Canvas, thing: JSON) -> str:
    kind = str(thing.get("type"))
    if kind not in table:
        raise NotDrawn(f"no drawing for a {kind}")
    draw, keys = table[kind]
    if unknown := set(thing) - keys:
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a {kind}")
    return draw(canvas, thing)


def blocks(canvas: Canvas, listed: Sequence[JSON]) -> str:
    """Draws a whole message or view; raises if something given for it was not used."""
    drawn = [_block(canvas, block) for block in listed]
    for name in (*canvas.typed, *canvas.errors):
        if name not in canvas.met:
            raise NotDrawn(f"no field {name} here, so what is typed or told of it would not be seen")
    return "".join(drawn)


def _block(canvas: Canvas, block: JSON) -> str:
    canvas.confirms.clear()
    drawn = _drawn(_BLOCKS, canvas, block)
    return drawn + "".join(canvas.confirms)


def _text(canvas: Canvas, text: JSON) -> str:
    kind = text.get("type")
    if unknown := set(text) - {"type", "text", "emoji", "verbatim"}:
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a text")
    if kind == "plain_text" and text.get("emoji") is False:
        return marks.plain(text["text"])
    if kind == "mrkdwn" and text.get("verbatim") is True:
        return marks.mrkdwn(text["text"], canvas.reader)
    raise NotDrawn(f"a text that Slack would read more into (emoji, links of its own making): {text}")


def _image(canvas: Canvas, image: JSON, css: str) -> str:
    name = image.get("image_url") or image["slack_file"].get("id") or image["slack_file"].get("url")
    if name not in canvas.images:
        raise NotDrawn(f"the scene brings no picture for {name}")
    return picture(canvas.images[name], image["alt_text"], css)


def picture(png: bytes, alt: str, css: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img class="{css}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


# Blocks


@_draws(_BLOCKS, "section", "block_id text fields accessory expand")
def _section(canvas: Canvas, block: JSON) -> str:
    inside = f"<div>{_text(canvas, block['text'])}</div>" if "text" in block else ""
    if "fields" in block:
        cells = "".join(f"<div>{_text(canvas, cell)}</div>" for cell in block["fields"])
        inside += f'<div class="fields">{cells}</div>'
    beside = _drawn(_ELEMENTS, canvas, block["accessory"]) if "accessory" in block else ""
    return f'<div class="section"><div class="grow">{inside}</div>{beside}</div>'


@_draws(_BLOCKS, "header", "block_id text level")
def _header(canvas: Canvas, block: JSON) -> str:
    return f'<div class="header">{_text(canvas, block["text"])}</div>'


@_draws(_BLOCKS, "divider", "block_id")
def _divider(canvas: Canvas, _block: JSON) -> str:
    return "<hr>"


@_draws(_BLOCKS, "image", "block_id image_url slack_file alt_text title")
def _image_block(canvas: Canvas, block: JSON) -> str:
    title = f'<div class="hint">{_text(canvas, block["title"])}</div>' if "title" in block else ""
    return f"{title}{_image(canvas, block, 'wide')}"


@_draws(_BLOCKS, "context", "block_id elements")
def _context(canvas: Canvas, block: JSON) -> str:
    parts = [
        _image(canvas, part, "icon") if part["type"] == "image" else f"<span>{_text(canvas, part)}</span>"
        for part in block["elements"]
    ]
    return f'<div class="context">{"".join(parts)}</div>'


@_draws(_BLOCKS, "actions", "block_id elements")
def _actions(canvas: Canvas, block: JSON) -> str:
    return f'<div class="actions">{"".join(_drawn(_ELEMENTS, canvas, one) for one in block["elements"])}</div>'


@_draws(_BLOCKS, "input", "block_id optional dispatch_action label hint element")
def _input(canvas: Canvas, block: JSON) -> str:
    name = block.get("block_id", "")
    canvas.met.add(name)
    optional = ' <span class="hint">(optional)</span>' if block.get("optional") else ""
    hint = f'<div class="hint">{_text(canvas, block["hint"])}</div>' if "hint" in block else ""
    error = f'<div class="error">{marks.plain(canvas.errors[name])}</div>' if name in canvas.errors else ""
    element = {**block["element"]}
    if name in canvas.typed:
        element["typed"] = canvas.typed[name]
    wrong = " wrong" if error else ""
    field_ = _drawn(_ELEMENTS, canvas, element)
    return (
        f'<div class="input{wrong}"><label>{_text(canvas, block["label"])}{optional}</label>{field_}{error}{hint}</div>'
    )


@_draws(_BLOCKS, "table", "block_id rows column_settings")
def _table(canvas: Canvas, block: JSON) -> str:
    settings = block.get("column_settings", [])

    def cell(at: int, content: JSON) -> str:
        setting = settings[at] if at < len(settings) and settings[at] else {}
        inside = marks.plain(content["text"]) if content["type"] == "raw_text" else _rich(canvas, content)
        return f'<td style="text-align:{setting.get("align", "left")}">{inside}</td>'

    rows = ("".join(cell(at, content) for at, content in enumerate(row)) for row in block["rows"])
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@_draws(_BLOCKS, "rich_text", "block_id elements")
def _rich_text(canvas: Canvas, block: JSON) -> str:
    return f'<div class="section"><div class="grow">{_rich(canvas, block)}</div></div>'


def _rich(canvas: Canvas, rich: JSON) -> str:
    """Rich text, as far as tables need it."""
    parts = []
    for part in rich["elements"]:
        match part["type"]:
            case "rich_text_section":
                parts.append(_rich(canvas, part))
            case "text":
                style = part.get("style", {})
                tags = [tag for name, tag in (("bold", "b"), ("italic", "i"), ("code", "code")) if style.get(name)]
                if set(style) - {"bold", "italic", "code"}:
                    raise NotDrawn(f"no drawing for a style of {part}")
                parts.append(_wrapped(marks.plain(part["text"]), tags))
            case "link":
                parts.append(f"<a>{marks.plain(part.get('text') or part['url'])}</a>")
            case "user":
                parts.append(marks.mrkdwn(f"<@{part['user_id']}>", canvas.reader))
            case unknown:
                raise NotDrawn(f"no drawing for a {unknown} in rich text")
    return "".join(parts)


def _wrapped(drawn: str, tags: Sequence[str]) -> str:
    for tag in tags:
        drawn = f"<{tag}>{drawn}</{tag}>"
    return drawn


# Elements


@_draws(_ELEMENTS, "button", "action_id text value url style confirm accessibility_label")
def _button(canvas: Canvas, button: JSON) -> str:
    label = _text(canvas, button["text"])
    _confirm(canvas, label, button)
    return f'<span class="button {button.get("style", "")}">{label}{" ↗" if "url" in button else ""}</span>'


def _confirm(canvas: Canvas, label: str, element: JSON) -> None:
    """The question that Slack asks after a click."""
    if "confirm" not in element:
        return
    confirm = element["confirm"]
    style = "danger" if confirm.get("style") == "danger" else "primary"
    if confirm["text"]["text"] in canvas.asked:
        return
    canvas.asked.add(confirm["text"]["text"])
    canvas.confirms.append(
        f'<div class="confirm"><div class="hint">after a click on {label}</div>'
        f"<b>{_text(canvas, confirm['title'])}</b><div>{_text(canvas, confirm['text'])}</div>"
        f'<div class="actions end"><span class="button">{_text(canvas, confirm["deny"])}</span>'
        f'<span class="button {style}">{_text(canvas, confirm["confirm"])}</span></div></div>'
    )


@_draws(_ELEMENTS, "image", "image_url slack_file alt_text")
def _image_element(canvas: Canvas, image: JSON) -> str:
    return _image(canvas, image, "accessory")


@_draws(_ELEMENTS, "overflow", "action_id options confirm accessibility_label")
def _overflow(canvas: Canvas, menu: JSON) -> str:
    canvas.confirms.append(_menu([_text(canvas, option["text"]) for option in menu["options"]]))
    _confirm(canvas, "…", menu)
    return '<span class="button">⋯</span>'


_SELECT = "action_id placeholder confirm focus_on_load typed"


@_draws(_ELEMENTS, "static_select", f"{_SELECT} options option_groups initial_option")
def _static_select(canvas: Canvas, select: JSON) -> str:
    offered = [*select.get("options", ()), *(o for group in select.get("option_groups", ()) for o in group["options"])]
    chosen = select.get("initial_option")
    if "typed" in select:
        chosen = _option(offered, select["typed"])
    _confirm(canvas, "an entry", select)
    return _select(
        canvas,
        select,
        _text(canvas, chosen["text"]) if chosen else "",
        [_text(canvas, option["text"]) for option in offered],
    )


@_draws(_ELEMENTS, "multi_static_select", f"{_SELECT} options option_groups initial_options max_selected_items")
def _multi_static_select(canvas: Canvas, select: JSON) -> str:
    offered = [*select.get("options", ()), *(o for group in select.get("option_groups", ()) for o in group["options"])]
    chosen = select.get("initial_options", ())
    if "typed" in select:
        chosen = [_option(offered, value) for value in select["typed"]]
    shown = ", ".join(_text(canvas, option["text"]) for option in chosen)
    return _select(canvas, select, shown, [_text(canvas, option["text"]) for option in offered])


@_draws(_ELEMENTS, "users_select", f"{_SELECT} initial_user")
def _users_select(canvas: Canvas, select: JSON) -> str:
    chosen = select.get("typed", select.get("initial_user"))
    return _select(canvas, select, f"@{canvas.reader.people[chosen]}" if chosen else "")


@_draws(
    _ELEMENTS,
    "conversations_select channels_select",
    f"{_SELECT} initial_conversation initial_channel default_to_current_conversation response_url_enabled filter",
)
def _conversations_select(canvas: Canvas, select: JSON) -> str:
    chosen = select.get("typed", select.get("initial_conversation", select.get("initial_channel")))
    return _select(canvas, select, f"#{canvas.reader.channels[chosen]}" if chosen else "")


def _option(offered: Sequence[JSON], value: object) -> JSON:
    found = next((option for option in offered if option["value"] == value), None)
    if found is None:
        raise NotDrawn(f"no option {value} is offered")
    return found


def _select(canvas: Canvas, select: JSON, chosen: str, offered: Sequence[str] = ()) -> str:
    words = chosen or f'<span class="placeholder">{_placeholder(canvas, select)}</span>'
    return f'<span class="box select">{words}<span>⌄</span></span>{_menu(offered)}'


def _placeholder(canvas: Canvas, element: JSON) -> str:
    return _text(canvas, element["placeholder"]) if "placeholder" in element else ""


def _menu(offered: Sequence[str]) -> str:
    if not offered:
        return ""
    more = f" · and {len(offered) - _MENU} more" if len(offered) > _MENU else ""
    return f'<div class="menu">in the menu: {" · ".join(offered[:_MENU])}{more}</div>'


@_draws(_ELEMENTS, "checkboxes radio_buttons", "action_id options initial_options initial_option focus_on_load typed")
def _boxes(canvas: Canvas, boxes: JSON) -> str:
    begun = [*boxes.get("initial_options", ()), *([boxes["initial_option"]] if "initial_option" in boxes else [])]
    chosen = [option["value"] for option in begun]
    if "typed" in boxes:
        chosen = [_option(boxes["options"], value)["value"] for value in boxes["typed"]]
    return "".join(_box(canvas, boxes["type"], option, ticked=option["value"] in chosen) for option in boxes["options"])


def _box(canvas: Canvas, kind: str, option: JSON, *, ticked: bool) -> str:
    css = "tick" if kind == "checkboxes" else "tick round"
    more = f'<div class="hint">{_text(canvas, option["description"])}</div>' if "description" in option else ""
    mark = "✓" if ticked else ""
    on = " on" if ticked else ""
    words = _text(canvas, option["text"])
    return f'<div class="choice"><span class="{css}{on}">{mark}</span><div>{words}{more}</div></div>'


_TEXT = "action_id placeholder focus_on_load initial_value dispatch_action_config min_length max_length"


@_draws(
    _ELEMENTS,
    "plain_text_input email_text_input url_text_input number_input",
    f"{_TEXT} multiline is_decimal_allowed min_value max_value typed",
)
def _text_input(canvas: Canvas, field_: JSON) -> str:
    text = marks.plain(str(field_.get("typed", field_.get("initial_value", ""))))
    tall = " tall" if field_.get("multiline") else ""
    return f'<span class="box{tall}">{text or f"<span class=placeholder>{_placeholder(canvas, field_)}</span>"}</span>'


@_draws(
    _ELEMENTS,
    "datepicker timepicker datetimepicker",
    "action_id placeholder confirm focus_on_load initial_date initial_time initial_date_time timezone typed",
)
def _moment(canvas: Canvas, picker: JSON) -> str:
    begun = picker.get("typed", picker.get("initial_date", picker.get("initial_time")))
    if begun is None and "initial_date_time" in picker:
        begun = (
            datetime.fromtimestamp(picker["initial_date_time"], UTC)
            .astimezone(canvas.reader.zone)
            .strftime("%b %-d, %Y %-I:%M %p")
        )
    elif begun is not None and picker["type"] == "datepicker":
        begun = date.fromisoformat(begun).strftime("%b %-d, %Y")
    names = {"datepicker": "Select a date", "timepicker": "Select a time", "datetimepicker": "Select a date and time"}
    empty = _placeholder(canvas, picker) or names[picker["type"]]
    words = marks.plain(str(begun)) if begun else f'<span class="placeholder">{empty}</span>'
    return f'<span class="box select">{words}<span>▦</span></span>'


@_draws(_ELEMENTS, "file_input", "action_id filetypes max_files typed")
def _file_input(canvas: Canvas, field_: JSON) -> str:
    most = field_.get("max_files", 10)
    takes = f"{', '.join(field_.get('filetypes', ('any file',)))}; at most {most}"
    named = "".join(f'<span class="file">▤ {marks.plain(name)}</span>' for name in field_.get("typed", ()))
    return f'<div class="drop">{named}<span class="button">Add files</span> <span class="hint">{takes}</span></div>'


# What contains blocks


def modal(canvas: Canvas, view: JSON) -> str:
    keys = {"type", "callback_id", "private_metadata", "title", "submit", "close", "blocks", "clear_on_close"}
    if unknown := set(view) - keys:
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a modal")
    inside = blocks(canvas, view["blocks"])
    close = f'<span class="button">{_text(canvas, view["close"])}</span>' if "close" in view else ""
    submit = f'<span class="button primary">{_text(canvas, view["submit"])}</span>' if "submit" in view else ""
    foot = f'<div class="foot">{close}{submit}</div>' if close or submit else ""
    return (
        f'<div class="modal"><div class="head">{_text(canvas, view["title"])}<span>✕</span></div>'
        f'<div class="inside">{inside}</div>{foot}</div>'
    )


def home(canvas: Canvas, view: JSON) -> str:
    if unknown := set(view) - {"type", "callback_id", "private_metadata", "external_id", "blocks"}:
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a home tab")
    inside = blocks(canvas, view["blocks"])
    return f'<div class="modal home"><div class="head">kyc-bot · Home</div><div class="inside">{inside}</div></div>'


def message(canvas: Canvas, *, text: str, listed: Sequence[JSON], at: str, note: str, below: str = "") -> str:
    """A message of the bot. `text` is for notifications and screen readers, and all there is without blocks."""
    words = marks.mrkdwn(text, canvas.reader)
    inside = blocks(canvas, listed) if listed else f'<div class="section"><div class="grow">{words}</div></div>'
    is_the_same = not listed or f"<div>{words}</div>" in inside
    heard = "" if is_the_same else f'<div class="heard">notification: {words}</div>'
    said_at = f'<span class="app">APP</span> <span class="hint">{at}</span>'
    name = f'<div class="name"><b>kyc-bot</b> {said_at}</div>'
    return (
        f'<div class="message"><div class="note">{marks.plain(note)}</div><div class="row"><div class="avatar">✓</div>'
        f'<div class="grow">{name}{inside}{below}</div></div>{heard}</div>'
    )


def file(name: str, data: bytes, alt: str = "") -> str:
    """An attached file: a picture as itself, a table by its first lines, another by its size."""
    if name.endswith(".png"):
        return f'<div class="hint">{marks.plain(name)}</div>{picture(data, alt, "wide")}'
    body = f'<span class="hint">{len(data):,} bytes</span>'
    if name.endswith(".csv"):
        lines = data.decode("utf-8-sig").splitlines()
        more = f"\n… {len(lines) - 8} more lines" if len(lines) > 8 else ""
        body = f"<pre>{marks.plain(chr(10).join(lines[:8]) + more)}</pre>"
    return f'<div class="attached"><b>▤ {marks.plain(name)}</b>{body}</div>'
