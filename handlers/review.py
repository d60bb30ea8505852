"""Reviewers' clicks: decide, claim, agree, reassign, note. Each is answered, and rights are checked each time."""

import json
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.outbox import Message
from bot.domain.review.review import Decision, Subscription
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, private, review, review_forms, review_next
from bot.slack.blocks.review_forms import Way
from handlers import modals, search
from handlers.modals import Shown
from handlers.replies import open_modal, reply
from handlers.requests import ViewState, user_of

Body = dict[str, Any]
Action = dict[str, Any]


async def card(bot: Bot, user: str, typed: str) -> Message:
    """The answer to `/kyc review K-…`."""
    return await bot.cards.card(user, typed) if typed.strip() else private.answer(review.NO_REF)


async def more(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """An entry of the menu behind ⋯ does what the button of its name does."""
    stands_for, _, ref = str(action["selected_option"]["value"]).partition("|")
    act = _MENU.get(stands_for)
    if act is None:
        await ack()
        reply(bot, body, private.answer(private.OLD_BUTTON))
        return
    await act(ack, body, {"action_id": stands_for, "value": ref}, bot)


async def claimed(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Claim*, or of what is closed *Reopen*."""
    await ack()
    reopens = action["action_id"] == ids.REVIEW_REOPEN
    await bot.review.claim(body["user"]["id"], action["value"], reopens=reopens)
    await _refresh(bot, body, action["value"])


async def released(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Unclaim*."""
    await ack()
    await bot.review.release(body["user"]["id"], action["value"])
    await _refresh(bot, body, action["value"])


async def closed(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Close review*, of a check that was cancelled; its dialog has asked already."""
    await ack()
    await bot.review.close(body["user"]["id"], action["value"])
    await _refresh(bot, body, action["value"])


async def ended(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*End without a result*, of a check that Smile ID never answered; its dialog has asked already."""
    await ack()
    await bot.review.end_unanswered(body["user"]["id"], action["value"])
    await _refresh(bot, body, action["value"])


async def _refresh(bot: Bot, body: Body, ref: str) -> None:
    """Replaces what only this person sees: it is not among the cards that the outbox keeps up to date."""
    if str((body.get("actions") or [{}])[0].get("block_id", "")).startswith(ids.QUEUE_ROW):
        reply(bot, body, await search.listing(bot, body["user"]["id"], "review"), in_place=True)
    elif body.get("container", {}).get("is_ephemeral"):
        reply(bot, body, await bot.cards.refreshed(body["user"]["id"], ref), in_place=True)
    elif modals.is_details(body) or modals.is_photos(body):
        # Who has decided needs the photos no more.
        modals.refresh_details(bot, body["user"]["id"], body["view"]["id"], ref)


# Decide


async def decide(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Approve*, *Reject*, *Ask for new photos*: claims the check for whoever clicks, and opens the form."""
    await ack()
    user, ref = body["user"]["id"], action["value"]
    decision = Decision(action["action_id"].partition(":")[2])
    started = await bot.review.start(user, ref)
    claimed_at = started.claimed_at.isoformat() if started.claimed_at is not None else ""
    form = review_forms.decide_form(
        started.check,
        started.entry,
        decision,
        seen=started.check.version_token,
        may_override=started.overrides,
        way=modals.way_of(body, claimed=claimed_at),
    )
    shown = Shown.CLOSED
    try:
        shown = await modals.show(bot, body, form)
    finally:
        # Whatever kept the form closed: a check that nobody can work on must not stay claimed.
        if shown is not Shown.OPEN:
            await bot.review.let_go(user, ref, claimed_at)
    if shown is Shown.CLOSED:
        reply(bot, body, private.answer(review_forms.EXPIRED))


async def decided(ack: AsyncAck, body: Body, view: dict[str, Any], bot: Bot) -> None:
    ref, name, seen, *rest = json.loads(view["private_metadata"])
    way, decision, user = Way.load(rest[0] if rest else None), Decision(name), body["user"]["id"]
    state = ViewState.of(view)
    reason, own_words = state.value(ids.REASON), state.value(ids.WORDS)
    if review_forms.needs_words(reason, own_words):
        await ack(response_action="errors", errors={ids.WORDS: review_forms.NEEDS_WORDS})
        return
    stands = await bot.review.decide(
        user,
        ref,
        decision,
        form_id=_form_id(view, way),
        seen=seen,
        reason=reason,
        own_words=own_words,
        overrides=bool(state.ticked(ids.OVERRIDE)),
    )
    told = review_next.decided(decision, ref, stands=stands)
    await ack(response_action="update", view=await bot.cards.next(user, told=told, skipped=way.skipped))
    modals.refresh_below(bot, user, view, way)


async def given_up(ack: AsyncAck, body: Body, view: dict[str, Any], bot: Bot) -> None:
    """A form was closed by *Cancel*: the claim that came with it goes, as if nothing had been clicked."""
    await ack()
    ref, _decision, _seen, *rest = json.loads(view["private_metadata"])
    way = Way.load(rest[0] if rest else None)
    await bot.review.let_go(body["user"]["id"], ref, way.claimed)


async def skipped(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """The check after the next one; what was skipped comes again with the next first form."""
    await ack()
    way, user, ref = modals.way_of(body), body["user"]["id"], action["value"]
    told = review_next.SKIPPED.format(ref=ref)
    view = await bot.cards.first(user, told=told, skipped=[*way.skipped, ref])
    await _show(bot, body, view)


# The second person


async def agreed(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Agree* to the proposal that the button names."""
    await ack()
    ref, _, proposed_at = str(action["value"]).partition("|")
    user = body["user"]["id"]
    await bot.review.agree(user, ref, proposed_at)
    if modals.is_next(body):
        told = review_next.AGREED.format(ref=ref)
        await modals.show(bot, body, await bot.cards.next(user, told=told, skipped=modals.way_of(body).skipped))
    await _refresh(bot, body, ref)


async def disagree(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Disagree* or *Take back*: the form asks why."""
    await ack()
    ref, _, proposed_at = str(action["value"]).partition("|")
    user = body["user"]["id"]
    check, entry, proposal = await bot.review.to_disagree(user, ref, proposed_at)
    form = review_forms.disagree_form(check, entry, proposal, is_own=proposal.by == user, way=modals.way_of(body))
    await _show(bot, body, form)


async def disagreed(ack: AsyncAck, body: Body, view: dict[str, Any], bot: Bot) -> None:
    ref, proposed_at, kept = json.loads(view["private_metadata"])
    way, user, own_words = Way.load(kept), body["user"]["id"], ViewState.of(view).value(ids.WORDS)
    if not own_words.strip():
        await ack(response_action="errors", errors={ids.WORDS: review_forms.NEEDS_WORDS})
        return
    is_own = await bot.review.disagree(user, ref, proposed_at, form_id=_form_id(view, way), own_words=own_words)
    if way.follows:
        told = (review_next.TAKEN_BACK if is_own else review_next.DISAGREED).format(ref=ref)
        await ack(response_action="update", view=await bot.cards.next(user, told=told, skipped=way.skipped))
    else:
        await ack()
    modals.refresh_below(bot, user, view, way)


# Reassign, note


async def hand_on(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    """*Reassign*."""
    await ack()
    check, eligible = await bot.review.may_hand_on(body["user"]["id"], action["value"])
    await _show(bot, body, review_forms.hand_on_form(check, eligible, way=modals.way_of(body)))


async def handed_on(ack: AsyncAck, body: Body, view: dict[str, Any], bot: Bot) -> None:
    ref, way = review_forms.check_and_way(view["private_metadata"])
    to, user = ViewState.of(view).value(ids.HAND_TO), body["user"]["id"]
    await bot.review.hand_on(user, ref, to, form_id=_form_id(view, way))
    await ack()
    modals.refresh_below(bot, user, view, way)


async def note(ack: AsyncAck, body: Body, action: Action, bot: Bot) -> None:
    await ack()
    check = await bot.review.to_note(body["user"]["id"], action["value"])
    await _show(bot, body, review_forms.note_form(check, way=modals.way_of(body)))


async def noted(ack: AsyncAck, body: Body, view: dict[str, Any], bot: Bot) -> None:
    ref, way = review_forms.check_and_way(view["private_metadata"])
    text, user = ViewState.of(view).value(ids.WORDS), body["user"]["id"]
    await bot.review.note(user, ref, text, form_id=_form_id(view, way))
    await ack()
    modals.refresh_below(bot, user, view, way)


async def _show(bot: Bot, body: Body, view: dict[str, Any]) -> None:
    if await modals.show(bot, body, view) is Shown.CLOSED:
        reply(bot, body, private.answer(review_forms.EXPIRED))


def _form_id(view: Mapping[str, Any], way: Way) -> str:
    """The same for a repeat of its submit; a modal keeps the id of its view while it goes from form to form."""
    return f"{view['id']}:{way.form}" if way.form else str(view["id"])


_MENU = {
    f"{ids.REVIEW_DECIDE}:{Decision.NEW_PHOTOS.value}": decide,
    ids.REVIEW_CLAIM: claimed,
    ids.REVIEW_RELEASE: released,
    ids.REVIEW_HAND_ON: hand_on,
    ids.REVIEW_NOTE: note,
}


# By direct message


async def open_notify_form(bot: Bot, body: Mapping[str, Any], _typed: str) -> Message | None:
    """`/kyc notify`: open the form; a message where it stays closed."""
    chosen, is_reviewer = await bot.subscriptions.offered(user_of(body))
    view = await open_modal(bot, body["trigger_id"], review_forms.notify_form(chosen, is_reviewer=is_reviewer))
    return None if view else private.answer(private.EXPIRED)


async def notified(ack: AsyncAck, body: Body, view: dict[str, Any], bot: Bot) -> None:
    chosen = {Subscription(value) for value in ViewState.of(view).ticked(ids.CHOICES) if value in set(Subscription)}
    await bot.subscriptions.choose(body["user"]["id"], chosen)
    await ack()
