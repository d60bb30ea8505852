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
from bot.sandbox.desk import DeskPanel, dropping
from bot.sandbox.desk.breakages import BREAKAGES, Part
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import BOT_USER_ID, Message, Modal
from bot.sandbox.smile_id import STORIES
from bot.slack.blocks import ids
from tests.journeys.world import SELFIE
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

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
        await modal.click("kyc_form_more")
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
        if root is None:
            return False
        # Its steps are read no longer once it has ended.
        return "4: sent to Smile ID" in self.plain(root) or " of 4: " not in self.plain(root)

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
    "bad_id_format": "No result — wrong BVN format",
    "authority_down": "No result — the authority's register is unavailable",
    "no_face": "Rejected — no usable face in the selfie",
    "selfie_unusable": "No result — Smile ID could not use the photos",
    "authority_photo_missing": "No result — the authority holds no photo of this person",
    "unverified_id": "Needs review — selfie accepted, ID number not verified",
    "unknown_code": "Needs review — Smile ID answered with a code we do not know (0899)",
    "suspects": "Smile ID reports other accounts with this face",
    "silent": APPROVED,
    "never": "Waiting for Smile ID",
    "repeats": APPROVED,
    "out_of_order": APPROVED,
    "contradiction": "Needs review — the result we received and Smile ID's own record differ",
    "unconfirmed": "Waiting for Smile ID",
    "second_final": "Needs review — Smile ID sent another final result: first Rejected, now Approved",
    "callback_first": APPROVED,
}
"""What stands in the thread on the page in the end, by story."""
BEFORE_PEOPLE_SPEAK = {"second_final": "Rejected"}
"""What stands there before. The bot compares each result with Smile ID's record: sent while the first is on its way,
the second would contradict it."""


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
                while told not in (words := await thread(root)):
                    if BEFORE_PEOPLE_SPEAK.get(story, "") in words:
                        it.demo.smile_id.let_people_speak(for_good=False)
                    if story == "silent":
                        # No callback comes: the bot asks when it is time to.
                        await it.demo._passage.by(timedelta(minutes=1))
                        # A busy machine asks slower than minutes pass here, and would ask the same again and again.
                        await it.demo._passage.rest()
                    await asyncio.sleep(0.1)


ASKED = "Choose Send anyway, Other photos or Cancel. Nothing has been charged. [Send anyway] [Other photos] [Cancel]"
REFUSED = "Nothing was sent to Smile ID and nothing was charged."
DROPPED = {
    "Amara Sample": APPROVED,
    "Too dark": f"The selfie is very dark. Smile ID may not be able to use it. {ASKED}",
    "Blurred": f"The selfie looks blurred. Smile ID may not be able to use it. {ASKED}",
    "Too small": f"The selfie is very small. Smile ID may not be able to use it. {ASKED}",
    "Lying on its side": APPROVED,
    "A PNG": APPROVED,
    "A GIF by the name of JPEG": f"{REFUSED} Selfie: By its content, whatever its name says, this is a GIF.",
    "Half a photo": f"{REFUSED} Selfie: The file is damaged or incomplete.",
    "No photo at all": f"{REFUSED} Selfie: The file is not a JPEG or PNG photo.",
}
"""What the bot says of a tile that is dropped into a direct message with its words, by title."""
SIX_AND_FOUR = "10 rows: 6 ready, 4 with faults."
IN_A_CHANNEL = {
    "A zip": SIX_AND_FOUR,
    "A table as CSV, and its photos": SIX_AND_FOUR,
    "A table as Excel, alone": "No photos came with it. Their customers can take them, by link: 7 ready.",
}


async def test_every_file_to_drop_is_answered_as_its_tile_promises() -> None:
    tiles = {tile.title: tile for shelf in dropping.SHELVES.values() for tile in shelf}
    assert set(DROPPED) == {tile.title for tile in dropping.SHELVES["Photos that are not good"]} | {"Amara Sample"}
    assert set(IN_A_CHANNEL) == {tile.title for tile in dropping.SHELVES["Many at once"]}
    async with played() as it:
        slack = it.demo.slack
        amina = slack.person(ANALYST)

        async def drop(title: str, channel: str, words: str) -> Message:
            files = [await amina.upload(dropping.content(name), name) for name in tiles[title].files]
            return await amina.say(channel, words, files=files)

        def answers(channel: str, after: Message) -> list[Message]:
            return [message for message in slack.messages(channel) if message.ts > after.ts]

        def is_answered(channel: str, after: Message, told: str) -> bool:
            return any(told in " ".join(it.plain(message).split()) for message in answers(channel, after))

        def is_read_back(channel: str, after: Message) -> bool:
            return any(ids.SEND_MESSAGE in str(message.blocks) for message in answers(channel, after))

        for title, told in IN_A_CHANNEL.items():
            said = await drop(title, CHANNEL, f"<@{BOT_USER_ID}>")
            await slack.wait_for(partial(is_answered, CHANNEL, said, told), GIVE_UP_SECONDS)
        for title, told in DROPPED.items():
            said = await drop(title, amina.direct_channel_id, tiles[title].words)
            direct = amina.direct_channel_id
            await slack.wait_for(partial(is_read_back, direct, said), GIVE_UP_SECONDS)
            (question,) = [m for m in answers(direct, said) if ids.SEND_MESSAGE in str(m.blocks)]
            await amina.click(question, ids.SEND_MESSAGE)
            await slack.wait_for(partial(is_answered, direct, said, told), GIVE_UP_SECONDS)
