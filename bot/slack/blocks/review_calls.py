"""What calls somebody to a review: messages below a card, and direct messages that lead to thread, card and *Details*.

In `text` the mention stands after what happened: a screen reader, or a phone, reads its first words alone.
"""

from datetime import timedelta

from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import CheckLinks, Message
from bot.domain.review.review import FOR_REVIEWERS, Audience, Proposal, ReminderCause, Subscription
from bot.slack.blocks import kit, words
from bot.slack.blocks.kit import Block
from bot.slack.blocks.status import against, status_name, subject
from bot.slack.blocks.text import linked, person, took

_CHOSEN = "You get this message because you ticked it in `/kyc notify`."


def second_person_request(
    check: Check, entry: IDType | None, proposal: Proposal, *, whom: str, links: CheckLinks, below_a_card: bool = True
) -> Message:
    """Calls for a second reviewer."""
    proposed = f"{person(proposal.by)} proposes {words.DECIDED[proposal.decision]} {against(check)}"
    if below_a_card or links.card:
        next_step = "Agree or disagree on the card."
    else:
        next_step = f"`/kyc review {check.ref}` shows the card, to agree or disagree."
    return _call(
        check, "A second person is needed", next_step, whom=whom, links=links, small=[proposed, subject(check, entry)]
    )


def handover(check: Check, entry: IDType | None, *, by: str, to: str, links: CheckLinks, below_a_card: bool) -> Message:
    return _call(
        check,
        "Reassigned to you",
        "Approve or reject it, or unclaim it.",
        whom=person(to),
        links=links,
        small=[f"By {person(by)}", subject(check, entry), status_name(check)],
        is_alone=not below_a_card,
    )


def reminder(
    check: Check,
    entry: IDType | None,
    silence: ReminderCause,
    *,
    whom: str,
    claimer: str | None,
    waited: timedelta,
    links: CheckLinks,
    below_a_card: bool = True,
    audience: Audience = Audience.GROUP,
) -> Message:
    """A reminder below the card or by direct message. `waited` includes nights."""
    is_claimer = claimer is not None and whom == person(claimer)
    claimed = "You have claimed this" if is_claimer else f"{person(claimer or '')} has claimed this"
    what = {
        ReminderCause.UNCLAIMED: "Nobody has claimed this",
        ReminderCause.IDLE: f"{claimed}, and nothing was done",
        ReminderCause.PROPOSED: "A decision has waited for a second person",
        ReminderCause.PENDING: "Smile ID has given no final result",
    }[silence]
    return _call(
        check,
        f"{what} for {took(waited)}",
        _next(silence, audience, claimer=claimer, is_claimer=is_claimer),
        whom=whom,
        links=links,
        small=[subject(check, entry), status_name(check)],
        is_alone=not below_a_card,
    )


def _next(silence: ReminderCause, audience: Audience, *, claimer: str | None, is_claimer: bool) -> str:
    """What the reader can do; managers decide nothing, and ask those who do."""
    if audience is Audience.MANAGERS:
        return {
            ReminderCause.UNCLAIMED: "Ask a reviewer to take it.",
            ReminderCause.IDLE: f"Ask {person(claimer or '')} to decide, or an admin to reassign it.",
            ReminderCause.PROPOSED: "Ask a second reviewer to agree or disagree.",
            ReminderCause.PENDING: "Ask a reviewer to look it up in Smile ID's portal.",
        }[silence]
    if silence is ReminderCause.IDLE:
        if is_claimer:
            return "Approve or reject it, add a note, or unclaim it."
        return f"Ask {person(claimer or '')} to decide, or to reassign it."
    return {
        ReminderCause.UNCLAIMED: "Approve or reject it on the card.",
        ReminderCause.PROPOSED: "Agree or disagree on the card.",
        ReminderCause.PENDING: "Look it up in Smile ID's portal.",
    }[silence]


def personal_notice(
    check: Check, entry: IDType | None, *, title: str, choice: Subscription, links: CheckLinks
) -> Message:
    """A direct message to somebody who subscribed."""
    next_step = {
        Subscription.SECOND: "Agree or disagree on the card.",
        Subscription.CARDS: "Approve or reject it on the card.",
    }.get(choice, "The thread says what to do next.")
    small = [subject(check, entry), _CHOSEN]
    card = links if choice in FOR_REVIEWERS else CheckLinks(thread=links.thread)
    return _call(check, title, next_step, whom="", links=card, small=small, is_alone=True)


def _call(
    check: Check, what: str, next_step: str, *, whom: str, links: CheckLinks, small: list[str], is_alone: bool = False
) -> Message:
    """`is_alone`: no card stands above it, so it has a button of its own."""
    head = f"{whom} *{what}* · {linked(check.ref, links)}".strip()
    blocks: list[Block] = [kit.section(f"{head}\n*Next:* {next_step}"), kit.small_mrkdwn(" · ".join(small))]
    if is_alone:
        blocks.append(kit.actions(kit.details_button(check.ref)))
    return kit.told(blocks, verdict=what, ref=check.ref, next_step=next_step, mention=whom, rest=small)
