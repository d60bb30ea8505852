"""What a reviewer can press for one check: the row of a card, the row of the Details, and the menu behind ⋯.

A card is read by everybody in its channel: whether this person may is checked on the click. In the Details, which one
person sees, only what this person may do is offered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.domain.check.check import Check
from bot.domain.check.states import State
from bot.domain.review.review import Decision, Proposal, Review, ReviewState, may_be_claimed, may_be_decided
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.kit import Block, Style
from bot.slack.blocks.status import against

DECIDE: Mapping[Decision, str] = {
    Decision.APPROVED: "Approve",
    Decision.REJECTED: "Reject",
    Decision.NEW_PHOTOS: "Ask for new photos",
}
_STYLES: Mapping[Decision, Style] = {
    Decision.APPROVED: Style.PRIMARY,
    Decision.REJECTED: Style.DANGER,
    Decision.NEW_PHOTOS: Style.PLAIN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who has opened the Details, as far as it decides what they are offered."""

    user: str
    is_reviewer: bool
    """Or an admin."""
    is_admin: bool


def buttons(check: Check, review: Review | None, *, viewer: str | None = None, unanswered: bool = False) -> list[Block]:
    """The row of a card, or of the `viewer`'s own Home tab: there they can take back their own proposal, not agree.

    `unanswered`: Smile ID has given no result for a week.
    """
    details, end = kit.details_button(check.ref), [_end(check)] if unanswered else []
    if review is None or review.state is not ReviewState.OPEN:
        return [details] if check.erased_at is not None else [*end, details, _reopen(check), _note(check)]
    if review.proposal is not None:
        return [*_judge(check, review.proposal, viewer=viewer), details, _note(check)]
    if check.state is State.CANCELLED:
        return [_close(check), details, _menu(check, review)]
    if not may_be_decided(check.state):
        first = [] if review.claimed_by else [_claim(check, Style.PRIMARY)]
        return [*first, *end, details, _menu(check, review)]
    return [*_decide(check), details, _menu(check, review)]


def in_details(check: Check, review: Review | None, reader: Reader, *, unanswered: bool = False) -> list[Block]:
    """The elements of the row in the Details: everything that this person may do now, nothing behind a menu.

    `unanswered` as for a card.
    """
    if not reader.is_reviewer:
        return []
    if check.erased_at is not None and (review is None or review.state is not ReviewState.OPEN):
        return []
    note = _note(check)
    if reader.user in check.requesters and not reader.is_admin:
        return [note]
    end = [_end(check)] if unanswered else []
    if review is None or review.state is not ReviewState.OPEN:
        return [*end, _reopen(check), note] if may_be_claimed(check.state) else [note]
    if review.proposal is not None:
        mine = review.proposal.by == reader.user
        judges = mine or reader.user not in check.requesters
        return [*(_judge(check, review.proposal, viewer=reader.user) if judges else ()), note]
    if review.claimed_by not in (None, reader.user):
        end = []
    return [*end, *_for_claimer(check, review, reader), note]


def in_photos(check: Check, review: Review | None, reader: Reader) -> list[Block]:
    """The elements of the row below the photos: what decides. Everything else stands in the Details below them."""
    deciding = (ids.REVIEW_DECIDE, ids.REVIEW_AGREE, ids.REVIEW_DISAGREE)
    return [element for element in in_details(check, review, reader) if element["action_id"].startswith(deciding)]


def _for_claimer(check: Check, review: Review, reader: Reader) -> list[Block]:
    found: list[Block] = []
    # Not even as an admin: no box says openly whose check it was.
    is_own = reader.user in check.requesters
    if check.state is State.CANCELLED and review.claimed_by in (None, reader.user) and not is_own:
        found.append(_close(check))
    if review.claimed_by in (None, reader.user) and may_be_decided(check.state):
        found += [*_decide(check), _decide_button(check, Decision.NEW_PHOTOS)]
    if review.claimed_by is None:
        found.append(_claim(check))
    elif reader.is_admin or review.claimed_by == reader.user:
        found += [
            kit.check_button(ids.REVIEW_HAND_ON, "Reassign", check.ref),
            kit.check_button(ids.REVIEW_RELEASE, "Unclaim", check.ref),
        ]
    return found


