"""Groups of functions on a real server: stored once or not at all, whatever becomes of a connection meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from threading import Event
from time import monotonic
from typing import Any

import pytest

from bot.domain.database_address import parse
from bot.domain.privacy.erasures import Traces
from bot.errors import DatabaseFault, DatabaseUnusable
from storage import checks, meta
from storage.engine import traces
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.postgresql.commits import PostgresqlWriter
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster, cluster
from tests.postgresql.cluster import address
from tests.postgresql.proxy import Proxy, proxy_to
from tests.storage.engine.test_macs import fill
from tests.storage.postgresql.databases import SEALER, prepare

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.postgresql]

WRITERS = "application_name = 'kyc-bot writer'"


class Site:
    """One database, and whoever opens it."""

    def __init__(self, server: Cluster) -> None:
        self.server = server
        self.name = server.copy(prepare)

    @asynccontextmanager
    async def opened(self, *ports: int, **options: Any) -> AsyncIterator[Database]:
        """By way of these ports, the server's own if none is given."""
        place = parse(address(self.name, *(ports or [self.server.port])))
        # However busy the machine is: what is asked for at once is one group.
        options.setdefault("group_seconds", GIVE_UP_SECONDS)
        database = await Database.open(place, sealer=SEALER, migrate=migrate, **options)
        try:
            yield database
        finally:
            await database.close()

    def sql(self, statement: str) -> str:
        return self.server.sql(statement, database=self.name)

    def count(self) -> int:
        """How often `count_up` is stored."""
        return int(self.sql("SELECT COALESCE((SELECT value FROM meta WHERE name = 'count'), '0')"))

    def end(self, which: str = WRITERS) -> None:
        """Have the server end these connections."""
        self.sql(f"SELECT pg_terminate_backend(pid) {self._connected} AND {which}")

    def listening(self) -> int:
        """How many connections do."""
        return int(self.sql(f"SELECT COUNT(*) {self._connected} AND query = 'LISTEN kyc_bot'"))

    @property
    def _connected(self) -> str:
        return f"FROM pg_stat_activity WHERE datname = '{self.name}' AND pid <> pg_backend_pid()"


@pytest.fixture
def site(postgresql: Cluster) -> Iterator[Site]:
    site = Site(postgresql)
    yield site
    postgresql.drop(site.name)


@pytest.fixture
def proxy(postgresql: Cluster) -> Iterator[Proxy]:
    with proxy_to(postgresql.port) as proxy:
        yield proxy


def count_up(tx: Transaction) -> int:
    """Tells of every time that it is stored, and not how often it runs."""
    count = int(meta.kept(tx, "count") or 0) + 1
    meta.keep(tx, "count", str(count))
    return count


def read_count(tx: Transaction) -> str | None:
    return meta.kept(tx, "count")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(GIVE_UP_SECONDS * 50):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


async def test_what_one_instance_writes_the_others_read(site: Site) -> None:
    async with site.opened() as one, site.opened() as other:
        assert await one.write(count_up) == 1
        assert await other.read(read_count) == "1"
        assert await other.write(count_up) == 2
        assert await one.read(read_count) == "2"


async def test_instances_that_write_at_once_lose_nothing(site: Site) -> None:
    async with site.opened() as one, site.opened() as other:
        counts = await asyncio.gather(*(database.write(count_up) for database in (one, other) * 50))

    assert sorted(counts) == list(range(1, 101))
    assert site.count() == 100


async def test_a_function_that_fails_takes_none_of_its_group_with_it(site: Site) -> None:
    def fail(tx: Transaction) -> None:
        count_up(tx)
        raise LookupError("mine alone")

    def collide(tx: Transaction) -> None:
        tx.insert("meta", name="count")

    async with site.opened() as database:
        await database.write(count_up)
        outcomes = await asyncio.gather(
            *(database.write(function) for function in (count_up, fail, count_up, collide, count_up)),
            return_exceptions=True,
        )
    assert [str(outcome) for outcome in outcomes] == ["2", "mine alone", "3", "UniqueViolation meta_pkey", "4"]
    assert site.count() == 4


