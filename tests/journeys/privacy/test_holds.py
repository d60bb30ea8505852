"""`/kyc hold` and `/kyc unhold`: who may, what they read, and that nothing held is erased."""

from pathlib import Path

import pytest

from bot.domain.privacy.holds import HoldCause
from bot.errors import Refusal
from bot.sandbox.demo import ANALYST
from bot.slack.blocks.refusals import SENTENCES
from storage import holds
from storage.engine.database import Transaction
from tests.journeys.privacy.test_retention import counts, ended, night
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio

MANAGER = "U0MEERA0001"


async def say(world: Journey, user: str, typed: str) -> str:
    reply = await world.slack.person(user).command(typed)
    assert reply.ok, reply
    return reply.text


async def test_a_manager_holds_a_check_and_ends_it(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_RETENTION_PERSONAL="10d", KYC_MANAGERS=f"{MANAGER}") as world:
        world.slack.add_user(MANAGER, "meera")
        ref = await ended(world)
        assert await say(world, MANAGER, f"hold {ref}") == (
            f"{ref} is held: the customer relationship is running. Nothing of it is erased until the hold is ended: "
            f"type `/kyc unhold {ref}`."
        )
        assert f"{ref} is held already" in await say(world, ADMIN, f"hold {ref.lower()} relationship")
        assert "a complaint or a legal claim" in await say(world, ADMIN, f"hold {ref} Legal")
        assert counts(await night(world, days=40)) == (0, 0, 0)
        still = await say(world, MANAGER, f"unhold {ref} relationship")
        assert still.startswith(f"{ref} is still held: a complaint or a legal claim.")
        free = await say(world, MANAGER, f"unhold {ref}")
        assert free == f"{ref} is no longer held. What is over its time is erased in the night."
        assert (await say(world, MANAGER, f"unhold {ref}")).startswith(f"{ref} is not held.")
        # From the end of the relationship on.
        assert counts(await night(world, days=2)) == (0, 0, 0)
        assert counts(await night(world, days=30)) == (1, 1, 0)
        lines = await world.bot.database.read(trail)
        assert lines == [
            (MANAGER, "check.hold", "relationship"),
            (ADMIN, "check.hold", "legal"),
            (MANAGER, "check.unhold", "relationship"),
            (MANAGER, "check.unhold", ""),
        ]


def trail(tx: Transaction) -> list[tuple[str, str, str]]:
    rows = tx.rows("SELECT actor, act, detail FROM audit WHERE act IN ('check.hold', 'check.unhold') ORDER BY seq")
    return [(row["actor"], row["act"], row["detail"]) for row in rows]


@pytest.mark.parametrize("word", ["hold", "unhold"])
async def test_nobody_else_holds_anything_and_nothing_is_guessed(tmp_path: Path, word: str) -> None:
    async with journey(tmp_path) as world:
        ref = await ended(world)
        for user in (ANALYST, REVIEWER):
            assert "Only managers and admins can hold checks." in await say(world, user, f"{word} {ref}")
        for typed in ("", ref + " forever", "everything", f"{ref} legal please"):
            assert await say(world, ADMIN, f"{word} {typed}") == SENTENCES[Refusal.HOLD_NOT_UNDERSTOOD]
        assert "K-ZZZZZZ" in await say(world, ADMIN, f"{word} K-ZZZZZZ")
        assert await world.bot.database.read(holds.running) == []
        assert await world.bot.database.read(trail) == []
        await world.bot.database.write(holds.add, ref, HoldCause.LEGAL, by=ADMIN, now=world.clock())
        assert await world.bot.database.read(holds.count) == 1
