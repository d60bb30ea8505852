"""Clicks of reviewers: claim, decide, agree, reassign, note; and the second-person rule on all of it."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.check import Check, require_unerased
from bot.domain.check.states import BEFORE_SENDING, State
from bot.domain.id_types.id_types import IDType
from bot.domain.review.review import (
    Decision,
    Proposal,
    Review,
    ReviewState,
    is_unanswered,
    may_be_claimed,
    may_be_decided,
    needs_second,
)
from bot.errors import Refusal, Refused
from bot.review import eligibility, transitions
from storage import attempts, checks, receipts, reviews, slack_requests
from storage.audit import BOT
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Click:
    user: str
    ref: str
    may_override: bool
    """Decide their own check, marked as such."""
    may_release: bool
    """Give away what somebody else claimed."""
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the form of a decision is built from."""

    check: Check
    entry: IDType | None
    overrides: bool
    """Whether this person may decide it only as an admin: they asked for it."""
    claimed_at: datetime | None
    """When this very click claimed it; None for what was theirs before."""


class ReviewDecisions(Process):
    """Every public method is a click. Raises Refused where it may not be, also for people who are no reviewers."""

    async def claim(self, user: str, ref: str, *, reopens: bool = False) -> None:
        """Take it; `reopens` a closed review first."""
        click = await self._click(user, ref)
        await self._free_if_left(ref)
        await self.database.write(_claim, click, reopens=reopens, channel=self.settings.review_channel)
        log.info("review.claimed", ref=ref)

    async def release(self, user: str, ref: str) -> None:
        """Give it back; for its claimer, or an admin."""
        click = await self._click(user, ref)

        def commit(tx: Transaction) -> None:
            transitions.release(tx, ref, by=user, before=_claimer(tx, click), now=click.now)

        await self.database.write(commit)
        log.info("review.released", ref=ref)

    async def close(self, user: str, ref: str) -> None:
        """Close the review of a check that was cancelled; a repeat is told that it is closed."""
        click = await self._click(user, ref)
        await self._free_if_left(ref)

        def commit(tx: Transaction) -> None:
            check, review = _find(tx, ref)
            if user in check.requesters:
                raise Refused(Refusal.FOUR_EYES, ref=ref)
            if check.state is not State.CANCELLED or review is None or review.state is not ReviewState.OPEN:
                raise Refused(Refusal.REVIEW_CLOSED, ref=ref, status=check)
            if review.claimed_by not in (None, user):
                raise Refused(Refusal.CLAIMED_BY, ref=ref, person=review.claimed_by)
            transitions.close(tx, ref, by=user, now=click.now)

        await self.database.write(commit)
        log.info("review.closed", ref=ref)

    async def end_unanswered(self, user: str, ref: str) -> None:
        """End a check as failed that Smile ID has had for a week without giving a result; once, whoever clicks."""
        click = await self._click(user, ref)
        await self._free_if_left(ref)

        def commit(tx: Transaction, now: datetime) -> None:
            check = _to_end(tx, click, now)
            transitions.end_unanswered(tx, check, by=user, is_override=user in check.requesters, now=now)

        # Slack was asked meanwhile. A clock that was set back since has moved the times in the database with it: by the
        # time of the click, a check of a minute ago would have been there for a week.
        await self.database.write(commit, self.now())
        log.info("review.ended_unanswered", ref=ref)

    async def may_hand_on(self, user: str, ref: str) -> tuple[Check, list[str] | None]:
        """The check that this person may give to another, and to whom; None where anybody may be a reviewer."""
        click = await self._click(user, ref)

        def read(tx: Transaction) -> tuple[Check, str]:
            return checks.get(tx, ref), _claimer(tx, click)

        check, claimer = await self.database.read(read)
        eligible = await eligibility.candidates(self.access, {claimer, *check.requesters})
        if eligible == []:
            raise Refused(Refusal.HAND_TO_NOBODY, ref=ref)
        return check, eligible

    async def hand_on(self, user: str, ref: str, to: str, *, form_id: str) -> None:
        """Give it to another reviewer, who is notified; once for each form."""
        click = await self._click(user, ref)
        (await eligibility.is_reviewer(self.access, to)).require(Refused(Refusal.HAND_TO_NO_REVIEWER))

        def commit(tx: Transaction) -> None:
            if not slack_requests.take(tx, f"hand_on:{form_id}", now=click.now):
                return
            before, channel = _claimer(tx, click), self.settings.review_channel
            if to in checks.get(tx, ref).requesters:
                raise Refused(Refusal.HAND_TO_REQUESTER)
            transitions.hand_on(tx, ref, by=user, before=before, to=to, channel=channel, now=click.now)

        await self.database.write(commit)
        log.info("review.handed_on", ref=ref)

    async def start(self, user: str, ref: str) -> Started:
        """Claim the check for this person unless it is theirs already, so that its form may open.

        Of two who click at once one has it, and the other hears who. A claim whose form did not open is taken back by
        `let_go`; killed in between, the claim stands on the card, and the same button opens the form for its claimer.
        """
        click = await self._click(user, ref)
        await self._free_if_left(ref)

        def commit(tx: Transaction) -> tuple[Check, datetime | None]:
            check, review = _to_decide(tx, click, may_override=click.may_override)
            is_new = review.claimed_by is None and transitions.claim(tx, ref, by=user, now=click.now)
            return check, click.now if is_new else None

        check, claimed_at = await self.database.write(commit)
        if claimed_at is not None:
            log.info("review.claimed", ref=ref)
        return Started(check=check, entry=self._entry(check), overrides=user in check.requesters, claimed_at=claimed_at)

    async def let_go(self, user: str, ref: str, claimed_at: str) -> None:
        """Undo a claim of `start` whose form did not open, or was cancelled; one that was made otherwise stays."""

        def commit(tx: Transaction, now: datetime) -> bool:
            review = reviews.find(tx, ref)
            # Meanwhile it may have been reassigned, claimed on purpose, proposed or decided.
            if review is None or review.claimed_at is None or review.claimed_at.isoformat() != claimed_at:
                return False
            if review.claimed_by != user or review.proposal is not None or review.state is not ReviewState.OPEN:
                return False
            transitions.release(tx, ref, by=user, before=user, now=now)
            return True

        if await self.database.write(commit, self.now()):
            log.info("review.released", ref=ref)

    async def decide(
        self,
        user: str,
        ref: str,
        decision: Decision,
        *,
        form_id: str,
        seen: str,
        reason: str,
        own_words: str,
        overrides: bool,
    ) -> bool:
        """Store a decision; False when it waits for a second person first.

        `seen` is the check's version when the form was opened: later changes must be read first. The same form sent
        twice decides once. Where nobody has it any more, it is claimed again.
        """
        click = await self._click(user, ref)
        await self._free_if_left(ref)

        def commit(tx: Transaction) -> bool:
            if not slack_requests.take(tx, f"decide:{form_id}", now=click.now):
                return _stands(tx, ref, user)
            check, _review = _to_decide(tx, click, may_override=click.may_override and overrides)
            if check.version_token != seen:
                raise Refused(Refusal.REVIEW_CHANGED, ref=ref, status=check)
            # An admin, or a cancelled form in another window, may have let it go while this form was open.
            transitions.claim(tx, ref, by=user, now=click.now)
            proposal = Proposal(
                decision=decision,
                reason=reason,
                words=own_words,
                by=user,
                at=click.now,
                is_override=user in check.requesters,
            )
            if self._takes_two(check, decision):
                seconds = eligibility.others(self.access, {user, *check.requesters})
                transitions.propose(tx, ref, proposal, channel=self.settings.review_channel, seconds=seconds)
                return False
            transitions.decide(tx, ref, proposal, confirmed_by=None, now=click.now)
            return True

        is_final = await self.database.write(commit)
        log.info("review.decided" if is_final else "review.proposed", ref=ref)
        return is_final

    def _takes_two(self, check: Check, decision: Decision) -> bool:
        return needs_second(
            decision,
            reason=check.reason,
            verdict=check.final_verdict,
            failure=check.failure,
            story=check.verdict_why,
            also_for=self.settings.second_person_for,
        )

    async def agree(self, user: str, ref: str, proposed_at: str) -> None:
        """The second person agrees to the proposal that they read."""
        await eligibility.require_reviewer(self.access, user)
        _check, review = await self.database.read(_find, ref)
        if review is not None and review.proposal is not None:
            await self._void_if_left(ref, review.proposal, proposed_at)

        def commit(tx: Transaction, now: datetime) -> None:
            proposal = _proposal(tx, ref, user, proposed_at)
            if user in checks.get(tx, ref).requesters:
                raise Refused(Refusal.FOUR_EYES, ref=ref)
            transitions.decide(tx, ref, proposal, confirmed_by=user, now=now)

        await self.database.write(commit, self.now())
        log.info("review.decided", ref=ref)

    async def to_disagree(self, user: str, ref: str, proposed_at: str) -> tuple[Check, IDType | None, Proposal]:
        """The proposal that this person may disagree with, or take back."""
        await eligibility.require_reviewer(self.access, user)
        check, proposal = await self.database.read(_to_disagree, ref, user, proposed_at)
        return check, self._entry(check), proposal

    async def disagree(self, user: str, ref: str, proposed_at: str, *, form_id: str, own_words: str) -> bool:
        """The second person disagrees and says why, or the proposer changes their mind: whether it was the proposer.

        The same form sent twice does it once.
        """
        await eligibility.require_reviewer(self.access, user)
        channel = self.settings.review_channel

        def commit(tx: Transaction, now: datetime) -> bool:
            if not slack_requests.take(tx, f"disagree:{form_id}", now=now):
                review = reviews.find(tx, ref)
                said = review.objection if review is not None else None
                return said is not None and said.by == said.proposer
            _check, proposal = _to_disagree(tx, ref, user, proposed_at)
            transitions.disagree(tx, ref, proposal, by=user, words=own_words, channel=channel, now=now)
            return proposal.by == user

        is_own = await self.database.write(commit, self.now())
        log.info("review.disagreed", ref=ref)
        return is_own

    async def to_note(self, user: str, ref: str) -> Check:
        """The check that this person may write a note about."""
        await eligibility.require_reviewer(self.access, user)
        check = await self.database.read(_get, ref)
        if check.review is not ReviewState.OPEN:
            require_unerased(check)
        return check

    async def note(self, user: str, ref: str, text: str, *, form_id: str) -> None:
        """Store a reviewer's note, once for each form."""
        await self.to_note(user, ref)
        source = f"form:{form_id}"
        await self.database.write(transitions.add_note, ref, author=user, words=text, source=source, now=self.now())
        log.info("review.noted", ref=ref)

    async def _click(self, user: str, ref: str) -> _Click:
        await eligibility.require_reviewer(self.access, user)
        await self.database.read(checks.require_intact, ref)
        overrides, releases = [
            await self.access.may(user, right, own=True) is Permission.YES for right in (Right.DECIDE, Right.RELEASE)
        ]
        return _Click(user=user, ref=ref, may_override=overrides, may_release=releases, now=self.now())

    async def _void_if_left(self, ref: str, proposal: Proposal, proposed_at: str) -> None:
        """The proposer must still have the role; for a check that they requested themselves, that of an admin."""
        permission = await eligibility.may_have(self.access, proposal.by, asked=proposal.is_override)
        if permission is Permission.NO:

            def commit(tx: Transaction) -> None:
                # The proposal may have been withdrawn or replaced meanwhile: only the one that was read is void.
                current = _proposal(tx, ref, None, proposed_at)
                transitions.disagree(tx, ref, current, by=BOT, words="", channel=None, now=self.now())

            await self.database.write(commit)
        permission.require(Refused(Refusal.PROPOSER_LEFT, person=proposal.by, ref=ref))

    async def _free_if_left(self, ref: str) -> None:
        """Release a claim of somebody who may not have it any more, without waiting for the next reminder."""
        check, review = await self.database.read(_find, ref)
        claimer = review.claimed_by if review is not None else None
        if claimer is None or (review is not None and review.proposal is not None):
            return
        if await eligibility.may_have(self.access, claimer, asked=claimer in check.requesters) is Permission.NO:
            await self.database.write(transitions.release, ref, by=BOT, before=claimer, now=self.now())

    def _entry(self, check: Check) -> IDType | None:
        return self.id_types.find(check.country, check.id_type)


