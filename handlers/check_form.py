"""The form for a check: opened, updated with each choice, submitted."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncBoltContext

from bot.domain.check.check import PhotoKind, PhotosBy
from bot.domain.check.request import LIVENESS_IMAGES, FileInfo, Form, with_new
from bot.domain.mentions.incoming import MessageIds
from bot.domain.outbox import Message
from bot.errors import Refusal, Refused, SlackError, SlackRefused
from bot.intake.answers import PrivateAnswer
from bot.intake.service import CheckedBefore, FieldErrors, SubmittedForm, UsedTypes
from bot.runtime.bot import Bot
from bot.slack.blocks import capture, form, held, ids, kit, private, refusals
from bot.slack.blocks.form import AttachedPhoto, CheckForm, ResultPlace
from handlers.middleware import FIELDS
from handlers.replies import open_modal, remove_message, reply
from handlers.requests import ViewState, about, door_of, team_of, user_of

log = structlog.get_logger(__name__)

_OURS = frozenset(
    {ids.CHANNEL, ids.COUNTRY, ids.ID_TYPE, ids.SELFIE, ids.LIVENESS, ids.CONSENT, ids.CUSTOMER_REFERENCE, ids.AGAIN}
    | {ids.NOT_BEFORE, ids.PHOTOS_BY}
)
"""Blocks that are no fields of Smile ID's `id_info`; all others are, even if only an operator's table names them."""

SHOW_LATER_AFTER_SECONDS = 0.5
"""Before a form that could not be updated is updated after all: people often choose again at once."""
_LISTED = (PhotoKind.SELFIE, PhotoKind.LIVENESS)
"""What a photo that the form lists can be used as."""
_NO_CHANNEL = "-"
"""A button's value cannot be empty."""


async def open_form(bot: Bot, body: Mapping[str, Any], *, channel: str | None) -> Message | None:
    """Open the form; a message for the person where it stays closed."""
    user = user_of(body)
    await bot.intake.require_asking(user, channel)
    place = channel or bot.intake.only_channel()
    opened = with_used(
        CheckForm(place=ResultPlace(channel=place), names_place=channel is None), await bot.intake.used_types(user)
    )
    view = await open_modal(bot, body["trigger_id"], build(bot, opened))
    if view is None:
        return private.try_again(channel or _NO_CHANNEL)
    if place is not None:
        bot.background.spawn(_warn_of_place(bot, user, view, opened))
    return None


def with_used(content: CheckForm, used: UsedTypes) -> CheckForm:
    """The form with what its person works with: first in the menus, and chosen where nothing else is known."""
    country, id_type = content.country, content.id_type
    if not country and used.chosen is not None:
        country, id_type = used.chosen
    return replace(content, country=country, id_type=id_type or used.of_country(country), used=used.pairs)


def build(bot: Bot, content: CheckForm) -> kit.View:
    # What was asked for with photos is edited with photos.
    is_offered = bot.settings.offers_links and content.place.edit is None
    content = replace(content, by_link=bool(content.by_link) if is_offered else None)
    return form.build(content, bot.id_types, liveness_required=bot.settings.liveness_required)


