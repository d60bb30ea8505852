"""The capture page for everybody: with a screen reader, with keys alone, on a small screen, in four languages."""

import json
import re

import pytest
from playwright.async_api import Page, expect

from bot.capture.assets import ASSETS
from tests.browser.capture_steps import STEPS, every_step
from tests.browser.capture_world import CaptureSite

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

NARROW = (320, 568)
WORDS = {code: it["words"] for code, it in json.loads(ASSETS["words.json"].body)["languages"].items()}


@pytest.mark.parametrize(("language", "is_dark"), [("en-NG", False), ("fr-SN", True)], ids=["light", "dark"])
async def test_no_step_keeps_anybody_out(capture_site: CaptureSite, *, language: str, is_dark: bool) -> None:
    """axe-core finds nothing serious, nothing is wider than a phone, and no word or placeholder is left out."""
    found: dict[str, list[str]] = {}
    async for step, customer in every_step(capture_site, language=language, is_dark=is_dark):
        # In the dark the same things have other colours.
        faults = await customer.accessibility_faults(*(["color-contrast"] if is_dark else []))
        if await customer.sideways():
            faults.append("wider than the screen")
        if re.search(r"[{}]|undefined|NaN", await customer.page.locator("body").inner_text()):
            faults.append("a gap in the words")
        found[step] = faults
    assert {step: faults for step, faults in found.items() if faults} == {}
    assert tuple(found) == STEPS


async def test_the_narrowest_phones_are_wide_enough(capture_site: CaptureSite) -> None:
    for language in ("fr", "sw"):
        ada = await capture_site.customer(language=language, size=NARROW)
        await ada.sees("consent")
        assert await ada.sideways() == 0
        await ada.agree()
        await ada.start_camera()
        assert await ada.sideways() == 0
        # Without scrolling: the oval, and the button that takes the photos.
        button = await ada.page.locator("#filming-start").bounding_box()
        assert button is not None
        assert button["y"] + button["height"] <= NARROW[1]


async def test_photos_are_taken_and_sent_by_keys_alone(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer()
    await ada.sees("consent")
    for button, step in (
        ("consent-agree", "ready"),
        ("ready-open", "filming"),
        ("filming-start", "filming"),
    ):
        await tab_to(ada.page, button)
        await ada.page.keyboard.press("Enter")
        await expect(ada.step(step)).to_be_visible()
    await ada.let_pass(9)
    await ada.sees("review")
    await tab_to(ada.page, "review-send")
    await ada.page.keyboard.press("Space")
    await ada.sees("done")


async def tab_to(page: Page, element: str) -> None:
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == element:
            return
    pytest.fail(f"no key leads to {element}")


async def test_what_happens_is_said_to_whoever_does_not_see_it(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer(capture_site.door.make_link(step="agreed"))
    await ada.start_camera()
    said = ada.page.get_by_role("status").filter(visible=True)
    await ada.press("Take the photos")
    await expect(said.first).to_have_text("Look at the camera")
    await ada.let_pass(4)
    await expect(said.first).to_have_text("Now smile")
    await ada.let_pass(9)
    await ada.sees("review")
    await expect(ada.page.get_by_role("img", name="Your selfie")).to_be_visible()
    await expect(ada.page.get_by_role("img", name="Photo 3 of 8")).to_be_visible()


@pytest.mark.parametrize(("locale", "code"), [("fr-CI", "fr"), ("pt-MZ", "pt"), ("sw-KE", "sw"), ("de-DE", "en")])
async def test_the_page_begins_in_the_language_of_the_phone(capture_site: CaptureSite, locale: str, code: str) -> None:
    ada = await capture_site.customer(language=locale)
    await ada.sees("consent", WORDS[code]["consent_heading"])
    await expect(ada.page.locator("html")).to_have_attribute("lang", code)


async def test_another_language_can_be_chosen_even_while_the_camera_runs(capture_site: CaptureSite) -> None:
    ada = await capture_site.customer()
    language = ada.page.get_by_role("combobox")
    await ada.sees("consent")
    await language.select_option("sw")
    await expect(ada.step("consent")).to_contain_text(WORDS["sw"]["consent_agree"])
    await expect(ada.page.locator("html")).to_have_attribute("lang", "sw")
    await expect(language).to_have_accessible_name(WORDS["sw"]["language"])
    await ada.agree()
    assert ada.link.consented["language"] == "sw"
    await ada.start_camera()
    await ada.press_id("filming-start")
    await ada.let_pass(4)
    await language.select_option("pt")
    await expect(ada.page.locator("#cue")).to_have_text(WORDS["pt"]["cue_smile"])
    await ada.let_pass(9)
    await ada.sees("review", WORDS["pt"]["review_heading"])
    await expect(ada.page.get_by_role("img", name="Fotografia 3 de 8")).to_be_visible()
    await ada.page.reload()
    # The choice outlives a reload.
    await ada.sees("ready", WORDS["pt"]["ready_heading"])
