"""What is to be erased in Slack is on the list with the erasure, once, and nobody beside the bot can put it there."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.domain.check.check import PhotoKind, PhotoRef
from bot.domain.mentions.incoming import MessageIds
from bot.domain.outbox import PostKind
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.slack_removals import Removal, RemovalPlace, RemovalState
from bot.privacy.slack_asks import ask
from storage import batches, checks, deliveries, leases, outbox, retention, slack_removals
from storage.engine.database import Transaction
from tests.engines import beside
from tests.storage.engine.test_macs import NOON, opened
from tests.storage.older import before_slack_removals
from tests.storage.test_retention import DAY, LATER, end

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SOON = LATER + timedelta(minutes=5)
EVERYTHING = tuple(Clock)


def store(tx: Transaction, ref: str, *files: str) -> None:
    """A check that ended, with these photos, a message in its thread that was updated, and an alert about it."""
    end(tx, ref)
    tx.run("DELETE FROM posts WHERE ref = :ref", ref=ref)
    with_photos(tx, ref, *files)
    for kind, ts in ((PostKind.REQUEST, "1.1"), (PostKind.PROGRESS, "1.1"), (PostKind.RESULT, "1.2"), ("alert", "9.9")):
        post_id = outbox.enqueue(tx, PostKind(kind), key=f"{ref}:{kind}", destination="C1", ref=ref, now=NOON)
        deliveries.done(tx, post_id, channel="C1", ts=f"{ref[-1]}{ts}", now=NOON)


def with_photos(tx: Transaction, ref: str, *files: str) -> None:
    kinds = [PhotoKind.SELFIE, *[PhotoKind.LIVENESS] * 7]
    photos = [
        PhotoRef(kind=kind, position=max(0, at - 1), file_id=file)
        for at, (kind, file) in enumerate(zip(kinds, files, strict=False))
    ]
    checks.keep_photos(tx, ref, photos)


def listed(tx: Transaction, ref: str) -> Sequence[tuple[str, str]]:
    """What is pending, each by its file, its ts or its post."""
    found = slack_removals.pending(tx, ref)
    return sorted((one.what.value, one.place.file or one.place.ts or one.place.post) for one in found)


async def test_photos_go_first_then_messages_and_each_is_asked_for_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await database.write(store, "K-1", "F1", "F2")
        assert await database.write(ask, "K-1", what=[Clock.PHOTOS], at=LATER) == 2
        assert await database.read(listed, "K-1") == [("file", "F1"), ("file", "F2")]
        assert await database.write(ask, "K-1", what=[Clock.PERSONAL], at=LATER) == 2
        for again in (EVERYTHING, [Clock.RECORD]):
            assert await database.write(ask, "K-1", what=again, at=SOON) == 0
        # The alert names the check alone; an update stands where its message does.
        everything = [("file", "F1"), ("file", "F2"), ("message", "11.1"), ("message", "11.2")]
        assert await database.read(listed, "K-1") == everything
        for erase in (retention.erase_photos, retention.erase_personal, retention.erase_record):
            await database.write(erase, "K-1", at=LATER)
        # It outlives the check, whose rows knew where all this is.
        assert await database.read(listed, "K-1") == everything
        assert await database.write(ask, "K-1", what=EVERYTHING, at=SOON) == 0


async def test_what_its_worker_has_given_back_is_leased_once_that_worker_has_ended(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await database.write(store, "K-1", "F1")
        await database.write(ask, "K-1", what=[Clock.PHOTOS], at=LATER)

        def claim(tx: Transaction, *under_way: str) -> list[str]:
            found = slack_removals.claim_due(tx, now=SOON, until=SOON + DAY, limit=9, under_way=under_way)
            return [one.id for one in found]

        (file,) = [one.id for one in await database.read(slack_removals.pending, "K-1")]
        assert await database.write(claim, file) == []
        assert await database.write(claim) == [file]
        assert await database.write(claim) == []


async def test_photos_that_were_replaced_wait_for_the_clock_of_their_check(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await database.write(store, "K-1", "F1", "F2")
        await database.write(with_photos, "K-1", "F2", "F3")
        await database.write(with_photos, "K-1", "F1")
        assert await database.read(listed, "K-1") == []
        assert await database.write(slack_removals.claim_due, now=SOON, until=SOON + DAY, limit=9) == []
        assert await database.write(ask, "K-1", what=[Clock.PERSONAL], at=LATER) == 2
        assert await database.write(ask, "K-1", what=[Clock.PHOTOS], at=LATER) == 3
        assert await database.write(ask, "K-1", what=EVERYTHING, at=LATER) == 0
        files = [place for what, place in await database.read(listed, "K-1") if what == "file"]
        assert files == ["F1", "F2", "F3"]


async def test_a_photo_of_two_checks_goes_with_the_second_one(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await database.write(store, "K-1", "F1", "F2")
        await database.write(store, "K-2", "F2", "F3")
        await database.write(ask, "K-1", what=EVERYTHING, at=LATER)
        assert ("file", "F2") not in await database.read(listed, "K-1")
        await database.write(retention.erase_photos, "K-1", at=LATER)
        await database.write(ask, "K-2", what=EVERYTHING, at=LATER)
        assert ("file", "F2") in await database.read(listed, "K-2")


@pytest.mark.slow
async def test_a_file_of_customers_goes_with_what_was_made_of_it_and_its_zip_with_the_last_photo(
    tmp_path: Path,
) -> None:
    message = MessageIds(channel="C1", ts="1.1", thread_ts=None, user="U1", team="T1")

    def begin(tx: Transaction) -> None:
        batches.add(tx, "B-1", message, ["FTABLE", "F1"], now=NOON)
        batches.keep_preview(tx, "B-1", {}, total=2, ready=2, repeats=0)
        for row, ref in enumerate(("K-1", "K-2")):
            store(tx, ref, "F1")
            tx.run("UPDATE verifications SET batch = 'B-1', batch_row = :row WHERE ref = :ref", row=row, ref=ref)
        for key, file in (("B-1:open", None), ("B-1:all", "FRESULTS"), ("B-10:all", "FOTHER")):
            payload = {"batch": key.partition(":")[0], "what": "all"}
            id_ = outbox.enqueue(tx, PostKind.BATCH_RESULTS, key=key, destination="C1", payload=payload, now=NOON)
            if file:
                deliveries.keep_file(tx, id_, {**payload, "file": file})
            deliveries.done(tx, id_, channel=None, ts=None, now=NOON)

    async with opened(tmp_path / "kyc.db") as database:
        await database.write(begin)
        own = [("message", "11.1"), ("message", "11.2")]
        await database.write(ask, "K-1", what=[Clock.PERSONAL], at=LATER)
        # The file is being sent: its other rows need it.
        assert await database.read(listed, "K-1") == own
        await database.write(batches.move, "B-1", BatchState.CANCELLED, of=[BatchState.PREVIEW], now=NOON)
        await database.write(ask, "K-1", what=EVERYTHING, at=LATER)
        files = [("file", "FTABLE"), ("upload", "FRESULTS"), ("upload", "batch_results:B-1:open")]
        assert await database.read(listed, "K-1") == sorted([*own, *files])
        await database.write(retention.erase_photos, "K-1", at=LATER)
        await database.write(ask, "K-2", what=[Clock.PHOTOS], at=LATER)
        assert await database.read(listed, "K-2") == [("file", "F1")]


async def test_the_message_that_asked_is_listed_for_its_author(tmp_path: Path) -> None:
    def ask_by_message(tx: Transaction) -> None:
        store(tx, "K-1", "F1")
        tx.run("UPDATE verifications SET view_id = 'message:C1:5.5', thread_ts = '5.1' WHERE ref = 'K-1'")

    async with opened(tmp_path / "kyc.db") as database:
        await database.write(ask_by_message)
        await database.write(ask, "K-1", what=[Clock.PERSONAL], at=LATER)
        (written,) = [one for one in await database.read(slack_removals.pending, "K-1") if one.what is Removal.WRITTEN]
        requester = (await database.read(checks.get, "K-1")).requester
        assert written.author == requester
        assert written.place == RemovalPlace(channel="C1", ts="5.5", thread_ts="5.1")


@pytest.mark.slow
async def test_a_row_goes_through_its_states_and_is_forgotten_a_month_after_the_last(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        await database.write(store, "K-1", "F1")
        await database.write(ask, "K-1", what=EVERYTHING, at=LATER)
        for erase in (retention.erase_photos, retention.erase_record):
            await database.write(erase, "K-1", at=LATER)
        claimed = await database.write(slack_removals.claim_due, now=LATER, until=SOON, limit=9)
        assert len(claimed) == 3
        assert await database.write(slack_removals.claim_due, now=LATER, until=SOON, limit=9) == []
        # The process was killed: at the next start its leases are dead.
        await database.write(leases.release_all, now=LATER)
        assert len(await database.write(slack_removals.claim_due, now=LATER, until=SOON, limit=9)) == 3
        photo, *messages = claimed
        assert photo.what is Removal.FILE
        for message in messages:
            await database.write(slack_removals.done, message.id, why=None, now=LATER)

        async def leave(id_: str) -> None:
            await database.write(slack_removals.leave, id_, at=LATER + DAY, why="cant_delete_file", author="U9")

        await leave(photo.id)
        assert await database.read(slack_removals.counts) == {(Removal.FILE, RemovalState.LEFT): 1}
        assert await database.write(slack_removals.told, photo.id, post_id="post")
        assert not await database.write(slack_removals.told, photo.id, post_id="another")
        assert [one.id for one in await database.read(slack_removals.told_by, "post")] == [photo.id]
        assert await database.write(slack_removals.tidy, before=LATER + DAY) == 0
        assert await database.write(slack_removals.claim_due, now=SOON, until=SOON, limit=9) == []
        assert await database.write(slack_removals.try_all_again, at=SOON) == 1
        (again,) = await database.write(slack_removals.claim_due, now=SOON, until=SOON + DAY, limit=9)
        await leave(again.id)
        (again,) = await database.read(slack_removals.open_list)
        assert (again.tries, again.why, again.author) == (1, "cant_delete_file", "U9")
        await database.write(slack_removals.done, again.id, why="file_deleted", now=LATER + DAY)
        assert await database.read(slack_removals.open_list) == []
        assert await database.write(slack_removals.tidy, before=LATER + DAY) == 3
        assert await database.read(slack_removals.of_check, "K-1") == []


@pytest.mark.slow
async def test_nobody_beside_the_bot_has_anything_deleted(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(store, "K-1", "F1")
        await database.write(with_photos, "K-1", "F2")
        with closing(beside(path)) as db:
            # Its time has not come.
            db.execute("UPDATE slack_removals SET state = 'due', due_at = asked_at")
        assert await database.write(slack_removals.claim_due, now=SOON, until=SOON, limit=9) == []
        (kept,) = await database.read(slack_removals.of_check, "K-1")
        assert kept.state is RemovalState.KEPT
        await database.write(ask, "K-1", what=[Clock.PHOTOS], at=LATER)
        with closing(beside(path)) as db:
            # Somebody else's file, by the seal of another row.
            other = "(SELECT place_sealed FROM slack_removals WHERE id = 'K-1:2')"
            db.execute(f"UPDATE slack_removals SET place_sealed = {other} WHERE id = 'K-1:1'")  # noqa: S608 - above
        # It is not deleted, the queue goes on, and the row that says nothing any more stays on the list.
        claimed = await database.write(slack_removals.claim_due, now=SOON, until=SOON, limit=9)
        assert [one.id for one in claimed] == ["K-1:2"]
        found = await database.read(slack_removals.open_list)
        assert [one.id for one in found if one.why == slack_removals.ALTERED] == ["K-1:1"]
        await database.write(slack_removals.done, "K-1:2", why=None, now=SOON)
        await database.write(store, "K-2", "F3")
        await database.write(ask, "K-2", what=[Clock.PERSONAL], at=LATER)
        assert len(await database.write(slack_removals.claim_due, now=SOON, until=SOON, limit=9)) == 2


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_a_database_from_before_has_nothing_to_erase(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(store, "K-1", "F1")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_slack_removals(db)
    async with opened(path) as database:
        assert await database.read(slack_removals.open_list) == []
        assert await database.write(ask, "K-1", what=EVERYTHING, at=LATER) == 3
        assert not (await database.read(checks.get, "K-1")).is_altered
