"""Images that name a file of Slack's: which the stand-in takes, where, and what it says of the others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import SlackFile, SlackSandbox
from bot.sandbox.slack.block_rules import faults_in_message
from tests.sandbox.slack_setup import AMINA, CHANNEL, JSON, client_of, form, plain_text, running, section

pytestmark = pytest.mark.anyio

JPEG = b"\xff\xd8\xff\xe0 not really"
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def image(**named: str) -> JSON:
    return {"type": "image", "slack_file": named, "alt_text": "A chart"}


async def shared(slack: SlackSandbox, name: str = "chart.png") -> SlackFile:
    """A file that stands in a channel of the bot's."""
    return await slack.person(AMINA).upload(JPEG, name, channel_id=CHANNEL)


def _of(block: JSON) -> list[JSON]:
    return [section("above"), block]


PLACES: list[tuple[Callable[[JSON], list[JSON]], str]] = [
    (_of, "/1"),
    (lambda element: _of({**section("x"), "accessory": element}), "/1/accessory"),
    (lambda element: _of({"type": "context", "elements": [plain_text("x"), element]}), "/1/elements/1"),
]


@pytest.mark.parametrize(("place", "pointer"), PLACES, ids=["block", "accessory", "context"])
async def test_a_file_that_is_not_there_is_refused_where_it_stands(
    place: Callable[[JSON], list[JSON]], pointer: str
) -> None:
    async with running() as slack:
        client = client_of(slack)
        posted = await client.chat_postMessage(channel=CHANNEL, text="x")
        calls: list[tuple[Any, str, str]] = [
            (lambda blocks: client.chat_postMessage(channel=CHANNEL, text="x", blocks=blocks), "invalid_blocks", ""),
            (
                lambda blocks: client.chat_update(channel=CHANNEL, ts=posted["ts"], text="x", blocks=blocks),
                "invalid_blocks",
                "",
            ),
            (
                lambda blocks: client.views_open(
                    trigger_id=slack.person(AMINA)._stage.triggers.issue(AMINA),
                    view=form(*blocks, submit=None),
                ),
                "invalid_arguments",
                "/view",
            ),
            (
                lambda blocks: client.views_publish(user_id=AMINA, view={"type": "home", "blocks": blocks}),
                "invalid_arguments",
                "/view",
            ),
        ]
        good = await shared(slack)
        for call, error, root in calls:
            with pytest.raises(SlackApiError, match=error) as caught:
                await call(place(image(id="F0NOWHERE01")))
            fault = f"invalid slack file [json-pointer:{root}/blocks{pointer}/slack_file]"
            assert caught.value.response["errors"] == [fault]
            assert caught.value.response["response_metadata"]["messages"] == [f"[ERROR] {fault}"]
            await call(place(image(id=good.id)))


async def test_a_file_is_named_by_one_of_its_addresses_too() -> None:
    async with running() as slack:
        file = (await shared(slack)).as_json(slack.world.files_url)
        for address in ("url_private", "permalink"):
            await client_of(slack).chat_postMessage(channel=CHANNEL, text="x", blocks=[image(url=file[address])])
        assert faults_in_message([image(id=file["id"], url=file["permalink"])])
        assert faults_in_message([image()])


async def test_slack_refuses_what_the_bot_may_not_read_or_what_is_no_picture() -> None:
    async with running() as slack:
        slack.add_channel("C0ALONE0001", "alone", private=True, members=[AMINA], bot_is_member=False)
        amina = slack.person(AMINA)
        own = await amina.upload(JPEG, "own.png")
        elsewhere = await amina.upload(JPEG, "else.png", channel_id="C0ALONE0001")
        deleted, gone = await shared(slack), await shared(slack)
        deleted.is_deleted, gone.refusal = True, "access_denied"
        unfit = [own, elsewhere, deleted, gone, await shared(slack, "a.webp"), await shared(slack, "a.pdf")]
        for file in unfit:
            with pytest.raises(SlackApiError, match="invalid slack file"):
                await client_of(slack).chat_postMessage(channel=CHANNEL, text="x", blocks=[image(id=file.id)])
        own.was_submitted = True
        fit = [own, *[await shared(slack, name) for name in ("a.jpg", "a.jpeg", "a.gif", "A.PNG")]]
        for file in fit:
            await client_of(slack).chat_postMessage(channel=CHANNEL, text="x", blocks=[image(id=file.id)])


async def test_a_fresh_upload_is_taken_once_slack_has_finished_it() -> None:
    now = NOW
    async with running(clock=lambda: now, file_seconds=5) as slack:
        client = client_of(slack)
        await client.files_upload_v2(channel=CHANNEL, file=JPEG, filename="chart.png")
        ((message, file),) = slack.bot_files(CHANNEL)
        with pytest.raises(SlackApiError, match="invalid slack file"):
            await client.chat_postMessage(channel=CHANNEL, text="x", blocks=[image(id=file.id)])
        now += timedelta(seconds=5)
        await client.chat_postMessage(channel=CHANNEL, text="x", blocks=[image(id=file.id)])
        slack.world.takes_slack_files = False
        with pytest.raises(SlackApiError, match="invalid slack file"):
            await client.chat_update(channel=CHANNEL, ts=message.ts, text="x", blocks=[image(id=file.id)])
