"""What delivery must know of a post beside its row: whose it is, and which message it belongs to."""

from dataclasses import dataclass

from bot.domain.applicants.batch import Batch
from bot.domain.check.check import Check
from bot.domain.outbox import Post, PostKind
from storage import batches, checks, outbox
from storage.engine.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who may read a post and where it goes depend on these; its words are its builder's affair."""

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
        return outbox.opening(tx, post.ref)
    return outbox.find(tx, post.parent_id) if post.parent_id else None
