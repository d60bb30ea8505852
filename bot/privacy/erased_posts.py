"""Builds what stands in place of an erased message, and what people are asked to delete themselves."""

from bot.access.process import Process
from bot.domain.outbox import Message, Post, PostKind
from bot.domain.privacy.slack_removals import Removal, SlackRemoval
from bot.outbox.builders import Builders
from bot.slack.blocks import erased
from bot.slack.blocks.erased import ToDelete
from storage import checks, slack_removals

MOST_CHECKS = erased.CHECKS
"""Of so many one message tells."""


class ErasedPosts(Process):
    def builders(self) -> Builders:
        return {PostKind.DELETION_ASKED: self._asked}

    async def in_place(self, removal: SlackRemoval) -> Message:
        """What a message of ours about this check says from now on."""
        check = await self.database.read(checks.find, removal.ref, sealed=False)
        return erased.message(removal.ref, at=removal.asked_at, is_record_kept=check is not None)

    async def _asked(self, post: Post) -> Message | None:
        """None once all of it is gone."""
        by_check: dict[str, list[SlackRemoval]] = {}
        for one in await self.database.read(slack_removals.told_by, post.id):
            by_check.setdefault(one.ref, []).append(one)
        if not by_check:
            return None
        return erased.deletion_asked(
            [
                ToDelete(
                    ref=ref,
                    files=[one.place.link for one in some if one.what is Removal.FILE],
                    messages=[one.place.link for one in some if one.what is Removal.WRITTEN],
                )
                for ref, some in by_check.items()
            ]
        )
