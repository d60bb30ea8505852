"""What silence brings: claims of people who lost the role are taken off, reminders climb, long waits get a card."""

from collections.abc import Callable
from datetime import datetime

import structlog

from bot.access.permissions import Access, Permission
from bot.domain.review.review import Audience, ReminderPolicy, WaitingReview, reminder, waits_for_smile_id
from bot.errors import SlackError
from bot.review import transitions
from bot.review.eligibility import ReviewEligibility
from bot.review.thread_notes import ThreadNotes
from bot.settings import Settings
from bot.slack.client import SlackClient
from storage import checks, reviews
from storage.audit import BOT
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)


class Reminders:
    """What is done when reviewers do nothing."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        access: Access,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._rights = ReviewEligibility(access)
        self._replies = ThreadNotes(database=database, slack=slack)
        self._channel = settings.review_channel
        self._now = now
        self._policy = ReminderPolicy(
            unclaimed=settings.review_unclaimed,
            idle=settings.review_idle,
            pending=settings.review_pending,
            hours=settings.working,
        )

    async def tick(self) -> None:
        """Once a minute: claims of people who lost the role, reminders, long waits, replies below decided cards."""
        for waiting in await self._database.read(reviews.waiting):
            try:
                await self._look_at(waiting)
            except SlackError as fault:
                log.warning("review.not_looked_at", ref=waiting.review.ref, error=str(fault))
        await self._call_for_the_waiting()
        await self._replies.read()

    async def _look_at(self, waiting: WaitingReview) -> None:
        now, review = self._now(), waiting.review
        if review.claimed_by is not None and await self._is_lost(review.claimed_by, waiting):
            await self._database.write(transitions.release, review.ref, by=BOT, before=review.claimed_by, now=now)
            log.info("review.released", ref=review.ref)
            return
        waits = waits_for_smile_id(waiting.state, waiting.reason)
        due = reminder(review, waits_for_smile_id=waits, now=now, policy=self._policy)
        if due is None:
            return
        match due.audience:
            case Audience.CLAIMER:
                whom = [review.claimed_by or ""]
            case Audience.GROUP:
                proposer = {review.proposal.by} if review.proposal is not None else set()
                whom = self._rights.others({*waiting.requesters, *proposer})
            case Audience.MANAGERS:
                whom = self._rights.managers()
        if await self._database.write(transitions.remind, review, due, whom=whom, channel=self._channel, now=now):
            log.info("review.reminded", ref=review.ref, step=due.mark)

    async def _call_for_the_waiting(self) -> None:
        """Checks that Smile ID has had for long, without a word: somebody should know."""
        now, pending = self._now(), self._policy.pending
        if not pending or not self._policy.hours.is_on(now):
            return
        for ref in await self._database.read(reviews.waiting_at_smile_id, sent_before=now - pending):
            check = await self._database.read(checks.get, ref)
            if self._policy.hours.between(check.sent_at or now, now) >= pending:
                await self._database.write(self._call_for, ref, now)

    def _call_for(self, tx: Transaction, ref: str, now: datetime) -> None:
        check = checks.get(tx, ref)
        if waits_for_smile_id(check.state, check.reason):
            key = f"pending:{ref}:{check.round}"
            transitions.call(tx, check, key, channel=self._channel, now=now, payload={"tell": "pending"})

    async def _is_lost(self, claimer: str, waiting: WaitingReview) -> bool:
        return await self._rights.may_have(claimer, asked=claimer in waiting.requesters) is Permission.NO
