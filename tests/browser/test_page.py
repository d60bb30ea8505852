"""The page itself: for everybody who uses it, however they do, and when it goes away for a while."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Response, expect

from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import SlackSandbox
from tests.browser.world import AMINA, PHONE, REMI, REQUESTS, REVIEWS, VERY_WIDE, WIDE, Client, Site, open_demo_site

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

APPROVED = "Approved — face and ID number verified"
HEAVIEST_BYTES = 200_000
"""Of the first load as it goes over the wire, without photos."""


@pytest.fixture(scope="module")
async def site(chromium: Browser) -> AsyncIterator[Site]:
    """With a check whose result has come, and one before the reviewers."""
    async with open_demo_site(chromium) as opened:
        amina = await opened.client(size=VERY_WIDE)
        await amina.order("another_person")
        await amina.ask(number="00000001230")
        await amina.open_thread_of("BVN ending 230")
        await expect(amina.replies.filter(has_text="the name differs")).to_have_count(1)
        await amina.page.context.close()
        yield opened


# For everybody


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_nothing_keeps_anybody_out(site: Site, *, size: tuple[int, int], dark: bool) -> None:
    """axe-core finds nothing serious, wherever one is."""
    found: dict[str, list[str]] = {}
    amina = await site.client(size=size, dark=dark)
    await expect(amina.messages.filter(has_text="BVN ending 230")).to_be_visible()
    found["channel"] = await amina.accessibility_faults()
    await amina.open_thread_of("BVN ending 230")
    await expect(amina.replies.filter(has_text="the name differs")).to_be_visible()
    found["thread"] = await amina.accessibility_faults()
    await amina.open_desk("Break something")
    await amina.open_desk("What Smile ID answers next")
    await amina.open_desk("Files to drop")
    await amina.open_desk("Underneath")
    found["desk"] = await amina.accessibility_faults()
    await amina.page.get_by_role("button", name="Behind the scenes").click()
    await amina.open("home")
    await expect(amina.page.locator("#messages [data-home]")).to_contain_text("Start a check")
    found["home"] = await amina.accessibility_faults()
    await amina.open(REQUESTS)
    await amina.say("/kyc")
    await amina.modal.locator("[data-block=country]").select_option("NG")
    await amina.modal.locator("[data-block=id_type]").select_option("BVN")
    await expect(amina.modal.locator("[data-block=id_number]")).to_be_visible()
    found["form"] = await amina.accessibility_faults()
    send = amina.modal.get_by_role("button", name="Send to Smile ID")
    await send.click()
    await expect(amina.modal.get_by_text("This is a required field.").first).to_be_visible()
    # It is pale while it waits for an answer, of which the errors are shown first.
    await expect(send).not_to_have_attribute("aria-busy", "true")
    found["form with errors"] = await amina.accessibility_faults()
    await amina.page.keyboard.press("Escape")
    await expect(amina.modal).to_be_hidden()
    remi = await site.client("remi", place=REVIEWS, size=size, dark=dark)
    await expect(remi.messages.filter(has_text="BVN ending 230")).to_be_visible()
    found["review channel"] = await remi.accessibility_faults()
    assert {place: faults for place, faults in found.items() if faults} == {}
    assert site.complaints == []


@pytest.mark.parametrize("width", [320, PHONE[0]])
async def test_nothing_is_wider_than_a_phone(site: Site, width: int) -> None:
    amina = await site.client(size=(width, 640))
    await expect(amina.messages.filter(has_text="BVN ending 230")).to_be_visible()
    assert await sideways(amina.page) == 0
    await amina.open_thread_of("BVN ending 230")
    assert await sideways(amina.page) == 0
    await amina.open_desk("Break something")
    assert await sideways(amina.page) == 0


async def sideways(page: Page) -> int:
    """By how many pixels the page would have to be scrolled to the right."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


