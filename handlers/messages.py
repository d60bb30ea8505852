"""Messages to the bot: mentions, direct messages, the message shortcut; answered to their author alone."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.app import Bot
from bot.batches import applicants_in
from bot.blocks import form, held, ids, message, private, refusals
from bot.blocks.form import Attached, Place
from bot.blocks.message import Pointer
from bot.domain.mentions.channel import holds_number
from bot.domain.mentions.incoming import WRITTEN_BY_PEOPLE, Dropped, Standing
from bot.domain.outbox import Message
from bot.errors import Refused, SlackError, SlackRefused
from bot.intake import PLACE_FRESH_FOR, Accepted, Filled, Seen
from bot.messages import Understanding, of_message
from bot.tries import Tries
from handlers import answering, batches
from handlers.form import by_field, require_asking
from handlers.private import name_of, tell

log = structlog.get_logger(__name__)

_SLACKBOT = "USLACKBOT"


async def mentioned(ack: AsyncAck, event: dict[str, Any], body: dict[str, Any], bot: Bot) -> None:
    """`@kyc …` in a channel, with or without photos: answered with the form, which takes no number from there."""
    await ack()
    if _is_by_a_person(event, body):
        _answer(bot, event, body)


async def direct(ack: AsyncAck, event: dict[str, Any], body: dict[str, Any], bot: Bot) -> None:
    """A message in the conversation with the bot, read whole: nobody else reads it."""
    await ack()
    if event.get("channel_type") == "im" and _is_by_a_person(event, body):
        _answer(bot, event, body)


async def shortcut(ack: AsyncAck, shortcut: dict[str, Any], bot: Bot) -> None:
    """*Run Biometric KYC* on a message: the form with its photos; the results go to its thread."""
    await ack()
    team = str((shortcut.get("team") or {}).get("id") or "")
    dropped = of_message(shortcut["message"], channel=shortcut["channel"]["id"], team=team)
    if applicants_in(dropped.files):
        taken = replace(dropped, user=shortcut["user"]["id"])
        _in_background(bot, shortcut, lambda tries: _take(bot, tries, shortcut, taken))
        return
    # Between two people, Slack's id of a conversation looks like one with the bot: only there it can be read anew.
    said = await _open_form(bot, shortcut, dropped, for_author=dropped.is_direct)
    if said is not None:
        tell(bot, shortcut, said)


async def open_form(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button below an answer: the form with what the message says."""
    await ack()
    pointed = Pointer.load(action["value"])
    if pointed is None:
        tell(bot, body, private.says(private.OLD_BUTTON))
        return
    user = body["user"]
    dropped = Dropped(
        channel=pointed.channel,
        ts=pointed.ts,
        thread_ts=pointed.thread_ts,
        user=user["id"],
        team=str(user.get("team_id") or ""),
        text="",
    )
    said = await _open_form(bot, body, dropped, for_author=True)
    if said is not None:
        tell(bot, body, said)


