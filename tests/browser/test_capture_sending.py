"""Photos that do not arrive at the first try: the page keeps them, says what is going on, and tries again."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.capture_door import Answer, answer
from tests.browser.capture_world import CaptureSite, Customer

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

LONG = 200
"""Seconds, by the page's clock: longer than any test lasts, so that no try comes before the test lets it."""
NOT_NOW = answer(503, {"error": "not_now"}, retry_after=LONG)


async def at_review(site: CaptureSite) -> Customer:
    customer = await site.customer(site.door.make_link(step="agreed"))
    await customer.reach_review()
    return customer


async def test_photos_that_smile_id_cannot_take_are_sent_again_unchanged(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    ada.link.order("photos", NOT_NOW, NOT_NOW)
    await ada.press("Send the photos")
    for _ in range(2):
        await ada.sends()
        await ada.sees(
            "waiting", "They cannot be handed over yet", "Your photos are kept on this page", "Next try in 1"
        )
        await ada.page.clock.run_for(LONG * 1000)
    await ada.sees("done")
    assert len(ada.link.photos) == 3
    assert ada.link.photos[0] == ada.link.photos[1] == ada.link.photos[2]


async def test_photos_wait_for_a_network_and_leave_as_soon_as_it_is_back(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    await ada.page.context.set_offline(True)
    await ada.press("Send the photos")
    await ada.sees("waiting", "No connection", "are kept on this page")
    await ada.page.context.set_offline(False)
    await ada.sees("done")
    ada.refusals.clear()


async def test_a_connection_that_breaks_loses_no_photo(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    ada.link.cut_off.add("photos")
    await ada.press("Send the photos")
    await ada.sees("waiting", "No connection")
    ada.link.cut_off.clear()
    await ada.page.clock.run_for(60_000)
    # What had arrived was taken: the same device hears so.
    await ada.sees("done")
    assert len({photos.selfie for photos in ada.link.photos}) == 1


NOT_YET: tuple[tuple[Answer, str], ...] = (
    (answer(425, {"error": "under_way"}, retry_after=LONG), "Your photos are being handed over"),
    (answer(429, {"error": "too_often"}, retry_after=LONG), "They cannot be handed over yet"),
    (answer(502, "Bad Gateway", retry_after=LONG), "They cannot be handed over yet"),
    (answer(200, "<html>Log in to our network</html>", retry_after=LONG), "No connection"),
    (answer(200, {"step": "agreed"}, retry_after=LONG), "No connection"),
)
# 408 is not among them: Chromium asks again by itself.


async def test_every_answer_but_taken_is_followed_by_another_try(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    ada.link.order("photos", *(given for given, _words in NOT_YET))
    await ada.press("Send the photos")
    for _given, words in NOT_YET:
        await ada.sends()
        await ada.sees("waiting", words)
        await ada.press("Try now")
    await ada.sees("done")


async def test_after_many_tries_the_customer_says_when(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    ada.link.order("photos", *[NOT_NOW] * 9)
    await ada.press("Send the photos")
    await ada.sends()
    for _ in range(8):
        await ada.sees("waiting", "Next try in")
        await ada.page.clock.run_for(LONG * 1000)
        await ada.sends()
    await ada.sees("waiting", "We have tried several times")
    await ada.page.clock.run_for(600_000)
    assert len(ada.link.photos) == 9
    await ada.press("Try now")
    await ada.sees("done")


async def test_a_slow_upload_is_called_slow(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    release = ada.link.hold("photos")
    await ada.press("Send the photos")
    await ada.sees("sending", "Keep this page open", "All sent. Smile ID is receiving them.")
    await expect(ada.page.locator("#sending-bar")).to_have_js_property("value", 100)
    await ada.let_pass(21)
    await ada.sees("sending", "This takes longer than usual")
    release.set()
    await ada.sees("waiting")
    await ada.press("I no longer agree")
    await ada.sees("declined")
    await ada.page.clock.run_for(60_000)
    await asyncio.sleep(0.2)
    await ada.sees("declined")
    assert len(ada.link.photos) == 1


FLAWS = [
    {"photo": "liveness", "number": 2, "flaw": "blurred"},
    {"photo": "liveness", "number": 5, "flaw": "blurred"},
    {"photo": "liveness", "number": 7, "flaw": "bright"},
    {"photo": "liveness", "number": None, "flaw": "same_picture"},
    {"photo": "selfie", "number": None, "flaw": "dark"},
    {"photo": "selfie", "number": None, "flaw": "a flaw of tomorrow"},
    None,
]
TOLD = [
    "Photos 2, 5 Blurred. Wipe the lens and hold the phone still.",
    "Photo 7 Too bright. Move out of the strong light.",
    "All photos All alike. Move your head a little, and smile when you are asked to.",
    "Selfie Too dark. Face a window or a lamp.",
    "Selfie It cannot be read.",
]


async def test_flaws_are_told_in_words_and_other_photos_taken_at_once(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    ada.link.order("photos", answer(422, {"error": "flaws", "flaws": FLAWS}))
    await ada.press("Send the photos")
    await ada.sees("flaws", "Please take the photos again")
    lines = [" ".join(text.split()) for text in await ada.page.locator("#flaws-list li").all_inner_texts()]
    assert lines == TOLD
    await ada.press("Take them again")
    await ada.sees("filming")
    # The film began anew with the camera: without a wait the same pictures of it may be taken once more.
    await asyncio.sleep(3)
    await ada.take_photos()
    await ada.press("Send the photos")
    await ada.sees("done")
    refused, sent = ada.link.photos
    assert refused != sent


@pytest.mark.parametrize("given", [answer(422, {"flaws": "all"}), answer(413)], ids=["no-list", "too-large"])
async def test_a_refusal_that_says_nothing_of_the_photos_leads_back_to_the_camera(
    capture_site: CaptureSite, given: Answer
) -> None:
    ada = await at_review(capture_site)
    ada.link.order("photos", given)
    await ada.press("Send the photos")
    await expect(ada.page.locator("h1:focus")).to_have_text(re.compile("Please take|That did not work"))
    await ada.page.get_by_role("button", name=re.compile("Take them again|Try again")).click()
    await expect(ada.page.locator("h1:focus")).to_have_text(re.compile("Before you start|Put your face"))


async def test_photos_can_be_taken_again_before_they_are_sent(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    first = await ada.page.locator("#review-selfie").get_attribute("src")
    await ada.press("Take them again")
    await ada.sees("filming")
    await ada.take_photos()
    assert await ada.page.locator("#review-selfie").get_attribute("src") != first
    await expect(ada.page.locator("#review img")).to_have_count(9)
    await ada.press("Send the photos")
    await ada.sees("done")
    assert len(ada.link.photos) == 1


async def test_an_impatient_customer_sends_once(capture_site: CaptureSite) -> None:
    ada = await at_review(capture_site)
    await ada.page.locator("#review-send").dblclick()
    await ada.sees("done")
    assert len(ada.link.photos) == 1
