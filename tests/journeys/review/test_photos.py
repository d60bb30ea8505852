"""*Show photos*: who looks, what stands there, what has lapsed, and the request to post the photos in the thread."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.outbox import PostKind
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message, Modal
from bot.sandbox.slack.faults import Fault
from bot.sandbox.slack.files import SlackFile
from bot.slack.blocks import ids, photos
from storage.engine.database import Transaction
from tests.journeys.intake import test_batches as batches
from tests.journeys.review import test_review as cards
from tests.journeys.smile import call_back, pass_time, put_on_record
from tests.journeys.world import ADMIN, PHOTOS, REVIEWER, SELFIE, Journey, MovedClock, hanging, journey, patient_slack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

JSON = dict[str, Any]
NAMES = ["Selfie", *(f"Liveness image {number}" for number in range(1, 9))]
EVERYBODY: dict[str, Any] = {
    "KYC_REVIEWERS": f"{REVIEWER},{ANALYST}",
    "KYC_REQUESTERS": f"{ANALYST},{REVIEWER},{ADMIN}",
}


async def details(world: Journey, user: str) -> Modal:
    world.slack.channels[CHANNEL].members.add(user)
    person = world.slack.person(user)
    assert (await person.click(world.root(), ids.DETAILS)).ok
    return await person.modal()


async def shown(world: Journey, user: str) -> Modal:
    """The page of photos, once it is filled."""
    page = await world.slack.person(user).modal()
    await world.slack.wait_for(lambda: "Fetching" not in page.text())
    return page


async def look(world: Journey, user: str = REVIEWER) -> Modal:
    """Through the Details, as a reviewer does."""
    assert (await (await details(world, user)).click(ids.PHOTOS_SHOW)).ok
    return await shown(world, user)


async def press_show(world: Journey, user: str, ref: str) -> Modal:
    """By a button that stands on another's screen, or stood on this one's before."""
    below = await details(world, user)
    action = {"type": "button", "action_id": ids.PHOTOS_SHOW, "block_id": "row", "value": ref}
    assert (await world.slack.person(user).press(action, view=below.view)).ok
    await world.answered()
    return await world.slack.person(user).modal()


def images(page: Modal) -> list[JSON]:
    return [block for block in page.blocks if block["type"] == "image"]


def files(world: Journey) -> list[SlackFile]:
    return [file for file in world.slack.files.values() if file.user == ANALYST]


def requests(world: Journey, channel: str = CHANNEL) -> list[Message]:
    return [message for message in world.slack.messages(channel) if "Photos needed" in message.text]


async def acts(world: Journey, ref: str) -> list[tuple[str, str]]:
    def read(tx: Transaction) -> list[tuple[str, str]]:
        found = tx.rows("SELECT actor, act FROM audit WHERE ref = :ref AND act LIKE 'photos.%' ORDER BY seq", ref=ref)
        return [(row["actor"], row["act"]) for row in found]

    return await world.bot.database.read(read)


@pytest.mark.parametrize("who", [REVIEWER, ADMIN])
async def test_a_reviewer_looks_at_the_photos_on_top_of_the_details(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(liveness=8)
        await world.settle()
        page = await look(world, who)
        assert page.title == f"Photos of {ref}"
        assert [(image["slack_file"]["id"], image["alt_text"]) for image in images(page)] == [
            (file.id, f"{name} of check {ref}") for file, name in zip(files(world), NAMES, strict=True)
        ]
        assert "Slack may show a photo only to people it was shared with." in page.text()
        assert "Opening this page is logged." in page.text()
        assert page.view["private_metadata"] == ref
        assert "00000000000" not in str(page.view)
        # Closing it leads back to the Details, which show no face.
        await page.close()
        below = await world.slack.person(who).modal()
        assert below.title == f"Check {ref}"
        assert images(below) == []
        assert await acts(world, ref) == [(who, "photos.opened")]


async def test_what_slack_refuses_to_show_is_linked_in_the_same_view(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(liveness=8)
        await world.settle()
        world.slack.world.takes_slack_files = False
        page = await look(world)
        assert images(page) == []
        for file, name in zip(files(world), NAMES, strict=True):
            link = file.as_json(world.slack.world.files_url)["permalink"]
            assert f"Open {name} of check {ref} in Slack ({link})" in page.text()
        assert len(world.slack.person(REVIEWER).open_modals) == 2
        assert await acts(world, ref) == [(REVIEWER, "photos.opened")]


def _deleted(file: SlackFile) -> None:
    file.is_deleted = True


def _closed(file: SlackFile) -> None:
    file.refusal = "access_denied"


def _elsewhere(file: SlackFile) -> None:
    file.external_type = "gdrive"


@pytest.mark.parametrize(
    ("lapse", "why"),
    [
        (_deleted, photos.Missing.DELETED),
        (_closed, photos.Missing.CLOSED),
        (_elsewhere, photos.Missing.CLOSED),
    ],
)
async def test_a_photo_that_has_lapsed_is_named_and_the_others_are_shown(
    tmp_path: Path, lapse: Callable[[SlackFile], None], why: photos.Missing
) -> None:
    async with journey(tmp_path) as world:
        await world.ask(liveness=8)
        await world.settle()
        lapse(files(world)[1])
        page = await look(world)
        assert [image["title"]["text"] for image in images(page)] == [NAMES[0], *NAMES[2:]]
        assert f"Liveness image 1: {photos._MISSING[why]}" in page.text()


async def test_a_photo_that_slack_does_not_tell_of_is_no_lapsed_one(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.settle()
        world.slack.fail_next("files.info", Fault.error("internal_error"))
        page = await look(world)
        assert "Selfie: Slack did not answer." in page.text()


async def test_photos_in_a_file_of_many_customers_are_neither_shown_nor_linked(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        rows = [batches.person(1), batches.person(2, number=batches.UNKNOWN)]
        archive = batches.zip_of({"people.csv": batches.csv_of(rows), "1.jpg": SELFIE, "2.jpg": batches.blurred()})
        await batches.drop(world, {"everything.zip": archive})
        await batches.send(world)
        ref = await world.newest()
        person = world.slack.person(REVIEWER)
        assert (await person.command(f"review {ref}")).ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(REVIEWER)))
        assert (await person.click(world.slack.ephemerals(REVIEWER)[-1], ids.DETAILS)).ok
        assert (await (await person.modal()).click(ids.PHOTOS_SHOW)).ok
        page = await shown(world, REVIEWER)
        assert "Selfie: inside a file with the photos of other customers." in page.text()
        assert images(page) == []
        assert "everything.zip" not in str(page.view)
        assert "Ask @amina to post the photos in the thread" in page.text()


async def test_who_asked_never_sees_them_here_not_even_an_admin(tmp_path: Path) -> None:
    async with journey(tmp_path, **EVERYBODY) as world:
        form = await world.fill(await world.form(world.slack.person(ADMIN)), person=world.slack.person(ADMIN))
        assert (await form.submit()).closed
        ref = await world.newest()
        await world.settle()
        assert "[Show photos]" not in (await details(world, ADMIN)).text()
        refused = await press_show(world, ADMIN, ref)
        assert f"You asked for {ref} or its review, or supplied its photos" in refused.text()
        assert images(refused) == []
        assert await acts(world, ref) == []
        assert images(await look(world, REVIEWER)) != []


async def test_only_reviewers_and_admins_are_let_in(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        assert "[Show photos]" not in (await details(world, ANALYST)).text()
        refused = await press_show(world, ANALYST, ref)
        assert "Only reviewers and admins can do this." in refused.text()
        unknown = await press_show(world, REVIEWER, "K-AAAAAA")
        assert "K-AAAAAA" in unknown.text()
        assert images(unknown) == []
        assert await acts(world, ref) == []


async def test_who_lost_the_role_meanwhile_sees_the_photos_no_more(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"KYC_REVIEWERS": "S0KYCREV001", "KYC_REQUESTERS": f"{ANALYST},{REVIEWER}"}
    slack = patient_slack(clock := MovedClock())
    slack.add_usergroup("S0KYCREV001", [REVIEWER])
    async with journey(tmp_path, slack=slack, clock=clock, **settings) as world:
        ref = await world.ask()
        await world.settle()
        page = await look(world)
        assert images(page) != []
        slack.usergroups["S0KYCREV001"].clear()
        await world.bot.access.changed("S0KYCREV001")
        assert (await page.click(ids.PHOTOS_ASK)).ok
        await slack.wait_for(lambda: "Only reviewers and admins can do this." in page.text())
        assert images(page) == []
        await world.work()
        assert requests(world) == []
        assert await acts(world, ref) == [(REVIEWER, "photos.opened")]


async def test_the_requester_is_asked_once_to_post_the_photos_in_the_thread(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(liveness=8)
        await world.settle()
        page = await look(world)
        assert "Ask @amina to post the photos in the thread, in #kyc-requests." in page.text()
        for _click in range(2):
            # The second one from a screen that still shows the button.
            action = {"type": "button", "action_id": ids.PHOTOS_ASK, "block_id": "ask", "value": ref}
            assert (await world.slack.person(REVIEWER).press(action, view=page.view)).ok
        await world.slack.wait_for(lambda: "You asked @amina for the photos" in page.text())
        assert "[Ask for the photos]" not in page.text()
        assert images(page) != []
        await world.work()
        (asked,) = requests(world)
        assert asked.thread_ts == world.root().ts
        assert world.slack.plain(asked).startswith(f"@amina Photos needed in this thread · {ref}")
        assert "Attach the selfie and the 8 liveness images of this check to a reply here." in world.slack.plain(asked)
        assert asked.text.startswith(f"Photos needed in this thread · {ref}. Attach the selfie")
        assert f"<@{ANALYST}>" in asked.text
        # Another reviewer asks too, and the first reads later what they did.
        await look(world, ADMIN)
        again = await world.slack.person(ADMIN).modal()
        assert (await again.click(ids.PHOTOS_ASK)).ok
        await world.work()
        assert len(requests(world)) == 2
        assert "You asked @amina for the photos" in (await look(world)).text()
        assert await acts(world, ref) == [
            (REVIEWER, "photos.opened"),
            (REVIEWER, "photos.asked"),
            (ADMIN, "photos.opened"),
            (ADMIN, "photos.asked"),
            (REVIEWER, "photos.opened"),
        ]


async def test_photos_of_a_private_conversation_are_asked_for_by_direct_message(tmp_path: Path) -> None:
    """A file in a conversation with the bot would ask for another check, and nobody else reads there."""
    async with journey(tmp_path) as world:
        own = world.analyst.direct_channel_id
        form = await world.fill(await world.form(channel=own))
        assert (await form.submit()).closed
        ref = await world.newest()
        await world.settle()
        person = world.slack.person(REVIEWER)
        assert (await person.command(f"review {ref}")).ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(REVIEWER)))
        assert (await person.click(world.slack.ephemerals(REVIEWER)[-1], ids.DETAILS)).ok
        assert (await (await person.modal()).click(ids.PHOTOS_SHOW)).ok
        page = await shown(world, REVIEWER)
        assert "Ask @amina to send you the photos." in page.text()
        assert (await page.click(ids.PHOTOS_ASK)).ok
        await world.slack.wait_for(lambda: "You asked @amina" in page.text())
        await world.work()
        (asked,) = requests(world, own)
        assert "to @remi in a direct message. Don't send them here." in world.slack.plain(asked)


async def test_where_another_company_reads_along_the_requester_is_asked_directly(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        page = await look(world)
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.bot.access.channel_changed(CHANNEL)
        assert (await page.click(ids.PHOTOS_ASK)).ok
        await world.answered()
        await world.work()
        assert requests(world) == []
        (told,) = [line for line in world.direct(ANALYST) if "Photos needed" in line]
        assert f"@amina Photos needed by a reviewer · {ref}" in told
        assert "Send the selfie of this check to @remi in a direct message. Don't send them here." in told


async def test_nobody_is_asked_who_has_left_the_workspace(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.settle()
        world.slack.users[ANALYST].is_deleted = True
        world.bot.access.person_changed(ANALYST)
        page = await look(world)
        assert "@amina attached the photos and has left this workspace." in page.text()
        assert "[Ask for the photos]" not in page.text()
        assert images(page) != []


async def test_a_check_that_was_run_again_is_asked_about_no_more(tmp_path: Path) -> None:
    """Its photos are others now, and who ran it again is among those who asked for it."""
    async with journey(tmp_path, story="rejected", **EVERYBODY) as world:
        ref = await world.ask()
        await world.settle()
        page = await look(world)
        assert (await page.click(ids.PHOTOS_ASK)).ok
        await world.slack.wait_for(lambda: "You asked @amina" in page.text())
        remi = world.slack.person(REVIEWER)
        assert (await remi.command(f"rerun {ref}")).ok
        form = await remi.modal()
        await world.slack.wait_for(lambda: "consent" in form.values)
        await form.choose("consent", ["consented"])
        assert (await form.submit()).closed
        await world.settle()
        assert requests(world) == []
        refused = await press_show(world, REVIEWER, ref)
        assert f"You asked for {ref} or its review, or supplied its photos" in refused.text()


async def test_a_button_that_stands_in_a_message_is_answered_where_it_was_pressed(tmp_path: Path) -> None:
    """None of ours does today; clicks can be made by hand, and a card may carry them tomorrow."""
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        for user in (REVIEWER, ANALYST):
            for action_id in (ids.PHOTOS_SHOW, ids.PHOTOS_ASK):
                action = {"type": "button", "action_id": action_id, "block_id": "row", "value": ref}
                assert (await world.slack.person(user).press(action, message=world.root())).ok
        page = await shown(world, REVIEWER)
        assert images(page) != []
        assert len(world.slack.person(REVIEWER).open_modals) == 1
        assert world.slack.person(ANALYST).open_modals == []
        await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) == 2)
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(REVIEWER)))
        assert world.slack.plain(world.slack.ephemerals(REVIEWER)[-1]) == photos.ASKED
        assert await acts(world, ref) == [(REVIEWER, "photos.opened"), (REVIEWER, "photos.asked")]


async def test_with_three_views_open_the_photos_take_the_place_of_the_details(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        below = await details(world, REVIEWER)
        stage = world.slack.person(REVIEWER)._stage
        for _level in range(2):
            stage.views.push(REVIEWER, stage.views.find(view_id=below.id).definition)
        top = await world.slack.person(REVIEWER).modal()
        assert (await top.click(ids.PHOTOS_SHOW)).ok
        page = await shown(world, REVIEWER)
        assert (page.id, page.title) == (top.id, f"Photos of {ref}")
        assert images(page) != []


async def test_somebody_who_closes_the_page_at_once_or_whom_slack_fails_is_not_left_alone(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()
        await world.settle()
        below = await details(world, REVIEWER)
        with hanging(world.slack, "files.info"):
            assert (await below.click(ids.PHOTOS_SHOW)).ok
            await (await world.slack.person(REVIEWER).modal()).close()
        await world.answered()
        await world.work()
        assert world.direct(REVIEWER) == []
        world.slack.fail_next("views.push", Fault.error("expired_trigger_id"))
        world.slack.fail_next("views.update", Fault.error("not_found"))
        assert (await below.click(ids.PHOTOS_SHOW)).ok
        await world.answered()
        await world.work()
        assert world.direct(REVIEWER) == [photos.EXPIRED.replace("*", "")]


async def test_a_request_survives_a_kill_before_the_page_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        await world.bot.check_photos.photo_access.ask(REVIEWER, ref)
        await world.bot.check_photos.photo_access.ask(REVIEWER, ref)

        def posts(tx: Transaction) -> int:
            return len(tx.rows("SELECT 1 FROM posts WHERE kind = :kind", kind=PostKind.PHOTOS_ASKED))

        assert await world.bot.database.read(posts) == 1
        assert "You asked @amina for the photos" in (await look(world)).text()


async def looked_at(world: Journey, user: str) -> Modal:
    """From the card, as a reviewer comes to the photos."""
    await cards.press(world, user, ids.DETAILS)
    assert (await (await world.slack.person(user).modal()).click(ids.PHOTOS_SHOW)).ok
    return await shown(world, user)


async def decided_after_looking(world: Journey, user: str, decision: str, reason: str) -> Modal:
    """The form that has become *Next*."""
    page = await looked_at(world, user)
    assert (await page.click(f"{ids.REVIEW_DECIDE}:{decision}")).ok
    form = await world.slack.person(user).modal()
    await form.choose(ids.REASON, reason)
    assert cards.stands(await form.submit()) is (decision == "rejected")
    await world.answered()
    await world.work()
    return form


async def test_who_has_looked_decides_right_there(tmp_path: Path) -> None:
    async with cards.provisional(tmp_path) as (world, ref):
        page = await looked_at(world, REVIEWER)
        for there in ("[Approve]", "[Reject]", "[Ask for new photos]"):
            assert there in page.text()
        for elsewhere in ("[Claim]", "[Note]", "[Show photos]"):
            assert elsewhere not in page.text()
        await page.close(all_views=True)
        form = await decided_after_looking(world, REVIEWER, "rejected", "different_person")
        assert await cards.decided_by(world, ref) == REVIEWER
        # What lay below the form is the photos no more: nobody needs them any longer.
        await form.close()
        below = await world.slack.person(REVIEWER).modal()
        assert (below.title, images(below)) == (f"Check {ref}", [])


async def test_the_second_person_looks_too_and_agrees_below_the_photos(tmp_path: Path) -> None:
    async with cards.provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await decided_after_looking(world, REVIEWER, "approved", "same_person")
        own = await looked_at(world, REVIEWER)
        assert "[Take back]" in own.text()
        assert "[Agree]" not in own.text()
        page = await looked_at(world, cards.ZOE)
        assert "[Approve]" not in page.text()
        assert (await page.click(ids.REVIEW_AGREE)).ok
        await world.slack.wait_for(lambda: page.title == f"Check {ref}")
        assert images(page) == []
        assert (await world.check(ref)).decision == "approved"


async def test_who_may_not_decide_an_own_request_is_offered_nothing_by_way_of_photos(tmp_path: Path) -> None:
    async with cards.provisional(tmp_path, **EVERYBODY) as (world, ref):
        refused = await press_show(world, ANALYST, ref)
        assert "[Approve]" not in refused.text()
        assert images(refused) == []


async def test_details_of_the_next_check_open_however_many_views_lie_below(tmp_path: Path) -> None:
    async with cards.provisional(tmp_path) as (world, first):
        second = await world.ask(id_type="NIN_V2", selfie=(PHOTOS / "liveness_3.jpg").read_bytes())
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "0812")
        await call_back(world, "0812")
        await world.work()
        form = await decided_after_looking(world, REVIEWER, "rejected", "different_person")
        (left,) = [ref for ref in (first, second) if (await world.check(ref)).decision is None]
        assert form.title == f"Next: {left}"
        assert len(world.slack.person(REVIEWER).open_modals) == 3
        assert (await form.click(ids.FOUND_DETAILS)).ok
        await world.slack.wait_for(lambda: form.title == f"Check {left}")


async def test_photos_that_become_the_details_are_recorded_as_details_too(tmp_path: Path) -> None:
    """Opened by a button that no message has: the Details were never below them."""
    async with cards.provisional(tmp_path) as (world, ref):
        person = world.slack.person(REVIEWER)
        row = {"type": "button", "block_id": "row", "value": ref}
        assert (await person.press({**row, "action_id": ids.PHOTOS_SHOW}, message=cards.card(world))).ok
        page = await shown(world, REVIEWER)
        for _ in range(2):
            assert (await person.press({**row, "action_id": ids.REVIEW_CLAIM}, view=page.view)).ok
            await world.slack.wait_for(lambda: page.title == f"Check {ref}")
            await world.bot.background.done()
        found = await world.bot.database.read(
            lambda tx: tx.column("SELECT ref FROM audit WHERE act = 'details.opened'")
        )
        assert found == [ref]
