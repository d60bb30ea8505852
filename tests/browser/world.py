"""The real bot between the stand-ins, with the workspace's page before it, and people who use it in a browser."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from bot.sandbox.demo import KYC_BOT, settings_for
from bot.sandbox.demo.launcher import QUICK, Demo, open_demo
from bot.sandbox.demo.people import (
    AMINA,
    GIFT,
    MUSA,
    NIA,
    REMI,
    REQUESTS,
    REVIEWS,
    ROLES,
    SETTINGS,
    SUMMARIES,
    ZOLA,
    move_in,
)
from bot.sandbox.demo.supervisor import Supervisor
from bot.sandbox.desk import DeskPanel
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import STORIES, SmileIDSandbox
from tests.patience import GIVE_UP_SECONDS

__all__ = [
    "AMINA", "GIFT", "MUSA", "NIA", "PHONE", "REMI", "REQUESTS", "REVIEWS", "SUMMARIES", "VERY_WIDE", "WIDE", "ZOLA",
    "Client", "Site", "accessibility_faults", "open_demo_site", "open_site",
]  # fmt: skip

WIDE, PHONE = (1280, 860), (360, 740)
VERY_WIDE = (1560, 900)
"""Here a thread and the panel beside the workspace are seen at once."""
SERIOUS = {"serious", "critical"}

expect.set_options(timeout=GIVE_UP_SECONDS * 1000)


async def accessibility_faults(page: Page) -> list[str]:
    """What axe-core finds serious on the page as it is now, by rule and place."""
    found = (await Axe().run(page)).response
    return [
        f"{violation['id']}: {', '.join(str(node['target']) for node in violation['nodes'])}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
    ]


@dataclass(slots=True, kw_only=True)
class Client:
    """One person's browser window."""

    page: Page
    address: str
    person: str
    complaints: list[str] = field(default_factory=list)
    """Errors of the console, exceptions of the script, and requests to anywhere else."""

    async def open(self, place: str = REQUESTS) -> None:
        await self.page.goto(f"{self.address}as/{self.person}/{place}")

    @property
    def messages(self) -> Locator:
        return self.page.locator("#messages .post")

    @property
    def modal(self) -> Locator:
        return self.page.locator("#modal")

    @property
    def thread(self) -> Locator:
        return self.page.locator("#thread .post")

    @property
    def replies(self) -> Locator:
        """In the thread, without the message that it began with, which sums up where the check is."""
        return self.page.locator("#thread .post ~ .post")

    async def say(self, text: str = "", *, files: Sequence[Path] = (), within: str = "#composer") -> None:
        """Write it in the composer, of the channel or of `#thread`, and press Enter."""
        composer = self.page.locator(within)
        if files:
            await composer.locator("input[type=file]").set_input_files(list(files))
            await expect(composer.locator(".chips li")).to_have_count(len(files))
        words = composer.locator("textarea")
        await words.fill(text)
        await words.press("Enter")

    async def field(self, label: str) -> Locator:
        return self.modal.get_by_label(label, exact=False).first

    async def ask(self, *, first_name: str = "Ada", last_name: str = "Obi", number: str = "00000000000") -> None:
        """`/kyc`, and the form filled in for a BVN of Nigeria with the sample photos, and sent."""
        await self.say("/kyc")
        await expect(self.modal).to_be_visible()
        await self.modal.locator("[data-block=country]").select_option("NG")
        await expect(self.modal.locator("[data-block=id_type] option[value=BVN]")).to_have_count(1)
        await self.modal.locator("[data-block=id_type]").select_option("BVN")
        await expect(self.modal.locator("[data-block=id_number]")).to_be_visible()
        await self.modal.get_by_role("button", name="More fields").click()
        await expect(self.modal.locator("[data-block=first_name]")).to_be_visible()
        for block, text in (("id_number", number), ("first_name", first_name), ("last_name", last_name)):
            await self.modal.locator(f"[data-block={block}]").fill(text)
        for block, count in (("selfie", 1), ("liveness", 8)):
            await self.modal.locator(f"[data-act=samples][data-block={block}]").click()
            await expect(self.modal.locator(f".file:has([data-block={block}])")).to_have_count(count)
        await self.modal.locator("[data-block=consent] input").check()
        await self.modal.get_by_role("button", name="Send to Smile ID").click()
        await expect(self.modal).not_to_be_visible()

    async def open_thread_of(self, text: str) -> None:
        await self.messages.filter(has_text=text).last.locator(".replies").click()
        # Another thread may have been open before.
        await expect(self.thread.first).to_contain_text(text)
        await expect(self.page.locator("#thread textarea")).to_be_visible()

    # The panel beside the workspace

    @property
    def desk(self) -> Locator:
        return self.page.locator("#desk")

    async def open_desk(self, part: str) -> Locator:
        """The part of the panel with this heading, opened."""
        if not await self.desk.is_visible():
            await self.page.get_by_role("button", name="Behind the scenes").click()
        opened = self.desk.locator("details.desk-part").filter(has=self.page.get_by_role("heading", name=part))
        if await opened.get_attribute("open") is None:
            await opened.locator("> summary").click()
        return opened

    async def order(self, story: str) -> None:
        """Choose what Smile ID answers to the next check."""
        part = await self.open_desk("What Smile ID answers next")
        await part.locator(f"input[name=story][value={story}]").check()
        await part.get_by_role("button", name="Order it").click()
        await expect(part.locator(".desk-now")).to_contain_text("the next check with")

    async def press(self, part: str, button: str) -> None:
        """One button of the panel."""
        await (await self.open_desk(part)).get_by_role("button", name=button, exact=True).click()

    # What the browser says of the page

    async def accessibility_faults(self) -> list[str]:
        return await accessibility_faults(self.page)

    def watch(self, page: Page, *own: str) -> None:
        """Note what the browser complains of on this page, and every request to elsewhere than `own` addresses."""

        def on_console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(f"console: {message.text}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((*own, "data:", "blob:"))
                else self.complaints.append(f"asks somebody else: {request.url}")
            ),
        )

    # The customer, in another tab

    async def open_link(self, message: Locator) -> Page:
        """Follow the link that this message holds, as the demo offers it."""
        link = message.get_by_role("link", name="Open the link as the customer")
        address = (await link.get_attribute("href") or "").partition("#")[0]
        async with self.page.context.expect_page() as opened:
            await link.click()
        tab = await opened.value
        tab.set_default_timeout(GIVE_UP_SECONDS * 1000)
        self.watch(tab, address)
        return tab


