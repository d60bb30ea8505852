"""Builds the certificate of an erasure for who asked for it in Slack, when it is delivered.

There are at most two for each of them: one that says what went and what stays until when, and a last one once nothing
is left that the bot could reach. Each is known in Slack by its name, so that neither is posted twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.access.process import Process
from bot.domain.outbox import Post, PostKind
from bot.outbox.builders import Builders, File, Follower
from bot.privacy import certificate
from bot.privacy.erasure import FIRST, Places, carry_out, look
from bot.slack.blocks import forget
from bot.slack.client import SlackClient
from storage.engine.database import Transaction


@dataclass(slots=True, kw_only=True, eq=False)
class CertificatePosts(Process):
    slack: SlackClient

    def builders(self) -> Builders:
        return {PostKind.CERTIFICATE: self._file}

    async def _file(self, post: Post) -> File | None:
        """None for the first of two where nothing is left to be done: the last one is on its way."""
        database, wanted, erasure_id = self.database, self.settings.retention, post.payload["erasure"]
        # A kill may have come between the wish and its work.
        await carry_out(database, erasure_id, wanted, now=self.now)
        standing = await look(database, erasure_id, wanted, Places.of(self.settings), now=self.now)
        is_first = post.payload["what"] == FIRST
        if is_first and standing.erasure.done_at is not None:
            return None
        return File(
            channel=await self.slack.direct_channel(post.destination),
            thread_ts=None,
            name=f"certificate-{erasure_id}{'' if is_first else '-done'}.json",
            data=await database.read(certificate.signed, standing, at=self.now()),
            comment=forget.certificate(standing),
        )


def followers() -> Mapping[PostKind, Follower]:
    return {PostKind.CERTIFICATE: _after_file}


def _after_file(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    if delivered:
        certificate.handed_over(tx, post.payload["erasure"], to=post.destination, at=now)
