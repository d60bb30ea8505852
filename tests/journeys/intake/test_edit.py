"""*Edit*: a check that has not been sent is corrected; one that is being sent is not, and none is paid for twice."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault, Modal, Person
from bot.slack.blocks import ids
from storage import checks
from storage.engine.database import Transaction
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.world import ADMIN, REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

WRONG, RIGHT = "22222222222", "00000000000"


async def edit(world: Journey, person: Person | None = None, *, stale: bool = False) -> Modal:
    person = person or world.analyst
    assert (await person.click(world.root(), ids.EDIT, stale=stale)).ok
    modal = await person.modal()
    await world.slack.wait_for(lambda: "One moment" not in modal.text())
    return modal


async def agreed(modal: Modal) -> None:
    await modal.choose("consent", [ids.CONSENTED])


async def posted(world: Journey) -> None:
    """The request's message stands, and the worker has not begun to send."""
    for post in await world.bot.outbox.claim(32):
        await world.bot.outbox.work(post)


def numbers_sent(world: Journey) -> list[str]:
    return [(job.info or {})["id_info"]["id_number"] for job in world.smile_id.jobs.values()]


def audited(tx: Transaction) -> list[tuple[str, str]]:
    sql = "SELECT act, actor FROM audit WHERE act IN ('check.edited', 'consent.confirmed') ORDER BY seq"
    return [(row["act"], row["actor"]) for row in tx.rows(sql)]


def opened(tx: Transaction) -> list[tuple[str, str, str]]:
    """Who was shown in a form what a check holds, its whole number too."""
    sql = "SELECT act, actor, ref FROM audit WHERE act IN ('edit.opened', 'rerun.opened') ORDER BY seq"
    return [(row["act"], row["actor"], row["ref"]) for row in tx.rows(sql)]


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
async def test_a_check_that_is_held_is_edited_and_sent_once(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        ref = await world.ask(id_number=WRONG, selfie=blurred(), first_name="Ada")
        await world.work()
        assert str((await world.check(ref)).held) == "photos"
        modal = await edit(world)
        assert (modal.values["id_number"], modal.values["first_name"]) == (WRONG, "Ada")
        assert await world.bot.database.read(opened) == [("edit.opened", ANALYST, ref)]
        assert modal.values["consent"] in (None, [])
        assert "Selfie: Selfie" in modal.text()
        await modal.fill("id_number", RIGHT)
        await modal.attach("selfie", await world.analyst.upload(SELFIE, "better.jpg"))
        await agreed(modal)
        view = modal.view
        assert (await modal.submit()).closed
        # The same form once more, from a screen that still shows it.
        again = await world.analyst.submit(view)
        assert again.ok
        assert not again.body
        await world.settle()
        check = await world.check(ref)
        assert (check.state, check.edits, check.id_info["id_number"]) == (State.APPROVED, 1, RIGHT)
        assert "Sent after an edit" in world.thread()[0]
        assert numbers_sent(world) == [RIGHT]
        assert await world.bot.database.read(audited) == [
            ("consent.confirmed", ANALYST),
            ("check.edited", ANALYST),
            ("consent.confirmed", ANALYST),
        ]


async def test_photos_that_are_edited_while_they_load_are_loaded_anew(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(id_number=WRONG, selfie=blurred())
        await posted(world)
        over, asked = asyncio.Event(), 0

        def first_hangs(method: str, _number: int) -> Fault | None:
            nonlocal asked
            asked += method == "files.info"
            return Fault.call(before=over.wait) if method == "files.info" and asked == 1 else None

        world.slack.fault = first_hangs
        sending = asyncio.create_task(world.work())
        await world.slack.wait_for(lambda: asked == 1)
        modal = await edit(world)
        await modal.fill("id_number", RIGHT)
        await modal.attach("selfie", await world.analyst.upload(SELFIE, "better.jpg"))
        await agreed(modal)
        assert (await modal.submit()).closed
        over.set()
        await sending
        world.slack.fault = None
        await world.settle()
        # Neither held for the old photo, nor sent with the old number.
        assert (await world.check(ref)).state is State.APPROVED
        assert numbers_sent(world) == [RIGHT]
        assert not [text for text in world.thread() if "Not sent yet" in text]


async def test_a_form_that_was_open_when_the_check_was_sent_changes_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(first_name="Ada")
        await posted(world)
        modal = await edit(world)
        await world.settle()
        await modal.fill("first_name", "Other")
        await agreed(modal)
        refused = await modal.submit()
        assert list(refused.errors.values()) == [f"{ref} was already sent to Smile ID, so it can no longer be edited."]
        assert len(world.smile_id.jobs) == 1
        assert (await world.check(ref)).id_info["first_name"] == "Ada"
        await modal.close()
        assert (await world.analyst.click(world.root(), ids.EDIT, stale=True)).ok
        await world.answered()
        assert "has ended, so it can no longer be edited" in world.slack.plain(world.slack.ephemerals(ANALYST)[-1])


async def test_of_two_who_edit_at_once_the_second_reads_that_it_has_changed(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        ref = await world.ask(selfie=blurred())
        await world.work()
        remi, musa = world.slack.person(REVIEWER), world.slack.person(ADMIN)
        assert (await remi.click(world.root(), ids.EDIT)).ok
        await world.answered()
        assert "Only the person who asked for" in world.slack.plain(world.slack.ephemerals(REVIEWER)[-1])
        mine, his = await edit(world), await edit(world, musa)
        for modal, name in ((his, "His"), (mine, "Mine")):
            await modal.click(ids.MORE_FIELDS)
            await modal.fill("first_name", name)
            await agreed(modal)
        assert (await his.submit()).closed
        refused = await mine.submit()
        assert f"{ref} was edited meanwhile." in str(refused.errors)
        check = await world.check(ref)
        assert (check.id_info["first_name"], check.edits) == ("His", 1)
        # Whoever edits it asks for it, and decides about it no more than its first requester.
        assert check.requesters == {ANALYST, ADMIN}
        # The photo is still the blurred one: it is asked about once more.
        world.clock.move(seconds=1)
        await world.work()
        assert str((await world.check(ref)).held) == "photos"


async def test_a_time_that_was_chosen_stays_chosen(tmp_path: Path) -> None:
    async with journey(tmp_path, story="authority_down") as world:
        ref = await world.ask()
        await world.settle()
        assert (await world.analyst.click(world.root(), ids.RUN_AGAIN)).ok
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        later = (world.clock() + timedelta(hours=5)).replace(second=0, microsecond=0)
        await modal.choose(ids.NOT_BEFORE, later)
        await agreed(modal)
        assert (await modal.submit()).closed
        await world.work()
        modal = await edit(world)
        await modal.click(ids.MORE_FIELDS)
        await modal.fill("first_name", "Ada")
        await agreed(modal)
        assert (await modal.submit()).closed
        await world.work()
        check = await world.check(ref)
        assert (check.state, check.due_at, check.id_info["first_name"]) == (State.REQUESTED, later, "Ada")
        assert "edited by @amina" in world.slack.plain(world.root(CHANNEL))
        assert len(await world.bot.database.read(checks.photos, ref)) == 1
        assert len(world.smile_id.jobs) == 1