async def start(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    """The global shortcut, and the Home tab's button: the form asks for the channel too, unless there is only one."""
    await ack()
    reply(bot, body, await open_form(bot, body, channel=None))


async def open_again(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button under *try again*: a click brings a new trigger."""
    await ack()
    channel = action["value"].removeprefix(_NO_CHANNEL) or None
    try:
        message = await open_form(bot, body, channel=channel)
    except Refused as no:
        # In place of the button, which would only be refused again.
        bot.refusals.note(user_of(body), no, door=door_of(body), about=about(body))
        message = refusals.refusal_message(no)
    if message is not None:
        reply(bot, body, message, in_place=True)
    else:
        bot.background.spawn(remove_message(bot, body))


async def chosen(
    ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot, context: AsyncBoltContext
) -> None:
    """Channel, country or ID type was chosen, or *More fields* pressed: the fields follow; what was typed stays."""
    await ack()
    view = body["view"]
    try:
        await bot.intake.require_requester(body["user"]["id"])
    except Refused as no:
        if no.code is not Refusal.NO_RIGHT:
            # The form stays as it was filled in: the next choice, or the submit, asks again.
            raise
        bot.refusals.note(user_of(body), no, door=door_of(body), about=about(body))
        await _close(bot, view, no)
        return
    state, now = ViewState.of(view), _filled_in(view)
    # Each of them waits for Slack for up to a second.
    warning, said, used = await asyncio.gather(
        _place_warning(bot, _channel(now, state), body["user"]["id"]),
        _fields_of_message(bot, now, state),
        bot.intake.used_types(body["user"]["id"]),
    )
    texts = {**said, **_texts(state), ids.CUSTOMER_REFERENCE: state.value(ids.CUSTOMER_REFERENCE)}
    more = now.more
    if action["action_id"] == ids.MORE_FIELDS:
        # No field goes away, so Slack keeps what was typed: it need not travel once more.
        more, texts = True, {name: text for name, text in said.items() if name not in state}
    view_now = build(bot, replace(now, warning=warning, texts=texts, more=more, used=used.pairs))
    try:
        # Who may ask and where was looked up before, each for up to a second: this has what is left of Slack's three.
        left = context["began"] + bot.timeouts.answer_seconds - asyncio.get_running_loop().time()
        async with asyncio.timeout(min(left, bot.timeouts.show_seconds)):
            await _show(bot, view, view_now)
    except (SlackError, TimeoutError) as fault:
        log.warning("form.not_updated", error=str(fault) or "timeout")
        bot.background.spawn(show_later(bot, view, view_now))


async def _close(bot: Bot, view: Mapping[str, Any], no: Refused) -> None:
    """Replaces a form that fills itself from Slack: the person who opened it may no longer request checks."""
    try:
        await bot.slack.update_view(view_id=view["id"], view=private.closed_form(refusals.plain_sentence(no)))
    except SlackError as closed:
        log.info("form.not_closed", error=str(closed))


async def _place_warning(bot: Bot, channel: str | None, user: str) -> str | None:
    fault = await bot.intake.place_fault(channel, user) if channel else None
    return refusals.plain_sentence(fault) if fault else None


async def _fields_of_message(bot: Bot, now: CheckForm, state: ViewState) -> Mapping[str, str]:
    """What the message that asked for this check says, for fields that appear with this choice."""
    entry, place = now.entry(bot.id_types), now.place
    if entry is None or not (place.channel and place.message_ts) or set(entry.fields) <= set(state):
        return {}
    return await bot.messages.read_fields(
        channel=place.channel, ts=place.message_ts, root_ts=place.thread_ts, chosen=(entry.country, entry.id_type)
    )


async def _show(bot: Bot, view: Mapping[str, Any], view_now: kit.View) -> None:
    try:
        await bot.slack.update_view(view_id=view["id"], view=view_now, hash_=view.get("hash"))
    except SlackRefused as no:
        # The form changed in between, by our own warning about the channel: this choice is the one that counts.
        if no.code == "hash_conflict":
            await bot.slack.update_view(view_id=view["id"], view=view_now)
        elif no.code != "not_found":
            raise


async def show_later(bot: Bot, view: Mapping[str, Any], view_now: kit.View) -> None:
    """Updates the form after Slack was away for a moment: without its fields it could never be submitted.

    Waits first: tried at once, this would race the update of a choice made meanwhile, and the loser of the two gets a
    hash conflict. The hash of the form as it was chosen in keeps a late update from undoing that newer choice.
    """
    await asyncio.sleep(SHOW_LATER_AFTER_SECONDS)
    retry = bot.retry()
    try:
        await retry.call(
            lambda: bot.patient_slack.update_view(view_id=view["id"], view=view_now, hash_=view.get("hash"))
        )
    except SlackRefused as no:
        log.info("form.changed_meanwhile", error=no.code)
    except SlackError as fault:
        log.warning("form.not_updated", error=str(fault))


async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    """Stored first, acknowledged second, processed third."""
    filled = read(body, view)
    outcome = await bot.intake.accept(filled)
    if isinstance(outcome, FieldErrors):
        for no in outcome.refused:
            bot.refusals.note(filled.requester, no, door=door_of(body), about=about(body))
        await ack(response_action="errors", errors=beside_fields(outcome, view))
    elif isinstance(outcome, CheckedBefore):
        seen = held.earlier_checks(outcome.earlier, by_number=outcome.by_number)
        used = await bot.intake.used_types(filled.requester)
        await ack(response_action="update", view=build(bot, replace(_filled_in(view), seen=seen, used=used.pairs)))
    else:
        await ack()
        if filled.form.photos_by is PhotosBy.LINK and outcome.is_new:
            bot.background.spawn(_say_where_the_link_is(bot, filled, outcome.ref))


async def _say_where_the_link_is(bot: Bot, filled: SubmittedForm, ref: str) -> None:
    """Where the check was asked for, to its requester alone. The direct message itself says the same, if this fails."""
    where = MessageIds(
        channel=filled.channel or "", ts="", thread_ts=filled.thread_ts, user=filled.requester, team=filled.team
    )
    await bot.answer_delivery.send_ephemeral(PrivateAnswer(message=capture.aside(ref)), where, bot.retry())


def _filled_in(view: Mapping[str, Any]) -> CheckForm:
    """The same form for what is chosen now; what was typed stays, since its fields keep their ids."""
    state = ViewState.of(view)
    country = state.value(ids.COUNTRY)
    blocks = {block.get("block_id") for block in view["blocks"]}
    return CheckForm(
        place=ResultPlace.load(view.get("private_metadata", "")),
        country=country,
        id_type=_chosen_id_type(state, country),
        attached=[_as_chosen(photo, state) for photo in form.attached_in(view)],
        title=view["title"]["text"],
        not_before=ids.NOT_BEFORE in blocks,
        more=ids.CUSTOMER_REFERENCE in blocks,
        by_link=state.value(ids.PHOTOS_BY) == ids.BY_LINK,
        names_place=ids.PLACE in blocks,
    )


def _as_chosen(photo: AttachedPhoto, state: ViewState) -> AttachedPhoto:
    """With the use that was chosen for it, which outlives the field: by link, the form has none."""
    chosen = state.value(ids.PHOTO + photo.key)
    return replace(photo, kind=PhotoKind(chosen)) if chosen in set(PhotoKind) else photo


def _channel(now: CheckForm, state: ViewState) -> str | None:
    return now.place.channel or state.value(ids.CHANNEL) or None


def read(body: dict[str, Any], view: dict[str, Any]) -> SubmittedForm:
    """What the form holds; absent, null and empty are the same."""
    state, now = ViewState.of(view), _filled_in(view)
    listed = [(state.value(ids.PHOTO + photo.key), _file_of(photo)) for photo in now.attached if photo.fault is None]
    selfies, images = ([file for chosen, file in listed if chosen == kind] for kind in _LISTED)
    photos_by = PhotosBy.LINK if now.by_link else PhotosBy.ATTACHED
    return SubmittedForm(
        requester=body["user"]["id"],
        team=team_of(body),
        channel=_channel(now, state),
        thread_ts=now.place.thread_ts,
        view_id=view["id"],
        rerun=now.place.rerun,
        edits=now.place.edit,
        seen_edits=now.place.edits,
        not_before=state.moment(ids.NOT_BEFORE),
        again=ids.CHECK_AGAIN in state.ticked(ids.AGAIN),
        form=Form(
            country=now.country or "",
            id_type=now.id_type or "",
            texts=_texts(state),
            customer_reference=state.value(ids.CUSTOMER_REFERENCE),
            selfie=with_new(selfies, state.files(ids.SELFIE), whole=1),
            liveness=with_new(images, state.files(ids.LIVENESS), whole=LIVENESS_IMAGES),
            consent=ids.CONSENTED in state.ticked(ids.CONSENT),
            photos_by=photos_by,
        ),
    )


def _texts(state: ViewState) -> dict[str, str]:
    """The fields of Smile ID's `id_info`."""
    return {name: state.value(name) for name in state if name not in _OURS and not name.startswith(ids.PHOTO)}


def _file_of(photo: form.AttachedPhoto) -> FileInfo:
    return FileInfo(id=photo.file_id, inside=photo.inside, name=photo.name)


def _chosen_id_type(state: ViewState, country: str) -> str | None:
    """The ID type, unless it was chosen in the list of another country: `NATIONAL_ID` stands in many of them."""
    action_id = state.action_id(ids.ID_TYPE)
    of_other_country = action_id.startswith(f"{ids.PICK_ID_TYPE}:") and action_id != f"{ids.PICK_ID_TYPE}:{country}"
    return None if of_other_country else state.value(ids.ID_TYPE) or None


def by_field(faults: FieldErrors) -> dict[str, str]:
    said = {name: refusals.plain_sentence(fault) for name, fault in faults.by_field.items()}
    return {**said, **{FIELDS[no.code]: refusals.plain_sentence(no) for no in faults.refused}}


def beside_fields(outcome: FieldErrors, view: Mapping[str, Any]) -> dict[str, str]:
    """What a form must be corrected in, by input."""
    return _beside_fields(by_field(outcome), view)


def _beside_fields(faults: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """Faults by input, since Slack displays one only beside an input of the view.

    What concerns the whole request (who may ask, and where) goes to the first input if there is no field for it.
    Fields that have not appeared yet are not complained about while there is something to correct.
    """
    inputs = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    about_all = faults.get(ids.CHANNEL)
    shown = {name: words for name, words in faults.items() if name in inputs}
    if about_all is not None and ids.CHANNEL not in inputs:
        shown[inputs[0]] = about_all
    return shown or {inputs[0]: " ".join(faults.values())}


async def _warn_of_place(bot: Bot, user: str, view: Mapping[str, Any], opened: CheckForm) -> None:
    """Warns in the open form if the result could not be posted where it must go."""
    warning = await _place_warning(bot, opened.place.channel, user)
    if warning is None:
        return
    try:
        warned = build(bot, replace(opened, warning=warning))
        await bot.slack.update_view(view_id=view["id"], view=warned, hash_=view.get("hash"))
    except SlackError as closed:
        log.info("form.warning_not_shown", error=str(closed))
