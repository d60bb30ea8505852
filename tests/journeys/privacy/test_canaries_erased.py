"""After everybody was erased, each place that the canaries knew is clean, or on the list of what stays."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bot.domain.privacy.erasures import FoundBy, Wish
from bot.domain.privacy.slack_removals import Removal
from bot.domain.review.review import Decision
from bot.privacy import erasure
from bot.sandbox.demo import settings_for
from bot.sandbox.slack.world import BOT_USER_ID
from bot.sandbox.smile_id import SmileIDSandbox
from storage import erasures, leases, slack_removals, trail_check
from storage.engine.database import Transaction
from tests.journeys.access.canaries import Surfaces, photo, picture_of
from tests.journeys.access.test_canaries import SETTINGS, TYPED, read_monitors, walk
from tests.journeys.access.walkers import MANAGER
from tests.journeys.privacy.test_certificates import analyst_deletes_photos
from tests.journeys.world import ADMIN, REVIEWER, Journey, MovedClock, bot_between, hanging, patient_slack
from tests.privacy.test_erasure import found_in, personal_bytes

pytestmark = pytest.mark.anyio

Bots = Callable[[], AbstractAsyncContextManager[Journey]]

OF_NO_CHECK = {"direct name", "direct file"}
"""In the answer to a message that nobody confirmed: it became no check. docs/operations.md says that it stays."""


PLACES = {
    *("database", "backup", "file name on disk", "log", "monitor", "standard output"),
    *("kyc-requests", "kyc-review", "direct message", "file in direct message", "Home"),
}
"""Temporary files are looked for at each call to Slack; there may be none."""


def stands_in_slack(world: Journey, surfaces: Surfaces) -> None:
    """What people read when they open Slack: each message of the bot as it is now, each file of its own, each Home."""
    for channel in world.slack.channels.values():
        place = "direct message" if channel.is_im else channel.name
        for message in world.slack.messages(channel.id):
            if message.user == BOT_USER_ID:
                surfaces.read(place, f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}")
                for file in message.files:
                    surfaces.read(f"file in {place}", (file.content or b"") + file.name.encode())
    for user in world.slack.users:
        surfaces.read("Home", json.dumps(world.slack.person(user).home, ensure_ascii=False))


def files_in_use(tx: Transaction) -> set[str]:
    """Of people, in Slack: photos of checks, and files of customers that checks came from."""
    of_files = tx.column("SELECT f.value FROM batches b, json_each(b.files, '$.files') f WHERE b.state = 'done'")
    return {*tx.column("SELECT file_id FROM photos"), *of_files}


def files_without_checks(tx: Transaction) -> set[bytes]:
    """What is kept of files that were refused: it goes with the clock of what is personal. docs/privacy.md says so."""
    return set(tx.column("SELECT reading_sealed FROM batches WHERE state = 'refused'"))


async def refs_of(world: Journey) -> list[str]:
    return await world.bot.database.read(lambda tx: tx.column("SELECT ref FROM verifications ORDER BY asked_at"))


async def killed_in_the_middle(world: Journey) -> None:
    """One check is erased, of the others it is only known that they are to be; Slack is half done."""
    first, *others = await refs_of(world)
    amina = world.slack.person(ADMIN)
    assert (await amina.command(f"forget {first}")).ok
    await amina.submit((await amina.modal()).view)
    await world.bot.background.done()
    for number, ref in enumerate(others):
        wish = Wish(found_by=FoundBy.REF, value=ref)
        await world.bot.database.write(erasure.begin, wish, number=number, by=ADMIN, now=world.clock(), certified=True)
    *done, last = await world.bot.slack_removals.claim(4)
    for removal in done:
        await world.bot.slack_removals.work(removal)
    with hanging(world.slack):
        erasing = asyncio.create_task(world.bot.slack_removals.work(last))
        calls = len(world.slack.calls)
        await world.slack.wait_for(lambda: len(world.slack.calls) > calls)
        erasing.cancel()
        await asyncio.gather(erasing, return_exceptions=True)


async def carried_out(world: Journey) -> None:
    """All that the bot does by itself from then on, and what people do who are asked to."""
    await world.bot.database.write(leases.release_all, now=world.clock())
    for ref in await world.bot.database.read(lambda tx: tx.column("SELECT ref FROM reviews WHERE state = 'open'")):
        seen = (await world.check(ref)).version_token
        await world.bot.review.decide(
            REVIEWER,
            ref,
            Decision.APPROVED,
            form_id=f"V0{ref}",
            seen=seen,
            reason="other",
            own_words=TYPED["decision"],
            overrides=False,
        )
    for _round in range(3):
        await world.work()
        await world.bot.erasures.tick()
        world.clock.move(minutes=6)
    await world.work()


@asynccontextmanager
async def bots(folder: Path) -> AsyncIterator[Bots]:
    """Bots that follow each other on one database between the same stand-ins."""
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(
        partner_id="0421", api_key="sandbox-api-key", story="never", callback_delay_seconds=0, clock=clock
    )
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(
            slack,
            smile_id,
            database=folder / "kyc.db",
            socket_mode=False,
            KYC_SLACK_POSTS_PER_SECOND="1000",
            KYC_BACKUP_DIR=str(folder / "backups"),
            KYC_BACKUP_EVERY="1m",
            KYC_RETENTION_PERSONAL="30d",
            **SETTINGS,
        )
        yield lambda: bot_between(slack, smile_id, environment, clock=clock)
    finally:
        await smile_id.stop()
        await slack.stop()


async def nothing_is_open(world: Journey) -> None:
    """All erasures are done, in Slack too, and the trail is whole."""
    assert await world.bot.database.read(slack_removals.open_list) == []
    assert await world.bot.database.read(erasures.open_ones) == []
    whole = await world.bot.database.read(trail_check.compare_lines, trail_check.Progress())
    assert (whole.done, whole.faults) == (True, ())


async def test_each_place_is_clean_or_listed(
    tmp_path: Path, log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, selfie = tmp_path / "kept", photo(TYPED["hidden in the photo"])
    (folder / "backups").mkdir(parents=True)
    canaries: dict[str, str | bytes] = {**TYPED, "pixels": picture_of(selfie)}
    before, after = Surfaces(canaries), Surfaces(canaries)
    async with bots(folder) as start:
        async with start() as world:
            await walk(world, selfie, Surfaces(canaries))
            stands_in_slack(world, before)
            assert len(set().union(*before.found.values())) > len(OF_NO_CHECK)
            sealed = personal_bytes(folder / "kyc.db")
            of_no_check = await world.bot.database.read(files_without_checks)
            used = await world.bot.database.read(files_in_use)
            await killed_in_the_middle(world)
        async with start() as world:
            world.slack.fault = lambda _method, _number: after.read_open_files()
            await carried_out(world)
            # What people put into Slack is on the list, file by file, until they delete it.
            listed = await world.bot.database.read(slack_removals.open_list)
            assert {one.what for one in listed} == {Removal.FILE}
            assert {one.place.file for one in listed} == used
            analyst_deletes_photos(world)
            world.clock.move(days=1)
            await carried_out(world)
            await world.slack.person(MANAGER).command("export csv")
            await world.answered()
            await world.work()
            await world.bot.backups.run()
            stands_in_slack(world, after)
            after.read_files(folder)
            after.read("log", log_lines.getvalue())
            await read_monitors(world, after)
            # Sealed, they stand nowhere either, while the bot runs on.
            assert found_in(folder, sealed - of_no_check) == []
            await nothing_is_open(world)
            (copy,) = (folder / "backups").iterdir()
            world.clock.move(days=31)
            await world.bot.purge.tick()
            assert found_in(folder, sealed) == [copy.name]
    told = capfd.readouterr()
    after.read("standard output", f"{told.out}{told.err} ")
    assert {place: names for place, names in after.found.items() if names} == {"direct message": OF_NO_CHECK}
    assert after.seen >= PLACES
