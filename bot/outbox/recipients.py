"""Who may read what a post says, asked again at delivery: roles are lost, and channels shared, after what happened."""

from collections.abc import Mapping

from bot.access.permissions import Access, Permission, Role
from bot.domain.outbox import ELSEWHERE, EXPORTS, SUMMARIES, UPDATES, Post, PostKind
from bot.domain.review.review import FOR_REVIEWERS, Subscription
from bot.errors import SlackNotSent
from bot.outbox.context import Context

_ANY_CHECK = (Role.REVIEWER, Role.ADMIN)
_MANAGERS = (Role.MANAGER, Role.ADMIN)
_ROLES: Mapping[PostKind, tuple[Role, ...]] = {
    PostKind.ALERT: (Role.ADMIN,),
    PostKind.REVIEW_NOTICE: _ANY_CHECK,
    PostKind.REVIEW_CARD: _ANY_CHECK,
    # Reminders climb to managers.
    PostKind.REVIEW_CALL: (*_ANY_CHECK, Role.MANAGER),
    **dict.fromkeys(SUMMARIES, _MANAGERS),
}
"""By kind; of everything else the roles that may see the requester's check or file."""

NOT_MISSED = UPDATES | ELSEWHERE | SUMMARIES | EXPORTS
"""Nothing is lost when these are not told to somebody: the event has a message of its own, or was for them alone."""

SHARED = "the channel is shared with another company"


class Recipients:
    """Decides about one post at a time."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def may_be_told(self, post: Post, context: Context) -> Permission:
        """YES also for what goes to a channel: who sits there is Slack's affair, and its thread is told in any case."""
        person = recipient(post, context)
        if person is None:
            return Permission.YES
        if post.kind is PostKind.ANSWER:
            # Whoever asked hears something, a guest too: that they have no rights here. Their rights were looked at as
            # the answer was built, minutes ago at most.
            return Permission.YES
        if post.kind in EXPORTS:
            # How far a file is says nothing of any check; who may have the file is looked at when it is written.
            return await self._access.is_member(person)
        if post.kind is PostKind.PERSONAL and Subscription(post.payload["choice"]) in FOR_REVIEWERS:
            return await self._access.has(person, *_ANY_CHECK)
        return await self._access.has(person, *_ROLES.get(post.kind, (Role.REQUESTER, *_ANY_CHECK)))

    async def is_shared(self, channel: str, user: str = "") -> bool:
        """Whether another company reads a channel. Raises SlackNotSent while Slack does not say."""
        known = await self._access.channel(channel, user)
        if known is None:
            raise SlackNotSent("whether another company reads this channel is not known now")
        return known.shared

    def reviewers(self, post: Post, context: Context) -> list[str]:
        """Who hears directly what cannot be posted in the reviewers' channel: whom it calls by name, or else everybody
        who may decide the check. Whoever asked for it may not.
        """
        if whom := post.payload.get("whom"):
            return [whom]
        requesters = context.check.requesters if context.check else frozenset()
        return [user for user in self._access.people(Role.REVIEWER) if user not in requesters]


def recipient(post: Post, context: Context) -> str | None:
    """Who reads it alone: by name, or in their conversation with the bot. None for channels."""
    if post.destination[0] in "UW":
        return post.destination
    if post.destination[0] != "D":
        return None
    if post.kind in ELSEWHERE:
        # A reviewers' "channel" that an operator set to a direct conversation.
        return None
    if context.check is not None:
        return context.check.requester
    if context.batch is not None:
        return context.batch.requester
    return post.payload.get("by")
