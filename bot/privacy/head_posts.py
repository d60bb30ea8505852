"""Builds the daily message that says where the audit trail ended."""

from datetime import date

from bot.access.process import Process
from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.builders import Builders
from bot.slack.blocks import audit


class HeadPosts(Process):
    def builders(self) -> Builders:
        return {PostKind.AUDIT_HEAD: self._head}

    async def _head(self, post: Post) -> Message:
        # As it was then: a repeat after a lost answer says the same.
        return audit.head(post.payload["head"], date.fromisoformat(post.payload["day"]))
