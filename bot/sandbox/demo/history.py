"""Plays the demo's history through the real bot: people ask, click and decide, and time goes on between."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import assert_never
from zoneinfo import ZoneInfo

from bot.sandbox.demo.bot_process import DemoFailed
from bot.sandbox.demo.papers import blurred, photo, row, table, zipped
from bot.sandbox.demo.passage import Passage
from bot.sandbox.demo.people import REQUESTS, REVIEWS, SUMMARIES, Applicant, applicants
from bot.sandbox.demo.timeline import (
    TODAY,
    YESTERDAY,
    Ask,
    Batch,
    Cancel,
    Claim,
    Command,
    Decide,
    Ending,
    OpenHome,
    SmileIDDecides,
    Step,
    Way,
    checks,
    fitted,
    on_day,
)
from bot.sandbox.slack import Message, Person, SlackSandbox
from bot.sandbox.slack.world import BOT_USER_ID
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids

SEED = 12
PATIENCE_SECONDS = 60.0
"""How long is waited for what the bot must say."""
TOGETHER = timedelta(minutes=5)
"""Checks that follow each other so closely are under way at the same time."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far history is."""

    total: int = field(default_factory=lambda: checks(YESTERDAY) + checks(TODAY))
    done: int = 0
    """Checks that have come to where history leaves them."""


