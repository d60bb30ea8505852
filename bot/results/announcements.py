"""Reports a message of Smile ID to people: the post in the thread, the card for reviewers, direct messages.

Everything runs inside a transaction of the caller. The thread's post is enqueued after the card or alert that it
mentions, with that as its parent: it says that somebody was notified only once that is true.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.access.permissions import Access
from bot.access.rights import Role
from bot.domain.check.check import Check
from bot.domain.check.states import STICKY_REASONS
from bot.domain.outbox import OVERTAKEN_BY_DISPUTE, OVERTAKEN_BY_FINAL, AdminAlert, Post, PostKind
from bot.domain.results.assurance import Doubt
from bot.domain.results.attempt import Attempt
from bot.domain.results.codes import AGAINST_APPROVAL, NEEDS_REVIEWER, Outcome, ResultMeaning, ResultStory
from bot.domain.results.record_match import RecordMatch
from bot.domain.results.trust_rules import Transition
from bot.domain.review.review import Agreement, Decision, ReviewState, Subscription
from bot.outbox import alerts
from bot.review import subscriptions, transitions
from bot.settings import ReviewNotify, Settings
from storage import checks, outbox, reviews
from storage.engine.database import Transaction

_NOTHING_NEW = frozenset({PostKind.NOT_FINAL.value, PostKind.OVERDUE.value})
"""Smile ID still has no final result: no reason to reopen what a reviewer has decided, unless it had ended here,
or was approved and is doubted now."""
_FINAL = frozenset({PostKind.RESULT, PostKind.RESULT_UNCONFIRMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """One message, with the check and attempt as they were when it came."""

    check: Check
    attempt: Attempt
    reading: ResultMeaning
    receipt: str
    """Id of the receipt that keeps it."""
    at: datetime


def needs_eyes(ruling: Transition, reading: ResultMeaning, doubt: Doubt | None) -> bool:
    return doubt is not None or ruling.calls_reviewer or reading.why in NEEDS_REVIEWER


@dataclass(slots=True, kw_only=True, eq=False)
class Announcements:
    access: Access
    settings: Settings

    def post(
        self,
        tx: Transaction,
        ruling: Transition,
        received: ReceivedMessage,
        *,
        agreement: Agreement | None,
        doubt: Doubt | None,
    ) -> None:
        """Post a ruling.

        `agreement` is how a final result compares with a reviewer's decision, `doubt` why an approval needs a reviewer.
        """
        assert ruling.tell is not None
        kind, check = ruling.tell, received.check
        key = _key(kind, received)
        outbox.drop_overtaken(tx, check.ref, now=received.at, kinds=_overtaken_by(ruling))
        payload = _payload(ruling, received, doubt) | _decided(tx, check, agreement)
        calls = needs_eyes(ruling, received.reading, doubt)
        opens = calls or agreement is Agreement.CONTRADICTS
        if opens or self._informs_reviewers(kind, received.reading):
            parent_id = self._card(tx, received, f"{kind.value}:{key}", payload, opens=opens)
        else:
            parent_id = self._alert(tx, received)
        is_silent = parent_id is None and not calls and _is_reported_with_its_file(tx, received, kind)
        choice = Subscription.RESULTS if kind in _FINAL else Subscription.NEWS
        self._post(tx, kind, key, received, payload, parent_id=parent_id, choice=choice, is_silent=is_silent)

    def amend(self, tx: Transaction, received: ReceivedMessage, unconfirmed: Post) -> None:
        """Update the message that said *not yet confirmed*."""
        outbox.enqueue(
            tx,
            PostKind.CONFIRMED,
            key=received.attempt.job_id,
            ref=received.check.ref,
            destination=received.check.channel,
            receipt=unconfirmed.receipt,
            parent_id=unconfirmed.id,
            now=received.at,
        )

    def record_differs(self, tx: Transaction, received: ReceivedMessage, doubt: Doubt | None) -> None:
        """Post that the authority's record differs from what was entered, after an approval was posted."""
        outcome, job_id = received.check.record.outcome, received.attempt.job_id
        # The result is built when it is delivered: it would report the same, and call no reviewer.
        outbox.drop_overtaken(tx, received.check.ref, now=received.at, kinds=frozenset({PostKind.RESULT}))
        payload = {"tell": f"record_{outcome.value}", "outcome": received.reading.outcome.value}
        if doubt is not None:
            payload["doubt"] = doubt.value
        key, parent_id = f"{job_id}:{outcome.value}", None
        if doubt is Doubt.RECORD_DIFFERS:
            parent_id = self._card(tx, received, f"{PostKind.RECORD_DIFFERS.value}:{key}", payload)
        elif doubt is not None:
            # Reviewers were called with the result, whose post may have been dropped above: this one says so instead.
            card = f"{PostKind.REVIEW_NOTICE.value}:{PostKind.RESULT.value}:{job_id}"
            parent_id = card if outbox.find(tx, card) is not None else None
        choice = Subscription.RESULTS
        self._post(tx, PostKind.RECORD_DIFFERS, key, received, payload, parent_id=parent_id, choice=choice)

    def old(self, tx: Transaction, received: ReceivedMessage) -> None:
        """Post a final result of an attempt that was run again since: it moves nothing."""
        outcome = received.reading.outcome.value
        payload = {"tell": PostKind.OLD_RESULT.value, "outcome": outcome}
        key = f"{received.attempt.job_id}:{outcome}"
        parent_id = self._card(tx, received, f"{PostKind.OLD_RESULT.value}:{key}", payload)
        self._post(tx, PostKind.OLD_RESULT, key, received, payload, parent_id=parent_id)

    def overdue(self, tx: Transaction, check: Check, job_id: str, *, now: datetime) -> None:
        """Ask a reviewer to open Smile ID's portal: the result is a week late."""
        kind = PostKind.OVERDUE
        parent_id = self._call(tx, check, f"{kind.value}:{job_id}", {"tell": kind.value}, now=now)
        outbox.enqueue(tx, kind, key=job_id, ref=check.ref, destination=check.channel, parent_id=parent_id, now=now)

    def _post(
        self,
        tx: Transaction,
        kind: PostKind,
        key: str,
        received: ReceivedMessage,
        payload: Mapping[str, str],
        *,
        parent_id: str | None,
        choice: Subscription | None = None,
        is_silent: bool = False,
    ) -> None:
        """Post in the thread of the check, and to those who have chosen to hear of such events."""
        check, receipt, now = received.check, received.receipt, received.at
        event = outbox.enqueue(
            tx,
            kind,
            key=key,
            ref=check.ref,
            destination=check.channel,
            receipt=receipt,
            payload=payload,
            parent_id=parent_id,
            now=now,
            is_silent=is_silent,
        )
        if choice is not None:
            subscriptions.notify(tx, check, choice, event=event, now=now, payload=payload, receipt=receipt)

    def _card(
        self, tx: Transaction, received: ReceivedMessage, event: str, payload: Mapping[str, str], *, opens: bool = True
    ) -> str | None:
        return self._call(
            tx,
            received.check,
            event,
            payload,
            now=received.at,
            receipt=received.receipt,
            opens=opens,
            is_doubt=received.reading.why in AGAINST_APPROVAL,
        )

    def _call(
        self,
        tx: Transaction,
        check: Check,
        event: str,
        payload: Mapping[str, str],
        *,
        now: datetime,
        receipt: str | None = None,
        opens: bool = True,
        is_doubt: bool = False,
    ) -> str | None:
        """Call the reviewers, with a card in their channel if there is one. Returns the id of the card's post."""
        is_decided = checks.get(tx, check.ref).review is ReviewState.DECIDED
        # Of what had ended without a word of Smile ID's, any word is new to who decided; to who approved, a doubt is.
        is_news = check.failure is not None or (is_doubt and check.decision is Decision.APPROVED)
        if payload["tell"] in _NOTHING_NEW and is_decided and not is_news:
            return None
        channel = self.settings.review_channel
        return transitions.call(
            tx, check, event, channel=channel, now=now, payload=payload, receipt=receipt, opens=opens
        )

    def _alert(self, tx: Transaction, received: ReceivedMessage) -> str | None:
        """Alert the admins where Smile ID refuses what the contract should cover."""
        if received.reading.why is not ResultStory.REFUSED:
            return None
        fault, admins = f"smile_id:{received.reading.code}", self.access.people(Role.ADMIN)
        code, ref = AdminAlert.ID_TYPE_NOT_ACTIVE, received.check.ref
        return alerts.alert(tx, fault, code, recipients=admins, now=received.at, ref=ref)

    def _informs_reviewers(self, kind: PostKind, reading: ResultMeaning) -> bool:
        """Whether reviewers get a card that needs no action (`KYC_REVIEW_NOTIFY`)."""
        match self.settings.review_notify:
            case ReviewNotify.ALL:
                return kind in _FINAL
            case ReviewNotify.REJECTED:
                return kind in _FINAL and reading.outcome is Outcome.REJECTED
            case ReviewNotify.ATTENTION:
                return False


