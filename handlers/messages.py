"""Messages to the bot: mentions, direct messages, the message shortcut; answered to their author alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.domain.mentions.incoming import WRITTEN_BY_PEOPLE, InboxItem, InboxKind, IncomingMessage, ProposedPhoto
from bot.domain.outbox import Message
from bot.errors import SlackError, SlackRefused
from bot.intake.answers import PrivateAnswer, gives_number_away
from bot.intake.batches import applicants_in
from bot.intake.inbox import RequestContext
from bot.intake.messages import MessageReading, of_message
from bot.intake.service import PLACE_FRESH_FOR, UsedTypes
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, kit, message, private, refusals
from bot.slack.blocks.form import AttachedPhoto, CheckForm, ResultPlace
from bot.slack.blocks.message import MessagePointer
from bot.slack.retry import Retry
from handlers.check_form import build, with_used
from handlers.replies import ReplyAddress, open_modal, reply, respond, run, show, show_fault
from handlers.requests import id_of, user_of

log = structlog.get_logger(__name__)

_SLACKBOT = "USLACKBOT"


async def mentioned(ack: AsyncAck, event: dict[str, Any], body: dict[str, Any], bot: Bot) -> None:
    """`@kyc …` in a channel: offers the form, which takes no number from there. Stored first, acknowledged second."""
    if _is_by_a_person(event, body):
        await _take(bot, event, body)
    await ack()


async def direct(ack: AsyncAck, event: dict[str, Any], body: dict[str, Any], bot: Bot) -> None:
    """A message in the conversation with the bot, read in full: nobody else can see it."""
    if event.get("channel_type") == "im" and _is_by_a_person(event, body):
        await _take(bot, event, body)
    await ack()


async def _take(bot: Bot, event: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    incoming = of_message(event, channel=str(event["channel"]), team=str(body.get("team_id") or ""))
    item = InboxItem(
        # An edit that mentions the bot is another event about the same message.
        id=id_of(body) or f"message:{incoming.channel}:{incoming.ts}",
        kind=InboxKind.MESSAGE,
        channel=incoming.channel,
        ts=incoming.ts,
        thread_ts=incoming.thread_ts,
        user=incoming.user,
        team=incoming.team,
        asked_at=bot.now(),
    )
    await bot.inbox.take(item, RequestContext(incoming=incoming))


async def shortcut(ack: AsyncAck, shortcut: dict[str, Any], bot: Bot) -> None:
    """*Run Biometric KYC* on a message: the form with its photos; the results go to its thread."""
    await ack()
    team = str((shortcut.get("team") or {}).get("id") or "")
    said = of_message(shortcut["message"], channel=shortcut["channel"]["id"], team=team)
    # For a second at most: the trigger of the form lives three.
    incoming = await bot.messages.with_files(said)
    if applicants_in(incoming.files):
        # Whoever wrote it, the file is now requested by the person who used the shortcut.
        address, requested = ReplyAddress.of(shortcut), replace(incoming, user=user_of(shortcut))

        async def answer_file(retry: Retry) -> None:
            await respond(bot, retry, address, await bot.answers.build_for_file(requested))

        run(bot, address, answer_file)
        return
    # The id of a conversation between two people looks like one with the bot, and only the latter can be read.
    reply(bot, shortcut, await _open_form(bot, shortcut, incoming, for_author=incoming.is_direct))


async def open_form(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """The button below an answer: the form with what the message says."""
    await ack()
    pointed = MessagePointer.load(action["value"])
    if pointed is None:
        reply(bot, body, private.answer(private.OLD_BUTTON))
        return
    user, team = body["user"]["id"], str(body["user"].get("team_id") or "")
    incoming = IncomingMessage(
        channel=pointed.channel, ts=pointed.ts, thread_ts=pointed.thread_ts, user=user, team=team, text=""
    )
    reply(bot, body, await _open_form(bot, body, incoming, for_author=True))


async def send(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Consent confirmed: stored before it is acknowledged, then sent, if the message still says what was shown."""
    pointed = MessagePointer.load(action["value"])
    if pointed is None:
        await ack()
        reply(bot, body, private.answer(private.OLD_BUTTON))
        return
    item = InboxItem(
        id=id_of(body) or f"click:{ReplyAddress.of(body).request_id}",
        kind=InboxKind.CONFIRMATION,
        channel=pointed.channel,
        ts=pointed.ts,
        thread_ts=pointed.thread_ts,
        user=body["user"]["id"],
        team=str(body["user"].get("team_id") or ""),
        fingerprint=pointed.fingerprint,
        again=pointed.again,
        asked_at=bot.now(),
    )
    await bot.inbox.take(item, RequestContext(response_url=body.get("response_url")))
    await ack()