async def test_what_no_bot_was_started_with_is_not_taken_as_it_is(empty_database: str) -> None:
    with pytest.raises(DatabaseFault, match="never been started with this database"):
        await Database.open(parse(empty_database), sealer=SEALER, migrate=migrate, as_it_is=True)


async def test_a_reader_may_not_write(site: Site) -> None:
    async with site.opened() as database:
        with pytest.raises(RuntimeError, match="only a function given to write"):
            await database.read(count_up)


async def test_a_commit_wakes_the_others_once_and_its_own_once(site: Site) -> None:
    def wake(tx: Transaction) -> None:
        count_up(tx)
        tx.wake("work")
        tx.wake("more")

    async with site.opened() as one, site.opened() as other:
        heard = {"one": 0, "other": 0, "else": 0}

        def hear(who: str) -> Callable[[], None]:
            return lambda: heard.update({who: heard[who] + 1})

        one.subscribe("work", hear("one"))
        other.subscribe("work", hear("other"))
        other.subscribe("nothing", hear("else"))
        await until(lambda: site.listening() == 2)
        await one.write(wake)
        await until(lambda: heard["other"] > 0)
        await other.write(wake)
        await until(lambda: heard["one"] + heard["other"] >= 4)
        await asyncio.sleep(0.1)
        assert heard == {"one": 2, "other": 2, "else": 0}


async def test_who_could_not_listen_for_a_while_wakes_everybody(site: Site) -> None:
    async with site.opened() as database:
        heard: list[str] = []
        database.subscribe("work", lambda: heard.append("work"))
        await until(lambda: site.listening() == 1)
        site.end("application_name = 'kyc-bot listener'")
        await until(lambda: heard == ["work"])


@pytest.mark.parametrize("which", [WRITERS, "application_name = 'kyc-bot witness'", "TRUE"])
async def test_connections_that_ended_before_a_group_cost_nothing(site: Site, which: str) -> None:
    async with site.opened() as database:
        await database.write(count_up)
        site.end(which)
        assert await database.write(count_up) == 2
        assert await database.read(read_count) == "2"


async def test_a_group_whose_connection_ends_is_run_anew_once(site: Site) -> None:
    runs: list[str] = []

    def lose(tx: Transaction) -> int:
        count = count_up(tx)
        runs.append(tx.value("SELECT CAST(pg_backend_pid() AS TEXT)"))
        if len(runs) == 1:
            site.end()
        count_up(tx)
        return count

    async with site.opened() as database:
        assert [*await asyncio.gather(database.write(count_up), database.write(lose))] == [1, 2]
    assert len(set(runs)) == 2
    assert site.count() == 3


async def test_many_whose_connection_ends_in_their_one_call_are_stored_once(site: Site) -> None:
    runs: list[str] = []

    def lose(tx: Transaction, items: Sequence[str]) -> list[int]:
        runs.append("".join(items))
        counts = [count_up(tx) for _ in items]
        if len(runs) == 1:
            site.end()
        count_up(tx)
        return counts

    async with site.opened() as database:
        together = [database.write_together(lose, one) for one in "ab"]
        assert await asyncio.gather(database.write(count_up), *together) == [1, 2, 3]
    assert runs == ["ab", "ab"]
    assert site.count() == 4


async def test_many_that_lose_every_connection_in_their_one_call_are_not_stored_and_hear_so(site: Site) -> None:
    def lose(tx: Transaction, items: Sequence[str]) -> list[int]:
        counts = [count_up(tx) for _ in items]
        site.end()
        count_up(tx)
        return counts

    async with site.opened() as database:
        together = [database.write_together(lose, one) for one in "ab"]
        outcomes = await asyncio.gather(database.write(count_up), *together, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DatabaseUnusable] * 3
        assert all("nothing was stored: the database cannot be used" in str(outcome) for outcome in outcomes)
        assert site.count() == 0
        assert await database.write(count_up) == 1


