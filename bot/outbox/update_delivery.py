"""Updates a message in place. A repeat does no harm, so a lost answer needs no search."""

from dataclasses import dataclass

from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.outcomes import Delivered, DeliveryOutcome, Dropped, Reissued
from bot.outbox.rate_limiter import RateLimiter
from bot.outbox.recipients import Context
from bot.slack.client import FoundMessage, SlackClient


@dataclass(slots=True, kw_only=True, eq=False)
class UpdateDelivery:
    slack: SlackClient
    rate_limiter: RateLimiter

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
        is dropped too: a confirmed approval is a message of its own anyway.
        """
        parent, check = context.parent, context.check
        if post.kind is PostKind.CONFIRMED and check and parent and parent.kind is PostKind.RESULT_UNCONFIRMED:
            return Reissued(check=check, unconfirmed=parent, why=why)
        return Dropped(why=why)