def _is_by_a_person(event: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Apps, workflows, Slack and the bot itself get no answer: two bots that answer each other never end."""
    ours = {known.get("user_id") for known in body.get("authorizations") or () if known.get("is_bot")}
    by_an_app = event.get("bot_id") or event.get("bot_profile") or event.get("hidden")
    if by_an_app or event.get("subtype") not in WRITTEN_BY_PEOPLE:
        return False
    return bool(event.get("user")) and event["user"] not in ours | {_SLACKBOT}


async def _open_form(
    bot: Bot, body: Mapping[str, Any], incoming: IncomingMessage, *, for_author: bool = False
) -> Message | None:
    """Open a form and fill it in the background; a message for the person where it stays closed.

    `for_author`: the form is for the author of the message alone, and Slack is asked for the message.
    """
    await bot.intake.require_asking(body["user"]["id"], incoming.channel)
    view = await open_modal(bot, body["trigger_id"], message.one_moment())
    if view is None:
        return private.answer(private.EXPIRED)
    address, author = ReplyAddress.of(body), body["user"]["id"] if for_author else None
    run(bot, address, lambda retry: _fill(bot, retry, view, incoming, user=address.user, author=author))
    return None


async def _fill(
    bot: Bot, retry: Retry, view: Mapping[str, Any], incoming: IncomingMessage, *, user: str, author: str | None
) -> None:
    try:
        await show(bot, retry, view, await _form_or_reason(bot, retry, incoming, user=user, author=author))
        if author is None and incoming.user not in ("", user) and gives_number_away(incoming):
            await _warn_author(bot, retry, incoming)
    except Exception as fault:
        if isinstance(fault, SlackError) and not isinstance(fault, SlackRefused):
            raise
        # Ours: *one moment* must not stay for ever.
        await show_fault(bot, retry, view, fault)


async def _form_or_reason(
    bot: Bot, retry: Retry, incoming: IncomingMessage, *, user: str, author: str | None
) -> Mapping[str, Any]:
    """`author`: the message is read from Slack, and shown to this author alone."""
    # Before anybody fills in what could not be sent.
    fault = await bot.intake.place_fault(incoming.channel, user, fresh_for=PLACE_FRESH_FOR)
    if fault is not None:
        return private.closed_form(refusals.plain_sentence(fault))
    found: IncomingMessage | None = incoming
    try:
        if author is not None:
            found = await bot.messages.find(incoming, retry)
        if found is None:
            if incoming.is_direct:
                return private.closed_form(message.GONE)
            # Its author has deleted it, as the answer asks; its thread may still exist.
            place = ResultPlace(channel=incoming.channel, thread_ts=incoming.thread_ts)
            gone = CheckForm(place=place, warning=message.GONE_FROM_CHANNEL)
            return build(bot, with_used(gone, await bot.intake.used_types(user)))
        if author is not None and found.user != author:
            return private.closed_form(message.NOT_YOURS)
        warning = None
        # To the author, the answer with this button has already said how to delete the message.
        if author is None and gives_number_away(found):
            warning = message.NUMBER_IN_CHANNEL if found.user == user else message.NUMBER_OF_ANOTHER
        reading = await bot.messages.read(found, retry)
        return _form(bot, reading, await bot.intake.used_types(user), warning=warning)
    except SlackError as unread:
        log.warning("messages.not_read", error=str(unread))
        return private.closed_form(message.NOT_READ)


async def _warn_author(bot: Bot, retry: Retry, incoming: IncomingMessage) -> None:
    """After the shortcut on another's message: asks its author, who alone can delete it, to do so."""
    if not incoming.user:
        # An app wrote it, which reads no answers.
        return
    warning = PrivateAnswer(message=private.answer(message.NUMBER_IN_CHANNEL))
    if not await bot.answer_delivery.send_ephemeral(warning, incoming, retry):
        user, channel = incoming.user, incoming.channel
        await bot.answer_delivery.send_directly(user, f"number:{channel}:{incoming.ts}", warning, channel=channel)


def _form(bot: Bot, reading: MessageReading, used: UsedTypes, *, warning: str | None = None) -> kit.View:
    understood, incoming = reading.understood, reading.incoming
    is_open = incoming.is_direct and not reading.parsed.id_type
    place = ResultPlace(
        channel=incoming.channel, thread_ts=incoming.root_ts, message_ts=incoming.ts if is_open else None
    )
    left_out = message.left_out(reading.photos_left_out, thread_is_cut=reading.thread_is_cut)
    content = CheckForm(
        place=place,
        country=understood.country,
        id_type=understood.id_type,
        warning=" ".join(filter(None, (warning, left_out))) or None,
        attached=[_attached(photo) for photo in reading.photos],
        texts={**understood.texts, ids.CUSTOMER_REFERENCE: understood.customer_reference},
    )
    # What the text of a direct message means depends on the ID type: its author chooses it.
    is_unclear = is_open and not understood.is_empty
    return build(bot, with_used(content, replace(used, chosen=None) if is_unclear else used))


def _attached(photo: ProposedPhoto) -> AttachedPhoto:
    fault = refusals.plain_sentence(photo.fault) if photo.fault else None
    return AttachedPhoto(file_id=photo.file.id, name=photo.file.name, kind=photo.kind, fault=fault)
