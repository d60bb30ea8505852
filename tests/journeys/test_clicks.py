"""How many clicks each job takes each person, counted in journeys and told in docs/clicks.md."""

import re
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.slack.blocks import ids
from tests.journeys.access.walkers import STAFF, VIEWER, a_check
from tests.journeys.clicks import Hands
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.queries.test_home import in_review, open_home
from tests.journeys.reporting.test_summary import MANAGER, a_day_of_checks, morning, office, roots
from tests.journeys.review import test_deciding as deciding
from tests.journeys.review import test_review as reviews
from tests.journeys.smile import pass_time
from tests.journeys.world import REVIEWER, SELFIE, journey

pytestmark = pytest.mark.anyio

_PAGE = Path(__file__).parents[2] / "docs" / "clicks.md"
_TOLD = {
    (role, job): int(clicks)
    for role, job, clicks in re.findall(
        r"^\| (\w+) \| ([^|]+) \| (\d+) \|", _PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
}


def counted(role: str, job: str, hands: Hands) -> None:
    """Compares with the page, whose every row is counted by some journey here."""
    assert hands.clicks == _TOLD[role, job], f"{role}, {job}: {hands.clicks} clicks"


async def test_asking_by_command(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        hands = Hands(person=world.analyst)
        await hands.command()
        form = await hands.person.modal()
        for block_id, value in (("country", "NG"), ("id_type", "BVN"), ("id_number", "00000000000")):
            await hands.enter(form, block_id, value)
        await hands.attach(form, "selfie", await hands.person.upload(SELFIE, "selfie.jpg"))
        await hands.enter(form, "consent", [ids.CONSENTED])
        assert (await hands.submit(form)).closed
        counted("requester", "ask for a check by command", hands)

        # The next one is of the same country and ID type.
        hands = Hands(person=world.analyst)
        await hands.command()
        form = await hands.person.modal()
        for block_id, value in (("country", "NG"), ("id_type", "BVN"), ("id_number", "00000000000")):
            await hands.enter(form, block_id, value)
        await hands.attach(form, "selfie", await hands.person.upload(SELFIE, "selfie.jpg"))
        await hands.enter(form, "consent", [ids.CONSENTED])
        assert (await hands.submit(form)).closed
        counted("requester", "ask for the next check by command", hands)

        # From a thread that holds the photo, with the message's own shortcut.
        selfie = await hands.person.upload(SELFIE, "selfie.jpg")
        photo = await hands.person.say(CHANNEL, "", files=[selfie])
        hands = Hands(person=world.analyst)
        form = await hands.shortcut(ids.SHORTCUT_CHECK_MESSAGE, photo)
        await world.slack.wait_for(lambda: "One moment" not in form.text())
        for block_id, value in (("country", "NG"), ("id_type", "BVN"), ("id_number", "00000000000")):
            await hands.enter(form, block_id, value)
        await hands.enter(form, ids.PHOTO + selfie.id, "selfie")
        await hands.enter(form, "consent", [ids.CONSENTED])
        assert (await hands.submit(form)).closed
        counted("requester", "ask for a check from a message with its photo", hands)


async def test_correcting_a_photo(tmp_path: Path) -> None:
    async with journey(tmp_path, story="no_face") as world:
        await world.ask()
        await world.settle()
        hands = Hands(person=world.analyst)
        await hands.press(world.root(), ids.SEND_PHOTOS)
        form = await hands.person.modal()
        await hands.attach(form, "selfie", await hands.person.upload(SELFIE, "better.jpg"))
        assert (await hands.submit(form)).closed
        counted("requester", "correct a photo after a result", hands)


async def test_asking_for_eyes_and_writing_to_the_customer(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected") as world:
        ref = await world.ask()
        await world.settle()
        hands = Hands(person=world.analyst)
        await hands.press(world.root(), ids.CHECK_MORE, value=f"{ids.CUSTOMER_MESSAGE}|{ref}")
        assert "Nous n'avons pas pu" in str((await hands.person.modal()).values)
        counted("requester", "get a text for the customer", hands)
        await (await hands.person.modal()).close(all_views=True)

        hands = Hands(person=world.analyst)
        await hands.press(world.root(), ids.CHECK_MORE, value=f"{ids.REQUEST_REVIEW}|{ref}")
        form = await hands.person.modal()
        await hands.enter(form, ids.REASON, "result_wrong")
        assert (await hands.submit(form)).closed
        counted("requester", "request a review", hands)


async def test_the_oldest_check_of_the_summary(tmp_path: Path) -> None:
    """For a manager who is not in the channel where it was asked, so that its link would lead nowhere."""
    async with office(tmp_path) as world:
        refs = await a_day_of_checks(world)
        await morning(world)
        (summary,) = roots(world)
        hands = Hands(person=world.slack.person(MANAGER))
        await hands.press(summary, ids.DETAILS)
        assert refs[8] in (await hands.person.modal()).text()
        counted("manager", "open the oldest check of the summary", hands)


async def test_what_became_of_a_check(tmp_path: Path) -> None:
    """For support, who is in no channel of the checks."""
    async with journey(tmp_path, **STAFF) as world:
        ref = await a_check(world)
        await world.settle()
        hands = Hands(person=world.slack.person(VIEWER))
        said = (await hands.command(f"status {ref}")).text
        assert said.startswith("Rejected — the authority does not know this ID number")
        assert "Next: Check the number with the customer" in said
        counted("viewer", "learn what became of a check", hands)


async def test_deciding_after_a_look_at_the_photos(tmp_path: Path) -> None:
    async with reviews.provisional(tmp_path) as (world, ref):
        hands = Hands(person=world.slack.person(REVIEWER))
        await hands.press(reviews.card(world), ids.DETAILS)
        await hands.press_in(await hands.person.modal(), ids.PHOTOS_SHOW)
        page = await hands.person.modal()
        await world.slack.wait_for(lambda: "[Reject]" in page.text())
        await hands.press_in(page, f"{ids.REVIEW_DECIDE}:rejected")
        form = await hands.person.modal()
        await hands.enter(form, ids.REASON, "different_person")
        assert reviews.stands(await hands.submit(form))
        assert (await world.check(ref)).decision == "rejected"
        counted("reviewer", "decide a check after looking at its photos", hands)


async def test_finding_a_check_and_the_first_that_waits_from_the_home_tab(tmp_path: Path) -> None:
    async with in_review(tmp_path) as (world, ref):
        await open_home(world, ANALYST)
        hands = Hands(person=world.analyst)
        await hands.press_home(ids.HOME_FIND)
        form = await hands.person.modal()
        await hands.enter(form, ids.FIND_NUMBER, (await world.check(ref)).id_info["id_number"])
        found = await hands.submit(form)
        assert ref in str(found.updated)
        counted("requester", "find a check by its ID number", hands)

        await open_home(world, REVIEWER)
        hands = Hands(person=world.slack.person(REVIEWER))
        await hands.press_home(ids.HOME_NEXT)
        assert (await hands.person.modal()).title == f"Next: {ref}"
        counted("reviewer", "see the first check that waits, from Home", hands)


async def test_deciding_one_check_after_the_other(tmp_path: Path) -> None:
    async with reviews.provisional(tmp_path, KYC_REVIEWERS=REVIEWER) as (world, _ref):
        for _more in range(2):
            await deciding.another(world)
        hands = Hands(person=world.slack.person(REVIEWER))
        await hands.press(reviews.cards(world)[0], deciding.APPROVE)
        form = await hands.person.modal()
        await hands.enter(form, ids.REASON, "same_person")
        assert reviews.stands(await hands.submit(form))
        counted("reviewer", "decide a check", hands)
        for _further in range(2):
            hands.clicks = 0
            await hands.press_in(form, deciding.APPROVE)
            await hands.enter(form, ids.REASON, "same_person")
            assert reviews.stands(await hands.submit(form))
            counted("reviewer", "decide each further check", hands)
        assert "No other check waits for you." in form.text()


async def test_agreeing(tmp_path: Path) -> None:
    async with reviews.provisional(tmp_path, "1212") as (world, ref):
        await pass_time(world, 0, 2, 5)
        await reviews.decide(world, REVIEWER, "approved", "same_person")
        hands = Hands(person=world.slack.person(reviews.ZOE))
        await hands.press(reviews.card(world), ids.REVIEW_AGREE)
        assert (await world.check(ref)).decision == "approved"
        counted("reviewer", "agree to a decision", hands)


async def test_editing_what_has_not_been_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask(selfie=blurred())
        await world.work()
        hands = Hands(person=world.analyst)
        await hands.press(world.root(), ids.EDIT)
        form = await hands.person.modal()
        await world.slack.wait_for(lambda: "One moment" not in form.text())
        await hands.enter(form, "id_number", "00000000001")
        await hands.enter(form, "consent", [ids.CONSENTED])
        assert (await hands.submit(form)).closed
        counted("requester", "correct a number before the check is sent", hands)


def test_every_row_of_the_page_is_counted() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    missing = [job for role, job in _TOLD if f'counted("{role}", "{job}", ' not in here]
    assert not missing, missing
