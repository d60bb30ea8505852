"""`kyc-bot check` of a bot whose database is on a PostgreSQL server."""

from pathlib import Path

import pytest

from tests.journeys.runtime.test_doctor import a_house, about, failures
from tests.postgresql import Cluster, cluster
from tests.postgresql.cluster import GUARDED, PASSWORD, ROLE

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
