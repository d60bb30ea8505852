"""Reviewers' cards: claim, decide, agree, hand on, note. Each click is answered, and rights are checked each time."""

import json
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.outbox import Message
from bot.domain.review.review import Decision, Subscription
from bot.runtime.factory import Bot
from bot.slack.blocks import ids, private, review
from handlers.replies import open_modal, reply
from handlers.requests import ViewState, user_of


async def card(bot: Bot, user: str, typed: str) -> Message:
    """The answer to `/kyc review K-…`."""
    if not typed.strip():
        return private.answer(review.NO_REF)
    check, entry, found = await bot.review.find(user, typed)
    return review.card(check, entry, found, round_=check.round, title="Review")


async def claimed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Claim*, or of what is closed *Reopen*."""
    await ack()
    reopens = action["action_id"] == ids.REVIEW_REOPEN
    await bot.review.claim(body["user"]["id"], action["value"], reopens=reopens)
    await _refresh_card(bot, body, action["value"])


async def released(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    await bot.review.release(body["user"]["id"], action["value"])
    await _refresh_card(bot, body, action["value"])


async def judged(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """*Agree* or *Disagree* to the proposal that the button names."""
    await ack()
    ref, _, proposed_at = str(action["value"]).partition("|")
    act = bot.review.agree if action["action_id"] == ids.REVIEW_AGREE else bot.review.disagree
    await act(body["user"]["id"], ref, proposed_at)
    await _refresh_card(bot, body, ref)


async def _refresh_card(bot: Bot, body: dict[str, Any], ref: str) -> None:
    """Replaces a card that only this person sees: it is not among those that the outbox keeps up to date."""
    if body.get("container", {}).get("is_ephemeral"):
        reply(bot, body, await card(bot, body["user"]["id"], ref), in_place=True)


async def decide(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    user, ref = body["user"]["id"], action["value"]
    decision = Decision(action["action_id"].partition(":")[2])
    check, entry, overrides = await bot.review.to_decide(user, ref)
    form = review.decide_form(check, entry, decision, seen=check.version_token, may_override=overrides)
    await _open(bot, body, form)


async def decided(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    ref, decision, seen = json.loads(view["private_metadata"])
    state = ViewState.of(view)
    reason, own_words = state.value(ids.REASON), state.value(ids.WORDS)
    if review.needs_words(reason, own_words):
        await ack(response_action="errors", errors={ids.WORDS: review.NEEDS_WORDS})
        return
    stands = await bot.review.decide(
        body["user"]["id"],
        ref,
        Decision(decision),
        form_id=view["id"],
        seen=seen,
        reason=reason,
        own_words=own_words,
        overrides=bool(state.ticked(ids.OVERRIDE)),
    )
    if stands:
        await ack()
    else:
        await ack(response_action="update", view=private.closed_form(review.SECOND_NEEDED))


async def hand_on(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    check = await bot.review.may_hand_on(body["user"]["id"], action["value"])
    await _open(bot, body, review.hand_on_form(check))


async def handed_on(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    to = ViewState.of(view).value(ids.HAND_TO)
    await bot.review.hand_on(body["user"]["id"], view["private_metadata"], to)
    await ack()


async def note(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    await ack()
    check = await bot.review.to_note(body["user"]["id"], action["value"])
    await _open(bot, body, review.note_form(check))


async def noted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    text = ViewState.of(view).value(ids.WORDS)
    await bot.review.note(body["user"]["id"], view["private_metadata"], text, form_id=view["id"])
    await ack()


async def open_notify_form(bot: Bot, body: Mapping[str, Any], _typed: str) -> Message | None:
    """`/kyc notify`: open the form; a message where it stays closed."""
    chosen, is_reviewer = await bot.subscriptions.offered(user_of(body))
    view = await open_modal(bot, body["trigger_id"], review.notify_form(chosen, is_reviewer=is_reviewer))
    return None if view else private.answer(private.EXPIRED)


async def notified(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], bot: Bot) -> None:
    chosen = {Subscription(value) for value in ViewState.of(view).ticked(ids.CHOICES) if value in set(Subscription)}
    await bot.subscriptions.choose(body["user"]["id"], chosen)
    await ack()


async def _open(bot: Bot, body: dict[str, Any], view: dict[str, Any]) -> None:
    if await open_modal(bot, body["trigger_id"], view) is None:
        reply(bot, body, private.answer(review.EXPIRED))
