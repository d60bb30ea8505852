"""Everything that the desk can break, broken once in the demo: the bot comes through, and each check has one result."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from html import unescape

import httpx
import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.demo.launcher import Demo, open_demo
from bot.sandbox.desk import DeskPanel
from bot.sandbox.desk.breaking import BREAKAGES, Part
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import Message, Modal
from bot.sandbox.smile_id import STORIES
from tests.journeys.world import SELFIE
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

APPROVED = "Approved — face and ID number verified"
STRIKES_SECONDS = 2.5
"""So long something stays broken here, that people are shown for a minute."""


@dataclass(slots=True)
class Played:
    """The demo, its desk, and somebody who asks for checks."""

    demo: Demo
    desk: DeskPanel
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(11))

    async def form(self) -> tuple[Modal, str]:
        """A form that only has to be sent, and how the ID number ends."""
        number = f"000000{next(self.numbers):04}0"
        amina = self.demo.slack.person(ANALYST)
        assert (await amina.command("")).ok
        modal = await amina.modal()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        for name, value in (("id_number", number), ("first_name", "Zuri"), ("last_name", "Nobody")):
            await modal.fill(name, value)
        await modal.attach("selfie", await amina.upload(SELFIE, "selfie.jpg"))
        await modal.choose("consent", ["consented"])
        return modal, number[-3:]

    def root(self, ending: str) -> Message | None:
        found = [
            m
            for m in self.demo.slack.messages(CHANNEL)
            if m.thread_ts in (None, m.ts) and f"ending {ending}" in self.plain(m)
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def plain(self, message: Message) -> str:
        return self.demo.slack.plain(message)

    def results(self, ending: str) -> list[str]:
        root = self.root(ending)
        thread = self.demo.slack.thread(CHANNEL, root.ts)[1:] if root is not None else []
        return [text for text in map(self.plain, thread) if APPROVED in text]

    async def has_one_result(self, ending: str) -> None:
        await self.demo.slack.wait_for(lambda: bool(self.results(ending)), GIVE_UP_SECONDS)
        # Nothing is left to be said: what was to come twice would have come.
        await self.demo._passage.rest()
        assert len(self.results(ending)) == 1
        root = self.root(ending)
        assert root is not None
        assert "Approved" in self.plain(root)

    def is_sent(self, ending: str) -> bool:
        """Whether Smile ID has the photos, as the thread shows it."""
        root = self.root(ending)
        return root is not None and "✓ Sent to Smile ID" in self.plain(root)

    async def is_back(self) -> None:
        """The bot runs, and is connected to Slack."""
        await self.demo.bot.is_running()
        await self.demo.slack.wait_for(lambda: self.demo.slack.socket_count == 1, GIVE_UP_SECONDS)


@asynccontextmanager
async def played() -> AsyncIterator[Played]:
    async with open_demo(with_history=False) as demo:
        desk = DeskPanel(demo.slack, demo.smile_id, demo)
        await demo.begin()
        demo.smile_id.pace.callback_delay_seconds = 0.2
        yield Played(demo, desk)


@pytest.mark.parametrize("part", list(Part), ids=lambda part: part.name.lower())
async def test_whatever_breaks_every_check_has_one_result(part: Part) -> None:
    async with played() as it:
        for key, breakage in BREAKAGES.items():
            if breakage.part is not part:
                continue
            modal, ending = await it.form()
            says = await it.desk.breaker.start(key)
            if part is Part.CALLBACKS:
                assert says == f"The bot answered {200 if key == 'callback-doubled' else 401}."
            if breakage.lasts is None:
                await it.is_back()
            # While Slack is away a click does not reach the bot, as people are told; then it is made once more.
            if not (await modal.submit()).closed:
                it.desk.breaker.mend(key)
                await it.is_back()
                assert (await modal.submit()).closed, key
            if not breakage.strikes_once:
                await asyncio.sleep(STRIKES_SECONDS if breakage.lasts else 0)
                it.desk.breaker.mend(key)
            await it.is_back()
            await it.has_one_result(ending)
            assert it.desk.breaker.running == {}, f"{key} never struck"
        assert it.demo.bot.kills == (2 if part is Part.BOT else 0)


TOLD = {
    "approved": APPROVED,
    "another_person": "Approved by Smile ID — but the name differs",
    "rejected": "Rejected — the selfie does not match the authority's photo",
    "provisional": "Not final: provisionally approved, in human review at Smile ID",
    "provisional_approved": APPROVED,
    "provisional_rejected": "Rejected — the selfie does not match the authority's photo",
    "spoof": "Rejected — the selfie does not look like a live person",
    "spoof_strict": "Rejected — the selfie does not look like a live person",
    "id_not_found": "Rejected — the authority does not know this ID number",
    "bad_id_format": "No result — the ID number does not have the form of a BVN",
    "authority_down": "No result — the authority's register is unavailable",
    "no_face": "Rejected — no usable face in the selfie",
    "selfie_unusable": "No result — Smile ID could not use the photos",
    "authority_photo_missing": "No result — the authority holds no photo of this person",
    "unverified_id": "Needs a person — the selfie was taken, but the ID number was not verified",
    "unknown_code": "Needs a person — Smile ID answered with a code we do not know (0899)",
    "suspects": "Smile ID reports other accounts with this face",
    "silent": APPROVED,
    "never": "Waiting for Smile ID",
    "repeats": APPROVED,
    "out_of_order": APPROVED,
    "contradiction": "Needs a person — the result we received and Smile ID's own record differ",
    "unconfirmed": "Waiting for Smile ID",
    "second_final": "Needs a person — Smile ID sent another final result: first Rejected, now Approved",
    "callback_first": APPROVED,
}
"""What stands in the thread on the page in the end, by story."""


def words_of(drawn: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", drawn)).split())


async def test_every_story_ordered_at_the_desk_is_read_on_the_page() -> None:
    assert set(TOLD) == set(STORIES)
    async with (
        played() as it,
        serve_page(it.demo.slack, desk=it.desk) as address,
        httpx.AsyncClient(base_url=address, timeout=GIVE_UP_SECONDS, trust_env=False) as page,
    ):

        async def order(story: str) -> None:
            told = await page.post("/desk/story", json={"story": story, "until": "next"}, headers={"X-Workspace": "1"})
            assert told.json()["ok"]

        async def thread(root: Message) -> str:
            panes = await page.get(f"/as/amina/{CHANNEL}/panes", params={"thread": root.ts})
            return words_of(panes.json()["panes"]["thread"])

        for story, told in TOLD.items():
            await order(story)
            modal, ending = await it.form()
            assert (await modal.submit()).closed
            slack = it.demo.slack
            await slack.wait_for(partial(it.is_sent, ending), GIVE_UP_SECONDS)
            root = it.root(ending)
            assert root is not None
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while told not in await thread(root):
                    it.demo.smile_id.let_people_speak(for_good=False)
                    if story == "silent":
                        # No callback comes: the bot asks when it is time to.
                        await it.demo._passage.by(timedelta(minutes=1))
                    await asyncio.sleep(0.1)
