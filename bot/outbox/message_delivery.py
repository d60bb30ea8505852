"""Posts a message: into its thread, into a channel, or to one person directly."""

from dataclasses import replace

from bot.domain.check.check import Check
from bot.domain.outbox import BATCHES, ELSEWHERE, SUMMARIES, Message, Post, PostKind
from bot.outbox.builders import Builders
from bot.outbox.context import Context
from bot.outbox.lost_answers import LostAnswers
from bot.outbox.outcomes import Delivered, DeliveryOutcome, Failed, Redirected, Spread, ToAuthor
from bot.outbox.recipients import SHARED, Recipients
from bot.slack.client import SlackClient

_FOR_REVIEWERS = frozenset({PostKind.REVIEW_NOTICE, PostKind.REVIEW_CALL})


class MessageDelivery:
    def __init__(
        self, *, slack: SlackClient, recipients: Recipients, lost_answers: LostAnswers, builders: Builders
    ) -> None:
        self._slack = slack
        self._recipients = recipients
        self._lost_answers = lost_answers
        self._builders = builders

    async def deliver(self, post: Post, context: Context, message: Message) -> DeliveryOutcome:
        """Raises SlackError where the call failed; `SlackRefused` with a closed conversation leads to `closed`."""
        if elsewhere := await self._kept_out(post, context):
            return elsewhere
        channel = await self._slack.direct_channel(post.destination) if _is_direct(post) else post.destination
        if post.kind is PostKind.REVIEW_CALL:
            return await self._below_card(post, context, message, channel)
        thread_ts = _thread(post, context)
        if looked := await self._look(post, channel, thread_ts):
            return looked
        if context.check and thread_ts and not await self._slack.thread_exists(channel=channel, ts=thread_ts):
            # Slack would show a reply to nothing in the channel itself, in front of everybody.
            return Redirected(context.check, "the thread's first message is gone")
        return await self._post(post, message, channel, thread_ts)

    def closed(self, post: Post, context: Context, why: str) -> DeliveryOutcome:
        """What becomes of it when Slack refuses because the conversation is closed to the bot."""
        if context.check is not None and _is_for_thread(post):
            return Redirected(context.check, why)
        if post.kind is PostKind.ANSWER and not _is_direct(post):
            return ToAuthor(post.payload["by"], why)
        if post.kind in _FOR_REVIEWERS and post.destination[0] in "CG":
            return Spread(why)
        return Failed(why)

    async def _kept_out(self, post: Post, context: Context) -> DeliveryOutcome | None:
        """Why it must not be posted where it belongs: without a thread, or in front of another company.

        Asked again at delivery: the channel may have been shared since the request, or Slack gave no answer then.
        """
        if context.check is not None and _is_for_thread(post):
            return await self._kept_out_of_thread(post, context.check)
        is_ours_alone = post.kind in SUMMARIES | BATCHES | _FOR_REVIEWERS and not _is_direct(post)
        if not is_ours_alone or not await self._recipients.is_shared(post.destination):
            return None
        return Spread(SHARED) if post.kind in _FOR_REVIEWERS else Failed(SHARED)

    async def _kept_out_of_thread(self, post: Post, check: Check) -> DeliveryOutcome | None:
        if post.kind is not PostKind.REQUEST and check.root_ts is None:
            return Redirected(check, "the request's message was never posted")
        return Redirected(check, SHARED) if await self._recipients.is_shared(check.channel, check.requester) else None

    async def _below_card(self, post: Post, context: Context, message: Message, channel: str) -> DeliveryOutcome:
        """Below its card, or by itself if that was deleted: it is for reviewers alone, never for the requester."""
        card = context.parent
        thread_ts = card.ts if card is not None and card.channel == post.destination else None
        if thread_ts and not await self._slack.thread_exists(channel=channel, ts=thread_ts):
            alone = await self._builders[post.kind](replace(post, parent_id=None))
            thread_ts, message = None, alone if isinstance(alone, Message) else message
        return await self._look(post, channel, thread_ts) or await self._post(post, message, channel, thread_ts)

    async def _look(self, post: Post, channel: str, thread_ts: str | None) -> DeliveryOutcome | None:
        return await self._lost_answers.look(
            post,
            lambda since: self._slack.find_post(channel=channel, post_id=post.id, thread_ts=thread_ts, since=since),
        )

    async def _post(self, post: Post, message: Message, channel: str, thread_ts: str | None) -> Delivered:
        async with self._lost_answers.intent(post):
            return Delivered(
                await self._slack.post(
                    channel=channel, text=message.text, blocks=message.blocks, post_id=post.id, thread_ts=thread_ts
                )
            )


def _thread(post: Post, context: Context) -> str | None:
    if post.kind is PostKind.ANSWER and not _is_direct(post):
        return post.payload.get("thread_ts") or post.payload["ts"]
    if context.check is None or not _is_for_thread(post):
        return None
    # A request's own message opens the thread, unless the request was made inside one.
    return context.check.thread_ts if post.kind is PostKind.REQUEST else context.check.root_ts


def _is_direct(post: Post) -> bool:
    return post.destination[0] in "UW"


def _is_for_thread(post: Post) -> bool:
    return not _is_direct(post) and post.kind not in ELSEWHERE
