"""Files of customers whose preview does not open: its key is not configured, or somebody has altered it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.applicants.batch import BatchState
from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from storage import batches
from storage.engine.database import Transaction
from storage.engine.sealing import Sealer
from tests.journeys.intake.test_altered_files import close_previews
from tests.journeys.intake.test_batches import TABLES, batch_message, csv_of, drop, person, photos
from tests.journeys.intake.test_file_approvals import only_file
from tests.journeys.world import ADMIN, REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

NAMED = {"ada.jpg": SELFIE, "bola.jpg": SELFIE}
TWO = {"people.csv": csv_of([person(0, "22222222220"), person(1, "22222222221")]), **photos(2)}
NOT_CONFIGURED = Sealer([b"k" * 32])
NAMES_THE_SETTING = "sealed with a key that KYC_ENCRYPTION_KEYS does not hold"


def lose_key(tx: Transaction) -> None:
    """As an instance leaves it that has a key which this one does not have."""
    for row in tx.rows("SELECT id, reading_sealed FROM batches"):
        place = f"batches.reading:{row['id']}"
        sealed = NOT_CONFIGURED.seal(tx.sealer.open(row["reading_sealed"], place=place), place=place)
        tx.run("UPDATE batches SET reading_sealed = :sealed WHERE id = :id", sealed=sealed, id=row["id"])


def put_key_back(tx: Transaction) -> None:
    for row in tx.rows("SELECT id, reading_sealed FROM batches"):
        place = f"batches.reading:{row['id']}"
        sealed = tx.sealer.seal(NOT_CONFIGURED.open(row["reading_sealed"], place=place), place=place)
        tx.run("UPDATE batches SET reading_sealed = :sealed WHERE id = :id", sealed=sealed, id=row["id"])


async def state(world: Journey) -> BatchState:
    return (await world.bot.database.read(batches.get, await only_file(world), sealed=False)).state


async def try_once(world: Journey) -> bool:
    """Whether a file was due, and was taken up."""
    found = await world.bot.batches.claim(2)
    for batch_id in found:
        await world.bot.batches.work(batch_id)
    return bool(found)


async def try_for(world: Journey, limit: timedelta) -> timedelta:
    """Take the file up whenever it is due, as long as it is confirmed; gives how long that was."""
    began = world.clock()
    while await state(world) is BatchState.CONFIRMED and world.clock() - began < limit:
        if not await try_once(world):
            world.clock.move(minutes=10)
    return world.clock() - began


async def said_to(world: Journey, action: str) -> str:
    """What the bot answers whoever sent the file."""
    seen = len(world.slack.ephemerals(ANALYST))
    assert (await world.analyst.click(batch_message(world), action)).ok
    await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) > seen)
    return world.slack.ephemerals(ANALYST)[-1].text


async def come_to_rest(world: Journey) -> None:
    for _round in range(3):
        await world.settle()
        world.clock.move(minutes=6)


async def nothing_is_sent_or_charged(world: Journey) -> None:
    await come_to_rest(world)
    assert world.smile_id.jobs == {}
    sql = "SELECT (SELECT COUNT(*) FROM verifications) + (SELECT COALESCE(SUM(checks), 0) FROM spending)"
    assert await world.bot.database.read(lambda tx: tx.value(sql)) == 0


def key_alerts(world: Journey) -> list[str]:
    return [line for line in world.direct(ADMIN) if NAMES_THE_SETTING in line]


async def test_a_confirmed_file_whose_key_is_unknown_waits_a_day_for_it_and_then_ends(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.bot.database.write(lose_key)
        assert timedelta(days=1) < await try_for(world, timedelta(days=5)) < timedelta(days=2)
        assert await state(world) is BatchState.REFUSED
        await nothing_is_sent_or_charged(world)
        shown = world.slack.plain(batch_message(world))
        assert "Something went wrong on our side, so nothing was sent and nothing was charged." in shown
        assert "Ask an admin when to send it again." in shown
        (alert,) = key_alerts(world)
        assert await only_file(world) in alert
        assert not [line for line in world.direct(ADMIN) if "Record altered" in line or "stops a file" in line]


async def test_a_file_goes_on_by_itself_once_its_key_is_back(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.bot.database.write(lose_key)
        await try_for(world, timedelta(hours=24))
        assert await state(world) is BatchState.CONFIRMED
        await world.bot.database.write(put_key_back)
        assert await try_for(world, timedelta(days=5)) < timedelta(hours=9)
        await come_to_rest(world)
        assert await state(world) is BatchState.DONE
        assert len(world.smile_id.jobs) == 2
        assert len(key_alerts(world)) == 1


async def test_confirm_says_that_a_file_whose_key_is_unknown_has_to_wait(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, TWO)
        await world.bot.database.write(lose_key)
        for _press in range(2):
            said = await said_to(world, ids.BATCH_CONFIRM)
            assert "can't be opened now, so nothing was done" in said
        await nothing_is_sent_or_charged(world)
        assert await state(world) is BatchState.PREVIEW
        assert len(key_alerts(world)) == 1
        await world.bot.database.write(put_key_back)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await try_once(world)
        await come_to_rest(world)
        assert await state(world) is BatchState.DONE


async def test_confirm_ends_a_file_whose_preview_was_altered_and_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, TWO)
        await world.bot.database.write(close_previews)
        assert "not what the bot wrote, so nothing was done" in await said_to(world, ids.BATCH_CONFIRM)
        await nothing_is_sent_or_charged(world)
        assert await state(world) is BatchState.REFUSED
        assert "not what the bot wrote, so nothing was sent" in world.slack.plain(batch_message(world))
        assert [line for line in world.direct(ADMIN) if "Record altered" in line]


@pytest.mark.parametrize("spoil", [lose_key, close_previews], ids=["key", "altered"])
async def test_cancel_needs_nothing_of_a_file_to_be_opened(
    tmp_path: Path, spoil: Callable[[Transaction], None]
) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, TWO)
        await world.bot.database.write(spoil)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        await nothing_is_sent_or_charged(world)
        assert await state(world) is BatchState.CANCELLED
        assert "Nothing was sent and nothing was charged." in world.slack.plain(batch_message(world))
        is_told = any("Record altered" in line for line in world.direct(ADMIN))
        assert is_told is (spoil is close_previews), "what somebody has altered is noticed"


async def test_a_second_person_is_told_that_a_file_was_altered_and_it_has_ended(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="1", KYC_MANAGERS=REVIEWER) as world:
        world.has_thief = True
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await world.settle()
        assert await state(world) is BatchState.APPROVAL
        (card,) = [m for m in world.slack.direct_messages(REVIEWER) if ids.BATCH_APPROVE in str(m.blocks)]
        await world.bot.database.write(close_previews)
        assert (await world.slack.person(REVIEWER).click(card, ids.BATCH_APPROVE)).ok
        await nothing_is_sent_or_charged(world)
        assert await state(world) is BatchState.REFUSED
        assert ids.BATCH_APPROVE not in str(card.blocks), "its buttons are over"


async def test_a_file_on_its_way_whose_preview_was_altered_is_not_paused_and_can_be_cancelled(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, TWO)
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        await try_once(world)
        (sent,) = await world.bot.submission.claim(1)
        await world.bot.submission.work(sent)
        # Its message gets the buttons of a file on its way.
        for _pace in range(9):
            for post in await world.bot.outbox.claim(9):
                await world.bot.outbox.work(post)
            world.clock.move(seconds=1)
        await world.bot.database.write(close_previews)
        assert "not what the bot wrote, so nothing was done" in await said_to(world, ids.BATCH_PAUSE)
        assert await state(world) is BatchState.SENDING
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)).ok
        await come_to_rest(world)
        assert await state(world) is BatchState.CANCELLED
        assert len(world.smile_id.jobs) == 1


def lose_key_of_older(tx: Transaction) -> None:
    """As of a file that was confirmed by a version which counted no checks for their day."""
    lose_key(tx)
    tx.run("DELETE FROM spending")


def of_confirmed(spoil: Callable[[Transaction], None]) -> Callable[[Transaction], None]:
    """The same, but with the other files left as they are."""

    def spoil_confirmed(tx: Transaction) -> None:
        kept = tx.rows("SELECT id, reading_sealed FROM batches WHERE state <> 'confirmed'")
        spoil(tx)
        for row in kept:
            tx.run(
                "UPDATE batches SET reading_sealed = :sealed WHERE id = :id", sealed=row["reading_sealed"], id=row["id"]
            )

    return spoil_confirmed


async def states(world: Journey) -> list[BatchState]:
    """Of all files, oldest first."""
    found = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM batches ORDER BY asked_at"))
    return [(await world.bot.database.read(batches.get, batch_id, sealed=False)).state for batch_id in found]


@pytest.mark.parametrize("spoil", [lose_key, lose_key_of_older, close_previews], ids=["key", "older", "altered"])
async def test_a_confirmed_file_that_does_not_open_counts_with_the_next_one_and_is_no_fault_of_that(
    tmp_path: Path, spoil: Callable[[Transaction], None]
) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="2", KYC_MANAGERS=REVIEWER) as world:
        world.has_thief = True
        first = await drop(world, TWO)
        second = await drop(world, {"one.csv": csv_of([person(5, "22222222225")]), "5.jpg": photos(1)["0.jpg"]})
        assert (await world.analyst.click(first, ids.BATCH_CONFIRM)).ok
        await world.bot.database.write(of_confirmed(spoil))
        assert (await world.analyst.click(second, ids.BATCH_CONFIRM)).ok
        assert await states(world) == [BatchState.CONFIRMED, BatchState.APPROVAL]
        await world.settle()
        (card,) = [m for m in world.slack.direct_messages(REVIEWER) if ids.BATCH_APPROVE in str(m.blocks)]
        if spoil is close_previews:
            assert [line for line in world.direct(ADMIN) if "Record altered" in line]
            assert await states(world) == [BatchState.REFUSED, BatchState.APPROVAL]
        else:
            assert "Sent by the same person within 24 hours, and approved by nobody: 2." in world.slack.plain(card)


async def test_of_a_file_that_does_not_open_the_hidden_rows_count_that_were_confirmed_with_it(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="2", KYC_MANAGERS=REVIEWER) as world:
        first = await drop(world, {"people.xlsx": (TABLES / "filtered-row.xlsx").read_bytes(), **NAMED})
        second = await drop(world, {"one.csv": csv_of([person(5, "22222222225")]), "5.jpg": photos(1)["0.jpg"]})
        assert (await world.analyst.click(first, ids.BATCH_CONFIRM_HIDDEN)).ok
        await world.bot.database.write(of_confirmed(lose_key))
        assert (await world.analyst.click(second, ids.BATCH_CONFIRM)).ok
        assert await states(world) == [BatchState.CONFIRMED, BatchState.APPROVAL]
