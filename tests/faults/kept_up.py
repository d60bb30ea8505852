"""A bot whose process is started again whenever it dies, and a person who tries until the form is taken."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from bot.sandbox.demo import ANALYST
from bot.sandbox.slack import ClientRefuses, Modal, SlackSandbox
from tests.faults.counts import Counts, count
from tests.journeys.site import Site, site
from tests.journeys.world import PHOTOS
from tests.patience import GIVE_UP_SECONDS

MOST_STARTS = 120
Wrap = Callable[[int], Sequence[str]]
"""What the n-th start of the process, from 0 on, is run under."""


class KeptUp:
    """Starts the bot as a supervisor would, at once and always; `kill` ends it with SIGKILL."""

    def __init__(self, world: Site, wrap: Wrap) -> None:
        self.world = world
        self.kills = 0
        self.starts = 0
        self.asked = 0
        self.up = asyncio.Event()
        self._wrap = wrap
        self._over = False
        self._forms = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._keeping = asyncio.create_task(self.keep())

    async def keep(self) -> None:
        while not self._over and self.starts < MOST_STARTS:
            command = [*self._wrap(self.starts), sys.executable, "-m", "bot", "serve"]
            self.starts += 1
            with (self.world.folder / "bot.log").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env=self.world.environment,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log.fileno(),
                    start_new_session=True,
                )
            self.world.process = process
            assert process.stdout is not None
            if b"listens" in await process.stdout.readline():
                self.up.set()
            await process.wait()
            self.up.clear()
            if process.returncode != -signal.SIGKILL:
                # It ended by itself, for instance because its port is still taken.
                await asyncio.sleep(0.2)

    async def kill(self) -> None:
        """SIGKILL, and really dead when this returns."""
        self.kills += 1
        await self._end()

    async def _end(self) -> None:
        self.up.clear()
        process = self.world.process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def close(self) -> None:
        self._over = True
        while self._keeping is not None and not self._keeping.done():
            await self._end()
            await asyncio.wait([self._keeping], timeout=0.2)
        if self._keeping is not None:
            await self._keeping

    async def ask(self) -> None:
        """One check. Whatever breaks meanwhile, the person opens the form anew, or sends it again."""
        async with self._forms, asyncio.timeout(GIVE_UP_SECONDS):
            modal: Modal | None = None
            while modal is None:
                await self.up.wait()
                modal = await filled_form(self.world.slack)
            while not (await modal.submit()).closed:
                await asyncio.sleep(0.1)
                await self.up.wait()
            self.asked += 1

    async def end(self, seconds: float = 3 * GIVE_UP_SECONDS) -> Counts:
        """Wait until everything asked for has been told, and nothing more is to be said; then count."""
        late = False
        try:
            async with asyncio.timeout(seconds):
                await self.world.wait_for(lambda: len(self.world.replies()) >= self.asked, seconds)
                await self.up.wait()
                await self.world.wait_for_the_end(seconds)
        except TimeoutError:
            late = True
        counts = count(self.world.slack, self.world.smile_id, asked=self.asked, faults=self.kills)
        if late:
            counts.details.append(f"not at rest after {seconds:g} s, {self.starts} starts")
        return counts


async def filled_form(slack: SlackSandbox) -> Modal | None:
    """The form with the least that a check needs; None where the bot did not play along."""
    amina = slack.person(ANALYST)
    with suppress(TimeoutError):
        await (await amina.modal(timeout_seconds=0.01)).close(all_views=True)
    await amina.command("")
    try:
        modal = await amina.modal(timeout_seconds=1)
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", "00000000000")
        selfie = await asyncio.to_thread((PHOTOS / "selfie.jpg").read_bytes)
        await modal.attach("selfie", await amina.upload(selfie, "selfie.jpg"))
        await modal.choose("consent", ["consented"])
    except (TimeoutError, ClientRefuses):
        await asyncio.sleep(0.1)
        return None
    return modal


@asynccontextmanager
async def kept_up(
    *,
    wrap: Wrap = lambda _start: (),
    prepare: Callable[[KeptUp], None] = lambda _bot: None,
    posts_per_second: float = 10,
    managers: str = "",
    story: str = "approved",
    start: bool = True,
    **settings: Any,
) -> AsyncIterator[KeptUp]:
    """Both stand-ins and a bot that comes back. `prepare` sees it before the first start, which the test may make."""
    async with site(
        socket_mode=False,
        start=False,
        story=story,
        KYC_SLACK_POSTS_PER_SECOND=str(posts_per_second),
        # Smile ID gives up calling a bot that is dead at each of its tries.
        KYC_POLL_AFTER="20s",
        KYC_MANAGERS=managers,
        **settings,
    ) as world:
        bot = KeptUp(world, wrap)
        prepare(bot)
        if start:
            bot.begin()
        try:
            yield bot
        finally:
            await bot.close()
