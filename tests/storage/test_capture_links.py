"""Capture links in the database: one open for each check, found by a print, and a token that the bot itself forgets."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlite_utils

from bot.domain.capture.links import CaptureLink, LinkEnding, LinkStep
from bot.domain.check.check import CUSTOMER, PhotosBy, Request, SearchFilter
from bot.domain.check.states import State
from bot.domain.reporting.durations import LinkFigures, LinkTimes
from bot.errors import ConstraintFailed, DatabaseFault
from bot.runtime.metrics import read_gauges
from storage import audit, capture_links, checks, due, retention, search, subject_rows
from storage.engine import shape
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrations
from storage.engine.sealing import Sealer
from tests.engines import beside
from tests.storage.engine.test_macs import KEY, NOON, OTHER, fill, opened
from tests.storage.older import before_capture_links

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

HOUR = timedelta(hours=1)
TOKEN, DEVICE, OTHER_DEVICE = "t" * 43, "phone" * 5, "tablet" * 5
REQUEST = Request(
    requester="U1",
    team="T1",
    channel="C1",
    thread_ts=None,
    view_id="V-1",
    country="NG",
    id_type="BVN",
    id_info={"id_number": "00000000000"},
    customer_reference="",
    photos=(),
    consent_at=NOON,
    photos_by=PhotosBy.LINK,
)


def ask(tx: Transaction, token: str = TOKEN) -> CaptureLink:
    checks.add(tx, REQUEST, ref="K-1", now=NOON)
    return link(tx, token)


def link(tx: Transaction, token: str) -> CaptureLink:
    return capture_links.add(
        tx, "K-1", token, by="U1", expires_at=NOON + 24 * HOUR, remind_at=NOON + 12 * HOUR, now=NOON
    )


def agree(tx: Transaction, of: CaptureLink, device: str = DEVICE) -> CaptureLink:
    capture_links.opened(tx, of, device, now=NOON + HOUR)
    assert capture_links.agreed(tx, of, notice="2026-11", language="sw", now=NOON + 2 * HOUR)
    return capture_links.get(tx, of.ref, of.number)


def written(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@asynccontextmanager
async def asked(path: Path) -> AsyncIterator[tuple[Database, CaptureLink]]:
    async with opened(path) as database:
        yield database, await database.write(ask)


async def test_a_check_by_link_waits_for_its_customer_and_is_never_claimed(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, _link):
        check = await database.read(checks.get, "K-1")
        assert (check.state, check.photos_by, check.due_at) == (State.AWAITING_PHOTOS, PhotosBy.LINK, None)
        assert (check.consent_by, check.consent_notice) == ("", "")
        later = NOON + 1_000 * HOUR
        assert await database.write(due.claim_due, now=later, until=later, limit=9) == []
        # A retry that comes too late changes nothing about that.
        await database.write(checks.postpone, "K-1", until=NOON)
        assert await database.write(due.claim_due, now=later, until=later, limit=9) == []
        assert (await database.read(checks.whereabouts, "K-1")).is_under_way
        found = await database.read(search.page, SearchFilter(states=frozenset({check.state})), size=5)
        assert [one.ref for one in found.checks] == ["K-1"]
        assert (await database.read(checks.count_by_state))["awaiting_photos"] == 1


async def test_the_token_is_in_the_file_only_sealed_and_only_until_its_message_is_delivered(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with asked(path) as (database, link):
        assert await database.read(capture_links.token_of, "K-1", 1) == TOKEN
        assert await database.write(capture_links.told, "K-1", 1, now=NOON)
        assert not await database.write(capture_links.told, "K-1", 1, now=NOON)
        assert await database.read(capture_links.token_of, "K-1", 1) is None
        assert await database.read(capture_links.by_token, TOKEN) == await database.read(capture_links.get, "K-1", 1)
        assert await database.read(capture_links.by_token, "u" * 43) is None
        assert TOKEN not in repr(link)
        told = await database.read(subject_rows.of_check, "K-1")
        assert told["capture_links"][0].keys().isdisjoint({"token", "token_sha256"})
    assert TOKEN.encode() not in written(tmp_path)
    with closing(beside(path)) as db:
        assert db.execute("SELECT token_sealed FROM capture_links").fetchall() == [(None,)]


async def test_a_check_has_one_open_link_and_the_next_is_another_one(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, _link):
        with pytest.raises(ConstraintFailed):
            await database.write(link, "u" * 43)
        ended = await database.write(capture_links.end, "K-1", LinkEnding.REPLACED, by="U1", now=NOON)
        assert ended is not None
        assert (ended.ending, ended.ended_at, ended.is_open(NOON)) == (LinkEnding.REPLACED, NOON, False)
        assert await database.read(capture_links.token_of, "K-1", 1) is None
        assert await database.write(capture_links.end, "K-1", LinkEnding.EXPIRED, by="U1", now=NOON) is None
        second = await database.write(link, "u" * 43)
        assert (second.number, await database.read(capture_links.latest, "K-1")) == (2, second)
        assert [one.number for one in await database.read(capture_links.of_check, "K-1")] == [1, 2]


async def test_the_newest_device_counts_and_is_asked_for_its_own_consent(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, first):
        agreed = await database.write(agree, first)
        assert (agreed.step, agreed.notice, agreed.language) == (LinkStep.AGREED, "2026-11", "sw")
        # The same device again changes nothing, nor does a second *I agree*.
        assert not await database.write(capture_links.opened, agreed, DEVICE, now=NOON + 3 * HOUR)
        assert not await database.write(capture_links.agreed, agreed, notice="x", language="en", now=NOON + 3 * HOUR)
        assert await database.read(capture_links.get, "K-1", 1) == agreed
        assert await database.write(capture_links.opened, agreed, OTHER_DEVICE, now=NOON + 4 * HOUR)
        now = await database.read(capture_links.get, "K-1", 1)
        assert (now.step, now.opened_at, now.agreed_at, now.language) == (
            LinkStep.OPENED,
            NOON + HOUR,
            None,
            None,
        )
        assert capture_links.is_device(now, OTHER_DEVICE)
        assert not capture_links.is_device(now, DEVICE)


async def test_photos_are_taken_once_by_who_agreed_and_again_where_smile_id_has_none(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, first):
        take: Callable[[Transaction], bool] = lambda tx: capture_links.taken(tx, first, now=NOON + 3 * HOUR)  # noqa: E731
        assert not await database.write(take)
        await database.write(agree, first)
        assert [await database.write(capture_links.tried, first) for _time in range(2)] == [1, 2]
        assert await database.write(take)
        assert not await database.write(take)
        taken = await database.read(capture_links.get, "K-1", 1)
        # However late: Smile ID may have them.
        assert (taken.step, taken.is_open(NOON + 99 * HOUR)) == (LinkStep.TAKEN, True)
        assert not await database.write(capture_links.opened, taken, OTHER_DEVICE, now=NOON + 3 * HOUR)
        until = NOON + 25 * HOUR
        assert await database.write(capture_links.given_back, "K-1", until=until, now=NOON)
        assert not await database.write(capture_links.given_back, "K-1", until=until, now=NOON)
        back = await database.read(capture_links.get, "K-1", 1)
        assert (back.step, back.expires_at) == (LinkStep.AGREED, until)
        assert await database.write(take)


async def test_the_consent_that_counts_is_the_customers_and_their_time_is_not_ours(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, _link):
        agreed_at, now = NOON + 2 * HOUR, NOON + 3 * HOUR

        def take(tx: Transaction) -> None:
            checks.photos_taken(tx, "K-1", agreed_at=agreed_at, notice="2026-11", now=now)
            checks.move(tx, "K-1", State.SUBMITTING, now=now)

        await database.write(take)
        check = await database.read(checks.get, "K-1")
        assert (check.consent_at, check.consent_by, check.consent_notice) == (agreed_at, CUSTOMER, "2026-11")
        seconds = await database.read(lambda tx: tx.value("SELECT paused_seconds FROM verifications"))
        assert seconds == 3 * HOUR.total_seconds()


async def test_links_whose_time_has_come_are_found_while_the_check_waits(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, first):
        for find, after in ((capture_links.to_remind, 12 * HOUR), (capture_links.expired, 24 * HOUR)):
            assert await database.read(find, now=NOON + after - timedelta(seconds=1)) == []
            assert await database.read(find, now=NOON + after) == ["K-1"]
        assert await database.write(capture_links.reminded, "K-1", now=NOON) is None
        assert await database.write(capture_links.reminded, "K-1", now=NOON + 12 * HOUR) is not None
        assert await database.write(capture_links.reminded, "K-1", now=NOON + 12 * HOUR) is None
        assert await database.read(capture_links.to_remind, now=NOON + 99 * HOUR) == []

        def take(tx: Transaction) -> None:
            agree(tx, first)
            capture_links.taken(tx, first, now=NOON)
            checks.move(tx, "K-1", State.SUBMITTING, now=NOON)

        await database.write(take)
        assert await database.read(capture_links.expired, now=NOON + 99 * HOUR) == []


async def test_links_are_counted_by_when_they_were_made_and_not_of_altered_checks(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with asked(path) as (database, first):

        def use(tx: Transaction) -> None:
            agree(tx, first)
            capture_links.end(tx, "K-1", LinkEnding.USED, by=audit.BOT, now=NOON + 4 * HOUR)
            link(tx, "u" * 43)

        await database.write(use)
        used, made = LinkTimes(NOON, NOON + HOUR, NOON + 4 * HOUR), LinkTimes(NOON, None, None)
        for country, found in ((None, [used, made]), ("NG", [used, made]), ("KE", [])):
            assert await database.read(capture_links.of_period, NOON, NOON + HOUR, country=country) == found
        assert await database.read(capture_links.of_period, NOON + HOUR, NOON + 9 * HOUR) == []
        gauges = await database.read(read_gauges, NOON + HOUR)
        assert gauges.links == LinkFigures.of([used, made])
        with closing(beside(path)) as db:
            db.execute("UPDATE capture_links SET opened_at = NULL")
        assert await database.read(capture_links.of_period, NOON, NOON + HOUR) == []


async def test_everything_that_happens_to_a_link_has_its_line_without_token_or_device(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, first):

        def play(tx: Transaction) -> None:
            capture_links.told(tx, "K-1", 1, now=NOON)
            agree(tx, first)
            capture_links.taken(tx, first, now=NOON)
            capture_links.given_back(tx, "K-1", until=NOON, now=NOON)
            link = capture_links.reminded(tx, "K-1", now=NOON + 12 * HOUR)
            assert link is not None
            capture_links.reminder_made(tx, link, now=NOON)
            capture_links.end(tx, "K-1", LinkEnding.USED, by=audit.BOT, now=NOON)

        await database.write(play)
        lines = await database.read(audit.lines_of, "K-1")
        assert [(one.act, one.actor, one.detail) for one in lines] == [
            ("link.made", "U1", "1"),
            ("link.told", "kyc-bot", "1"),
            ("link.opened", "customer", "1"),
            ("consent.given", "customer", "2026-11:sw"),
            ("link.taken", "customer", "1"),
            ("link.given_back", "kyc-bot", "1"),
            ("link.reminded", "kyc-bot", "1"),
            ("link.ended", "kyc-bot", "used"),
        ]


async def test_a_link_is_found_under_whichever_key_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with asked(path):
        pass
    async with opened(path, Sealer([OTHER, KEY])) as database:
        assert (await database.read(capture_links.by_token, TOKEN)) is not None
        assert await database.read(capture_links.token_of, "K-1", 1) == TOKEN


async def test_an_erased_customers_link_is_found_by_nothing(tmp_path: Path) -> None:
    async with asked(tmp_path / "kyc.db") as (database, first):

        def withdrawn(tx: Transaction) -> None:
            agree(tx, first)
            capture_links.end(tx, "K-1", LinkEnding.WITHDRAWN, by="U1", now=NOON)
            checks.move(tx, "K-1", State.CANCELLED, now=NOON)

        await database.write(withdrawn)
        await database.write(retention.erase_personal, "K-1", at=NOON)
        assert await database.read(capture_links.by_token, TOKEN) is None
        (left,) = await database.read(capture_links.of_check, "K-1")
        assert (left.device_sha256, left.language, left.ending) == (None, "sw", LinkEnding.WITHDRAWN)
        assert not (await database.read(checks.get, "K-1")).is_altered
        await database.write(retention.erase_record, "K-1", at=NOON)
        assert await database.read(capture_links.of_check, "K-1") == []


@pytest.mark.sqlite("upgrades are of files")
@pytest.mark.slow
async def test_a_database_from_before_is_widened_in_place_and_its_records_hold(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with opened(path) as database:
        await database.write(fill, "K-2")
        await database.write(lambda tx: tx.run("DELETE FROM capture_links"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_capture_links(db)
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE verifications SET state = 'awaiting_photos', reason = NULL")
        rows = db.execute("SELECT * FROM verifications").fetchall()
        migrations.apply(sqlite_utils.Database(db))
        assert [(*row, None, None) for row in rows] == db.execute("SELECT * FROM verifications").fetchall()
        assert shape.digest(shape.of(db)) == shape.NEWEST
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE verifications SET state = 'awaiting'")
    async with opened(path) as database:
        check = await database.read(checks.get, "K-2")
        assert (check.is_altered, check.photos_by) == (False, PhotosBy.ATTACHED)
        await database.write(ask)
        assert not (await database.read(checks.get, "K-1")).is_altered


@pytest.mark.sqlite("upgrades are of files")
def test_a_table_that_is_not_the_bots_is_not_widened() -> None:
    db = sqlite_utils.Database(sqlite3.connect(":memory:", isolation_level=None))
    migrations.apply(db, stop_before="m0034_capture_links")
    db.conn.execute("PRAGMA writable_schema = ON")
    db.conn.execute("UPDATE sqlite_schema SET sql = replace(sql, 'cancelled', 'given up') WHERE name = 'verifications'")
    db.conn.execute("PRAGMA writable_schema = RESET")
    with pytest.raises(DatabaseFault, match="verifications is not as the bot made it"):
        migrations.apply(db)
    assert "capture_links" not in db.table_names()
    db.close()