async def test_a_group_that_loses_every_connection_is_not_stored_and_says_so(site: Site) -> None:
    def lose(tx: Transaction) -> None:
        count_up(tx)
        site.end()
        count_up(tx)

    async with site.opened() as database:
        outcomes = await asyncio.gather(database.write(count_up), database.write(lose), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DatabaseUnusable] * 2
        assert "nothing was stored: the database cannot be used" in str(outcomes[0])
        assert site.count() == 0
        assert await database.write(count_up) == 1


async def test_a_reading_whose_connection_ends_is_repeated_once(site: Site) -> None:
    runs: list[int] = []

    def lose(tx: Transaction) -> str | None:
        runs.append(1)
        if len(runs) == 1:
            site.end("application_name = 'kyc-bot reader'")
        return read_count(tx)

    async with site.opened() as database:
        await database.write(count_up)
        assert await database.read(lose) == "1"
    assert len(runs) == 2


async def test_a_commit_that_never_arrived_is_run_anew(site: Site, proxy: Proxy) -> None:
    async with site.opened(proxy.port) as database:
        held = proxy.hold_commit()
        writing = asyncio.ensure_future(database.write(count_up))
        await asyncio.to_thread(held.wait)
        held.drop()
        assert await writing == 1
    assert site.count() == 1


async def test_a_commit_that_was_stored_without_an_answer_is_found(site: Site, proxy: Proxy) -> None:
    async with site.opened(proxy.port) as database:
        held = proxy.hold_commit(answer=True)
        writing = asyncio.ensure_future(database.write(count_up))
        await asyncio.to_thread(held.wait)
        held.drop()
        assert await writing == 1
        assert await database.write(count_up) == 2
    assert site.count() == 2


@pytest.mark.parametrize("arrives", [True, False])
async def test_nobody_is_told_before_it_is_known_what_became_of_a_commit(
    site: Site, proxy: Proxy, arrives: bool
) -> None:
    """Its connection has broken, and it is still on its way: only who holds the writer row knows how it ends."""
    async with site.opened(proxy.port) as database:
        held = proxy.hold_commit()
        writing = asyncio.ensure_future(database.write(count_up))
        await asyncio.to_thread(held.wait)
        held.cut()
        await asyncio.sleep(1)
        assert not writing.done()
        assert site.count() == 0
        (held.let_through if arrives else held.drop)()
        assert await writing == 1
        assert await database.write(count_up) == 2
    assert site.count() == 2


async def test_what_nobody_could_say_until_the_end_is_told_as_unknown(site: Site, proxy: Proxy) -> None:
    async with site.opened(proxy.port) as database:
        held = proxy.hold_commit(answer=True)
        writing = asyncio.ensure_future(database.write(count_up))
        await asyncio.to_thread(held.wait)
        proxy.refuse()
        held.drop()
        await asyncio.sleep(0.5)
        assert not writing.done()
        began = monotonic()
        await database.close()
        assert monotonic() - began < 15
    with pytest.raises(DatabaseUnusable, match="nobody knows whether this is stored"):
        await writing


async def test_a_holder_of_the_writer_row_that_stalls_is_cut_off_and_begins_anew(site: Site) -> None:
    stalled, go_on = Event(), Event()

    def stall(tx: Transaction) -> int:
        count = count_up(tx)
        stalled.set()
        go_on.wait(GIVE_UP_SECONDS)
        count_up(tx)
        return count

    async with site.opened() as one, site.opened() as other:
        writing = asyncio.ensure_future(one.write(stall))
        await asyncio.to_thread(stalled.wait)
        began = monotonic()
        assert await other.write(count_up) == 1
        assert 5 < monotonic() - began < 14
        go_on.set()
        assert await writing == 2
    assert site.count() == 3


