"""`kyc-bot erase` and `kyc-bot purge`, killed as processes in the middle: run again, they come to the same end."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

from storage.engine.database import Transaction
from storage.engine.sealing import Sealer
from tests.journeys.site import Ended, Site, kyc_bot, site
from tests.patience import GIVE_UP_SECONDS
from tests.privacy.test_erasure import found_in, personal_bytes
from tests.storage.engine.test_macs import opened
from tests.storage.test_retention import end

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

CHECKS = 120
REFS = [f"K-{''.join(digits)}" for digits in islice(product("23456789", repeat=6), CHECKS)]
CLOCKS = {"KYC_RETENTION_PHOTOS": "1d", "KYC_RETENTION_PERSONAL": "1d"}
ERASE = ("erase", "--customer-reference", "invented", "--yes")


def all_end(tx: Transaction) -> None:
    for ref in REFS:
        end(tx, ref)


@asynccontextmanager
async def filled(**settings: Any) -> AsyncIterator[Site]:
    """Many checks of one customer that ended long ago; the bot was not started yet."""
    async with site(start=False, **settings) as world:
        sealer = Sealer.from_text([world.environment["KYC_ENCRYPTION_KEYS"]])
        async with opened(world.database, sealer) as database:
            await database.write(all_end)
        yield world


def erased(path: Path) -> int:
    """Of how many checks everything is erased; a check is never half so: what is gone, and what says so, is one."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=GIVE_UP_SECONDS)) as db:
        sql = """
            SELECT v.applicant_sealed IS NULL, v.number_print IS NULL, v.personal_erased_at IS NOT NULL,
                (SELECT COUNT(*) FROM audit a WHERE a.ref = v.ref AND a.act = 'personal.erased'),
                NOT EXISTS (SELECT 1 FROM decisions d WHERE d.ref = v.ref AND d.words_sealed IS NOT NULL),
                NOT EXISTS (SELECT 1 FROM review_notes n WHERE n.ref = v.ref AND n.words_sealed IS NOT NULL)
            FROM verifications v
            """
        rows = db.execute(sql).fetchall()
        photos = """
            SELECT v.photos_erased_at IS NOT NULL, NOT EXISTS (SELECT 1 FROM photos p WHERE p.ref = v.ref),
                (SELECT COUNT(*) FROM audit a WHERE a.ref = v.ref AND a.act = 'photos.erased')
            FROM verifications v
            """
        rows_of_photos = db.execute(photos).fetchall()
    assert {len(set(row)) for row in rows} == {1}
    assert {len(set(row)) for row in rows_of_photos} == {1}
    return sum(row[0] and of[0] for row, of in zip(rows, rows_of_photos, strict=True))


def personal(world: Site) -> int:
    with closing(sqlite3.connect(f"{world.database.as_uri()}?mode=ro", uri=True, timeout=GIVE_UP_SECONDS)) as db:
        sql = "SELECT COUNT(*) FROM verifications WHERE personal_erased_at IS NOT NULL"
        return int(db.execute(sql).fetchone()[0])


async def begin(world: Site, *arguments: str, until: Callable[[int], bool]) -> asyncio.subprocess.Process:
    """A command that is in the middle of its work."""
    process = await asyncio.create_subprocess_exec(
        *world.command,
        *arguments,
        env=world.environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            if until(personal(world)):
                return process
            await asyncio.sleep(0.005)


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def is_whole(world: Site) -> None:
    """Everybody is erased, once, and the trail verifies."""
    assert erased(world.database) == CHECKS
    verified = await kyc_bot("audit", "verify", environment=world.environment)
    assert verified.code == 0, verified.out + verified.err


def some_of(world: Site) -> set[bytes]:
    """A tenth of all that is personal, as it lies in the file."""
    return set(sorted(personal_bytes(world.database))[::10])


async def told_again(world: Site) -> Ended:
    """What the same command says; again where the bot was reading or writing just when pieces were to go."""
    for _time in range(5):
        told = await kyc_bot(*ERASE, environment=world.environment)
        if "write-ahead log" not in told.out and "sealed pieces" not in told.out:
            break
    return told


async def test_an_erasure_beside_the_bot_survives_a_kill_of_either() -> None:
    async with filled(KYC_RETENTION_DAYS="36500") as world:
        sealed = some_of(world)
        await world.start()
        command = await begin(world, *ERASE, until=lambda count: count > 5)
        await kill(command)
        first = erased(world.database)
        assert 0 < first < CHECKS, "the command was killed in the middle"
        # Once more, and it is the bot that dies.
        command = await begin(world, *ERASE, until=lambda count: count > first + 5)
        await world.kill()
        assert erased(world.database) < CHECKS, "the bot was killed in the middle"
        assert await command.wait() == 1, "Slack is for the bot to erase"
        await is_whole(world)
        with closing(sqlite3.connect(world.database)) as db:
            assert db.execute("SELECT COUNT(*) FROM erasures").fetchone() == (1,)
            assert db.execute("SELECT COUNT(*) FROM audit WHERE act = 'erasure.asked'").fetchone() == (CHECKS,)
        await world.start()
        told = await told_again(world)
        assert told.out.count("erased on") == CHECKS
        assert await world.stop() == 0
        assert "records.altered" not in world.log()
        assert "KYC_RETENTION_DAYS is an older name and counts as" in world.log()
        await is_whole(world)
        assert found_in(world.folder, sealed) == []


async def test_a_purge_that_was_killed_comes_to_the_same_end() -> None:
    async with filled(**CLOCKS) as world:
        sealed = some_of(world)
        command = await begin(world, "purge", until=lambda count: count > 0)
        await kill(command)
        assert 0 < personal(world) < CHECKS, "it was killed in the middle"
        erased(world.database)
        again = await kyc_bot("purge", environment=world.environment)
        assert again.code == 0, again.err
        await is_whole(world)
        assert found_in(world.folder, sealed) == []
        # There is nothing left to do.
        told = await kyc_bot("purge", "--dry-run", environment=world.environment)
        assert "personal data of 0 checks: to be erased" in told.out
        assert "photos of 0 checks: to be erased" in told.out
