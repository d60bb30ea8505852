"""What a person writes or confirms outlives a kill, and its answer is told once, however Slack loses it."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.mentions.incoming import InboxItem, InboxKind
from bot.intake.answer_delivery import KEPT_FOR
from bot.intake.inbox import GIVE_UP_AFTER, LEASE
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, Message
from bot.sandbox.slack.faults import Kind
from bot.sandbox.slack.payloads import event_callback
from bot.sandbox.slack.world import TEAM_ID
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from bot.slack.blocks.message import MessagePointer
from storage import inbox
from tests.journeys.site import Site, site
from tests.journeys.world import HASTY, SELFIE, Journey, MovedClock, bot_between, journey, patient_slack
from tests.journeys.writing import MENTION, NUMBER, WHOLE, mention, said_directly, write
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
SHOWN = "Selfie: selfie.jpg"
GROUP = "S0ANALYSTS1"
ASKED = f"{MENTION} NG BVN"
"""In a channel, where no number is read."""


async def delivered(world: Journey) -> None:
    """Until the outbox has looked for whatever Slack may have taken."""
    await world.answered()
    for _ in range(4):
        await world.work()
        world.clock.move(seconds=11)


async def inbox_of(world: Journey) -> list[tuple[object, ...]]:
    return await world.bot.database.read(lambda tx: [tuple(row) for row in tx.rows("SELECT * FROM inbox")])


# Told once


@pytest.mark.parametrize("method", ["chat.postEphemeral", "chat.postMessage"])
async def test_an_answer_in_a_thread_displayed_eight_seconds_late_is_sent_once(tmp_path: Path, method: str) -> None:
    """A lost answer that one person alone sees cannot be looked for: it is never shown again, and said directly once.

    Where the answer is a message of its own, a direct one, it is looked for, and stands there once.
    """
    async with journey(tmp_path, timeouts=HASTY) as world:
        shown = asyncio.Event()
        root = await mention(world, "New customer", "selfie.jpg")
        if method == "chat.postMessage":
            world.slack.fail_next("chat.postEphemeral", Fault.error("user_not_in_channel"))
        world.slack.fail_next(method, Fault.late(shown.wait))
        await mention(world, ASKED, thread_ts=root.ts)
        await world.answered()
        await world.work()
        world.clock.move(seconds=8)
        shown.set()
        await delivered(world)
        whispered = [world.slack.plain(message) for message in world.slack.ephemerals(ANALYST)]
        assert len([text for text in whispered if SHOWN in text]) == (method == "chat.postEphemeral")
        assert len([text for text in world.direct(ANALYST) if SHOWN in text]) == 1


async def test_an_answer_in_a_direct_thread_displayed_eight_seconds_late_is_sent_once(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        shown = asyncio.Event()
        root = await write(world, "New customer", "selfie.jpg")
        await said_directly(world)
        world.slack.fail_next("chat.postMessage", Fault.late(shown.wait))
        await write(world, WHOLE, thread_ts=root.ts)
        await world.answered()
        await world.work()
        world.clock.move(seconds=8)
        shown.set()
        await delivered(world)
        (answer,) = [m for m in world.slack.direct_messages(ANALYST) if "This is what I understood" in m.text]
        assert answer.thread_ts == root.ts


@contextmanager
def full(database: Path) -> Iterator[None]:
    """Meanwhile nobody can store a row in the inbox. A trigger would do more than that, and is refused."""

    def rewrite(before: str, after: str) -> None:
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("PRAGMA writable_schema = ON")
            sql = "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'inbox'"
            assert db.execute(sql, (before, after)).rowcount == 1
            (version,) = db.execute("PRAGMA schema_version").fetchone()
            db.execute(f"PRAGMA schema_version = {version + 1}")

    free, taken = "id TEXT PRIMARY KEY,", "id TEXT PRIMARY KEY CHECK (id = 'none'),"
    rewrite(free, taken)
    try:
        yield
    finally:
        rewrite(taken, free)


@BOTH
async def test_one_event_that_slack_brings_twice_is_answered_once(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        ts = "1795000000.000100"
        event = {"type": "app_mention", "user": ANALYST, "text": f"{MENTION} hello", "ts": ts, "event_ts": ts}
        payload = event_callback(event | {"channel": CHANNEL, "team": TEAM_ID}, event_id="EvTWICE0001")
        first, second = await asyncio.gather(*(world.slack.deliver("events_api", payload) for _ in range(2)))
        assert first.ok
        assert second.ok
        await world.answered()
        assert (await world.slack.deliver("events_api", payload, retry_num=1)).ok
        await delivered(world)
        assert len(world.slack.ephemerals(ANALYST)) == 1
        assert not world.direct(ANALYST)


@BOTH
async def test_an_event_that_cannot_be_stored_is_left_to_slack_to_repeat(tmp_path: Path, *, socket_mode: bool) -> None:
    clock = MovedClock()
    slack = patient_slack(clock, answer_seconds=3)
    async with journey(tmp_path, socket_mode=socket_mode, slack=slack, clock=clock) as world:
        ts = "1795000000.000100"
        event = {"type": "app_mention", "user": ANALYST, "text": f"{MENTION} hello", "ts": ts, "event_ts": ts}
        payload = event_callback(event | {"channel": CHANNEL, "team": TEAM_ID}, event_id="EvFULL00001")
        with full(world.bot.settings.database_file):
            assert not (await world.slack.deliver("events_api", payload)).ok
        assert not world.slack.ephemerals(ANALYST)
        assert (await world.slack.deliver("events_api", payload, retry_num=1)).ok
        await delivered(world)
        assert len(world.slack.ephemerals(ANALYST)) == 1


async def test_an_answer_that_was_shown_before_its_commit_failed_is_not_shown_again(tmp_path: Path) -> None:
    """As after a kill at that instant, one direct message says it."""
    async with journey(tmp_path, timeouts=HASTY) as world:
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db:
            db.execute("CREATE TABLE kept (id TEXT REFERENCES inbox (id))")

            def keep(_method: str, _n: int) -> None:
                with db:
                    db.execute("INSERT INTO kept SELECT id FROM inbox")

            world.slack.fault = keep
            await mention(world, ASKED, "selfie.jpg")
            await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) == 1)
            await world.bot.inbox_pool.stop(timedelta(seconds=GIVE_UP_SECONDS))
            world.slack.fault = None
            db.execute("DROP TABLE kept")
        world.clock.move(seconds=(LEASE + timedelta(seconds=1)).total_seconds())
        (item,) = await world.bot.inbox.claim(8)
        await world.bot.inbox.work(item)
        await delivered(world)
        assert len(world.slack.ephemerals(ANALYST)) == 1
        assert len([text for text in world.direct(ANALYST) if SHOWN in text]) == 1


@pytest.mark.parametrize("what", ["mention", "direct message", "click"])
async def test_after_an_hour_without_slack_everybody_is_answered_once(tmp_path: Path, what: str) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        if what == "click":
            await write(world, WHOLE, "selfie.jpg")
            shown = await said_directly(world)
        world.slack.fault = lambda _method, _n: Fault.status(503)
        if what == "mention":
            await mention(world, ASKED, "selfie.jpg")
        elif what == "click":
            await world.analyst.click(shown, ids.SEND_MESSAGE)
        else:
            await write(world, WHOLE, "selfie.jpg")
        for _minute in range(60):
            await world.answered()
            await world.work()
            world.clock.move(minutes=1)
        world.slack.fault = None
        for _minute in range(20):
            world.clock.move(minutes=1)
            world.bot.inbox_pool.wake()
            await delivered(world)
        assert await inbox_of(world) == []
        private = [world.slack.plain(message) for message in world.slack.ephemerals(ANALYST)]
        answers = [text for text in [*private, *world.direct(ANALYST)] if SHOWN in text]
        # What the click confirmed is shown once more, to be confirmed again: nobody expects an hour's silence to send.
        assert len(answers) == (2 if what == "click" else 1), answers
        assert not world.smile_id.jobs


async def test_an_event_that_slack_brings_again_after_a_restart_is_answered_once(tmp_path: Path) -> None:
    clock = MovedClock()
    async with AsyncExitStack() as outside:
        slack = patient_slack(clock)
        smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", clock=clock)
        for stand_in in (slack, smile_id):
            await stand_in.start()
            outside.push_async_callback(stand_in.stop)
        environment = settings_for(slack, smile_id, database=tmp_path / "kyc.db", socket_mode=False)
        ts = "1795000000.000100"
        event = {"type": "app_mention", "user": ANALYST, "text": f"{MENTION} hello", "ts": ts, "event_ts": ts}
        payload = event_callback(event | {"channel": CHANNEL, "team": TEAM_ID}, event_id="EvTHRICE001")
        for number in range(3):
            async with bot_between(slack, smile_id, environment, clock=clock, timeouts=HASTY) as world:
                assert (await slack.deliver("events_api", payload, retry_num=number)).ok
                await delivered(world)
        assert len(slack.ephemerals(ANALYST)) == 1
        assert not slack.direct_messages(ANALYST)


async def test_a_click_that_cannot_be_stored_says_so_and_the_next_one_sends(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        with full(world.bot.settings.database_file):
            await world.analyst.click(shown, ids.SEND_MESSAGE)
            await world.answered()
        (told,) = world.slack.ephemerals(ANALYST)
        assert "your click changed nothing" in told.text
        await asyncio.gather(*(world.analyst.click(shown, ids.SEND_MESSAGE) for _ in range(2)))
        await world.answered()
        await world.settle()
        assert len(world.smile_id.jobs) == 1
        assert len([text for text in world.direct(ANALYST) if "Biometric KYC ·" in text]) == 1


# Ids alone


async def test_the_inbox_holds_ids_alone_and_nothing_once_it_is_answered(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        held, over = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            held.set()
            await over.wait()

        world.slack.fail_next("chat.postEphemeral", Fault.call(before=hold))
        message = await mention(world, f"{ASKED} {NUMBER} Ada-Invented", "selfie.jpg")
        await held.wait()
        (row,) = await inbox_of(world)
        assert {CHANNEL, ANALYST, message.ts} <= set(row)
        assert not any(word in str(row) for word in (NUMBER, "Ada", "BVN", "selfie", "response"))
        over.set()
        await world.answered()
        assert await inbox_of(world) == []


async def test_the_row_that_brings_an_answer_quotes_nothing_of_the_message(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        await write(world, WHOLE, "selfie.jpg")
        await delivered(world)
        rows = await world.bot.database.read(
            lambda tx: [json.dumps(list(row)) for row in tx.rows("SELECT * FROM posts")]
        )
        assert SHOWN in world.direct(ANALYST)[0]
        assert not any(word in row for row in rows for word in (NUMBER, "Ada", "BVN", "selfie"))


# Killed


def killed_before_its_answer(world: Site, *methods: str) -> asyncio.Event:
    """Set once the bot is dead: at the first of these calls, none of which acts."""
    dead = asyncio.Event()

    async def kill() -> None:
        await world.kill()
        dead.set()

    fault = Fault(kind=Kind.RESET_BEFORE, run_before=kill)
    world.slack.fault = lambda method, _n: fault if method in methods and not dead.is_set() else None
    return dead


def direct(world: Site, words: str) -> list[str]:
    said = [world.slack.plain(message) for message in world.slack.direct_messages(ANALYST)]
    return [text for text in said if words in text]


@pytest.mark.processes
@BOTH
@pytest.mark.parametrize("what", ["mention", "direct message"])
async def test_a_bot_killed_between_ack_and_answer_answers_after_its_restart(what: str, *, socket_mode: bool) -> None:
    async with site(socket_mode=socket_mode) as world:
        amina = world.slack.person(ANALYST)
        files = [await amina.upload(SELFIE, "selfie.jpg")]
        dead = killed_before_its_answer(world, "chat.postEphemeral", "chat.postMessage")
        if what == "mention":
            await amina.say(CHANNEL, ASKED, files=files)
        else:
            await amina.write(WHOLE.removeprefix(MENTION), files=files)
        await dead.wait()
        assert not world.slack.ephemerals(ANALYST)
        assert not direct(world, "")
        await world.start()
        await world.wait_for(lambda: bool(direct(world, SHOWN)))
        await world.wait_for_posts()
        assert len(direct(world, "")) == 1
        assert not world.slack.ephemerals(ANALYST)


@pytest.mark.processes
@BOTH
@pytest.mark.parametrize("call", ["conversations.history", "response_url"])
async def test_a_bot_killed_after_the_confirming_click_submits_one_check(call: str, *, socket_mode: bool) -> None:
    """Killed before it has read the message again, and so before the check is stored; or after that, at the answer."""
    async with site(socket_mode=socket_mode) as world:
        amina = world.slack.person(ANALYST)
        await amina.write(WHOLE.removeprefix(MENTION), files=[await amina.upload(SELFIE, "selfie.jpg")])
        await world.wait_for(lambda: bool(direct(world, SHOWN)))
        await world.wait_for_posts()
        (shown,) = world.slack.direct_messages(ANALYST)
        dead = killed_before_its_answer(world, call)
        await amina.click(shown, ids.SEND_MESSAGE)
        await dead.wait()
        await world.start()
        await world.wait_for(lambda: bool(direct(world, "K-")))
        await world.wait_for_the_end()
        assert len(world.smile_id.jobs) == 1
        told = direct(world, "is on its way") + direct(world, "was sent already")
        assert len(told) == 1
        assert len(direct(world, "@amina Approved — face and ID number verified")) == 1
        assert _waiting(world) == 0


def _waiting(world: Site) -> int:
    with closing(sqlite3.connect(f"file:{world.database}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COUNT(*) FROM inbox").fetchone()[0])


# What the next bot finds: ids, and a world that went on


async def found(world: Journey, message: Message, **more: Any) -> None:
    """As the process before has left it: nothing of the request is in memory."""
    item = InboxItem(
        **{
            "id": f"event:{message.ts}",
            "kind": InboxKind.MESSAGE,
            "channel": message.channel,
            "ts": message.ts,
            "thread_ts": None,
            "user": ANALYST,
            "team": TEAM_ID,
            "asked_at": world.clock(),
            **more,
        }
    )
    await world.bot.database.write(inbox.keep, item, now=item.asked_at)


async def confirmation(world: Journey) -> tuple[Message, dict[str, Any]]:
    """A message that was shown back, and what the click below its answer is stored as."""
    message = await write(world, WHOLE, "selfie.jpg")
    shown = await said_directly(world)
    (value,) = re.findall(r'"value": "(\[.*?\])"', json.dumps(shown.blocks).replace('\\"', "'"))[:1]
    pointer = MessagePointer.load(value.replace("'", '"'))
    assert pointer is not None
    return message, {
        "id": "trigger:invented",
        "kind": InboxKind.CONFIRMATION,
        "fingerprint": pointer.fingerprint,
    }


async def test_a_message_deleted_before_the_restart_is_reported_as_gone(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await mention(world, "no mention of the bot")
        await world.analyst.delete(message)
        await found(world, message)
        await delivered(world)
        (told,) = world.direct(ANALYST)
        assert "Your message is no longer there" in told


async def test_a_confirmed_message_that_was_changed_before_the_restart_is_not_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message, click = await confirmation(world)
        await world.analyst.edit(message, WHOLE.removeprefix(MENTION).replace(NUMBER, "22222222222"))
        await found(world, message, **click)
        await delivered(world)
        assert "Your message was changed since" in world.direct(ANALYST)[-1]
        assert not world.smile_id.jobs


async def test_who_lost_the_right_to_ask_before_the_restart_sends_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=GROUP) as world:
        world.slack.add_usergroup(GROUP, [ANALYST])
        await world.bot.access.refresh()
        message, click = await confirmation(world)
        world.slack.usergroups[GROUP].discard(ANALYST)
        await world.bot.access.changed(GROUP)
        await found(world, message, **click)
        await delivered(world)
        assert "You don't have access yet" in world.direct(ANALYST)[-1]
        assert not world.smile_id.jobs


async def test_a_click_of_the_day_before_sends_nothing_any_more(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message, click = await confirmation(world)
        await found(world, message, **click, asked_at=world.clock() - GIVE_UP_AFTER - timedelta(seconds=1))
        await delivered(world)
        assert "You got no answer to your last message or click" in world.direct(ANALYST)[-1]
        assert not world.smile_id.jobs


async def test_a_click_that_two_processes_found_is_one_check_and_one_answer(tmp_path: Path) -> None:
    """The first was killed after it had stored the check, and before it had told anybody."""
    async with journey(tmp_path) as world:
        message, click = await confirmation(world)
        for number in range(2):
            await found(world, message, **click | {"id": f"trigger:{number}"})
            await world.answered()
        await world.settle()
        assert len(world.smile_id.jobs) == 1


async def test_the_next_bot_goes_on_trying_until_slack_lets_it_read(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        message = await mention(world, "New customer NG BVN", "selfie.jpg")
        world.slack.fault = lambda method, _n: Fault.status(503) if method == "conversations.history" else None
        await found(world, message)
        await world.answered()
        assert len(await inbox_of(world)) == 1
        world.slack.fault = None
        world.clock.move(seconds=60)
        world.bot.inbox_pool.wake()
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                if not await inbox_of(world):
                    break
                await asyncio.sleep(0.01)
        await delivered(world)
        assert SHOWN in world.direct(ANALYST)[0]


async def test_an_answer_to_a_file_that_is_built_again_still_says_to_delete_the_number(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        world.slack.fault = lambda method, _n: Fault.status(503) if method.startswith("chat.post") else None
        table = await world.analyst.upload(b"country,id_type,id_number\nNG,BVN,22212345678\n", "people.csv")
        await world.analyst.say(CHANNEL, f"{MENTION} {NUMBER}", files=[table])
        await world.answered()
        world.slack.fault = None
        world.clock.move(seconds=KEPT_FOR.total_seconds() + 60)
        await delivered(world)
        (told,) = world.direct(ANALYST)
        assert "Reading the file" in told
        assert "More actions (⋯), then Delete message" in told


async def test_an_answer_that_waited_in_the_outbox_says_what_the_message_says_then(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        world.slack.fault = lambda method, _n: Fault.status(503) if method == "chat.postMessage" else None
        message = await write(world, WHOLE, "selfie.jpg")
        await world.answered()
        await world.work()
        await world.analyst.edit(message, "hello")
        world.slack.fault = None
        world.clock.move(seconds=KEPT_FOR.total_seconds() + 60)
        await delivered(world)
        (told,) = world.direct(ANALYST)
        assert "I could not make a whole check of this message" in told
