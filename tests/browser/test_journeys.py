"""What people do and see in the demo's page, with the real bot behind it."""

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from bot.sandbox import faces
from bot.sandbox.slack.faults import Fault
from bot.sandbox.smile_id.faults import Fault as SmileIDFault
from tests.browser.world import REQUESTS, REVIEWS, SUMMARIES, open_site
from tests.journeys.intake.test_batches import csv_of, person, zip_of

pytestmark = [pytest.mark.browser, pytest.mark.anyio]


async def test_a_check_is_asked_for_in_the_form_and_approved(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        await amina.ask()
        request = amina.messages.filter(has_text="BVN ending 000")
        await expect(request).to_contain_text("asked by @amina")
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("Approved — face and ID number verified")
        assert await amina.accessibility_faults() == []


async def test_a_name_that_differs_is_never_simply_approved(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path, story="another_person") as site:
        amina = await site.client()
        await amina.ask()
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("name differs")
        remi = await site.client("remi", place=REVIEWS)
        await expect(remi.messages.last).to_contain_text("@amina")


async def test_a_rejection_says_what_to_do(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path, story="rejected") as site:
        amina = await site.client()
        await amina.ask()
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("Rejected — the selfie does not match the authority's photo")
        await expect(amina.thread.last).to_contain_text("Ask the customer for a new selfie")


async def test_a_provisional_result_is_reviewed_by_a_person_and_approved(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path, story="provisional") as site:
        amina = await site.client()
        await amina.ask()
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.filter(has_text="Not final").last).to_be_visible()
        remi = await site.client("remi", place=REVIEWS)
        card = remi.messages.filter(has_text="BVN ending 000").last
        await card.get_by_role("button", name="Approve").click()
        await expect(remi.modal).to_be_visible()
        await expect(card).to_contain_text("Claimed by @remi")
        assert await remi.accessibility_faults() == []
        await remi.modal.get_by_role("button", name="Approve").click()
        await expect(remi.modal).to_contain_text("This is a required field.")
        await remi.modal.get_by_label("The photos show the same person").check()
        # The button moves when the error goes: nobody clicks as fast as a script.
        await expect(remi.modal).not_to_contain_text("This is a required field.")
        await remi.modal.get_by_role("button", name="Approve").click()
        await expect(remi.modal).to_contain_text("No other check waits for you.")
        await expect(card).to_contain_text("Approved by @remi")
        await expect(amina.thread.last).to_contain_text("Approved by @remi")


async def test_many_checks_are_sent_from_one_zip(chromium: Browser, tmp_path: Path) -> None:
    rows = [person(1), person(2, "00000000004"), person(3, "123")]
    archive = tmp_path / "applicants.zip"
    photos = {f"{n}.jpg": faces.portrait(n) for n in (1, 2, 3)}
    archive.write_bytes(zip_of({"applicants.csv": csv_of(rows), **photos}))
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        await amina.say("@kyc-bot", files=[archive])
        await expect(amina.page.get_by_text("applicants.zip").first).to_be_visible()
        preview = amina.page.locator(".post").filter(has=amina.page.get_by_role("button", name="Send 2 checks")).last
        await expect(preview).to_contain_text("id_number")
        # The file of faults comes below it, and moves what nobody has clicked yet.
        await expect(preview.locator(".replies")).to_be_visible()
        await preview.get_by_role("button", name="Send 2 checks").click()
        await amina.page.get_by_role("dialog").get_by_role("button", name="Send").click()
        await expect(amina.page.locator(".post").filter(has_text="2 approved").first).to_be_visible()