class History:
    """Yesterday and today, between these stand-ins. The clock must show yesterday morning (`timeline.begins`)."""

    def __init__(
        self,
        slack: SlackSandbox,
        smile_id: SmileIDSandbox,
        passage: Passage,
        *,
        zone: ZoneInfo,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._slack = slack
        self._smile_id = smile_id
        self._passage = passage
        self._zone = zone
        self._on_progress = on_progress
        self._patience_seconds = patience_seconds
        self._progress = Progress()
        self._applicants = applicants(SEED)
        self._rng = random.Random(SEED)  # noqa: S311 - seconds of invented acts
        self._roots: dict[str, Message] = {}
        """By key of a check: the bot's own message that opens its thread."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._latest = datetime.now(UTC)
        """No step of the day that is played goes beyond this."""

    async def play(self, now: datetime) -> None:
        """All of it, up to `now`. Raises DemoFailed where the bot does not say what history has it say."""
        self._on_progress(self._progress)
        midnight = datetime.combine(now.astimezone(self._zone).date(), time(0), self._zone)
        try:
            yesterday = midnight - timedelta(days=1)
            self._latest = min(midnight, now)
            await self._play_day(YESTERDAY, [on_day(step.at, yesterday) for step in YESTERDAY])
            self._latest = now
            await self._go_to(midnight + timedelta(seconds=1))
            await self._until(lambda: bool(self._slack.messages(SUMMARIES)), "yesterday's summary was not posted")
            await self._passage.rest()
            await self._play_day(TODAY, [fitted(step.at, midnight, now) for step in TODAY])
            await self._passage.to_the_present()
            await self._passage.rest()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def play_one_check(self) -> None:
        """The last check of today alone, now. Raises DemoFailed."""
        self._progress.total = 1
        last = TODAY[-1]
        assert isinstance(last, Ask)
        await self._ask(last)
        await self._rest()

    async def _play_day(self, steps: Sequence[Step], moments: Sequence[datetime]) -> None:
        last = moments[0]
        for step, moment in zip(steps, moments, strict=True):
            if moment - last > TOGETHER or not isinstance(step, Ask):
                await self._rest()
            await self._go_to(moment + timedelta(seconds=self._rng.uniform(0, 59)))
            await self._do(step)
            last = moment
        await self._rest()

    async def _go_to(self, moment: datetime) -> None:
        await self._passage.to(min(moment, self._latest))

    async def _let_smile_id_work(self) -> None:
        """Seconds pass while a check is on its way, as they do in earnest."""
        await self._go_to(self._slack.world.clock() + timedelta(seconds=self._rng.uniform(4, 40)))

    async def _do(self, step: Step) -> None:
        match step:
            case Ask():
                await self._ask(step)
            case Batch():
                await self._drop(step)
            case SmileIDDecides():
                self._smile_id.let_people_speak(for_good=False)
                for key, ending in step.endings.items():
                    await self._until_told(self._roots[key], ending)
            case Claim():
                claim = f"{ids.REVIEW_CLAIM}|{self._reference(step.key)}"
                await self._click_card(step.by, step.key, ids.REVIEW_MORE, claim)
                await self._until(lambda: "Claimed by" in self._plain(self._card(step.key)), "the claim was not shown")
            case Decide():
                await self._decide(step)
            case Cancel():
                root = self._roots[step.key]
                (question,) = [m for m in self._replies(root) if ids.CANCEL in str(m.blocks)]
                await self._person(step.by).click(question, ids.CANCEL)
                await self._until(lambda: "Cancelled" in self._plain(root), "the check was not cancelled")
            case Command():
                if not await self._command(step.by, step.text):
                    raise DemoFailed(f"history stopped: /kyc {step.text} said nothing")
            case OpenHome():
                person = self._person(step.by)
                await person.open_home()
                await self._until(lambda: person.home is not None, "the Home tab stayed empty")
            case _:
                assert_never(step)

    async def _command(self, by: str, text: str) -> str:
        """What the bot answers at once, to this person alone."""
        reply = await self._person(by).command(text)
        if not reply.ok:
            raise DemoFailed(f"history stopped: /kyc {text} was not answered ({reply.error})")
        return reply.text

    # Checks

    async def _ask(self, ask: Ask) -> None:
        applicant = self._next_applicant(ask.story)
        if ask.way is Way.DIRECT_MESSAGE:
            await self._write(ask, applicant)
        else:
            await self._fill_in(ask, applicant)
        await self._let_smile_id_work()
        task = asyncio.create_task(self._see_through(ask, applicant))
        self._under_way.add(task)
        if ask.key:
            await task

    async def _see_through(self, ask: Ask, applicant: Applicant) -> None:
        """Until the thread shows how the check ends."""
        roots: list[Message] = []

        def has_begun() -> bool:
            roots[:] = [m for m in self._openings(ask) if f"ending {applicant.ending} " in self._plain(m)]
            return bool(roots)

        await self._until(has_begun, f"the check by {ask.way} was not opened")
        if ask.key:
            self._roots[ask.key] = roots[0]
        await self._until_told(roots[0], ask.ending)
        self._count(1)

    async def _fill_in(self, ask: Ask, applicant: Applicant) -> None:
        person = self._person(ask.by)
        await self._command(ask.by, "check" if ask.way is Way.CHECK else "")
        modal = await person.modal()
        await modal.choose("country", applicant.country)
        await modal.choose("id_type", applicant.id_type)
        await modal.click("kyc_form_more")
        for name in ("id_number", "first_name", "last_name"):
            await modal.fill(name, getattr(applicant, name))
        await modal.choose("dob", applicant.dob)
        selfie = blurred() if ask.way is Way.BLURRED else photo("selfie.jpg")
        await modal.attach("selfie", await person.upload(selfie, "selfie.jpg"))
        if ask.way is Way.LIVENESS:
            names = [f"liveness_{number}.jpg" for number in range(8)]
            await modal.attach("liveness", *[await person.upload(photo(name), name) for name in names])
        await modal.choose("consent", ["consented"])
        submission = await modal.submit()
        if not submission.closed:
            raise DemoFailed(f"history stopped: the form was refused: {submission}")

    async def _write(self, ask: Ask, applicant: Applicant) -> None:
        person = self._person(ask.by)
        it = applicant
        said = await person.write(
            f"{it.country} {it.id_type} {it.id_number} {it.first_name} {it.last_name} {it.dob}",
            files=[await person.upload(photo("selfie.jpg"), "selfie.jpg")],
        )
        found: list[Message] = []

        def is_read_back() -> bool:
            found[:] = [m for m in self._replies(said) if ids.SEND_MESSAGE in str(m.blocks)]
            return bool(found)

        await self._until(is_read_back, "the direct message was not answered")
        await person.click(found[0], ids.SEND_MESSAGE)

    async def _drop(self, batch: Batch) -> None:
        person = self._person(batch.by)
        rows = [row(self._next_applicant(story), number) for number, story in enumerate(batch.stories, start=1)]
        rows.append(row(self._next_applicant("approved"), len(rows) + 1) | {"id_number": "12"})
        rows.append(row(self._next_applicant("approved"), len(rows) + 1) | {"selfie": "missing.jpg"})
        photos = zipped({row["selfie"]: photo("selfie.jpg") for row in rows[:-1]})
        files = [await person.upload(table(rows), "new-customers.csv"), await person.upload(photos, "photos.zip")]
        await person.say(REQUESTS, f"<@{BOT_USER_ID}>", files=files)
        found: list[Message] = []

        def is_read() -> bool:
            found[:] = [m for m in self._slack.messages(REQUESTS) if ids.BATCH_CONFIRM in str(m.blocks)]
            return bool(found)

        await self._until(is_read, "the table was not read")
        await person.click(found[0], ids.BATCH_CONFIRM)
        await self._let_smile_id_work()
        replies = partial(self._replies, found[0])
        await self._until(lambda: any("Results of" in self._plain(m) for m in replies()), "the batch had no results")
        # Its progress is shown anew every few seconds.
        await self._let_smile_id_work()
        await self._until(lambda: "Done" in self._plain(found[0]), "the batch did not end")
        self._count(len(batch.stories))

    def _next_applicant(self, story: str) -> Applicant:
        applicant = next(self._applicants)
        self._smile_id.stories_by_id_number[applicant.id_number] = story
        return applicant

    # Reviews

    def _card(self, key: str) -> Message:
        reference = self._reference(key)
        cards = [m for m in self._slack.messages(REVIEWS) if m.thread_ts is None and reference in self._plain(m)]
        if not cards:
            raise DemoFailed(f"history stopped: there is no card of {reference}")
        return cards[-1]

    def _reference(self, key: str) -> str:
        words = self._plain(self._roots[key]).split()
        return next(word for word in words if word.startswith("K-"))

    async def _click_card(self, by: str, key: str, action_id: str, value: str | None = None) -> None:
        reference = self._reference(key)
        await self._until(
            lambda: any(reference in self._plain(m) for m in self._slack.messages(REVIEWS)), "no card was posted"
        )
        reply = await self._person(by).click(self._card(key), action_id, value=value)
        if not reply.ok:
            raise DemoFailed(f"history stopped: the click was not answered: {reply.error}")

    async def _decide(self, step: Decide) -> None:
        await self._click_card(step.by, step.key, f"{ids.REVIEW_DECIDE}:{step.decision.value}")
        modal = await self._person(step.by).modal()
        await modal.choose(ids.REASON, step.reason)
        submission = await modal.submit()
        if submission.updated is None:
            raise DemoFailed(f"history stopped: the decision was refused: {submission.errors or submission}")
        # What waits next is for another day.
        await modal.close()
        by = f"by @{self._slack.users[step.by].name}"
        root = self._roots[step.key]
        await self._until(lambda: any(by in self._plain(m) for m in self._replies(root)), "the decision was not told")

    # What is seen

    def _person(self, user_id: str) -> Person:
        return self._slack.person(user_id)

    def _plain(self, message: Message) -> str:
        return self._slack.plain(message)

    def _openings(self, ask: Ask) -> list[Message]:
        """Where the bot may open the thread of this check: in a direct message it stands in the person's own."""
        if ask.way is Way.DIRECT_MESSAGE:
            return self._slack.direct_messages(ask.by)
        return [m for m in self._slack.messages(REQUESTS) if m.user == BOT_USER_ID and m.thread_ts is None]

    def _replies(self, root: Message) -> list[Message]:
        return [m for m in self._slack.thread(root.channel, root.thread_ts or root.ts) if m is not root]

    async def _until_told(self, root: Message, ending: Ending) -> None:
        def is_told() -> bool:
            shown = [root] if ending is Ending.ON_ITS_WAY else self._replies(root)
            return any(ending in self._plain(m) for m in shown)

        await self._until(is_told, f"no word of “{ending}” in the thread of “{self._plain(root)[:80]}”")

    async def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        try:
            await self._slack.wait_for(condition, self._patience_seconds)
        except TimeoutError as late:
            raise DemoFailed(f"history stopped: {otherwise}") from late

    async def _rest(self) -> None:
        """Until every check that is under way has come to its end, and the bot has nothing left to do or to say."""
        waiting, self._under_way = self._under_way, set()
        try:
            await asyncio.gather(*waiting)
        finally:
            for task in waiting:
                task.cancel()
        await self._passage.rest()

    def _count(self, checks: int) -> None:
        self._progress.done += checks
        self._on_progress(self._progress)
