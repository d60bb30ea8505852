"""What people look up about one check: its status, and the record for those who may know of it and of nobody's data.

The record holds states, reasons, times, and the people of the workspace: no names, numbers, photos or references of
customers, not even in part. A check that was read without opening its seal shows none anywhere.
"""

from collections.abc import Sequence

from bot.domain.check.check import Check
from bot.domain.dates import day_of
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.review.review import REASONS, Review, ReviewDecision, ReviewState
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.standing import Standing, standing
from bot.slack.blocks.status import subject
from bot.slack.blocks.text import link_to, person, when
from bot.slack.blocks.thread import buttons

_DECISIONS = 10
NOT_PERSONAL = (
    "Without personal data: names, ID numbers and photos are for who asked, reviewers and admins. "
    "Opening this page is logged."
)


def status(
    check: Check, entry: IDType | None, review: Review | None, *, link: str | None, whole: bool = True
) -> Message:
    """The answer to `/kyc status`; who sees the record alone gets *Details* and nothing to act with."""
    now = standing(check, review)
    head = f"{now.headline} · {link_to(check.ref, link)}"
    small = " · ".join([subject(check, entry), *_facts(check, now, review)])
    blocks = [kit.section(head)]
    if now.next_step:
        blocks.append(kit.section(f"*Next:* {now.next_step}"))
    blocks += [kit.small_mrkdwn(small), buttons(check) if whole else kit.actions(kit.details_button(check.ref))]
    next_step = f"Next: {now.next_step}" if now.next_step else ""
    return kit.told(blocks, verdict=now.verdict, why=now.why, ref=check.ref, next_step=next_step, rest=[small])


def _facts(check: Check, now: Standing, review: Review | None) -> list[str]:
    facts = [f"{now.by}, {when(now.since)}" if now.by else f"since {when(now.since)}"]
    if now.since != check.asked_at:
        facts.append(f"asked by {person(check.requester)} {when(check.asked_at)}")
    else:
        facts[0] = f"asked by {person(check.requester)} {when(check.asked_at)}"
    if review is not None and review.state is ReviewState.OPEN and review.claimed_by:
        facts.append(f"claimed by {person(review.claimed_by)}")
    if check.erased_at is not None:
        facts.append(f"*Erased on {day_of(check.erased_at)}*")
    return facts


def view(
    check: Check,
    entry: IDType | None,
    review: Review | None,
    decisions: Sequence[ReviewDecision] = (),
    *,
    link: str | None,
) -> View:
    """*Details* for viewers and managers."""
    now = standing(check, review)
    blocks = [kit.section(now.headline)]
    if now.next_step:
        blocks.append(kit.section(f"*Next:* {now.next_step}"))
    blocks += [
        kit.divider(),
        kit.fields(*(kit.mrkdwn(f"*{name}*\n{text}") for name, text in _rows(check, entry, now, review))),
    ]
    if link:
        where = f"<{link}|Open the thread>. Slack shows it to the members of its channel."
        blocks.append(kit.section(where))
    blocks += _decisions(decisions)
    blocks.append(kit.small(NOT_PERSONAL))
    return kit.modal(f"Check {check.ref}", blocks, callback_id=ids.RECORD_VIEW, close="Close")


def _rows(check: Check, entry: IDType | None, now: Standing, review: Review | None) -> list[tuple[str, str]]:
    """At most ten, as Slack takes."""
    open_review = review if review is not None and review.state is ReviewState.OPEN else None
    claimed = "nobody yet"
    if open_review is not None and open_review.claimed_by is not None and open_review.claimed_at is not None:
        claimed = f"{person(open_review.claimed_by)} {when(open_review.claimed_at)}"
    rows = [
        ("ID type", subject(check, entry)),
        ("Asked by", f"{person(check.requester)} {when(check.asked_at)}"),
        ("Sent to Smile ID", when(check.sent_at) if check.sent_at else "not yet"),
        ("Ended", _ended(check)),
        ("Result or decision by", now.by or "nobody yet"),
    ]
    if open_review is not None:
        rows += [("In review since", when(open_review.opened_at)), ("Claimed by", claimed)]
    if check.round > 1:
        rows.append(("Run again", f"{check.round - 1} times"))
    if check.asked_again - {check.requester}:
        # They ran it again, edited it, answered for who asked, supplied its photos or requested the review.
        rows.append(("Also took part", ", ".join(map(person, sorted(check.asked_again - {check.requester})))))
    if check.batch_row is not None:
        rows.append(("From a file", f"row {check.batch_row}"))
    return rows


def _ended(check: Check) -> str:
    ended = when(check.ended_at) if check.ended_at else "not yet"
    return f"{ended}. *Erased on {day_of(check.erased_at)}*" if check.erased_at is not None else ended


def _decisions(found: Sequence[ReviewDecision]) -> list[Block]:
    """Every decision so far, oldest first: who, when, which, and the reason from the list; never their own words."""
    if not found:
        return []
    lines = []
    for one in found[-_DECISIONS:]:
        agreed = f", {person(one.confirmed_by)} agreed" if one.confirmed_by else ""
        reason = REASONS[one.decision].get(one.reason, "another reason")
        lines.append(f"{when(one.at)}: {words.DECIDED[one.decision]} by {person(one.by)}{agreed} — {reason}")
    return [kit.section("*Decisions*"), *(kit.small_mrkdwn(line) for line in lines)]
