"""The message of a request with its progress, and what people did with the check, posted in its thread.

Built at delivery from what is stored; each message reports one event.
"""

from datetime import datetime, timedelta

from bot.domain.capture.links import CaptureLink, LinkEnding
from bot.domain.check import other_photos
from bot.domain.check.check import Check, PhotosBy
from bot.domain.check.states import FINAL, POLLED_REASONS, State
from bot.domain.dates import day_of
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.results.customer_texts import customer_reason
from bot.domain.review.requests import may_be_requested
from bot.domain.review.review import OTHER, REASONS, Proposal, ReviewDecision, ReviewState
from bot.slack.blocks import capture, ids, kit, words
from bot.slack.blocks.kit import Block
from bot.slack.blocks.standing import standing
from bot.slack.blocks.status import against, label, smile_id_says, status_name, subject
from bot.slack.blocks.text import foreign, person, quoted, took, when

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
    link: CaptureLink | None = None,
) -> Message:
    """Verdict and what comes next; then, small, what does not change. It is updated in place.

    `waiting` is given once it is long; `later` is when somebody chose; `link` is the newest of the check's round.
    """
    if check.is_altered:
        return altered(check)
    verdict, why = _verdict(check)
    if later is not None and check.state is State.REQUESTED:
        verdict, why = f"Will be sent {when(later)}", ""
    if unconfirmed:
        verdict += " (not yet confirmed)"
    next_step = _next(check)
    if link is not None and check.state is State.AWAITING_PHOTOS:
        next_step = capture.next_step(link.step, link.expires_at)
    if waiting is not None and (check.state is State.PROCESSING or check.reason in POLLED_REASONS):
        next_step = f"Still waiting: {took(waiting)}, we ask Smile ID again {_how_often(waiting)}."
    elif check.tries > 1 and check.state in (State.REQUESTED, State.SUBMITTING):
        next_step = "Wait: it takes longer than usual, and we keep trying."
    small = [_step(check, link), f"asked by {person(check.requester)} {when(check.asked_at)}"]
    if check.edits and check.state is State.REQUESTED:
        small.append(f"edited by {person(check.consent_by)} {when(check.consent_at)}")
    if check.decision is not None and check.decided_by is not None and check.decided_at is not None:
        small.append(f"decided by {person(check.decided_by)} {when(check.decided_at)}")
    if check.state in FINAL and check.ended_at is not None:
        small.append(f"ended {when(check.ended_at)}")
    if check.erased_at is not None:
        small.append(f"*Erased on {day_of(check.erased_at)}*")
    about = " · ".join(filter(None, [f"Biometric KYC · {subject(check, entry)}", *small]))
    head = f"*{verdict}*{why and f' — {why}'} · {check.ref}"
    blocks = [kit.section(f"{head}\n*Next:* {next_step}"), kit.small_mrkdwn(about), buttons(check)]
    return kit.told(blocks, verdict=verdict, why=why, ref=check.ref, next_step=next_step, rest=[about])


def altered(check: Check) -> Message:
    """In place of anything else about a check whose record is not as the bot wrote it."""
    now = standing(check, None)
    about = f"Biometric KYC · asked by {person(check.requester)}"
    head = f"*{now.verdict}* — {now.why} · {check.ref}"
    blocks = [kit.section(f"{head}\n*Next:* {now.next_step}"), kit.small_mrkdwn(about), buttons(check)]
    return kit.told(blocks, verdict=now.verdict, why=now.why, ref=check.ref, next_step=now.next_step, rest=[about])


def _verdict(check: Check) -> tuple[str, str]:
    """What stands now, and why: of Smile ID's final verdict its reason, else what the status says."""
    if check.state in FINAL and check.decision is None:
        now = standing(check, None)
        return now.verdict, now.why
    return status_name(check), ""


def _next(check: Check) -> str:
    """What who asked does now. Whoever has claimed a review is not named: that changes without this message."""
    if check.held is not None and check.state is State.REQUESTED:
        return "Answer the question in the thread."
    if check.erased_at is not None and check.review is not ReviewState.OPEN:
        return words.AFTER_ERASED
    if check.decision is not None and check.review is not ReviewState.OPEN:
        return words.AFTER[check.decision]
    if check.is_altered:
        return standing(check, None).next_step
    if check.state is State.IN_REVIEW or check.decision is not None:
        if check.reason in POLLED_REASONS:
            return "Wait: the final result comes in the thread. Do not act on it yet."
        return "Do not act on it until a reviewer has decided."
    return standing(check, None).next_step


