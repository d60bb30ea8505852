"""The inbox: messages to the bot and confirming clicks, stored before Slack is acknowledged, answered afterwards.

A kill loses none: the next process reads the message from Slack and answers. What the request brought besides its ids
(the text, the address for an answer in place) stays in memory only, so that an answer is quick while the process lives.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.domain.backoff import retry_in
from bot.domain.mentions.incoming import InboxItem, InboxKind, IncomingMessage
from bot.errors import SlackError
from bot.intake.answer_delivery import AnswerDelivery
from bot.intake.answers import AnswerBuilder, PrivateAnswer, not_read
from bot.slack.client import SlackClient
from bot.slack.retry import Retry
from storage import inbox, leases, slack_requests
from storage.engine.database import Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than all retries of one answer together."""
GIVE_UP_AFTER = timedelta(days=1)
"""The person has found another way since: no check is submitted for a click of the day before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What came with a request and is never stored."""

    incoming: IncomingMessage | None = field(default=None, repr=False)
    response_url: str | None = field(default=None, repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class Inbox(Process):
    slack: SlackClient
    answers: AnswerBuilder
    delivery: AnswerDelivery
    retry: Callable[[], Retry]
    _contexts: dict[str, RequestContext] = field(init=False, default_factory=dict)
    """By item; until it is answered."""
    _under_way: UnderWay = field(init=False, default_factory=UnderWay)

    async def take(self, item: InboxItem, context: RequestContext) -> None:
        """Stores an item, to be answered at once. A repeat of the same request changes nothing."""
        # Before the commit, which wakes the worker. A repeat must not remove what the first request brought.
        is_mine = self._contexts.setdefault(item.id, context) is context
        is_first = False
        try:
            is_first = await self.database.write(_add_first, item, self.now())
        finally:
            if is_mine and not is_first:
                self._contexts.pop(item.id, None)

    async def claim(self, limit: int) -> Sequence[InboxItem]:
        now = self.now()
        keys = self._under_way.keys
        return await self.database.write(inbox.claim_due, now=now, until=now + LEASE, limit=limit, under_way=keys)

    async def give_up(self, items: Sequence[InboxItem]) -> None:
        await self.database.write(leases.give_up, "inbox", "id", [item.id for item in items], now=self.now())

    async def work(self, item: InboxItem) -> None:
        """Answers one item: where its author acted, or by the outbox."""
        # A lease that ran out while the answer is still on its way must not bring a second one.
        await self._under_way.run(item.id, lambda: self._answer(item, self._contexts.get(item.id), self.retry()))

    async def _answer(self, item: InboxItem, context: RequestContext | None, retry: Retry) -> None:
        try:
            me = await retry.call(self.slack.bot_user_id)
        except SlackError as fault:
            await self._reschedule(item, fault)
            return
        if item.user == me:
            # Two bots that answer each other never end, least of all one that answers itself.
            await self._finish(item)
            return
        answer, code = None, ""
        try:
            if self.now() - item.asked_at <= GIVE_UP_AFTER:
                answer = await self.answers.build(item, retry, incoming=context.incoming if context else None)
        except SlackError as fault:
            if context is None:
                await self._reschedule(item, fault)
                return
            log.warning("inbox.not_read", error=str(fault))
            answer = not_read(context.incoming)
        except Exception:
            # Around the whole of one answer: its person gets the code of the fault, which the log explains.
            code = f"E-{secrets.token_hex(2).upper()}"
            log.exception("answer.failed", code=code)
        if answer is not None and context is not None and await self._send_in_place(item, context, answer, retry):
            await self._finish(item)
        else:
            await self._finish(item, lambda tx: self.delivery.enqueue_for_item(tx, item, answer, code=code))

    async def _send_in_place(
        self, item: InboxItem, context: RequestContext, answer: PrivateAnswer, retry: Retry
    ) -> bool:
        """Where its author acted, for them alone; False where that is impossible, or Slack did not confirm it."""
        # If the commit behind it fails, the next attempt finds no context, as after a restart, and answers directly.
        self._contexts.pop(item.id, None)
        if item.kind is InboxKind.CONFIRMATION:
            return await self.delivery.respond(context.response_url, answer, retry)
        if item.is_direct:
            return False
        return await self.delivery.send_ephemeral(answer, item, retry)

    async def _reschedule(self, item: InboxItem, fault: SlackError) -> None:
        log.warning("inbox.try_failed", error=str(fault))
        at = self.now() + retry_in(item.tries + 1, jitter=self.rng.random())
        await self.database.write(inbox.reschedule, item.id, at=at)

    async def _finish(self, item: InboxItem, then: Callable[[Transaction], None] = lambda _tx: None) -> None:
        def commit(tx: Transaction) -> None:
            inbox.delete(tx, item.id)
            then(tx)

        await self.database.write(commit)
        self._contexts.pop(item.id, None)


def _add_first(tx: Transaction, item: InboxItem, now: datetime) -> bool:
    """False for a repeat, also of a request that was answered and deleted since.

    In one transaction: after a kill, a repeat may count as one only if the first request is there to be answered.
    """
    if not slack_requests.take(tx, item.id, now=now):
        return False
    inbox.keep(tx, item, now=now)
    return True
