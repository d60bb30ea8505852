"""`kyc-bot demo`: the page, both stand-ins and the bot put together, begun anew at every reset, until Ctrl-C."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bot.sandbox.demo.bot_process import GIVE_UP_SECONDS, KYC_BOT, DemoFailed, free_port, settings_for
from bot.sandbox.demo.clock import ClockFile
from bot.sandbox.demo.history import History, Progress
from bot.sandbox.demo.leash import on_a_leash
from bot.sandbox.demo.passage import Passage, until_next
from bot.sandbox.demo.people import COMPANY, MUSA, ROLES, SETTINGS, SUMMARY_TIME, ZONE, move_in
from bot.sandbox.demo.sample_face import PRIVACY
from bot.sandbox.demo.supervisor import Supervisor, clocked_bot
from bot.sandbox.demo.timeline import begins
from bot.sandbox.desk import DeskPanel, Ran
from bot.sandbox.page.app import Desk
from bot.sandbox.page.serving import serve_page
from bot.sandbox.slack import ClientRefuses, SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from bot.sandbox.smile_id.playing import Pace

QUICK = Pace(callback_delay_seconds=0.02, review_delay_seconds=7 * 86_400)
"""While history is played nobody waits for Smile ID's machine, and its people speak when history lets them."""
WATCHABLE = Pace(callback_delay_seconds=2.0, review_delay_seconds=20.0)
"""So that one sees what a check looks like before its result comes."""
COMMAND_SECONDS = 60.0
"""How long a command beside the bot may take."""
_IN_A_MOMENT_SECONDS = 0.2
PEOPLE_WAIT_SECONDS = 10.0
"""How long a click of somebody who looks on waits for the bot: Slack gives it three, a laptop may be busy."""
"""The answer to a click on *Reset* leaves before the page does."""

DeskMaker = Callable[["Demo"], Desk | None]


