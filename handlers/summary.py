"""`/kyc summary` and the button that shares its answer."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.outbox import CheckLinks, Message
from bot.errors import Refused
from bot.reporting.summaries import SummaryAnswer
from bot.runtime.bot import Bot
from bot.slack.blocks import private, refusals, summary
from bot.slack.blocks.summary import SummaryContext
from bot.slack.blocks.summary_numbers import DisplayNames
from bot.slack.blocks.text import linked, person
from handlers.replies import reply
from handlers.requests import door_of, user_of


async def asked(bot: Bot, command: Mapping[str, Any], typed: str) -> Message:
    """The answer to the command, or that it follows: a year of many checks takes longer to add up than Slack waits."""
    answer = asyncio.ensure_future(_answer(bot, command["user_id"], typed))
    done, _late = await asyncio.wait({answer}, timeout=bot.timeouts.sum_up_seconds)
    if done:
        return answer.result()
    bot.background.spawn(_follow(bot, command, answer))
    return private.answer(summary.SOON)


async def _answer(bot: Bot, user: str, typed: str) -> Message:
    found = await bot.summary.answer(user, typed)
    return summary.with_button(_figures(bot, found), value=dict(found.button), with_chart=bot.summary.with_charts)


def _figures(bot: Bot, answer: SummaryAnswer) -> Message:
    # Seen by one person alone, a mention calls nobody.
    names = DisplayNames(
        subject=bot.id_types.subject,
        country=bot.id_types.country_name,
        person=person,
        check=lambda ref: linked(ref, answer.links.get(ref, CheckLinks())),
    )
    return summary.whole(answer.report, names, SummaryContext(today=answer.today, zone=bot.settings.timezone))


async def _follow(bot: Bot, command: Mapping[str, Any], answer: asyncio.Future[Message]) -> None:
    """Sends the answer after the command's own; a refusal too, which Bolt's hook can no longer answer."""
    try:
        said = await answer
    except Refused as no:
        bot.refusals.note(user_of(command), no, door=door_of(command))
        said = refusals.refusal_message(no)
    reply(bot, command, said)


async def shared(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Posts the figures into the conversation of the answer, which loses its button."""
    await ack()
    channel, payload = body["channel"]["id"], json.loads(action["value"])
    await bot.summary.share(body["user"]["id"], channel, payload)
    bot.background.spawn(_without_button(bot, body, channel, payload))


async def _without_button(bot: Bot, body: Mapping[str, Any], channel: str, payload: Mapping[str, str]) -> None:
    """The private answer once it was shared: the same figures without the button."""
    figures = _figures(bot, await bot.summary.answer_again(payload))
    line = summary.shared(channel, with_chart=bot.summary.with_charts)
    reply(bot, body, summary.with_line(figures, line), in_place=True)
