"""Builds what is said of a link: the message that holds it, its QR code, the reminder, and what it is replaced by.

The token is opened from its seal when its message is built, and forgotten once that and the QR code are delivered; of
links for the customers of a file, once their one file is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.access.process import Process
from bot.domain.applicants.batch import Batch
from bot.domain.capture import qr
from bot.domain.capture.customer_words import LinkMessages
from bot.domain.capture.links import CaptureLink, LinkEnding
from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message, Post, PostKind
from bot.outbox import link_files, link_notices
from bot.outbox.builders import Builders, File, Follower, FromDatabase
from bot.outbox.recipients import Context
from bot.slack.blocks import batch_links, capture
from bot.slack.client import SlackClient
from storage import audit, batches, capture_links, checks, outbox
from storage.engine.database import Transaction


@dataclass(slots=True, kw_only=True, eq=False)
class LinkPosts(Process):
    slack: SlackClient
    messages: LinkMessages

    def builders(self) -> Builders:
        return {
            PostKind.LINK: FromDatabase(self._link),
            PostKind.LINK_QR: self._qr,
            PostKind.LINK_ENDED: FromDatabase(self._ended),
            PostKind.LINK_REMINDER: FromDatabase(self._reminder),
            PostKind.BATCH_LINKS: self._file,
        }

    def _link(self, tx: Transaction, post: Post, _context: Context) -> Message | None:
        found = _open_link(tx, post, self.now())
        url = self._url(tx, found[1]) if found is not None else None
        if found is None or url is None or self.settings.company_name is None:
            return None
        check, link = found
        hours = max(1, round((link.expires_at - link.made_at).total_seconds() / 3600))
        words = self.messages.words(company=self.settings.company_name, hours=hours, link=url)
        return capture.link_message(check, self._entry(check), link=url, until=link.expires_at, words=words)

    async def _qr(self, post: Post) -> File | None:
        """In the thread of the message with the link; None where that is not there, or the link works no more."""

        def read(tx: Transaction) -> tuple[Check, str, Post] | None:
            found, parent = _open_link(tx, post, self.now()), outbox.find(tx, post.parent_id or "")
            url = self._url(tx, found[1]) if found is not None else None
            return (found[0], url, parent) if found is not None and url is not None and parent is not None else None

        found = await self.database.read(read)
        if found is None:
            return None
        check, url, parent = found
        return File(
            channel=await self.slack.direct_channel(post.destination),
            thread_ts=parent.ts,
            name=f"link-{check.ref}-{post.payload['number']}.png",
            data=qr.png(url),
            comment=capture.qr_comment(check),
            alt_text=capture.qr_alt_text(check),
        )

    async def _file(self, post: Post) -> File | None:
        """To who made them; None once none of them works any more."""

        def read(tx: Transaction) -> tuple[Batch | None, list[tuple[Check, CaptureLink, str]]]:
            return batches.find(tx, post.payload["batch"]), list(self._rows(tx, post))

        batch, rows = await self.database.read(read)
        if batch is None or not rows:
            return None
        return File(
            channel=await self.slack.direct_channel(post.destination),
            thread_ts=None,
            name=f"{batch.id}-links-{link_files.until(post):%Y%m%d-%H%M%S}.csv",
            data=batch_links.csv(rows),
            comment=batch_links.comment(batch, len(rows)),
        )

    def _rows(self, tx: Transaction, post: Post) -> Iterator[tuple[Check, CaptureLink, str]]:
        """What of the links stands in the file; each only for who made it, as no MAC covers the post."""
        for link in capture_links.of_file(tx, post.payload["batch"], until=link_files.until(post)):
            check, url = checks.get(tx, link.ref), self._url(tx, link)
            is_theirs = link.is_open(self.now()) and link.made_by == post.destination
            if url is not None and is_theirs and not check.is_altered:
                yield check, link, url

    def _ended(self, tx: Transaction, post: Post, context: Context) -> Message | None:
        found = _link_of(tx, post)
        if found is None or found[1].ending is None:
            return None
        check, link = found
        return capture.ended(check, self._entry(check), ending=link.ending or LinkEnding.WITHDRAWN)

    def _reminder(self, tx: Transaction, post: Post, context: Context) -> Message | None:
        """None once there is nothing to remind of, or links were turned off: what it promises would not hold."""
        if context.batch is not None:
            return self._reminder_of_file(tx, post, context.batch)
        found = _open_link(tx, post, self.now())
        if found is None or found[1].taken_at is not None or not self.settings.offers_links:
            return None
        check, link = found
        return capture.reminder(check, self._entry(check), step=link.step, until=link.expires_at)

    def _reminder_of_file(self, tx: Transaction, post: Post, batch: Batch) -> Message | None:
        links = capture_links.of_file(tx, batch.id, until=link_files.until(post), waiting=True)
        # Those of somebody else came by another file, and no MAC covers the post.
        open_ = [one for one in links if one.is_open(self.now()) and one.made_by == post.destination]
        if not open_ or not self.settings.offers_links:
            return None
        return batch_links.reminder(batch, len(open_), until=min(link.expires_at for link in open_))

    def _url(self, tx: Transaction, link: CaptureLink) -> str | None:
        """None once the token is forgotten."""
        token = capture_links.token_of(tx, link.ref, link.number)
        return f"{self.settings.public_url}/c#{token}" if token is not None and self.settings.offers_links else None

    def _entry(self, check: Check) -> IDType | None:
        return self.id_types.find(check.country, check.id_type)


def followers() -> Mapping[PostKind, Follower]:
    return {
        PostKind.LINK: _after_link,
        PostKind.LINK_QR: _after_qr,
        PostKind.LINK_REMINDER: _after_reminder,
        PostKind.BATCH_LINKS: _after_file,
    }


def _after_file(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    """Delivered, or nobody knows: the tokens are forgotten."""
    batch_id = post.payload["batch"]
    for link in capture_links.of_file(tx, batch_id, until=link_files.until(post)):
        # Somebody else's come by another file.
        if link.made_by == post.destination:
            capture_links.told(tx, link.ref, link.number, now=now)
    if not delivered:
        batch = batches.find(tx, batch_id, sealed=False)
        if batch is not None:
            link_files.not_delivered(tx, post, batch.channel, now=now)
        return
    audit.record(tx, at=now, actor=audit.BOT, act="batch.file_posted", ref=batch_id, detail=post.kind.value)
    # They may have ended while Slack took it.
    link_files.forget(tx, batch_id, now=now)


def _after_link(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    found = _link_of(tx, post)
    if found is None:
        return
    check, link = found
    if not delivered:
        # Nobody knows whether its requester has it: the token is forgotten, and they are told where they asked.
        capture_links.told(tx, link.ref, link.number, now=now)
        link_notices.not_delivered(tx, check, link, now=now)
    elif link.ended_at is not None:
        # It ended while Slack took it.
        link_notices.ended(tx, link, now=now)
    else:
        link_notices.qr_code(tx, link, now=now)


def _after_qr(tx: Transaction, post: Post, _delivered: bool, now: datetime) -> None:
    """With or without the picture: the message with the link is there, and nothing needs the token any more."""
    found = _link_of(tx, post)
    if found is not None:
        _check, link = found
        capture_links.told(tx, link.ref, link.number, now=now)
        if link.ended_at is not None:
            # It ended while Slack took it.
            link_notices.forget_qr_codes(tx, link, now=now)


def _after_reminder(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    found = _link_of(tx, post)
    if delivered and found is not None and found[1].ended_at is not None:
        # It ended while Slack took it.
        link_notices.reminder_ended(tx, found[1], now=now)


def _open_link(tx: Transaction, post: Post, now: datetime) -> tuple[Check, CaptureLink] | None:
    """None once the link works no more, and for a row that the bot has not written.

    No MAC covers a post: whoever changed where it goes would be sent the link of somebody else's customer.
    """
    found = _link_of(tx, post)
    if found is None or not found[1].is_open(now) or post.destination != found[1].made_by:
        return None
    return found


def _link_of(tx: Transaction, post: Post) -> tuple[Check, CaptureLink] | None:
    check = checks.find(tx, post.ref) if post.ref else None
    if check is None or check.is_altered:
        return None
    number = int(post.payload["number"])
    return next(((check, link) for link in capture_links.of_check(tx, check.ref) if link.number == number), None)
