"""*Request review*: whoever asked for a check has the reviewers look at it, and says why."""

from dataclasses import dataclass

import structlog

from bot.access.process import Process
from bot.domain.check.check import Check, require_unerased
from bot.domain.review.requests import RequestKind, ReviewRequest, may_be_requested
from bot.domain.review.review import ReviewState
from bot.errors import Refusal, Refused
from bot.review import transitions
from storage import checks, review_requests
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class ReviewRequests(Process):
    """For whoever may see the check: its requester, reviewers and admins. Who asked still cannot decide."""

    async def may_request(self, user: str, ref: str) -> Check:
        """The check that this person may have reviewed now. Raises Refused."""
        check = await self.visible_check(user, ref)
        _require_requestable(check)
        return check

    async def request(self, user: str, ref: str, *, reason: str, words: str, form_id: str) -> None:
        """Open the review, and call the reviewers with the reason. The same form sent twice asks once."""
        await self.visible_check(user, ref)
        now, channel = self.now(), self.settings.review_channel

        def commit(tx: Transaction) -> None:
            if review_requests.find(tx, form_id) is not None:
                return
            # Read here again: of two people who ask at once, the second learns that reviewers know already.
            check = checks.get(tx, ref)
            _require_requestable(check)
            asked = ReviewRequest(
                id=form_id,
                ref=ref,
                round=check.round,
                kind=RequestKind.REVIEW,
                person=user,
                reason=reason,
                words=words,
                at=now,
            )
            transitions.request(tx, check, asked, channel=channel)

        await self.database.write(commit)
        log.info("review.requested", ref=ref)


def _require_requestable(check: Check) -> None:
    require_unerased(check)
    if check.review is ReviewState.OPEN:
        raise Refused(Refusal.REVIEW_REQUESTED, ref=check.ref)
    if not may_be_requested(check.state, check.review):
        raise Refused(Refusal.NOTHING_TO_DECIDE, ref=check.ref, status=check)
