"""*Message for the customer*: ready texts to copy. The bot itself never writes to a customer."""

from collections.abc import Sequence

from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.results.customer_texts import MOST_CHARACTERS, CustomerText
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import ReviewState
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.status import status_name, what_differs

_TITLE = "For the customer"
_COPY = "Copy a text and send it yourself. Nothing you do here is sent to the customer."


def form(check: Check, texts: Sequence[CustomerText]) -> View:
    """A text in each language, in fields: on a phone, what stands outside a field cannot be copied."""
    about = kit.section(f"*{status_name(check)}* · {check.ref}")
    if not texts:
        wait = "There is nothing to tell the customer yet. Wait for the final result or the reviewer's decision."
        return kit.modal(_TITLE, [about, kit.plain_section(wait)], close="Close")
    blocks = [about, *_cautions(check), kit.plain_section(_COPY), *map(_field, texts)]
    return kit.modal(_TITLE, blocks, callback_id=ids.CUSTOMER_FORM, submit="Done", close="Close", metadata=check.ref)


def _cautions(check: Check) -> list[Block]:
    if check.review is ReviewState.OPEN:
        return [kit.plain_section("A reviewer is looking at this check: the answer may still change.")]
    if check.state is State.APPROVED and check.record.outcome is RecordMatch.DIFFERS and check.decision is None:
        return [kit.plain_section(f"The {what_differs(check)} from the authority's record: compare before you write.")]
    return []


def _field(text: CustomerText) -> Block:
    unread = "" if text.is_read else "Draft: have a speaker of this language read it before you use it."
    element = kit.text_input(MOST_CHARACTERS, value=text.text, multiline=True)
    return kit.input_field(
        f"{ids.CUSTOMER_TEXT}{text.language}", text.language_name, element, hint=unread, optional=True
    )
