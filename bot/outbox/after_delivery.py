"""What follows from the end of a delivery, each in one transaction of the caller's: the row, and what it sets going."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain.outbox import OperatorAlert, Post, PostKind, encode_fault
from bot.outbox import alerts, refresh
from bot.outbox.builders import DeliveryResult, Follower
from bot.outbox.outcomes import Redirected, Reissued
from bot.slack.client import FoundMessage
from storage import batches, checks, deliveries, outbox
from storage.engine.database import Transaction

NO_ACCESS = "the person no longer has access"


def delivered(tx: Transaction, post: Post, place: FoundMessage | None, *, follow: Follower, now: datetime) -> None:
    channel, ts = (place.channel, place.ts) if place is not None else (None, None)
    deliveries.done(tx, post.id, channel=channel, ts=ts, now=now)
    follow(tx, post, DeliveryResult.DELIVERED, now)
    match post.kind:
        case PostKind.REQUEST if post.ref and place is not None:
            if post.destination == place.channel:
                # Redirected, it opens no thread where results could go.
                checks.posted(tx, post.ref, ts=place.ts)
            # Built before the call, the message may have been overtaken while it was on its way.
            refresh.check_changed(tx, post.ref, now=now)
        case PostKind.BATCH if place is not None:
            batches.posted(tx, post.payload["batch"], ts=place.ts)
            # Overtaken on its way, as above.
            refresh.batch_changed(tx, post.payload["batch"], now=now)
        case _:
            pass


def dropped(tx: Transaction, post: Post, why: str, *, now: datetime) -> None:
    deliveries.end(tx, post.id, state="dropped", error=why, now=now)


def failed(tx: Transaction, post: Post, why: str, *, follow: Follower, operators: Sequence[str], now: datetime) -> None:
    deliveries.end(tx, post.id, state="failed", error=why, now=now)
    follow(tx, post, DeliveryResult.FAILED, now)
    alert(tx, post, encode_fault(OperatorAlert.NOT_DELIVERED, {"error": why}), operators=operators, now=now)


def access_lost(tx: Transaction, post: Post, *, operators: Sequence[str], now: datetime) -> None:
    """What nobody else was told stays among the posts that failed: `receipts list` shows it there, and `receipts
    release` sends it once the person has the role again.
    """
    deliveries.end(tx, post.id, state="failed", error=NO_ACCESS, now=now)
    payload = {"words": encode_fault(OperatorAlert.ACCESS_LOST, {}), "ref": post.ref or ""}
    alerts.alert(tx, "no_access", recipients=operators, now=now, payload=payload)


def redirected(tx: Transaction, post: Post, to: Redirected, *, operators: Sequence[str], now: datetime) -> None:
    deliveries.redirect(tx, post.id, destination=to.check.requester, now=now, error=to.why)
    payload = {"ref": to.check.ref, "words": encode_fault(OperatorAlert.REDIRECTED, {"error": to.why})}
    alerts.alert(tx, f"undeliverable:{to.check.channel}", recipients=operators, now=now, payload=payload)


def spread(
    tx: Transaction, post: Post, people: Sequence[str], why: str, *, operators: Sequence[str], now: datetime
) -> None:
    """The same to each of these people directly, as posts of their own."""
    for person in people:
        outbox.enqueue(
            tx,
            post.kind,
            key=f"{post.id.partition(':')[2]}:{person}",
            ref=post.ref,
            destination=person,
            receipt=post.receipt,
            payload=post.payload,
            now=now,
        )
    deliveries.end(tx, post.id, state="failed", error=why, now=now)
    code = OperatorAlert.REVIEWERS_DIRECTLY if people else OperatorAlert.NO_REVIEWER_TOLD
    words = encode_fault(code, {"error": why})
    alert(tx, post, words, operators=operators, now=now)


def reissued(tx: Transaction, post: Post, told: Reissued, *, now: datetime) -> None:
    """The id is that of any confirmed result of this job, so it cannot be told twice."""
    unconfirmed = told.unconfirmed
    outbox.enqueue(
        tx,
        PostKind.RESULT,
        key=unconfirmed.id.partition(":")[2],
        ref=told.check.ref,
        destination=told.check.channel,
        receipt=post.receipt,
        payload=unconfirmed.payload,
        parent_id=unconfirmed.parent_id,
        now=now,
    )
    dropped(tx, post, told.why, now=now)


def alert(tx: Transaction, post: Post, words: str, *, operators: Sequence[str], now: datetime) -> None:
    if post.kind is not PostKind.ALERT:
        # An alert that cannot be delivered must not call for another.
        payload = {"words": words, "ref": post.ref or ""}
        alerts.alert(tx, "undelivered", recipients=operators, now=now, payload=payload)
