"""Block Kit as HTML that looks like Slack: blocks, and the messages, modals and home tabs that contain them.

A block, element or key that is not known here raises NotDrawn in a picture, and is a visible box on the page.
"""

import html
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from bot.sandbox.page import marks
from bot.sandbox.page.canvas import BLOCKS, JSON, Canvas, Label, attributes, drawn, draws, image, picture, text
from bot.sandbox.page.controls import element
from bot.sandbox.page.marks import NotDrawn

log = logging.getLogger(__name__)


def blocks(canvas: Canvas, listed: Sequence[JSON]) -> str:
    """Draws a whole message or view; in a picture raises if something given for it was not used."""
    parts = [_block(canvas, block) for block in listed]
    for name in () if canvas.is_live else (*canvas.typed, *canvas.errors):
        if name not in canvas.met:
            raise NotDrawn(f"no field {name} here, so what is typed or told of it would not be seen")
    return "".join(parts)


def _block(canvas: Canvas, block: JSON) -> str:
    canvas.below.clear()
    canvas.block_id = str(block.get("block_id", ""))
    canvas.label = None
    try:
        return drawn(BLOCKS, canvas, block) + "".join(canvas.below)
    except (NotDrawn, LookupError, TypeError, ValueError) as reason:
        # One block that is not as it should be takes no other along, and no channel.
        if not canvas.is_live:
            raise
        canvas.refused.append(str(reason))
        log.warning("a block is not drawn: %s", reason)
        return f'<div class="notdrawn"><b>This block is not drawn here</b><br>{marks.plain(str(reason))}</div>'


# Blocks


@draws(BLOCKS, "section", "block_id text fields accessory expand")
def _section(canvas: Canvas, block: JSON) -> str:
    inside = f"<div>{text(canvas, block['text'])}</div>" if "text" in block else ""
    if "fields" in block:
        cells = "".join(f"<div>{text(canvas, cell)}</div>" for cell in block["fields"])
        inside += f'<div class="fields">{cells}</div>'
    beside = element(canvas, block["accessory"]) if "accessory" in block else ""
    return f'<div class="section"><div class="grow">{inside}</div>{beside}</div>'


@draws(BLOCKS, "header", "block_id text level")
def _header(canvas: Canvas, block: JSON) -> str:
    return f'<h3 class="header">{text(canvas, block["text"])}</h3>'


@draws(BLOCKS, "divider", "block_id")
def _divider(_canvas: Canvas, _block: JSON) -> str:
    return "<hr>"


@draws(BLOCKS, "image", "block_id image_url slack_file alt_text title")
def _image_block(canvas: Canvas, block: JSON) -> str:
    title = f'<div class="hint">{text(canvas, block["title"])}</div>' if "title" in block else ""
    return f"{title}{image(canvas, block, 'wide')}"


@draws(BLOCKS, "context", "block_id elements")
def _context(canvas: Canvas, block: JSON) -> str:
    parts = [
        image(canvas, part, "icon") if part["type"] == "image" else f"<span>{text(canvas, part)}</span>"
        for part in block["elements"]
    ]
    return f'<div class="context">{"".join(parts)}</div>'


@draws(BLOCKS, "actions", "block_id elements")
def _actions(canvas: Canvas, block: JSON) -> str:
    return f'<div class="actions">{"".join(element(canvas, one) for one in block["elements"])}</div>'


@draws(BLOCKS, "input", "block_id optional dispatch_action label hint element")
def _input(canvas: Canvas, block: JSON) -> str:
    name = canvas.block_id
    canvas.met.add(name)
    control_id = canvas.new_id()
    optional = ' <span class="hint">(optional)</span>' if block.get("optional") else ""
    hint = error = ""
    if "hint" in block:
        hint = f'<div class="hint" id="{control_id}h">{text(canvas, block["hint"])}</div>'
    if name in canvas.errors:
        error = f'<div class="error" id="{control_id}e">{marks.plain(canvas.errors[name])}</div>'
    described_by = [*([f"{control_id}e"] if error else []), *([f"{control_id}h"] if hint else [])]
    canvas.label = Label(
        control_id=control_id,
        described_by=described_by,
        is_wrong=bool(error),
        is_optional=bool(block.get("optional")),
        is_dispatching=bool(block.get("dispatch_action")),
    )
    control = element(canvas, block["element"])
    words = f"{text(canvas, block['label'])}{optional}"
    groups = 'role="group"' in control or 'role="radiogroup"' in control
    label = (
        f'<div class="label" id="{control_id}l">{words}</div>'
        if groups
        else f'<label class="label" for="{control_id}" id="{control_id}l">{words}</label>'
    )
    key = attributes(
        class_="input wrong" if error else "input",
        data_key=f"{name}/{block['element'].get('action_id', '')}" if canvas.is_live else None,
    )
    return f"<div{key}>{label}{control}{error}{hint}</div>"