def next_buttons(check: Check, review: Review, *, viewer: str) -> list[Block]:
    """The row of the next check after a decision; its Details lie on top of it."""
    details, skip = (
        kit.details_button(check.ref, ids.FOUND_DETAILS),
        kit.check_button(ids.REVIEW_SKIP, "Skip", check.ref),
    )
    if review.proposal is not None:
        return [*_judge(check, review.proposal, viewer=viewer), details, skip]
    return [*_decide(check), details, skip]


def _decide(check: Check) -> list[Block]:
    """A click claims the check and opens the form."""
    return [_decide_button(check, one) for one in (Decision.APPROVED, Decision.REJECTED)]


def _decide_button(check: Check, decision: Decision) -> Block:
    action_id = f"{ids.REVIEW_DECIDE}:{decision.value}"
    return kit.check_button(action_id, DECIDE[decision], check.ref, style=_STYLES[decision])


def _judge(check: Check, proposal: Proposal, *, viewer: str | None) -> list[Block]:
    # It names the proposal: who reads an older one must not agree to a newer.
    value = f"{check.ref}|{proposal.at.isoformat()}"
    if proposal.by == viewer:
        return [kit.check_button(ids.REVIEW_DISAGREE, "Take back", check.ref, value=value)]
    agree = kit.confirmed(
        kit.check_button(ids.REVIEW_AGREE, "Agree", check.ref, value=value, style=Style.PRIMARY),
        title="Agree to this decision?",
        text=f"{words.DECIDED[proposal.decision]}, {against(check)}. The request's thread says so, with both names.",
        confirm="Agree",
        deny="Not yet",
    )
    return [agree, kit.check_button(ids.REVIEW_DISAGREE, "Disagree", check.ref, value=value)]


def _menu(check: Check, review: Review) -> Block:
    """Nothing dangerous: each entry opens a form, or can be undone by its neighbour."""
    entries: list[tuple[str, str]] = []
    if may_be_decided(check.state):
        entries.append((DECIDE[Decision.NEW_PHOTOS], f"{ids.REVIEW_DECIDE}:{Decision.NEW_PHOTOS.value}"))
    if review.claimed_by is None:
        entries += [("Claim", ids.REVIEW_CLAIM)] if may_be_decided(check.state) else []
    else:
        entries += [("Reassign", ids.REVIEW_HAND_ON), ("Unclaim", ids.REVIEW_RELEASE)]
    return more_menu(check, [*entries, ("Note", ids.REVIEW_NOTE)])


def more_menu(check: Check, entries: Sequence[tuple[str, str]]) -> Block:
    """⋯, from texts and the action that each stands for."""
    return kit.overflow(ids.REVIEW_MORE, [(text, f"{action_id}|{check.ref}") for text, action_id in entries])


def _close(check: Check) -> Block:
    return kit.confirmed(
        kit.check_button(ids.REVIEW_CLOSE, "Close review", check.ref),
        title="Close this review?",
        text="The check was cancelled before it was sent. The card stays; nobody is reminded of it any more.",
        confirm="Close review",
        deny="Keep it open",
    )


def _end(check: Check) -> Block:
    return kit.confirmed(
        kit.check_button(ids.REVIEW_END, "End without a result", check.ref, style=Style.DANGER),
        title="End this check without a result?",
        text="Look for its job in Smile ID's portal first. The customer is neither approved nor rejected, and the "
        "thread names you. A result that comes later goes to reviewers. Not for who asked for it, except admins.",
        confirm="End it",
        deny="Keep waiting",
    )


def _claim(check: Check, style: Style = Style.PLAIN) -> Block:
    return kit.check_button(ids.REVIEW_CLAIM, "Claim", check.ref, style=style)


def _note(check: Check) -> Block:
    return kit.check_button(ids.REVIEW_NOTE, "Note", check.ref)


def _reopen(check: Check) -> Block:
    return kit.confirmed(
        kit.check_button(ids.REVIEW_REOPEN, "Reopen", check.ref),
        title="Reopen this check?",
        text="You claim it. What was decided stays valid until you decide anew; Unclaim closes it again.",
        confirm="Reopen",
        deny="Leave it closed",
    )