async def test_a_check_is_found_by_its_number(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        await amina.ask()
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("Approved")
        await amina.say("/kyc find")
        await amina.modal.get_by_label("ID number").first.fill("000-0000-0000")
        await amina.modal.get_by_role("button", name="Find").click()
        await expect(amina.modal).to_contain_text("Checks found")
        await amina.modal.get_by_role("button", name="Details").click()
        await expect(amina.modal).to_contain_text("Ada")


async def test_a_manager_shares_a_summary_with_its_picture(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        await amina.ask()
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("Approved")
        nia = await site.client("nia", place=SUMMARIES)
        await nia.say("/kyc summary today")
        private = nia.messages.filter(has_text="Only visible to you").last
        await private.get_by_text("Share here").click()
        shared = nia.messages.filter(has=nia.page.locator(".replies")).last
        await shared.locator(".replies").click()
        picture = nia.page.locator("#thread img").first
        await expect(picture).to_be_visible()
        await expect(picture).to_have_js_property("complete", value=True)
        assert await picture.evaluate("picture => picture.naturalWidth") > 300
        assert await picture.get_attribute("alt")


async def test_a_guest_is_refused_in_words(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        gift = await site.client("gift")
        await gift.say("/kyc")
        await expect(gift.messages.filter(has_text="Only visible to you").last).to_contain_text(
            "You don't have access yet. Ask @musa to add you."
        )
        await expect(gift.modal).not_to_be_visible()
        assert await gift.page.locator("#sidebar", has_text="kyc-review").count() == 0


async def test_the_newest_message_stays_in_view_when_a_thread_opens_beside_it(
    chromium: Browser, tmp_path: Path
) -> None:
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        for number in range(3):
            await site.slack.person("U0REMI00001").say(REQUESTS, f"{number} " + "many words " * 400)
        await site.slack.person("U0REMI00001").say(REQUESTS, "the newest")
        newest = amina.messages.filter(has_text="the newest")
        await expect(newest).to_be_in_viewport()
        await newest.hover()
        await newest.get_by_label("Reply in a thread").click()
        await expect(amina.page.locator("#thread textarea")).to_be_visible()
        await expect(newest).to_be_in_viewport(ratio=1)


async def test_the_home_tab_is_read_from_its_beginning(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client(size=(360, 150))
        await amina.open("home")
        begins = amina.page.locator("#messages").get_by_text("My checks")
        await expect(begins).to_be_in_viewport()
        await amina.page.reload()
        await expect(begins).to_be_in_viewport()


async def test_what_is_refused_while_a_form_is_open_lies_above_it(chromium: Browser, tmp_path: Path) -> None:
    text = tmp_path / "letter.txt"
    text.write_text("no photo")
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        await amina.say("/kyc")
        await amina.modal.locator("[data-block=country]").select_option("NG")
        await amina.modal.locator("[data-block=id_type]").select_option("BVN")
        await amina.modal.get_by_role("button", name="More fields").click()
        await expect(amina.modal.get_by_label("Date of birth")).to_be_visible()
        await amina.modal.locator("[data-act=attach][data-block=selfie]").set_input_files(text)
        born = await amina.modal.get_by_label("Date of birth").bounding_box()
        assert born is not None
        assert born["height"] < 60, "an empty field is as high as a full one"
        toast = amina.page.locator(".toast")
        await expect(toast).to_have_text("letter.txt does not fit here; what fits: jpeg, jpg, png")
        box = await toast.bounding_box()
        assert box is not None
        with Image.open(io.BytesIO(await amina.page.screenshot())) as picture:
            shown = picture.convert("RGB").getpixel((int(box["x"]) + 6, int(box["y"] + box["height"] / 2)))
        assert f"rgb{shown}" == await toast.evaluate("toast => getComputedStyle(toast).backgroundColor")


async def test_what_slack_did_not_take_is_there_once_it_is_back(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        amina = await site.client()
        site.slack.fault = lambda method, _count: Fault.status(503) if method.startswith("chat.") else None
        await amina.ask()
        await site.smile_id.wait_for(lambda: any(job.processed for job in site.smile_id.jobs.values()))
        await expect(amina.messages).to_have_count(0)
        site.slack.fault = None
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("Approved")
        await expect(amina.messages).to_have_count(1)


async def test_a_bot_that_is_killed_after_the_click_answers_once(chromium: Browser, tmp_path: Path) -> None:
    async with open_site(chromium, tmp_path) as site:
        kills: list[asyncio.Task[None]] = []

        def kill_once(call: str, _count: int) -> SmileIDFault | None:
            if call == "put" and not kills:
                kills.append(asyncio.create_task(site.bot.kill()))
            return None

        site.smile_id.fault = kill_once
        amina = await site.client()
        await amina.ask()
        await amina.open_thread_of("BVN ending 000")
        await expect(amina.thread.last).to_contain_text("Approved")
        assert (len(kills), site.bot.kills) == (1, 1)
        await expect(amina.messages).to_have_count(1)
        await expect(amina.thread.filter(has_text="@amina Approved — face")).to_have_count(1)
        assert len(site.smile_id.jobs) == 1
