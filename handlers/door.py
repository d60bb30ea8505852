"""In front of every listener: what another workspace or app sends ends here, and what somebody without a role does.

Listeners ask again for the role that they need. This keeps a new one from opening anything to outsiders by mistake.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt import BoltResponse

from bot.access import Role, Verdict
from bot.app import Bot
from bot.blocks import private
from bot.domain.installation import origin_of
from bot.errors import SlackError
from handlers.private import tell

log = structlog.get_logger(__name__)

_ACTS = frozenset({"shortcut", "message_action", "block_actions", "view_submission", "block_suggestion"})
"""What a person does; so is a command, which has no type. A view that is closed asks for nothing, and listeners of
events answer to the author of a message alone, if it has one."""


async def refuse_foreign(bot: Bot, body: Mapping[str, Any]) -> BoltResponse | None:
    """The answer to a request that another workspace, organization or app sent; None for one of ours.

    Costs no look-up and no write: nothing of it is for this bot. Whoever acted is told where Slack waits for an answer
    or gave an address for one; events are taken and dropped.
    """
    part = bot.workspace.foreign_part(origin_of(body))
    if part is None:
        return None
    bot.metrics.foreign(part)
    log.warning("slack.foreign", kind=_kind(body), error=part.value)
    if _kind(body) in ("shortcut", "message_action", "block_actions") and (url := body.get("response_url")):
        bot.background.spawn(_respond(bot, str(url)))
    return _answer(body, private.FOREIGN, private.FOREIGN) if _is_act(body) else BoltResponse(status=200, body="")


async def refuse_without_role(bot: Bot, body: Mapping[str, Any]) -> BoltResponse | None:
    """The answer to somebody who has no role here, or of whom Slack does not say so in time; else None."""
    if not _is_act(body):
        return None
    match await bot.access.has(_user(body), *Role):
        case Verdict.YES:
            return None
        case Verdict.UNKNOWN:
            words = plain = private.NOT_SURE
        case Verdict.NO:
            words, plain = private.no_access(bot.access.people(Role.ADMIN)), private.no_access([])
    if _kind(body) in ("shortcut", "message_action", "block_actions"):
        tell(bot, body, private.says(words))
    return _answer(body, words, plain)


def _answer(body: Mapping[str, Any], words: str, plain: str) -> BoltResponse:
    """What Slack shows at once to whoever acted; `plain` in a form, which shows no mentions. A click shows nothing."""
    match _kind(body):
        case "command":
            return BoltResponse(status=200, body={"response_type": "ephemeral", "text": words})
        case "view_submission":
            field = next((block["block_id"] for block in body["view"]["blocks"] if block["type"] == "input"), None)
            if field is None:
                return BoltResponse(status=200, body={"response_action": "update", "view": private.closed(plain)})
            # The form stays as it was filled in: the next try may be let in.
            return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: plain}})
        case "block_suggestion":
            return BoltResponse(status=200, body={"options": []})
        case _:
            return BoltResponse(status=200, body="")


def _kind(body: Mapping[str, Any]) -> str:
    return str(body.get("type") or ("command" if body.get("command") else "other"))


def _is_act(body: Mapping[str, Any]) -> bool:
    return _kind(body) == "command" or _kind(body) in _ACTS


def _user(body: Mapping[str, Any]) -> str:
    return str(body.get("user_id") or (body.get("user") or {}).get("id") or "")


async def _respond(bot: Bot, url: str) -> None:
    try:
        said = private.says(private.FOREIGN)
        await bot.slack.respond(url, text=said.text, blocks=said.blocks)
    except SlackError as closed:
        log.info("slack.foreign_not_told", error=str(closed))
