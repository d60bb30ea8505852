"""From the link to photos that Smile ID has, and the other ways on which a customer may leave it."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from playwright.async_api import expect

from bot.capture.assets import NOTICE
from bot.domain.check.photo_quality import same_pictures
from bot.domain.check.photos import prepare
from tests.browser.capture_door import COMPANY, PRIVACY_URL, answer
from tests.browser.capture_world import CaptureSite, Customer

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

SECRETS_KEPT = {"kyc-link", "kyc-device", "kyc-language", "kyc-stay"}


async def test_a_customer_agrees_takes_the_photos_and_sends_them(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(clock=False)
    place = ada.page.locator("#place")
    await ada.sees("consent", COMPANY, "Bank Verification Number, Nigeria", "•••• 678", "Smile ID")
    await expect(place).to_have_text("Step 1 of 4")
    privacy = ada.page.get_by_role("link", name=f"Privacy notice of {COMPANY}").first
    await expect(privacy).to_have_attribute("href", PRIVACY_URL)
    await expect(ada.page).to_have_title(f"Confirm that it is you – {COMPANY}")
    await ada.press("I agree")
    await ada.sees("ready", "Your browser will ask")
    await expect(place).to_have_text("Step 2 of 4")
    assert await ada.camera_is_off()
    await ada.press("Open the camera")
    await ada.sees("filming", "Put your face in the oval")
    await expect(place).to_have_text("Step 3 of 4")
    cue = ada.page.locator("#cue")
    began = datetime.now(tz=UTC)
    await ada.press("Take the photos")
    for words in ("Look at the camera", "Now smile", "Hold still"):
        await expect(cue).to_have_text(words)
    await ada.sees("review", "Are the photos good?")
    await expect(place).to_have_text("Step 4 of 4")
    # The selfie follows the eighth image by as much as each image its forerunner.
    assert datetime.now(tz=UTC) - began > timedelta(seconds=6.4)
    assert await ada.camera_is_off()
    await expect(ada.page.locator("#review img")).to_have_count(9)
    assert ada.link.photos == []
    await ada.press("Send the photos")
    await ada.sees("done", f"Smile ID has your photos. {COMPANY} receives the result")

    assert ada.link.asked == ["open", "consent", "photos"]
    assert ada.link.consented == {"notice": NOTICE, "language": "en"}
    await can_be_sent_to_smile_id(ada)
    assert ada.refusals == []


async def can_be_sent_to_smile_id(customer: Customer) -> None:
    """Each decodes, is upright, of the agreed size, and without a flaw; the images are no copies of one."""
    (photos,) = customer.link.photos
    frames, selfie = [prepare(frame) for frame in photos.liveness], prepare(photos.selfie)
    assert {(frame.width, frame.height) for frame in frames} == {(360, 480)}
    assert (selfie.width, selfie.height) == (480, 640)
    assert [photo.quality.flaws for photo in (*frames, selfie)] == [()] * 9
    assert not same_pictures([photo.quality.picture for photo in (*frames, selfie)])
    # On a busy machine the film runs slower than the page's clock.
    assert len(set(photos.liveness)) >= 3
    for photo in (*photos.liveness, photos.selfie):
        assert not Image.open(io.BytesIO(photo)).getexif()
    assert sum(map(len, photos.liveness)) + len(photos.selfie) < 500_000


async def test_the_link_stays_in_memory_and_in_this_tab_alone(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer()
    await ada.sees("consent")

    assert ada.page.url == f"{ada.link.address}/c"
    kept: dict[str, str] = await ada.page.evaluate("({...sessionStorage})")
    assert set(kept) <= SECRETS_KEPT
    assert kept["kyc-link"] == ada.link.token
    assert await ada.page.evaluate("localStorage.length + document.cookie.length") == 0
    assert await ada.page.evaluate("history.length") == 2  # the blank page of a new tab, and this one


@pytest.mark.parametrize("ending", ["done", "declined", "wrong-person", "ended"])
async def test_once_the_way_has_ended_the_tab_forgets_the_link_and_still_says_so(
    capture_site: CaptureSite, ending: str
) -> None:
    ada = await capture_site.customer()
    await ada.sees("consent", "•••• 678")
    match ending:
        case "done":
            await ada.press("I agree")
            await ada.reach_review()
            await ada.press("Send the photos")
        case "declined":
            await ada.press("I do not agree")
        case "wrong-person":
            await ada.press("This is not me")
            await ada.press("Yes, this is not me")
        case _:
            ada.link.order("consent", answer(410, {"error": "gone"}))
            await ada.press("I agree")
    await ada.sees(ending)
    fields = "[...document.querySelectorAll('input')].map((field) => field.value).join()"
    page = await ada.page.content() + await ada.page.evaluate(fields)
    assert ada.link.token not in page
    assert "678" not in page
    said = await ada.page.locator("main").inner_text()
    asked = list(ada.link.asked)

    await ada.page.reload()

    await ada.sees(ending)
    await expect(ada.page.locator("#company")).to_have_text(COMPANY)
    assert await ada.page.locator("main").inner_text() == said
    assert ada.link.asked == asked
    kept: dict[str, str] = await ada.page.evaluate("({...sessionStorage})")
    assert set(kept) == {"kyc-device", "kyc-ending", "kyc-company"}
    other = capture_site.door.make_link(step="agreed")
    await ada.page.goto(other.url)
    await ada.sees("ready")


async def test_saying_no_takes_one_press_and_no_photo(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer()
    await ada.sees("consent")
    yes, no = ada.page.locator("#consent-agree"), ada.page.locator("#consent-disagree")
    sizes = [await button.bounding_box() for button in (yes, no)]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert (sizes[0]["width"], sizes[0]["height"]) == (sizes[1]["width"], sizes[1]["height"])

    await ada.press("I do not agree")

    await ada.sees("declined", f"{COMPANY} has been told")
    assert (ada.link.asked, ada.link.declined) == (["open", "decline"], "no")
    assert await ada.camera_is_off()


async def test_whoever_is_somebody_else_says_so(capture_site: CaptureSite) -> None:
    ben = await capture_site.customer()
    await ben.sees("consent")
    await ben.press("This is not me")
    await ben.sees("not-me", "reached the wrong person")
    await ben.press("Go back")
    await ben.sees("consent")
    assert ben.link.declined == ""
    await ben.press("This is not me")
    await ben.press("Yes, this is not me")
    await ben.sees("wrong-person", "No photo was taken")
    assert ben.link.declined == "not_me"


async def test_a_yes_can_be_taken_back_while_the_camera_runs(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.sees("ready")
    await ada.start_camera()
    await ada.press("Take the photos")
    await ada.press("I no longer agree")
    await ada.sees("declined")
    assert await ada.camera_is_off()
    await ada.let_pass(9)
    await ada.sees("declined")
    assert (ada.link.declined, ada.link.photos) == ("no", [])


@pytest.mark.parametrize("act", ["open", "consent", "photos"])
async def test_a_link_that_ended_meanwhile_says_so_wherever_one_is(capture_site: CaptureSite, act: str) -> None:
    link = capture_site.door.make_link(step="agreed" if act == "photos" else "opened")
    link.order(act, answer(410, {"error": "gone"}))
    ada = await capture_site.customer(link)
    if act == "consent":
        await ada.press("I agree")
    elif act == "photos":
        await ada.reach_review()
        await ada.press("Send the photos")
    await ada.sees("ended", "It was used, has expired or was withdrawn")


async def test_a_link_that_was_used_elsewhere_reads_as_one_that_never_was(capture_site: CaptureSite) -> None:
    used, unknown = (capture_site.door.make_link(step="taken") for _ in range(2))
    used.device = "a" * 24
    del capture_site.door.links[unknown.token]

    pages = [await capture_site.customer(link) for link in (used, unknown)]

    seen = []
    for customer in pages:
        await customer.sees("ended")
        seen.append(await customer.page.locator("body").inner_text())
    assert seen[0] == seen[1]


@pytest.mark.parametrize("fragment", ["", "#short", "#" + "ü" * 43])
async def test_an_address_without_a_whole_link_says_so(capture_site: CaptureSite, fragment: str) -> None:
    link = capture_site.door.make_link()
    ada = await capture_site.customer(link, fragment=fragment)
    await ada.sees("incomplete", "Open it again from the message")
    assert link.asked == []


async def test_the_newest_device_wins_and_the_other_may_have_it_back(capture_site: CaptureSite) -> None:
    link = capture_site.door.make_link()
    on_laptop = await capture_site.customer(link)
    await on_laptop.sees("consent")
    on_phone = await capture_site.customer(link)
    await on_phone.agree()
    await on_laptop.press("I agree")
    await on_laptop.sees("elsewhere", "opened on another device")
    await on_laptop.press("Use this device")
    # The phone has agreed already.
    await on_laptop.reach_review()
    await on_laptop.press("Send the photos")
    await on_laptop.sees("done")
    await on_phone.press("Open the camera")
    await on_phone.take_photos()
    await on_phone.press("Send the photos")
    await on_phone.sees("ended")


async def test_another_link_in_the_same_tab_is_another_link(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer()
    await ada.sees("consent")
    other = capture_site.door.make_link(step="agreed")
    await ada.page.goto(other.url)
    await ada.sees("ready")
    assert other.asked == ["open"]


async def test_a_reload_goes_on_wherever_one_was(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer()
    await ada.sees("consent")
    await ada.page.reload()
    await ada.agree()
    await ada.page.reload()
    await ada.sees("ready")
    await ada.start_camera()
    await ada.page.reload()
    await ada.sees("ready")
    assert await ada.camera_is_off()
    await ada.reach_review()
    await ada.page.reload()
    # Photos are in memory alone.
    await ada.reach_review()
    ada.link.order("photos", answer(503, retry_after=200))
    await ada.press("Send the photos")
    await ada.sees("waiting")
    await ada.page.reload()
    await ada.reach_review()
    await ada.press("Send the photos")
    await ada.sees("done")
    await ada.page.reload()
    await ada.sees("done")
    assert ada.link.asked.count("consent") == 1


NOT_THE_DOOR = (
    (answer(200, "<html>Log in to our network</html>"), "Something went wrong on our side"),
    (answer(200, [1]), "Something went wrong on our side"),
    (answer(200, {}), "Something went wrong on our side"),
    (answer(200, {"company": COMPANY, "step": "flying"}), "Something went wrong on our side"),
    (answer(500, "Internal Server Error"), "Something went wrong on our side"),
    (answer(429, {"error": "too_often"}, retry_after=30), "Too many people use this page"),
    (answer(503, {"error": "not_now"}, retry_after=30), "Too many people use this page"),
    (answer(403, {"error": "not_from_the_page"}), "in a way that we cannot accept"),
)


async def test_whatever_answers_in_place_of_the_door_leaves_a_way_on(capture_site: CaptureSite) -> None:
    link = capture_site.door.make_link()
    link.order("open", *(given for given, _words in NOT_THE_DOOR))
    ada = await capture_site.customer(link)
    for asked, (_given, words) in enumerate(NOT_THE_DOOR, start=1):
        await ada.sees("trouble", words)
        assert len(link.asked) == asked
        await ada.press("Try again")
    await ada.sees("consent")
    link.order("consent", answer(500))
    await ada.press("I agree")
    await ada.sees("trouble", "Something went wrong on our side")
    await ada.press("Try again")
    await ada.sees("ready")


async def test_without_an_answer_the_page_asks_for_the_connection_to_be_checked(capture_site: CaptureSite) -> None:
    link = capture_site.door.make_link()
    link.cut_off.add("open")
    ada = await capture_site.customer(link)
    await ada.sees("trouble", "Check your internet connection")
    link.cut_off.clear()
    await ada.press("Try again")
    await ada.sees("consent")


async def test_a_slow_answer_is_called_slow_and_then_given_up(capture_site: CaptureSite) -> None:
    link = capture_site.door.make_link()
    release = link.hold("open")
    ada = await capture_site.customer(link)
    await ada.sees("opening")
    await ada.let_pass(9)
    await ada.sees("opening", "This takes longer than usual")
    await ada.let_pass(20)
    await ada.sees("trouble", "There was no answer")
    release.set()
    await ada.press("Try again")
    await ada.sees("consent")


async def test_an_old_notice_is_never_agreed_to(capture_site: CaptureSite) -> None:
    """The page is loaded anew once, for its words may be older than the bot; it does not do so for ever."""
    link = capture_site.door.make_link()
    link.order("consent", *[answer(428, {"error": "agree_first"})] * 2)
    ada = await capture_site.customer(link)
    await ada.sees("consent")
    async with ada.page.expect_navigation():
        await ada.press("I agree")
    await ada.sees("consent")
    await ada.press("I agree")
    await ada.sees("trouble", "Something went wrong on our side")
    await ada.press("Try again")
    await ada.agree()


async def test_without_words_or_script_the_page_says_what_to_do(capture_site: CaptureSite) -> None:
    for missing in ("words.json", "app.js"):
        ada = await capture_site.customer(missing=missing)
        if missing == "app.js":
            # Fifteen seconds of the style's own time.
            await ada.page.evaluate("document.getAnimations().forEach((animation) => (animation.currentTime = 16_000))")
        await ada.let_pass(4)
        for words in ("This page does not start", "ne démarre pas", "não arranca", "haufunguki"):
            await expect(ada.page.get_by_text(words)).to_be_visible()
        ada.refusals.clear()
