"""Who may read a post, checked at delivery: roles may have been lost, and channels shared, since the event."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.access.permissions import Access, Permission
from bot.access.rights import Right, Role
from bot.domain.applicants.batch import Batch
from bot.domain.check.check import Check
from bot.domain.outbox import BATCHES, ELSEWHERE, EXPORTS, SUMMARIES, UPDATES, Post, PostKind
from bot.domain.review.review import FOR_REVIEWERS, Subscription
from bot.errors import SlackNotSent
from storage import batches, checks, outbox
from storage.engine.database import Transaction

_RIGHTS: Mapping[PostKind, Right] = {
    PostKind.ALERT: Right.BE_ALERTED,
    PostKind.AUDIT_HEAD: Right.BE_ALERTED,
    PostKind.BATCH_APPROVAL: Right.APPROVE_FILE,
    PostKind.BATCH_APPROVAL_CARD: Right.APPROVE_FILE,
    PostKind.CERTIFICATE: Right.FORGET,
    PostKind.REVIEW_NOTICE: Right.REVIEW,
    PostKind.REVIEW_CARD: Right.REVIEW,
    # Reminders climb to managers.
    PostKind.REVIEW_CALL: Right.BE_REMINDED,
    **dict.fromkeys(SUMMARIES, Right.FIGURES),
}
"""By kind; everything else is about a check or a file, for who may see it whole."""

NOT_MISSED = UPDATES | ELSEWHERE | SUMMARIES | EXPORTS | {PostKind.DELETION_ASKED}
"""Dropped without an alert when the reader has lost access: the event has its own message, or was for them alone.

What brings links is tried again first, and then told of where they were asked for.
"""

_OURS_ALONE = (
    BATCHES
    | SUMMARIES
    | {
        PostKind.REVIEW_NOTICE,
        PostKind.REVIEW_CALL,
        PostKind.REVIEW_CARD,
        PostKind.AUDIT_HEAD,
    }
)
"""Never posted in a channel that another company reads; the posts of a request's thread are redirected instead."""

_BY_NAME = frozenset(
    {
        *(PostKind.ALERT, PostKind.PERSONAL, PostKind.BATCH_APPROVAL, PostKind.BATCH_LOST, PostKind.CERTIFICATE),
        *(PostKind.LINK, PostKind.LINK_QR, PostKind.LINK_REMINDER, PostKind.BATCH_LINKS),
    }
)
"""Always sent to one person by name: one that names a channel was not written by the bot."""

SHARED = "the channel is shared with another company"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Decides, together with the post itself, who may read it and where it goes."""

    check: Check | None
    batch: Batch | None
    parent: Post | None


def context_of(tx: Transaction, post: Post) -> Context:
    return Context(
        check=checks.find(tx, post.ref) if post.ref else None,
        batch=batches.find(tx, post.payload["batch"]) if "batch" in post.payload else None,
        parent=parent_of(tx, post),
    )


def parent_of(tx: Transaction, post: Post) -> Post | None:
    """The post that this one belongs to: for an update, the message that it changes."""
    if post.kind is PostKind.PROGRESS and post.ref:
        return outbox.find(tx, f"{PostKind.REQUEST.value}:{post.ref}")
    return outbox.find(tx, post.parent_id) if post.parent_id else None


@dataclass(slots=True, kw_only=True, eq=False)
class Recipients:
    access: Access

    async def may_read(self, post: Post, context: Context) -> Permission:
        """YES also for a post to a channel: Slack knows its members, and its thread gets the posts in any case."""
        if post.kind in _BY_NAME and not is_direct(post):
            return Permission.NO
        person = recipient(post, context)
        if person is None or post.kind is PostKind.ANSWER:
            # Everybody gets an answer, also a guest: that they have no rights here. Their rights were checked when the
            # answer was built, minutes ago at most.
            return Permission.YES
        if post.kind in EXPORTS | {PostKind.DELETION_ASKED}:
            # An export's progress reveals nothing of any check; the right to the file is checked when it is written.
            # Who is asked to delete something put it there, with whatever role then.
            return await self.access.is_member(person)
        if post.kind is PostKind.PERSONAL and Subscription(post.payload["choice"]) in FOR_REVIEWERS:
            return await self.access.may(person, Right.REVIEW)
        right = _RIGHTS.get(post.kind)
        # What has no right of its own goes to who asked, or to who sees everybody's.
        return await self.access.may(person, right or Right.SEE_WHOLE, own=right is None)

    async def is_kept_out(self, post: Post) -> bool:
        """Whether it may be read by our own company alone, and another one reads its channel.

        Checked at delivery: the channel may have been shared since, or Slack gave no answer then. What goes to one
        person by name has that reader alone, whose role `may_read` checks.
        """
        return post.kind in _OURS_ALONE and not is_direct(post) and await self.is_shared(post.destination)

    async def is_shared(self, channel: str, user: str = "") -> bool:
        """Whether another company reads a channel. Raises SlackNotSent while Slack does not say."""
        known = await self.access.channel(channel, user)
        if known is None:
            raise SlackNotSent("whether another company reads this channel is not known now")
        return known.shared

    def reviewers(self, post: Post, context: Context) -> list[str]:
        """Who gets directly what cannot be posted in the reviewers' channel: the person it names, or else everybody
        who may decide the check, so not its requesters.
        """
        if whom := post.payload.get("whom"):
            return [whom]
        requesters = context.check.requesters if context.check else frozenset()
        return [user for user in self.access.people(Role.REVIEWER) if user not in requesters]


def is_direct(post: Post) -> bool:
    return post.destination[0] in "UW"


def recipient(post: Post, context: Context) -> str | None:
    """Its only reader: by name, or in their conversation with the bot. None for channels."""
    if is_direct(post):
        return post.destination
    # With the exception, a reviewers' "channel" that an operator set to a direct conversation.
    if post.destination[0] != "D" or post.kind in ELSEWHERE:
        return None
    if context.check is not None:
        return context.check.requester
    if context.batch is not None:
        return context.batch.requester
    return post.payload.get("by")