@draws(BLOCKS, "table", "block_id rows column_settings")
def _table(canvas: Canvas, block: JSON) -> str:
    settings = block.get("column_settings", [])

    def cell(at: int, content: JSON) -> str:
        setting = settings[at] if at < len(settings) and settings[at] else {}
        inside = marks.plain(content["text"]) if content["type"] == "raw_text" else _rich(canvas, content)
        side = html.escape(str(setting.get("align", "left")))
        return f'<td class="{side}">{inside}</td>'

    rows = ("".join(cell(at, content) for at, content in enumerate(row)) for row in block["rows"])
    return f'<div class="scrolls"><table>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


@draws(BLOCKS, "rich_text", "block_id elements")
def _rich_text(canvas: Canvas, block: JSON) -> str:
    return f'<div class="section"><div class="grow">{_rich(canvas, block)}</div></div>'


_TAGS = {"bold": "b", "italic": "i", "strike": "s", "code": "code"}
_AROUND = {
    "rich_text_section": "",
    "rich_text_list": "ul",
    "rich_text_quote": "blockquote",
    "rich_text_preformatted": "pre",
}


def _rich(canvas: Canvas, rich: JSON) -> str:
    """Rich text, as far as tables and typed messages need it."""
    return "".join(_rich_part(canvas, part) for part in rich["elements"])


def _rich_part(canvas: Canvas, part: JSON) -> str:
    match part["type"]:
        case kind if kind in _AROUND:
            tag = _AROUND[kind]
            items = kind == "rich_text_list"
            inside = "".join(f"<li>{_rich(canvas, one)}</li>" for one in part["elements"]) if items else ""
            inside = inside or _rich(canvas, part)
            return f"<{tag}>{inside}</{tag}>" if tag else inside
        case "text":
            style = part.get("style", {})
            if unknown := set(style) - set(_TAGS):
                raise NotDrawn(f"no drawing for the style {', '.join(sorted(unknown))} of rich text")
            return _wrapped(marks.plain(part["text"]), [tag for name, tag in _TAGS.items() if style.get(name)])
        case "link":
            return marks.link(part["url"], marks.plain(part.get("text") or part["url"]), canvas.reader)
        case "user":
            return marks.mrkdwn(f"<@{part['user_id']}>", canvas.reader)
        case "channel":
            return marks.mrkdwn(f"<#{part['channel_id']}>", canvas.reader)
        case "broadcast":
            return marks.mrkdwn(f"<!{part['range']}>", canvas.reader)
        case "emoji":
            return marks.mrkdwn(f":{part['name']}:", canvas.reader)
        case unknown:
            raise NotDrawn(f"no drawing for a {unknown} in rich text")


def _wrapped(inside: str, tags: Sequence[str]) -> str:
    for tag in tags:
        inside = f"<{tag}>{inside}</{tag}>"
    return inside


# What contains blocks

_MODAL_KEYS = {
    "type",
    "callback_id",
    "private_metadata",
    "title",
    "submit",
    "close",
    "blocks",
    "clear_on_close",
    "notify_on_close",
}
_HOME_KEYS = {"type", "callback_id", "private_metadata", "external_id", "blocks"}


