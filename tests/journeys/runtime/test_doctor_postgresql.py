"""`kyc-bot check` of a bot whose database is on a PostgreSQL server."""

from pathlib import Path

import pytest

from bot.domain.database_address import parse
from storage import meta
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.runtime.test_doctor import a_house, about, failures
from tests.postgresql import Cluster, cluster
from tests.postgresql.cluster import GUARDED, PASSWORD, ROLE
from tests.storage.engine.test_macs import fill

pytestmark = [pytest.mark.anyio, pytest.mark.processes, pytest.mark.postgresql]


def for_guarded(server: Cluster) -> str:
    return server.address(server.database()).replace(f"//{ROLE}@", f"//{GUARDED}@")


async def test_the_real_command_goes_through_all_and_tells_no_password(tmp_path: Path) -> None:
    with cluster() as server:
        async with a_house(tmp_path) as house:
            environment = house.environment(KYC_DATABASE=for_guarded(server), KYC_DATABASE_PASSWORD=PASSWORD)
            code, lines = await house.run(environment)
            assert about(lines, "database servers").startswith("ok    database servers: 127.0.0.1:")
            assert (code, failures(lines)) == (0, [])
            assert about(lines, "database:").endswith(" is empty; the first start fills it")
            assert not (tmp_path / "kyc.db").exists()

            server.sql(f"ALTER ROLE {GUARDED} SET synchronous_commit = off")
            code, lines = await house.run(environment)
            assert (code, len(failures(lines))) == (1, 1)


async def test_a_server_that_does_not_let_it_in_leaves_the_rest_to_be_looked_at(
    tmp_path: Path, postgresql: Cluster
) -> None:
    async with a_house(tmp_path) as house:
        lines = await house.check(KYC_DATABASE=for_guarded(postgresql), KYC_DATABASE_PASSWORD="not the one")
        (line,) = failures(lines)
        assert "the server does not take this password. Compare KYC_DATABASE_PASSWORD" in line
        assert about(lines, "slack token").startswith("ok ")


async def test_what_is_stored_on_a_server_is_looked_at_as_in_a_file(tmp_path: Path, postgresql: Cluster) -> None:
    database = postgresql.database()
    async with a_house(tmp_path) as house:
        environment = house.environment(KYC_DATABASE=postgresql.address(database))
        sealer = Sealer.from_text([environment["KYC_ENCRYPTION_KEYS"]])
        kept = await Database.open(parse(environment["KYC_DATABASE"]), sealer=sealer, migrate=migrate)
        try:
            await kept.write(meta.begin)
            await kept.write(fill, "K-222222")
        finally:
            await kept.close()
        found = await house.check(environment)
        assert about(found, "database:") == f"ok    database: {environment['KYC_DATABASE']}: the key opens it"
        assert not [line for line in found if line[6:].startswith("records")]

        postgresql.sql("UPDATE verifications SET verdict = '1012'", database=database)
        found = await house.check(environment)
        assert about(found, "records:").startswith("FAIL  records: 1 check was altered beside the bot.")

        found = await house.check(environment | {"KYC_ENCRYPTION_KEYS": Sealer.new_key()})
        assert "KYC_ENCRYPTION_KEYS does not hold" in about(found, "database:")

        postgresql.sql(
            "INSERT INTO applied_migrations SELECT 'm9999_of_tomorrow', MAX(applied_at) FROM applied_migrations",
            database=database,
        )
        found = await house.check(environment)
        assert "written by a newer kyc-bot (m9999_of_tomorrow): update the bot" in about(found, "database:")
    postgresql.drop(database)
