"""Moves of a check in which Smile ID has no part: accept, hold, cancel, run again.

Each inside the caller's transaction: a move, its line in the audit trail and its posts are written together or not at
all. `checkpoints` has the steps of a submission.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.capture.links import LinkEnding
from bot.domain.check.check import CONSENT_NOTICE, Check, HoldReason, PhotoRef, PhotosBy, Request, require_unerased
from bot.domain.check.states import POLLED_REASONS, State
from bot.domain.outbox import OVERTAKEN_BY_FINAL, PostKind
from bot.domain.review.review import UNANSWERED
from bot.errors import EditedMeanwhile, IllegalMove
from bot.outbox import link_notices, refresh
from bot.review import transitions
from bot.submission.budget import Budget, give_back
from storage import attempts, audit, checks, home_tabs, meta, outbox, preflight_holds, slack_requests
from storage.engine.database import Transaction, from_text

REMIND_AFTER = timedelta(hours=24)
"""When the requester is reminded of a question."""
CANCEL_AFTER = timedelta(days=7)
"""When a check is cancelled whose question was not answered."""


def accept(
    tx: Transaction,
    request: Request,
    *,
    ref: str,
    now: datetime,
    budget: Budget | None,
) -> tuple[str, bool]:
    """Store a request, and open its thread. Returns the reference and whether it is new.

    Its requester starts it with `budget`; None: it is a row of a file that was counted as a whole.

    A repeat of the same form returns the first one's reference and changes nothing. Raises ConstraintFailed when
    `ref` is taken, Refused when the day has no room for one more.
    """
    known = checks.find_by_view(tx, request.view_id)
    if known is not None:
        return known, False
    checks.add(tx, request, ref=ref, now=now)
    if budget is not None:
        budget.take(tx, checks.get(tx, ref), person=request.requester, at=now, now=now)
    audit.record(tx, at=now, actor=request.requester, act="check.requested", ref=ref)
    _record_consent(tx, ref, request, now=now)
    home_tabs.mark_due(tx, request.requester, now=now)
    if request.batch is None:
        outbox.enqueue(tx, PostKind.REQUEST, ref=ref, key=ref, destination=request.channel, now=now)
    tx.wake(checks.SUBMISSION)
    return ref, True


def run_again(
    tx: Transaction,
    ref: str,
    request: Request,
    *,
    form_id: str,
    now: datetime,
    budget: Budget,
    not_before: datetime | None = None,
    of_round: int | None = None,
) -> bool:
    """Begin a new round of a check that has ended, with the form's data. False for a repeat of that form.

    `of_round`: the round that the form was about, where it shows nothing of the check that a later one may change.

    The round begins in the same transaction as the move: attempts and reviews of earlier rounds no longer count. What
    Smile ID said before stays in the receipts. Raises IllegalMove when the check cannot be run again (any more).
    """
    if not slack_requests.take(tx, f"rerun:{form_id}", now=now):
        return False
    ended, suspicion = checks.get(tx, ref), transitions.open_suspicion(tx, ref)
    # Erased since the form was opened: a new round would bring back what is gone.
    require_unerased(ended)
    if not ended.may_run_again or of_round not in (None, ended.round):
        raise IllegalMove(f"{ref} is {ended.state}: it cannot be run again")
    outbox.drop_overtaken(tx, ref, kinds=OVERTAKEN_BY_FINAL | {PostKind.HELD}, now=now)
    due_at = max(not_before or now, now)
    checks.begin_round(tx, ref, request, due_at=due_at, now=now)
    budget.take(tx, checks.get(tx, ref), person=request.requester, at=due_at, now=now)
    in_doubt = ended.failure in ("unsettled", UNANSWERED) or ended.reason in POLLED_REASONS
    attempts.leave_behind(tx, ref, in_doubt=in_doubt, now=now)
    audit.record(tx, at=now, actor=request.requester, act="check.run_again", ref=ref)
    _record_consent(tx, ref, request, now=now)
    begun = checks.get(tx, ref).state
    audit.record(tx, at=now, actor=request.requester, act="check.moved", ref=ref, detail=begun.value)
    refresh.check_changed(tx, ref, now=now)
    transitions.leave_earlier_rounds(tx, ref, now=now)
    if suspicion is not None:
        # Whoever was caught does not get rid of it by cancelling the check and running it again with other photos.
        transitions.suspect(tx, checks.get(tx, ref), suspicion.seen, channel=suspicion.channel, now=now)
    tx.wake(checks.SUBMISSION)
    return True


def edit(
    tx: Transaction,
    ref: str,
    request: Request,
    *,
    form_id: str,
    seen: int,
    now: datetime,
    budget: Budget,
    not_before: datetime | None = None,
) -> bool:
    """Replace what a check holds that has not been sent, by the form's data. False for a repeat of that form.

    `seen`: how often the check had been edited when the form was opened. A question that held it is answered by this;
    what it was let pass for counts on only as far as it is still about the same photos and number. Raises IllegalMove
    once sending has begun, EditedMeanwhile where somebody else was faster.
    """
    if not slack_requests.take(tx, f"edit:{form_id}", now=now):
        return False
    before = checks.get(tx, ref)
    if before.state is not State.REQUESTED or _may_be_known(tx, before):
        raise IllegalMove(f"{ref} is {before.state}: it cannot be edited")
    if before.edits != seen:
        raise EditedMeanwhile(f"{ref} was edited")
    has_same_photos = checks.photos(tx, ref) == list(request.photos)
    due_at = max(not_before or now, now)
    passed = preflight_holds.passed(tx, ref) - _asked_anew(before, request, has_same_photos=has_same_photos)
    checks.edit(
        tx,
        ref,
        request,
        due_at=due_at,
        let_pass=passed | ({checks.AGAIN} if request.again else set()),
        paused=due_at - _runs_since(before, now),
        now=now,
    )
    budget.take(tx, before, person=request.requester, at=due_at, now=now)
    if not has_same_photos:
        checks.keep_photos(tx, ref, request.photos)
        checks.forget_photo_checks(tx, ref)
    audit.record(tx, at=now, actor=request.requester, act="check.edited", ref=ref)
    _record_consent(tx, ref, request, now=now)
    if before.held is not None:
        answer = {"by": request.requester, "how": "edited", "held": before.held.value}
        _answer_questions(tx, before, answer, now=now)
        outbox.drop_overtaken(tx, ref, kinds=[PostKind.HELD], now=now)
    refresh.check_changed(tx, ref, now=now)
    tx.wake(checks.SUBMISSION)
    return True


def _may_be_known(tx: Transaction, check: Check) -> bool:
    """Whether Smile ID may know of it although we do not: it was sent after the backup that was put back here."""
    restored = meta.kept(tx, "restored")
    return restored is not None and check.asked_at <= from_text(restored)


def _asked_anew(before: Check, request: Request, *, has_same_photos: bool) -> set[str]:
    """The questions that an answer from before no longer settles."""
    has_same_number = (before.country, before.id_info.get("id_number")) == (
        request.country,
        request.id_info.get("id_number"),
    )
    asked = {checks.AGAIN}
    if not has_same_photos:
        asked |= {HoldReason.PHOTOS.value, HoldReason.SELFIE_SEEN.value}
    return asked if has_same_number else asked | {HoldReason.SELFIE_SEEN.value}


def _runs_since(before: Check, now: datetime) -> datetime:
    """From when on nobody's time but ours would pass: since the question, or from the moment that somebody chose."""
    if before.held is not None:
        return min(_asked_at(before), now)
    is_chosen = before.due_at is not None and before.due_at > now and not before.tries
    return before.due_at if is_chosen and before.due_at is not None else now


