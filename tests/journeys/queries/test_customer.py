"""*Message for the customer*: who may see a check copies a ready text; nothing of the customer stands in it."""

from pathlib import Path

import pytest

from bot.errors import SettingsFault
from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from tests.journeys.review.test_review import STAFF, whispered
from tests.journeys.review.test_review_requests import menus
from tests.journeys.world import REVIEWER, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

DAYO = "U0DAYO00001"


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
async def test_a_text_for_the_customer_is_copied_in_their_language(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, story="rejected", socket_mode=socket_mode, **STAFF) as world:
        world.slack.add_user(DAYO, "dayo")
        ref = await world.ask(first_name="Ada-Invented", customer_reference="CUST-17")
        before = world.bot.customer_messages
        assert (await before.for_check(ANALYST, ref))[1] == (), "not sent yet: nothing to say"
        await world.settle()
        assert "Message for the customer" in menus(world.root())
        for user in (ANALYST, REVIEWER):
            person = world.slack.person(user)
            assert (await person.click(world.root(), ids.CHECK_MORE, value="Message for the customer")).ok
            form = await person.modal()
            assert form.values[f"{ids.CUSTOMER_TEXT}sw"].startswith("Hatukuweza kuthibitisha")
            assert form.values[f"{ids.CUSTOMER_TEXT}fr"].startswith("Nous n'avons pas pu confirmer")
            shown = str(form.blocks)
            assert "have a speaker of this language read it" in shown
            for personal in ("Ada", "CUST", "0000"):
                assert personal not in shown
            await form.fill(f"{ids.CUSTOMER_TEXT}en", "Dear Ada-Invented")
            assert (await form.submit()).closed
        await world.settle()
        said = [world.slack.plain(m) for m in world.slack.messages(world.root().channel)]
        assert not [line for line in said if "Ada-Invented" in line], "nothing is sent to anybody"
        assert (await world.analyst.click(world.root(), ids.DETAILS)).ok
        details = await world.analyst.modal()
        assert (await details.click(ids.CUSTOMER_MESSAGE)).ok
        assert (await world.analyst.modal()).title == "For the customer", "on top of the Details"
        await (await world.analyst.modal()).close(all_views=True)
        await world.slack.person(DAYO).click(world.root(), ids.CHECK_MORE, value="Message for the customer")
        assert f"No check {ref} that you have access to" in await whispered(world, DAYO)


async def test_an_old_message_says_that_there_is_nothing_to_tell_while_a_reviewer_looks(tmp_path: Path) -> None:
    async with journey(tmp_path, **STAFF) as world:
        ref = await world.ask()
        await world.settle()
        old = world.root()
        assert (await world.slack.person(REVIEWER).command(f"review {ref}")).ok
        await world.bot.review.claim(REVIEWER, ref, reopens=True)
        await world.work()
        await world.analyst.click(old, ids.CHECK_MORE, value="Message for the customer", stale=True)
        assert "There is nothing to tell the customer yet." in (await world.analyst.modal()).text()


async def test_a_copy_without_a_language_for_every_reason_stops_the_start(tmp_path: Path) -> None:
    copy = tmp_path / "customer-messages.csv"
    copy.write_text("reason,language,language_name,text,read_by\napproved,en,English,Done. Thank you.,Ama\n", "utf-8")
    with pytest.raises(SettingsFault, match="customer messages: en has no text for faces_differ"):
        async with journey(tmp_path, KYC_CUSTOMER_MESSAGES=str(copy)):
            pass
