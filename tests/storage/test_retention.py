"""What each erasure takes out of the database, what it leaves, and that the record it leaves is no altered one."""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlite_utils

from bot.domain.applicants.batch import BatchState
from bot.domain.backoff import CLAIM_KEEPS
from bot.domain.check.states import ReviewReason, State
from bot.domain.mentions.incoming import MessageIds
from bot.domain.outbox import PostKind
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.holds import HoldCause, Stay
from bot.domain.results.codes import Outcome
from bot.domain.results.trust_rules import Disposition, Source
from bot.domain.review.review import ReviewState
from bot.errors import IllegalMove, RecordAltered
from storage import (
    attempts,
    batches,
    check_facts,
    checks,
    deliveries,
    holds,
    outbox,
    preflight_holds,
    receipts,
    retention,
    review_requests,
    reviews,
    search,
)
from storage.engine.database import Database, Transaction
from storage.engine.lifespans import LIFESPANS
from storage.engine.migrations import migrations
from tests.engines import beside, is_sqlite, kinds_of_columns
from tests.storage.engine.test_macs import NOON, SEALER, fill, opened
from tests.storage.older import before_macs, before_retention, without_links

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

DAY = timedelta(days=1)
LATER = NOON + 40 * DAY
BODY = {
    "ResultCode": "0811",
    "ResultText": "Failed. Invented Person",
    "SmileJobID": "0000000001",
    "PartnerParams": {"job_id": "x", "customer_reference": "invented"},
    "Actions": {"Verify_ID_Number": "Verified", "Names": "Invented Person 4711", "Selfie": "Not Applicable"},
    "FullName": "Invented Person",
    "Antifraud": {"SuspectUsers": [{"user_id": "somebody"}]},
}
LEFT = {
    "ResultCode": "0811",
    "SmileJobID": "0000000001",
    "PartnerParams": {"job_id": "x"},
    "Actions": {"Verify_ID_Number": "Verified", "Selfie": "Not Applicable"},
}


def end(tx: Transaction, ref: str) -> None:
    """A check with rows in every table comes to its end."""
    fill(tx, ref)
    job_id = one_job(tx, ref)
    for number in (1, 2):
        body = {**BODY, "FullName": f"Invented Person {number}"}
        keep(tx, f"M-{ref}-{number}", job_id, body)
    checks.photos_checked(tx, ref, [(checks.photos(tx, ref)[0], 100, "cd" * 32)], now=NOON)
    checks.move(tx, ref, State.REJECTED, now=NOON)
    reviews.close(tx, ref, 1, ReviewState.SETTLED, now=NOON + timedelta(hours=1))
    tx.run("UPDATE posts SET state = 'done', done_at = created_at WHERE ref = :ref", ref=ref)
    tx.run("INSERT INTO spending VALUES (:ref || ':1', '2026-11-22', 'U1', 1)", ref=ref)
    holds.end(tx, ref, by="U2", now=NOON + timedelta(hours=2))


def one_job(tx: Transaction, ref: str) -> str:
    (job_id,) = tx.column("SELECT job_id FROM attempts WHERE ref = :ref", ref=ref)
    return str(job_id)


def keep(tx: Transaction, receipt_id: str, job_id: str, body: Mapping[str, object]) -> bool:
    message = receipts.Incoming(
        id=receipt_id,
        job_id=job_id,
        source=Source.CALLBACK,
        code="0811",
        body_sha256=receipts.digest(body),
        body=body,
        fate=Disposition.LATE,
        at=NOON,
    )
    kept = receipts.keep(tx, message)
    return kept.is_new


@asynccontextmanager
async def two_that_ended(path: Path) -> AsyncIterator[Database]:
    async with opened(path) as database:
        await database.write(end, "K-1")
        await database.write(end, "K-2")
        yield database


def rows(path: Path, ref: str) -> dict[str, list[dict[str, object]]]:
    """Those of a check, by table, of all tables that have any."""
    found = {}
    with closing(beside(path)) as db:
        for table, columns in kinds_of_columns().items():
            if "ref" in columns:
                where = "ref = ?"
            elif "job_id" in columns:
                where = "job_id IN (SELECT job_id FROM attempts WHERE ref = ?)"
            elif table == "spending":
                where = "id LIKE ? || ':%'"
            else:
                continue
            wanted = f"SELECT {', '.join(columns)} FROM {table} WHERE {where} ORDER BY 1, 2, 3"  # noqa: S608 - names from the schema
            found[table] = [dict(zip(columns, row, strict=True)) for row in db.execute(wanted, [ref])]
    return {table: of for table, of in found.items() if of}


