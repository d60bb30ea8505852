"""What stands around every listener: who is turned away before it, and the one error hook behind it.

Each listener still requires the role that it needs; the check here keeps a new one from letting outsiders in.
A listener lets `Refused` pass unless its answer differs from the plain one: an answer to a command, words beside a
field of a form, and after a click a message that this person alone sees.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncBoltContext

from bot.access.permissions import Permission
from bot.access.rights import Right
from bot.domain.installation import origin_of
from bot.domain.outbox import Message
from bot.errors import DatabaseBusy, Refusal, Refused, SlackError
from bot.runtime.bot import Bot
from bot.slack.blocks import ids, private, refusals
from handlers import modals
from handlers.replies import new_fault_code, reply
from handlers.requests import CLICKS, about, door_of, is_for_inbox, kind_of, user_of

log = structlog.get_logger(__name__)

_ACTS = CLICKS | {"command", "view_submission", "block_suggestion"}
"""What a person does. A view that is closed asks for nothing, and listeners of events answer to the author of a message
alone, if it has one."""

FIELDS: Mapping[Refusal, str] = {
    Refusal.FOUR_EYES: ids.OVERRIDE,
    Refusal.RERUN_TOO_FAR_AHEAD: ids.NOT_BEFORE,
    Refusal.LINKS_OFF: ids.PHOTOS_BY,
    Refusal.NO_CHANNEL: ids.CHANNEL,
    Refusal.NOT_IN_THIS_CHANNEL: ids.CHANNEL,
    Refusal.SHARED_CHANNEL: ids.CHANNEL,
    Refusal.CANNOT_POST: ids.CHANNEL,
    Refusal.NOT_SURE: ids.CHANNEL,
    Refusal.SLACK_REFUSES_US: ids.CHANNEL,
    Refusal.WRONG_WORKSPACE: ids.CHANNEL,
    Refusal.SMILE_ID_REFUSES_US: ids.CHANNEL,
    Refusal.NO_RIGHT: ids.CHANNEL,
    Refusal.NO_DETAILS: ids.CHANNEL,
    Refusal.RERUN_MOVED_ON: ids.CHANNEL,
    **dict.fromkeys(
        (Refusal.EDIT_TOO_LATE, Refusal.EDIT_ENDED, Refusal.EDIT_NOT_YOURS, Refusal.EDITED_MEANWHILE), ids.CHANNEL
    ),
}
"""Where a form says it, if it has that field; everything else stands beside its first."""


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
    if kind_of(body) in CLICKS and (url := body.get("response_url")):
        bot.background.spawn(_respond(bot, str(url)))
    if kind_of(body) not in _ACTS:
        return BoltResponse(status=200, body="")
    return at_once(body, private.answer(private.FOREIGN), plain=private.FOREIGN)


async def require_role(bot: Bot, body: Mapping[str, Any]) -> None:
    """Raises Refused for an act of somebody who has no role here, or of whom Slack does not say so in time."""
    if kind_of(body) not in _ACTS:
        return
    permission = await bot.access.may(user_of(body), Right.ENTER)
    if permission is not Permission.YES:
        permission.require(bot.access.no_access())


async def _respond(bot: Bot, url: str) -> None:
    try:
        said = private.answer(private.FOREIGN)
        await bot.slack.respond(url, text=said.text, blocks=said.blocks)
    except SlackError as closed:
        log.info("slack.foreign_not_answered", error=str(closed))


async def failed(error: Exception, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
    """Bolt's hook, for listeners and for what stands in front of them. A fault of ours has a code, which is logged."""
    kind = kind_of(body)
    if isinstance(error, Refused):
        bot: Bot = context["bot"]
        no = bot.causes.true_cause(error)
        log.info("listener.refused", code=no.code.value, kind=kind)
        if context.get("has_role"):
            bot.refusals.note(user_of(body), no, door=door_of(body), about=about(body))
        else:
            bot.refusals.count_stranger(no)
        said, plain, field = refusals.refusal_message(no), refusals.plain_sentence(no), FIELDS.get(no.code)
        if has_lost := modals.sees_no_more(body, no):
            modals.take_away(bot, body, no)
    elif isinstance(error, DatabaseBusy):
        # No fault of anything: what they did is stored as soon as they do it again.
        log.warning("listener.busy", kind=kind)
        plain, field, has_lost = private.BUSY, None, False
        said = private.answer(plain)
    else:
        code = new_fault_code()
        log.error("listener.failed", code=code, kind=kind, exc_info=error)
        words = private.FAULT_OF_A_CLICK if kind in CLICKS else private.FAULT
        plain, field = words.format(code=code), None
        said, has_lost = private.answer(plain), False
    # Nothing opens for who has no role here: they hear it by a private message, wherever they clicked.
    if isinstance(error, Refused) and kind in CLICKS and context.get("has_role") and modals.shows_a_check(body):
        modals.say(bot, body, no)
    elif kind in CLICKS:
        reply(context["bot"], body, said)
    if context.ack.response is not None:
        return context.ack.response
    if kind == "event_callback" and (is_for_inbox(body) or isinstance(error, DatabaseBusy)):
        # Not stored, so not acknowledged: Slack brings it again, and nobody's question is lost. In Socket Mode, Bolt
        # leaves out the ack of whatever is no 200.
        return BoltResponse(status=500, body="")
    return at_once(body, said, plain=plain, field=field, keeps_form=not has_lost)


def at_once(
    body: Mapping[str, Any], said: Message, *, plain: str, field: str | None = None, keeps_form: bool = True
) -> BoltResponse:
    """What Slack shows at once to whoever acted; `plain` in a form, which shows no mentions. A click shows nothing."""
    match kind_of(body):
        case "command":
            answer: Any = {"response_type": "ephemeral", "text": said.text, "blocks": said.blocks}
        case "view_submission":
            inputs = [block["block_id"] for block in body["view"]["blocks"] if block["type"] == "input"]
            if inputs and keeps_form:
                # The form stays as it was filled in: the next try may do.
                beside = field if field in inputs else inputs[0]
                answer = {"response_action": "errors", "errors": {beside: plain}}
            else:
                answer = {"response_action": "update", "view": private.closed_form(plain)}
        case "block_suggestion":
            answer = {"options": []}
        case _:
            answer = ""
    return BoltResponse(status=200, body=answer)
