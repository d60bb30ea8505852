"""What reviewers click: claim, decide, agree, hand on, note; and four eyes on all of it."""

from collections.abc import Callable
from datetime import datetime

import structlog

from bot.access.permissions import Access, Permission
from bot.domain.check.check import Check
from bot.domain.check.references import parse_reference
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.review.review import (
    Decision,
    Proposal,
    Review,
    ReviewState,
    may_be_claimed,
    may_be_decided,
    needs_second,
)
from bot.errors import Refusal, Refused
from bot.review import transitions
from bot.review.eligibility import ReviewEligibility
from bot.settings import Settings
from storage import checks, reviews, slack_requests
from storage.audit import BOT
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)


class ReviewDecisions:
    """What reviewers do."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._rights = ReviewEligibility(access)
        self._id_types = id_types
        self._channel = settings.review_channel
        self._now = now

    # Clicks

    async def find(self, user: str, typed: str) -> tuple[Check, IDType | None, Review | None]:
        """What the card of one check shows, for a reviewer. Raises Refused."""
        await self._rights.require_reviewer(user)
        check, review = await self._look_up(parse_reference(typed) or typed)
        return check, self._entry(check), review

    async def claim(self, user: str, ref: str, *, again: bool = False) -> None:
        """Take it; `again` also what is closed, to look once more. Raises Refused."""
        await self._rights.require_reviewer(user)
        is_admin = await self._rights.is_admin(user)

        def commit(tx: Transaction, now: datetime) -> None:
            check = _the(tx, ref)
            if user in check.requesters and not is_admin:
                raise Refused(Refusal.FOUR_EYES, ref=ref)
            if not may_be_claimed(check.state):
                raise Refused(Refusal.NOTHING_TO_DECIDE, ref=ref, status=check)
            if again:
                taken = transitions.reopen_and_claim(tx, ref, by=user, channel=self._channel, now=now)
            else:
                taken = transitions.claim(tx, ref, by=user, now=now)
            if not taken:
                review = reviews.find(tx, ref)
                if review is None or review.claimed_by is None or review.state is not ReviewState.OPEN:
                    raise Refused(Refusal.REVIEW_CLOSED, ref=ref, status=check)
                raise Refused(Refusal.CLAIMED_BY, person=review.claimed_by, ref=ref)

        await self._database.write(commit, self._now())
        log.info("review.claimed", ref=ref)

    async def release(self, user: str, ref: str) -> None:
        """Give it back: by who has it, or an admin. Raises Refused."""
        await self._rights.require_reviewer(user)
        is_admin = await self._rights.is_admin(user)

        def commit(tx: Transaction, now: datetime) -> None:
            before = _claimer(tx, ref, user, is_admin=is_admin)
            transitions.release(tx, ref, by=user, before=before, now=now)

        await self._database.write(commit, self._now())
        log.info("review.released", ref=ref)

    async def may_hand_on(self, user: str, ref: str) -> Check:
        """The check that this person may give to another. Raises Refused."""
        await self._rights.require_reviewer(user)
        is_admin = await self._rights.is_admin(user)

        def look(tx: Transaction) -> Check:
            _claimer(tx, ref, user, is_admin=is_admin)
            return _the(tx, ref)

        return await self._database.read(look)

    async def hand_on(self, user: str, ref: str, to: str) -> None:
        """Give it to another reviewer, who is told. Raises Refused."""
        await self._rights.require_reviewer(user)
        is_admin = await self._rights.is_admin(user)
        (await self._rights.is_reviewer(to)).require(Refused(Refusal.HAND_TO_NO_REVIEWER))

        def commit(tx: Transaction, now: datetime) -> None:
            before = _claimer(tx, ref, user, is_admin=is_admin)
            if to in _the(tx, ref).requesters:
                raise Refused(Refusal.HAND_TO_REQUESTER)
            transitions.hand_on(tx, ref, by=user, before=before, to=to, channel=self._channel, now=now)

        await self._database.write(commit, self._now())
        log.info("review.handed_on", ref=ref)

    async def to_decide(self, user: str, ref: str) -> tuple[Check, IDType | None, bool]:
        """The check that this person may decide now, and whether only as an admin. Raises Refused."""
        await self._rights.require_reviewer(user)
        is_admin = await self._rights.is_admin(user)
        check = await self._database.read(_to_decide, ref, user, is_admin=is_admin)
        return check, self._entry(check), user in check.requesters

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
        """Keep a decision; False when it waits for a second person first. Raises Refused.

        `seen` is how the check stood when the form was opened: what has changed since must be read first. The same
        form sent twice decides once.
        """
        await self._rights.require_reviewer(user)
        is_admin = await self._rights.is_admin(user)

        def commit(tx: Transaction, now: datetime) -> bool:
            if not slack_requests.take(tx, f"decide:{form_id}", now=now):
                return True
            check = _to_decide(tx, ref, user, is_admin=is_admin and overrides)
            if check.version_token != seen:
                raise Refused(Refusal.REVIEW_CHANGED, ref=ref, status=check)
            proposal = Proposal(
                decision=decision,
                reason=reason,
                words=own_words,
                by=user,
                at=now,
                is_override=user in check.requesters,
            )
            if needs_second(decision, reason=check.reason, verdict=check.final_verdict):
                seconds = self._rights.others({user, *check.requesters})
                transitions.propose(tx, ref, proposal, channel=self._channel, seconds=seconds)
                return False
            transitions.decide(tx, ref, proposal, confirmed_by=None, now=now)
            return True

        stands = await self._database.write(commit, self._now())
        log.info("review.decided" if stands else "review.proposed", ref=ref)
        return stands

    async def agree(self, user: str, ref: str, proposed_at: str) -> None:
        """The second person's yes to the proposal that was read. Raises Refused."""
        await self._rights.require_reviewer(user)
        _check, review = await self._look_up(ref)
        if review is not None and review.proposal is not None:
            await self._void_if_left(ref, review.proposal, proposed_at)

        def commit(tx: Transaction, now: datetime) -> None:
            proposal = _proposal(tx, ref, user, proposed_at)
            if user in _the(tx, ref).requesters:
                raise Refused(Refusal.FOUR_EYES, ref=ref)
            transitions.decide(tx, ref, proposal, confirmed_by=user, now=now)

        await self._database.write(commit, self._now())
        log.info("review.decided", ref=ref)

    async def disagree(self, user: str, ref: str, proposed_at: str) -> None:
        """The second person's no, or the proposer's own second thought. Raises Refused."""
        await self._rights.require_reviewer(user)

        def commit(tx: Transaction, now: datetime) -> None:
            proposal = _proposal(tx, ref, None, proposed_at)
            if user in _the(tx, ref).requesters and user != proposal.by:
                raise Refused(Refusal.FOUR_EYES, ref=ref)
            transitions.disagree(tx, ref, by=user, now=now)

        await self._database.write(commit, self._now())
        log.info("review.disagreed", ref=ref)

    async def to_note(self, user: str, ref: str) -> Check:
        """The check that this person may write about. Raises Refused."""
        await self._rights.require_reviewer(user)
        check, _review = await self._look_up(ref)
        return check

    async def note(self, user: str, ref: str, text: str, *, form_id: str) -> None:
        """Keep what a reviewer wrote; once for each form. Raises Refused."""
        await self.to_note(user, ref)
        await self._database.write(
            transitions.add_note, ref, author=user, words=text, source=f"form:{form_id}", now=self._now()
        )
        log.info("review.noted", ref=ref)

    # Looking up

    async def _void_if_left(self, ref: str, proposal: Proposal, proposed_at: str) -> None:
        """Whoever proposed must still be somebody who may; of a check that they asked for themselves, as an admin."""
        match await self._rights.may_have(proposal.by, asked=proposal.is_override):
            case Permission.YES:
                return
            case Permission.UNKNOWN:
                raise Refused(Refusal.NOT_SURE)
            case Permission.NO:
                pass

        def commit(tx: Transaction, now: datetime) -> None:
            _proposal(tx, ref, None, proposed_at)
            transitions.disagree(tx, ref, by=BOT, now=now)

        await self._database.write(commit, self._now())
        raise Refused(Refusal.PROPOSER_LEFT, person=proposal.by, ref=ref)

    async def _look_up(self, ref: str) -> tuple[Check, Review | None]:
        def look(tx: Transaction) -> tuple[Check, Review | None]:
            return _the(tx, ref), reviews.find(tx, ref)

        return await self._database.read(look)

    def _entry(self, check: Check) -> IDType | None:
        return self._id_types.find(check.country, check.id_type)