async def test_a_database_that_was_moved_away_takes_no_change(site: Site) -> None:
    async with site.opened() as database:
        site.sql("UPDATE writer SET state = 'left'")
        with pytest.raises(DatabaseFault, match="was moved away"):
            await database.write(count_up)
    assert site.count() == 0


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER audit_unchanged ON audit",
        "DROP INDEX verifications_batch",
        "ALTER TABLE verifications ADD COLUMN more TEXT",
    ],
)
async def test_a_schema_that_somebody_changes_meanwhile_takes_no_change_until_it_is_put_back(
    site: Site, change: str
) -> None:
    """As with a file, only that it is looked for once a minute."""
    async with site.opened() as database:
        writer = database._connections.writer
        assert isinstance(writer, PostgresqlWriter)
        assert writer.shape_due_at <= monotonic() + 60
        definitions = {
            "TRIGGER": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'audit_unchanged'",
            "INDEX": "SELECT pg_get_indexdef('verifications_batch'::REGCLASS)",
        }
        kind = change.split()[1]
        back = site.sql(definitions[kind]) if kind in definitions else "ALTER TABLE verifications DROP COLUMN more"
        site.sql(change)
        await database.write(count_up)
        writer.shape_due_at = monotonic() - 1
        for _again in range(2):
            with pytest.raises(DatabaseFault, match="changed how its database works"):
                await database.write(count_up)
        assert site.count() == 1
        site.sql(back)
        assert await database.write(count_up) == 2


async def test_a_newer_version_may_change_the_schema_meanwhile(site: Site) -> None:
    def look(tx: Transaction) -> int:
        return len(tx.rows("SELECT * FROM meta"))

    async with site.opened() as database:
        await asyncio.gather(*(database.write(look) for _ in range(2)), *(database.read(look) for _ in range(8)))
        site.sql("ALTER TABLE meta ADD COLUMN another TEXT")
        await database.write(look)
        await asyncio.gather(*(database.read(look) for _ in range(8)))
        assert await database.write(count_up) == 1


async def test_a_commit_is_two_round_trips_beside_the_statements_of_its_functions(site: Site) -> None:
    async with site.opened() as database:
        writer = database._connections.writer
        assert isinstance(writer, PostgresqlWriter)
        await database.write(count_up)
        before = writer.round_trips
        await database.write(count_up)
        assert writer.round_trips - before == 2 + 2
        before = writer.round_trips
        await asyncio.gather(*(database.write(count_up) for _ in range(10)))
        assert writer.round_trips - before == 2 + 2 * 10
        await database.write(fill, "K-1")
        before = writer.round_trips
        await database.write(checks.also_asked_by, "K-1", "U7")
        # The record as it was before, by the witness, as it is now, and by the witness once more; beside the one
        # statement of the function.
        assert writer.round_trips - before == 2 + 3 + 1


async def test_traces_are_cleared_once_where_something_was_erased(site: Site) -> None:
    def vacuumed() -> int:
        return int(site.sql("SELECT SUM(vacuum_count) FROM pg_stat_user_tables"))

    async with site.opened() as database:
        await database.write(meta.keep, traces.NOTE, "one")
        assert await database.clear_traces() is Traces.NONE
        assert await database.read(meta.kept, traces.NOTE) is None
        await until(lambda: vacuumed() > 0)
        before = vacuumed()
        assert await database.clear_traces() is Traces.NONE
        assert vacuumed() == before


async def test_a_server_that_is_restarted_is_missed_only_while_it_is_away() -> None:
    with cluster() as server:
        site = Site(server)
        async with site.opened() as database:
            await database.write(count_up)
            await asyncio.to_thread(server.stop)
            with pytest.raises(DatabaseUnusable, match="no server listens there"):
                await database.write(count_up)
            with pytest.raises(DatabaseUnusable, match="no server listens there"):
                await database.read(read_count)
            await asyncio.to_thread(server.start)
            assert await database.write(count_up) == 2
            assert await database.read(read_count) == "2"


@pytest.mark.parametrize("how", ["stop", "freeze"])
async def test_a_database_is_closed_within_seconds_though_its_server_is_away(how: str) -> None:
    with cluster() as server:
        site = Site(server)
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(site.opened())
            await database.write(count_up)
            await asyncio.to_thread(getattr(server, how))
            asked = [asyncio.ensure_future(database.write(count_up)), asyncio.ensure_future(database.read(read_count))]
            await asyncio.sleep(0.1)
            began = monotonic()
            await database.close()
            assert monotonic() - began < 20
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(outcome, DatabaseUnusable) for outcome in outcomes)
            if how == "freeze":
                server.thaw()


