"""A backup is put back that knows of a customer's link, and not of what the customer did with it since."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from bot.capture.assets import NOTICE
from bot.domain.capture.links import LinkEnding, LinkStep
from bot.sandbox.demo import ANALYST, settings_for
from bot.sandbox.slack import Fault
from storage import capture_links
from storage.engine.sealing import Sealer
from tests.journeys.capture.customer import PHONE, Customer, agreed
from tests.journeys.capture.test_asking_by_link import WHOLE, ask, leads_to, the_link, token_in
from tests.journeys.capture.test_files_by_link import ask as ask_by_file
from tests.journeys.capture.test_files_by_link import batch_of, files_of_links, refs_of, tokens
from tests.journeys.submission.test_submission_faults import _start_again, count, finish
from tests.journeys.world import Journey, bot_between, journey

pytestmark = pytest.mark.anyio

KEY = Sealer.new_key()


@asynccontextmanager
async def put_back(world: Journey, copy: Path, **settings: Any) -> AsyncIterator[Journey]:
    """The bot as it starts with this copy of its file, in the same workspace and with the same Smile ID."""
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute("INSERT INTO meta (name, value) SELECT 'restored', MAX(at) FROM audit")
    environment = settings_for(
        world.slack,
        world.smile_id,
        database=copy,
        public=True,
        KYC_ENCRYPTION_KEYS=KEY,
        KYC_SLACK_POSTS_PER_SECOND="1000",
        **settings,
    )
    async with bot_between(world.slack, world.smile_id, environment, clock=world.clock) as later:
        await later.bot.database.write(_start_again, later.clock())
        yield later


def copied(folder: Path) -> Path:
    copy = folder / "older.db"
    with closing(sqlite3.connect(folder / "kyc.db")) as now, closing(sqlite3.connect(copy)) as older:
        now.backup(older)
    return copy


async def test_photos_that_were_sent_after_the_backup_are_found_and_not_asked_for_again(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ENCRYPTION_KEYS=KEY) as world:
        customer = await agreed(world)
        copy = copied(tmp_path)
        assert await customer.hand_in() is LinkStep.TAKEN
        await finish(world, customer.ref)
        async with put_back(world, copy) as later:
            await later.bot.capture_links.tick()
            check = await finish(later, customer.ref)
            assert check.state == "approved"
            assert count(later, "put") == 1
            link = await later.bot.database.read(capture_links.latest, customer.ref)
            assert link is not None
            assert link.ending is LinkEnding.USED


async def test_a_customer_who_had_not_come_yet_is_waited_for_until_the_link_expires(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ENCRYPTION_KEYS=KEY) as world:
        customer = await agreed(world)
        async with put_back(world, copied(tmp_path)) as later:
            asked = [0]
            for _minute in range(4):
                await later.bot.capture_links.tick()
                await later.work()
                later.clock.move(minutes=1)
                asked.append(count(later, "job_status"))
            assert (await later.check(customer.ref)).state == "awaiting_photos"
            assert 1 <= asked[-2] == asked[-1] <= 2
            again = Customer(world=later, ref=customer.ref, token=customer.token)
            await later.bot.capture_links.agree(customer.token, PHONE, notice=NOTICE, language="en")
            assert await again.hand_in() is LinkStep.TAKEN
            assert (await finish(later, customer.ref)).state == "approved"
            assert len(later.smile_id.jobs) == count(later, "put") == 1


async def test_a_new_link_after_the_restore_is_not_taken_for_the_one_before_it(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ENCRYPTION_KEYS=KEY, **WHOLE) as world:
        ref = await ask(world)
        copy = copied(tmp_path)
        world.clock.move(minutes=5)
        await world.bot.link_actions.renew(ANALYST, ref)
        await world.work()
        not_in_the_backup = token_in(the_link(world))
        world.clock.move(minutes=5)
        async with put_back(world, copy, **WHOLE) as later:
            await later.bot.link_actions.renew(ANALYST, ref)
            for _minute in range(3):
                await later.work()
                later.clock.move(minutes=1)
            token = token_in(the_link(later))
            assert token != not_in_the_backup
            assert await leads_to(later, token) == ref


async def test_new_links_of_a_file_after_the_restore_come_in_another_file(tmp_path: Path) -> None:
    """Even where Slack's answer is lost, so that the bot looks for the file by its name."""
    async with journey(tmp_path, KYC_ENCRYPTION_KEYS=KEY, **WHOLE) as world:
        await ask_by_file(world)
        refs, copy = await refs_of(world), copied(tmp_path)
        batch = await batch_of(world)
        world.clock.move(seconds=30)
        await world.bot.link_actions.renew_file(ANALYST, batch.id)
        await world.settle()
        world.clock.move(seconds=30)
        async with put_back(world, copy, **WHOLE) as later:
            later.slack.fail_next("files.completeUploadExternal", Fault.reset_before())
            await later.bot.link_actions.renew_file(ANALYST, batch.id)
            for _minute in range(3):
                await later.work()
                later.clock.move(minutes=1)
            names = [file.name for file in files_of_links(later)]
            assert len(set(names)) == len(names) == 3
            links = tokens(files_of_links(later)[-1])
            assert [await leads_to(later, token) for token in links] == refs