@dataclass(slots=True, kw_only=True)
class Site:
    slack: SlackSandbox
    smile_id: SmileIDSandbox
    bot: Supervisor
    address: str
    browser: Browser
    demo: Demo | None = None
    clients: list[Client] = field(default_factory=list)

    async def client(
        self, person: str = "amina", *, place: str = REQUESTS, size: tuple[int, int] = WIDE, dark: bool = False
    ) -> Client:
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        client = Client(page=await context.new_page(), address=self.address, person=person)
        client.page.set_default_timeout(GIVE_UP_SECONDS * 1000)
        client.watch(client.page, client.address)
        self.clients.append(client)
        await client.open(place)
        return client

    async def let_pass(self, passed: timedelta) -> None:
        """Move the demo's clock, and wait until the bot has done and said what was due by then."""
        assert self.demo is not None
        await self.demo._passage.by(passed)
        await self.rest()

    async def smile_id_has_spoken(self, story: str) -> None:
        """Return once Smile ID's machine has finished with the jobs of this story, and the bot has what it sends.

        A wait begins with the message: one that comes after the clock was moved is not waited for long enough.
        """
        played = STORIES[story]
        expected = len(played.machine) * played.copies if played.sends else 0

        def has_spoken() -> bool:
            jobs = [job for job in self.smile_id.jobs.values() if job.story == story and job.upload_count]
            taken = [sent.job_id for sent in self.smile_id.callbacks if sent.status == 200]
            return bool(jobs) and all(job.processed and taken.count(job.job_id) >= expected for job in jobs)

        await self.smile_id.wait_for(has_spoken, GIVE_UP_SECONDS)
        await self.rest()

    async def rest(self) -> None:
        """Return once the bot has nothing left to do or to say for now."""
        assert self.demo is not None
        await self.demo._passage.rest()

    async def is_back(self) -> None:
        """The bot runs, and is connected to Slack."""
        await self.bot.is_running()
        await self.slack.wait_for(lambda: self.slack.socket_count == 1, GIVE_UP_SECONDS)

    async def close(self) -> None:
        """No browser may have complained of anything."""
        for client in self.clients:
            await client.page.context.close()
        assert self.complaints == []

    @property
    def complaints(self) -> list[str]:
        return [complaint for client in self.clients for complaint in client.complaints]


@asynccontextmanager
async def open_site(
    browser: Browser, tmp_path: Path, *, story: str = "approved", **settings: str
) -> AsyncIterator[Site]:
    """A workspace without history or panel. At its end no browser may have complained of anything."""
    async with AsyncExitStack() as stack:
        slack = SlackSandbox(trigger_seconds=GIVE_UP_SECONDS, answer_seconds=GIVE_UP_SECONDS)
        smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", story=story)
        for stand_in in (slack, smile_id):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        move_in(slack)
        bot = Supervisor((*KYC_BOT, "serve"), settings_for(slack, smile_id, database=tmp_path / "kyc.db") | SETTINGS)
        starting = asyncio.create_task(bot.start())
        stack.push_async_callback(bot.stop)
        address = await stack.enter_async_context(serve_page(slack))
        await starting
        await slack.wait_for(lambda: slack.socket_count == 1, GIVE_UP_SECONDS)
        site = Site(slack=slack, smile_id=smile_id, bot=bot, address=address, browser=browser)
        yield site
        await site.close()


@asynccontextmanager
async def open_demo_site(browser: Browser, *, with_history: bool = False) -> AsyncIterator[Site]:
    """The demo as `make demo` builds it, with one check for its history, or all of it.

    Smile ID's machine answers at once, its people when the panel lets them. At its end no browser may have complained.
    """
    async with open_demo(with_history=with_history) as demo:
        desk = DeskPanel(demo.slack, demo.smile_id, demo)
        page = serve_page(
            demo.slack, desk=desk, roles=ROLES, preparing=demo.what_is_prepared, public_url=demo.public_url
        )
        async with page as address:
            await demo.begin()
            demo.smile_id.pace.callback_delay_seconds = QUICK.callback_delay_seconds
            demo.smile_id.pace.review_delay_seconds = QUICK.review_delay_seconds
            site = Site(
                slack=demo.slack, smile_id=demo.smile_id, bot=demo.bot, address=address, browser=browser, demo=demo
            )
            yield site
            await site.close()
