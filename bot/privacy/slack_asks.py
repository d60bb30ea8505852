"""Has Slack forget what the bot forgets: which messages and files go with which clock of a check.

Called in the transaction of the erasure and before it, while the rows that know them are there.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from bot.domain.applicants.batch import BatchState
from bot.domain.check.check import Check, PhotosBy
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.slack_removals import Removal, RemovalPlace, RemovalState
from storage import batches, checks, home_tabs, outbox, slack_removals
from storage.engine.database import Transaction

_ENDED = (BatchState.REFUSED, BatchState.CANCELLED, BatchState.DONE)

_Wanted = tuple[Removal, RemovalPlace, str | None]


def ask(tx: Transaction, ref: str, *, what: Collection[Clock], at: datetime, messages: bool = True) -> int:
    """Have erased in Slack what goes with these clocks; how many messages and files are new to the list.

    A repeat adds nothing, and nothing is asked for a check that is not there. With the photos go people's files; with
    what is personal our messages and files, and the message that asked for the check; with the record, all of it. A
    file that another check was asked with waits for that check's clock. Without `messages` those of ours stay, to be
    built anew from what is left of the check.
    """
    check = checks.find(tx, ref, sealed=False)
    if check is None:
        return 0
    wanted: list[_Wanted] = []
    if {Clock.PHOTOS, Clock.RECORD} & set(what):
        wanted += [*_thread(check), *_photos(tx, check)]
    if {Clock.PERSONAL, Clock.RECORD} & set(what):
        wanted += [*_written(tx, check), *_of_file(tx, check)]
        wanted += _messages(tx, check) if messages else ()
        home_tabs.mark_forgotten(tx, check.requester, now=at)
    return slack_removals.add(tx, ref, wanted, at=at)


def _photos(tx: Transaction, check: Check) -> Iterator[_Wanted]:
    files = [photo.file_id for photo in checks.photos(tx, check.ref) if photo.file_id]
    # And those that were replaced by others when it was run again.
    files += [one.place.file for one in slack_removals.of_check(tx, check.ref) if one.state is RemovalState.KEPT]
    # Files of a check by link are of an earlier round, whose consent is not known any more.
    author = check.consent_by if check.photos_by is PhotosBy.ATTACHED else check.requester
    for file in dict.fromkeys(files):
        if not slack_removals.is_needed(tx, file, but=check.ref):
            yield Removal.FILE, RemovalPlace(file=file), author


def _thread(check: Check) -> Iterator[_Wanted]:
    """Where a reviewer may have asked for the photos: which were posted there, nothing but Slack knows."""
    if check.root_ts is not None and check.message_ts is not None:
        place = RemovalPlace(channel=check.channel, ts=check.root_ts, thread_ts=check.message_ts)
        yield Removal.THREAD, place, None


def _messages(tx: Transaction, check: Check) -> Iterator[_Wanted]:
    for channel, ts in outbox.places(tx, check.ref):
        yield Removal.MESSAGE, RemovalPlace(channel=channel, ts=ts), None
    for file in outbox.qr_codes(tx, check.ref):
        yield Removal.UPLOAD, RemovalPlace(file=file), None


def _written(tx: Transaction, check: Check) -> Iterator[_Wanted]:
    """The message that asked for it, if it was one: by the ids that were kept of it."""
    asked_by = checks.asked_by_message(tx, check.ref)
    if asked_by is not None:
        channel, ts = asked_by
        thread_ts = check.thread_ts if check.thread_ts not in (None, ts) else ""
        yield Removal.WRITTEN, RemovalPlace(channel=channel, ts=ts, thread_ts=thread_ts or ""), check.requester


def _of_file(tx: Transaction, check: Check) -> Iterator[_Wanted]:
    """The file of customers that it came from, and the files that we made of it: with its first check.

    A zip goes with the photos in it, so with the last check that has some. While the file is being sent, all of it
    stays.
    """
    batch = batches.find(tx, check.batch) if check.batch is not None else None
    if batch is None or batch.state not in _ENDED:
        return
    for file in batch.files:
        if not slack_removals.is_needed(tx, file):
            yield Removal.FILE, RemovalPlace(file=file), batch.requester
    for post in outbox.uploads_about(tx, batch.id):
        file = post.payload.get("file", "")
        yield Removal.UPLOAD, RemovalPlace(channel=batch.channel, file=file, post="" if file else post.id), None
