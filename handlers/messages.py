"""Messages to the bot: mentions, direct messages, the message shortcut; answered to their author alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.app import Bot
from bot.batches import applicants_in
from bot.blocks import form, ids, message, private
from bot.blocks.form import Attached, Place
from bot.blocks.message import Pointer
from bot.blocks.thread import Said
from bot.domain.dropped import Dropped, Standing
from bot.errors import SlackError, SlackRefused
from bot.intake import PLACE_FRESH_FOR, Accepted, Filled, Seen
from bot.messages import Understanding, of_message
from handlers import batches
from handlers.form import fault_of_asking
from handlers.private import tell

log = structlog.get_logger(__name__)

_WRITTEN_BY_PEOPLE = frozenset({None, "file_share", "thread_broadcast", "me_message"})
"""Subtypes of messages that somebody wrote to the bot; edits, deletions and those of apps are something else."""
_SLACKBOT = "USLACKBOT"
_CANNOT_WHISPER = frozenset(
    {"channel_not_found", "not_in_channel", "user_not_in_channel", "is_archived", "cannot_reply_to_message"}
)


async def mentioned(ack: AsyncAck, event: dict[str, Any], body: dict[str, Any], bot: Bot) -> None:
    """`@kyc …` in a channel, with or without photos."""
    await ack()
    if _is_by_a_person(event, body):
        bot.background.spawn(_answer(bot, _dropped(event, body)))


async def direct(ack: AsyncAck, event: dict[str, Any], body: dict[str, Any], bot: Bot) -> None:
    """The same in the conversation with the bot, where nobody need be mentioned."""
    await ack()
    if event.get("channel_type") == "im" and _is_by_a_person(event, body):
        bot.background.spawn(_answer(bot, _dropped(event, body)))


async def shortcut(ack: AsyncAck, shortcut: dict[str, Any], bot: Bot) -> None:
    """*Run Biometric KYC* on a message: the form with its photos; the results go to its thread."""
    await ack()
    team = str((shortcut.get("team") or {}).get("id") or "")
    dropped = of_message(shortcut["message"], channel=shortcut["channel"]["id"], team=team)
    if applicants_in(dropped.files):
        bot.background.spawn(_take(bot, shortcut, replace(dropped, user=shortcut["user"]["id"])))
        return
    said = await _open_form(bot, shortcut, dropped)
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
        bot.background.spawn(_send(bot, body, pointed))


async def _take(bot: Bot, body: Mapping[str, Any], dropped: Dropped) -> None:
    """A message with a table or a zip, whoever wrote it: the file is asked for by whoever used the shortcut."""
    fault = await fault_of_asking(bot, dropped.user, dropped.channel)
    tell(bot, body, private.says(fault) if fault is not None else await batches.dropped(bot, dropped))


def _is_by_a_person(event: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Apps, workflows and Slack itself are never answered, and least of all the bot's own words: two bots that answer
    each other never end.
    """
    ours = {known.get("user_id") for known in body.get("authorizations") or () if known.get("is_bot")}
    by_an_app = event.get("bot_id") or event.get("bot_profile") or event.get("hidden")
    if by_an_app or event.get("subtype") not in _WRITTEN_BY_PEOPLE:
        return False
    return bool(event.get("user")) and event["user"] not in ours | {_SLACKBOT}


def _dropped(event: Mapping[str, Any], body: Mapping[str, Any]) -> Dropped:
    return of_message(event, channel=str(event["channel"]), team=str(body.get("team_id") or ""))


async def _answer(bot: Bot, dropped: Dropped) -> None:
    if dropped.user == await bot.slack.me():
        # Slack's event did not say who we are.
        return
    fault = await fault_of_asking(bot, dropped.user, dropped.channel) or await _fault_of_place(
        bot, dropped.user, dropped.channel
    )
    if fault is not None:
        await _whisper(bot, dropped, private.says(fault))
        return
    if applicants_in(dropped.files):
        await _whisper(bot, dropped, await batches.dropped(bot, dropped))
        return
    understanding = await bot.messages.read(dropped)
    if understanding.says_nothing:
        await _whisper(bot, dropped, private.says(message.HELP))
    else:
        await _whisper(bot, dropped, await _shown(bot, understanding))


async def _shown(bot: Bot, understanding: Understanding, *, above: str = "") -> Said:
    entry = understanding.parsed.id_type
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
        left_out=understanding.photos_left_out,
    )


