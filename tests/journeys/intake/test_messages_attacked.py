"""Checks from messages under attack: any words, clicks at the same time, and what goes away between two steps."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault, Message
from bot.sandbox.slack.reading import pings
from bot.slack.blocks import ids
from tests.journeys.world import HASTY, SELFIE, journey
from tests.journeys.writing import LACKING, MENTION, NUMBER, WHOLE, filled, mention, said, said_directly, write

SPOKEN = [
    "NG",
    "Nigeria",
    "Kenya",
    "BVN",
    "NIN",
    "passport",
    "NATIONAL_ID",
    "and",
    "for",
    "check",
    "country:",
    "phone:",
    "reference:",
    "citizenship:",
    "name:",
    "dob:",
    "surname:",
    "00000000000",
    "A00000000",
    "1990-01-02",
    "02/03/1990",
    "31.02.1990",
    "Ada-Invented",
    "Obi-Invented",
    "+2348000000000",
    "۱۲۳۴۵۶۷۸۹۰۱",
]
SPOKEN_IN_WORDS = [
    "bank account",
    "id number:",
    "first name:",
    "bank code:",
    "id type:",
    "22 222 222 222",
    "3 March 1990",
]
WRITTEN_BY_SLACK = [
    "<!channel>",
    "<!here|here>",
    "<@U0REMI00001>",
    "<#C0KYCREQ001>",
    "<https://example.invalid|Ada>",
    "<tel:22212345678|22212345678>",
    "<mailto:ada@example.invalid|ada>",
    "*bold*",
    "`code`",
    "```",
    "&lt;&amp;",
    "<",
    ">",
    "&",
    "|",
    ":",
    ",",
    ";",
    "-",
    '"',
    "“",
    "😀",
]
UNSEEN = ["\u202e", "\u200b", "\ufeff", "e\u0301", "\n", "\t"]
WORDS = st.one_of(
    st.sampled_from(SPOKEN + SPOKEN_IN_WORDS + WRITTEN_BY_SLACK + UNSEEN),
    st.text(max_size=12),
    st.integers(1, 4000).map(lambda count: "A" * count),
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


# Any words


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(TEXTS, min_size=6, max_size=10))
def test_whatever_a_message_says_it_is_answered_once_in_words_that_ping_nobody(texts: list[str]) -> None:
    async def one_world(folder: Path) -> None:
        async with journey(folder) as world:
            for count, text in enumerate(texts, start=1):
                await mention(world, f"{MENTION} {text}", "selfie.jpg")
                assert not pings(await said(world, count))
                await write(world, text, "selfie.jpg")
                assert not pings(await said_directly(world, count))
                await world.answered()
                assert len(world.slack.ephemerals(ANALYST)) == count
                assert len(world.direct(ANALYST)) == count

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(one_world(Path(folder)))


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(TEXTS, min_size=4, max_size=8))
def test_whatever_a_message_says_its_form_opens_and_follows_every_choice(texts: list[str]) -> None:
    async def one_world(folder: Path) -> None:
        async with journey(folder) as world:
            for text in texts:
                message = await mention(world, text, "selfie.jpg")
                await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, message.ts)
                modal = await filled(world)
                before = {
                    name: value for name, value in modal.values.items() if name in ("first_name", "dob") and value
                }
                await modal.choose("country", "NG")
                await modal.choose("id_type", "BVN")
                assert {"id_number", "selfie", "consent"} <= set(modal.values)
                assert {name: modal.values[name] for name in before} == before
                await modal.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(one_world(Path(folder)))


# At the same time


@pytest.mark.anyio
async def test_clicks_at_the_same_time_send_once(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await write(world, WHOLE, "selfie.jpg")
        shown = await said_directly(world)
        await asyncio.gather(*(world.analyst.click(shown, ids.SEND_MESSAGE, stale=True) for _ in range(4)))
        await world.answered()
        await world.settle()
        assert len(world.smile_id.jobs) == 1
        assert "K-" in shown.text


@pytest.mark.anyio
async def test_sending_from_a_message_and_then_from_its_form_asks_about_the_second(
    tmp_path: Path,
) -> None:
    number = "22212345678"
    async with journey(tmp_path, KYC_SEEN_BEFORE="30d") as world:
        await write(world, WHOLE.replace(NUMBER, number), "selfie.jpg")
        shown = await said_directly(world)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "is on its way" in shown.text)
        await modal.choose("consent", ["consented"])
        submission = await modal.submit()
        assert not submission.closed
        assert "checked before" in modal.text()


# Gone meanwhile


@pytest.mark.anyio
async def test_the_form_of_a_deleted_direct_message_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await write(world, LACKING, "ada.jpg")
        shown = await said_directly(world)
        await world.analyst.delete(message)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        read = (await filled(world)).text()
        assert "no longer there" in read
        assert "`" not in read


@pytest.mark.anyio
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_photo_deleted_before_the_click_is_missed_and_nothing_is_sent(
    tmp_path: Path, *, in_thread: bool
) -> None:
    async with journey(tmp_path) as world:
        file = await world.analyst.upload(SELFIE, "selfie.jpg")
        root = await world.analyst.write("hello" if in_thread else WHOLE.removeprefix(MENTION), files=[file])
        shown = await said_directly(world)
        if in_thread:
            await write(world, WHOLE, thread_ts=root.ts)
            shown = await said_directly(world, 2)
        file.is_deleted = True
        await world.analyst.click(shown, ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: "was changed since" in shown.text)
        assert "Selfie: " in world.slack.plain(shown)
        await world.work()
        assert not world.smile_id.jobs


@pytest.mark.anyio
async def test_a_photo_deleted_while_its_form_is_open_is_reported_at_the_submit(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        file = await world.analyst.upload(SELFIE, "selfie.jpg")
        await world.analyst.say(CHANNEL, LACKING, files=[file])
        await world.analyst.click(await said(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        file.is_deleted = True
        submission = await modal.submit()
        assert submission.errors == {"selfie": "This file was deleted in Slack. Attach it again from your device."}


@pytest.mark.anyio
async def test_a_thread_whose_root_was_deleted_still_gives_photos_and_gets_its_result(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        root = await mention(world, "Customer")
        await mention(world, "the photo", "selfie.jpg", thread_ts=root.ts)
        await world.analyst.delete(root)
        await mention(world, WHOLE, thread_ts=root.ts)
        shown = await said_directly(world)
        assert "Selfie: selfie.jpg" in world.slack.plain(shown)
        await world.analyst.click(shown, ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        assert any("Approved" in words for words in world.direct(ANALYST))


@pytest.mark.anyio
async def test_a_message_deleted_while_its_form_is_open_gets_its_result_directly(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await mention(world, LACKING, "ada.jpg")
        await world.analyst.click(await said(world), ids.OPEN_FORM_OF_MESSAGE)
        modal = await filled(world)
        await modal.fill("id_number", NUMBER)
        await modal.choose("consent", ["consented"])
        await world.analyst.delete(message)
        assert (await modal.submit()).closed
        await world.settle()
        assert any("Approved" in words for words in world.direct(ANALYST))


@pytest.mark.anyio
async def test_a_message_deleted_before_its_answer_is_answered_all_the_same(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=HASTY) as world:
        root = await mention(world, "Customer", "selfie.jpg")
        gone: list[Message] = []

        async def delete() -> None:
            await world.analyst.delete(root)
            gone.append(root)

        world.slack.fail_next("conversations.replies", Fault.call(before=delete))
        await mention(world, WHOLE, thread_ts=root.ts)
        shown = await said_directly(world)
        assert gone
        assert "Attach one selfie" in world.slack.plain(shown)


@pytest.mark.anyio
async def test_a_direct_message_taken_back_before_its_answer_is_answered_all_the_same(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        written: list[Message] = []

        async def take_back() -> None:
            (own,) = [m for m in world.slack.messages(world.analyst.direct_channel_id) if m.user == ANALYST]
            written.append(own)
            await world.analyst.delete(own)

        world.slack.fail_next("chat.postMessage", Fault.call(before=take_back))
        await world.analyst.write("hello")
        assert "Write what the check needs" in (await said_directly(world)).text
        assert written


# Pointing elsewhere


@pytest.mark.anyio
@pytest.mark.parametrize(
    "value", ["", "{}", "[]", "null", '["C0KYCREQ001"]', '["C0KYCREQ001","1",null,"",1]', "x" * 2000]
)
async def test_a_button_with_an_unknown_value_is_reported_as_old(tmp_path: Path, value: str) -> None:
    async with journey(tmp_path) as world:
        await mention(world, LACKING, "ada.jpg")
        shown = await said(world)
        for action_id in (ids.OPEN_FORM_OF_MESSAGE, ids.SEND_MESSAGE):
            button = {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": "Open"}}
            shown.blocks = [{"type": "actions", "block_id": "b", "elements": [button | {"value": value}]}]
            assert (await world.analyst.click(shown, action_id)).ok
            await world.answered()
            assert "This button is out of date." in world.slack.ephemerals(ANALYST)[-1].text
