"""Half a character, which JSON can spell: whoever sends one hears an ordinary answer, and what is kept shows a sign."""

import io
import json
from pathlib import Path

import pytest

from bot.domain.privacy.erasures import FoundBy, Wish
from bot.privacy import subject_report
from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from storage import reviews
from tests.journeys.intake.test_slack_payloads import errors
from tests.journeys.review.test_review import card, decide, press, provisional, text
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, Journey, journey
from tests.journeys.writing import said_directly, write

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
HALF = "\ud83d"


async def reference_of(world: Journey, ref: str) -> str:
    return str((await world.check(ref)).customer_reference)


async def notes_of(world: Journey, ref: str) -> list[str]:
    return [note.words for note in await world.bot.database.read(reviews.notes, ref)]


@BOTH
async def test_a_check_is_made_whose_reference_shows_that_a_character_was_half(
    tmp_path: Path, log_lines: io.StringIO, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        ref = await world.ask(customer_reference=f"C-{HALF}1 \N{GRINNING FACE}")
        await world.settle()
        assert "Approved" in world.thread()[-1]
        assert await reference_of(world, ref) == "C-\ufffd1 \N{GRINNING FACE}"
    assert errors(log_lines) == []


@BOTH
async def test_a_name_with_half_a_character_is_to_be_corrected(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        form = await world.fill(await world.form(), first_name=f"Ada{HALF}")
        assert list((await form.submit()).errors) == ["first_name"]
        await form.fill("first_name", "Ada-Invented")
        assert (await form.submit()).closed


@BOTH
@pytest.mark.parametrize("word", ["status", "cancel", "rerun"])
async def test_a_command_about_no_check_is_answered(
    tmp_path: Path, log_lines: io.StringIO, word: str, *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        said = (await world.analyst.command(f"{word} K-{HALF}")).text
        assert "No check K-\ufffd" in said, said
    assert errors(log_lines) == []


@BOTH
async def test_a_direct_message_is_sent_as_it_was_understood(
    tmp_path: Path, log_lines: io.StringIO, *, socket_mode: bool
) -> None:
    """Read where it came in, and once more from Slack when it is sent: it says the same both times."""
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        await write(world, f"NG BVN 00000000000\nreference: C-{HALF}1", "selfie.jpg")
        await world.analyst.click(await said_directly(world), ids.SEND_MESSAGE)
        await world.slack.wait_for(lambda: any("is on its way" in said for said in world.direct(ANALYST)))
        await world.settle()
        assert "Approved" in world.direct(ANALYST)[-1]
        assert await reference_of(world, await world.newest()) == "C-\ufffd1"
    assert errors(log_lines) == []


@BOTH
async def test_reviewers_notes_and_replies_are_kept_and_can_be_reported(
    tmp_path: Path, log_lines: io.StringIO, *, socket_mode: bool
) -> None:
    async with provisional(tmp_path, socket_mode=socket_mode) as (world, ref):
        await press(world, REVIEWER, ids.REVIEW_NOTE)
        form = await world.slack.person(REVIEWER).modal()
        await form.fill(ids.WORDS, f"note {HALF}")
        assert (await form.submit()).closed
        await world.slack.person(REVIEWER).say(REVIEW_CHANNEL, f"reply {HALF}", thread_ts=card(world).ts)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        await decide(world, REVIEWER, "approved", "other", f"seen {HALF} twice")
        await world.bot.reminders.tick()
        await world.work()
        assert sorted(await notes_of(world, ref)) == ["note \ufffd", "reply \ufffd"]
        assert "seen \ufffd twice" in text(world)
        wish, retention = Wish(found_by=FoundBy.REF, value=ref), world.bot.settings.retention
        report = await world.bot.database.write(subject_report.make, wish, retention, by=REVIEWER, at=world.clock())
        assert HALF not in json.dumps(report, ensure_ascii=False)
    assert errors(log_lines) == []
