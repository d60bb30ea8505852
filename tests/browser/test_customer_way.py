"""A customer's whole way: the form in Slack, the real bot, and its page, before a camera that sees a drawn face."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, expect

from bot.sandbox.smile_id import Fault
from tests.browser.capture_door import CaptureDoor, Link
from tests.browser.capture_world import CaptureSite, Customer, dark, make_film, open_browser
from tests.browser.world import AMINA, VERY_WIDE, Client, Site, open_demo_site
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

DIRECT = f"D{AMINA[1:]}"
BREAKING = "Break something"
APPROVED = "Approved — face and ID number verified"
POSE_FRAMES = 4
"""By the clock of a test, under which the page takes an image about every eighth of a second."""
NOT_MY_ID = "Cancelled — the customer says that this is not their ID"
EXPIRED = "Cancelled — the customer's link has expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The demo, whose bot serves the page, and phones whose camera plays what is in `film`."""

    site: Site
    phones: CaptureSite
    film: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A check by link, and the link itself."""

    world: World
    amina: Client
    ending: str
    link: Link
    jobs_before: int

    @property
    def uploads(self) -> list[int]:
        """For each job that Smile ID has of it, how often photos arrived."""
        jobs = list(self.world.site.smile_id.jobs.values())
        return [job.upload_count for job in jobs[self.jobs_before :]]

    async def customer(self) -> Customer:
        """On a phone of their own."""
        return await self.world.phones.customer(self.link)

    @property
    def message(self) -> Locator:
        return self.amina.messages.filter(has_text=self.ending)

    async def ends(self, verdict: str) -> None:
        """It does so in the thread, once."""
        await self.amina.open_thread_of(self.ending)
        await expect(self.amina.replies.filter(has_text=verdict)).to_have_count(1)
        await expect(self.message).to_contain_text(verdict.partition(" — ")[0])


@pytest.fixture(scope="module")
async def world(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    film = make_film(tmp_path_factory.mktemp("film") / "face.mjpeg", pose_frames=POSE_FRAMES)
    async with open_browser(film=film) as browser, open_demo_site(browser) as site:
        # The door of the real bot is in the demo; this one stays closed.
        phones = CaptureSite(door=CaptureDoor(), browser=browser)
        yield World(site=site, phones=phones, film=film)
        await phones.close()


@pytest.fixture(scope="module")
async def amina(world: World) -> Client:
    return await world.site.client(size=VERY_WIDE)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """By the endings of their ID numbers the messages of checks are told apart."""
    return itertools.count(301)


@pytest.fixture
async def asked(world: World, amina: Client, numbers: Iterator[int]) -> Asked:
    """A check that Amina has asked for by link."""
    number = f"0000000{next(numbers)}0"
    await amina.open()
    await amina.say("/kyc")
    await amina.modal.locator("[data-block=country]").select_option("NG")
    await expect(amina.modal.locator("[data-block=id_type] option[value=BVN]")).to_have_count(1)
    await amina.modal.locator("[data-block=id_type]").select_option("BVN")
    await amina.modal.locator("[data-block=id_number]").fill(number)
    await amina.modal.get_by_label("By link: the customer takes them").check()
    await amina.modal.get_by_role("button", name="Make the link").click()
    await expect(amina.modal).not_to_be_visible()
    await amina.open(DIRECT)
    told = amina.messages.filter(has_text=f"BVN ending {number[-3:]}")
    offered = told.get_by_role("link", name="Open the link as the customer")
    parts = urlsplit(await offered.get_attribute("href") or "")
    await amina.open()
    return Asked(
        world=world,
        amina=amina,
        ending=f"BVN ending {number[-3:]}",
        link=Link(address=f"{parts.scheme}://{parts.netloc}", token=parts.fragment),
        jobs_before=len(world.site.smile_id.jobs),
    )


async def hand_in(customer: Customer) -> None:
    """From the camera to photos that are on their way."""
    await customer.reach_review()
    await customer.press("Send the photos")


async def see_it_done(customer: Customer) -> None:
    """The page tries again until Smile ID has the photos, and nobody presses anything."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not await customer.step("done").is_visible():
            await customer.let_pass(2)
    await customer.sees("done")


def refusals(customer: Customer) -> list[str]:
    """The status of each answer that the browser's console complains of, `net::ERR` where there was none."""
    found = (re.search(r"\d{3}|net::ERR", text) for text in customer.refusals)
    return [match[0] if match else "?" for match in found]


async def test_a_customer_takes_photos_of_their_own_and_is_approved(asked: Asked) -> None:
    ada = await asked.customer()
    await ada.sees("consent", "Bank Verification Number", f"•••• {asked.ending[-3:]}")
    await expect(asked.message).to_contain_text("opened")
    await ada.agree()
    await expect(asked.message).to_contain_text("agreed")
    await hand_in(ada)
    await ada.sees("done")
    await asked.ends(APPROVED)
    await ada.page.reload()
    await ada.sees("done")
    assert asked.uploads == [1]
    assert ada.refusals == []


