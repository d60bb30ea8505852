"""`kyc-bot purge` beside a running bot, as an operator types it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.privacy.holds import HoldCause
from storage import holds
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.site import Ended, Site, kyc_bot, site

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


async def purge(world: Site, *arguments: str, **settings: str) -> Ended:
    ended = await kyc_bot("purge", *arguments, environment={**world.environment, **settings})
    assert "Traceback" not in ended.err
    return ended


async def in_database(world: Site, work: Callable[[Transaction], Any]) -> Any:
    sealer = Sealer.from_text([world.environment["KYC_ENCRYPTION_KEYS"]])
    database = await Database.open(world.database, sealer=sealer, migrate=migrate)
    try:
        return await database.write(work)
    finally:
        await database.close()


def age(tx: Transaction) -> None:
    """As if the check had ended long ago."""
    tx.run("UPDATE verifications SET ended_at = :then", then=LONG_AGO)


def hold(tx: Transaction) -> None:
    (ref,) = tx.column("SELECT ref FROM verifications")
    holds.add(tx, ref, HoldCause.LEGAL, by="operator", now=LONG_AGO)


def unhold(tx: Transaction) -> None:
    (ref,) = tx.column("SELECT ref FROM verifications")
    holds.end(tx, ref, by="operator", now=LONG_AGO)


def erased(tx: Transaction) -> list[Any]:
    return tx.column("SELECT personal_erased_at FROM verifications")


async def test_it_says_first_and_erases_beside_the_running_bot() -> None:
    async with site() as world:
        await world.ask()
        await world.wait_for_the_end()
        await world.stop()
        await in_database(world, age)
        await in_database(world, hold)
        await world.start()
        unset = await purge(world)
        assert unset.code == 1
        assert "kept beyond its time, held: 1 check" in unset.out
        assert "nothing is erased before one of KYC_RETENTION_PHOTOS" in unset.err
        held = await purge(world, KYC_RETENTION_PERSONAL="30d")
        assert (held.code, held.err) == (0, "")
        assert "personal data of 0 checks: erased" in held.out
        await in_database(world, unhold)
        said = await purge(world, "--dry-run", KYC_RETENTION_PERSONAL="30d")
        assert said.code == 0
        assert said.out.splitlines() == [
            "kept: photos 30d, personal data 30d, records 5y,KE=7y",
            "photos of 1 check: to be erased",
            "personal data of 1 check: to be erased",
            "whole records of 0 checks: to be erased",
        ]
        assert await in_database(world, erased) == [None]
        done = await purge(world, KYC_RETENTION_PERSONAL="30d")
        assert done.code == 0
        assert "personal data of 1 check: erased" in done.out
        (at,) = await in_database(world, erased)
        assert at is not None
        wrong = await purge(world, KYC_RETENTION_PERSONAL="a month")
        assert wrong.code == 2
        assert "KYC_RETENTION_PERSONAL: must be days or years" in wrong.err
        # The bot has seen nothing that it takes for somebody else's hand.
        await world.ask()
        await world.wait_for(lambda: len(world.roots()) == 2)
        assert "records.altered" not in world.log()
        assert await world.stop() == 0
