"""Updates a message in place. Doing it twice does no harm, so a lost answer needs no looking into."""

from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.context import Context
from bot.outbox.outcomes import Delivered, DeliveryOutcome, Dropped, Failed, Reissued
from bot.outbox.pacing import Pacing
from bot.outbox.recipients import SHARED, Recipients
from bot.slack.client import FoundMessage, SlackClient


class UpdateDelivery:
    def __init__(self, *, slack: SlackClient, recipients: Recipients, pacing: Pacing) -> None:
        self._slack = slack
        self._recipients = recipients
        self._pacing = pacing

    async def deliver(self, post: Post, context: Context, message: Message) -> DeliveryOutcome:
        """Raises SlackError where the call failed; `SlackRefused` with a message that is gone leads to `closed`."""
        parent = context.parent
        if parent is None or parent.channel is None or parent.ts is None:
            return self.closed(post, context, "no message to update")
        is_card = post.kind is PostKind.REVIEW_CARD and post.destination[0] in "CG"
        if is_card and await self._recipients.is_shared(post.destination):
            # What is decided, and why, is not for another company.
            return Failed(SHARED)
        try:
            await self._slack.update(channel=parent.channel, ts=parent.ts, text=message.text, blocks=message.blocks)
        finally:
            self._pacing.pause(post.destination)
        return Delivered(FoundMessage(channel=parent.channel, ts=parent.ts))

    def closed(self, post: Post, context: Context, why: str) -> DeliveryOutcome:
        """What becomes of it when the message is gone, or takes no update any more.

        Progress has nowhere else to stand. The confirmation of a rejection or failure becomes a result of its own. That
        of an approval needs no place: a confirmed approval is a message of its own anyway.
        """
        parent, check = context.parent, context.check
        if post.kind is PostKind.CONFIRMED and check and parent and parent.kind is PostKind.RESULT_UNCONFIRMED:
            return Reissued(check, parent, why)
        return Dropped(why)
