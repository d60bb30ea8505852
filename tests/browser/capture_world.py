"""A customer with a phone before the capture page: Chromium, whose camera shows a film of a drawn face."""

import asyncio
import io
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from PIL import Image, ImageFilter
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

from bot.sandbox import faces
from tests.browser.capture_door import INSECURE_HOST, CaptureDoor, Link
from tests.browser.chromium import ARGUMENTS, chromium_path
from tests.browser.world import PHONE, SERIOUS
from tests.patience import GIVE_UP_SECONDS

POSE_FRAMES = 25
"""Of a film, as long as from one liveness image to the next: the face begins anew only after a whole capture."""
CAMERA = (480, 640)
"""Of a phone held upright."""

CAPTURE_SECONDS = 9
"""From the button to the selfie, and a little more."""
CLOCK_SECONDS, CAMERA_SECONDS = 0.8, 0.1
"""How far the page's clock goes at a time, and what the camera needs for its next picture."""

ALLOWED = "--use-fake-ui-for-media-stream"
REFUSED = "--use-fake-ui-for-media-stream=deny"


@cache
def frames() -> tuple[Image.Image, ...]:
    return tuple(Image.open(io.BytesIO(frame)) for frame in faces.liveness("amara", is_woman=True, size=CAMERA))


Light = Callable[[Image.Image], Image.Image]
"""What becomes of a picture."""


def daylight(frame: Image.Image) -> Image.Image:
    return frame


