"""PostgreSQL for tests: `cluster` starts Debian's server, `watchdog` sees that none outlives its tests."""

from tests.postgresql.cluster import Cluster, ServerFailed, cluster, require, why_not

__all__ = ["Cluster", "ServerFailed", "cluster", "require", "why_not"]
