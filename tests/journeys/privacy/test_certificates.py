"""The certificate of `/kyc forget`: signed, to who asked, once, and once more when nothing is left."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.outbox import PostKind
from bot.privacy import signing
from bot.sandbox.demo import ANALYST, settings_for
from bot.sandbox.slack import Fault, Modal
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.smile_id import SmileIDSandbox
from storage.engine.database import Transaction
from tests.journeys.privacy.test_retention import ended
from tests.journeys.world import ADMIN, Journey, MovedClock, bot_between, journey, patient_slack

pytestmark = pytest.mark.anyio

OTHER_ADMIN = "U0ADAEZE001"
NUMBER, NAME = "00000000000", "Adaobi-Clearly-Invented"

Bots = Callable[..., AbstractAsyncContextManager[Journey]]
"""Starts the next one, with these settings changed."""


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Bots]:
    """Bots that follow each other on one database, in a workspace with two admins."""
    clock = MovedClock()
    slack, smile_id = patient_slack(clock), SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", clock=clock)
    slack.add_user(OTHER_ADMIN, "adaeze")
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(
            slack,
            smile_id,
            database=folder / "kyc.db",
            socket_mode=False,
            KYC_SLACK_POSTS_PER_SECOND="1000",
            KYC_ADMINS=f"{ADMIN},{OTHER_ADMIN}",
        )

        def start(**changed: str) -> AbstractAsyncContextManager[Journey]:
            return bot_between(slack, smile_id, {**environment, **changed}, clock=clock)

        yield start
    finally:
        await smile_id.stop()
        await slack.stop()


async def form(world: Journey, user: str, ref: str) -> Modal:
    assert (await world.slack.person(user).command(f"forget {ref}")).ok
    return await world.slack.person(user).modal()


def files(world: Journey, user: str = ADMIN) -> list[SlackFile]:
    return [file for _message, file in world.slack.bot_files(world.slack.person(user).direct_channel_id)]


def comments(world: Journey, user: str = ADMIN) -> list[str]:
    found = world.slack.bot_files(world.slack.person(user).direct_channel_id)
    return [world.slack.plain(message) for message, _file in found]


def verified(world: Journey, file: SlackFile) -> dict[str, Any]:
    return signing.verify(file.content, signing.public_key(world.sealer))


def analyst_deletes_photos(world: Journey) -> None:
    for photo in world.slack.files.values():
        photo.is_deleted |= photo.user == ANALYST


async def later(world: Journey, **by: float) -> None:
    world.clock.move(**by)
    await world.work()
    await world.bot.erasures.tick()
    await world.work()


def killed(tx: Transaction) -> None:
    """What a starting process does with the leases of the one before."""
    tx.run("UPDATE posts SET leased_until = NULL")


async def handed_over(world: Journey) -> list[str]:
    sql = "SELECT actor FROM audit WHERE act = 'certificate.made' ORDER BY seq"
    return await world.bot.database.read(lambda tx: tx.column(sql))


async def test_who_asked_gets_it_once_through_kills_and_a_last_one_when_all_is_done(tmp_path: Path) -> None:
    async with office(tmp_path) as start:
        async with start() as world:
            ref = await ended(world, id_number=NUMBER, first_name=NAME)
            asked, of_the_other = await form(world, ADMIN, ref), await form(world, OTHER_ADMIN, ref)
            assert "I send you a signed file" in str(asked.view)
            for _twice in range(2):
                await world.slack.person(ADMIN).submit(asked.view)
            # The process ends before anything is sent.
            await world.bot.background.done()
            assert files(world) == []
        async with start() as world:
            await world.bot.database.write(killed)
            await world.work()
            world.clock.move(seconds=31)
            # And again while Slack has the file, and the answer is on its way.
            world.slack.fail_next("files.completeUploadExternal", Fault.hang_after(30))
            (post,) = [one for one in await world.bot.outbox.claim(8) if one.kind is PostKind.CERTIFICATE]
            sending = asyncio.create_task(world.bot.outbox.work(post))
            await world.slack.wait_for(lambda: len(files(world)) == 1)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        async with start() as world:
            await world.bot.database.write(killed)
            for _round in range(3):
                await later(world, seconds=10)
            await world.slack.person(ADMIN).submit(asked.view)
            await later(world, minutes=1)
            (file,) = files(world)
            said = verified(world, file)
            assert (said["whole"], said["erasure"]["asked_by"], said["erasure"]["found_by"]) == (False, ADMIN, "ref")
            (of_check,) = said["checks"]
            assert (of_check["ref"], of_check["in_slack"]) == (ref, ["file: no_user_token"])
            assert of_check["erased_at"] is not None
            assert file.name == f"certificate-{said['erasure']['id']}.json"
            everything = f"{file.content!r} {file.name} {file.title} {comments(world)}"
            assert not any(one in everything for one in (NUMBER, NAME, "BVN"))
            # Whoever else asked as well gets their own.
            await world.slack.person(OTHER_ADMIN).submit(of_the_other.view)
            await later(world, minutes=1)
            assert [one.name for one in files(world, OTHER_ADMIN)] == [file.name]
            assert files(world, ANALYST) == []
            # Its author deletes the photo: nothing is left, and both read so.
            analyst_deletes_photos(world)
            await later(world, days=1)
            await later(world, days=1)
            for admin in (ADMIN, OTHER_ADMIN):
                first, last = files(world, admin)
                assert last.name == first.name.replace(".json", "-done.json")
                assert verified(world, last)["whole"] is True
                assert "Nothing of the customer is left that I can reach." in comments(world, admin)[1]
            assert await handed_over(world) == [ADMIN, OTHER_ADMIN, ADMIN, OTHER_ADMIN]


async def test_what_is_whole_at_once_has_one_certificate(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await ended(world, id_number=NUMBER)
        analyst_deletes_photos(world)
        await world.slack.person(ADMIN).submit((await form(world, ADMIN, ref)).view)
        await world.work()
        await later(world, seconds=31)
        await later(world, minutes=10)
        (file,) = files(world)
        assert verified(world, file)["whole"] is True
        assert file.name.endswith("-done.json")


async def test_a_check_that_cannot_go_yet_is_certified_as_that_and_then_as_erased(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await ended(world, id_number=NUMBER)
        assert (await world.slack.person(ADMIN).command(f"hold {ref} legal")).ok
        await world.slack.person(ADMIN).submit((await form(world, ADMIN, ref)).view)
        await later(world, seconds=31)
        (file,) = files(world)
        (of_check,) = verified(world, file)["checks"]
        assert (of_check["erased_at"], of_check["stays"], len(of_check["held_because"])) == (None, "held", 1)
        assert (await world.slack.person(ADMIN).command(f"unhold {ref}")).ok
        await later(world, minutes=10)
        analyst_deletes_photos(world)
        await later(world, days=1)
        await later(world, days=1)
        _first, last = files(world)
        assert verified(world, last)["whole"] is True


async def test_who_is_no_admin_any_more_gets_none(tmp_path: Path) -> None:
    async with office(tmp_path) as start:
        async with start() as world:
            ref = await ended(world, id_number=NUMBER)
            await world.slack.person(OTHER_ADMIN).submit((await form(world, OTHER_ADMIN, ref)).view)
        async with start(KYC_ADMINS=ADMIN) as world:
            await world.bot.database.write(killed)
            await later(world, minutes=1)
            assert files(world, OTHER_ADMIN) == []
            states = await world.bot.database.read(
                lambda tx: tx.column("SELECT state FROM posts WHERE kind = 'certificate'")
            )
            assert states == ["failed"]
            assert any("no longer has access" in text for text in world.direct(ADMIN))
            # It is erased all the same.
            assert json.dumps(dict((await world.check(ref)).id_info)) == "{}"