async def test_a_standby_that_is_promoted_has_all_that_was_stored() -> None:
    with cluster() as server:
        site = Site(server)
        standby = server.standby()
        async with site.opened(server.port, standby.port) as database:
            await asyncio.gather(*(database.write(count_up) for _ in range(20)))
            await asyncio.to_thread(server.kill)
            with pytest.raises(DatabaseUnusable):
                await database.write(count_up)
            await asyncio.to_thread(standby.promote)
            assert await database.write(count_up) == 21
            assert await database.read(read_count) == "21"


async def test_whoever_listened_to_a_server_that_hangs_hears_the_one_in_its_place() -> None:
    """Its connections stay open, and nothing comes on them: only the writer finds out, whose patience ends."""
    with cluster() as server:
        site = Site(server)
        standby = server.standby()
        async with site.opened(server.port, standby.port) as one, site.opened(server.port, standby.port) as other:
            heard: list[str] = []
            other.subscribe("work", lambda: heard.append("work"))
            await one.write(count_up)
            await until(lambda: site.listening() == 2)
            await asyncio.to_thread(server.freeze)
            await asyncio.to_thread(standby.promote)
            for database in (one, other):
                with suppress(DatabaseUnusable):  # if nobody had taken over before its second try
                    await database.write(count_up)
            listeners = "SELECT COUNT(*) FROM pg_stat_activity WHERE query = 'LISTEN kyc_bot'"
            await until(lambda: standby.sql(listeners) == "2" and bool(heard))  # meanwhile anything may have been woken
            heard.clear()
            await one.write(lambda tx: tx.wake("work"))
            await until(lambda: bool(heard))
            server.thaw()


async def test_a_statement_that_is_given_up_fails_its_function_alone(site: Site) -> None:
    def wait(tx: Transaction) -> None:
        count_up(tx)
        begun.set()
        tx.value("SELECT COUNT(*) FROM (SELECT pg_sleep(30)) AS slept")

    begun = Event()
    async with site.opened() as database:
        writing = asyncio.gather(
            *(database.write(function) for function in (count_up, wait, count_up)), return_exceptions=True
        )
        await asyncio.to_thread(begun.wait)
        running = f"FROM pg_stat_activity WHERE datname = '{site.name}' AND query LIKE 'SELECT COUNT%pg_sleep%'"
        await until(lambda: site.sql(f"SELECT COUNT(*) {running} AND pid <> pg_backend_pid() AND {WRITERS}") == "1")
        site.sql(f"SELECT pg_cancel_backend(pid) {running} AND {WRITERS}")
        outcomes = await writing
    assert (outcomes[0], outcomes[2]) == (1, 2)
    assert "a statement took too long, or was cancelled" in str(outcomes[1])
    assert site.count() == 2


async def test_what_no_standby_has_yet_is_not_said_to_be_stored() -> None:
    """Whoever cancels a COMMIT that waits for the standby, or its own timeout, has it succeed with a warning."""
    with cluster() as server:
        site = Site(server)
        standby = server.standby()
        async with site.opened() as database:
            await database.write(count_up)
            await asyncio.to_thread(standby.kill)
            writing = asyncio.ensure_future(database.write(count_up))
            waiting = f"FROM pg_stat_activity WHERE {WRITERS} AND wait_event = 'SyncRep'"
            await until(lambda: server.sql(f"SELECT COUNT(*) {waiting}") == "1")
            server.sql(f"SELECT pg_cancel_backend(pid) {waiting}")
            await until(lambda: site.count() == 2)
            await asyncio.sleep(1)
            assert not writing.done()
            await asyncio.to_thread(standby.start)
            assert await writing == 2
            assert await database.write(count_up) == 3
