"""A file of customers, *photos by link*: each row has a link of its own, and its requester gets them in one file."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

import pytest
from structlog.testing import capture_logs

from bot.capture import link_actions
from bot.domain.applicants.batch import Batch, BatchState
from bot.domain.capture.links import Decline
from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault
from bot.sandbox.slack.files import SlackFile
from bot.slack.blocks import ids
from storage import batches, capture_links, timers
from tests.journeys.capture.customer import Customer
from tests.journeys.capture.test_asking_by_link import DEVICE, NOTICE, WHOLE, files_in, leads_to, sealed_token
from tests.journeys.intake.test_batches import batch_message, bots_files, csv_of, drop, person, photos, send, told
from tests.journeys.intake.test_file_approvals import pressed
from tests.journeys.world import ADMIN, REVIEWER, Journey, bot_between, journey

pytestmark = pytest.mark.anyio

HEADER = ["country", "id_type", "id_number", "customer_reference"]


def table(*numbers: str) -> bytes:
    return csv_of([person(n, number) for n, number in enumerate(numbers)], HEADER)


THREE = table("00000000000", "00000000001", "00000000002")


async def batch_of(world: Journey) -> Batch:
    batch_id = await world.bot.database.read(lambda tx: tx.value("SELECT id FROM batches ORDER BY rowid DESC LIMIT 1"))
    return await world.bot.database.read(batches.get, batch_id)


async def refs_of(world: Journey) -> list[str]:
    return await world.bot.database.read(batches.refs, (await batch_of(world)).id)


def files_of_links(world: Journey, user: str = ANALYST) -> list[SlackFile]:
    """Those in this person's direct messages, oldest first; deleted ones too."""
    channels = {message.channel for message in world.slack.direct_messages(user)}
    files = [file for file in world.slack.files.values() if "-links-" in file.name]
    return [file for file in files if channels.intersection(file.shared_in)] if channels else []


def lines(file: SlackFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))


def tokens(file: SlackFile) -> list[str]:
    found = [re.fullmatch(r"http.*/c#([\w-]{43})", line["link"]) for line in lines(file)]
    return [match[1] for match in found if match is not None]


async def ask(world: Journey, content: bytes = THREE) -> Sequence[str]:
    """A dropped table, whose customers got links; gives their tokens, in the order of the file."""
    await drop(world, {"people.csv": content})
    await send(world, ids.BATCH_CONFIRM_LINK)
    return tokens(files_of_links(world)[-1])


# The choice