async def test_personal_data_goes_and_the_record_stays_as_the_bot_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        before, other = rows(path, "K-1"), rows(path, "K-2")
        assert {table for table, one in LIFESPANS.items() if one.row is not None} == before.keys() - {"facts", "audit"}
        gone = await database.write(retention.erase_personal, "K-1", at=LATER)
        assert gone == {"customers": 1, "messages": 3, "words": 3}
        assert await database.write(retention.erase_personal, "K-1", at=LATER + DAY) == {}
        after = rows(path, "K-1")
        # Row by row: what the table of lifespans names has changed, and nothing else has.
        assert "trail_people" not in after
        for table in before.keys() - {"check_macs", "audit", "trail_people"}:
            named = {column for column, clock in LIFESPANS[table].columns.items() if clock is Clock.PERSONAL}
            for old, new in zip(before[table], after[table], strict=True):
                changed = {column for column in old if old[column] != new[column]}
                if table == "verifications":
                    assert changed == {*named, "personal_erased_at"} - {"held_note"}
                else:
                    assert changed <= named, table
        assert rows(path, "K-2") == other
        check = await database.read(checks.get, "K-1")
        assert (check.state, check.personal_erased_at, check.photos_erased_at) == (State.REJECTED, LATER, None)
        assert not check.is_altered
        assert (dict(check.id_info), check.customer_reference) == ({}, "")
        kept = [json.loads(one.body) for one in await database.read(receipts.of_check, "K-1")]
        # Two messages that differed in the name alone are still two.
        assert kept == [LEFT, {**LEFT, "again": 1}, {"ResultCode": "0811"}]
        assert [one.words for one in await database.read(review_requests.of_check, "K-1")] == [""]
        assert await database.read(search.by_reference, "invented") == {"K-2"}
        assert await database.read(search.by_number, "00000000000", ["NG"]) == {"K-2"}


