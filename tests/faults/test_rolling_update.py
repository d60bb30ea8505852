"""An update while the site works: this version and the next one side by side on one PostgreSQL server.

The next one is a copy of this tree with a migration more, which adds a column, a table and indexes.
"""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from tests.faults.instances import Several
from tests.faults.test_instances import pair
from tests.postgresql import Cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgresql]

ROOT = Path(__file__).parents[2]
PACKED = ("bot", "handlers", "storage", "kyc_bot.py")
MIGRATION = '''

@migrations()
def m9999_more(db: Database) -> None:
    """What a version after this one adds."""
    for statement in (
        "ALTER TABLE verifications ADD COLUMN more TEXT",
        "ALTER TABLE posts ADD COLUMN more INTEGER",
        "CREATE TABLE more (id TEXT PRIMARY KEY, said TEXT NOT NULL, at TEXT) STRICT",
        "CREATE INDEX more_said ON more (said)",
        "CREATE INDEX verifications_more ON verifications (more) WHERE more IS NOT NULL",
    ):
        db.execute(statement)
'''


def next_version(folder: Path) -> Path:
    tree = folder / "next"
    tree.mkdir()
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree)
    with (tree / "storage/engine/migrations.py").open("a", encoding="utf-8") as migrations:
        migrations.write(MIGRATION)
    return tree


async def ask_for(world: Several, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await world.ask()


@pytest.mark.parametrize(
    "seconds", [pytest.param(10, marks=pytest.mark.sample), pytest.param(60, marks=pytest.mark.all_faults)]
)
async def test_two_versions_side_by_side_lose_nothing_and_double_nothing(
    postgresql: Cluster, tmp_path: Path, seconds: float
) -> None:
    tree = await asyncio.to_thread(next_version, tmp_path)
    async with pair(postgresql, begin=False) as world:
        old, new = world.instances
        new.tree = tree
        old.begin()
        await world.balancer.wait_until_healthy(old.port)
        asking = asyncio.create_task(ask_for(world, seconds))
        await world.until_asked(2)
        new.begin()
        await world.all_up()
        await asking
        await ask_for(world, seconds)
        assert [await instance.degraded() for instance in (old, new)] == [{}, {}]
        assert await old.stop() == 0
        # Who starts beside the newer database must know all of it.
        old.begin()
        assert await old.ended() == 1
        assert "update the bot" in old.log.read_text(encoding="utf-8")
        old.tree = tree
        old.begin()
        await world.all_up()
        await ask_for(world, seconds / 10)
        counts = await world.end()
        assert [await instance.degraded() for instance in (old, new)] == [{}, {}]
    print(f"\ntwo versions side by side for {seconds:g} s: {counts}; stood still for {world.stood_still:.1f} s")
    assert counts.clean, counts