async def _send(bot: Bot, body: Mapping[str, Any], pointed: Pointer) -> None:
    user, channel, ts = body["user"], pointed.channel, pointed.ts
    try:
        dropped = await bot.messages.find(
            channel=channel, ts=ts, thread_ts=pointed.thread_ts, team=str(user.get("team_id") or "")
        )
    except SlackError as fault:
        log.warning("messages.not_read", error=str(fault))
        tell(bot, body, private.says(message.NOT_READ))
        return
    if dropped is None:
        tell(bot, body, private.says(message.GONE), in_place=True)
        return
    if dropped.user != user["id"]:
        tell(bot, body, private.says(message.NOT_YOURS))
        return
    understanding = await bot.messages.read(dropped)
    if not understanding.is_whole or await bot.messages.fingerprint(understanding) != pointed.fingerprint:
        tell(bot, body, await _shown(bot, understanding, above=message.CHANGED), in_place=True)
        return
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
        tell(bot, body, private.says(f"{words.format(ref=outcome.ref)} {message.HINT}"), in_place=True)
    elif isinstance(outcome, Seen):
        tell(bot, body, message.seen(pointed, outcome.words), in_place=True)
    else:
        tell(bot, body, private.says(private.plainly(outcome.by_field.values())))


async def _open_form(bot: Bot, body: Mapping[str, Any], dropped: Dropped, *, for_author: bool = False) -> Said | None:
    """Open at once, since a trigger lives 3 s, and fill in behind it; words for the person if it must stay closed.

    `for_author`: the form is for whoever wrote the message alone, and the message is read anew.
    """
    fault = await fault_of_asking(bot, body["user"]["id"], dropped.channel)
    if fault is not None:
        return private.says(fault)
    try:
        view = await bot.slack.open_view(trigger_id=body["trigger_id"], view=message.one_moment())
    except SlackError as closed:
        log.warning("form.not_opened", error=str(closed))
        return private.says(private.EXPIRED)
    bot.background.spawn(_fill(bot, view, dropped, user=body["user"]["id"], for_author=for_author))
    return None


async def _fault_of_place(bot: Bot, user: str, channel: str) -> str | None:
    """Told before anybody fills in what could not be sent."""
    return await bot.intake.place_fault(channel, user, fresh_for=PLACE_FRESH_FOR)


async def _fill(bot: Bot, view: Mapping[str, Any], dropped: Dropped, *, user: str, for_author: bool) -> None:
    try:
        found: Dropped | None = dropped
        fault = await _fault_of_place(bot, user, dropped.channel)
        if fault is None and for_author:
            found = await bot.messages.find(
                channel=dropped.channel, ts=dropped.ts, thread_ts=dropped.thread_ts, team=dropped.team
            )
        if fault is not None:
            shown = private.closed(fault)
        elif found is None:
            shown = private.closed(message.GONE)
        elif for_author and found.user != user:
            shown = private.closed(message.NOT_YOURS)
        else:
            shown = _form(bot, await bot.messages.read(found))
    except SlackError as fault:
        log.warning("messages.not_read", error=str(fault))
        shown = private.closed(message.NOT_READ)
    try:
        await bot.slack.update_view(view_id=view["id"], view=shown)
    except SlackError as closed:
        log.info("form.closed_meanwhile", error=str(closed))


def _form(bot: Bot, understanding: Understanding) -> form.View:
    understood, dropped = understanding.understood, understanding.dropped
    left_out = understanding.photos_left_out
    return form.build(
        bot.id_types,
        place=Place(channel=dropped.channel, thread_ts=dropped.root_ts),
        country=understood.country,
        id_type=understood.id_type,
        warning=f"The thread holds {left_out} older photos that are not offered here." if left_out else None,
        attached=[_attached(photo) for photo in understanding.photos],
        texts={**understood.texts, ids.CUSTOMER_REFERENCE: understood.customer_reference},
    )


def _attached(photo: Standing) -> Attached:
    return Attached(file_id=photo.file.id, name=photo.file.name, kind=photo.kind, fault=photo.fault)


async def _whisper(bot: Bot, dropped: Dropped, said: Said) -> None:
    """To the author alone: in the thread, or directly where that cannot be."""
    if dropped.channel.startswith("D"):
        await bot.slack.post(
            channel=dropped.channel,
            text=said.text,
            blocks=said.blocks,
            thread_ts=dropped.root_ts,
            post_id=f"answer:{dropped.ts}",
        )
        return
    try:
        await bot.slack.whisper(
            channel=dropped.channel,
            user=dropped.user,
            text=said.text,
            blocks=said.blocks,
            thread_ts=dropped.thread_ts,
        )
    except SlackRefused as no:
        if no.code not in _CANNOT_WHISPER:
            raise
        channel = await bot.slack.direct_channel(dropped.user)
        await bot.slack.post(channel=channel, text=said.text, blocks=said.blocks, post_id="private")