def _the(tx: Transaction, ref: str) -> Check:
    check = checks.find(tx, ref)
    if check is None:
        raise Refused(Refusal.REVIEW_UNKNOWN_REF, ref=ref)
    return check


def _claimer(tx: Transaction, ref: str, user: str, *, is_admin: bool) -> str:
    """Who has it, if this person may give it away."""
    _the(tx, ref)
    review = reviews.find(tx, ref)
    if review is None or review.claimed_by is None or review.state is not ReviewState.OPEN:
        raise Refused(Refusal.NOBODY_CLAIMED, ref=ref)
    if review.claimed_by != user and not is_admin:
        raise Refused(Refusal.CLAIM_NOT_YOURS, ref=ref, person=review.claimed_by)
    return review.claimed_by


def _to_decide(tx: Transaction, ref: str, user: str, *, is_admin: bool) -> Check:
    check, review = _the(tx, ref), reviews.find(tx, ref)
    if user in check.requesters and not is_admin:
        raise Refused(Refusal.FOUR_EYES, ref=ref)
    if not may_be_decided(check.state):
        raise Refused(Refusal.NOTHING_TO_DECIDE, ref=ref, status=check)
    if review is None or review.state is not ReviewState.OPEN:
        raise Refused(Refusal.REVIEW_CLOSED, ref=ref, status=check)
    if review.proposal is not None:
        raise Refused(Refusal.PROPOSED, ref=ref, person=review.proposal.by)
    if review.claimed_by is None:
        raise Refused(Refusal.NOT_CLAIMED, ref=ref)
    if review.claimed_by != user:
        raise Refused(Refusal.CLAIMED_BY, ref=ref, person=review.claimed_by)
    return check


def _proposal(tx: Transaction, ref: str, user: str | None, proposed_at: str) -> Proposal:
    """The proposal that this person read, if it stands; `user` may not be its author."""
    _the(tx, ref)
    review = reviews.find(tx, ref)
    if review is None or review.proposal is None:
        raise Refused(Refusal.NO_PROPOSAL, ref=ref)
    if review.proposal.at.isoformat() != proposed_at:
        raise Refused(Refusal.OTHER_PROPOSAL, ref=ref)
    if review.proposal.by == user:
        raise Refused(Refusal.OWN_PROPOSAL)
    return review.proposal
