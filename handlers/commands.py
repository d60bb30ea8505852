"""`/kyc` and its words; every word gets an answer, seen by that person alone."""

from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.outbox import Message
from bot.runtime.factory import Bot
from bot.slack.blocks import private
from handlers import exports, rerun, review, search, summary
from handlers.check_form import open_form


async def kyc(ack: AsyncAck, command: dict[str, Any], bot: Bot) -> None:
    word, _, rest = " ".join(str(command.get("text") or "").split()).partition(" ")
    user = command["user_id"]
    match word.casefold():
        case "" | "check":
            said = await open_form(bot, trigger_id=command["trigger_id"], user=user, channel=command.get("channel_id"))
            await (answer(ack, said) if said else ack())
        case "status":
            await answer(ack, await bot.details.status(user, rest))
        case "list":
            await answer(ack, await search.listing(bot, user, rest))
        case "find":
            said = await search.open_form(bot, trigger_id=command["trigger_id"], user=user, typed=rest)
            await (answer(ack, said) if said else ack())
        case "rerun":
            said = await rerun.open_form(bot, trigger_id=command["trigger_id"], user=user, ref=rest)
            await (answer(ack, said) if said else ack())
        case "cancel":
            await answer(ack, await rerun.cancelled(bot, user, rest))
        case "review":
            await answer(ack, await review.card(bot, user, rest))
        case "notify":
            said = await review.notify(bot, trigger_id=command["trigger_id"], user=user)
            await (answer(ack, said) if said else ack())
        case "summary":
            await answer(ack, await summary.asked(bot, command, rest))
        case "export":
            await answer(ack, await exports.asked(bot, user, rest))
        case "help":
            await answer(ack, private.help_text())
        case _:
            await answer(ack, private.help_text(word))


async def answer(ack: AsyncAck, said: Message) -> None:
    """Privately, in the answer to the command itself."""
    await ack(text=said.text, blocks=said.blocks, response_type="ephemeral")
