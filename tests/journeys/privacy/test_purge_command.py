"""`kyc-bot purge`, `hold` and `unhold` beside a running bot, as an operator types them."""

import re
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


async def command(world: Site, *arguments: str, **settings: str) -> Ended:
    ended = await kyc_bot(*arguments, environment={**world.environment, **settings})
    assert "Traceback" not in ended.err
    return ended


async def purge(world: Site, *arguments: str, **settings: str) -> Ended:
    return await command(world, "purge", *arguments, **settings)


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


async def by_command(world: Site, ref: str) -> None:
    """Holds and ends holds as an operator does; in the end nothing is held."""
    number = world.folder / "number"
    number.write_text("00000000000\n", encoding="utf-8")
    by_number = ("--id-number-file", str(number), "--yes")
    held = await command(world, "hold", *by_number, "--cause", "investigation")
    assert (held.code, held.out.splitlines()) == (0, [f"checks: {ref}", f"held: {ref}"])
    again = await command(world, "hold", *by_number, "--cause", "investigation")
    assert (again.code, again.out.splitlines()) == (0, [f"checks: {ref}", f"as before: {ref}"])
    unasked = await command(world, "hold", "--ref", ref)
    assert (unasked.code, "Nobody is there to answer: add --yes." in unasked.err) == (2, True)
    assert (await command(world, "hold", "--ref", "K-ZZZZZZ", "--yes")).code == 1
    assert (await command(world, "hold", "--yes")).code == 2
    ended = await command(world, "unhold", "--ref", ref, "--yes", "--cause", "legal")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, f"no longer held: {ref}")
    assert "investigation" in (await command(world, "hold", "--list")).out
    assert (await command(world, "unhold", *by_number)).code == 0
    assert (await command(world, "hold", "--list")).out == ""


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
        listed = await command(world, "hold", "--list")
        assert re.fullmatch(r"K-\w+  legal  operator  [-0-9]+ [:0-9]+ UTC\n", listed.out)
        ref = listed.out.split()[0]
        held = await purge(world, KYC_RETENTION_PERSONAL="30d")
        assert (held.code, held.err) == (0, "")
        assert "personal data of 0 checks: erased" in held.out
        await by_command(world, ref)
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