def modal(canvas: Canvas, view: JSON, *, problem: str = "", is_on_another: bool = False) -> str:
    """`problem`: why sending it failed. `is_on_another`: it can be taken off the stack by itself."""
    if not canvas.is_live and (unknown := set(view) - _MODAL_KEYS):
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a modal")
    inside = blocks(canvas, view["blocks"])
    close, submit = view.get("close"), view.get("submit")
    buttons = f'<button type="button" class="button" data-act="close">{text(canvas, close)}</button>' if close else ""
    if submit:
        buttons += f'<button type="submit" class="button primary" data-act="submit">{text(canvas, submit)}</button>'
    foot = f'<div class="foot">{buttons}</div>' if buttons else ""
    back = '<button type="button" class="away" data-act="close" aria-label="Back">‹</button>' if is_on_another else ""
    trouble = f'<div class="problem" role="alert">{marks.plain(problem)}</div>' if problem else ""
    title = text(canvas, view["title"])
    return (
        f'<div class="modal"><div class="head">{back}<h2 id="{canvas.prefix}title">{title}</h2>'
        f'<button type="button" class="away" data-act="close-all" aria-label="Close">✕</button></div>'
        f'<div class="inside">{trouble}{inside}</div>{foot}</div>'
    )


def home(canvas: Canvas, view: JSON) -> str:
    if not canvas.is_live and (unknown := set(view) - _HOME_KEYS):
        raise NotDrawn(f"nothing draws {', '.join(sorted(unknown))} of a home tab")
    inside = blocks(canvas, view["blocks"])
    if canvas.is_live:
        return f'<div class="home">{inside}</div>'
    head = '<div class="head"><h2>kyc-bot · Home</h2></div>'
    return f'<div class="modal home">{head}<div class="inside">{inside}</div></div>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    name: str
    is_app: bool = False
    letters: str = "✓"
    """What stands in the square that takes the place of a face."""
    colour: int = 0
    """Which of the nine colours the square has."""


BOT = Author(name="kyc-bot", is_app=True)


def message(
    canvas: Canvas, *, words: str, listed: Sequence[JSON], at: str, note: str, below: str = "", author: Author = BOT
) -> str:
    """A message. `words` are for notifications and screen readers, and all there is without blocks."""
    inside = blocks(canvas, listed) if listed else _words(canvas, words)
    app = ' <span class="app">APP</span>' if author.is_app else ""
    name = f'<div class="name"><b>{marks.plain(author.name)}</b>{app} <span class="hint">{at}</span></div>'
    return (
        f'<div class="message"><div class="note">{marks.plain(note)}</div><div class="row">'
        f'<div class="avatar colour{author.colour}" aria-hidden="true">{marks.plain(author.letters)}</div>'
        f'<div class="grow">{name}{inside}{below}</div></div>{_heard(canvas, words, listed, inside)}</div>'
    )


def _words(canvas: Canvas, words: str) -> str:
    return _block(canvas, {"type": "section", "text": {"type": "mrkdwn", "text": words, "verbatim": True}})


def _heard(canvas: Canvas, words: str, listed: Sequence[JSON], inside: str) -> str:
    """What a notification says, below a picture."""
    if canvas.is_live or not listed:
        return ""
    said = marks.mrkdwn(words, canvas.reader)
    return "" if f"<div>{said}</div>" in inside else f'<div class="heard">notification: {said}</div>'


def _size(count: int) -> str:
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


_LINES = 8


def file(
    name: str,
    *,
    size_bytes: int,
    source: str | None = None,
    alt: str = "",
    content: str | None = None,
    link: str | None = None,
) -> str:
    """An attached file: a picture as itself (`source`), a table by its first lines (`content`), another by its size.

    `link`: where the whole file is to be had.
    """
    named = marks.plain(name)
    how = attributes(href=link, target="_blank", rel="noopener") if link else ""
    if source is not None:
        shown = picture(source, alt, "wide")
        return f'<div class="hint">{named}</div>{f"<a{how}>{shown}</a>" if link else shown}'
    body = f'<span class="hint">{_size(size_bytes)}</span>'
    if content is not None:
        lines = content.splitlines()
        more = f"\n… {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
        body = f"<pre>{marks.plain(chr(10).join(lines[:_LINES]) + more)}</pre>"
    title = f"<a{how} download>▤ {named}</a>" if link else f"▤ {named}"
    return f'<div class="attached"><b>{title}</b> {body}</div>'
