"""The posts of a file of applicants: the message that opens its thread, and the files of faults and of results."""

from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.builders import Builders, File
from bot.slack.blocks import batch
from storage import batches, checks
from storage.engine.database import Database, Transaction


class BatchPosts:
    """Builds them."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def builders(self) -> Builders:
        return {
            PostKind.BATCH: self._message,
            PostKind.BATCH_PROGRESS: self._message,
            PostKind.BATCH_FAULTS: self._faults,
            PostKind.BATCH_RESULTS: self._results,
        }

    async def _message(self, post: Post) -> Message | None:
        return await self._database.read(_message, post)

    async def _faults(self, post: Post) -> File | None:
        return await self._database.read(_faults, post)

    async def _results(self, post: Post) -> File | None:
        return await self._database.read(_results, post)


def _message(tx: Transaction, post: Post) -> Message | None:
    found = batches.find(tx, post.payload["batch"])
    return batch.message(found, batches.counts(tx, found.id)) if found is not None else None


def _faults(tx: Transaction, post: Post) -> File | None:
    found = batches.find(tx, post.payload["batch"])
    if found is None or found.message_ts is None:
        return None
    return File(
        channel=found.channel,
        thread_ts=found.message_ts,
        name=f"{found.id}-faults.csv",
        data=batch.faults_csv(found),
        comment=batch.faults_comment(found),
    )


def _results(tx: Transaction, post: Post) -> File | None:
    found, what = batches.find(tx, post.payload["batch"]), post.payload.get("what", "")
    if found is None or found.message_ts is None:
        return None
    return File(
        channel=found.channel,
        thread_ts=found.message_ts,
        name=f"{found.id}-results-{what}.csv",
        data=batch.results_csv([checks.get(tx, ref) for ref in batches.refs(tx, found.id)]),
        comment=batch.results_comment(found, batches.counts(tx, found.id), still_open=what == "open"),
    )