def _key(kind: PostKind, received: ReceivedMessage) -> str:
    """Identifies an event, which is posted once: the job, and for some kinds the code, outcome or story."""
    match kind:
        case PostKind.NOT_FINAL if received.reading.why in AGAINST_APPROVAL:
            # The same code may have been told as less.
            return f"{received.attempt.job_id}:{received.reading.code}:{received.reading.why.value}"
        case PostKind.NOT_FINAL | PostKind.UNKNOWN_CODE | PostKind.ID_UNVERIFIED:
            return f"{received.attempt.job_id}:{received.reading.code}"
        case PostKind.SECOND_FINAL:
            return f"{received.attempt.job_id}:{received.reading.outcome.value}"
        case _:
            return received.attempt.job_id


def _overtaken_by(ruling: Transition) -> frozenset[PostKind]:
    """Posts that must not be delivered any more, since this one supersedes them."""
    if ruling.tell in (PostKind.NOT_FINAL, PostKind.SUSPECTS):
        return frozenset()
    is_dispute = ruling.move is not None and ruling.move[1] in STICKY_REASONS
    return OVERTAKEN_BY_DISPUTE if is_dispute else OVERTAKEN_BY_FINAL


def _payload(ruling: Transition, received: ReceivedMessage, doubt: Doubt | None) -> dict[str, str]:
    """What the message builders need besides the receipt; nothing personal."""
    assert ruling.tell is not None
    outcome = received.reading.outcome
    is_differing = (
        ruling.tell is PostKind.RESULT
        and outcome is Outcome.APPROVED
        and received.check.record.outcome is RecordMatch.DIFFERS
    )
    title = Doubt.RECORD_DIFFERS if is_differing else doubt or ruling.tell
    payload = {"tell": title.value, "first": (ruling.against or Outcome.FAILED).value, "outcome": outcome.value}
    return payload if doubt is None else payload | {"doubt": doubt.value}


def _decided(tx: Transaction, check: Check, agreement: Agreement | None) -> dict[str, str]:
    if agreement is None:
        return {}
    decided = reviews.decided(tx, check.ref, check.round)
    assert decided is not None
    return {"agreement": agreement.value, "number": str(decided.number), "round": str(check.round)}


def _is_reported_with_its_file(tx: Transaction, received: ReceivedMessage, kind: PostKind) -> bool:
    """Whether a plain verdict is told by its file of applicants alone: in the file's counts and file of results.

    Not where it differs from the authority's record, nor where the row had a post in the thread or was run again.
    """
    check = received.check
    return (
        kind is PostKind.RESULT
        and received.reading.outcome in (Outcome.APPROVED, Outcome.REJECTED)
        and check.record.outcome is not RecordMatch.DIFFERS
        and check.batch is not None
        and check.round == 1
        and not outbox.has_told(tx, check.ref)
    )
