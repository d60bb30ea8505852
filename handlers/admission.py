"""In front of every listener: rejects requests of other workspaces and apps, and of people without a role.

Each listener still requires the role that it needs. This keeps a new one from letting outsiders in by mistake.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt import BoltResponse

from bot.access.permissions import Role
from bot.domain.installation import origin_of
from bot.errors import SlackError
from bot.runtime.factory import Bot
from bot.slack.blocks import private
from handlers.errors import at_once
from handlers.requests import kind_of, user_of

log = structlog.get_logger(__name__)

_ACTS = frozenset({"shortcut", "message_action", "block_actions", "view_submission", "block_suggestion"})
"""What a person does; so is a command, which has no type. A view that is closed asks for nothing, and listeners of
events answer to the author of a message alone, if it has one."""


async def refuse_foreign(bot: Bot, body: Mapping[str, Any]) -> BoltResponse | None:
    """The answer to a request that another workspace, organization or app sent; None for one of ours.

    Costs no look-up and no write: nothing of it is for this bot. The person gets an answer where Slack waits for one
    or gave an address for it; events are acknowledged and dropped.
    """
    part = bot.workspace.foreign_part(origin_of(body))
    if part is None:
        return None
    bot.metrics.foreign(part)
    log.warning("slack.foreign", kind=kind_of(body), error=part.value)
    if kind_of(body) in ("shortcut", "message_action", "block_actions") and (url := body.get("response_url")):
        bot.background.spawn(_respond(bot, str(url)))
    if not _is_act(body):
        return BoltResponse(status=200, body="")
    return at_once(body, private.answer(private.FOREIGN), plain=private.FOREIGN)


async def require_role(bot: Bot, body: Mapping[str, Any]) -> None:
    """Raises Refused for an act of somebody who has no role here, or of whom Slack does not say so in time."""
    if not _is_act(body):
        return
    (await bot.access.has(user_of(body), *Role)).require(bot.access.no_access())


def _is_act(body: Mapping[str, Any]) -> bool:
    return kind_of(body) == "command" or kind_of(body) in _ACTS


async def _respond(bot: Bot, url: str) -> None:
    try:
        said = private.answer(private.FOREIGN)
        await bot.slack.respond(url, text=said.text, blocks=said.blocks)
    except SlackError as closed:
        log.info("slack.foreign_not_answered", error=str(closed))
