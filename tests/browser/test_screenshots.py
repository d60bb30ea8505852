"""Pictures of the demo for docs/pictures, taken with `--screenshots DIR` alone: `make screenshots`."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from tests.browser.world import REVIEWS, SUMMARIES, Client, open_demo_site
from tests.pictures.camera import few_colours, file_name, save
from tests.pictures.demo import SCREENSHOTS

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

WIDE, LOW, PHONE = (1280, 710), (1280, 640), (360, 640)


async def test_the_demo_is_photographed(chromium: Browser, screenshots: Path) -> None:
    taken: list[str] = []

    async def take(client: Client, name: str) -> None:
        # Nothing is pointed at.
        await client.page.mouse.move(640, 4)
        shot = await client.page.screenshot(animations="disabled", caret="hide")
        image = few_colours(Image.open(BytesIO(shot)).convert("RGB"))
        save(image, screenshots / file_name(name))
        taken.append(name)

    async with open_demo_site(chromium, with_history=True) as site:
        amina = await site.client(size=WIDE)
        await amina.messages.last.locator(".replies").click()
        await expect(amina.replies.last).to_contain_text("Approved")
        await take(amina, "demo-thread")

        remi = await site.client("remi", place=REVIEWS, size=LOW, dark=True)
        await expect(remi.messages.last).to_be_visible()
        await take(remi, "demo-review")

        amina = await site.client(size=LOW)
        await amina.press("Break something", "Smile ID is slow")
        await expect(amina.desk.locator(".desk-on li")).to_have_count(1)
        await amina.desk.evaluate("desk => desk.scrollTop = 0")
        await expect(amina.page.locator("#toasts p")).to_have_count(0)
        await take(amina, "demo-desk")

        amina = await site.client(place="home", size=PHONE)
        await expect(amina.page.locator("#messages [data-home]")).to_contain_text("Start a check")
        await take(amina, "demo-home")

        nia = await site.client("nia", place=SUMMARIES, size=PHONE, dark=True)
        await nia.messages.first.locator(".replies").click()
        picture = nia.page.locator("#thread img").first
        await picture.scroll_into_view_if_needed()
        await expect(picture).to_have_js_property("complete", value=True)
        await take(nia, "demo-summary")

        # Last: on the other pictures everybody is still known.
        amina = await site.client(size=WIDE)
        part = await amina.open_desk("Erase a person")
        person = part.locator(".desk-view").first
        await person.locator("> summary").click()
        await person.get_by_role("button", name="Erase this person").click()
        await expect(person.locator(".desk-fate")).to_have_count(6)
        await part.evaluate("part => part.scrollIntoView()")
        await expect(amina.page.locator("#toasts p")).to_have_count(0)
        await take(amina, "demo-erased")
    assert taken == [screenshot.name for screenshot in SCREENSHOTS]