def _record_consent(tx: Transaction, ref: str, request: Request, *, now: datetime) -> None:
    if request.photos_by is PhotosBy.LINK:
        return  # the customer is asked, behind the link
    audit.record(tx, at=now, actor=request.requester, act="consent.confirmed", ref=ref, detail=CONSENT_NOTICE)


def cancel(
    tx: Transaction,
    ref: str,
    *,
    by: str,
    now: datetime,
    tell: bool = True,
    ending: LinkEnding = LinkEnding.WITHDRAWN,
) -> None:
    """Cancel a check that was not sent, and post that in its thread. Raises IllegalMove when it is too late.

    `tell` is False for the rows of a file: the file's own message says how many were cancelled. `ending` is why, for a
    check whose customer has a link; it ends, too.
    """
    link = link_notices.end(tx, ref, ending, by=by, now=now)
    if link is not None:
        # Before the move, since the facts that are written with it say why.
        checks.keep_failure(tx, ref, failure=f"link_{ending.value}", words=None)
    checks.move(tx, ref, State.CANCELLED, now=now, actor=by)
    refresh.check_changed(tx, ref, now=now)
    preflight_holds.drop(tx, ref)
    check = checks.get(tx, ref)
    give_back(tx, check)
    _answer_questions(tx, check, {"by": by, "how": "cancelled"}, now=now)
    outbox.drop_overtaken(tx, ref, kinds=OVERTAKEN_BY_FINAL | {PostKind.HELD}, now=now)
    if tell:
        key, payload = f"{ref}:{check.round}", {"by": by} | ({"ending": ending.value} if link is not None else {})
        outbox.enqueue(tx, PostKind.CANCELLED, ref=ref, key=key, destination=check.channel, now=now, payload=payload)


