"""The message of a request with its progress, and what people did with the check, posted in its thread.

Built at delivery from what is stored; each message reports one event.
"""

from datetime import datetime, timedelta

from bot.domain.check import other_photos
from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, POLLED_REASONS, State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.results.customer_texts import customer_reason
from bot.domain.review.requests import may_be_requested
from bot.domain.review.review import OTHER, REASONS, Decision, Proposal, ReviewDecision, runs_again
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.kit import Block
from bot.slack.blocks.status import against, label, smile_id_says, status_name, subject
from bot.slack.blocks.text import foreign, person, quoted, spoken, took, when

_REASON = 900
_WORDS = 500
"""What a reviewer may write with a decision."""


def request_message(
    check: Check,
    entry: IDType | None,
    *,
    waiting: timedelta | None = None,
    unconfirmed: bool = False,
    later: datetime | None = None,
) -> Message:
    """The message with reference and progress. `waiting` is given once it is long; `later` is when somebody chose."""
    status = status_name(check)
    if later is not None and check.state is State.REQUESTED:
        status = f"Will be sent {when(later)}"
    if unconfirmed:
        status += " (not yet confirmed)"
    if waiting is not None and (check.state is State.PROCESSING or check.reason in POLLED_REASONS):
        status = f"{status}. Still waiting: {took(waiting)}, we ask Smile ID again {_how_often(waiting)}"
    elif check.tries > 1 and check.state in (State.REQUESTED, State.SUBMITTING):
        status += ". It takes longer than usual, we keep trying"
    head = f"*Biometric KYC · {subject(check, entry)}* — {status}"
    asked = f"Asked by {person(check.requester)} · {when(check.asked_at)} · {check.ref}"
    steps = _steps(check)
    return Message(
        text=spoken(f"{head}. {check.ref}. {steps}"),
        blocks=[kit.section(head), kit.context(kit.mrkdwn(asked), kit.plain(steps)), buttons(check)],
    )


def buttons(check: Check) -> Block:
    """*Details*, and what can be done with the check now; rights are checked on the click."""
    elements = [kit.details_button(check.ref)]
    if check.state is State.REQUESTED:
        elements.append(cancel_button(check))
    if other_photos.may_help(check):
        elements.append(kit.check_button(ids.SEND_PHOTOS, "Send other photos", check.ref))
    if runs_again(check.state, check.decision):
        elements.append(kit.check_button(ids.RUN_AGAIN, "Run again", check.ref))
    if more := more_entries(check):
        elements.append(kit.overflow(ids.CHECK_MORE, more))
    return kit.actions(*elements)


def more_entries(check: Check) -> list[tuple[str, str]]:
    """What else can be done with the check now: texts, and values as `ids.CHECK_MORE` says."""
    offered = [
        ("Request review", ids.REQUEST_REVIEW, may_be_requested(check.state, check.review)),
        ("Message for the customer", ids.CUSTOMER_MESSAGE, customer_reason(check) is not None),
    ]
    return [(text, f"{action_id}|{check.ref}") for text, action_id, is_offered in offered if is_offered]


def more_buttons(check: Check) -> list[Block]:
    """The same as buttons, for the Details, where nothing stands behind a menu."""
    return [kit.check_button(value.partition("|")[0], text, check.ref) for text, value in more_entries(check)]


def cancel_button(check: Check) -> Block:
    return kit.confirmed(
        kit.check_button(ids.CANCEL, "Cancel", check.ref),
        title="Cancel this check?",
        text="It has not been sent to Smile ID; nothing will be charged.",
        confirm="Cancel the check",
        deny="Keep it",
    )


def _how_often(waiting: timedelta) -> str:
    if waiting < timedelta(days=1):
        return "every few minutes"
    return "every hour" if waiting < timedelta(days=7) else "once a day"


def _steps(check: Check) -> str:
    done = [
        ("Received", True),
        ("Photos checked", check.photos_checked_at is not None),
        ("Sent to Smile ID", check.sent_at is not None or check.verdict is not None),
    ]
    parts = [f"✓ {name}" if is_done else f"… {name}" for name, is_done in done]
    if check.state in FINAL:
        # What was not reached will not be.
        parts = [part for part in parts if part.startswith("✓")]
    ends = {State.FAILED: "✗ No result", State.CANCELLED: "✗ Cancelled"}
    parts.append(ends.get(check.state, "✓ Result" if check.state in FINAL else "… Result"))
    return " · ".join(parts)


def decided(check: Check, decision: ReviewDecision) -> Message:
    by = f"{words.DECIDED[decision.decision]} by {person(decision.by)}"
    why = foreign(why_decided(decision), _REASON).removesuffix(".")
    title = f"{person(check.requester)} *{by}* — {why} · {label(check)}"
    facts = [f"{smile_id_says(check)}."]
    if decision.confirmed_by is not None:
        facts.append(f"{person(decision.confirmed_by)} agreed, since a decision {against(check)} takes two.")
    if decision.is_override:
        facts.append(f"{person(decision.by)} asked for this check too, and decided as an admin.")
    if decision.decision is Decision.NEW_PHOTOS:
        facts.append("Ask the customer for new photos, then *Send other photos*.")
    blocks = [kit.section(title), kit.section(" ".join(facts)), buttons(check)]
    return Message(text=spoken(f"{title}. {' '.join(facts)}"), blocks=blocks)


def why_decided(decision: ReviewDecision | Proposal) -> str:
    """The reason from the list, and the reviewer's own words."""
    reason = REASONS[decision.decision].get(decision.reason, decision.reason)
    own = quoted(decision.words, _WORDS)
    if decision.reason == OTHER:
        return own or reason
    return f"{reason}: {own}" if own else reason


def cancelled(check: Check, *, by: str) -> Message:
    line = f"{person(check.requester)} *Cancelled* by {person(by)} before it was sent · {check.ref}"
    rest = "Nothing was charged for it."
    return Message(text=spoken(f"{line}. {rest}"), blocks=[kit.section(line), kit.section(rest)])
