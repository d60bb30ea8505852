"""Callbacks of many checks that are kept by one call: as if each had come alone."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.results.trust_rules import Disposition, Source
from bot.submission import lifecycle
from storage import attempts, audit, receipts
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import engines

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("engine")]

SEALER = Sealer([b"k" * 32])
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
REFS = ("K-0", "K-1", "K-2", "K-3")
FULL, ERASED = "K-2", "K-3"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    """A database with a few checks, each with a job: one has had enough callbacks, of another all is erased."""
    database = await Database.open(engines.lay(path, SEALER), sealer=SEALER, migrate=migrate, readers=1)
    try:
        await database.write(fill)
        yield database
    finally:
        await database.close()


def fill(tx: Transaction) -> None:
    for number, ref in enumerate(REFS):
        request = Request(
            requester="U0AMINA0001",
            team="T0ACME00001",
            channel="C0KYCREQ001",
            thread_ts=None,
            view_id=f"V{ref}",
            country="NG",
            id_type="BVN",
            # One has no number: nobody can be told by its print.
            id_info={"id_number": f"2222222000{number}"} if number else {},
            customer_reference="",
            photos=(PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id=f"F{ref}"),),
            consent_at=NOON,
        )
        lifecycle.accept(tx, request, ref=ref, now=NOON, budget=None)
        attempts.record(tx, ref=ref, asked_at=NOON, now=NOON)
    for number in range(receipts.SIGNED_KEPT):
        receipts.keep_callbacks(tx, [incoming(tx, FULL, f"earlier {number}")])
    tx.run("UPDATE verifications SET personal_erased_at = :now WHERE ref = :ref", now=NOON, ref=ERASED)


def job_of(tx: Transaction, ref: str) -> str:
    (attempt,) = attempts.of_check(tx, ref)
    return attempt.job_id


def incoming(tx: Transaction, ref: str, said: str, *, code: str = "0810") -> receipts.Incoming:
    return receipts.Incoming(
        id=f"R-{ref}-{said}-{code}",
        job_id=job_of(tx, ref),
        source=Source.CALLBACK,
        code=code,
        body_sha256=said.encode().hex(),
        body={"said": said, "ResultCode": code, "Photo": "invented"},
        fate=Disposition.KEPT,
        at=NOON,
    )


def burst(tx: Transaction) -> list[receipts.Incoming]:
    return [
        incoming(tx, "K-0", "one"),
        incoming(tx, "K-1", "one"),
        incoming(tx, "K-0", "one"),
        incoming(tx, "K-0", "two"),
        incoming(tx, "K-0", "one", code="0811"),
        incoming(tx, FULL, "earlier 3"),
        incoming(tx, FULL, "one more"),
        incoming(tx, ERASED, "one"),
        incoming(tx, ERASED, "two"),
    ]


def kept(tx: Transaction) -> list[tuple[object, ...]]:
    """What there is of each receipt, but for what is sealed with chance."""
    sql = "SELECT id, job_id, source, code, body_print, body_sealed, fate, received_at FROM receipts ORDER BY id"
    return [
        (id_, *others, tx.sealer.open(body, place=f"receipts.body:{id_}"), fate, at)
        for id_, *others, body, fate, at in tx.rows(sql)
    ]


async def test_what_comes_at_once_is_kept_as_if_it_had_come_one_by_one(tmp_path: Path) -> None:
    def at_once(tx: Transaction) -> list[receipts.Kept | None]:
        return receipts.keep_callbacks(tx, burst(tx))

    def one_by_one(tx: Transaction) -> list[receipts.Kept | None]:
        return [one for message in burst(tx) for one in receipts.keep_callbacks(tx, [message])]

    async with opened(tmp_path / "one.db") as database, opened(tmp_path / "other.db") as other:
        found = await database.write(at_once)
        assert found == await other.write(one_by_one)
        assert await database.read(kept) == await other.read(kept)
    news = [one.is_new if one is not None else None for one in found]
    # Of an erased check only the record is kept, in which both say the same.
    assert news == [True, True, False, True, True, False, None, True, False]


async def test_a_line_for_each_of_many_points_to_the_customer_that_a_line_alone_points_to(tmp_path: Path) -> None:
    def alone(tx: Transaction) -> None:
        for ref in REFS:
            audit.record(tx, at=NOON, actor=audit.SMILE_ID, act="result.received", ref=ref)

    def together(tx: Transaction) -> None:
        acts = [audit.Act(at=NOON, ref=ref, detail="0810:callback") for ref in (*REFS, REFS[1])]
        audit.record_of_checks(tx, acts, actor=audit.SMILE_ID, act="result.received")

    def people(tx: Transaction) -> dict[str, list[str | None]]:
        return {ref: [line.person for line in audit.lines_of(tx, ref) if line.act == "result.received"] for ref in REFS}

    def spoil(tx: Transaction) -> None:
        tx.run("UPDATE trail_people SET person_sealed = :spoilt WHERE ref = 'K-2'", spoilt=b"\x01invented")

    async with opened(tmp_path / "kyc.db") as database:
        await database.write(alone)
        await database.write(together)
        told = await database.read(people)
        assert {ref: len(set(found)) for ref, found in told.items()} == dict.fromkeys(REFS, 1)
        assert [len(found) for found in told.values()] == [2, 3, 2, 2]
        assert [told[ref][0] is None for ref in REFS] == [True, False, False, False]
        # A row that was altered beside the bot holds nothing up: the check gets another.
        await database.write(spoil)
        await database.write(together)
        last = {ref: found[-1] for ref, found in (await database.read(people)).items()}
        assert [last[ref] == told[ref][0] for ref in REFS] == [True, True, False, True]
        assert last["K-2"] is not None


async def test_a_token_is_found_among_many_and_a_retired_one_is_not(tmp_path: Path) -> None:
    def tokens(tx: Transaction) -> dict[str, str]:
        return {str(attempt.callback_token): ref for ref in REFS for attempt in attempts.of_check(tx, ref)}

    def find(tx: Transaction, wanted: Sequence[str], *, now: datetime) -> dict[str, str]:
        return {token: job.ref for token, job in attempts.by_tokens(tx, wanted, now=now).items()}

    def ends(tx: Transaction) -> None:
        tx.run("UPDATE verifications SET ended_at = :now WHERE ref = 'K-1'", now=NOON)

    async with opened(tmp_path / "kyc.db") as database:
        known = await database.read(tokens)
        assert await database.read(find, [*known, "f" * 64], now=NOON) == known
        await database.write(ends)
        late = NOON + attempts.RETIRED_AFTER + timedelta(seconds=1)
        assert await database.read(find, [*known], now=late) == {
            token: ref for token, ref in known.items() if ref != "K-1"
        }
