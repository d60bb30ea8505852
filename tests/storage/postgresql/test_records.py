"""MACs, versions and the trail while several instances write: no false alarm, and each true one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from bot.domain.check.states import State
from bot.domain.reporting.periods import Span
from bot.errors import RecordAltered
from storage import audit, checks, day_sums, meta
from storage.engine.covered import COVERED
from storage.engine.database import Database, Transaction, to_text
from tests.postgresql import Cluster
from tests.postgresql.proxy import proxy_to
from tests.storage.engine.test_macs import NOON, fill
from tests.storage.postgresql.test_commits import WRITERS, Site, count_up, until
from tests.storage.test_trail_check import found

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.postgresql]

OF_A_CHECK = [*(table.name for table in COVERED), "audit", "check_macs"]
BESIDE = "SET session_replication_role = replica;"
"""As a superuser may: no trigger sees it."""


@pytest.fixture
def site(postgresql: Cluster) -> Iterator[Site]:
    site = Site(postgresql)
    yield site
    postgresql.drop(site.name)


@asynccontextmanager
async def two(site: Site) -> AsyncIterator[tuple[Database, Database]]:
    async with site.opened() as one, site.opened() as other:
        await one.write(meta.check_key)
        await one.write(fill, "K-1")
        yield one, other


def _where(table: str, ref: str) -> str:
    return f"job_id IN (SELECT job_id FROM attempts WHERE ref = '{ref}')" if table == "receipts" else f"ref = '{ref}'"  # noqa: S608 - names from the schema


def copy(site: Site, ref: str) -> None:
    """All that there is of a check, its MAC and its lines among it."""
    copied = "".join(f"CREATE TABLE thief.{t} AS SELECT * FROM {t} WHERE {_where(t, ref)};" for t in OF_A_CHECK)  # noqa: S608 - names from the schema
    site.sql(f"CREATE SCHEMA thief; {copied}")


def put_back(site: Site, ref: str) -> None:
    gone = "".join(f"DELETE FROM {t} WHERE {_where(t, ref)};" for t in reversed(OF_A_CHECK))  # noqa: S608 - names from the schema
    back = "".join(f"INSERT INTO {t} SELECT * FROM thief.{t};" for t in OF_A_CHECK)  # noqa: S608 - names from the schema
    site.sql(f"{BESIDE} {gone} {back}")


def columns_of(site: Site, table: str) -> list[str]:
    of_table = f"table_schema = 'public' AND table_name = '{table}'"
    return site.sql(f"SELECT column_name FROM information_schema.columns WHERE {of_table}").split()  # noqa: S608 - a name from the schema


async def assert_whole(*databases: Database) -> None:
    for database in databases:
        assert await found(database) == []
        assert not database.is_older
        assert not database.is_trail_broken
        assert database.altered == frozenset()


async def test_instances_that_write_in_turn_take_nobody_for_a_thief(site: Site) -> None:
    async with two(site) as (one, other):
        for number in range(6):
            for database in (one, other, other):
                await database.write(checks.also_asked_by, "K-1", f"U{number}")
                await database.write(audit.record, at=NOON, actor="U1", act="summary.opened")
                await database.write(count_up)
                assert not (await one.read(checks.get, "K-1")).is_altered
                assert not (await other.read(checks.get, "K-1")).is_altered
        await one.write(checks.move, "K-1", State.REJECTED, now=NOON)
        assert (await other.read(checks.get, "K-1")).state is State.REJECTED
        await assert_whole(one, other)
    async with site.opened() as third:
        await assert_whole(third)


async def test_nor_do_those_that_write_at_once(site: Site) -> None:
    async def work(database: Database, name: str) -> None:
        for number in range(8):
            await database.write(fill, f"K-{name}{number}")
            await asyncio.gather(
                database.write(checks.also_asked_by, "K-1", f"{name}{number}"),
                database.write(audit.record, at=NOON, actor=name, act="summary.opened"),
                database.read(checks.get, "K-1"),
                database.read_long(checks.get, f"K-{name}{number}"),
            )

    async with two(site) as (one, other):
        await asyncio.gather(work(one, "a"), work(other, "b"))
        await assert_whole(one, other)
        assert len(await one.read(lambda tx: tx.column("SELECT ref FROM check_macs"))) == 17
    async with site.opened() as third:
        await assert_whole(third)


async def test_nor_does_one_that_starts_while_another_writes(site: Site) -> None:
    async with two(site) as (one, other):
        is_done = False

        async def work() -> None:
            number = 0
            while not is_done:
                number += 1
                await one.write(checks.also_asked_by, "K-1", f"U{number}")

        working = asyncio.ensure_future(work())
        for _start in range(5):
            async with site.opened() as third:
                await assert_whole(third)
                await third.write(audit.record, at=NOON, actor="U1", act="summary.opened")
                await assert_whole(third)
        is_done = True
        await working
        await assert_whole(one, other)


async def test_nor_does_one_whose_commit_had_to_be_asked_about(site: Site) -> None:
    with proxy_to(site.server.port) as proxy:
        async with two(site) as (other, third), site.opened(proxy.port) as one:
            for is_answer in (True, False):
                held = proxy.hold_commit(answer=is_answer)
                writing = asyncio.ensure_future(one.write(checks.also_asked_by, "K-1", f"U{is_answer}"))
                await asyncio.to_thread(held.wait)
                held.drop()
                await writing
                await other.write(checks.also_asked_by, "K-1", f"V{is_answer}")
                await third.write(checks.also_asked_by, "K-1", f"W{is_answer}")
            await assert_whole(one, other, third)


async def test_what_is_changed_beside_them_is_noticed_by_each(site: Site) -> None:
    async with two(site) as databases:
        site.sql("UPDATE verifications SET decision = 'approved' WHERE ref = 'K-1'")
        for database in databases:
            assert (await database.read(checks.get, "K-1")).is_altered
            with pytest.raises(RecordAltered):
                await database.write(checks.move, "K-1", State.REJECTED, now=NOON)
            assert database.altered == {"K-1"}
            await database.write(checks.also_asked_by, "K-1", "U9")
            assert (await database.read(checks.get, "K-1")).is_altered


async def test_an_older_copy_is_noticed_by_who_wrote_the_newer_and_the_cut_trail_by_each(site: Site) -> None:
    async with two(site) as (one, other):
        copy(site, "K-1")
        await other.write(checks.move, "K-1", State.REJECTED, now=NOON)
        put_back(site, "K-1")
        assert (await other.read(checks.get, "K-1")).is_altered
        for database in (one, other):
            await database.write(count_up)
            assert database.is_trail_broken


async def test_a_sum_that_is_gone_is_noticed_by_who_commits_next(site: Site) -> None:
    async with two(site) as (one, other):
        await other.write(count_up)
        site.sql("DELETE FROM meta WHERE name = 'macs'")
        await other.write(count_up)
        assert other.is_older
        assert not one.is_older


async def test_an_older_sum_is_noticed_even_by_who_has_not_written_since(site: Site) -> None:
    async with two(site) as (one, other):
        site.sql("CREATE TABLE older AS SELECT * FROM meta WHERE name = 'macs'")
        await one.write(checks.also_asked_by, "K-1", "U9")
        await other.write(count_up)
        site.sql("UPDATE meta SET value_sealed = older.value_sealed FROM older WHERE meta.name = 'macs'")
        await other.write(count_up)
        assert other.is_older


async def test_a_server_that_has_lost_what_the_one_before_it_had_confirmed_is_noticed(site: Site) -> None:
    async with two(site) as (one, other):
        for database in (one, other):
            await database.write(count_up)
        site.end()
        await one.write(count_up)
        assert not one.is_older
        site.sql("UPDATE groups SET last_group = 'an older one'")
        site.end()
        await one.write(count_up)
        assert one.is_older


TOUCHED = "UPDATE verifications SET tries = tries WHERE ref = 'K-1'"
DECIDED = "UPDATE decisions SET decision = 'approved' WHERE ref = 'K-1'"
THEFTS = {
    "the row that is written": ["UPDATE verifications SET requester = 'U-thief' WHERE ref = 'K-1'"],
    "a decision": [DECIDED],
    "the rest": ["UPDATE receipts SET code = '0810'"],
    "its MAC, too": [DECIDED, "DELETE FROM check_macs WHERE ref = 'K-1'"],
}
LINE = """
    INSERT INTO audit (seq, at, actor, act, ref, detail)
    SELECT MAX(seq) + 1, MAX(at), 'U1', 'batch.confirmed', 'B-1', '' FROM audit
    """


async def write_while_thief_commits(
    site: Site, database: Database, function: Callable[[Transaction], object], theft: Sequence[str]
) -> None:
    """A thief does not wait for the writer's row: theirs is stored between two statements of a function."""
    waits = f"SELECT COUNT(*) FROM pg_stat_activity WHERE {WRITERS} AND wait_event_type = 'Lock'"  # noqa: S608 - a test's own words
    with psycopg.connect(site.server.by_socket(site.name)) as thief:
        for statement in (BESIDE, *theft):
            thief.execute(statement)
        written = asyncio.ensure_future(database.write(function))
        await until(lambda: site.sql(waits) == "1")
        thief.commit()
    await written


