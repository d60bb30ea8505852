"""Two bots on one PostgreSQL, as on two machines: what one begins the other may end, and each thing happens once.

Both speak to the same Slack and Smile ID. Slack gives each request to either of them, as it does with two sockets; the
workers are in the test's hand.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain import database_address
from bot.domain.capture.links import LinkStep
from bot.domain.check.states import State
from bot.domain.outbox import AdminAlert
from bot.errors import LeaseLost, NotNow
from bot.network.fence import require_open
from bot.outbox import alerts
from bot.sandbox.demo import ANALYST, CHANNEL, free_port, settings_for
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import Fault, SmileIDSandbox
from storage import home_tabs, instances
from storage.engine.database import Transaction
from tests.journeys.capture.customer import OFFERED, agreed
from tests.journeys.world import ADMIN, REVIEWER, Journey, MovedClock, bot_between, patient_slack
from tests.journeys.writing import MENTION, mention, said

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.postgresql]

NO_ACCESS = "You don't have access"
APPROVED = "Approved — face and ID number verified"


@dataclass(slots=True)
class Time:
    """Seconds since a boot."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


class Pair:
    """Both bots, with one clock, and seconds since boot that the test lets pass."""

    def __init__(self, slack: SlackSandbox, smile_id: SmileIDSandbox, clock: MovedClock) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.clock = clock
        self.since_boot = Time()
        self.worlds: list[Journey] = []

    @property
    def one(self) -> Journey:
        return self.worlds[0]

    @property
    def two(self) -> Journey:
        return self.worlds[1]

    async def join(self, world: Journey) -> None:
        member = world.bot.database.membership
        member.since_boot, member.proven_at = self.since_boot, 0.0
        await world.bot.instances.join()
        self.worlds.append(world)
        for each in self.worlds:
            await each.bot.instances.look()

    async def settle(self, *, which: list[Journey] | None = None) -> None:
        """Let both work side by side, and hear Smile ID, until everything is at rest."""
        worlds = which or self.worlds
        for _round in range(8):
            await asyncio.gather(*(each.work() for each in worlds))
            await asyncio.sleep(0.05)
            self.clock.move(seconds=2)

    async def freeze_one(self) -> None:
        """The other looks once a second, until it has ended this one.

        Not all of it is frozen here: what wakes its inbox has it store something, and the other wait for longer.
        """
        former = self.one.bot.database.instance
        for _second in range(600):
            self.since_boot.seconds += 1
            await self.two.bot.instances.look()
            if former not in {each.id for each in await self.two.bot.database.read(instances.living)}:
                return
        raise AssertionError("nobody has ended it")


@asynccontextmanager
async def pair(address: str, *, story: str = "approved", **more: str) -> AsyncIterator[Pair]:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(
        partner_id="0421",
        api_key="sandbox-api-key",
        story=story,
        callback_delay_seconds=0.0,
        review_delay_seconds=0.05,
        callback_retry_seconds=(0.05, 0.1),
        clock=clock,
    )
    async with AsyncExitStack() as stack:
        await slack.start()
        stack.push_async_callback(slack.stop)
        await smile_id.start()
        stack.push_async_callback(smile_id.stop)
        settings = settings_for(
            slack, smile_id, database=database_address.parse(address), socket_mode=True, public=True
        )
        settings |= {"KYC_SLACK_POSTS_PER_SECOND": "1000", **more}
        both = Pair(slack, smile_id, clock)
        for port in (settings["KYC_PORT"], str(free_port())):
            between = bot_between(slack, smile_id, {**settings, "KYC_PORT": port}, clock=clock)
            await both.join(await stack.enter_async_context(between))
        yield both


async def asked(both: Pair, **fields: Any) -> str:
    return await both.one.ask(**fields)


