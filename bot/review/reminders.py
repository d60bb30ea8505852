"""Acts on silence: releases claims of people who lost the role, sends reminders, posts a card for long waits."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.review.review import Audience, ReminderPolicy, WaitingReview, reminder, waits_for_smile_id
from bot.errors import SlackError
from bot.review import eligibility, transitions
from bot.review.thread_notes import read_replies
from bot.slack.client import SlackClient
from storage import checks, reviews
from storage.audit import BOT
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Reminders(Process):
    slack: SlackClient

    async def tick(self) -> None:
        """Once a minute: claims of people who lost the role, reminders, long waits, replies below decided cards."""
        for waiting in await self.database.read(reviews.waiting):
            try:
                await self._check(waiting)
            except SlackError as fault:
                log.warning("review.reminder_failed", ref=waiting.review.ref, error=str(fault))
        await self._call_for_long_waits()
        await read_replies(self.database, self.slack)

    @property
    def _policy(self) -> ReminderPolicy:
        return ReminderPolicy(
            unclaimed=self.settings.review_unclaimed,
            idle=self.settings.review_idle,
            pending=self.settings.review_pending,
            hours=self.settings.working,
        )

    async def _check(self, waiting: WaitingReview) -> None:
        now, review = self.now(), waiting.review
        if review.claimed_by is not None and await self._has_lost_role(review.claimed_by, waiting):
            await self.database.write(transitions.release, review.ref, by=BOT, before=review.claimed_by, now=now)
            log.info("review.released", ref=review.ref)
            return
        waits = waits_for_smile_id(waiting.state, waiting.reason)
        due = reminder(review, waits_for_smile_id=waits, now=now, policy=self._policy)
        if due is None:
            return
        whom, channel = self._audience(due.audience, waiting), self.settings.review_channel
        if await self.database.write(transitions.remind, review, due, whom=whom, channel=channel, now=now):
            log.info("review.reminded", ref=review.ref, step=due.mark)

    def _audience(self, audience: Audience, waiting: WaitingReview) -> list[str]:
        match audience:
            case Audience.CLAIMER:
                return [waiting.review.claimed_by or ""]
            case Audience.GROUP:
                proposal = waiting.review.proposal
                proposer = {proposal.by} if proposal is not None else set()
                return eligibility.others(self.access, {*waiting.requesters, *proposer})
            case Audience.MANAGERS:
                # Where there are none, the admins, since somebody must know.
                return self.access.people(Role.MANAGER) or self.access.people(Role.ADMIN)

    async def _call_for_long_waits(self) -> None:
        """Posts a card for each check that Smile ID has had for long without any answer."""
        now, policy = self.now(), self._policy
        if not policy.pending or not policy.hours.is_on(now):
            return
        for ref in await self.database.read(reviews.waiting_at_smile_id, sent_before=now - policy.pending):
            check = await self.database.read(checks.get, ref)
            if check.is_altered:
                continue  # admins have been told, and nobody can decide it
            if policy.hours.between(check.sent_at or now, now) >= policy.pending:
                await self.database.write(_call, ref, channel=self.settings.review_channel, now=now)

    async def _has_lost_role(self, claimer: str, waiting: WaitingReview) -> bool:
        asked = claimer in waiting.requesters
        return await eligibility.may_have(self.access, claimer, asked=asked) is Permission.NO


def _call(tx: Transaction, ref: str, *, channel: str | None, now: datetime) -> None:
    check = checks.get(tx, ref)
    # A result may have come since the list was read.
    if waits_for_smile_id(check.state, check.reason):
        key = f"{transitions.PENDING}:{ref}:{check.round}"
        transitions.call(tx, check, key, channel=channel, now=now, payload={"tell": transitions.PENDING})
