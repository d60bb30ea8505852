"""Which tables and columns a database has, whichever version or program has made it."""

from storage.engine.sql import Dialect, SqlConnection

_COLUMNS = {
    Dialect.SQLITE: """
        SELECT s.name, c.name FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table'
        """,
    Dialect.POSTGRESQL: """
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = quote_ident(current_schema())::REGNAMESPACE AND c.relkind IN ('r', 'p')
            AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum
        """,
}


def columns(connection: SqlConnection) -> dict[str, list[str]]:
    """Of all tables, by table, in their order."""
    found: dict[str, list[str]] = {}
    for table, column in connection.fetch(_COLUMNS[connection.dialect]):
        found.setdefault(table, []).append(column)
    return found