def _get(tx: Transaction, ref: str) -> Check:
    check = checks.find(tx, ref)
    if check is None:
        raise Refused(Refusal.REVIEW_UNKNOWN_REF, ref=ref)
    return check


def _find(tx: Transaction, ref: str) -> tuple[Check, Review | None]:
    return _get(tx, ref), reviews.find(tx, ref)


def _claim(tx: Transaction, click: _Click, *, reopens: bool, channel: str | None) -> None:
    user, ref = click.user, click.ref
    check = _get(tx, ref)
    if user in check.requesters and not click.may_override:
        raise Refused(Refusal.FOUR_EYES, ref=ref)
    # A selfie seen with another ID number calls reviewers before the check is sent: somebody must be able to take it.
    if not may_be_claimed(check.state) and check.review is not ReviewState.OPEN:
        raise Refused(Refusal.NOTHING_TO_DECIDE, ref=ref, status=check)
    if reopens:
        require_unerased(check)
        transitions.reopen(tx, ref, channel=channel, now=click.now)
    if not transitions.claim(tx, ref, by=user, now=click.now):
        review = reviews.find(tx, ref)
        if review is None or review.claimed_by is None or review.state is not ReviewState.OPEN:
            raise Refused(Refusal.REVIEW_CLOSED, ref=ref, status=check)
        raise Refused(Refusal.CLAIMED_BY, person=review.claimed_by, ref=ref)


