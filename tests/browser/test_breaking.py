"""Everything of *Break something*, struck once by a click in the page while a check is under way: what people see."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Locator, expect

from bot.sandbox.demo.launcher import Demo, run
from bot.sandbox.desk import DeskPanel
from bot.sandbox.desk.breakages import BREAKAGES, Part
from tests.browser.world import REQUESTS, VERY_WIDE, Client, Site, open_demo_site
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.anyio]

APPROVED = "Approved — face and ID number verified"
NOT_FINAL = "Not final: provisionally approved, in human review at Smile ID"
STORIES, BREAKING, TIME = "What Smile ID answers next", "Break something", "Time, and a new beginning"
LOST = "console: Failed to load resource: net::ERR_"
"""So the browser itself complains of an address where nobody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What people see of one breakage."""

    says: str
    """What the page says of the click."""
    before_sending: bool = False
    """It strikes what happens when a check is sent; else Smile ID's people have a check before them when it breaks."""
    holds: bool = False
    """Until it is mended nobody hears the result."""
    spares_posts: bool = False
    """No message is struck by it: only what shows a file."""
    kills: int = 0
    shows: str = ""
    """What the panel says of the bot meanwhile."""


ROWS = {
    "kill": Row(says="The bot is dead. It comes back by itself.", kills=1, shows="coming back"),
    "kill-in-upload": Row(says="Kill the bot in the middle of an upload: on.", before_sending=True, kills=1),
    "slack-slow": Row(says="Slack is slow: on."),
    "slack-fails": Row(says="Slack fails: on.", holds=True),
    "slack-rate-limits": Row(says="Slack limits the rate: on.", holds=True),
    "slack-away": Row(says="Slack cannot be reached: on.", holds=True),
    "slack-answer-lost": Row(says="An answer of Slack is lost: on."),
    "slack-hides-files": Row(says="Slack shows no pictures of files: on.", spares_posts=True),
    "socket-cut": Row(says="1 connection cut. The bot connects again by itself."),
    "smile-id-slow": Row(says="Smile ID is slow: on.", before_sending=True, holds=True),
    "smile-id-fails": Row(says="Smile ID fails: on.", before_sending=True, holds=True),
    "smile-id-rate-limits": Row(says="Smile ID limits the rate: on.", before_sending=True, holds=True),
    "upload-lost": Row(says="An upload does not arrive: on.", before_sending=True),
    "upload-unanswered": Row(says="An upload arrives, its answer does not: on.", before_sending=True),
    "callback-doubled": Row(says="The bot answered 200."),
    "callback-forged": Row(says="The bot answered 401."),
    "callback-stale": Row(says="The bot answered 401."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How many requests the stand-ins had before."""

    by_slack: int
    by_smile_id: int


@pytest.fixture(scope="module")
async def site(chromium: Browser) -> AsyncIterator[Site]:
    async with open_demo_site(chromium) as opened:
        yield opened


@pytest.fixture(scope="module")
async def amina(site: Site) -> Client:
    return await site.client(size=VERY_WIDE)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """By the endings of their ID numbers the messages of checks are told apart."""
    return itertools.count(101)


def test_every_breakage_has_a_row() -> None:
    assert set(ROWS) == set(BREAKAGES)


@pytest.mark.parametrize("key", BREAKAGES)
async def test_what_breaks_under_a_check_ends_in_one_result(
    site: Site, amina: Client, numbers: Iterator[int], key: str
) -> None:
    row, breakage = ROWS[key], BREAKAGES[key]
    number = f"0000000{next(numbers)}0"
    ending = f"BVN ending {number[-3:]}"
    kills, jobs = site.bot.kills, len(site.smile_id.jobs)
    seen = Seen(by_slack=len(site.slack.calls), by_smile_id=len(site.smile_id.requests))
    if row.before_sending:
        await strike(amina, key)
        await amina.ask(number=number)
    else:
        await amina.order("provisional_approved")
        await amina.ask(number=number)
        await amina.open_thread_of(ending)
        await expect(amina.replies.filter(has_text=NOT_FINAL)).to_have_count(1)
        await strike(amina, key)
        await amina.press(STORIES, "Let Smile ID's people look now")
    on = amina.desk.locator(".desk-on li")
    if row.holds:
        await nobody_hears(site, amina, row, ending, seen)
    if breakage.lasts and not breakage.strikes_once:
        await expect(on).to_contain_text(breakage.title)
        if not row.holds:
            await expect(amina.replies.filter(has_text=APPROVED)).to_have_count(1)
        await on.get_by_role("button", name=f"Mend: {breakage.title}").click()
    await expect(on).to_have_count(0)
    await site.is_back()
    await expect(amina.desk.locator(".desk-bot")).to_contain_text("running")
    await has_one_result(site, amina, ending)
    strikes_posts = breakage.part is Part.SLACK and breakage.lasts is not None and not row.spares_posts
    assert has_struck_a_post(site, seen) or not strikes_posts
    assert (site.bot.kills, len(site.smile_id.jobs)) == (kills + row.kills, jobs + 1)
    assert site.complaints == []


async def strike(client: Client, key: str) -> None:
    row = ROWS[key]
    await client.press(BREAKING, BREAKAGES[key].title)
    await expect(client.page.locator("#toasts p").last).to_have_text(row.says)
    if row.shows:
        await expect(client.desk.locator(".desk-bot")).to_contain_text(row.shows)


async def nobody_hears(site: Site, client: Client, row: Row, ending: str, seen: Seen) -> None:
    """The bot has tried in vain, and people see how far the check is: no further than before."""
    if row.before_sending:
        await site.smile_id.wait_for(lambda: len(site.smile_id.requests) > seen.by_smile_id)
        await expect(requests_of(client, ending)).to_contain_text("Sending to Smile ID")
    else:
        await site.slack.wait_for(lambda: has_struck_a_post(site, seen), GIVE_UP_SECONDS)
        await expect(client.replies.filter(has_text=APPROVED)).to_have_count(0)


def has_struck_a_post(site: Site, seen: Seen) -> bool:
    return any(call.fault and call.method.startswith("chat.") for call in site.slack.calls[seen.by_slack :])


def requests_of(client: Client, ending: str) -> Locator:
    return client.messages.filter(has_text=ending)


async def has_one_result(site: Site, client: Client, ending: str) -> None:
    """In the thread below one message, also when the bot has nothing left to say."""
    await expect(requests_of(client, ending)).to_have_count(1)
    await client.open_thread_of(ending)
    results = client.replies.filter(has_text=APPROVED)
    await expect(results).to_have_count(1)
    await site.rest()
    await expect(results).to_have_count(1)
    await expect(requests_of(client, ending)).to_have_count(1)
    await expect(requests_of(client, ending)).to_contain_text("Approved")


# Time, and a new beginning


async def test_a_night_brings_one_summary_and_a_reset_a_new_workspace(chromium: Browser) -> None:
    demos: list[Demo] = []
    opened: asyncio.Queue[str] = asyncio.Queue()

    def desk(demo: Demo) -> DeskPanel:
        demos.append(demo)
        return DeskPanel(demo.slack, demo.smile_id, demo)

    running = asyncio.create_task(run(say=opened.put_nowait, desk=desk, with_history=False))
    try:
        address = (await asyncio.wait_for(opened.get(), GIVE_UP_SECONDS)).split()[-1]
        demo = demos[0]
        site = Site(slack=demo.slack, smile_id=demo.smile_id, bot=demo.bot, address=address, browser=chromium)
        nia = await site.client("nia", place=REQUESTS, size=VERY_WIDE)
        await expect(nia.page.locator("#preparing")).to_be_empty()
        await nia.say("Before the reset")
        await nia.press(TIME, "Let tonight pass")
        await expect(nia.page.locator("#toasts")).to_contain_text("the day's summary is posted in #kyc-summary")
        await nia.page.locator("#sidebar").get_by_role("link", name="kyc-summary").click()
        # A night may end a week or a month too, whose summaries are others.
        of_the_day = nia.messages.filter(has_text=re.compile(r"KYC, [A-Z][a-z]+day \d"))
        await expect(of_the_day.filter(has_text="1 approved")).to_have_count(1)
        await demo._passage.rest()
        await expect(of_the_day).to_have_count(1)
        part = await nia.open_desk(TIME)
        await part.locator(".desk-sure summary").click()
        await part.get_by_role("button", name="Yes, begin anew").click()
        await expect(nia.page.locator("#toasts").last).to_contain_text("Everything begins anew")
        await expect(nia.messages).to_have_count(0)
        await nia.page.locator("#sidebar").get_by_role("link", name="kyc-requests").click()
        await expect(nia.messages.filter(has_text="Approved")).to_have_count(1)
        await expect(nia.messages.filter(has_text="Before the reset")).to_have_count(0)
        await expect(nia.page.locator("#away")).to_be_hidden()
        assert len(demos) == 2
        await nia.page.context.close()
        assert [told for told in nia.complaints if not told.startswith(LOST)] == []
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
