"""What the version before had left undone is done after an upgrade, in the sentences that it had stored."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault
from bot.sandbox.smile_id import Fault as SmileIDFault
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from tests.journeys.intake import test_batches as batches
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.world import ADMIN, HASTY, Journey, MovedClock, bot_between, patient_slack
from tests.storage.older import before_inbox

pytestmark = pytest.mark.anyio

REFUSED = SmileIDFault.status(400, {"error": "Error - invented", "code": "2212"})


async def test_what_waits_to_be_told_before_an_upgrade_is_told_as_it_was_stored(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0, clock=clock)
    async with AsyncExitStack() as outside:
        for stand_in in (slack, smile_id):
            await stand_in.start()
            outside.push_async_callback(stand_in.stop)
        database = tmp_path / "kyc.db"
        environment = settings_for(
            slack, smile_id, database=database, socket_mode=False, KYC_SLACK_POSTS_PER_SECOND="1000"
        )
        async with bot_between(slack, smile_id, environment, clock=clock, timeouts=HASTY) as world:
            await world.ask(selfie=blurred(), id_number="44444444444")
            await world.settle()
            slack.fault = lambda method, _n: Fault.status(503) if method.startswith("chat.") else None
            await _work_that_cannot_be_told(world)
            sealer = world.sealer
        slack.fault = None
        sentences = before_inbox(database, sealer)
        assert len(sentences) >= 4, sentences
        clock.move(minutes=10)
        async with bot_between(slack, smile_id, environment, clock=clock, timeouts=HASTY) as world:
            for _round in range(4):
                await world.settle()
                clock.move(seconds=11)
            told = [slack.plain(message) for message in slack.messages(CHANNEL)] + world.direct(ADMIN)
            rows = [line["problem"] for line in _faults(world)]
            for sentence in sentences:
                assert len([text for text in [*told, *rows] if sentence in text]) >= 1, sentence
            assert len([text for text in told if "@amina No result — a photo could not be sent" in text]) == 1
            assert len([text for text in told if "@amina No result — Smile ID refused our request" in text]) == 1
            assert len([text for text in world.direct(ADMIN) if "kyc-bot needs an admin" in text]) == 1
            lost = world.direct(ANALYST)
            assert len(lost) == 2
            assert all(text.startswith("You got no answer to your last message or click in #kyc") for text in lost)
            await _go_on(world)


async def _work_that_cannot_be_told(world: Journey) -> None:
    await world.ask(selfie=b"no photo")
    await world.work()
    world.smile_id.fail_next("upload", REFUSED)
    await world.ask()
    await world.work()
    rows = [batches.person(0), batches.person(1, "123")]
    files = {"people.csv": batches.csv_of(rows), "photos.zip": batches.zip_of(batches.photos(2))}
    await _drop(world, files)
    await _drop(world, {"nothing.csv": b"hello\nworld\n"})


async def _drop(world: Journey, files: dict[str, bytes]) -> None:
    uploaded = [await world.analyst.upload(data, name) for name, data in files.items()]
    await world.analyst.say(CHANNEL, "<@U0KYCBOT001>", files=uploaded)
    await world.answered()
    await world.work()


def _faults(world: Journey) -> list[dict[str, str]]:
    return [
        line for name, file in batches.bots_files(world).items() if "faults" in name for line in batches.lines(file)
    ]


async def _go_on(world: Journey) -> None:
    """The question about the photos is still open, and so is the preview."""
    question = [m for m in world.slack.messages(CHANNEL) if ids.SEND_HELD in str(m.blocks)][-1]
    assert (await world.analyst.click(question, ids.SEND_HELD)).ok
    preview = [m for m in world.slack.messages(CHANNEL) if ids.BATCH_CONFIRM in str(m.blocks)][-1]
    assert (await world.analyst.click(preview, ids.BATCH_CONFIRM)).ok
    for _round in range(4):
        await world.settle()
        world.clock.move(seconds=4)
    assert len(world.smile_id.jobs) == 2
    assert "1 of 1 ended" in "".join(world.slack.plain(m) for m in world.slack.messages(CHANNEL))
