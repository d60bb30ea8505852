"""A customer's link in the demo: asked for in the form, opened in a second tab, photos of the sample face."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.world import AMINA, VERY_WIDE, Client, Site, accessibility_faults, open_demo_site

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

DIRECT = f"D{AMINA[1:]}"


@pytest.fixture(scope="module")
async def site(chromium: Browser) -> AsyncIterator[Site]:
    async with open_demo_site(chromium) as opened:
        yield opened


async def ask_by_link(site: Site, number: str) -> Client:
    """Amina, who has asked for a check of this BVN by link."""
    amina = await site.client(size=VERY_WIDE)
    await amina.say("/kyc")
    await amina.modal.locator("[data-block=country]").select_option("NG")
    await expect(amina.modal.locator("[data-block=id_type] option[value=BVN]")).to_have_count(1)
    await amina.modal.locator("[data-block=id_type]").select_option("BVN")
    await amina.modal.locator("[data-block=id_number]").fill(number)
    await amina.modal.get_by_label("By link: the customer takes them").check()
    await expect(amina.modal.locator("[data-block=consent]")).to_have_count(0)
    assert await amina.accessibility_faults() == []
    await amina.modal.get_by_role("button", name="Make the link").click()
    await expect(amina.modal).not_to_be_visible()
    return amina


async def test_a_customer_with_the_sample_face_is_approved(site: Site) -> None:
    amina = await ask_by_link(site, "00000001230")
    await amina.open(DIRECT)
    told = amina.messages.filter(has_text="BVN ending 230")
    await told.locator(".replies").click()
    await expect(amina.replies.filter(has_text="as a QR code").locator("img.wide")).to_be_visible()
    assert await amina.accessibility_faults() == []

    customer = await amina.open_link(told)
    await expect(customer.get_by_role("heading", level=1)).to_be_visible()
    assert "#" not in customer.url
    await expect(customer.locator("#consent-number")).to_contain_text("230")
    assert await accessibility_faults(customer) == []
    await customer.get_by_role("button", name="I agree").click()
    await expect(customer.get_by_text("The sample face is a drawing of nobody")).to_be_visible()
    await customer.get_by_label("Language").select_option("fr")
    await expect(customer.get_by_role("button", name="Utiliser le visage d’exemple")).to_be_visible()
    await customer.get_by_label("Langue").select_option("en")
    assert await accessibility_faults(customer) == []
    await customer.get_by_role("button", name="Open the camera").click()
    no_camera = customer.locator("section#fault")
    await expect(no_camera).to_contain_text("No camera was found")
    await no_camera.get_by_role("button", name="Use the sample face").click()
    await customer.get_by_role("button", name="Take the photos").click()
    await expect(customer.get_by_text("Now smile")).to_be_visible()
    await customer.get_by_role("button", name="Send the photos").click()
    await expect(customer.get_by_role("heading", level=1, name="Done, thank you")).to_be_visible()
    assert await accessibility_faults(customer) == []

    await amina.open()
    await amina.open_thread_of("BVN ending 230")
    await expect(amina.replies.filter(has_text="Approved — face and ID number verified")).to_have_count(1)
    await amina.open(DIRECT)
    await expect(told).not_to_contain_text("http")
    await expect(told.get_by_role("link", name="Open the link as the customer")).to_have_count(0)
    assert site.complaints == []


async def test_a_customer_who_does_not_agree_ends_the_check(site: Site) -> None:
    amina = await ask_by_link(site, "00000001240")
    await amina.open(DIRECT)
    told = amina.messages.filter(has_text="BVN ending 240")
    customer = await amina.open_link(told)
    async with customer.expect_popup() as opened:
        await customer.get_by_role("link", name="privacy").first.click()
    privacy = await opened.value
    await expect(privacy.get_by_role("heading", name="Privacy notice")).to_be_visible()
    await privacy.close()
    await customer.get_by_role("button", name="I do not agree").click()
    await expect(customer.get_by_role("heading", level=1, name="You did not agree")).to_be_visible()
    await amina.open()
    await amina.open_thread_of("BVN ending 240")
    await expect(amina.thread.filter(has_text="Cancelled — the customer does not agree").first).to_be_visible()
    assert site.complaints == []
