"""The inbox: messages to the bot and confirming clicks, stored before Slack is acknowledged, answered behind that.

A kill loses none: the next process reads the message from Slack again and answers. What the request brought along
besides its ids (the text, the address for an answer in place) stays in memory alone, so that an answer is quick as long
as the process lives.
"""

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.domain.backoff import retry_in
from bot.domain.mentions.inbox import InboxItem, InboxKind
from bot.domain.mentions.incoming import IncomingMessage
from bot.errors import SlackError
from bot.intake.answers import Answer, Answers, not_read
from bot.slack.client import SlackClient
from bot.slack.retry import Retry
from storage import inbox, slack_requests
from storage.engine.database import Database, Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than all retry of one answer together."""
GIVE_UP_AFTER = timedelta(days=1)
"""Whoever asked has gone another way since: a check is not submitted for a click of the day before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What came with a request and is never stored."""

    dropped: IncomingMessage | None = field(default=None, repr=False)
    response_url: str | None = field(default=None, repr=False)


class Inbox:
    """Stores what is asked, and answers it."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        answers: Answers,
        retry: Callable[[], Retry],
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._database = database
        self._slack = slack
        self._answers = answers
        self._tries = retry
        self._now = now
        self._rng = rng
        self._brought: dict[str, Brought] = {}
        self._under_way = UnderWay()

    async def take(self, item: InboxItem, brought: Brought) -> None:
        """Store it, and have it answered at once. A repeat of the same request changes nothing."""
        # Before the commit, which wakes the worker. A repeat must not take away what the first one brought.
        mine = self._brought.setdefault(item.id, brought) is brought
        is_first = False
        try:
            is_first = await self._database.write(_keep_first, item, self._now())
        finally:
            if mine and not is_first:
                self._brought.pop(item.id, None)

    async def claim(self, limit: int) -> Sequence[InboxItem]:
        now = self._now()
        return await self._database.write(inbox.claim_due, now=now, until=now + LEASE, limit=limit)

    async def work(self, item: InboxItem) -> None:
        """Answer one item: where its author acted, or by the outbox."""
        await self._under_way.run(item.id, lambda: self._answer(item, self._brought.get(item.id), self._tries()))

    async def _answer(self, item: InboxItem, brought: Brought | None, retry: Retry) -> None:
        try:
            me = await retry.call(self._slack.me)
        except SlackError as fault:
            await self._reschedule(item, fault)
            return
        if item.user == me:
            # Two bots that answer each other never end, least of all one that answers itself.
            await self._end(item)
            return
        answer, code = None, ""
        try:
            if self._now() - item.asked_at <= GIVE_UP_AFTER:
                answer = await self._answers.to(item, retry, dropped=brought.dropped if brought else None)
        except SlackError as fault:
            if brought is None:
                await self._reschedule(item, fault)
                return
            log.warning("inbox.not_read", error=str(fault))
            answer = not_read(brought.dropped)
        except Exception:
            # The whole of one answer: whoever waits for it hears of the fault, and its code stands in the log.
            code = f"E-{secrets.token_hex(2).upper()}"
            log.exception("answer.failed", code=code)
        if answer is not None and brought is not None and await self._in_place(item, brought, answer, retry):
            await self._end(item)
            return

        def by_outbox(tx: Transaction) -> None:
            self._answers.enqueue(tx, item, answer, now=self._now(), code=code)

        await self._end(item, by_outbox)

    async def _in_place(self, item: InboxItem, brought: Brought, answer: Answer, retry: Retry) -> bool:
        """Where its author acted, for them alone; False where that cannot be, or is not known to have been."""
        if item.kind is InboxKind.CONFIRMATION:
            return await self._answers.respond(brought.response_url, answer, retry)
        if item.is_direct:
            return False
        return await self._answers.whisper(
            answer, retry, channel=item.channel, user=item.user, thread_ts=item.thread_ts
        )

    async def _reschedule(self, item: InboxItem, fault: SlackError) -> None:
        log.warning("inbox.try_failed", error=str(fault))
        at = self._now() + retry_in(item.tries + 1, jitter=self._rng.random())
        await self._database.write(inbox.reschedule, item.id, at=at)

    async def _end(self, item: InboxItem, then: Callable[[Transaction], None] = lambda _tx: None) -> None:
        def commit(tx: Transaction) -> None:
            inbox.delete(tx, item.id)
            then(tx)

        await self._database.write(commit)
        self._brought.pop(item.id, None)


def _keep_first(tx: Transaction, item: InboxItem, now: datetime) -> bool:
    """False for a repeat, also of a request that was answered and deleted since.

    In one transaction: after a kill, a repeat may only be taken for one if the first is there to be answered.
    """
    if not slack_requests.take(tx, item.id, now=now):
        return False
    inbox.keep(tx, item, now=now)
    return True
