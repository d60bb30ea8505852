"""Block Kit's elements as real controls. What each is for the bot stands in its data attributes.

`data-act` says what a person does with it (press, choose, tick, type, suggest, attach), `data-block` and `data-action`
which element it is.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.sandbox.page import marks
from bot.sandbox.page.canvas import ELEMENTS, JSON, Canvas, Typed, attributes, drawn, draws, image, text
from bot.sandbox.page.marks import NotDrawn

_MENU = 12
"""How many entries of a menu a picture names."""


def element(canvas: Canvas, given: JSON) -> str:
    """One element, with what it holds."""
    place = (canvas.block_id, str(given.get("action_id", "")))
    held: Typed | None = canvas.held.get(place)
    if held is None and canvas.label is not None:
        held = canvas.typed.get(canvas.block_id)
    return drawn(ELEMENTS, canvas, given if held is None else {**given, "typed": held})


def _place(canvas: Canvas, given: JSON, act: str) -> str:
    """Which element it is, and what its label says of it."""
    label = canvas.label
    where = attributes(
        data_act=act, data_block=canvas.block_id or None, data_action=given.get("action_id"), data_tells=_tells(canvas)
    )
    if label is None:
        return attributes(id=canvas.new_id()) + where
    return where + attributes(
        id=label.control_id,
        aria_describedby=" ".join(label.described_by) or None,
        aria_invalid="true" if label.is_wrong else None,
        aria_required=None if label.is_optional else "true",
    )


def _tells(canvas: Canvas) -> str | None:
    """Whether a change reaches the bot at once."""
    return None if canvas.label is not None and not canvas.label.is_dispatching else "now"


@draws(ELEMENTS, "button", "action_id text value url style confirm accessibility_label")
def _button(canvas: Canvas, button: JSON) -> str:
    words = text(canvas, button["text"])
    place = _place(canvas, button, "press") + attributes(
        data_value=button.get("value"),
        data_confirm=_confirm(canvas, words, button),
        aria_label=button.get("accessibility_label"),
        class_=f"button {button.get('style', '')}".strip(),
    )
    if "url" not in button:
        return f'<button type="button"{place}>{words}</button>'
    link = attributes(href=canvas.reader.href(button["url"]), target="_blank", rel="noopener noreferrer")
    return f"<a{place}{link}>{words} ↗</a>"


def _confirm(canvas: Canvas, words: str, given: JSON) -> str | None:
    """The question that Slack asks after a click; the id of its dialog."""
    if "confirm" not in given:
        return None
    confirm = given["confirm"]
    style = "danger" if confirm.get("style") == "danger" else "primary"
    if not canvas.is_live:
        if confirm["text"]["text"] in canvas.asked:
            return None
        canvas.asked.add(confirm["text"]["text"])
    dialog_id, title_id = canvas.new_id(), canvas.new_id()
    hint = "" if canvas.is_live else f'<div class="hint">after a click on {words}</div>'
    how = attributes(class_="confirm", id=dialog_id, aria_labelledby=title_id, open=not canvas.is_live)
    canvas.below.append(
        f'<dialog{how}>{hint}<b id="{title_id}">{text(canvas, confirm["title"])}</b>'
        f"<div>{text(canvas, confirm['text'])}</div>"
        f'<div class="actions end"><button type="button" class="button" data-answer="deny">'
        f'{text(canvas, confirm["deny"])}</button><button type="button" class="button {style}" data-answer="confirm">'
        f"{text(canvas, confirm['confirm'])}</button></div></dialog>"
    )
    return dialog_id if canvas.is_live else None


@draws(ELEMENTS, "image", "image_url slack_file alt_text")
def _image_element(canvas: Canvas, shown: JSON) -> str:
    return image(canvas, shown, "accessory")


@draws(ELEMENTS, "overflow", "action_id options confirm accessibility_label")
def _overflow(canvas: Canvas, menu: JSON) -> str:
    place = (canvas.block_id, menu.get("action_id"))
    asks = _confirm(canvas, "…", menu)
    entries = "".join(
        f'<button type="button"{attributes(data_value=option["value"], data_confirm=asks)} data-act="press"'
        f"{attributes(data_block=place[0] or None, data_action=place[1])}>{text(canvas, option['text'])}</button>"
        for option in menu["options"]
    )
    if not canvas.is_live:
        canvas.below.append(_menu([text(canvas, option["text"]) for option in menu["options"]]))
    label = attributes(aria_label=menu.get("accessibility_label", "More actions"))
    return f'<details class="overflow"><summary class="button"{label}>⋯</summary><div>{entries}</div></details>'


_SELECT = "action_id placeholder confirm focus_on_load typed"


def _offered(select: JSON) -> list[JSON]:
    groups = select.get("option_groups", ())
    return [*select.get("options", ()), *(option for group in groups for option in group["options"])]


@draws(ELEMENTS, "static_select", f"{_SELECT} options option_groups initial_option")
def _static_select(canvas: Canvas, select: JSON) -> str:
    offered = _offered(select)
    chosen = select.get("initial_option")
    if "typed" in select:
        chosen = _option(offered, select["typed"]) if select["typed"] else None
    options = [(option["value"], text(canvas, option["text"])) for option in offered]
    return _select(canvas, select, options, chosen["value"] if chosen else "") + (
        "" if canvas.is_live else _menu([words for _, words in options])
    )


@draws(ELEMENTS, "users_select", f"{_SELECT} initial_user")
def _users_select(canvas: Canvas, select: JSON) -> str:
    chosen = select.get("typed", select.get("initial_user"))
    named = [(id_, f"@{marks.plain(name)}") for id_, name in canvas.reader.people.items()]
    return _select(canvas, select, _shown(canvas, named, chosen), str(chosen or ""))


@draws(
    ELEMENTS,
    "conversations_select channels_select",
    f"{_SELECT} initial_conversation initial_channel default_to_current_conversation response_url_enabled filter",
)
def _conversations_select(canvas: Canvas, select: JSON) -> str:
    chosen = select.get("typed", select.get("initial_conversation", select.get("initial_channel")))
    offered = canvas.conversations(select) if canvas.is_live else canvas.reader.channels
    named = [(id_, f"#{marks.plain(canvas.reader.channels.get(id_, id_))}") for id_ in offered]
    return _select(canvas, select, _shown(canvas, named, chosen), str(chosen or ""))


def _shown(canvas: Canvas, named: list[tuple[str, str]], chosen: object) -> list[tuple[str, str]]:
    """A picture shows of people and channels only who is chosen, who must be known."""
    if canvas.is_live:
        return named
    found = [(id_, words) for id_, words in named if id_ == chosen]
    if chosen and not found:
        raise NotDrawn(f"nobody and nothing here is {chosen}")
    return found


def _option(offered: Sequence[JSON], value: object) -> JSON:
    found = next((option for option in offered if option["value"] == value), None)
    if found is None:
        raise NotDrawn(f"no option {value} is offered")
    return found


def _select(canvas: Canvas, select: JSON, options: Sequence[tuple[str, str]], chosen: str) -> str:
    empty = _placeholder(canvas, select) or "Choose an option"
    unnamed = attributes(aria_label=empty) if canvas.label is None else ""
    asks = attributes(data_confirm=_confirm(canvas, "an entry", select), data_kept=chosen, class_="box select")
    entries = "".join(
        f"<option{attributes(value=value, selected=value == chosen)}>{words}</option>" for value, words in options
    )
    # Slack clears a menu only where it may stay empty.
    gone = canvas.label is None or not canvas.label.is_optional
    nothing = f"<option{attributes(value='', selected=not chosen, disabled=gone, hidden=gone)}>{empty}</option>"
    return f"<select{_place(canvas, select, 'choose')}{unnamed}{asks}>{nothing}{entries}</select>"


@draws(ELEMENTS, "external_select", f"{_SELECT} initial_option min_query_length")
def _external_select(canvas: Canvas, select: JSON) -> str:
    chosen = select.get("typed", select.get("initial_option", {}).get("text", {}).get("text", ""))
    list_id = canvas.new_id()
    how = attributes(
        list=list_id,
        value=chosen,
        data_least=select.get("min_query_length", 3),
        placeholder=_bare_placeholder(select) or "Type to search",
        autocomplete="off",
        class_="box",
    )
    unnamed = attributes(aria_label=_bare_placeholder(select) or "Type to search") if canvas.label is None else ""
    return f'<input type="text"{_place(canvas, select, "suggest")}{how}{unnamed}><datalist id="{list_id}"></datalist>'


@draws(ELEMENTS, "multi_static_select", f"{_SELECT} options option_groups initial_options max_selected_items")
def _multi_static_select(canvas: Canvas, select: JSON) -> str:
    begun = [option["value"] for option in select.get("initial_options", ())]
    options = [(option["value"], text(canvas, option["text"]), "") for option in _offered(select)]
    return _several(canvas, select, options, begun)


@draws(ELEMENTS, "multi_users_select", f"{_SELECT} initial_users max_selected_items")
def _multi_users_select(canvas: Canvas, select: JSON) -> str:
    options = [(id_, f"@{marks.plain(name)}", "") for id_, name in canvas.reader.people.items()]
    return _several(canvas, select, options, select.get("initial_users", ()))


@draws(
    ELEMENTS,
    "multi_conversations_select multi_channels_select",
    f"{_SELECT} initial_conversations initial_channels default_to_current_conversation max_selected_items filter",
)
def _multi_conversations_select(canvas: Canvas, select: JSON) -> str:
    offered = canvas.conversations(select) if canvas.is_live else canvas.reader.channels
    options = [(id_, f"#{marks.plain(canvas.reader.channels.get(id_, id_))}", "") for id_ in offered]
    return _several(
        canvas, select, options, [*select.get("initial_conversations", ()), *select.get("initial_channels", ())]
    )


def _several(
    canvas: Canvas, select: JSON, options: Sequence[tuple[str, str, str]], begun: Sequence[str], kind: str = "checkbox"
) -> str:
    """A list of boxes, which needs no Ctrl key."""
    chosen = select.get("typed", begun)
    if unknown := set(chosen) - {value for value, _, _ in options}:
        raise NotDrawn(f"no option {', '.join(sorted(unknown))} is offered")
    name = canvas.new_id()
    boxes = "".join(
        f'<label class="choice"><input type="{kind}"'
        f"{attributes(name=name, value=value, checked=value in chosen)}><span>{words}{more}</span></label>"
        for value, words, more in options
    )
    role = "radiogroup" if kind == "radio" else "group"
    label = canvas.label
    named = attributes(
        aria_labelledby=f"{label.control_id}l" if label else None, aria_label=None if label else "Choices"
    )
    long = " long" if len(options) > 8 else ""
    return f'<div role="{role}" class="choices{long}"{_group(_place(canvas, select, "tick"))}{named}>{boxes}</div>'


def _group(place: str) -> str:
    """A group of check boxes cannot be required or invalid as such; a label says so."""
    return place.replace(' aria-required="true"', "").replace(' aria-invalid="true"', "")


@draws(ELEMENTS, "checkboxes radio_buttons", "action_id options initial_options initial_option focus_on_load typed")
def _boxes(canvas: Canvas, boxes: JSON) -> str:
    begun = [*boxes.get("initial_options", ()), *([boxes["initial_option"]] if "initial_option" in boxes else [])]
    options = [
        (
            option["value"],
            text(canvas, option["text"]),
            f'<span class="hint">{text(canvas, option["description"])}</span>' if "description" in option else "",
        )
        for option in boxes["options"]
    ]
    typed = boxes.get("typed")
    given = {**boxes, "typed": [typed] if typed else []} if isinstance(typed, str) else boxes
    kind = "checkbox" if boxes["type"] == "checkboxes" else "radio"
    return _several(canvas, given, options, [option["value"] for option in begun], kind)


def _placeholder(canvas: Canvas, given: JSON) -> str:
    return text(canvas, given["placeholder"]) if "placeholder" in given else ""


def _bare_placeholder(given: JSON) -> str:
    return str(given.get("placeholder", {}).get("text", ""))


def _menu(offered: Sequence[str]) -> str:
    more = f" · and {len(offered) - _MENU} more" if len(offered) > _MENU else ""
    return f'<div class="menu">in the menu: {" · ".join(offered[:_MENU])}{more}</div>'


_TEXT = "action_id placeholder focus_on_load initial_value dispatch_action_config min_length max_length"
_TEXT_TYPES = {"email_text_input": "email", "url_text_input": "url"}


@draws(
    ELEMENTS,
    "plain_text_input email_text_input url_text_input number_input",
    f"{_TEXT} multiline is_decimal_allowed min_value max_value typed",
)
def _text_input(canvas: Canvas, given: JSON) -> str:
    words = str(given.get("typed", given.get("initial_value", "")))
    wanted = given.get("dispatch_action_config", {}).get("trigger_actions_on", ["on_enter_pressed"])
    how = _place(canvas, given, "type") + attributes(
        class_="box",
        placeholder=_bare_placeholder(given) or None,
        maxlength=given.get("max_length"),
        data_on=" ".join(wanted),
        autofocus=canvas.is_live and bool(given.get("focus_on_load")),
        autocomplete="off",
        aria_label=None if canvas.label else _bare_placeholder(given) or "Text",
    )
    if given.get("multiline"):
        # A browser drops the first line break of a text area.
        return f'<textarea rows="4"{how}>{marks.escaped(words)}</textarea>'
    kind = "text" if given["type"] == "number_input" else _TEXT_TYPES.get(given["type"], "text")
    mode = attributes(inputmode="decimal" if given["type"] == "number_input" else None, value=words)
    return f'<input type="{kind}"{how}{mode}>'


@draws(
    ELEMENTS,
    "datepicker timepicker datetimepicker",
    "action_id placeholder confirm focus_on_load initial_date initial_time initial_date_time timezone typed",
)
def _moment(canvas: Canvas, picker: JSON) -> str:
    begun = picker.get("typed", picker.get("initial_date", picker.get("initial_time")))
    if picker["type"] == "datetimepicker":
        begun = begun or picker.get("initial_date_time")
        if begun:
            begun = datetime.fromtimestamp(int(begun), UTC).astimezone(canvas.reader.zone).strftime("%Y-%m-%dT%H:%M")
    kind = {"datepicker": "date", "timepicker": "time", "datetimepicker": "datetime-local"}[picker["type"]]
    how = attributes(
        value=begun or "",
        class_="box moment" if begun else "box moment empty",
        data_confirm=_confirm(canvas, "a date", picker),
        aria_label=None if canvas.label else _bare_placeholder(picker) or "Date",
    )
    return f'<input type="{kind}"{_place(canvas, picker, "choose")}{how}>'


@draws(ELEMENTS, "file_input", "action_id filetypes max_files typed")
def _file_input(canvas: Canvas, given: JSON) -> str:
    kinds, most = given.get("filetypes", ()), given.get("max_files", 10)
    takes = f"{', '.join(kinds) if kinds else 'any file'}; at most {most}"
    files = "".join(_attached(canvas, given, name) for name in given.get("typed", ()))
    accept = attributes(accept=",".join(f".{kind}" for kind in kinds) or None, multiple=most > 1)
    samples = ""
    if canvas.is_live and (not kinds or {"jpg", "jpeg"} & set(kinds)):
        at = attributes(data_block=canvas.block_id, data_action=given.get("action_id"))
        samples = f'<button type="button" class="button quiet" data-act="samples"{at}>Use the sample photos</button>'
    return (
        f'<div class="drop" data-drop>{files}<label class="button">Add files<input type="file" class="unseen"'
        f'{_place(canvas, given, "attach")}{accept}></label>{samples} <span class="hint">{marks.plain(takes)}</span>'
        "</div>"
    )


def _attached(canvas: Canvas, given: JSON, named: str) -> str:
    """A file of a file input: a name in a picture, `id name` on the page, where it can be taken away again."""
    if not canvas.is_live:
        return f'<span class="file">▤ {marks.plain(named)}</span>'
    file_id, _, name = named.partition(" ")
    how = attributes(
        data_act="detach",
        data_value=file_id,
        data_block=canvas.block_id,
        data_action=given.get("action_id"),
        aria_label=f"Remove {name}",
    )
    return f'<span class="file">▤ {marks.plain(name)} <button type="button" class="away"{how}>✕</button></span>'