async def test_somebody_else_who_opens_the_link_ends_the_check(asked: Asked) -> None:
    ben = await asked.customer()
    await ben.sees("consent")
    await ben.press("This is not me")
    await ben.press("Yes, this is not me")
    await ben.sees("wrong-person", "No photo was taken")
    await asked.ends(NOT_MY_ID)
    assert asked.uploads == []
    assert ben.refusals == []


async def test_a_newer_device_is_gone_on_with_until_the_older_takes_it_back(asked: Asked) -> None:
    on_laptop = await asked.customer()
    await on_laptop.agree()
    on_phone = await asked.customer()
    # Whoever has another device in their hands is asked for themselves.
    await on_phone.agree()
    await hand_in(on_laptop)
    await on_laptop.sees("elsewhere", "opened on another device")
    await on_laptop.press("Use this device")
    await on_laptop.agree()
    await hand_in(on_laptop)
    await on_laptop.sees("done")
    await hand_in(on_phone)
    await on_phone.sees("ended")
    await asked.ends(APPROVED)
    assert asked.uploads == [1]
    assert (refusals(on_laptop), refusals(on_phone)) == (["409"], ["410"])


async def test_photos_in_the_dark_are_refused_in_words_and_taken_again_by_a_lamp(asked: Asked) -> None:
    make_film(asked.world.film, dark, pose_frames=POSE_FRAMES)
    ada = await asked.customer()
    await ada.agree()
    await ada.start_camera()
    await ada.let_pass(3)
    await ada.sees("filming", "It is rather dark")
    await ada.take_photos()
    await ada.sees("review", "The selfie looks dark")
    await ada.press("Send the photos")
    await ada.sees("flaws", "Please take the photos again", "Selfie Too dark. Face a window or a lamp.")
    assert asked.uploads == []
    make_film(asked.world.film, pose_frames=POSE_FRAMES)
    await ada.press("Take them again")
    await ada.sees("filming")
    await ada.take_photos()
    await ada.press("Send the photos")
    await ada.sees("done")
    await asked.ends(APPROVED)
    assert asked.uploads == [1]
    assert refusals(ada) == ["422"]


async def test_a_customer_waits_for_smile_id_and_is_approved_once_it_is_back(asked: Asked) -> None:
    await asked.amina.press(BREAKING, "Smile ID fails")
    ada = await asked.customer()
    await ada.agree()
    await hand_in(ada)
    await ada.sees("waiting", "They cannot be handed over yet", "Your photos are kept on this page")
    assert asked.uploads == []
    await asked.amina.desk.get_by_role("button", name="Mend: Smile ID fails").click()
    await see_it_done(ada)
    await asked.ends(APPROVED)
    assert asked.uploads == [1]
    assert set(refusals(ada)) == {"503"}


@pytest.mark.parametrize("at", ["consent", "review"])
async def test_a_link_that_expires_under_an_open_page_is_told_of_on_both_sides(asked: Asked, at: str) -> None:
    ada = await asked.customer()
    await ada.sees("consent")
    if at == "review":
        await ada.agree()
        await ada.reach_review()
    await asked.world.site.let_pass(timedelta(hours=25))
    await ada.press("I agree" if at == "consent" else "Send the photos")
    await ada.sees("ended", "It was used, has expired or was withdrawn")
    await asked.ends(EXPIRED)
    assert asked.uploads == []
    assert refusals(ada) == ["410"]


async def test_a_bot_that_dies_once_the_photos_have_arrived_finds_them_there(asked: Asked) -> None:
    kills = asked.world.site.bot.kills
    await asked.amina.press(BREAKING, "Kill the bot in the middle of an upload")
    ada = await asked.customer()
    await ada.agree()
    await hand_in(ada)
    await expect(ada.step("waiting")).to_contain_text("No connection")
    await asked.world.site.is_back()
    await see_it_done(ada)
    await asked.ends(APPROVED)
    assert (asked.world.site.bot.kills, asked.uploads) == (kills + 1, [1])
    assert set(refusals(ada)) <= {"net::ERR", "503"}


@pytest.mark.parametrize("call", ["upload", "put"])
async def test_a_bot_that_dies_before_the_photos_arrive_is_given_them_again(asked: Asked, call: str) -> None:
    site = asked.world.site
    kills, of_the_desk = site.bot.kills, site.smile_id.fault

    def kill_once(asked_for: str, _number: int) -> Fault | None:
        if asked_for != call:
            return None
        site.smile_id.fault = of_the_desk
        return Fault.call(before=site.bot.kill)

    site.smile_id.fault = kill_once
    ada = await asked.customer()
    await ada.agree()
    await hand_in(ada)
    await expect(ada.step("waiting")).to_contain_text("No connection")
    await site.is_back()
    # Only after some seconds does Smile ID's record count as silent.
    await site.let_pass(timedelta(seconds=20))
    await see_it_done(ada)
    await asked.ends(APPROVED)
    assert (site.bot.kills, asked.uploads) == (kills + 1, [1])
    assert set(refusals(ada)) <= {"net::ERR", "503"}
