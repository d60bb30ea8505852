"""What people correct of a check from its messages: other photos for one that waits, or has ended."""

from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.intake.corrections import SubmittedPhotos
from bot.intake.service import FieldErrors
from bot.runtime.factory import Bot
from bot.slack.blocks import ids, other_photos, private, refusals
from handlers.check_form import beside_fields
from handlers.checks import open_rerun
from handlers.replies import open_modal, reply
from handlers.requests import ViewState, team_of


async def ask_for_photos(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Other photos*, for a check that is held: a form for them alone."""
    await ack()
    check = await bot.preflight.to_replace_photos(body["user"]["id"], action["value"])
    entry, required = bot.id_types.find(check.country, check.id_type), bot.settings.liveness_required
    asked = other_photos.of_held(check, entry, liveness_required=required)
    if await open_modal(bot, body["trigger_id"], asked) is None:
        reply(bot, body, private.answer(private.EXPIRED))


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
    entry, required = bot.id_types.find(check.country, check.id_type), bot.settings.liveness_required
    asked = other_photos.of_ended(check, entry, liveness_required=required)
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
