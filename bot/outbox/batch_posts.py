"""Builds the posts of a file of applicants: the message that opens its thread, and the files of faults and results."""

from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.builders import Builders, File
from bot.slack.blocks import batch
from storage import batches, checks
from storage.engine.database import Database, Transaction


def batch_builders(database: Database) -> Builders:
    return {
        PostKind.BATCH: lambda post: database.read(_message, post),
        PostKind.BATCH_PROGRESS: lambda post: database.read(_message, post),
        PostKind.BATCH_FAULTS: lambda post: database.read(_file, post),
        PostKind.BATCH_RESULTS: lambda post: database.read(_file, post),
    }


def _message(tx: Transaction, post: Post) -> Message | None:
    found = batches.find(tx, post.payload["batch"])
    return batch.message(found, batches.counts(tx, found.id)) if found is not None else None


def _file(tx: Transaction, post: Post) -> File | None:
    found, what = batches.find(tx, post.payload["batch"]), post.payload.get("what", "")
    if found is None or found.message_ts is None:
        return None
    if post.kind is PostKind.BATCH_FAULTS:
        name, data, comment = "faults", batch.faults_csv(found), batch.faults_comment(found)
    else:
        name, counts = f"results-{what}", batches.counts(tx, found.id)
        data = batch.results_csv([checks.get(tx, ref) for ref in batches.refs(tx, found.id)])
        comment = batch.results_comment(found, counts, still_open=what == "open")
    name = f"{found.id}-{name}.csv"
    return File(channel=found.channel, thread_ts=found.message_ts, name=name, data=data, comment=comment)