def buttons(check: Check) -> Block:
    """*Details*, and what can be done with the check now; rights are checked on the click."""
    elements = [kit.details_button(check.ref)]
    if check.state is State.REQUESTED:
        elements.append(kit.check_button(ids.EDIT, "Edit", check.ref))
        elements.append(cancel_button(check))
    elif check.state is State.AWAITING_PHOTOS:
        elements += capture.buttons_of(check)
    if other_photos.may_help(check):
        elements.append(kit.check_button(ids.SEND_PHOTOS, "Send other photos", check.ref))
    if check.may_run_again:
        elements.append(kit.check_button(ids.RUN_AGAIN, "Run again", check.ref))
    if more := more_entries(check):
        elements.append(kit.overflow(ids.CHECK_MORE, more))
    return kit.actions(*elements)


def more_entries(check: Check) -> list[tuple[str, str]]:
    """What else can be done with the check now: texts, and values as `ids.CHECK_MORE` says."""
    if check.is_altered:
        return []
    offered = [
        (
            "Request review",
            ids.REQUEST_REVIEW,
            check.erased_at is None and may_be_requested(check.state, check.review),
        ),
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


def _step(check: Check, link: CaptureLink | None) -> str:
    """*Step 2 of 4: photos checked*; nothing once it has ended."""
    if check.state in FINAL or check.decision is not None:
        return ""
    if check.photos_by is PhotosBy.LINK:
        if check.sent_at is not None or check.verdict is not None:
            return capture.progress(capture.SENT)
        return capture.progress(capture.done(link.step)) if link is not None else ""
    done = ["received"]
    if check.photos_checked_at is not None:
        done.append("photos checked")
    if check.sent_at is not None or check.verdict is not None:
        done = ["received", "photos checked", "sent to Smile ID"]
    return f"step {len(done)} of 4: {done[-1]}"


def decided(check: Check, decision: ReviewDecision, *, with_comment: bool) -> Message:
    """`with_comment`: its requester alone reads this. Elsewhere a reviewer's own words stay behind *Details*."""
    by = f"{words.DECIDED[decision.decision]} by {person(decision.by)}"
    reason = foreign(_reason(decision), _REASON).removesuffix(".")
    if decision.words and not with_comment:
        reason = f"{reason} (comment in *Details*)"
    why = foreign(why_decided(decision), _REASON).removesuffix(".") if with_comment else reason
    title = f"{person(check.requester)} *{by}* — {why} · {label(check)}"
    facts = [f"{smile_id_says(check)}."]
    if decision.confirmed_by is not None:
        facts.append(f"{person(decision.confirmed_by)} agreed, since a decision {against(check)} takes two.")
    if decision.is_override:
        facts.append(f"{person(decision.by)} asked for this check too, and decided as an admin.")
    next_step = words.AFTER[decision.decision]
    blocks = [kit.section(title), kit.section(" ".join([*facts, next_step])), buttons(check)]
    return kit.told(
        blocks,
        verdict=by,
        # A notification is shown on locked screens too.
        why=reason,
        ref=label(check),
        next_step=next_step,
        mention=person(check.requester),
        rest=facts,
    )


def why_decided(decision: ReviewDecision | Proposal) -> str:
    """The reason from the list, and the reviewer's own words."""
    reason = _reason(decision)
    own = quoted(decision.words, _WORDS)
    if decision.reason == OTHER:
        return own or reason
    return f"{reason}: {own}" if own else reason


def _reason(decision: ReviewDecision | Proposal) -> str:
    return REASONS[decision.decision].get(decision.reason, decision.reason)


def cancelled(check: Check, *, by: str, ending: LinkEnding | None = None) -> Message:
    """`ending`: of the link with which it was cancelled; only one that was withdrawn was so `by` somebody."""
    mention, end = person(check.requester), capture.ENDED.get(ending) if ending is not None else None
    if end is None:
        verdict, why, rest = f"Cancelled by {person(by)} before it was sent", "", words.AFTER_CANCELLED
    else:
        verdict = f"Cancelled by {person(by)}" if ending is LinkEnding.WITHDRAWN else "Cancelled"
        why, rest = end.why, end.next_step
    title = f"{mention} *{verdict}*{why and f' — {why}'} · {check.ref}"
    blocks = [kit.section(title), kit.section(rest)]
    return kit.told(blocks, verdict=verdict, why=why, ref=check.ref, next_step=rest, mention=mention)
