"""Posts a message into its thread, into a channel or to one person directly; updates one in place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.check.check import Check
from bot.domain.outbox import ELSEWHERE, Message, Post, PostKind
from bot.outbox.builders import Built
from bot.outbox.lost_answers import LostAnswers
from bot.outbox.outcomes import (
    Delivered,
    DeliveryOutcome,
    Dropped,
    EndUntold,
    Failed,
    PostedAnew,
    Redirected,
    Reissued,
    Spread,
    ToAuthor,
)
from bot.outbox.rate_limiter import RateLimiter
from bot.outbox.recipients import SHARED, Context, Recipients, is_direct
from bot.slack.client import FoundMessage, SlackClient
from bot.slack.error_codes import MESSAGE_GONE

ANEW_EVERY = timedelta(days=1)
"""A message that is deleted again and again is posted anew no more often: somebody else's program may delete it."""

_FOR_REVIEWERS = frozenset({PostKind.REVIEW_NOTICE, PostKind.REVIEW_CALL})


@dataclass(slots=True, kw_only=True, eq=False)
class MessageDelivery:
    slack: SlackClient
    recipients: Recipients
    lost_answers: LostAnswers
    build: Callable[[Post], Awaitable[Built]]

    async def deliver(self, post: Post, context: Context, message: Message) -> DeliveryOutcome:
        """Raises SlackError where the call failed; a `SlackRefused` of a closed conversation leads to `closed`."""
        check = context.check
        if check is not None and _is_for_thread(post) and (why := await self._thread_fault(post, check)):
            return Redirected(check=check, why=why)
        channel = await self.slack.direct_channel(post.destination) if is_direct(post) else post.destination
        if post.kind is PostKind.REVIEW_CALL:
            return await self._below_card(post, context, message, channel)
        thread_ts = _thread(post, context)
        if found := await self._search(post, channel, thread_ts):
            return found
        if check and thread_ts and not await self.slack.thread_exists(channel=channel, ts=thread_ts):
            # Slack would show a reply to nothing in the channel itself, in front of everybody.
            return Redirected(check=check, why="the thread's first message is gone")
        return await self._post(post, message, channel, thread_ts)

    def closed(self, post: Post, context: Context, why: str) -> DeliveryOutcome:
        """The outcome when the conversation is closed to the bot, or shared with another company."""
        if context.check is not None and _is_for_thread(post):
            return Redirected(check=context.check, why=why)
        if post.kind is PostKind.ANSWER and not is_direct(post):
            return ToAuthor(why=why)
        if post.kind in _FOR_REVIEWERS and post.destination[0] in "CG":
            return Spread(reviewers=self.recipients.reviewers(post, context), why=why)
        return Failed(why=why)

    async def _thread_fault(self, post: Post, check: Check) -> str | None:
        """Why it must not be posted where the request was made."""
        if post.kind is not PostKind.REQUEST and check.root_ts is None:
            return "the request's message was never posted"
        return SHARED if await self.recipients.is_shared(check.channel, check.requester) else None

    async def _below_card(self, post: Post, context: Context, message: Message, channel: str) -> DeliveryOutcome:
        """Below its card, or by itself if that was deleted: it is for reviewers alone, never for the requester."""
        card = context.parent
        thread_ts = card.ts if card is not None and card.channel == post.destination else None
        if thread_ts and not await self.slack.thread_exists(channel=channel, ts=thread_ts):
            alone = await self.build(replace(post, parent_id=None))
            thread_ts, message = None, alone if isinstance(alone, Message) else message
        return await self._search(post, channel, thread_ts) or await self._post(post, message, channel, thread_ts)

    async def _search(self, post: Post, channel: str, thread_ts: str | None) -> DeliveryOutcome | None:
        def find(since: datetime) -> Awaitable[FoundMessage | None]:
            return self.slack.find_post(channel=channel, post_id=post.id, thread_ts=thread_ts, since=since)

        return await self.lost_answers.search(post, find)

    async def _post(self, post: Post, message: Message, channel: str, thread_ts: str | None) -> Delivered:
        async with self.lost_answers.intent(post):
            place = await self.slack.post(
                channel=channel, text=message.text, blocks=message.blocks, post_id=post.id, thread_ts=thread_ts
            )
        return Delivered(place=place)


@dataclass(slots=True, kw_only=True, eq=False)
class UpdateDelivery:
    """A repeat does no harm, so a lost answer needs no search."""

    slack: SlackClient
    rate_limiter: RateLimiter
    now: Callable[[], datetime]

    async def deliver(self, post: Post, context: Context, message: Message) -> DeliveryOutcome:
        """Raises SlackError where the call failed; a `SlackRefused` that names a deleted message leads to `closed`."""
        parent = context.parent
        if parent is None or parent.channel is None or parent.ts is None:
            return self.closed(post, context, "no message to update")
        try:
            await self.slack.update(channel=parent.channel, ts=parent.ts, text=message.text, blocks=message.blocks)
        finally:
            self.rate_limiter.pause(post.destination)
        return Delivered(place=FoundMessage(channel=parent.channel, ts=parent.ts))

    def closed(self, post: Post, context: Context, why: str) -> DeliveryOutcome:
        """The outcome when the message was deleted, or takes no update any more.

        Progress is dropped. The confirmation of a rejection or failure becomes a result of its own. That of an approval
        is dropped too: a confirmed approval is a message of its own anyway. The message of a file that has not ended is
        posted anew: nobody could confirm, resume or cancel it otherwise. How it ended is told to who sent it.
        """
        parent, check = context.parent, context.check
        if post.kind is PostKind.BATCH_PROGRESS and why in MESSAGE_GONE and parent and self._is_missed(parent, context):
            return PostedAnew(gone=parent, why=why)
        if post.kind is PostKind.BATCH_PROGRESS:
            return EndUntold(why=why)
        if post.kind is PostKind.CONFIRMED and check and parent and parent.kind is PostKind.RESULT_UNCONFIRMED:
            return Reissued(check=check, unconfirmed=parent, why=why)
        return Dropped(why=why)

    def _is_missed(self, message: Post, context: Context) -> bool:
        """Whether a file's message that was deleted is to be posted anew."""
        is_first = "gone" not in message.payload
        is_due = is_first or not timedelta(0) <= self.now() - message.created_at < ANEW_EVERY
        return context.batch is not None and not context.batch.has_ended and is_due


def _thread(post: Post, context: Context) -> str | None:
    if post.kind is PostKind.ANSWER and not is_direct(post):
        return post.payload.get("thread_ts") or post.payload["ts"]
    if post.kind is PostKind.BATCH_LINKS_LOST and context.batch is not None:
        return context.batch.message_ts
    if context.check is None or not _is_for_thread(post):
        return None
    # A request's own message opens the thread, unless the request was made inside one.
    return context.check.thread_ts if post.kind is PostKind.REQUEST else context.check.root_ts


def _is_for_thread(post: Post) -> bool:
    return not is_direct(post) and post.kind not in ELSEWHERE
