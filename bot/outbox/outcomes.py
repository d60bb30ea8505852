"""How one attempt to deliver a post ends, if it ends; each outcome stores its consequences in one transaction."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from bot.domain.check.check import Check
from bot.domain.outbox import AdminAlert, Post, PostKind
from bot.outbox import alerts, refresh
from bot.outbox.builders import Follower
from bot.slack.client import FoundMessage
from storage import batches, checks, deliveries, outbox
from storage.engine.database import Transaction

NO_ACCESS = "the person no longer has access"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostEnd:
    """The post whose attempt has ended, and whatever its outcome needs to be stored."""

    post: Post
    follow: Follower | None
    admins: Sequence[str]
    now: datetime

    def close(self, tx: Transaction, state: str, why: str) -> None:
        deliveries.end(tx, self.post.id, state=state, error=why, now=self.now)

    def alert(self, tx: Transaction, /, fault: str, code: AdminAlert, **facts: str) -> None:
        if self.post.kind is not PostKind.ALERT:
            # An undeliverable alert must not cause another.
            alerts.alert(tx, fault, code, recipients=self.admins, now=self.now, ref=self.post.ref, **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome(ABC):
    why: str = ""
    event: ClassVar[str] = ""
    """Logged when it is stored."""
    level: ClassVar[int] = logging.ERROR

    @abstractmethod
    def store(self, tx: Transaction, end: PostEnd) -> None:
        """Write what follows from it; the caller's transaction is the one unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(DeliveryOutcome):
    place: FoundMessage | None
    """None for a file: Slack's answer to an upload names no message."""
    file_id: str | None = None
    """Slack's id of a file, for whoever follows it: it is then in the post's payload, as `file`."""

    def store(self, tx: Transaction, end: PostEnd) -> None:
        post, place, now = end.post, self.place, end.now
        if self.file_id is not None:
            post = replace(post, payload={**post.payload, "file": self.file_id})
            deliveries.keep_file(tx, post.id, post.payload)
        channel, ts = (place.channel, place.ts) if place is not None else (None, None)
        deliveries.done(tx, post.id, channel=channel, ts=ts, now=now)
        if end.follow is not None:
            end.follow(tx, post, True, now)
        if place is None:
            return
        if post.kind is PostKind.REQUEST and post.ref:
            if post.destination == place.channel:
                # A redirected one opens no thread for results.
                checks.posted(tx, post.ref, ts=place.ts)
            # It was built before the call: the check may have changed since.
            refresh.check_changed(tx, post.ref, now=now)
        elif post.kind is PostKind.REVIEW_NOTICE:
            refresh.card_posted(tx, post, now=now)
        elif post.kind is PostKind.BATCH:
            batches.posted(tx, post.payload["batch"], ts=place.ts, gone=post.payload.get("gone", ""))
            # The batch may have changed since, as above.
            refresh.batch_changed(tx, post.payload["batch"], now=now)
        elif post.kind is PostKind.BATCH_LOST:
            refresh.batch_changed(tx, post.payload["batch"], now=now)
        elif post.kind is PostKind.BATCH_APPROVAL:
            refresh.approval_changed(tx, post.payload["batch"], now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed(DeliveryOutcome):
    """It is too early to search for a message that Slack may still be about to show."""

    wait: timedelta

    def store(self, tx: Transaction, end: PostEnd) -> None:
        deliveries.reschedule(tx, end.post.id, at=end.now + self.wait, error="waiting to look", counts=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped(DeliveryOutcome):
    """There is nothing to say any more, and nobody misses it."""

    def store(self, tx: Transaction, end: PostEnd) -> None:
        end.close(tx, "dropped", self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed(Dropped):
    """Whoever follows it tells somebody, or undoes what it was about."""

    def store(self, tx: Transaction, end: PostEnd) -> None:
        Dropped.store(self, tx, end)
        if end.follow is not None:
            end.follow(tx, end.post, False, end.now)


class LinksLost(Missed):
    """Links for customers are not delivered: they are forgotten, and it is told where they were asked for."""


class EndUntold(Missed):
    """The message of a file takes no update: if the file was refused, who sent it is told directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(DeliveryOutcome):
    """It cannot be delivered; admins get an alert."""

    event: ClassVar[str] = "post.failed"

    def store(self, tx: Transaction, end: PostEnd) -> None:
        end.close(tx, "failed", self.why)
        if end.follow is not None:
            end.follow(tx, end.post, False, end.now)
        end.alert(tx, "undelivered", AdminAlert.NOT_DELIVERED, error=self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLost(DeliveryOutcome):
    """Its only reader has lost the role. It stays among the failed posts: `receipts list` names it, and `receipts
    release` sends it once the person has the role again.
    """

    why: str = NO_ACCESS
    event: ClassVar[str] = "post.failed"

    def store(self, tx: Transaction, end: PostEnd) -> None:
        end.close(tx, "failed", self.why)
        end.alert(tx, "no_access", AdminAlert.ACCESS_LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected(DeliveryOutcome):
    """Its thread or channel is closed to the bot: the requester gets it as a direct message instead."""

    check: Check
    event: ClassVar[str] = "post.redirected"
    level: ClassVar[int] = logging.WARNING

    def store(self, tx: Transaction, end: PostEnd) -> None:
        deliveries.redirect(tx, end.post.id, destination=self.check.requester, now=end.now, error=self.why)
        end.alert(tx, f"undeliverable:{self.check.channel}", AdminAlert.REDIRECTED, error=self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAuthor(DeliveryOutcome):
    """The message that it answers was deleted: its author gets it without a thread."""

    def store(self, tx: Transaction, end: PostEnd) -> None:
        deliveries.redirect(tx, end.post.id, destination=end.post.payload["by"], now=end.now, error=self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(DeliveryOutcome):
    """The reviewers' channel is closed to the bot: each reviewer gets a post of their own."""

    reviewers: Sequence[str]
    event: ClassVar[str] = "post.spread"

    def store(self, tx: Transaction, end: PostEnd) -> None:
        post = end.post
        for person in self.reviewers:
            outbox.enqueue(
                tx,
                post.kind,
                key=f"{post.id.partition(':')[2]}:{person}",
                ref=post.ref,
                destination=person,
                receipt=post.receipt,
                payload=post.payload,
                now=end.now,
            )
        end.close(tx, "failed", self.why)
        code = AdminAlert.REVIEWERS_DIRECTLY if self.reviewers else AdminAlert.NO_REVIEWER_TOLD
        end.alert(tx, "undelivered", code, error=self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reissued(DeliveryOutcome):
    """The message that said *not yet confirmed* cannot be updated: the result becomes a message of its own."""

    check: Check
    unconfirmed: Post

    def store(self, tx: Transaction, end: PostEnd) -> None:
        outbox.enqueue(
            tx,
            PostKind.RESULT,
            # The id of any confirmed result of this job, so it cannot be posted twice.
            key=self.unconfirmed.id.partition(":")[2],
            ref=self.check.ref,
            destination=self.check.channel,
            receipt=end.post.receipt,
            payload=self.unconfirmed.payload,
            parent_id=self.unconfirmed.parent_id,
            now=end.now,
        )
        end.close(tx, "dropped", self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedAnew(DeliveryOutcome):
    """The message of a file was deleted, and its buttons with it: it is posted once more, and opens a new thread."""

    gone: Post
    event: ClassVar[str] = "post.posted_anew"
    level: ClassVar[int] = logging.WARNING

    def store(self, tx: Transaction, end: PostEnd) -> None:
        deliveries.post_anew(tx, self.gone, now=end.now)
        end.close(tx, "dropped", self.why)
