"""Cameras that may not be used, are not there, fail or see little: each has words of its own and a way on."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.domain.check.photo_quality import Flaw
from bot.domain.check.photos import prepare
from tests.browser.capture_door import open_door
from tests.browser.capture_world import REFUSED, CaptureSite, Light, blurred, dark, glaring, make_film, open_browser

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

ANDROID = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
REFUSES = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', '%s'); };"


def refuses(name: str) -> str:
    """A browser whose camera answers with this error of the standard's."""
    return REFUSES % name


FAULTS = {
    "busy": (refuses("NotReadableError"), "The camera is in use", False),
    "taken away": (refuses("AbortError"), "The camera is in use", False),
    "unfit": (refuses("OverconstrainedError"), "This camera does not fit", True),
    "forbidden": (refuses("SecurityError"), "This address is not secure", False),
    "unheard of": (refuses("UnheardOfError"), "The camera did not start", True),
    "old": ("Object.defineProperty(navigator, 'mediaDevices', { value: undefined });", "This browser gives no", True),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_a_camera_has_its_words(capture_site: CaptureSite, fault: str) -> None:
    script, words, offers_copy = FAULTS[fault]
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"), scripts=[script])
    await ada.press("Open the camera")
    await ada.sees("fault", words, "A photo from your gallery cannot be used instead")
    await expect(ada.step("fault").get_by_label("Your link")).to_be_visible(visible=offers_copy)
    await expect(ada.page.locator("input[type=file]")).to_have_count(0)
    await ada.press("Try again")
    await ada.sees("fault", words)


async def test_who_refused_the_camera_is_told_where_to_allow_it() -> None:
    async with open_door() as door, open_browser(ui=REFUSED) as browser:
        site = CaptureSite(door=door, browser=browser)
        for user_agent, words in (
            (None, "Click the sign beside the address"),
            (ANDROID, "then Permissions"),
            (IPHONE, "the settings of this website"),
        ):
            ada = await site.customer(door.make_link(step="agreed"), user_agent=user_agent)
            await ada.press("Open the camera")
            await ada.sees("fault", "The camera is not allowed", words)
        await site.close()


async def test_a_device_without_a_camera_sends_the_customer_to_another() -> None:
    async with open_door() as door, open_browser(has_camera=False) as browser:
        site = CaptureSite(door=door, browser=browser)
        ada = await site.customer(door.make_link(step="agreed"))
        await ada.press("Open the camera")
        await ada.sees("fault", "No camera was found", "Open the link on a phone")
        await expect(ada.step("fault").get_by_label("Your link")).to_have_value(ada.link.url)
        await site.close()


async def test_an_address_without_https_is_told_apart_from_a_fault(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed", is_secure=False))
    await ada.press("Open the camera")
    await ada.sees("fault", "This address is not secure", "begins with https")


async def test_a_question_that_nobody_answers_is_not_waited_for_in_silence(capture_site: CaptureSite) -> None:
    script = """
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.late = [];
        navigator.mediaDevices.getUserMedia = (wish) =>
          new Promise((done) => window.late.push(() => done(ask(wish))));
    """
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"), scripts=[script])
    await ada.press("Open the camera")
    await ada.sees("waking", "choose “Allow”")
    await expect(ada.page.get_by_role("button", name="Try again")).to_be_hidden()
    await ada.let_pass(16)
    await ada.sees("waking", "Nothing yet. Look for a question of your browser")
    await ada.press("Try again")
    await ada.page.evaluate("window.late.pop()()")
    await ada.sees("filming")
    # The first question is answered after all: its camera must not stay on behind the second one.
    await ada.page.evaluate("window.late.pop()()")
    await ada.take_photos()
    assert await ada.camera_is_off()


async def test_a_camera_that_comes_after_a_no_is_turned_off_at_once(capture_site: CaptureSite) -> None:
    script = """
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wish) => {
          await new Promise((done) => { window.answer = done; });
          window.late = await ask(wish);
          return window.late;
        };
    """
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"), scripts=[script])
    await ada.press("Open the camera")
    await ada.sees("waking")
    await ada.press("I no longer agree")
    await ada.sees("declined")
    await ada.page.evaluate("window.answer()")
    await ada.page.evaluate(
        """new Promise((off) => {
          const look = () => (window.late?.getTracks()[0].readyState === "ended" ? off() : setTimeout(look, 20));
          look();
        })"""
    )
    await ada.sees("declined")


async def test_a_camera_that_gives_no_picture_is_given_up(capture_site: CaptureSite) -> None:
    empty = "navigator.mediaDevices.getUserMedia = async () => new MediaStream();"
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"), scripts=[empty])
    await ada.press("Open the camera")
    await ada.sees("waking")
    await ada.let_pass(11)
    await ada.sees("fault", "The camera gives no picture")


async def test_a_camera_that_stands_still_gives_no_photos(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.press("Open the camera")
    await ada.sees("filming")
    await ada.page.evaluate("document.getElementById('video').pause()")
    await ada.press("Take the photos")
    await ada.let_pass(9)
    await ada.sees("fault", "The camera gives no picture")
    assert await ada.camera_is_off()


async def test_a_camera_that_another_app_takes_is_missed(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.press("Open the camera")
    await ada.sees("filming")
    await ada.page.evaluate("video.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    await ada.sees("fault", "The camera stopped")
    await ada.press("Try again")
    await ada.sees("filming")


async def test_the_camera_goes_off_with_the_page_out_of_sight(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.start_camera()
    await ada.press("Take the photos")
    await ada.page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    await ada.sees("ready", "The camera was turned off because you left this page")
    assert await ada.camera_is_off()
    await ada.let_pass(9)
    await ada.sees("ready")


async def test_taking_photos_can_be_stopped_and_begun_again(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.start_camera()
    await ada.press("Take the photos")
    await ada.let_pass(3)
    await ada.press("Stop")
    await expect(ada.page.locator("#filming-start")).to_have_text("Take the photos")
    await ada.let_pass(9)
    await expect(ada.step("filming")).to_be_visible()
    await ada.take_photos()


async def test_a_dark_room_is_hinted_at_and_keeps_nobody_back(tmp_path: Path) -> None:
    """What the bot's pre-flight would call a flaw is hinted at before it is taken."""
    film = make_film(tmp_path / "film.mjpeg", dark)
    async with open_door() as door, open_browser(film=film) as browser:
        site = CaptureSite(door=door, browser=browser)
        ada = await site.customer(door.make_link(step="agreed"))
        await ada.start_camera()
        await ada.let_pass(3)
        await ada.sees("filming", "It is rather dark")
        await ada.take_photos()
        await ada.sees("review", "The selfie looks dark")
        await ada.press("Send the photos")
        await ada.sees("done")
        assert Flaw.DARK in prepare(ada.link.photos[0].selfie).quality.flaws
        await site.close()


@pytest.mark.parametrize(
    ("light", "hint"),
    [(glaring, "It is very bright"), (blurred, "The picture is blurred")],
    ids=["glaring", "blurred"],
)
async def test_glaring_light_and_a_lens_that_wants_wiping_are_hinted_at(
    tmp_path: Path, light: Light, hint: str
) -> None:
    film = make_film(tmp_path / "film.mjpeg", light)
    async with open_door() as door, open_browser(film=film) as browser:
        site = CaptureSite(door=door, browser=browser)
        ada = await site.customer(door.make_link(step="agreed"))
        await ada.start_camera()
        await ada.let_pass(3)
        await ada.sees("filming", hint)
        await site.close()


async def test_a_good_picture_is_left_without_a_hint(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.start_camera()
    await ada.let_pass(3)
    await expect(ada.page.locator("#hint")).to_be_empty()
    await ada.take_photos()
    await expect(ada.page.locator("#review-note")).to_be_hidden()


APPS = {
    "Instagram": f"{IPHONE} Mobile/15E148 Instagram 361.0.0.32.113 (iPhone14,7; iOS 18_1; en_NG)",
    "Facebook": f"{ANDROID} [FB_IAB/FB4A;FBAV/490.0.0.45.82;]",
    "WhatsApp": f"{ANDROID} WhatsApp/2.24.22.78",
}


@pytest.mark.parametrize("app", APPS)
async def test_an_apps_own_browser_is_told_which_one_to_open(capture_site: CaptureSite, app: str) -> None:
    ada = await capture_site.customer(user_agent=APPS[app], permissions=["clipboard-read", "clipboard-write"])
    browser = "Safari" if app == "Instagram" else "Chrome"
    await ada.sees("in-app", f"Open this page in {browser}", f"{app} shows it in a browser of its own")
    await ada.press("Copy the link")
    await expect(ada.step("in-app").get_by_role("status")).to_have_text("Copied.")
    assert await ada.page.evaluate("navigator.clipboard.readText()") == ada.link.url
    await ada.press("Go on here anyway")
    await ada.sees("consent")
    await ada.page.reload()
    await ada.sees("consent")
