"""Keeps up to date what SQLite plans with: how long its tables and indexes are."""

from storage import meta
from storage.engine.database import Database


async def learn_figures(database: Database) -> None:
    """Have it learn what has changed much, each table in a commit of its own, so that nothing waits long for it."""
    for table in await database.write(meta.tables_to_learn):
        await database.write(meta.learn_figures, table)
