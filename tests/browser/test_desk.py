"""The desk's own script: files that are dropped by hand, by keyboard and into a form, and looking underneath."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from bot.sandbox.desk import dropping
from tests.browser.world import VERY_WIDE, Client, Site, open_demo_site

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

FILES, UNDERNEATH = "Files to drop", "Underneath"


@pytest.fixture(scope="module")
async def site(chromium: Browser) -> AsyncIterator[Site]:
    async with open_demo_site(chromium) as opened:
        yield opened


@pytest.fixture
async def amina(site: Site) -> Client:
    client = await site.client(size=VERY_WIDE)
    await client.open()
    return client


async def test_a_tile_is_used_in_the_message_with_the_words_that_belong_beside_it(site: Site, amina: Client) -> None:
    files = await amina.open_desk(FILES)
    await files.get_by_role("button", name="Use in the message: Amara Sample").click()
    await expect(amina.page.locator("#composer .chips li")).to_contain_text(["amara-sample.jpg"])
    await expect(amina.page.locator("#composer textarea")).to_have_value("@kyc-bot NG BVN")
    assert site.complaints == []


async def test_a_tile_of_several_files_is_dragged_onto_the_composer(site: Site, amina: Client) -> None:
    files = await amina.open_desk(FILES)
    tile = files.locator(".desk-tile").filter(has_text="Amara's liveness images")
    await tile.drag_to(amina.page.locator("#composer form"))
    await expect(amina.page.locator("#composer .chips li")).to_have_count(8)
    assert site.complaints == []


async def test_a_form_takes_the_same_files_from_a_menu(site: Site, amina: Client) -> None:
    await amina.open_desk(FILES)
    await amina.say("/kyc")
    await amina.modal.get_by_label("Country that issued the ID").select_option(label="Nigeria")
    await amina.modal.get_by_label("ID type").select_option("BVN")
    menus = amina.modal.get_by_label("Take a file from Files to drop")
    await expect(menus).to_have_count(2)
    await menus.first.select_option(label="Kwame Example")
    await expect(amina.modal.locator(".file")).to_contain_text(["kwame-example.jpg"])
    await menus.nth(1).select_option(label="Kwame's liveness images")
    await expect(amina.modal.locator(".file")).to_have_count(9)
    assert await amina.accessibility_faults() == []
    await amina.modal.get_by_role("button", name="Cancel").click()
    await expect(amina.modal).not_to_be_visible()
    assert site.complaints == []


async def test_what_goes_on_underneath_is_seen_as_long_as_it_is_open(site: Site, amina: Client) -> None:
    underneath = await amina.open_desk(UNDERNEATH)
    await underneath.get_by_text("Requests in both directions").click()
    exchange = underneath.locator(".desk-exchanges details").first
    await exchange.locator("summary").click()
    await expect(exchange.locator("pre").first).to_be_visible()
    assert await amina.accessibility_faults() == []
    assert site.complaints == []


def test_every_tile_of_these_tests_stands_on_a_shelf() -> None:
    titles = {tile.title for shelf in dropping.SHELVES.values() for tile in shelf}
    assert {"Amara Sample", "Kwame Example", "Amara's liveness images", "Kwame's liveness images"} <= titles