async def send(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Consent confirmed, and sent: if the message still says what was shown."""
    await ack()
    pointed = Pointer.load(action["value"])
    if pointed is None:
        tell(bot, body, private.says(private.OLD_BUTTON))
    else:
        _in_background(bot, body, lambda tries: _send(bot, tries, body, pointed))


def _in_background(bot: Bot, body: Mapping[str, Any], work: Callable[[Tries], Awaitable[None]]) -> None:
    channel = (body.get("channel") or {}).get("id")
    answering.answer(bot, work, user=body["user"]["id"], about=name_of(body), channel=channel)


async def _take(bot: Bot, tries: Tries, body: Mapping[str, Any], dropped: Dropped) -> None:
    """A message with a table or a zip, whoever wrote it: the file is asked for by whoever used the shortcut."""
    try:
        await require_asking(bot, dropped.user, dropped.channel)
        said = await batches.dropped(bot, dropped)
    except Refused as no:
        said = refusals.said(no)
    await answering.respond(bot, tries, body, said, in_place=False)


def _is_by_a_person(event: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Apps, workflows and Slack itself are never answered, and least of all the bot's own words: two bots that answer
    each other never end.
    """
    ours = {known.get("user_id") for known in body.get("authorizations") or () if known.get("is_bot")}
    by_an_app = event.get("bot_id") or event.get("bot_profile") or event.get("hidden")
    if by_an_app or event.get("subtype") not in WRITTEN_BY_PEOPLE:
        return False
    return bool(event.get("user")) and event["user"] not in ours | {_SLACKBOT}


def _answer(bot: Bot, event: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    dropped = of_message(event, channel=str(event["channel"]), team=str(body.get("team_id") or ""))

    async def work(tries: Tries) -> None:
        if dropped.user != await tries.of(bot.patient_slack.me):
            said = await _answer_or_refusal(bot, tries, dropped)
            if gives_number_away(dropped):
                said = message.delete_your_message(said)
            await answering.say(bot, tries, dropped, said)

    # An edit that mentions the bot is another event about the same message.
    about = f"{dropped.channel}:{body.get('event_id') or dropped.ts}"
    answering.answer(bot, work, user=dropped.user, about=about, channel=dropped.channel)


async def _answer_or_refusal(bot: Bot, tries: Tries, dropped: Dropped) -> Message:
    """An event is acknowledged before it is worked on: Bolt's hook hears of no refusal."""
    try:
        return await _answer_to(bot, tries, dropped)
    except Refused as no:
        return refusals.said(no)


async def _answer_to(bot: Bot, tries: Tries, dropped: Dropped) -> Message:
    await require_asking(bot, dropped.user, dropped.channel)
    fault = await _fault_of_place(bot, dropped.user, dropped.channel)
    if fault is not None:
        raise fault
    if applicants_in(dropped.files):
        return await batches.dropped(bot, dropped)
    try:
        understanding = await bot.messages.read(dropped, tries)
    except SlackError as unread:
        log.warning("messages.not_read", error=str(unread))
        return private.says(message.NOT_READ)
    if understanding.says_nothing:
        return private.says(message.HELP if dropped.is_direct else message.HELP_IN_CHANNEL)
    return await _shown(bot, understanding)


async def _shown(bot: Bot, understanding: Understanding, *, above: str = "") -> Message:
    entry = understanding.parsed.id_type
    if not understanding.dropped.is_direct:
        return message.in_channel(
            understanding.dropped,
            understanding.understood,
            entry,
            understanding.photos,
            faults=understanding.parsed.faults,
            left_out=_left_out(understanding),
        )
    if understanding.is_whole and entry is not None:
        return message.whole(
            understanding.dropped,
            understanding.understood,
            entry,
            understanding.photos,
            fingerprint=await bot.messages.fingerprint(understanding),
            above=above,
        )
    return message.lacking(
        understanding.dropped,
        understanding.understood,
        entry,
        understanding.photos,
        faults=understanding.parsed.faults,
        left_out=_left_out(understanding),
        above=above,
    )


async def _send(bot: Bot, tries: Tries, body: Mapping[str, Any], pointed: Pointer) -> None:
    try:
        said, in_place = await _sent(bot, tries, body, pointed)
    except Refused as no:
        said, in_place = refusals.said(no), False
    await answering.respond(bot, tries, body, said, in_place=in_place)


async def _sent(bot: Bot, tries: Tries, body: Mapping[str, Any], pointed: Pointer) -> tuple[Message, bool]:
    """The answer to *Send*, and whether it stands in place of the button's message, which has served then."""
    user, channel, ts = body["user"], pointed.channel, pointed.ts
    await bot.intake.require_requester(user["id"])
    try:
        dropped = await bot.messages.find(
            tries, channel=channel, ts=ts, thread_ts=pointed.thread_ts, team=str(user.get("team_id") or "")
        )
        if dropped is None:
            return private.says(message.GONE), True
        if dropped.user != user["id"]:
            return private.says(message.NOT_YOURS), False
        understanding = await bot.messages.read(dropped, tries)
    except SlackError as fault:
        log.warning("messages.not_read", error=str(fault))
        return private.says(message.NOT_READ), False
    if not understanding.is_whole or await bot.messages.fingerprint(understanding) != pointed.fingerprint:
        return await _shown(bot, understanding, above=message.CHANGED), True
    outcome = await bot.intake.accept(
        Filled(
            requester=dropped.user,
            team=dropped.team,
            channel=channel,
            thread_ts=dropped.root_ts,
            view_id=f"message:{channel}:{ts}",
            again=pointed.again,
            form=understanding.form,
        )
    )
    if isinstance(outcome, Accepted):
        words = message.SENT if outcome.is_new else message.SENT_BEFORE
        return private.says(f"{words.format(ref=outcome.ref)} {message.HINT}"), True
    if isinstance(outcome, Seen):
        seen = held.seen(outcome.earlier, hidden=outcome.hidden, by_number=outcome.by_number)
        return message.seen(pointed, seen), True
    return private.says(private.plainly(by_field(outcome).values())), False


async def _open_form(
    bot: Bot, body: Mapping[str, Any], dropped: Dropped, *, for_author: bool = False
) -> Message | None:
    """Open at once, since a trigger lives 3 s, and fill in behind it; words for the person if it must stay closed.

    `for_author`: the form is for whoever wrote the message alone, and the message is read anew.
    """
    await require_asking(bot, body["user"]["id"], dropped.channel)
    try:
        view = await bot.slack.open_view(trigger_id=body["trigger_id"], view=message.one_moment())
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        return private.says(private.EXPIRED)
    author = body["user"]["id"] if for_author else None
    _in_background(bot, body, lambda tries: _fill(bot, tries, view, dropped, user=body["user"]["id"], author=author))
    return None


async def _fault_of_place(bot: Bot, user: str, channel: str) -> Refused | None:
    """Told before anybody fills in what could not be sent."""
    return await bot.intake.place_fault(channel, user, fresh_for=PLACE_FRESH_FOR)


async def _fill(
    bot: Bot, tries: Tries, view: Mapping[str, Any], dropped: Dropped, *, user: str, author: str | None
) -> None:
    try:
        await answering.show(bot, tries, view, await _form_or_words(bot, tries, dropped, user=user, author=author))
        if author is None and dropped.user not in ("", user) and gives_number_away(dropped):
            await _tell_author(bot, tries, dropped)
    except Exception as fault:
        if isinstance(fault, SlackError) and not isinstance(fault, SlackRefused):
            raise
        # Ours: *one moment* must not stand for ever.
        await answering.show_fault(bot, tries, view, fault)


async def _form_or_words(
    bot: Bot, tries: Tries, dropped: Dropped, *, user: str, author: str | None
) -> Mapping[str, Any]:
    """`author`: the message is read anew, and shown only to whoever wrote it."""
    fault = await _fault_of_place(bot, user, dropped.channel)
    if fault is not None:
        return private.closed(refusals.plain_sentence(fault))
    found: Dropped | None = dropped
    try:
        if author is not None:
            found = await bot.messages.find(
                tries, channel=dropped.channel, ts=dropped.ts, thread_ts=dropped.thread_ts, team=dropped.team
            )
        if found is None:
            return private.closed(message.GONE) if dropped.is_direct else _form_without_message(bot, dropped)
        if author is not None and found.user != author:
            return private.closed(message.NOT_YOURS)
        # Whoever pressed the button of an answer has read there how to delete the message.
        warning = _number_warning(found, user) if author is None else None
        return _form(bot, await bot.messages.read(found, tries), warning=warning)
    except SlackError as unread:
        log.warning("messages.not_read", error=str(unread))
        return private.closed(message.NOT_READ)


def gives_number_away(dropped: Dropped) -> bool:
    """Whether others can read something there that looks like an ID number."""
    return not dropped.is_direct and holds_number(dropped.text)


def _number_warning(dropped: Dropped, user: str) -> str | None:
    if not gives_number_away(dropped):
        return None
    return message.NUMBER_IN_CHANNEL if dropped.user == user else message.NUMBER_OF_ANOTHER


async def _tell_author(bot: Bot, tries: Tries, dropped: Dropped) -> None:
    """Somebody used the shortcut on another's message: its author, who alone can delete it, hears why they should."""
    try:
        await answering.say(bot, tries, dropped, private.says(message.NUMBER_IN_CHANNEL))
    except SlackError as unheard:
        # An app has no ears, and whoever left the workspace neither; the form is there all the same.
        log.info("messages.author_not_told", error=str(unheard))


def _form_without_message(bot: Bot, dropped: Dropped) -> form.View:
    """For an author who deleted the message first, as the answer asks; its thread may still be there."""
    return form.build(
        bot.id_types,
        liveness_required=bot.settings.liveness_required,
        place=Place(channel=dropped.channel, thread_ts=dropped.thread_ts),
        warning=message.GONE_FROM_CHANNEL,
    )


def _form(bot: Bot, understanding: Understanding, *, warning: str | None = None) -> form.View:
    understood, dropped = understanding.understood, understanding.dropped
    return form.build(
        bot.id_types,
        liveness_required=bot.settings.liveness_required,
        place=Place(
            channel=dropped.channel,
            thread_ts=dropped.root_ts,
            message_ts=dropped.ts if dropped.is_direct and not understanding.parsed.id_type else None,
        ),
        country=understood.country,
        id_type=understood.id_type,
        warning=" ".join(filter(None, (warning, _left_out(understanding)))) or None,
        attached=[_attached(photo) for photo in understanding.photos],
        texts={**understood.texts, ids.CUSTOMER_REFERENCE: understood.customer_reference},
    )


def _left_out(understanding: Understanding) -> str | None:
    return message.left_out(understanding.photos_left_out, thread_is_cut=understanding.thread_is_cut)


def _attached(photo: Standing) -> Attached:
    fault = refusals.plain_sentence(photo.fault) if photo.fault else None
    return Attached(file_id=photo.file.id, name=photo.file.name, kind=photo.kind, fault=fault)
