"""Which sums of days are kept (table `day_sums`): a digest of all of them, sealed with the sum of all records.

Each has a MAC, but one that was thrown away, because a fact of its day changed, has a good one, too. Put back, it does
not fit the digest, and nor does any other: they are made anew from the facts. Only with the whole of an older file does
it fit, as everything does (`record_versions`).
"""

import hashlib

from storage.engine.sql import Dialect, SqlConnection

NONE = ""
"""Where none is kept."""


def digest(connection: SqlConnection) -> str:
    """Of the sums that are kept as this connection sees them."""
    [(kept,)] = connection.fetch(_kept(connection.dialect))
    return hashlib.sha256(kept.encode()).hexdigest() if kept != "[]" else NONE


def _kept(dialect: Dialect) -> str:
    """One value, the same on both engines: a row for each would let go of Python's lock as often."""
    if dialect is Dialect.POSTGRESQL:
        from storage.engine.postgresql import covered_texts  # noqa: PLC0415 - psycopg is an extra

        return covered_texts.KEPT_SUMS
    return """
        SELECT json_group_array(json_array(begins, ends, mac)) FROM (
            SELECT begins, ends, mac FROM day_sums WHERE mac IS NOT NULL ORDER BY ends, begins)
        """


def forget_all(connection: SqlConnection) -> None:
    """Keep none of them."""
    connection.run("DELETE FROM day_sums WHERE mac IS NOT NULL")