def _claimer(tx: Transaction, click: _Click) -> str:
    """The claimer, if this person may give the claim away."""
    _check, review = _find(tx, click.ref)
    if review is None or review.claimed_by is None or review.state is not ReviewState.OPEN:
        raise Refused(Refusal.NOBODY_CLAIMED, ref=click.ref)
    if review.claimed_by != click.user and not click.may_release:
        raise Refused(Refusal.CLAIM_NOT_YOURS, ref=click.ref, person=review.claimed_by)
    return review.claimed_by


def _to_decide(tx: Transaction, click: _Click, *, may_override: bool) -> tuple[Check, Review]:
    """What this person may decide: theirs, or nobody's."""
    ref, user = click.ref, click.user
    check, review = _find(tx, ref)
    if user in check.requesters and not may_override:
        raise Refused(Refusal.FOUR_EYES, ref=ref)
    if not may_be_decided(check.state):
        raise Refused(Refusal.NOTHING_TO_DECIDE, ref=ref, status=check)
    if review is None or review.state is not ReviewState.OPEN:
        raise Refused(Refusal.REVIEW_CLOSED, ref=ref, status=check)
    if review.proposal is not None:
        raise Refused(Refusal.PROPOSED, ref=ref, person=review.proposal.by)
    if review.claimed_by not in (None, user):
        raise Refused(Refusal.CLAIMED_BY, ref=ref, person=review.claimed_by)
    return check, review


