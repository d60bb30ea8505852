"""The Home tab: its filters and pages, and the forms that its buttons open."""

from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.domain.review.home_choices import HomeChoices
from bot.domain.review.queue import QueueFilter
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, private
from bot.slack.blocks.find import PageCursor
from handlers import review, search
from handlers.replies import open_modal, reply
from handlers.requests import user_of

_Change = Callable[[HomeChoices], HomeChoices]


async def chosen(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], bot: Bot) -> None:
    """A filter or another page: kept, and the tab is published with it. What it shows is decided when it is built."""
    change = _change(action)
    if change is None:
        await ack()
        reply(bot, body, private.answer(private.OLD_BUTTON))
        return
    await bot.home.choose(user_of(body), change)
    await ack()


def _change(action: Mapping[str, Any]) -> _Change | None:
    """None for a value that no tab of ours has."""
    value = str((action.get("selected_option") or {}).get("value") or action.get("value") or "")
    match str(action["action_id"]).partition(":")[0]:
        case ids.HOME_QUEUE if value in set(QueueFilter):
            return lambda choices: choices.with_queue(QueueFilter(value))
        case ids.HOME_COUNTRY if value:
            return lambda choices: choices.with_country("" if value == ids.EVERY_COUNTRY else value)
        case ids.HOME_PAGE if value.isdecimal() and len(value) < 6:
            return lambda choices: choices.with_page(int(value))
        case ids.HOME_OWN if value:
            return lambda choices: choices.with_own(PageCursor(shown=value).dump())
        case ids.HOME_OWN_PAGE if PageCursor.load(value) is not None:
            return lambda choices: choices.with_own(value)
        case _:
            return None


async def review_next(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    """The first check that waits for this person, with its buttons; each decision leads to the next."""
    await ack()
    if await open_modal(bot, body["trigger_id"], await bot.cards.first(user_of(body))) is None:
        reply(bot, body, private.answer(private.EXPIRED))


async def find(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    await ack()
    reply(bot, body, await search.open_form(bot, body, ""))


async def notify(ack: AsyncAck, body: dict[str, Any], bot: Bot) -> None:
    await ack()
    reply(bot, body, await review.open_notify_form(bot, body, ""))


LISTENERS = {
    ids.HOME_NEXT: review_next,
    ids.HOME_FIND: find,
    ids.HOME_NOTIFY: notify,
    f"({ids.HOME_QUEUE}|{ids.HOME_COUNTRY}|{ids.HOME_OWN})": chosen,
    f"({ids.HOME_PAGE}|{ids.HOME_OWN_PAGE}):.*": chosen,
}
"""By the pattern of their action ids."""
