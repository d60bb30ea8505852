"""What tests ask for that need a server; `tests/conftest.py` gives it to all, and marks those that ask."""

from collections.abc import Iterator

import pytest

from tests.postgresql.cluster import Cluster, cluster


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """One server for all tests of a worker. Who kills or restarts one makes a `cluster` of their own."""
    # No test takes this one down, so nothing hangs on the disk, which many databases would wait for.
    with cluster({"fsync": "off"}) as running:
        yield running


@pytest.fixture
def empty_database(postgresql: Cluster) -> Iterator[str]:
    """The address of a new one."""
    name = postgresql.database()
    yield postgresql.address(name)
    postgresql.drop(name)
