"""Files of applicants: the buttons of a batch's message, and the template."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot.domain.applicants import template_csv
from bot.errors import SlackError
from bot.runtime.bot import Bot
from bot.slack.blocks import batch as words
from bot.slack.blocks import ids, private
from handlers.replies import reply

log = structlog.get_logger(__name__)


async def decided(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """Send, with repeats, hidden rows or by link, pause, resume, cancel, approve, reject; the outbox updates it all."""
    await ack()
    user, batch_id = body["user"]["id"], str(action["value"])
    acts: dict[str, Callable[[], Awaitable[None]]] = {
        ids.BATCH_CONFIRM: lambda: bot.batches.confirm(user, batch_id),
        ids.BATCH_CONFIRM_ALL: lambda: bot.batches.confirm(user, batch_id, with_repeats=True),
        ids.BATCH_CONFIRM_HIDDEN: lambda: bot.batches.confirm(user, batch_id, with_hidden=True),
        ids.BATCH_CONFIRM_HIDDEN_ALL: lambda: bot.batches.confirm(user, batch_id, with_repeats=True, with_hidden=True),
        ids.BATCH_CONFIRM_LINK: lambda: bot.batches.confirm(user, batch_id, by_link=True),
        ids.BATCH_CONFIRM_LINK_ALL: lambda: bot.batches.confirm(user, batch_id, with_repeats=True, by_link=True),
        ids.BATCH_NEW_LINKS: lambda: bot.link_actions.renew_file(user, batch_id),
        ids.BATCH_PAUSE: lambda: bot.batches.pause(user, batch_id),
        ids.BATCH_RESUME: lambda: bot.batches.resume(user, batch_id),
        ids.BATCH_APPROVE: lambda: bot.batches.approve(user, batch_id),
        ids.BATCH_REJECT: lambda: bot.batches.reject(user, batch_id),
        ids.BATCH_CANCEL: lambda: bot.batches.cancel(user, batch_id),
    }
    if action["action_id"].startswith(ids.BATCH_CONFIRM):
        await bot.intake.require_requester(user)
        await bot.causes.require_smile_id()
    await acts[action["action_id"]]()


async def template(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    """The template as a file in the person's direct messages."""
    await ack()
    await bot.intake.require_requester(body["user"]["id"])
    bot.background.spawn(_send_template(bot, body))


async def _send_template(bot: Bot, body: dict[str, Any]) -> None:
    try:
        channel = await bot.slack.direct_channel(body["user"]["id"])
        await bot.slack.upload(
            channel=channel,
            thread_ts=None,
            name="applicants-template.csv",
            data=template_csv(),
            comment=words.TEMPLATE_COMMENT,
        )
    except SlackError as fault:
        log.warning("template.not_sent", error=str(fault))
        reply(bot, body, private.answer(private.EXPIRED_TEMPLATE))
        return
    reply(bot, body, private.answer(words.TEMPLATE_SENT))
