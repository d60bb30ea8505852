"""The form: opened, changed as one chooses, submitted."""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncRespond

from bot.app import Bot
from bot.blocks import form, ids, private
from bot.blocks.form import Place
from bot.blocks.text import plain, section
from bot.blocks.thread import Said
from bot.domain.request import FileInfo, Form
from bot.errors import SlackError, SlackRefused
from bot.intake import Faults, Filled

log = structlog.get_logger(__name__)

State = Mapping[str, Mapping[str, Mapping[str, Any]]]


async def open_form(bot: Bot, *, trigger_id: str, user: str, channel: str | None) -> Said | None:
    """Open the form at once, since a trigger lives 3 s; words for the person when it must stay closed."""
    fault = await bot.intake.may_ask(user)
    if fault is None and channel is not None and not bot.access.is_allowed(channel):
        allowed = ", ".join(f"<#{entry}>" for entry in sorted(bot.access.channels_allowed))
        fault = private.ELSEWHERE.format(channels=allowed)
    if fault is not None:
        return private.says(fault)
    place = Place(channel=channel)
    try:
        view = await bot.slack.open_view(trigger_id=trigger_id, view=form.build(bot.id_types, place=place))
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        return _try_again(channel)
    if channel is not None:
        bot.background.spawn(_look_at_the_place(bot, user, view, place))
    return None


async def shortcut(ack: AsyncAck, shortcut: dict[str, Any], bot: Bot) -> None:
    """The global shortcut: the same form, which asks for the channel too."""
    user = shortcut["user"]["id"]
    said = await open_form(bot, trigger_id=shortcut["trigger_id"], user=user, channel=None)
    await ack()
    if said is not None:
        bot.background.spawn(_tell(bot, user, said))


async def open_again(
    ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot, respond: AsyncRespond
) -> None:
    """The button under *try again*: a click brings a new trigger."""
    said = await open_form(
        bot, trigger_id=body["trigger_id"], user=body["user"]["id"], channel=action.get("value") or None
    )
    await ack()
    if said is not None:
        await respond(text=said.text, blocks=said.blocks, replace_original=True)
    else:
        await respond(delete_original=True)


async def chosen(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    """Channel, country or ID type was chosen: the fields follow; what was typed stays."""
    await ack()
    view = body["view"]
    state: State = view["state"]["values"]
    place = Place.load(view.get("private_metadata", ""))
    channel = place.channel or _chosen(state, ids.CHANNEL)
    view_now = form.build(
        bot.id_types,
        place=place,
        country=_chosen(state, ids.COUNTRY),
        id_type=_chosen(state, ids.ID_TYPE),
        warning=await bot.intake.place_fault(channel, body["user"]["id"]) if channel else None,
    )
    try:
        await bot.slack.update_view(view_id=view["id"], view=view_now, hash_=view.get("hash"))
    except SlackRefused as no:
        # The form changed in between, by our own look at the channel: what was chosen now is what counts.
        if no.code == "hash_conflict":
            await bot.slack.update_view(view_id=view["id"], view=view_now)
        elif no.code != "not_found":
            raise


async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    """Stored first, acknowledged second, worked third."""
    filled = read(body, view)
    outcome = await bot.intake.accept(filled)
    if isinstance(outcome, Faults):
        await ack(response_action="errors", errors=_beside_fields(outcome.by_field, view))
    else:
        await ack()


def read(body: dict[str, Any], view: dict[str, Any]) -> Filled:
    """What the form holds; absent, null and empty are the same."""
    state: State = view["state"]["values"]
    place = Place.load(view.get("private_metadata", ""))
    texts = {name: _text(state, name) for name in form.LABELS}
    return Filled(
        requester=body["user"]["id"],
        team=str(body["user"].get("team_id") or (body.get("team") or {}).get("id") or ""),
        channel=place.channel or _chosen(state, ids.CHANNEL),
        thread_ts=place.thread_ts,
        view_id=view["id"],
        form=Form(
            country=_chosen(state, ids.COUNTRY) or "",
            id_type=_chosen(state, ids.ID_TYPE) or "",
            texts=texts,
            customer_reference=_text(state, ids.CUSTOMER_REFERENCE),
            selfie=_files(state, ids.SELFIE),
            liveness=_files(state, ids.LIVENESS),
            consent=any(
                option.get("value") == ids.CONSENTED
                for option in _field(state, ids.CONSENT).get("selected_options") or ()
            ),
        ),
    )


def _field(state: State, block_id: str) -> Mapping[str, Any]:
    """The one element of a block; its action_id may carry the country."""
    return next(iter((state.get(block_id) or {}).values()), None) or {}


def _chosen(state: State, block_id: str) -> str | None:
    found = _field(state, block_id)
    option = found.get("selected_option") or {}
    return option.get("value") or found.get("selected_conversation")


def _text(state: State, block_id: str) -> str:
    found = _field(state, block_id)
    option = found.get("selected_option") or {}
    return str(found.get("value") or found.get("selected_date") or option.get("value") or "")


def _files(state: State, block_id: str) -> list[FileInfo]:
    return [
        FileInfo(
            id=str(file["id"]),
            name=str(file.get("name") or ""),
            mimetype=str(file.get("mimetype") or ""),
            size=file["size"] if isinstance(file.get("size"), int) else None,
        )
        for file in _field(state, block_id).get("files") or ()
    ]


def _beside_fields(faults: Mapping[str, str], view: dict[str, Any]) -> dict[str, str]:
    """Slack shows a fault only beside an input that stands in the view: others go to the first one."""
    inputs = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    shown: dict[str, str] = {}
    for name, words in faults.items():
        field = name if name in inputs else inputs[0]
        shown[field] = f"{shown[field]} {words}" if field in shown else words
    return shown


async def _look_at_the_place(bot: Bot, user: str, view: Mapping[str, Any], place: Place) -> None:
    """While the form is open: can the result be posted where it must go? If not, the form says so now."""
    assert place.channel is not None
    fault = await bot.intake.place_fault(place.channel, user)
    if fault is None:
        return
    try:
        await bot.slack.update_view(
            view_id=view["id"], view=form.build(bot.id_types, place=place, warning=fault), hash_=view.get("hash")
        )
    except SlackError as closed:
        log.info("form.warning_not_shown", error=str(closed))


async def _tell(bot: Bot, user: str, said: Said) -> None:
    """A global shortcut has no channel to answer in: a direct message."""
    channel = await bot.slack.direct_channel(user)
    await bot.slack.post(channel=channel, text=said.text, blocks=said.blocks, post_id="private")


def _try_again(channel: str | None) -> Said:
    button = {"type": "button", "action_id": ids.OPEN_FORM, "text": plain("Open the form", 75), "value": channel or " "}
    return Said(text=private.EXPIRED, blocks=[section(private.EXPIRED), {"type": "actions", "elements": [button]}])
