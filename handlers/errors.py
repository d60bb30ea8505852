"""The one error hook of Bolt: what a person reads when a listener refuses what they asked for, or fails.

A listener lets `Refused` pass unless its answer differs from the plain one: an answer to a command, words beside a
field of a form, and after a click a message that this person alone sees.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncBoltContext

from bot.domain.outbox import Message
from bot.errors import Refusal, Refused
from bot.slack.blocks import ids, private, refusals
from handlers.replies import new_fault_code, reply
from handlers.requests import is_for_inbox, kind_of

log = structlog.get_logger(__name__)

_CLICKS = frozenset({"block_actions", "shortcut", "message_action"})

FIELDS: Mapping[Refusal, str] = {
    Refusal.FOUR_EYES: ids.OVERRIDE,
    Refusal.RERUN_TOO_FAR_AHEAD: ids.NOT_BEFORE,
    **dict.fromkeys((Refusal.NO_CHANNEL, Refusal.NOT_IN_THIS_CHANNEL, Refusal.SHARED_CHANNEL), ids.CHANNEL),
    **dict.fromkeys((Refusal.CANNOT_POST, Refusal.NOT_SURE, Refusal.NO_RIGHT), ids.CHANNEL),
    **dict.fromkeys((Refusal.NO_DETAILS, Refusal.RERUN_MOVED_ON), ids.CHANNEL),
}
"""Where a form says it, if it has that field; everything else stands beside its first."""


async def failed(error: Exception, body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
    """Bolt's hook, for listeners and for what stands in front of them. A fault of ours has a code, which is logged."""
    kind = kind_of(body)
    if isinstance(error, Refused):
        log.info("listener.refused", code=error.code.value, kind=kind)
        said, plain, field = refusals.refusal_message(error), refusals.plain_sentence(error), FIELDS.get(error.code)
    else:
        code = new_fault_code()
        log.error("listener.failed", code=code, kind=kind, exc_info=error)
        words = private.FAULT_OF_A_CLICK if kind in _CLICKS else private.FAULT
        plain, field = words.format(code=code), None
        said = private.answer(plain)
    if kind in _CLICKS:
        reply(context["bot"], body, said)
    if context.ack.response is not None:
        return context.ack.response
    if kind == "event_callback" and is_for_inbox(body):
        # Not stored, so not acknowledged: Slack brings it again, and nobody's question is lost. In Socket Mode, Bolt
        # leaves out the ack of whatever is no 200.
        return BoltResponse(status=500, body="")
    return at_once(body, said, plain=plain, field=field)


def at_once(body: Mapping[str, Any], said: Message, *, plain: str, field: str | None = None) -> BoltResponse:
    """What Slack shows at once to whoever acted; `plain` in a form, which shows no mentions. A click shows nothing."""
    match kind_of(body):
        case "command":
            answer: Any = {"response_type": "ephemeral", "text": said.text, "blocks": said.blocks}
        case "view_submission":
            inputs = [block["block_id"] for block in body["view"]["blocks"] if block["type"] == "input"]
            if inputs:
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
