"""Every step that the capture page can show, one after the other, for whoever looks at each of them."""

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

from playwright.async_api import expect

from tests.browser.capture_door import answer
from tests.browser.capture_world import CaptureSite, Customer
from tests.browser.test_capture_sending import FLAWS

INSTAGRAM = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Instagram 361.0.0.32.113"
UNANSWERED = "navigator.mediaDevices.getUserMedia = () => new Promise(() => {});"
NO_CAMERA = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };"

STEPS = (
    *("opening", "consent", "not-me", "ready", "filming", "smile", "review", "waiting", "flaws", "sending", "done"),
    *("in-app", "waking", "fault", "declined", "wrong-person", "elsewhere", "ended", "trouble", "incomplete"),
)
"""As `every_step` shows them; all but `smile` are named as the sections of the document."""


OpenLink = Callable[..., Coroutine[Any, Any, Customer]]
Step = tuple[str, Customer]


async def every_step(site: CaptureSite, *, language: str, is_dark: bool) -> AsyncIterator[Step]:
    """Nothing is pressed by its words: any language will do."""
    open_link = partial(site.customer, language=language, is_dark=is_dark)
    for part in (_the_way_to_the_photos, _the_photos, _what_keeps_from_the_camera, _what_the_door_says):
        async for step in part(site, open_link):
            yield step


async def _the_way_to_the_photos(site: CaptureSite, open_link: OpenLink) -> AsyncIterator[Step]:
    link = site.door.make_link()
    release = link.hold("open")
    ada = await open_link(link)
    await ada.sees("opening")
    await ada.let_pass(9)
    yield "opening", ada
    await ada.page.reload()
    await ada.sees("consent")
    release.set()
    yield "consent", ada
    await ada.press_id("consent-not-me")
    yield "not-me", ada
    await ada.press_id("not-me-back")
    await ada.agree()
    yield "ready", ada


async def _the_photos(site: CaptureSite, open_link: OpenLink) -> AsyncIterator[Step]:
    link = site.door.make_link(step="agreed")
    ada = await open_link(link)
    await ada.start_camera()
    yield "filming", ada
    await ada.press_id("filming-start")
    await ada.let_pass(4)
    yield "smile", ada
    await ada.let_pass(9)
    await ada.sees("review")
    yield "review", ada
    link.order("photos", answer(503, retry_after=200), answer(422, {"flaws": FLAWS}))
    await ada.press_id("review-send")
    await ada.sees("waiting")
    yield "waiting", ada
    await ada.press_id("waiting-now")
    await ada.sees("flaws")
    yield "flaws", ada
    await ada.press_id("flaws-again")
    await ada.sees("filming")
    await ada.take_photos()
    release = link.hold("photos")
    await ada.press_id("review-send")
    await expect(ada.page.locator("#sending-bar")).to_have_js_property("value", 100)
    yield "sending", ada
    release.set()
    await ada.sees("waiting")
    await ada.press_id("waiting-now")
    await ada.sees("done")
    yield "done", ada


async def _what_keeps_from_the_camera(site: CaptureSite, open_link: OpenLink) -> AsyncIterator[Step]:
    ada = await open_link(user_agent=INSTAGRAM)
    await ada.sees("in-app")
    yield "in-app", ada
    ada = await open_link(site.door.make_link(step="agreed"), scripts=[UNANSWERED])
    await ada.press_id("ready-open")
    await ada.let_pass(16)
    await ada.sees("waking")
    yield "waking", ada
    ada = await open_link(site.door.make_link(step="agreed"), scripts=[NO_CAMERA])
    await ada.press_id("ready-open")
    await ada.sees("fault")
    yield "fault", ada
    await ada.press_id("withdraw")
    await ada.sees("declined")
    yield "declined", ada


async def _what_the_door_says(site: CaptureSite, open_link: OpenLink) -> AsyncIterator[Step]:
    ada = await open_link()
    await ada.press_id("consent-not-me")
    await ada.press_id("not-me-yes")
    await ada.sees("wrong-person")
    yield "wrong-person", ada
    for status, step in ((409, "elsewhere"), (410, "ended"), (500, "trouble")):
        link = site.door.make_link()
        link.order("open", answer(status))
        ada = await open_link(link)
        await ada.sees(step)
        yield step, ada
    ada = await open_link(fragment="")
    await ada.sees("incomplete")
    yield "incomplete", ada