def hold(tx: Transaction, ref: str, held: HoldReason, about: Mapping[str, Any], *, now: datetime) -> bool:
    """Hold a check and ask its requester; False when it no longer waits to be sent.

    `about` holds names and references, nothing personal.
    """
    if not preflight_holds.hold(tx, ref, held, about, remind_at=now + REMIND_AFTER, now=now):
        return False
    check = checks.get(tx, ref)
    audit.record(tx, at=now, actor=audit.BOT, act="check.held", ref=ref, detail=held.value)
    _ask(tx, check, key=_key(check), payload={"held": held.value}, now=now)
    refresh.check_changed(tx, ref, now=now)
    return True


def let_pass(tx: Transaction, ref: str, *, by: str, now: datetime, budget: Budget) -> bool:
    """Release a held check as it is. False when it is not held (any more)."""
    held = _release(tx, ref, by=by, how="let_pass", now=now, budget=budget)
    if held is not None:
        preflight_holds.keep_passed(tx, ref, preflight_holds.passed(tx, ref) | {held.value})
    return held is not None


def replace_photos(
    tx: Transaction, ref: str, photos: Sequence[PhotoRef], *, by: str, now: datetime, budget: Budget
) -> bool:
    """Release a held check with other photos, which are checked too. False when it is not held (any more)."""
    if _release(tx, ref, by=by, how="other_photos", now=now, budget=budget) is None:
        return False
    checks.keep_photos(tx, ref, photos)
    checks.forget_photo_checks(tx, ref)
    about_photos = {HoldReason.PHOTOS.value, HoldReason.SELFIE_SEEN.value}
    preflight_holds.keep_passed(tx, ref, preflight_holds.passed(tx, ref) - about_photos)
    return True


def remind_or_cancel(tx: Transaction, ref: str, *, now: datetime) -> bool:
    """Follow up on an unanswered question. True when the check was cancelled."""
    check = checks.get(tx, ref)
    if check.held is None:
        # An answer may have won, since the rows were found.
        return False
    asked_at = _asked_at(check)
    if now - asked_at >= CANCEL_AFTER:
        cancel(tx, ref, by=audit.BOT, now=now)
        return True
    preflight_holds.postpone(tx, ref, until=asked_at + CANCEL_AFTER)
    _ask(tx, check, key=f"{_key(check)}:reminder", payload={"held": check.held.value, "reminder": "1"}, now=now)
    return False


def _release(tx: Transaction, ref: str, *, by: str, how: str, now: datetime, budget: Budget) -> HoldReason | None:
    """Why it was held; None when it is not held (any more)."""
    check = checks.get(tx, ref)
    if check.held is None:
        return None
    paused = max(timedelta(0), now - _asked_at(check))
    if not preflight_holds.release(tx, ref, paused=paused, now=now):
        return None
    # It is this answer that has it sent: by whoever gave it, on this day.
    budget.take(tx, check, person=by, at=now, now=now)
    # An admin may answer for the requester: what they sent on, or gave other photos, is for others to decide.
    checks.also_asked_by(tx, ref, by)
    audit.record(tx, at=now, actor=by, act=f"check.{how}", ref=ref, detail=check.held.value)
    _answer_questions(tx, check, {"by": by, "how": how, "held": check.held.value}, now=now)
    outbox.drop_overtaken(tx, ref, kinds=[PostKind.HELD], now=now)
    refresh.check_changed(tx, ref, now=now)
    tx.wake(checks.SUBMISSION)
    return check.held


def _ask(tx: Transaction, check: Check, *, key: str, payload: Mapping[str, str], now: datetime) -> None:
    outbox.enqueue(tx, PostKind.HELD, ref=check.ref, key=key, destination=check.channel, now=now, payload=payload)


def _answer_questions(tx: Transaction, check: Check, payload: Mapping[str, str], *, now: datetime) -> None:
    """Remove the buttons from every question that was posted about the check."""
    for question in outbox.questions(tx, check.ref):
        outbox.enqueue(
            tx,
            PostKind.HELD_ANSWERED,
            ref=check.ref,
            key=question,
            destination=check.channel,
            parent_id=question,
            payload=payload,
            now=now,
        )


def _asked_at(check: Check) -> datetime:
    return from_text(str(check.held_note["since"]))


def _key(check: Check) -> str:
    """One question of one kind at one moment: other photos may raise the same question."""
    return f"{check.ref}:{check.held_note.get('since', '')}"
