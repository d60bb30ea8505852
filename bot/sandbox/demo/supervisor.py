"""Keeps the demo's bot running as a service manager would: starts it, starts it again when it dies, keeps its log."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from bot.sandbox.demo.bot_process import GIVE_UP_SECONDS, DemoFailed, stop_bot
from bot.sandbox.demo.clock import FOLLOWS
from bot.sandbox.demo.leash import on_a_leash
from bot.sandbox.slack.changes import Changes

LOG_LINES = 200
_LISTENS = "listens"
_LONGEST_LINE_BYTES = 1024 * 1024


def clocked_bot(clock_file: Path) -> tuple[str, ...]:
    """The command that starts a bot by the demo's clock."""
    return (sys.executable, "-m", "bot.sandbox.demo.clocked_bot", str(clock_file))


class BotState(StrEnum):
    """What the bot's process does."""

    STARTING = "starting"
    RUNNING = "running"
    COMING_BACK = "coming back"
    """It died, and is started again."""
    FAILING = "not able to start"
    """It came back and ended before it served; that is tried again, and its log says why it fails."""
    DOWN = "down"
    """It was stopped, or does not start."""


class Supervisor:
    """One bot, as a child process: `await start()`, and it runs until `stop`."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, restart_after_seconds: float = 1.0
    ) -> None:
        """`command` prints a line with *listens* once it serves."""
        self.state = BotState.DOWN
        self.kills = 0
        """How often `kill` ended it."""
        self.deaths = 0
        """How often it ended without having been stopped; kills are among them."""
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        """The newest lines that it wrote, those of its predecessors too."""
        self.changes = Changes()
        self._command = tuple(command)
        self._environment = dict(environment)
        self._restart_after_seconds = restart_after_seconds
        self._process: Process | None = None
        self._followed: float | None = None
        """The offset that the bot has come to, in seconds."""
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        """Returns once the bot serves. Raises DemoFailed with the end of its log when it ends or takes longer."""
        self._keeping = asyncio.create_task(self._keep())
        self._enter(BotState.STARTING)
        with contextlib.suppress(TimeoutError):
            await self.changes.until(lambda: self.state in (BotState.RUNNING, BotState.DOWN), timeout_seconds)
        if self.state is not BotState.RUNNING:
            raise DemoFailed("\n".join(["the bot did not start:", *list(self.log)[-5:]]))

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not stop within its promise. Harmless when it does not run."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None

    async def kill(self) -> None:
        """SIGKILL; the process is gone when this returns, and comes back by itself."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.kills += 1
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self._enter(BotState.COMING_BACK)

    async def is_running(self, timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        """Return once the bot serves; raises TimeoutError."""
        await self.changes.until(lambda: self.state is BotState.RUNNING, timeout_seconds)

    async def follows(self, offset: timedelta, timeout_seconds: float = GIVE_UP_SECONDS) -> None:
        """Return once the bot's clock has come to the offset; one that starts reads it then. Raises TimeoutError."""

        def has_followed() -> bool:
            if self.state is not BotState.RUNNING:
                return True
            return self._followed is not None and self._followed >= offset.total_seconds()

        await self.changes.until(has_followed, timeout_seconds)

    async def _keep(self) -> None:
        try:
            while True:
                served = await self._run_once()
                if not served and self.state is BotState.STARTING:
                    return
                self.deaths += 1
                self._enter(BotState.COMING_BACK if served else BotState.FAILING)
                await asyncio.sleep(self._restart_after_seconds)
        finally:
            self._enter(BotState.DOWN)

    async def _run_once(self) -> bool:
        """From its start to its end; tells whether it ever served."""
        process = await asyncio.create_subprocess_exec(
            *on_a_leash(self._command),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE_BYTES,
        )
        self._process, self._followed = process, None
        assert process.stdout is not None
        served = False
        try:
            async for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                if line.startswith(FOLLOWS):
                    self._followed = float(line.removeprefix(FOLLOWS))
                    self.changes.tell()
                    continue
                self.log.append(line)
                if _LISTENS in line and not served:
                    served = True
                    self._enter(BotState.RUNNING)
                self.changes.tell()
            await process.wait()
        finally:
            await stop_bot(process)
        return served

    def _enter(self, state: BotState) -> None:
        self.state = state
        self.changes.tell()