class Demo:
    """One workspace with its bot, from its beginning to its reset. The desk looks at it, moves it and breaks it."""

    def __init__(
        self,
        folder: Path,
        slack: SlackSandbox,
        smile_id: SmileIDSandbox,
        *,
        clock: ClockFile,
        environment: dict[str, str],
        with_history: bool,
    ) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.database = Path(environment["KYC_DATABASE"])
        self.admin_url = f"http://127.0.0.1:{environment['KYC_ADMIN_PORT']}"
        self.public_url = environment["KYC_PUBLIC_URL"]
        self.bot = Supervisor(clocked_bot(clock.path), environment)
        self._preparing = "Starting the bot."
        self.reset_is_wanted = asyncio.Event()
        self.admin = MUSA
        self._folder = folder
        self._environment = environment
        self._passage = Passage(clock, self.bot, admin_url=self.admin_url)
        self._with_history = with_history
        self._watching: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start the bot and let it live through what happened before the page was opened. Raises DemoFailed."""
        self._watching = asyncio.create_task(self._pass_on_news())
        await self.bot.start()
        history = History(self.slack, self.smile_id, self._passage, zone=ZONE, on_progress=self._tell)
        try:
            await self.slack.wait_for(lambda: self.slack.socket_count == 1, GIVE_UP_SECONDS)
            if self._with_history:
                await history.play(datetime.now(UTC))
            else:
                self._tell(Progress(total=1))
                await history.play_one_check()
        except (DemoFailed, ClientRefuses, TimeoutError) as fault:
            raise DemoFailed("\n".join([str(fault), "The bot's last words:", *list(self.bot.log)[-5:]])) from fault
        self.smile_id.pace.callback_delay_seconds = WATCHABLE.callback_delay_seconds
        self.smile_id.pace.review_delay_seconds = WATCHABLE.review_delay_seconds
        # A bot that is killed with a click in its hands never answers it.
        self.slack.answer_seconds = PEOPLE_WAIT_SECONDS
        self._say_preparing("")

    async def end(self) -> None:
        await self.bot.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def run(self, *arguments: str) -> Ran:
        """`kyc-bot …` with the bot's own settings. Raises TimeoutError, and leaves no process then."""
        process = await asyncio.create_subprocess_exec(
            *on_a_leash([*KYC_BOT, *arguments]),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Ran(code=process.returncode or 0, said=said.decode(errors="replace").strip())

    async def rest(self) -> bool:
        """Return once the bot has nothing left to do or to say for now; False where it takes too long."""
        try:
            await self._passage.rest()
        except DemoFailed:
            return False
        return True

    async def tonight(self) -> str:
        """Let time pass until the next summary is due; says in words what it is now."""
        passed = until_next(SUMMARY_TIME, ZONE, self.slack.world.clock())
        await self._passage.by(passed)
        now = self.slack.world.clock().astimezone(ZONE)
        return f"It is {now:%A %H:%M} now, {_spoken(passed)} later: the day's summary is posted in #kyc-summary."

    async def reset(self) -> str:
        """Begin anew, with a new database and workspace at the same address; says so."""
        asyncio.get_running_loop().call_later(_IN_A_MOMENT_SECONDS, self.reset_is_wanted.set)
        return "Everything begins anew; the page comes back in a moment."

    def what_is_prepared(self) -> str:
        """In words; empty once people can act."""
        return self._preparing

    def _tell(self, progress: Progress) -> None:
        what = "yesterday's checks" if self._with_history else "a first check"
        self._say_preparing(f"Preparing {what}: {progress.done} of {progress.total}")

    def _say_preparing(self, words: str) -> None:
        self._preparing = words
        self.slack.world.changes.tell()

    async def _pass_on_news(self) -> None:
        """Whoever looks at the workspace hears when the bot's process dies, comes back, or writes to its log."""
        seen = self.bot.changes.count
        while True:
            seen = await self.bot.changes.after(seen)
            self.slack.world.changes.tell()


@asynccontextmanager
async def open_demo(*, story: str = "approved", with_history: bool = True) -> AsyncIterator[Demo]:
    """Both stand-ins, furnished and listening; the bot runs from `begin` on. All is gone at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kyc-bot-demo-")))
        clock, now = ClockFile(folder / "clock"), datetime.now(UTC)
        clock.set(begins(now, ZONE) - now if with_history else timedelta(0))
        # However slow the machine is: what Slack gives three seconds for has until the demo gives up.
        slack = SlackSandbox(clock=clock.now, trigger_seconds=GIVE_UP_SECONDS, answer_seconds=GIVE_UP_SECONDS)
        move_in(slack)
        smile_id = SmileIDSandbox(
            partner_id="0421",
            api_key="sandbox-api-key",
            story=story,
            callback_delay_seconds=QUICK.callback_delay_seconds,
            review_delay_seconds=QUICK.review_delay_seconds,
            clock=clock.now,
        )
        for stand_in in (slack, smile_id):
            stack.push_async_callback(stand_in.stop)
            await stand_in.start()
        environment = settings_for(slack, smile_id, database=folder / "demo.db")
        environment |= SETTINGS | {
            "KYC_ADMIN_PORT": str(free_port()),
            "KYC_COMPANY_NAME": COMPANY,
            "KYC_PRIVACY_URL": f"{environment['KYC_PUBLIC_URL']}/c/{PRIVACY}",
        }
        demo = Demo(folder, slack, smile_id, clock=clock, environment=environment, with_history=with_history)
        stack.push_async_callback(demo.end)
        yield demo


async def run(
    *,
    story: str = "approved",
    port: int = 0,
    with_history: bool = True,
    say: Callable[[str], None] = print,
    desk: DeskMaker = lambda demo: DeskPanel(demo.slack, demo.smile_id, demo),
) -> None:
    """Serve the workspace until cancelled or told to stop by SIGTERM, or by SIGHUP: its terminal was closed.

    Raises DemoFailed when the bot does not start or its history fails, OSError for a port that is taken.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    address = ""
    while not stopped.is_set():
        async with open_demo(story=story, with_history=with_history) as demo:
            page = serve_page(
                demo.slack,
                desk=desk(demo),
                port=port,
                roles=ROLES,
                preparing=demo.what_is_prepared,
                public_url=demo.public_url,
            )
            async with page as here:
                if not address:
                    address, port = here, urlsplit(here).port or 0
                    say(f"kyc-bot's workspace: {address}")
                    say("Invented people, nothing leaves this computer. Everything stays up until Ctrl-C.")
                await _live(demo, stopped)


async def _live(demo: Demo, stopped: asyncio.Event) -> None:
    """Until a reset or the end; raises what the beginning of the demo fails with."""
    beginning = asyncio.create_task(demo.begin())
    ends = [asyncio.create_task(event.wait()) for event in (demo.reset_is_wanted, stopped)]
    try:
        await asyncio.wait([beginning, *ends], return_when=asyncio.FIRST_COMPLETED)
        if beginning.done():
            await beginning
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (beginning, *ends):
            task.cancel()
        with contextlib.suppress(DemoFailed):
            await asyncio.gather(beginning, *ends, return_exceptions=True)


def _spoken(passed: timedelta) -> str:
    hours, minutes = divmod(round(passed.total_seconds() / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


__all__ = ["Demo", "DemoFailed", "open_demo", "run"]