@pytest.mark.parametrize("theft", THEFTS.values(), ids=THEFTS)
async def test_what_somebody_alters_while_a_function_runs_gets_no_mac(site: Site, theft: list[str]) -> None:
    seen = []

    def add_asker(tx: Transaction) -> None:
        seen.append(checks.get(tx, "K-1").is_altered)
        checks.also_asked_by(tx, "K-1", "U9")

    async with two(site) as (one, other):
        await write_while_thief_commits(site, one, add_asker, [TOUCHED, *theft])
        assert seen == [False, True]
        for database in (one, other):
            assert (await database.read(checks.get, "K-1")).is_altered


async def test_an_older_copy_that_is_put_back_while_a_function_runs_gets_no_newer_mac(site: Site) -> None:
    """By an instance that does not remember the newer version, which another has written."""

    def add_asker(tx: Transaction) -> None:
        checks.get(tx, "K-1")
        checks.also_asked_by(tx, "K-1", "U9")

    async with two(site) as (one, other):
        copy(site, "K-1")
        newest = site.sql("SELECT MAX(seq) FROM audit")
        await other.write(checks.move, "K-1", State.REJECTED, now=NOON)
        # The trail ends with a line of no check, so that it ends as before without those of the newer version.
        await other.write(audit.record, at=NOON, actor="U1", act="summary.opened")
        columns = ", ".join(columns_of(site, "verifications"))
        children = [table for table in OF_A_CHECK if table not in ("verifications", "audit", "receipts")]
        theft = [
            f"UPDATE verifications SET ({columns}) = (SELECT {columns} FROM thief.verifications) WHERE ref = 'K-1'",  # noqa: S608 - names from the schema
            *(f"DELETE FROM {table} WHERE ref = 'K-1'" for table in children),  # noqa: S608 - as above
            *(f"INSERT INTO {table} SELECT * FROM thief.{table}" for table in children),  # noqa: S608 - as above
            f"DELETE FROM audit WHERE ref = 'K-1' AND seq > {newest}",  # noqa: S608 - a number
        ]
        await write_while_thief_commits(site, one, add_asker, theft)
        for database in (one, other):
            assert (await database.read(checks.get, "K-1")).is_altered


