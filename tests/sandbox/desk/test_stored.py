"""Rows as stored: read by the standard library from the database of a real bot, sealed values as such."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.desk import stored
from tests.journeys.world import ADMIN, journey

pytestmark = pytest.mark.anyio


async def test_all_rows_about_the_last_check_are_found_and_what_is_sealed_stays_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.settle()
        ref = await world.ask(id_number="00000000004")
        await world.settle()
        found = stored.last_check(tmp_path / "kyc.db")
    assert found is not None
    assert found.ref == ref
    tables = {table.name: table for table in found.tables}
    assert {"verifications", "photos", "attempts", "receipts", "posts"} <= set(tables)
    assert "audit" not in tables
    (check,) = tables["verifications"].rows
    values = dict(check.values)
    assert values["state"] == "approved"
    assert values["applicant_sealed"].startswith("sealed, ")
    assert values["applicant_sealed"].endswith(" bytes")
    assert check.empty > 0
    everything = repr(found)
    assert "00000000004" not in everything
    assert "sealed, " in repr(tables["receipts"])


async def test_the_audit_begins_with_the_last_act_of_a_person(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.settle()
        ref = await world.ask(id_number="00000000004")
        await world.settle()
        lines = stored.last_click(tmp_path / "kyc.db")
    assert "U0AMINA0001" in lines[0]
    assert all(ref in line for line in lines)
    assert lines[-2].endswith("approved")
    assert "result.confirmed" in lines[-1]


async def test_what_has_ended_and_is_not_erased_can_be_chosen_and_its_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    async with journey(tmp_path) as world:
        first = await world.ask()
        await world.settle()
        second = await world.ask(id_number="00000000004")
        assert [one.ref for one in stored.finished(path)] == [first]
        await world.settle()
        world.clock.move(minutes=11)
        await world.work()
        assert [one.ref for one in stored.finished(path)] == [second, first]
        before = stored.rows_of(path, first)
        await world.slack.person(ADMIN).command(f"forget {first}")
        await (await world.slack.person(ADMIN).modal()).submit()
        await world.work()
        assert [one.ref for one in stored.finished(path)] == [second]
        after = stored.rows_of(path, first)
        removals = stored.removals_of(path, first)
        lines = stored.trail_after(path, 5)
    assert len(before["photos"]) == 1
    assert after["photos"] == {}
    (was,), (now,) = before["verifications"].values(), after["verifications"].values()
    assert was["applicant_sealed"]
    assert now["applicant_sealed"] is None
    assert before["attempts"].keys() == after["attempts"].keys() != set()
    assert {one.what for one in removals} == {"thread", "message", "file"}
    assert 0 < len(lines) <= stored.LINES
    assert stored.trail_after(path, 4)[1:] == lines[: stored.LINES - 1]
    assert stored.removals_of(path, "K-ZZZZZZ") == ()


def test_a_database_without_checks_has_nothing_to_show(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute('CREATE TABLE "verifications" (ref TEXT PRIMARY KEY)')
        db.execute('CREATE TABLE "audit" (seq INTEGER PRIMARY KEY, at, actor, act, ref, detail)')
    assert stored.last_check(path) is None
    assert stored.last_click(path) == ()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        stored.last_check(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_only_the_first_rows_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "long.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute('CREATE TABLE "verifications" (ref TEXT PRIMARY KEY)')
        db.execute("INSERT INTO verifications VALUES ('K-1')")
        db.execute('CREATE TABLE "posts" (ref TEXT, text TEXT, body BLOB)')
        db.executemany("INSERT INTO posts VALUES ('K-1', ?, ?)", [("a" * 500, b"abc")] * 40)
    found = stored.last_check(path)
    assert found is not None
    posts = found.tables[1]
    assert (len(posts.rows), posts.left) == (stored.ROWS, 40 - stored.ROWS)
    values = dict(posts.rows[0].values)
    assert len(values["text"]) == stored.LONGEST_VALUE + 1
    assert values["body"] == "3 bytes"