def dark(frame: Image.Image) -> Image.Image:
    """A room without a lamp."""
    return frame.point([value // 6 for value in range(256)] * 3)


def glaring(frame: Image.Image) -> Image.Image:
    return frame.point([235 + value // 13 for value in range(256)] * 3)


def blurred(frame: Image.Image) -> Image.Image:
    """A lens that wants wiping."""
    return frame.filter(ImageFilter.GaussianBlur(8))


def make_film(path: Path, light: Light = daylight, *, pose_frames: int = POSE_FRAMES) -> Path:
    """JPEGs one after the other, as Chromium's fake camera plays them, over and over."""
    with path.open("wb") as film:
        for frame in frames():
            film.write(faces.jpeg(light(frame)) * pose_frames)
    return path


@asynccontextmanager
async def open_browser(
    *, film: Path | None = None, has_camera: bool = True, ui: str = ALLOWED
) -> AsyncIterator[Browser]:
    """Reaches the loopback alone. Without a film its camera, if it has one, sees a test picture of Chromium's."""
    hosts = f"MAP {INSECURE_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    arguments = [*ARGUMENTS, ui, f"--host-resolver-rules={hosts}"]
    if has_camera:
        arguments.append("--use-fake-device-for-media-stream")
    if film is not None:
        arguments.append(f"--use-file-for-fake-video-capture={film}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield browser
        await browser.close()


@dataclass(slots=True, kw_only=True)
class Customer:
    page: Page
    link: Link
    has_clock: bool
    complaints: list[str] = field(default_factory=list)
    """Errors of the console, exceptions of the script, and requests to anywhere else."""
    refusals: list[str] = field(default_factory=list)
    """What the console says of answers that are no 200, whatever the page makes of them."""

    def step(self, name: str) -> Locator:
        """A step of the page, as its document calls it."""
        return self.page.locator(f"section#{name}")

    async def sees(self, name: str, *words: str) -> None:
        """This step and no other, with these words on it and the focus on its heading."""
        section = self.step(name)
        await expect(section).to_be_visible()
        await expect(self.page.locator("main > section:visible")).to_have_count(1)
        await expect(section.locator("h1")).to_be_focused()
        for text in words:
            await expect(section).to_contain_text(text)

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def press_id(self, name: str) -> None:
        """In whatever language the page speaks."""
        await self.page.locator(f"#{name}").click()

    async def agree(self) -> None:
        await self.sees("consent")
        await self.press_id("consent-agree")
        await self.sees("ready")

    async def start_camera(self) -> None:
        await self.press_id("ready-open")
        await self.sees("filming")

    async def take_photos(self) -> None:
        """From the open camera to the photos before they are sent."""
        await self.press_id("filming-start")
        await self.let_pass(CAPTURE_SECONDS)
        await self.sees("review")

    async def let_pass(self, seconds: float) -> None:
        """Move the clock of the page, if it stands under the test's hand, and give the camera its own time."""
        if self.has_clock:
            for _ in range(math.ceil(seconds / CLOCK_SECONDS)):
                await self.page.clock.run_for(int(CLOCK_SECONDS * 1000))
                await asyncio.sleep(CAMERA_SECONDS)

    async def reach_review(self) -> None:
        await self.sees("ready")
        await self.start_camera()
        await self.take_photos()

    async def sends(self) -> None:
        """Wait until photos have arrived once more, which no browser shows."""
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await self.link.arrived.acquire()

    async def camera_is_off(self) -> bool:
        off: bool = await self.page.evaluate("document.getElementById('video').srcObject === null")
        return off

    async def accessibility_faults(self, *rules: str) -> list[str]:
        """What axe-core finds serious on the page as it is now, by all of its rules or by these."""
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = (await Axe().run(self.page, options=options)).response
        return [
            f"{violation['id']}: {', '.join(str(node['target']) for node in violation['nodes'])}"
            for violation in found["violations"]
            if violation["impact"] in SERIOUS
        ]

    async def sideways(self) -> int:
        """By how many pixels the page would have to be scrolled to the right."""
        found: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found


@dataclass(slots=True, kw_only=True)
class CaptureSite:
    door: CaptureDoor
    browser: Browser
    customers: list[Customer] = field(default_factory=list)

    async def customer(
        self,
        link: Link | None = None,
        *,
        language: str = "en-NG",
        is_dark: bool = False,
        size: tuple[int, int] = PHONE,
        scripts: Sequence[str] = (),
        user_agent: str | None = None,
        clock: bool = True,
        fragment: str | None = None,
        missing: str = "",
        permissions: Sequence[str] = (),
    ) -> Customer:
        """Somebody who opens the link; `scripts` are what their browser is like.

        Time on the page passes as it does, and with `clock` also by `let_pass`. `fragment` stands in the address in
        place of the link's, and the file `missing` never comes.
        """
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if is_dark else "light",
            locale=language,
            timezone_id="Africa/Lagos",
            user_agent=user_agent,
            permissions=list(permissions),
        )
        for script in scripts:
            await context.add_init_script(script)
        if missing:
            await context.route(f"**/{missing}", lambda route: route.abort())
        page = await context.new_page()
        page.set_default_timeout(GIVE_UP_SECONDS * 1000)
        if clock:
            await page.clock.install()
        link = link or self.door.make_link()
        customer = Customer(page=page, link=link, has_clock=clock)
        self._watch(customer)
        self.customers.append(customer)
        await page.goto(link.url if fragment is None else f"{link.address}/c{fragment}")
        return customer

    def _watch(self, customer: Customer) -> None:
        page = customer.page

        def on_console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not _is_of_plain_http(customer, message.text):
                refused = message.text.startswith("Failed to load resource")
                (customer.refusals if refused else customer.complaints).append(f"console: {message.text}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: customer.complaints.append(f"script: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"{customer.link.address}/c", "blob:"))
                else customer.complaints.append(f"asks somebody else: {request.url}")
            ),
        )

    async def close(self) -> None:
        """No browser may have complained of anything."""
        for customer in self.customers:
            await customer.page.context.close()
        assert [complaint for customer in self.customers for complaint in customer.complaints] == []


def _is_of_plain_http(customer: Customer, text: str) -> bool:
    """By plain http a browser leaves out a header that production's page brings over https, and may say so."""
    return INSECURE_HOST in customer.link.address and "Cross-Origin-Opener-Policy header has been ignored" in text
