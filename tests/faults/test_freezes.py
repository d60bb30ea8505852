"""A bot on SQLite that is stopped beyond every lease, and goes on as if nothing had been; and one that dies before."""

from pathlib import Path

import pytest

from tests.faults.instances import Blow, Instance, What, When, several
from tests.faults.stores import SqliteStore

pytestmark = pytest.mark.anyio


async def test_a_bot_that_is_killed_and_frozen_for_long_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    armed = [("chat.postMessage", Blow(What.KILL, When.AFTER)), ("put", Blow(What.FREEZE, When.AFTER))]

    def strike(call: str, _sender: Instance) -> Blow | None:
        return armed.pop(0)[1] if armed and armed[0][0] == call else None

    path = tmp_path / "kyc.db"
    async with several(SqliteStore(path), [str(path)], is_kept_up=True) as world:
        world.strike = strike
        for _ in range(3):
            await world.ask()
        counts = await world.end()
        print(f"\nkilled, and then frozen: {counts}; stood still for {world.stood_still:.1f} s")
    assert counts.clean, counts
    assert (counts.asked, counts.faults) == (3, 2)