def _to_end(tx: Transaction, click: _Click, now: datetime) -> Check:
    """What this person may end without a result of Smile ID: theirs, or nobody's, and for a week without an answer."""
    ref, user = click.ref, click.user
    check, review = _find(tx, ref)
    if user in check.requesters and not click.may_override:
        raise Refused(Refusal.FOUR_EYES, ref=ref)
    # Of two who click at once the second one finds it ended; so does whoever a result was faster than.
    if check.state not in (*BEFORE_SENDING, State.SUBMITTING, State.PROCESSING):
        raise Refused(Refusal.END_OVER, ref=ref, status=check)
    # Whatever an old card shows: run again, it has a week of its own.
    if not is_unanswered(check.state, check.sent_at, now):
        raise Refused(Refusal.END_TOO_EARLY, ref=ref, status=check)
    job_id = attempts.latest_job(tx, ref)
    if job_id is not None and receipts.is_awaited(tx, job_id):
        # A callback came in this very moment, and is about to be settled or confirmed: it counts for more.
        raise Refused(Refusal.END_ANSWERED, ref=ref)
    if review is not None and review.state is ReviewState.OPEN and review.claimed_by not in (None, user):
        raise Refused(Refusal.CLAIMED_BY, ref=ref, person=review.claimed_by)
    return check


def _stands(tx: Transaction, ref: str, user: str) -> bool:
    """For a form that was sent twice: whether its decision stands, or waits for a second person."""
    review = reviews.find(tx, ref)
    return review is None or review.proposal is None or review.proposal.by != user


def _to_disagree(tx: Transaction, ref: str, user: str, proposed_at: str) -> tuple[Check, Proposal]:
    proposal = _proposal(tx, ref, None, proposed_at)
    check = checks.get(tx, ref)
    if user in check.requesters and user != proposal.by:
        raise Refused(Refusal.FOUR_EYES, ref=ref)
    return check, proposal


def _proposal(tx: Transaction, ref: str, user: str | None, proposed_at: str) -> Proposal:
    """The proposal that this person read, if it is still the current one; `user` may not be its author."""
    _check, review = _find(tx, ref)
    if review is None or review.proposal is None:
        raise Refused(Refusal.NO_PROPOSAL, ref=ref)
    if review.proposal.at.isoformat() != proposed_at:
        raise Refused(Refusal.OTHER_PROPOSAL, ref=ref)
    if review.proposal.by == user:
        raise Refused(Refusal.OWN_PROPOSAL)
    return review.proposal