async def test_a_check_is_asked_for_and_read_without_a_mouse(site: Site) -> None:
    amina = await site.client()
    keys = amina.page.keyboard
    await tab_to(amina, "textarea.words")
    await keys.type("/kyc")
    await keys.press("Enter")
    await expect(amina.modal.locator("[data-block=country]")).to_be_focused()
    await keys.type("Nigeria")
    await tab_to(amina, "[data-block=id_type]")
    await expect(amina.modal.locator("[data-block=id_type] option[value=BVN]")).to_have_count(1)
    await keys.type("BVN")
    await expect(amina.modal.locator("[data-block=id_number]")).to_be_visible()
    await tab_to(amina, "[data-block=id_number]")
    await keys.type("00000004560")
    for block, count in (("selfie", 1), ("liveness", 8)):
        await tab_to(amina, f"[data-act=samples][data-block={block}]")
        await keys.press("Enter")
        await expect(amina.modal.locator(f".file:has([data-block={block}])")).to_have_count(count)
    await tab_to(amina, "[data-block=consent] input")
    await keys.press("Space")
    await tab_to(amina, "[data-block=kyc_form_more]")
    await keys.press("Enter")
    await expect(amina.modal.locator("[data-block=first_name]")).to_be_visible()
    for block, text in (("first_name", "Ada"), ("last_name", "Obi")):
        await tab_to(amina, f"[data-block={block}]")
        await keys.type(text)
    await tab_to(amina, "[data-act=submit]")
    await keys.press("Enter")
    await expect(amina.modal).to_be_hidden()
    request = amina.messages.filter(has_text="BVN ending 560")
    await expect(request).to_contain_text("Approved")
    # Back where one was, and from there to the thread.
    await expect(amina.page.locator("#composer textarea")).to_be_focused()
    await tab_to(amina, f"[id='{await request.get_attribute('id')}'] .replies", key="Shift+Tab")
    await keys.press("Enter")
    await expect(amina.replies.filter(has_text=APPROVED)).to_have_count(1)
    await expect(amina.page.locator("#thread textarea")).to_be_focused()
    await keys.press("Escape")
    await expect(amina.thread).to_have_count(0)
    assert site.complaints == []


MOST_KEYS = 120


async def tab_to(client: Client, selector: str, *, key: str = "Tab") -> None:
    """Press it until the focus is on this."""
    for _ in range(MOST_KEYS):
        if await client.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await client.page.keyboard.press(key)
    pytest.fail(f"{selector} is not reached in {MOST_KEYS} steps")


# What it weighs


async def test_the_first_load_is_light(site: Site, chromium: Browser) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    loaded: list[Response] = []
    page.on("response", lambda response: loaded.append(response))  # noqa: PLW0108 - playwright marks what it is given
    began = time.perf_counter()
    await page.goto(site.address)
    await expect(page.locator("#messages .post").first).to_be_visible()
    seconds = time.perf_counter() - began
    weights = {}
    for response in loaded:
        path = urlsplit(response.url).path
        if "/files/" not in path and path != "/events":
            await response.finished()
            sizes = await response.request.sizes()
            weights[path] = sizes["responseHeadersSize"] + sizes["responseBodySize"]
    await context.close()
    print(f"\n{sum(weights.values()):,} bytes in {len(weights)} answers, first message after {seconds * 1000:.0f} ms")
    assert sum(weights.values()) < HEAVIEST_BYTES, weights


# Live


async def test_two_tabs_show_the_same_and_each_keeps_what_was_typed(site: Site) -> None:
    one = await site.client()
    page = await one.page.context.new_page()
    await page.goto(one.page.url)
    await page.locator("#composer textarea").fill("Not sent yet")
    await one.say("From the first tab")
    await expect(page.locator("#messages .post").filter(has_text="From the first tab")).to_be_visible()
    await expect(page.locator("#composer textarea")).to_have_value("Not sent yet")
    # The tab that listens for both is closed.
    await one.page.close()
    await site.slack.person(REMI).say(REQUESTS, "After the first tab was closed")
    await expect(page.locator("#messages .post").filter(has_text="After the first tab was closed")).to_be_visible()
    await page.context.close()
    assert site.complaints == []


async def test_the_page_comes_back_when_its_server_was_away(chromium: Browser) -> None:
    slack = SlackSandbox()
    async with AsyncExitStack() as stack:
        await slack.start()
        stack.push_async_callback(slack.stop)
        amina = slack.person(AMINA)
        page = await (await chromium.new_context()).new_page()
        stack.push_async_callback(page.context.close)
        async with serve_page(slack) as address:
            await page.goto(address)
            await amina.say(REQUESTS, "Before it went")
            await expect(page.get_by_text("Before it went")).to_be_visible()
            await page.locator("#composer textarea").fill("Still to be sent")
        await expect(page.locator("#away")).to_be_visible()
        await page.locator("#composer textarea").press("Enter")
        await expect(page.locator("#toasts")).to_contain_text("The workspace does not answer")
        await expect(page.locator("#composer textarea")).to_have_value("Still to be sent")
        await amina.say(REQUESTS, "While it was away")
        async with serve_page(slack, port=urlsplit(address).port or 0):
            await expect(page.get_by_text("While it was away")).to_be_visible()
            await expect(page.locator("#away")).to_be_hidden()
            await page.locator("#composer textarea").press("Enter")
            await expect(page.locator("#messages .post").filter(has_text="Still to be sent")).to_have_count(1)
            await page.context.close()
