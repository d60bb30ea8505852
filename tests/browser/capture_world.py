"""A customer with a phone before the capture page: Chromium, whose camera shows a film of a drawn face."""

import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright, expect

from bot.sandbox import faces
from tests.browser.capture_door import CaptureDoor, Link
from tests.browser.conftest import ARGUMENTS, chromium_path
from tests.browser.world import PHONE, SERIOUS
from tests.patience import GIVE_UP_SECONDS

POSE_FRAMES = 10
"""Of a film, about a third of a second."""
CAMERA = (480, 640)
"""Of a phone held upright."""

ALLOWED = "--use-fake-ui-for-media-stream"
INSECURE_HOST = "page.example"
"""Reaches the loopback as well; to the browser it is an address without https."""
REFUSED = "--use-fake-ui-for-media-stream=deny"


@cache
def frames() -> tuple[Image.Image, ...]:
    return tuple(Image.open(io.BytesIO(frame)) for frame in faces.liveness("amara", is_woman=True, size=CAMERA))


def bright(frame: Image.Image) -> Image.Image:
    return frame


def dark(frame: Image.Image) -> Image.Image:
    """A room without a lamp."""
    return frame.point(lambda value: value // 6)


def make_film(path: Path, light: Callable[[Image.Image], Image.Image] = bright) -> Path:
    """JPEGs one after the other, as Chromium's fake camera plays them, over and over."""
    with path.open("wb") as film:
        for frame in frames():
            film.write(faces.jpeg(light(frame)) * POSE_FRAMES)
    return path


@asynccontextmanager
async def open_browser(*, film: Path | None = None, ui: str = ALLOWED) -> AsyncIterator[Browser]:
    """Reaches the loopback alone; without a film it has no camera."""
    hosts = f"MAP {INSECURE_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    arguments = [*ARGUMENTS, ui, f"--host-resolver-rules={hosts}"]
    if film is not None:
        arguments += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield browser
        await browser.close()


@dataclass(slots=True, kw_only=True)
class Customer:
    page: Page
    link: Link
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

    async def agree(self) -> None:
        await self.sees("consent")
        await self.press("I agree")
        await self.sees("ready")

    async def start_camera(self) -> None:
        await self.press("Open the camera")
        await self.sees("filming", "Put your face in the oval")

    async def take_photos(self) -> None:
        """From the open camera to the photos before they are sent."""
        await self.press("Take the photos")
        await self.sees("review")

    async def reach_review(self) -> None:
        await self.sees("ready")
        await self.start_camera()
        await self.take_photos()

    @property
    def camera_runs(self) -> Locator:
        """There while the camera gives pictures."""
        return self.page.locator("video").filter(visible=True)

    async def camera_is_off(self) -> bool:
        off: bool = await self.page.evaluate("document.getElementById('video').srcObject === null")
        return off

    async def accessibility_faults(self) -> list[str]:
        found = (await Axe().run(self.page)).response
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
class Site:
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
        clock: bool = False,
    ) -> Customer:
        """Somebody who opens the link; `scripts` are what their browser is like, `clock` lets a test move its time."""
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if is_dark else "light",
            locale=language,
            timezone_id="Africa/Lagos",
            user_agent=user_agent,
        )
        for script in scripts:
            await context.add_init_script(script)
        customer = await self._open(context, link or self.door.make_link(), clock=clock)
        self.customers.append(customer)
        return customer

    async def _open(self, context: BrowserContext, link: Link, *, clock: bool) -> Customer:
        page = await context.new_page()
        page.set_default_timeout(GIVE_UP_SECONDS * 1000)
        customer = Customer(page=page, link=link)

        def on_console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                refused = message.text.startswith("Failed to load resource")
                (customer.refusals if refused else customer.complaints).append(f"console: {message.text}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: customer.complaints.append(f"script: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"{link.address}/c", "blob:"))
                else customer.complaints.append(f"asks somebody else: {request.url}")
            ),
        )
        if clock:
            await page.clock.install()
        await page.goto(link.url)
        return customer

    async def close(self) -> None:
        """No browser may have complained of anything."""
        for customer in self.customers:
            await customer.page.context.close()
        assert [complaint for customer in self.customers for complaint in customer.complaints] == []
