"""*Erase this person* in the page: chosen and pressed by a visitor, and everything that is shown of it."""

import json

import pytest
from playwright.async_api import Browser, expect

from bot.privacy import signing
from tests.browser.world import PHONE, VERY_WIDE, open_demo_site

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

ERASING = "Erase a person"
APPROVED, ERASED = "Approved — face and ID number verified", "Erased on"
PARTS = [
    "Thread",
    "Home",
    "Rows in the database",
    "Messages and files in Slack",
    "Chain of the audit trail",
    "Certificate",
]


async def test_a_visitor_erases_a_person_and_sees_what_became_of_everything(chromium: Browser) -> None:
    async with open_demo_site(chromium) as site:
        amina = await site.client(size=VERY_WIDE)
        await expect(amina.messages.last).to_contain_text(APPROVED)
        part = await amina.open_desk(ERASING)
        person = part.locator(".desk-view").first
        await person.locator("> summary").click()
        # The thread is beside it while it happens.
        await person.get_by_role("link", name="Look at the thread").click()
        await expect(amina.replies.last).to_contain_text(APPROVED)
        await person.get_by_role("button", name="Erase this person").click()
        await expect(part.locator(".desk-steps")).to_contain_text("types /kyc forget")
        await expect(amina.messages.last).to_contain_text(ERASED)
        await expect(amina.replies.last).to_contain_text(ERASED)
        # What was open stays open, and the same person's report has come in its place.
        fates = person.locator(".desk-fate > summary")
        await expect(fates.locator("b")).to_have_text(PARTS)
        for at in range(len(PARTS)):
            await fates.nth(at).click()
        for told in ("2 of 2 messages say", "9 rows are gone", "only amina can delete that", "whole: ", "genuine: "):
            await expect(person).to_contain_text(told)
        await expect(part.get_by_role("button", name="Erase this person")).to_have_count(0)
        assert await amina.accessibility_faults() == []
        async with amina.page.expect_download() as downloading:
            await person.get_by_role("link", name="Download the certificate").click()
        certificate = (await (await downloading.value).path()).read_bytes()
        assert site.demo is not None
        key = (await site.demo.run("proof", "key")).said.split()[-1]
        assert signing.verify(certificate, key) == json.loads(certificate)["document"]

        # Home, as it is drawn, and the same report on a phone in the dark.
        await amina.open("home")
        await expect(amina.page.locator("#messages [data-home]")).to_contain_text("the customer's data is erased")
        phone = await site.client(size=PHONE, dark=True)
        part = await phone.open_desk(ERASING)
        await expect(part.locator(".desk-fate > summary b")).to_have_text(PARTS)
        for at in range(len(PARTS)):
            await part.locator(".desk-fate > summary").nth(at).click()
        assert await phone.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        assert await phone.accessibility_faults() == []
