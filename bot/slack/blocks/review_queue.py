"""What waits for a reviewer, as the answer to `/kyc list review`: each check with its own buttons."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.outbox import Message
from bot.domain.review.review import Review
from bot.slack.blocks import find, ids, kit, review_actions
from bot.slack.blocks.find import CheckRow
from bot.slack.blocks.kit import Block
from bot.slack.blocks.standing import standing
from bot.slack.blocks.status import subject
from bot.slack.blocks.text import link_to, person, spoken, when

NOTHING = "Nothing is waiting for you to review."


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCheck:
    row: CheckRow
    review: Review


def listing(waiting: Sequence[WaitingCheck], *, viewer: str, more: int, shown: str, offers: Sequence[str]) -> Message:
    """In the order in which `viewer` may take them; `more` wait that are not shown."""
    menu = kit.actions(find.filter_menu(offers, shown))
    if not waiting:
        return Message(text=NOTHING, blocks=[kit.section(NOTHING), menu])
    head = f"Waiting for review: {len(waiting) + more}"
    blocks: list[Block] = [kit.section(f"*{head}*")]
    lines = []
    for one in waiting:
        lines.append(_line(one))
        blocks.append(kit.section(lines[-1]))
        row = kit.actions(*review_actions.buttons(one.row.check, one.review, viewer=viewer))
        # The click tells of no message that one person alone sees: this says what is to be replaced.
        blocks.append(kit.named(f"{ids.QUEUE_ROW}{one.row.check.ref}", row))
    if more:
        blocks.append(kit.small(f"and {more} more, which come up as these are done"))
    return Message(text=spoken("\n".join([head, *lines])), blocks=[*blocks, menu])


def _line(one: WaitingCheck) -> str:
    """Verdict and why, which check, what comes next, since when."""
    check, now = one.row.check, standing(one.row.check, one.review)
    return (
        f"{now.headline} · {link_to(check.ref, one.row.link)}\n{now.next_step}\n"
        f"{subject(check, one.row.entry)} · asked by {person(check.requester)} · "
        f"waiting since {when(one.review.opened_at)}"
    )
