"""Plays a job's story: waits, puts messages on record, sends them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from .callbacks import Postman
from .messages import Template
from .records import SandboxJob
from .register import Register
from .stories import Story
from .writing import write


@dataclass(slots=True, kw_only=True)
class Pace:
    """How long Smile ID takes; a change counts for whatever begins to wait then."""

    callback_delay_seconds: float
    """From the zip to the machine's messages."""
    review_delay_seconds: float
    """From these to what people say."""


class Player:
    """Keeps the stories that are under way."""

    def __init__(
        self,
        register: Register,
        postman: Postman,
        *,
        pace: Pace,
        changed: Callable[[], None],
    ) -> None:
        self._register = register
        self._postman = postman
        self._pace = pace
        self._changed = changed
        self._people_spoke = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def play(self, job: SandboxJob, story: Story) -> None:
        """Begin the story; returns at once, or after the machine's messages if they come before the answer."""
        if story.before_put_is_answered:
            await self._machine(job, story)
        task = asyncio.create_task(self._go_on(job, story))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def let_people_speak(self, *, for_good: bool) -> None:
        """Reviews that are under way end now, and `for_good` those to come end at once."""
        self._people_spoke.set()
        if not for_good:
            self._people_spoke = asyncio.Event()

    async def stop(self) -> None:
        """Give up all stories where they stand."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _go_on(self, job: SandboxJob, story: Story) -> None:
        people_spoke = self._people_spoke
        if not story.before_put_is_answered:
            await asyncio.sleep(self._pace.callback_delay_seconds)
            await self._machine(job, story)
        if story.review:
            with suppress(TimeoutError):
                await asyncio.wait_for(people_spoke.wait(), self._pace.review_delay_seconds)
            self._register.record(job, write(story.review, job))
            await self._send(job, story, story.review)

    async def _machine(self, job: SandboxJob, story: Story) -> None:
        job.processed = True
        self._register.record(job, write(story.recorded, job))
        await self._send(job, story, story.machine)

    async def _send(self, job: SandboxJob, story: Story, templates: tuple[Template, ...]) -> None:
        self._changed()
        if job.callback_url:
            await self._postman.deliver(job.job_id, job.callback_url, story.sendings(write(templates, job)))