async def test_a_record_that_somebody_puts_in_while_functions_run_gets_no_mac(site: Site) -> None:
    """The one function has looked for it in vain before, and another that is committed with it changes it."""

    seen = []

    def look_and_add_askers(tx: Transaction) -> None:
        seen.append(tx.altered(["K-2"], or_gone=True))
        for ref in ("K-1", "K-2"):
            checks.also_asked_by(tx, ref, "U9")

    async with two(site) as (one, other):
        columns = columns_of(site, "verifications")
        values = ", ".join({"ref": "'K-2'", "view_id": "'V-2'"}.get(column, column) for column in columns)
        put_in = f"INSERT INTO verifications ({', '.join(columns)}) SELECT {values} FROM verifications"  # noqa: S608 - names from the schema
        await write_while_thief_commits(site, one, look_and_add_askers, [put_in, TOUCHED])
        assert seen == [frozenset(), {"K-2"}]
        for database in (one, other):
            assert (await database.read(checks.get, "K-2")).is_altered
            assert not (await database.read(checks.get, "K-1")).is_altered


async def test_a_line_that_somebody_adds_while_a_function_runs_is_not_chained(site: Site) -> None:
    async with two(site) as (one, other):
        add_asker = partial(checks.also_asked_by, ref="K-1", person="U9")
        await write_while_thief_commits(site, one, add_asker, [TOUCHED, LINE])
        assert one.is_trail_broken
        assert await found(other) != []


async def test_an_older_sum_that_somebody_puts_back_while_a_function_runs_is_not_believed(site: Site) -> None:
    first, second = ((NOON - timedelta(days=n), NOON - timedelta(days=n - 1)) for n in (2, 1))

    def keep(tx: Transaction, *days: Span) -> None:
        day_sums.begin(tx, days, making="M")
        day_sums.keep(tx, {day: day_sums.written([]) for day in days}, making="M")

    async with two(site) as (one, other):
        await one.write(keep, first, second)
        site.sql("CREATE SCHEMA thief; CREATE TABLE thief.day_sums AS SELECT * FROM day_sums")
        await one.write(day_sums.begin, [first], making="later")
        assert first not in await other.read(day_sums.kept, [first, second])
        put_back = f"""
            UPDATE day_sums d SET making = NULL, mac = t.mac, sums = t.sums FROM thief.day_sums t
            WHERE t.ends = d.ends AND d.ends = '{to_text(first[1])}'
            """  # noqa: S608 - a time of ours
        held = "UPDATE day_sums SET making = making"
        await write_while_thief_commits(site, one, lambda tx: keep(tx, second), [held, put_back])
        assert first not in await other.read(day_sums.kept, [first, second])
