"""A bot by the demo's clock between both stand-ins, kept by the demo's supervisor."""

import asyncio
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

from bot.sandbox.demo import ANALYST, CHANNEL, free_port, settings_for
from bot.sandbox.demo.clock import ClockFile
from bot.sandbox.demo.passage import Passage
from bot.sandbox.demo.people import SETTINGS, SUMMARIES, move_in
from bot.sandbox.demo.supervisor import Supervisor, clocked_bot
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.world import PHOTOS
from tests.patience import GIVE_UP_SECONDS


def summaries_of_days(slack: SlackSandbox) -> list[str]:
    """As they were posted, without those of a week or a month, which some nights bring, too."""
    posted = [slack.plain(m) for m in slack.messages(SUMMARIES) if m.thread_ts in (None, m.ts)]
    return [words for words in posted if re.match(r"KYC, \w+day ", words)]


async def ask(slack: SlackSandbox) -> None:
    """A check by the analyst, with the least that it needs."""
    amina = slack.person(ANALYST)
    assert (await amina.command("")).ok
    modal = await amina.modal()
    await modal.choose("country", "NG")
    await modal.choose("id_type", "BVN")
    await modal.fill("id_number", "00000000000")
    await modal.attach("selfie", await amina.upload((PHOTOS / "selfie.jpg").read_bytes(), "selfie.jpg"))
    await modal.choose("consent", ["consented"])
    assert (await modal.submit()).closed


LEASED = """
    SELECT EXISTS (SELECT 1 FROM verifications WHERE leased_until IS NOT NULL)
        OR EXISTS (SELECT 1 FROM attempts WHERE leased_until IS NOT NULL)
        OR EXISTS (SELECT 1 FROM posts WHERE leased_until IS NOT NULL)
"""
"""Whether the bot is working on something right now."""


class Clocked:
    def __init__(
        self,
        slack: SlackSandbox,
        smile_id: SmileIDSandbox,
        clock: ClockFile,
        bot: Supervisor,
        *,
        admin: str,
        database: Path,
    ) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.clock = clock
        self.bot = bot
        self.admin = admin
        self.passage = Passage(clock, bot, admin_url=admin)
        self._database = database

    async def pass_time(self, **by: float) -> None:
        """Once nothing is under way: what hours pass over in the middle is asked again, as after a lost answer."""
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while self._is_working():  # noqa: ASYNC110 - another process, which tells nobody
                await asyncio.sleep(0.02)
        await self.passage.by(timedelta(**by))

    def _is_working(self) -> bool:
        with closing(sqlite3.connect(self._database)) as file:
            (works,) = file.execute(LEASED).fetchone()
        return bool(works)

    async def ask(self) -> None:
        await ask(self.slack)

    def request(self) -> str:
        """The first message of the channel, "" before it is there."""
        return next((self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts in (None, m.ts)), "")

    def replies(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts not in (None, m.ts)]

    def summaries(self) -> list[str]:
        return summaries_of_days(self.slack)

    def asked_of_smile_id(self, call: str) -> int:
        return sum(request.call == call for request in self.smile_id.requests)

    def asked_of_jobs(self) -> int:
        """How often the bot asked where a job is; at its start it asks for one that nobody has, to prove its key."""
        return sum(
            request.call == "job_status" and (request.body or {}).get("job_id") in self.smile_id.jobs
            for request in self.smile_id.requests
        )


@asynccontextmanager
async def clocked(
    *, story: str = "approved", offset: timedelta = timedelta(0), review_seconds: float = 1.0, **settings: str
) -> AsyncIterator[Clocked]:
    """All are up, the demo's people too; the clock shows the machine's time and the offset."""
    with tempfile.TemporaryDirectory() as folder:
        clock = ClockFile(Path(folder) / "clock")
        clock.set(offset)
        slack = SlackSandbox(clock=clock.now, trigger_seconds=GIVE_UP_SECONDS, answer_seconds=GIVE_UP_SECONDS)
        move_in(slack)
        smile_id = SmileIDSandbox(
            partner_id="0421",
            api_key="sandbox-api-key",
            story=story,
            callback_delay_seconds=0.05,
            review_delay_seconds=review_seconds,
            clock=clock.now,
        )
        await slack.start()
        await smile_id.start()
        admin = free_port()
        environment = settings_for(slack, smile_id, database=Path(folder) / "kyc.db")
        environment |= SETTINGS | {"KYC_ADMIN_PORT": str(admin)} | settings
        bot = Supervisor(clocked_bot(clock.path), environment, restart_after_seconds=0.1)
        try:
            await bot.start()
            await slack.wait_for(lambda: slack.socket_count == 1)
            yield Clocked(
                slack, smile_id, clock, bot, admin=f"http://127.0.0.1:{admin}", database=Path(folder) / "kyc.db"
            )
        finally:
            await bot.stop()
            await smile_id.stop()
            await slack.stop()