async def test_a_form_that_one_has_opened_may_be_sent_to_the_other(empty_database: str) -> None:
    async with pair(empty_database) as both:
        heard = {each.bot.instances.name for each in both.worlds}
        assert len(heard) == 2
        for _check in range(2):
            ref = await asked(both)
            await both.settle()
            assert (await both.two.check(ref)).state is State.APPROVED
        texts = both.one.thread()
        assert [text for text in texts if APPROVED in text] == [texts[-1]]
        assert [job.upload_count for job in both.smile_id.jobs.values()] == [1, 1]
        assert both.one.bot.health.degraded == {}


async def test_many_checks_are_worked_off_by_both_and_each_once(empty_database: str) -> None:
    async with pair(empty_database) as both:
        refs = [await asked(both) for _check in range(6)]
        await both.settle()
        for ref in refs:
            assert (await both.two.check(ref)).state is State.APPROVED
        assert sorted(job.upload_count for job in both.smile_id.jobs.values()) == [1] * len(refs)
        replies = [m for m in both.slack.messages(CHANNEL) if m.thread_ts not in (None, m.ts)]
        results = [text for m in replies if APPROVED in (text := both.slack.plain(m))]
        assert len(results) == len(refs)


async def test_what_one_was_sending_when_it_was_frozen_the_other_sends_and_nobody_twice(empty_database: str) -> None:
    async with pair(empty_database) as both:
        ref = await asked(both)
        frozen, mine = both.one.bot, both.two
        former = frozen.database.instance
        with frozen.instances.at_work():
            (claimed,) = await frozen.submission.claim(9)
        assert claimed == ref
        assert await mine.bot.submission.claim(9) == []
        await both.freeze_one()
        # In doubt, as after a crash: Smile ID's record is asked first, and again once it would show the job.
        await both.settle(which=[mine])
        await both.settle(which=[mine])
        assert (await mine.check(ref)).state is State.APPROVED
        assert [job.upload_count for job in both.smile_id.jobs.values()] == [1]
        # It wakes, and goes on as another one.
        await frozen.home.tick()
        assert frozen.database.instance != former
        assert "instance" in frozen.health.degraded


async def test_a_post_that_one_was_about_to_send_is_sent_by_the_other_alone(empty_database: str) -> None:
    async with pair(empty_database) as both:
        frozen = both.one.bot
        await frozen.database.write(
            alerts.alert_once, "invented", AdminAlert.BACKUP, recipients=[ADMIN], now=both.clock(), failed="invented"
        )
        begun, woken = asyncio.Event(), asyncio.Event()

        async def send() -> None:
            with frozen.instances.at_work():
                (post,) = await frozen.outbox.claim(9)
                begun.set()
                await woken.wait()
                await frozen.outbox.work(post)

        sending = asyncio.create_task(send())
        await begun.wait()
        await both.freeze_one()
        both.clock.move(seconds=11)
        await both.two.work()
        print([both.slack.plain(m) for m in both.slack.direct_messages(ADMIN)])
        assert len(both.slack.direct_messages(ADMIN)) == 1
        woken.set()
        with pytest.raises(LeaseLost):
            await sending
        assert len(both.slack.direct_messages(ADMIN)) == 1


@pytest.mark.parametrize("call", ["upload", "put"])
async def test_a_customers_photos_arrive_once_though_whoever_took_them_was_frozen(
    empty_database: str, call: str
) -> None:
    """What it holds in memory it sends no more; the customer hears to try again, and does so at the other one."""
    async with pair(empty_database, **OFFERED) as both:
        customer = await agreed(both.one)

        both.smile_id.fail_next(call, Fault.call(after=both.freeze_one))
        with pytest.raises(NotNow):
            await customer.hand_in()
        await both.settle(which=[both.two])
        elsewhere = replace(customer, world=both.two)
        assert await elsewhere.hand_in() is LinkStep.TAKEN
        await both.settle()
        assert (await both.two.check(customer.ref)).state is State.APPROVED
        assert [job.upload_count for job in both.smile_id.jobs.values()] == [1]


