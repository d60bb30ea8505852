"""What people correct of a check from its messages: other photos for one that waits, or has ended."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, State
from bot.errors import Refusal, Refused
from bot.intake.corrections import SubmittedPhotos
from bot.intake.service import FieldErrors
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, message, other_photos, private, refusals
from bot.slack.blocks.form import CheckForm, ResultPlace
from bot.slack.blocks.other_photos import PhotosForm
from bot.slack.retry import Retry
from handlers.check_form import beside_fields, build
from handlers.checks import open_rerun
from handlers.replies import ReplyAddress, open_modal, reply, run, show
from handlers.requests import ViewState, team_of

_EDIT = "Edit check"
_SOON = timedelta(minutes=1)
"""A check that is due later than this, without a failed attempt, is due at a time that somebody chose."""


async def edit(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Edit*: the form with what the check holds, as long as it has not been sent."""
    await ack()
    user, ref = body["user"]["id"], action["value"]
    check = await bot.intake.to_edit(user, ref)
    if check.state is State.AWAITING_PHOTOS:
        raise Refused(Refusal.EDIT_WITH_CUSTOMER, ref=ref)
    if check.state is not State.REQUESTED:
        raise Refused(Refusal.EDIT_ENDED if check.state in FINAL else Refusal.EDIT_TOO_LATE, ref=ref)
    view = await open_modal(bot, body["trigger_id"], message.one_moment(_EDIT))
    if view is None:
        reply(bot, body, private.answer(private.EXPIRED))
        return
    address = ReplyAddress(user=user, request_id=f"edit:{view['id']}")
    run(bot, address, lambda retry: _fill_edit(bot, retry, view, check, user))


async def _fill_edit(bot: Bot, retry: Retry, view: Mapping[str, Any], check: Check, user: str) -> None:
    is_chosen = check.held is None and not check.tries and check.due_at is not None
    sent_at = check.due_at if is_chosen and check.due_at is not None and check.due_at - bot.now() > _SOON else None
    place = ResultPlace(channel=check.channel, thread_ts=check.thread_ts, edit=check.ref, edits=check.edits)
    content = CheckForm(
        place=place,
        country=check.country,
        id_type=check.id_type,
        attached=await bot.details.to_fill_in(user, check, act="edit.opened"),
        texts={**check.id_info, ids.CUSTOMER_REFERENCE: check.customer_reference},
        title=_EDIT,
        not_before=sent_at is not None,
        sent_at=sent_at,
    )
    await show(bot, retry, view, build(bot, content))


async def ask_for_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Other photos*, for a check that is held: a form for them alone."""
    await ack()
    check = await bot.preflight.to_replace_photos(body["user"]["id"], action["value"])
    await _open_photos_form(bot, body, check, other_photos.of_held)


async def photos_replaced(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    state = ViewState.of(view)
    faults = await bot.preflight.replace_photos(
        body["user"]["id"], view["private_metadata"], selfie=state.files(ids.SELFIE), liveness=state.files(ids.LIVENESS)
    )
    errors = {name: refusals.plain_sentence(fault) for name, fault in faults.items()}
    await (ack(response_action="errors", errors=errors) if errors else ack())


async def ask_for_new_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Send other photos*, for a check that has ended: the same form, for another round."""
    await ack()
    user, ref = body["user"]["id"], action["value"]
    await bot.intake.require_requester(user)
    await bot.causes.require_smile_id()
    check = await bot.details.to_run_again(user, ref)
    if not check.id_info.get("id_number"):
        # Its data is no longer held: the whole form asks for it.
        reply(bot, body, await open_rerun(bot, body, ref))
        return
    await _open_photos_form(bot, body, check, other_photos.of_ended)


async def _open_photos_form(bot: Bot, body: Mapping[str, Any], check: Check, build_form: PhotosForm) -> None:
    entry = bot.id_types.find(check.country, check.id_type)
    asked = build_form(check, entry, liveness_required=bot.settings.liveness_required)
    if await open_modal(bot, body["trigger_id"], asked) is None:
        reply(bot, body, private.answer(private.EXPIRED))


async def new_photos_submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    """Stored first, acknowledged second, as any form for a check."""
    state = ViewState.of(view)
    ref, _, round_ = view["private_metadata"].partition(":")
    outcome = await bot.corrections.send_photos(
        SubmittedPhotos(
            requester=body["user"]["id"],
            team=team_of(body),
            view_id=view["id"],
            ref=ref,
            round=int(round_) if round_.isdecimal() else 0,
            selfie=state.files(ids.SELFIE),
            liveness=state.files(ids.LIVENESS),
        )
    )
    faults = isinstance(outcome, FieldErrors) and beside_fields(outcome, view)
    await (ack(response_action="errors", errors=faults) if faults else ack())
