"""The views of the record: nothing sealed, no text of a person, nobody's id; readable beside the running bot."""

import asyncio
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils
import yaml

from bot.sandbox.demo import ANALYST
from storage import capture_links
from storage.engine.migrations import migrations
from tests.journeys.intake import test_batches as batches
from tests.journeys.review.test_review import ZOE, decide, press, provisional
from tests.journeys.world import REVIEWER
from tests.patience import GIVE_UP_SECONDS
from tests.test_readme import OPERATIONS, bare, rows

PERSONAL = {
    *{("verifications", name) for name in ("requester", "team", "consent_by", "decided_by", "asked_again", "view_id")},
    *{("verifications", name) for name in ("failure_words", "held_note", "thread_ts", "message_ts")},
    *{("attempts", "user_id"), ("batches", "requester"), ("batches", "consent_by"), ("batches", "files")},
    *{("batches", "words"), ("batches", "source"), ("posts", "id"), ("posts", "note"), ("facts", "requester")},
    *{("facts", "person"), ("reviews", "proposed_by"), ("reviews", "events"), ("decisions", "decided_by")},
}
ASKED_OF_ONLY = {
    ("verifications", "channel"),
    ("batches", "channel"),
    ("posts", "lane"),
    ("reviews", "claimed_by"),
    ("decisions", "confirmed_by"),
    ("audit", "actor"),
    ("audit", "detail"),
}
"""Read to tell a channel from a person, or whether there is somebody; never shown as they are where they name one."""
QUERIES = re.findall(r"```sql\n(.*?)```", OPERATIONS, re.DOTALL)


@pytest.fixture
def empty() -> Iterator[sqlite_utils.Database]:
    database = sqlite_utils.Database(memory=True)
    migrations.apply(database)
    yield database
    database.close()


def views(database: sqlite_utils.Database) -> list[str]:
    return [name for name in database.view_names() if name.startswith("record_")]


def columns_read(database: sqlite_utils.Database, view: str) -> set[tuple[str, str]]:
    """Every column of a table that SQLite reads for `SELECT *` of this view, as its authorizer hears it."""
    read: set[tuple[str, str]] = set()

    def hear(action: int, table: str | None, column: str | None, _db: str | None, _inner: str | None) -> int:
        if action == sqlite3.SQLITE_READ and table and column:
            read.add((table, column))
        return sqlite3.SQLITE_OK

    database.conn.set_authorizer(hear)
    try:
        database.conn.execute(f"SELECT * FROM {view}").fetchall()  # noqa: S608 - a name from the schema
    finally:
        database.conn.set_authorizer(None)
    return {(table, column) for table, column in read if table not in views(database)}


def test_no_view_reads_what_is_sealed_a_print_or_personal(empty: sqlite_utils.Database) -> None:
    assert len(views(empty)) == 10
    for view in views(empty):
        read = columns_read(empty, view)
        assert read, view
        assert not read & PERSONAL, view
        assert not [name for _table, name in read if name.endswith(("_sealed", "_print"))], view


def test_what_is_asked_of_alone_stands_in_no_view_as_it_is(empty: sqlite_utils.Database) -> None:
    asked = {found for view in views(empty) for found in columns_read(empty, view)} & ASKED_OF_ONLY
    assert asked == ASKED_OF_ONLY
    known = defaultdict(set)
    for table, column in PERSONAL | ASKED_OF_ONLY:
        known[table].add(column)
    for table, names in known.items():
        assert names <= {column.name for column in empty[table].columns}, (
            f"{table} has lost a column that is named here"
        )


def test_the_page_names_each_view_with_its_columns(empty: sqlite_utils.Database) -> None:
    told = {bare(row[0]): re.findall(r"`(\w+)`", row[3]) for row in rows(OPERATIONS, "view")}
    found = {
        view: [name for name, *_ in empty.conn.execute(f"SELECT * FROM {view}").description]  # noqa: S608 - as above
        for view in views(empty)
    }
    assert told == found
    assert all(row[1] and row[2] for row in rows(OPERATIONS, "view"))


def test_the_settings_for_datasette_allow_the_views_alone(empty: sqlite_utils.Database) -> None:
    (settings,) = re.findall(r"```yaml\n(.*?)```", OPERATIONS, re.DOTALL)
    database = yaml.safe_load(settings)["databases"]["kyc"]
    assert (database["allow"], database["allow_sql"]) == (False, False)
    assert list(database["tables"]) == views(empty)
    assert set(map(str, database["tables"].values())) == {"{'allow': True}"}


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_each_query_of_the_page_is_answered(empty: sqlite_utils.Database, query: str) -> None:
    assert len(QUERIES) == 5
    empty.conn.execute(query).fetchall()
    assert not re.search(r"\b(verifications|facts|attempts|receipts|posts|audit)\b", query)


@pytest.mark.anyio
async def test_beside_a_running_bot_they_show_the_record_and_nobodys_data(tmp_path: Path) -> None:
    secret = {
        *("22299988877", "Invented", "CUST-", "loan-4711-private", "looks like a cousin", "token-4711"),
        *(ANALYST, REVIEWER, ZOE, "U0", "selfie.jpg", "people.csv"),
    }
    async with provisional(tmp_path) as (world, ref):
        linked = await world.ask(id_number="22299988877", customer_reference="loan-4711-private")
        people = batches.csv_of([batches.person(1), batches.person(2, batches.UNKNOWN)])
        await batches.drop(world, {"people.csv": people, "photos.zip": batches.zip_of(batches.photos(2))})
        await world.settle()
        await press(world, REVIEWER, "kyc_review_claim")
        await decide(world, REVIEWER, "rejected", "tampered", "looks like a cousin")
        await world.settle()
        now = world.clock()
        await world.bot.database.write(
            capture_links.add, linked, "token-4711", by=ANALYST, expires_at=now, remind_at=None, now=now
        )
        database = world.bot.settings.database_file
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as beside:
            names = [name for (name,) in beside.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
            shown = {name: beside.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608 - above
        assert [name for name, found in shown.items() if not found] == []
        values = [value for found in shown.values() for row in found for value in row]
        assert ref in values
        assert not [value for value in values if isinstance(value, bytes)]
        texts = [value for value in values if isinstance(value, str)]
        assert {word for word in secret for text in texts if word in text} == set()
        # As an operator reads it, while the bot holds the database.
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sqlite_utils", "rows", str(database), "record_checks", "--csv"),
            stdout=asyncio.subprocess.PIPE,
        )
        listed, _err = await asyncio.wait_for(reader.communicate(), GIVE_UP_SECONDS)
        assert ref.encode() in listed
        await world.ask()
