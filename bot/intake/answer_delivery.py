"""Gets each answer to its person exactly once: where they acted, else by a direct message of the outbox.

Where a person acted Slack cannot be searched for an answer, so it is retried only where Slack surely did not take it;
otherwise one direct message brings it, a post of the outbox, which is searched for before it is repeated.
A row of the outbox holds the ids of the message, never the answer, which quotes it: the answer is rebuilt at delivery,
or kept in memory for minutes. One to anything but a message is kept only there; its loss is told to its person.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.domain.mentions.incoming import InboxItem, MessageIds
from bot.domain.outbox import Message, Post, PostKind
from bot.errors import SlackError, SlackUncertain
from bot.intake.answers import AnswerBuilder, PrivateAnswer
from bot.slack.client import SlackClient
from bot.slack.retry import Retry
from storage import outbox
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

RESPONSES = 3
"""Attempts at a response_url, which takes five answers."""
KEPT_FOR = timedelta(minutes=2)
"""How long an answer waits in memory for its delivery. Rights may be lost meanwhile: after that it is rebuilt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptAnswer:
    message: Message = field(repr=False)
    at: datetime
    readers: frozenset[str]
    """Its person, and their conversation with the bot."""


@dataclass(slots=True, kw_only=True, eq=False)
class AnswerDelivery(Process):
    slack: SlackClient
    builder: AnswerBuilder
    _kept: dict[str, _KeptAnswer] = field(init=False, default_factory=dict)
    """By post."""

    async def send_ephemeral(self, answer: PrivateAnswer, to: MessageIds, retry: Retry) -> bool:
        """Sends it to the author of a message, in its thread; False where Slack does not confirm that it took it."""
        text, blocks = answer.message.text, answer.message.blocks
        return await _send(
            lambda: self.slack.post_ephemeral(
                channel=to.channel, user=to.user, text=text, blocks=blocks, thread_ts=to.thread_ts
            ),
            retry,
        )

    async def respond(self, response_url: str | None, answer: PrivateAnswer, retry: Retry) -> bool:
        """Sends it to the address that came with a click or command; False as above, or without an address."""
        if not response_url:
            return False
        text, blocks, in_place = answer.message.text, answer.message.blocks, answer.in_place
        # To replace the same message twice does no harm.
        return await _send(
            lambda: self.slack.respond(response_url, text=text, blocks=blocks, replace=in_place),
            retry,
            is_repeatable=in_place,
        )

    def enqueue_for_item(
        self, tx: Transaction, item: InboxItem, answer: PrivateAnswer | None, *, code: str = ""
    ) -> None:
        """Posts the answer to an item by the outbox; without one, a notice of that, with the `code` of a fault."""
        payload = {"channel": item.channel, "code": code}
        if answer is not None:
            payload |= {**item.ids(), "outcome": answer.outcome or "", "subject": answer.subject}
            # Not rebuilt from the message, which may be deleted by then: whether it held a number.
            payload["warns"] = "yes" if answer.warns else ""
        destination = item.channel if item.is_direct and answer else item.user
        self._enqueue(tx, f"{item.user}:{item.id}", destination, payload, answer)

    async def send_directly(
        self, user: str, about: str, answer: PrivateAnswer | None, *, channel: str | None = None, code: str = ""
    ) -> None:
        """Posts any other answer by the outbox. `about` is the same for a repeat of it, which changes nothing."""
        payload = {"channel": channel or "", "code": code}
        await self.database.write(self._enqueue, f"{user}:{about}", user, payload, answer)

    def _enqueue(
        self, tx: Transaction, key: str, destination: str, payload: dict[str, str], answer: PrivateAnswer | None
    ) -> None:
        now = self.now()
        given = {name: text for name, text in payload.items() if text}
        post_id = outbox.enqueue(tx, PostKind.ANSWER, key=key, destination=destination, payload=given, now=now)
        self._kept = {id_: kept for id_, kept in self._kept.items() if now - kept.at < KEPT_FOR}
        if answer is not None:
            readers = frozenset({destination, payload.get("by", destination)})
            self._kept[post_id] = _KeptAnswer(message=answer.message, at=now, readers=readers)

    async def build(self, post: Post) -> Message | None:
        """What a row of the outbox brings: the answer as it was given, or rebuilt; None for who is not to read it.

        Raises SlackError.
        """
        kept = self._kept.get(post.id)
        if kept is not None and self.now() - kept.at < KEPT_FOR:
            # No MAC covers the row: whoever changed where it goes would be sent what somebody else typed.
            return kept.message if post.destination in kept.readers else None
        return await self.builder.build_for_post(post)


async def _send(call: Callable[[], Awaitable[None]], retry: Retry, *, is_repeatable: bool = False) -> bool:
    """Retried only while Slack surely did not take it, unless it may be repeated: a lost one may have arrived."""

    async def once() -> bool:
        try:
            await call()
        except SlackUncertain as lost:
            if is_repeatable:
                raise
            log.info("answer.lost", error=str(lost))
            return False
        return True

    try:
        return await retry.call(once, attempts=RESPONSES if is_repeatable else None)
    except SlackError as fault:
        log.info("answer.not_in_place", error=str(fault))
        return False