async def test_a_table_without_photos_can_be_sent_by_link_where_links_are_offered(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        message = await drop(world, {"people.csv": THREE})
        shown = world.slack.plain(message)
        assert "No photos came with it. Their customers can take them, by link: 3 ready." in shown
        assert "with faults" not in shown
        assert ids.BATCH_CONFIRM_LINK in str(message.blocks)
        assert not bots_files(world), "nothing is wrong with any row"


async def test_where_links_are_not_offered_there_is_no_such_choice(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await drop(world, {"people.csv": THREE})
        assert "3 rows: 0 ready, 3 with faults" in world.slack.plain(message)
        assert ids.BATCH_CONFIRM_LINK not in str(message.blocks)


async def test_a_table_with_photos_has_both_choices_and_other_faults_count_for_both(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        rows = [person(0), person(1, "00000000001"), person(2, "123"), person(3, "00000000003", selfie="none.jpg")]
        message = await drop(world, {"people.csv": csv_of(rows), **photos(2)})
        shown = world.slack.plain(message)
        assert "4 rows: 2 ready, 2 with faults." in shown
        assert "Photos by link: 3" in str(message.blocks)
        await send(world, ids.BATCH_CONFIRM_LINK)
        assert [line["row"] for line in lines(files_of_links(world)[-1])] == ["2", "3", "5"]
        assert not world.smile_id.jobs


# The file of links


async def test_each_row_waits_for_its_customer_and_the_links_go_to_who_asked_alone(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with journey(tmp_path, **WHOLE) as world:
            links = await ask(world)
            refs = await refs_of(world)
            (file,) = files_of_links(world)
            assert [(line["row"], line["reference"], line["customer_reference"]) for line in lines(file)] == [
                (str(row), ref, f"CUST-{row - 2}") for row, ref in zip((2, 3, 4), refs, strict=True)
            ]
            assert [await leads_to(world, token) for token in links] == refs
            for ref in refs:
                check = await world.check(ref)
                assert (check.state, check.consent_by) == (State.AWAITING_PHOTOS, "")
                assert await sealed_token(world, ref) is None, "delivered, so forgotten"
            said = world.slack.plain(batch_message(world))
            assert "Waiting for the customers' photos" in said
            assert "3 waiting for photos" in said
            assert not told(world)
            assert not files_of_links(world, ADMIN)
            seen = [*world.slack.messages(CHANNEL), *world.slack.direct_messages(ANALYST)]
            trail = await world.bot.database.read(lambda tx: [tuple(row) for row in tx.rows("SELECT * FROM audit")])
            for token in links:
                assert token not in str([[one.text, one.blocks] for one in seen])
                assert token not in str(trail)
            assert "batch.links_chosen" in str(trail)
            assert "batch.consent_confirmed" not in str(trail)
    stored = files_in(tmp_path)
    assert not any(token in str(logs) or token.encode() in stored for token in links)


async def test_one_that_slack_does_not_take_is_told_of_in_the_thread_and_new_links_come(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        await drop(world, {"people.csv": THREE})
        world.slack.fail_next("conversations.open", Fault.error("channel_not_found"))
        await send(world, ids.BATCH_CONFIRM_LINK)
        (lost,) = told(world)
        assert "The file of links did not reach you" in lost
        refs = await refs_of(world)
        assert [await sealed_token(world, ref) for ref in refs] == [None] * 3
        below = world.slack.thread(CHANNEL, batch_message(world).ts)[-1]
        assert (await world.analyst.click(below, ids.BATCH_NEW_LINKS)).ok
        await world.answered()
        await world.settle()
        links = tokens(files_of_links(world)[-1])
        assert [await leads_to(world, token) for token in links] == refs


async def test_new_links_replace_those_of_the_file_before_which_is_deleted(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        before = await ask(world)
        world.clock.move(minutes=5)
        assert (await world.slack.person(REVIEWER).click(batch_message(world), ids.BATCH_NEW_LINKS)).ok
        await world.answered()
        await world.settle()
        assert len(files_of_links(world)) == 1
        assert (await world.analyst.click(batch_message(world), ids.BATCH_NEW_LINKS)).ok
        await world.answered()
        await world.settle()
        first, second = files_of_links(world)
        assert (first.is_deleted, second.is_deleted) == (True, False)
        assert [await leads_to(world, token) for token in tokens(second)] == await refs_of(world)
        assert [await leads_to(world, token) for token in before] == [None] * 3


async def test_new_links_that_a_kill_has_cut_short_are_sent_and_the_others_go_on_working(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        before, refs = await ask(world), await refs_of(world)
        world.clock.move(minutes=5)
        for ref in refs[:2]:
            # What a first chunk has committed; the file would be asked for after the last one.
            await world.bot.database.write(
                link_actions.renew, ref, by=ANALYST, hours=24, rng=SystemRandom(), now=world.clock(), in_file=True
            )
        await world.bot.capture_links.tick()
        await world.settle()
        assert len(files_of_links(world)) == 1, "they may be about to be made"
        for _minute in range(3):
            world.clock.move(minutes=1)
            await world.bot.capture_links.tick()
            await world.settle()
        first, second = files_of_links(world)
        assert [await leads_to(world, token) for token in tokens(second)] == refs[:2]
        assert [await leads_to(world, token) for token in before] == [None, None, refs[2]]
        assert (first.is_deleted, second.is_deleted) == (False, False)


async def test_a_clock_that_is_set_back_loses_no_link_of_a_file(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        await ask(world)
        world.clock.move(minutes=5)
        await world.bot.link_actions.renew_file(ANALYST, (await batch_of(world)).id)
        set_back, before = timedelta(hours=-1), world.clock()
        world.clock.move(hours=-1)
        await world.bot.database.write(timers.move, by=set_back, before=before, now=world.clock())
        await world.settle()
        second = files_of_links(world)[-1]
        assert [await leads_to(world, token) for token in tokens(second)] == await refs_of(world)


# Half of their time is over


def reminders(world: Journey, user: str = ANALYST) -> list[str]:
    return [said for said in world.direct(user) if said.startswith("No photos yet")]


async def test_who_made_the_links_of_a_file_is_reminded_once_for_all_of_them(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        await ask(world)
        for _hour in range(9):
            world.clock.move(hours=1)
            await world.bot.capture_links.tick()
            await world.settle()
            assert len(reminders(world)) == (_hour >= 4)
        assert "3 customers have not taken their photos" in reminders(world)[0]
        assert not told(world)
        # The new links have a half time of their own, and those before have none any more.
        (message,) = [m for m in world.slack.direct_messages(ANALYST) if "No photos yet" in m.text]
        assert (await world.analyst.click(message, ids.BATCH_NEW_LINKS)).ok
        await world.answered()
        await world.settle()
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.settle()
        assert len(reminders(world)) == 2


async def test_a_row_whose_link_came_by_itself_has_a_reminder_of_its_own(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        await ask(world)
        first, *_others = await refs_of(world)
        await world.bot.link_actions.renew(ANALYST, first)
        await world.settle()
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.settle()
        alone, of_file = sorted(reminders(world), key=lambda said: "customers" in said)
        assert first in alone
        assert "2 customers have not taken their photos" in of_file


async def test_nobody_is_reminded_of_links_that_never_came_or_that_nobody_waits_for(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        await drop(world, {"people.csv": THREE})
        world.slack.fail_next("conversations.open", Fault.error("channel_not_found"))
        await send(world, ids.BATCH_CONFIRM_LINK)
        await drop(world, {"others.csv": table("00000000003", "00000000004")})
        await send(world, ids.BATCH_CONFIRM_LINK)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        await world.answered()
        await world.settle()
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.settle()
        assert not reminders(world)


# To the end


async def test_it_ends_with_the_last_of_its_links_and_then_the_file_of_links_is_deleted(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_LINK_HOURS="10") as world:
        first, second, _third = await ask(world)
        await world.bot.capture_links.open(first, DEVICE)
        await world.bot.capture_links.decline(first, DEVICE, reason=Decline.NOT_ME)
        await world.settle()
        (said,) = told(world)
        assert "the customer says that this is not their ID" in said
        await world.bot.capture_links.open(second, DEVICE)
        await world.bot.capture_links.agree(second, DEVICE, **NOTICE)
        world.clock.move(hours=6)
        await world.bot.capture_links.tick()
        await world.settle()
        (reminded,) = [said for said in world.direct(ANALYST) if said.startswith("No photos yet")]
        assert "2 customers have not taken their photos" in reminded
        assert (await batch_of(world)).state is BatchState.SENDING
        assert not files_of_links(world)[0].is_deleted
        world.clock.move(hours=5)
        await world.bot.capture_links.tick()
        await world.settle()
        assert (await batch_of(world)).state is BatchState.DONE
        assert "3 of 3 ended" in world.slack.plain(batch_message(world))
        assert "Results of" in told(world)[-1]
        assert len(told(world)) == 2, "one link expires like the other: the file's own message counts them"
        assert files_of_links(world)[0].is_deleted


async def test_what_a_customer_hands_in_goes_to_smile_id_while_the_others_are_waited_for(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        links = await ask(world)
        refs = await refs_of(world)
        for ref, token in list(zip(refs, links, strict=True))[:2]:
            customer = Customer(world=world, ref=ref, token=token, device=DEVICE)
            await customer.open()
            await customer.agree()
            await customer.hand_in()
        await world.settle()
        assert [(await world.check(ref)).state for ref in refs[:2]] == [State.APPROVED, State.REJECTED]
        said = world.slack.plain(batch_message(world))
        assert "2 of 3 ended" in said
        assert "1 waiting for photos" in said
        assert not files_of_links(world)[0].is_deleted
        world.clock.move(days=2)
        await world.bot.capture_links.tick()
        await world.settle()
        assert (await batch_of(world)).state is BatchState.DONE
        (results,) = [file for name, file in bots_files(world).items() if "results" in name]
        assert [line["why"] for line in lines(results)][2] == "the customer's link has expired"
        assert [file.name for file in world.slack.files.values() if not file.is_deleted] == ["people.csv", results.name]


async def test_what_is_cancelled_takes_its_links_along(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE) as world:
        links = await ask(world)
        assert ids.BATCH_PAUSE not in str(batch_message(world).blocks)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        await world.answered()
        await world.settle()
        assert [await leads_to(world, token) for token in links] == [None] * 3
        assert "3 cancelled" in world.slack.plain(batch_message(world))
        assert files_of_links(world)[0].is_deleted


# What holds for every file


async def test_a_long_one_waits_for_a_second_person_and_says_what_it_would_cost(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_BATCH_APPROVAL="2") as world:
        await drop(world, {"people.csv": THREE})
        await send(world, ids.BATCH_CONFIRM_LINK)
        assert "Waiting for approval" in world.slack.plain(batch_message(world))
        assert not files_of_links(world)
        (card,) = world.slack.direct_messages(ADMIN)
        assert "3 × NG BVN" in world.slack.plain(card)
        assert (await world.slack.person(ADMIN).click(card, ids.BATCH_APPROVE)).ok
        await world.answered()
        await world.settle()
        assert len(tokens(files_of_links(world)[-1])) == 3
        assert not files_of_links(world, ADMIN)


async def test_what_the_day_has_no_room_for_does_not_begin(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_DAILY_CHECKS="2") as world:
        await drop(world, {"people.csv": THREE})
        await send(world, ids.BATCH_CONFIRM_LINK)
        assert (await batch_of(world)).state is BatchState.PREVIEW
        assert not await world.bot.database.read(capture_links.of_file, (await batch_of(world)).id)


@asynccontextmanager
async def without_links(world: Journey, folder: Path, **settings: str) -> AsyncIterator[Journey]:
    """The same bot, started again after the name of the company was taken out of its settings."""
    key = world.bot.settings.encryption_keys.get_secret_value()
    await world.bot.database.close()
    environment = settings_for(
        world.slack,
        world.smile_id,
        database=folder / "kyc.db",
        socket_mode=False,
        public=True,
        KYC_ENCRYPTION_KEYS=key,
        KYC_SLACK_POSTS_PER_SECOND="1000",
        **settings,
    )
    async with bot_between(world.slack, world.smile_id, environment, clock=world.clock) as again:
        yield again


async def test_a_long_one_is_not_approved_once_links_are_turned_off(tmp_path: Path) -> None:
    async with journey(tmp_path, **WHOLE, KYC_BATCH_APPROVAL="2") as world:
        await drop(world, {"people.csv": THREE})
        await send(world, ids.BATCH_CONFIRM_LINK)
        async with without_links(world, tmp_path, KYC_BATCH_APPROVAL="2") as again:
            (card,) = again.slack.direct_messages(ADMIN)
            answer = await pressed(again, ADMIN, card, ids.BATCH_APPROVE)
            assert "links for its customers, which are not set up any more" in answer
            await again.settle()
            assert (await batch_of(again)).state is BatchState.APPROVAL
            assert not await refs_of(again)
            # Who sent it may give it up, and a second person may still say no.
            assert (await again.slack.person(ADMIN).click(card, ids.BATCH_REJECT)).ok
            await again.settle()
            assert (await batch_of(again)).state is BatchState.REFUSED


@pytest.mark.parametrize("rows", [0, 1], ids=["before its first row", "between its rows"])
async def test_a_confirmed_one_is_refused_once_links_are_turned_off(tmp_path: Path, rows: int) -> None:
    async with journey(tmp_path, **WHOLE, KYC_DAILY_CHECKS="3") as world:
        await drop(world, {"people.csv": THREE})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM_LINK)).ok
        if rows:
            # As one that was killed between two chunks.
            batch, bot = await batch_of(world), world.bot.batches
            reading, suppliers = await bot._read(batch)
            await world.bot.database.write(bot._insert, batch, reading.applicants[:1], sorted(suppliers), world.clock())
        async with without_links(world, tmp_path, KYC_DAILY_CHECKS="3") as again:
            await again.settle()
            again.clock.move(minutes=40)
            await again.settle()
            assert (await batch_of(again)).state is BatchState.REFUSED
            shown = again.slack.plain(batch_message(again))
            assert "Links for customers are not set up any more, so nothing was sent" in shown
            assert "Send it again with the photos" in shown
            states = [(await again.check(ref)).state for ref in await refs_of(again)]
            assert states == [State.CANCELLED] * rows
            # None of them counts for the day.
            await drop(again, {"more.csv": csv_of([person(n, f"2222222222{n}") for n in range(3)]), **photos(3)})
            await send(again)
            assert (await batch_of(again)).state is BatchState.DONE
