"""The file of links for the customers of a file of theirs: when it is made, and when it is taken out of Slack again.

Inside the caller's transaction. A link has come by such a file if it has no message of its own.
"""

from datetime import datetime, timedelta

from bot.domain.capture.links import CaptureLink
from bot.domain.outbox import Post, PostKind
from bot.domain.privacy.slack_removals import Removal, RemovalPlace
from storage import audit, capture_links, outbox, slack_removals
from storage.engine.database import Transaction, any_moment, to_text

_BEING_MADE = timedelta(minutes=1)
"""While new links of a file are made, the newest one is never older."""


def made(tx: Transaction, batch_id: str, *, by: str, now: datetime) -> None:
    """The links that were made until now go to this person, in one file."""
    links = capture_links.of_file(tx, batch_id)
    if not links:
        return
    # Not the post's own time, which moves with a clock that is set, as no link's does.
    newest = to_text(max(link.made_at for link in links))
    # The count alone comes again after a restore; the links, which the name of the file tells too, are others.
    key = f"{batch_id}:{len(outbox.link_files(tx, batch_id)) + 1}:{newest}"
    payload = {"batch": batch_id, "until": newest}
    outbox.enqueue(tx, PostKind.BATCH_LINKS, key=key, destination=by, payload=payload, now=now)


def until(post: Post) -> datetime:
    """Of its links, when the last one was made."""
    return any_moment(post.payload["until"])


def forgotten(tx: Transaction, *, now: datetime) -> list[tuple[str, str]]:
    """Files of whose links some were made for somebody, and stand in no file of links that is or will be posted.

    Those who made them were stopped half-way, by a kill or a fault: the earlier links work no more, and nobody has the
    new ones.
    """
    newest: dict[tuple[str, str], datetime] = {}
    for batch_id, link in capture_links.untold_of_files(tx, now=now):
        one = batch_id, link.made_by
        newest[one] = max(link.made_at, newest.get(one, link.made_at))
    return [
        (batch_id, by)
        for (batch_id, by), at in newest.items()
        if at <= now - _BEING_MADE and not _will_be_told(tx, batch_id, by, at)
    ]


def _will_be_told(tx: Transaction, batch_id: str, by: str, made_at: datetime) -> bool:
    """One that was given up counts too: what was dropped once would be dropped again, each minute."""
    posts = [post for post in outbox.link_files(tx, batch_id) if post.destination == by and until(post) >= made_at]
    # Of one that was posted the tokens are forgotten; a clock that was set back makes it seem the later one.
    return any(not outbox.delivered(tx, post.id) for post in posts)


def renewed(tx: Transaction, batch_id: str, *, by: str, count: int, now: datetime) -> None:
    audit.record(tx, at=now, actor=by, act="batch.links_renewed", ref=batch_id, detail=str(count))
    made(tx, batch_id, by=by, now=now)


def reminder(tx: Transaction, batch_id: str, link: CaptureLink, *, now: datetime) -> None:
    """Half of the time of this link is over, and so is that of all in its file: one message for them, once.

    None of a file that did not come: the thread has said so.
    """
    posts = [post for post in outbox.link_files(tx, batch_id) if post.destination == link.made_by]
    brought = next((post for post in posts if until(post) >= link.made_at and outbox.delivered(tx, post.id)), None)
    if brought is not None:
        key, payload = brought.id.partition(":")[2], {"batch": batch_id, "until": brought.payload["until"]}
        to = link.made_by
        outbox.enqueue(tx, PostKind.LINK_REMINDER, key=key, destination=to, payload=payload, now=now)
        capture_links.reminder_made(tx, link, now=now)


def forget(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """Delete in Slack what holds no link any more that works."""
    for post in outbox.link_files(tx, batch_id):
        file = post.payload.get("file")
        if file and not capture_links.of_file(tx, batch_id, until=until(post), most=1):
            slack_removals.add(tx, batch_id, [(Removal.UPLOAD, RemovalPlace(file=file), None)], at=now)


def not_delivered(tx: Transaction, post: Post, channel: str, *, now: datetime) -> None:
    """In the thread of the file: somebody must make new ones."""
    key = post.id.partition(":")[2]
    payload = {"batch": post.payload["batch"]}
    outbox.enqueue(tx, PostKind.BATCH_LINKS_LOST, key=key, destination=channel, payload=payload, now=now)
