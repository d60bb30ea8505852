"""The same database on a PostgreSQL server, for a site of several instances. Needs psycopg 3 (extra `postgresql`)."""

from bot.errors import DatabaseFault

try:
    import psycopg  # noqa: F401 - whoever imports a module of this package hears here, and in words, that it is missing
except ImportError as error:
    raise DatabaseFault(
        "KYC_DATABASE names a PostgreSQL server, and psycopg is not installed: "
        "`make install LOCK=requirements-postgresql.lock`"
    ) from error
