"""A bot by the demo's clock between both stand-ins, kept by the demo's supervisor."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from bot.sandbox.demo import ANALYST, CHANNEL, free_port, settings_for
from bot.sandbox.demo.clock import ClockFile
from bot.sandbox.demo.supervisor import Supervisor, clocked_bot
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.world import PHOTOS
from tests.patience import GIVE_UP_SECONDS

SUMMARIES = "C0KYCSUM001"


class Clocked:
    def __init__(
        self, slack: SlackSandbox, smile_id: SmileIDSandbox, clock: ClockFile, bot: Supervisor, admin: str
    ) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.clock = clock
        self.bot = bot
        self.admin = admin

    async def pass_time(self, **by: float) -> None:
        offset = self.clock.offset + timedelta(**by)
        self.clock.set(offset)
        await self.bot.follows(offset)

    async def ask(self) -> None:
        """A check, with the least that it needs."""
        amina = self.slack.person(ANALYST)
        assert (await amina.command("")).ok
        modal = await amina.modal()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", "00000000000")
        await modal.attach("selfie", await amina.upload((PHOTOS / "selfie.jpg").read_bytes(), "selfie.jpg"))
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed

    def replies(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts not in (None, m.ts)]

    def summaries(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(SUMMARIES) if m.thread_ts in (None, m.ts)]

    def asked_of_smile_id(self, call: str) -> int:
        return sum(request.call == call for request in self.smile_id.requests)


@asynccontextmanager
async def clocked(*, story: str = "approved", **settings: str) -> AsyncIterator[Clocked]:
    """All are up; the clock shows the machine's time."""
    with tempfile.TemporaryDirectory() as folder:
        clock = ClockFile(Path(folder) / "clock")
        slack = SlackSandbox(clock=clock.now, trigger_seconds=GIVE_UP_SECONDS, answer_seconds=GIVE_UP_SECONDS)
        slack.add_channel(SUMMARIES, "kyc-summary", members=("U0MUSA00001",))
        smile_id = SmileIDSandbox(
            partner_id="0421", api_key="sandbox-api-key", story=story, callback_delay_seconds=0.1, clock=clock.now
        )
        await slack.start()
        await smile_id.start()
        admin = free_port()
        environment = settings_for(slack, smile_id, database=Path(folder) / "kyc.db")
        environment |= {"KYC_SLACK_POSTS_PER_SECOND": "100", "KYC_ADMIN_PORT": str(admin)} | settings
        bot = Supervisor(clocked_bot(clock.path), environment, restart_after_seconds=0.1)
        try:
            await bot.start()
            await slack.wait_for(lambda: slack.socket_count == 1)
            yield Clocked(slack, smile_id, clock, bot, f"http://127.0.0.1:{admin}")
        finally:
            await bot.stop()
            await smile_id.stop()
            await slack.stop()
