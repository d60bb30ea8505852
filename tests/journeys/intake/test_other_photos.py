"""Other photos for a check, and nothing else: for one that waits for an answer, and for one that has ended."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.domain.check.check import PhotoKind
from bot.domain.check.states import State
from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import Modal
from bot.slack.blocks import ids
from storage import checks
from storage.engine.database import Transaction
from tests.journeys.world import ADMIN, PHOTOS, REVIEWER, SELFIE, Journey, journey

pytestmark = pytest.mark.anyio

BETTER = (PHOTOS / "liveness_0.jpg").read_bytes()
BROKEN = SELFIE[: len(SELFIE) // 3]


async def asked_for(world: Journey) -> Modal:
    """The form behind *Send other photos* on the request's message."""
    assert (await world.analyst.click(world.root(), ids.SEND_PHOTOS)).ok
    return await world.analyst.modal()


async def sent(world: Journey, modal: Modal, *, selfie: bytes | None = None, liveness: Sequence[bytes] = ()) -> None:
    if selfie:
        await modal.attach("selfie", await world.analyst.upload(selfie, "better.jpg"))
    if liveness:
        files = [await world.analyst.upload(one, f"new-{n}.jpg") for n, one in enumerate(liveness)]
        await modal.attach("liveness", *files)
    submission = await modal.submit()
    assert submission.closed, submission


async def photos(world: Journey, ref: str) -> list[tuple[PhotoKind, str]]:
    return [(one.kind, one.file_id) for one in await world.bot.database.read(checks.photos, ref)]


def consents(tx: Transaction) -> list[str]:
    return tx.column("SELECT actor FROM audit WHERE act = 'consent.confirmed' ORDER BY seq")


async def test_a_selfie_without_a_face_is_replaced_and_all_else_stays(tmp_path: Path) -> None:
    async with journey(tmp_path, story="no_face") as world:
        ref = await world.ask(liveness=8, first_name="Ada", customer_reference="C-17")
        await world.settle()
        before = await world.check(ref)
        assert before.state is State.REJECTED
        assert "then Send other photos" in world.thread()[-1]
        first = await photos(world, ref)

        world.smile_id.story = "approved"
        modal = await asked_for(world)
        assert [block["block_id"] for block in modal.blocks if block["type"] == "input"] == ["selfie", "liveness"]
        assert "charged again. Everything else stays." in modal.text()
        assert "By sending, you confirm: the customer knows" in modal.text()
        assert "Leave it empty to send the same 8 liveness images." in modal.text()
        empty = await modal.submit(client_checks=False)
        assert empty.errors == {"selfie": "Attach one selfie, a JPEG or PNG photo."}
        late = await world.slack.person(ANALYST).modal()
        await sent(world, modal, selfie=BETTER)
        await world.settle()

        check = await world.check(ref)
        assert (check.state, check.round, check.id_info) == (State.APPROVED, 2, before.id_info)
        assert check.customer_reference == "C-17"
        second = await photos(world, ref)
        assert second[0] != first[0]
        assert second[1:] == first[1:]
        assert len(world.smile_id.jobs) == 2
        assert await world.bot.database.read(consents) == [ANALYST, ANALYST]
        # The same form once more, from a screen that still shows it: it was sent, and is paid for once.
        again = await world.analyst.submit(late.view)
        assert again.ok
        assert not again.body
        await world.settle()
        assert len(world.smile_id.jobs) == 2


async def test_a_form_of_an_earlier_round_sends_nothing(tmp_path: Path) -> None:
    """Two people open the form; what the second one read is no longer so when they send it."""
    async with journey(tmp_path, story="no_face", KYC_REQUESTERS="*") as world:
        ref = await world.ask()
        await world.settle()
        slow = world.slack.person(ADMIN)
        assert (await slow.click(world.root(), ids.SEND_PHOTOS)).ok
        stale = await slow.modal()
        await sent(world, await asked_for(world), selfie=BETTER)
        await world.settle()
        assert ((await world.check(ref)).state, (await world.check(ref)).round) == (State.REJECTED, 2)

        await stale.attach("selfie", await slow.upload(SELFIE, "mine.jpg"))
        refused = await stale.submit()
        assert refused.errors == {
            "selfie": f"{ref} has changed meanwhile and cannot be run again now. See its message."
        }
        assert len(world.smile_id.jobs) == 2


async def test_liveness_images_that_could_not_be_sent_are_not_sent_again(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        files = [await world.analyst.upload(BETTER, f"{n}.jpg") for n in range(7)]
        await modal.attach("liveness", *files, await world.analyst.upload(BROKEN, "broken.jpg"))
        assert (await modal.submit()).closed
        await world.settle()
        ref = await world.newest()
        assert ((await world.check(ref)).state, (await world.check(ref)).failure) == (State.FAILED, "photo")
        first = await photos(world, ref)

        modal = await asked_for(world)
        assert "Leave it empty to send the same selfie." in modal.text()
        assert "The liveness images of the last time are not sent again." in modal.text()
        await sent(world, modal)
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        assert await photos(world, ref) == first[:1]
        assert len(world.smile_id.jobs) == 1


async def test_other_photos_are_for_whoever_may_run_the_check_again(tmp_path: Path) -> None:
    async with journey(tmp_path, story="no_face") as world:
        ref = await world.ask()
        await world.settle()
        remi = world.slack.person(REVIEWER)
        assert (await remi.click(world.root(), ids.SEND_PHOTOS)).ok
        await world.answered()
        (refusal,) = world.slack.ephemerals(REVIEWER)
        assert "start checks" in world.slack.plain(refusal)
        assert not remi.open_modals
        # A button of an old message: the check has gone on since.
        old = world.root().blocks
        await sent(world, await asked_for(world), selfie=BETTER)
        assert "Send other photos" in str(old)
        assert (await world.analyst.click(world.root(), ids.SEND_PHOTOS, stale=True)).ok
        await world.answered()
        assert f"{ref} cannot be run again: it is still under way." in world.slack.plain(
            world.slack.ephemerals(ANALYST)[-1]
        )
