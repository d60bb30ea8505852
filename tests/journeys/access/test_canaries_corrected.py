"""Canaries once more: what is corrected, explained, sent anyway or refused by Slack, and a process that dies.

In a site that asks about a selfie which was seen before; the walk of `test_canaries` would be held at every file.
"""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Message
from bot.sandbox.slack.faults import Fault
from bot.slack.blocks import ids
from tests.journeys.access.canaries import Surfaces
from tests.journeys.access.test_canaries import SETTINGS, found_in, read_all, secrets_of, staffed
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.review.test_review import card
from tests.journeys.world import REVIEWER, SELFIE, Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

PLANTED: Mapping[str, str] = {
    # What is corrected, explained and sent anyway.
    "edited name": "Kanariedited",
    "edited number": "22255500110",
    "edited reference": "CUST-KANARI-EDITED",
    "edited file": "kanari-edited-ada.jpg",
    "anyway number": "22255500111",
    "anyway words": "kanari anyway words",
    "other photo file": "kanari-other-ada.jpg",
    "better photo file": "kanari-better-ada.jpg",
    # Slack, and whoever answers in its place.
    "Slack's error": "kanari slack error",
    "Slack's explanation": "kanari slack explanation",
}

ALLOWED: Mapping[str, set[str]] = {
    "Smile ID: info.json": {"edited name", "edited number", "edited reference", "anyway number"},
    "Smile ID: request": {"edited reference"},
    # Why somebody sends a selfie that was seen with another number is for reviewers.
    "reviewers' channel": {"anyway words"},
    "notification of a reviewers' channel": {"anyway words"},
    "window": {"anyway words"},
}
"""By place, what stands there and may."""

CRASH = """
import ctypes, os, sys
from bot.__main__ import main
from bot.sealed_file import sealed_file

@main.command()
def crash() -> None:
    name = sys.argv[1].encode()
    table = sealed_file()
    table.write(b"id_number,first_name\\n22255500199," + name + b"\\n" * 200_000)
    table.flush()
    print("held", flush=True)
    {end}

main(["crash"])
"""
"""By a command of the test's own, as what every command does first is done for it too."""


@pytest.mark.endurance
async def test_what_is_corrected_or_sent_anyway_comes_out_only_where_the_table_says(
    tmp_path: Path, log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    (folder / "backups").mkdir(parents=True)
    more: dict[str, Any] = {
        "KYC_BACKUP_DIR": str(folder / "backups"),
        "KYC_BACKUP_EVERY": "1m",
        "KYC_SEEN_BEFORE": "30d",
    }
    async with journey(folder, **SETTINGS, **more) as world:
        surfaces = Surfaces({**PLANTED, **secrets_of(world)})
        await staffed(world)
        await _corrected(world)
        await _sent_anyway(world)
        await _refused_by_slack(world)
        await read_all(world, surfaces, folder, log_lines.getvalue())
    assert found_in(surfaces, capfd) == ALLOWED
    assert {"log", "database", "backup", "Home", "question to Slack"} <= surfaces.seen


@pytest.mark.processes
@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)", "raise OSError(28)", "ctypes.string_at(0)"])
def test_a_process_that_dies_over_a_file_of_customers_leaves_nothing_of_it(tmp_path: Path, end: str) -> None:
    canary = PLANTED["edited name"]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    died = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CRASH.format(end=end), canary],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        check=False,
        timeout=GIVE_UP_SECONDS,
    )
    assert died.returncode not in (0, 2)
    assert b"held\n" in died.stdout, died.stderr
    surfaces = Surfaces({"name": canary})
    surfaces.read("output", died.stdout + died.stderr)
    surfaces.read_files(tmp_path)
    assert not any(surfaces.found.values())
    assert not list(temporary.iterdir()), "no file, and no picture of the memory"


async def _corrected(world: Journey) -> None:
    """A check that a question holds: edited, then given other photos; and better ones after a result."""
    await world.ask(selfie=blurred())
    await world.work()
    await world.analyst.click(world.root(), ids.EDIT)
    form = await world.analyst.modal()
    await world.slack.wait_for(lambda: "One moment" not in form.text())
    if ids.MORE_FIELDS in str(form.blocks):
        await form.click(ids.MORE_FIELDS)
    for name, text in (("id_number", "edited number"), ("first_name", "edited name")):
        await form.fill(name, PLANTED[text])
    await form.fill("customer_reference", PLANTED["edited reference"])
    await form.attach("selfie", await world.analyst.upload(SELFIE, PLANTED["edited file"]))
    await form.choose("consent", ["consented"])
    assert (await form.submit()).closed
    world.smile_id.stories_by_id_number[PLANTED["edited number"]] = "no_face"
    await world.settle()
    await _give_photo(world, world.root(), ids.SEND_PHOTOS, PLANTED["better photo file"])
    await world.ask(id_number="22255500205", selfie=blurred())
    await world.work()
    question = [m for m in world.slack.thread(CHANNEL, world.root().ts) if ids.OTHER_PHOTOS in str(m.blocks)][-1]
    await _give_photo(world, question, ids.OTHER_PHOTOS, PLANTED["other photo file"])


async def _give_photo(world: Journey, shown: Message, action: str, file: str) -> None:
    await world.analyst.click(shown, action)
    form = await world.analyst.modal()
    await form.attach("selfie", await world.analyst.upload(SELFIE, file))
    assert (await form.submit()).closed
    await world.settle()


async def _sent_anyway(world: Journey) -> None:
    """The selfie of another customer: whoever sends it says why, and reviewers read it."""
    for number in ("22255500203", PLANTED["anyway number"]):
        world.smile_id.stories_by_id_number[number] = "approved"
        await world.ask(id_number=number)
        await world.settle()
    held = [m for m in world.slack.thread(CHANNEL, world.root().ts) if ids.SEND_HELD in str(m.blocks)][-1]
    await world.analyst.click(held, ids.SEND_HELD)
    form = await world.analyst.modal()
    await form.choose(ids.REASON, "other_id_type")
    await form.fill(ids.WORDS, PLANTED["anyway words"])
    assert (await form.submit()).closed
    await world.settle()
    await world.slack.person(REVIEWER).click(card(world), ids.DETAILS)
    await (await world.slack.person(REVIEWER).modal()).close(all_views=True)


async def _refused_by_slack(world: Journey) -> None:
    """Its words are for developers, and may quote the blocks that it refuses: they go nowhere."""
    answers = (("invalid_blocks", PLANTED["Slack's explanation"]), (PLANTED["Slack's error"], ""))
    for number, (name, told) in enumerate(answers, 22255500206):
        await world.ask(id_number=str(number))
        await world.analyst.open_home()
        for method in ("chat.postMessage", "files.info", "views.publish"):
            world.slack.fail_next(method, Fault.error(name, told=told))
        for _again in range(3):
            await world.settle()
            world.clock.move(minutes=2)
