"""The modal after a decision: what was done, and the next check that its reader may decide, with its buttons.

It shows what the card shows and nothing else.
"""

import json
from collections.abc import Sequence

from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDType
from bot.domain.results.codes import ResultMeaning
from bot.domain.review.review import Decision, Review
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.kit import View
from bot.slack.blocks.review import facts
from bot.slack.blocks.review_actions import next_buttons
from bot.slack.blocks.review_forms import Way

AGREED = "*You agreed* · {ref}. The decision is posted in the request's thread."
DISAGREED = "*You disagreed* · {ref}. The reviewer who proposed it can read why below the card."
TAKEN_BACK = "*Taken back* · {ref}. It is still yours to decide."
SKIPPED = "*Skipped* · {ref}. It still waits on its card."


def decided(decision: Decision, ref: str, *, stands: bool) -> str:
    """What a submitted form has done."""
    if stands:
        return f"*{words.DECIDED[decision]}* · {ref}. Your decision is posted in the request's thread."
    return (
        f"*Proposed: {words.DECIDED[decision]}* · {ref}. This decision takes two people: "
        "it counts when a second reviewer agrees."
    )


def next_check(
    check: Check,
    entry: IDType | None,
    review: Review,
    *,
    told: str,
    title: str,
    link: str | None,
    reading: ResultMeaning | None,
    requests: Sequence[str] = (),
    viewer: str,
    skipped: Sequence[str],
) -> View:
    blocks = [
        *([kit.section(told), kit.divider()] if told else []),
        *facts(check, entry, review, title=title, link=link, reading=reading, requests=requests).blocks,
        kit.actions(*next_buttons(check, review, viewer=viewer)),
    ]
    metadata = json.dumps(Way(skipped=tuple(skipped), follows=True).dump())
    return kit.modal(f"Next: {check.ref}", blocks, callback_id=ids.NEXT_VIEW, close="Close", metadata=metadata)


def nothing_left(told: str, *, skipped: int = 0) -> View:
    """No check is left for this person: everything is decided, claimed by others, or their own request."""
    rest = "*No other check waits for you.*"
    if skipped:
        rest += f" You skipped {skipped}; each still waits on its card."
    blocks = [*([kit.section(told), kit.divider()] if told else []), kit.section(rest)]
    return kit.modal("Next check", blocks, callback_id=ids.NEXT_VIEW, close="Close", metadata="{}")
