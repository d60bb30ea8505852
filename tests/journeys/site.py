"""A site where the bot is installed: its process, which comes and goes, and the stand-ins around it."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from bot.runtime.clock import utc_now
from bot.sandbox.demo import ANALYST, CHANNEL, KYC_BOT, free_port, settings_for, start_bot, stop_bot
from bot.sandbox.slack import Modal, SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.world import PHOTOS, patient_slack
from tests.patience import GIVE_UP_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run of the command line that came to its end."""

    code: int
    out: str
    err: str


class Site:
    """One database, one environment, both stand-ins; the process is started and ended by the test."""

    def __init__(
        self, slack: SlackSandbox, smile_id: SmileIDSandbox, folder: Path, environment: dict[str, str]
    ) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.folder = folder
        self.environment = environment
        self.command: Sequence[str] = KYC_BOT
        """What is started as `kyc-bot`."""
        self.process: asyncio.subprocess.Process | None = None

    @property
    def database(self) -> Path:
        return Path(self.environment["KYC_DATABASE"])

    @property
    def public(self) -> str:
        return f"http://127.0.0.1:{self.environment['KYC_PORT']}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.environment['KYC_ADMIN_PORT']}"

    async def start(self) -> None:
        """`kyc-bot serve`, until it listens."""
        with (self.folder / "bot.log").open("ab") as log:
            self.process = await start_bot(self.environment, log=log.fileno(), command=self.command)

    async def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        return await stop_bot(self.process, patience_seconds=GIVE_UP_SECONDS)

    async def kill(self) -> None:
        """SIGKILL, and really dead when this returns."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    async def form(self) -> Modal:
        """The form, filled in with the least that a check needs."""
        amina = self.slack.person(ANALYST)
        assert (await amina.command("")).ok
        modal = await amina.modal()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", "00000000000")
        await modal.attach("selfie", await amina.upload((PHOTOS / "selfie.jpg").read_bytes(), "selfie.jpg"))
        await modal.choose("consent", ["consented"])
        return modal

    async def ask(self) -> None:
        submission = await (await self.form()).submit()
        assert submission.closed, submission

    def replies(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts not in (None, m.ts)]

    def roots(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts in (None, m.ts)]

    async def wait_for(self, condition: Callable[[], bool], timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        await self.slack.wait_for(condition, timeout_seconds)

    async def wait_for_the_end(self, timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        """Until every check has ended and nothing more is to be said."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                if await asyncio.to_thread(self._is_at_rest):
                    return
                await asyncio.sleep(0.1)

    async def wait_for_posts(self, timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        """Until nothing more is to be said for now."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                if not await asyncio.to_thread(self._posts_waiting):
                    return
                await asyncio.sleep(0.1)

    async def wait_for_asks(self, timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        """Until no job is due to be asked for within a minute."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                if not await asyncio.to_thread(self._is_one_asked_for):
                    return
                await asyncio.sleep(0.25)

    def _is_one_asked_for(self) -> bool:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=GIVE_UP_SECONDS)) as db:
            due = "SELECT 1 FROM attempts WHERE ask_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+60 seconds') LIMIT 1"
            return db.execute(due).fetchone() is not None

    def _posts_waiting(self) -> int:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=GIVE_UP_SECONDS)) as db:
            # One message for all that somebody is to delete waits for more of it.
            waiting = "SELECT COUNT(*) FROM posts WHERE state = 'due' AND kind <> 'deletion_asked'"
            return int(db.execute(waiting).fetchone()[0])

    def _is_at_rest(self) -> bool:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=GIVE_UP_SECONDS)) as db:
            open_checks, waiting, checks = db.execute(
                """
                SELECT (SELECT COUNT(*) FROM verifications WHERE ended_at IS NULL),
                       (SELECT COUNT(*) FROM posts WHERE state = 'due'), (SELECT COUNT(*) FROM verifications)
                """
            ).fetchone()
        return bool(checks > 0 and open_checks == waiting == 0)


@asynccontextmanager
async def site(
    *,
    socket_mode: bool = True,
    public: bool = True,
    story: str = "approved",
    start: bool = True,
    pace: float = 10,
    review_seconds: float = 1.0,
    **settings: str,
) -> AsyncIterator[Site]:
    """Both stand-ins up, and the bot too unless told otherwise; all is gone at the end.

    `pace` is the bot's own, in posts per second and channel; Slack's stand-in takes twice as many.
    People at Smile ID take `review_seconds`, or until the test lets them speak.
    """
    slack = patient_slack(utc_now, posts_per_second=2 * pace)
    smile_id = SmileIDSandbox(
        partner_id="0421",
        api_key="sandbox-api-key",
        story=story,
        callback_delay_seconds=0.1,
        review_delay_seconds=review_seconds,
    )
    await slack.start()
    await smile_id.start()
    found: Site | None = None
    try:
        with tempfile.TemporaryDirectory() as folder:
            environment = settings_for(
                slack,
                smile_id,
                database=Path(folder) / "kyc.db",
                socket_mode=socket_mode,
                public=public,
                **{"KYC_SLACK_POSTS_PER_SECOND": f"{pace:g}", "KYC_ADMIN_PORT": str(free_port()), **settings},
            )
            found = Site(slack, smile_id, Path(folder), environment)
            try:
                if start:
                    await found.start()
                    if socket_mode:
                        await slack.wait_for(lambda: slack.socket_count == 1)
                yield found
            finally:
                await found.kill()
    finally:
        await smile_id.stop()
        await slack.stop()


async def kyc_bot(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = GIVE_UP_SECONDS,
    command: Sequence[str] = KYC_BOT,
) -> Ended:
    """Run the command line to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        env=dict(bare() if environment is None else environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


def bare() -> dict[str, str]:
    """This process's environment without any setting of the bot."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("KYC_", "SLACK_", "SMILE_"))}