async def test_photos_go_with_what_they_are_recognised_by(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        assert await database.write(retention.erase_photos, "K-1", at=LATER) == {"photos": 1}
        assert await database.write(retention.erase_photos, "K-1", at=LATER) == {}
        assert "photos" not in rows(path, "K-1")
        check = await database.read(checks.get, "K-1")
        assert (check.photos_erased_at, check.liveness_images, dict(check.id_info)["id_number"]) == (
            LATER,
            0,
            "00000000000",
        )
        same = await database.read(preflight_holds.same_selfie, "K-2", "cd" * 32, since=NOON - DAY)
        assert same == []


@pytest.mark.slow
async def test_a_removed_check_leaves_its_figures_and_its_trail_and_is_no_altered_one(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        figures = await database.read(check_facts.settled, NOON - DAY, NOON + DAY)
        lines = len(rows(path, "K-1")["audit"])
        for erase in (retention.erase_photos, retention.erase_personal):
            await database.write(erase, "K-1", at=LATER)
        gone = await database.write(retention.erase_record, "K-1", at=LATER)
        assert gone == {"records": 1, "messages": 3}
        assert await database.write(retention.erase_record, "K-1", at=LATER) == {}
        left = rows(path, "K-1")
        assert left.keys() == {"facts", "audit"}
        assert len(left["audit"]) == lines + 3
        assert await database.read(check_facts.settled, NOON - DAY, NOON + DAY) == figures
        assert await database.read(checks.find, "K-1") is None
        assert await database.read(checks.examine_after, "") == "K-2"
        assert await database.read(checks.examine_after, "K-2") == ""
        assert not database.is_older
        assert database.altered == set()
        assert not (await database.read(checks.get, "K-2")).is_altered
    async with opened(path) as database:
        assert not database.is_older
        assert await database.read(check_facts.settled, NOON - DAY, NOON + DAY) == figures
    if is_sqlite():
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_a_removed_check_that_is_put_back_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        older = rows(path, "K-1")
        await database.write(retention.erase_record, "K-1", at=LATER)
        with closing(beside(path)) as db:
            for table in older.keys() - {"audit", "facts", "spending"}:
                for row in older[table]:
                    db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", [*row.values()])  # noqa: S608 - names from the schema
        assert (await database.read(checks.get, "K-1")).is_altered


def reopen(tx: Transaction) -> None:
    checks.move(tx, "K-1", State.IN_REVIEW, reason=ReviewReason.SECOND_FINAL, now=NOON)


def review(tx: Transaction) -> None:
    reviews.reopen(tx, "K-1", 1, now=NOON)


@pytest.mark.slow
@pytest.mark.parametrize("open_again", [reopen, review])
async def test_what_has_not_ended_is_not_erased(tmp_path: Path, open_again: object) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        await database.write(open_again)  # type: ignore[arg-type]
        before = rows(path, "K-1")
        for erase in (retention.erase_photos, retention.erase_personal, retention.erase_record):
            with pytest.raises(IllegalMove):
                await database.write(erase, "K-1", at=LATER)
        assert rows(path, "K-1") == before
        assert await database.read(retention.stays, "K-1", now=LATER) is Stay.NOT_ENDED


@pytest.mark.slow
async def test_an_altered_record_is_left_for_an_operator(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        with closing(beside(path)) as db:
            db.execute("UPDATE verifications SET ended_at = '2020-11-22T12:00:00.000000Z' WHERE ref = 'K-1'")
            db.execute("DELETE FROM holds WHERE ref = 'K-2'")
        for ref in ("K-1", "K-2"):
            for erase in (retention.erase_photos, retention.erase_personal, retention.erase_record):
                with pytest.raises(RecordAltered):
                    await database.write(erase, ref, at=LATER)
            assert await database.read(retention.stays, ref, now=LATER) is Stay.ALTERED


async def test_what_stands_against_an_erasure(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        assert await database.read(retention.stays, "K-1", now=LATER) is None
        hold = HoldCause.RELATIONSHIP
        assert await database.write(holds.add, "K-1", hold, by="U2", now=NOON + DAY)
        assert not await database.write(holds.add, "K-1", hold, by="U3", now=NOON + DAY)
        assert await database.read(retention.stays, "K-1", now=LATER) is Stay.HELD
        assert [(one.ref, one.cause) for one in await database.read(holds.running)] == [("K-1", hold)]
        assert await database.read(holds.count) == 1
        assert await database.write(holds.end, "K-1", by="U2", now=NOON + 9 * DAY) == 1
        assert await database.read(retention.stays, "K-1", now=LATER) is None
        # A relationship that has ended starts the clocks, and no other hold does.
        found = await database.read(retention.find, "K-1")
        other = await database.read(retention.find, "K-2")
        assert found is not None
        assert other is not None
        assert (found.ended_at, found.over_since) == (NOON, NOON + 9 * DAY)
        assert (other.ended_at, other.over_since) == (NOON, NOON + timedelta(hours=1))

        def say_more(tx: Transaction) -> None:
            outbox.enqueue(tx, PostKind.OVERDUE, key="K-1", destination="C1", ref="K-1", now=NOON)

        await database.write(say_more)
        assert await database.read(retention.stays, "K-1", now=LATER) is Stay.UNDER_WAY
        (post,) = await database.write(deliveries.claim_due, now=NOON, until=NOON + DAY, limit=1)
        assert post.ref == "K-1"
        assert await database.read(retention.stays, "K-1", now=LATER) is Stay.UNDER_WAY


async def test_a_result_that_smile_ids_record_does_not_show_keeps_its_check_for_a_week(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        job_id = await database.read(one_job, "K-1")

        def claim(tx: Transaction) -> None:
            attempts.end_claim(tx, job_id)
            attempts.claim_result(tx, job_id, receipt="M-K-1-1", outcome=Outcome.REJECTED, now=NOON)

        await database.write(claim)
        soon = NOON + CLAIM_KEEPS - timedelta(seconds=1)
        assert await database.read(retention.stays, "K-1", now=soon) is Stay.UNCONFIRMED
        assert await database.read(retention.stays, "K-1", now=NOON + CLAIM_KEEPS) is None
        # It stays a claim: nothing may call the result confirmed because the customer is forgotten.
        await database.write(retention.erase_personal, "K-1", at=LATER)
        assert (await database.read(attempts.get, job_id)).claim_outcome is Outcome.REJECTED


async def test_checks_are_found_page_by_page_the_oldest_end_first(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        first = await database.read(retention.ended, Clock.PHOTOS, until=NOON, most=1)
        assert [one.ref for one in first] == ["K-1"]
        place = (first[0].ended_at, "K-1")
        second = await database.read(retention.ended, Clock.PHOTOS, until=NOON, after=place, most=5)
        assert [one.ref for one in second] == ["K-2"]
        assert await database.read(retention.ended, Clock.PHOTOS, until=NOON - DAY, most=5) == []
        await database.write(retention.erase_photos, "K-1", at=LATER)
        for clock, refs in ((Clock.PHOTOS, ["K-2"]), (Clock.PERSONAL, ["K-1", "K-2"]), (Clock.RECORD, ["K-1", "K-2"])):
            found = await database.read(retention.ended, clock, until=NOON, most=5)
            assert [one.ref for one in found] == refs


@pytest.mark.slow
async def test_late_news_of_an_erased_check_are_kept_without_the_customer(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        job_id = await database.read(one_job, "K-1")
        await database.write(retention.erase_personal, "K-1", at=LATER)
        # A repeat of what was kept before is still known as one, though it names the customer.
        assert not await database.write(keep, "again", job_id, BODY)
        news = {**BODY, "Actions": {"Verify_ID_Number": "Not Verified"}}
        assert await database.write(keep, "news", job_id, news)
        assert not await database.write(keep, "news-again", job_id, {**news, "FullName": "Invented Other"})
        kept = await database.read(receipts.find, "news")
        assert kept is not None
        assert json.loads(kept.body) == {**LEFT, "Actions": {"Verify_ID_Number": "Not Verified"}}

        def refuse(tx: Transaction, receipt_id: str, text: str) -> bool:
            return receipts.keep_refused(
                tx,
                receipt_id=receipt_id,
                job_id=job_id,
                why="not_a_result",
                body=text,
                size=17,
                body_sha256="ab",
                now=LATER,
            )

        assert await database.write(refuse, "refused", "Invented Person")
        with closing(beside(path)) as db:
            (sealed,) = db.execute("SELECT body_sealed FROM receipts WHERE id = 'refused'").fetchone()
        assert json.loads(SEALER.open(sealed, place="receipts.body:refused")) == {"bytes": 15}
        assert not (await database.read(checks.get, "K-1")).is_altered


async def test_a_file_of_customers_is_forgotten_with_its_first_check(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    reading = {"faults": [[2, "B", "x"]], "unused": ["invented.jpg"], "digest": "ab", "kinds": [["NG", "BVN", 1]]}

    def store(tx: Transaction) -> None:
        message = MessageIds(channel="C1", ts="1.1", thread_ts=None, user="U1", team="T1")
        batches.add(tx, "B-1", message, ["F1", "F2"], now=NOON)
        batches.keep_preview(tx, "B-1", reading, total=1, ready=1, repeats=0)
        end(tx, "K-1")
        tx.run("UPDATE verifications SET batch = 'B-1', batch_row = 2 WHERE ref = 'K-1'")

    async with opened(path) as database:
        await database.write(store)
        assert await database.read(retention.stays, "K-1", now=LATER) is Stay.UNDER_WAY
        assert await database.write(retention.erase_file, "B-1") == 0
        await database.write(batches.move, "B-1", BatchState.CANCELLED, of=[BatchState.PREVIEW], now=NOON)
        assert await database.read(retention.stays, "K-1", now=LATER) is None
        gone = await database.write(retention.erase_personal, "K-1", at=LATER)
        assert gone["files"] == 1
        batch = await database.read(batches.get, "B-1")
        assert (dict(batch.preview), batch.files, batch.source_ts) == ({}, (), "1.1")
        assert await database.write(retention.erase_file, "B-1") == 0


@pytest.mark.sqlite("of the schema, whichever engine has it")
def test_every_table_says_what_goes_with_which_clock() -> None:
    with closing(sqlite_utils.Database(memory=True)) as db:
        migrations.apply(db)
        names = set(db.table_names()) - {migrations.migrations_table}
        assert names == LIFESPANS.keys()
        for name, lifespan in LIFESPANS.items():
            columns = {column.name for column in db[name].columns}
            assert lifespan.columns.keys() | lifespan.kept.keys() <= columns, name
            assert not lifespan.columns.keys() & lifespan.kept.keys(), name
            assert lifespan.why, name
            telling = {column for column in columns if column.endswith(("_sealed", "_print")) or column == "mac"}
            # Of whole rows that go with the photos or with what is personal, no column is left.
            if lifespan.row in (None, Clock.RECORD):
                assert telling <= lifespan.columns.keys() | lifespan.kept.keys(), name
            else:
                assert not lifespan.columns, name


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_a_database_from_before_knows_no_end_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with two_that_ended(path) as database:
        await database.write(without_links)
        before = rows(path, "K-1")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_macs(db, SEALER)
        before_retention(db)
    async with opened(path) as database:
        check = await database.read(checks.get, "K-1")
        assert (check.is_altered, check.photos_erased_at, check.personal_erased_at) == (False, None, None)
        assert not database.is_older
        found = await database.read(retention.ended, Clock.RECORD, until=datetime.now(UTC), most=9)
        assert [one.ref for one in found] == ["K-1", "K-2"]
    made_anew = {"holds", "check_macs", "facts", "audit", "trail_people"}
    after = rows(path, "K-1")
    assert {table: of for table, of in after.items() if table not in made_anew} == {
        table: of for table, of in before.items() if table not in made_anew
    }