async def test_a_second_upload_of_a_link_at_the_other_one_is_turned_away_in_words(empty_database: str) -> None:
    async with pair(empty_database, **OFFERED) as both:
        customer = await agreed(both.one)

        async def meanwhile() -> None:
            with pytest.raises(NotNow):
                await replace(customer, world=both.two).hand_in()

        both.smile_id.fail_next("put", Fault.call(before=meanwhile))
        assert await customer.hand_in() is LinkStep.TAKEN
        assert [job.upload_count for job in both.smile_id.jobs.values()] == [1]


async def test_a_message_is_answered_where_it_was_written_by_the_one_that_heard_it(empty_database: str) -> None:
    """Once by each; the other one would have to read it from Slack, and could only answer by a direct message."""
    async with pair(empty_database) as both:
        for count in (1, 2):
            await mention(both.one, f"{MENTION} help")
            await said(both.one, count)
        assert both.slack.direct_messages(ANALYST) == []


async def test_who_loses_a_role_has_lost_it_at_both(empty_database: str) -> None:
    async with pair(empty_database, KYC_REQUESTERS="S0ANALYSTS1") as both:
        both.slack.add_usergroup("S0ANALYSTS1", [ANALYST])
        for each in both.worlds:
            await each.bot.access.refresh()
        for _either in both.worlds:
            assert NO_ACCESS not in (await both.one.analyst.command("help")).text
        both.slack.usergroups["S0ANALYSTS1"].clear()
        assert (await both.slack.emit({"type": "subteam_members_changed", "subteam_id": "S0ANALYSTS1"})).ok
        for each in both.worlds:
            await each.bot.background.done()
            await each.bot.database.write(lambda _tx: None)  # by then it is told
        for each in both.worlds:
            await each.bot.instances.look()
            await each.bot.background.done()
        for _either in both.worlds:
            assert NO_ACCESS in (await both.one.analyst.command("help")).text


async def test_a_tab_that_one_heard_was_opened_is_recorded_by_whoever_publishes_it(empty_database: str) -> None:
    async with pair(empty_database) as both:
        await both.one.bot.home.opened(REVIEWER)
        (tab,) = await both.two.bot.database.write(
            home_tabs.claim_due, now=both.clock(), until=both.clock() + timedelta(minutes=1), limit=9
        )
        assert tab.is_opened
        await both.two.bot.home.work(tab)
        assert await both.one.bot.database.read(_shown) == [REVIEWER]


async def test_where_one_was_asked_to_wait_the_other_waits_too(empty_database: str) -> None:
    async with pair(empty_database) as both:
        both.slack.fail_next("chat.postMessage", SlackFault.rate_limited(30))
        await asked(both)
        await both.one.work()
        await both.two.work()
        assert both.slack.messages(CHANNEL) == []
        both.clock.move(seconds=31)
        await both.two.work()
        assert both.slack.messages(CHANNEL) != []


async def test_one_that_stops_leaves_its_work_to_the_other_at_once(empty_database: str) -> None:
    async with pair(empty_database) as both:
        ref = await asked(both)
        with both.one.bot.instances.at_work():
            assert await both.one.bot.submission.claim(9) == [ref]
        await both.one.bot.instances.leave()
        left = await both.two.bot.database.read(instances.living)
        assert [one.name for one in left] == [both.two.bot.instances.name]
        await both.settle(which=[both.two])
        assert (await both.two.check(ref)).state is State.APPROVED


async def test_a_person_is_served_while_the_instance_is_a_new_one(empty_database: str) -> None:
    async with pair(empty_database) as both:
        await both.freeze_one()
        ref = await asked(both)
        with both.one.bot.instances.at_work():
            await require_open()
        await both.settle()
        assert (await both.one.check(ref)).state is State.APPROVED


def _shown(tx: Transaction) -> list[str]:
    return tx.column("SELECT actor FROM audit WHERE act = 'home.shown'")
