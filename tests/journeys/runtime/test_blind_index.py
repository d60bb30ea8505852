"""Prints: no guess about a person is confirmed by the database file alone, and what came before is still recognised."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST, settings_for
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from storage.engine.sealing import Sealer
from tests.guessing import Guesses, confirmed_by_bytes, confirmed_by_columns, empty_prints
from tests.journeys.capture.customer import agreed
from tests.journeys.intake import test_batches as batches
from tests.journeys.intake.test_preflight import blurred, press
from tests.journeys.queries.test_home import MANAGER, open_home
from tests.journeys.review.test_review import STAFF, cards, press_on, stands
from tests.journeys.smile import fates, post
from tests.journeys.world import REVIEWER, Journey, MovedClock, bot_between, journey
from tests.journeys.writing import NUMBER, WHOLE, said_directly, write
from tests.storage.older import before_prints

pytestmark = pytest.mark.anyio

PERSON = {
    "id_number": "22222222226",
    "first_name": "Ada-Invented",
    "last_name": "Obi-Invented",
    "customer_reference": "CUST-4711",
}
"""What the attacker holds to be possible, and is right about."""
FORGED = {"ResultCode": "0810", "signature": "no", "timestamp": "no", "IDNumber": PERSON["id_number"]}


@pytest.mark.endurance
async def test_no_column_holds_an_unkeyed_digest_of_anything_about_a_person(tmp_path: Path) -> None:
    """A check of each kind, everything said about them, all Home tabs; then every column is tried against it all."""
    async with journey(tmp_path, KYC_SEEN_BEFORE="30d", KYC_REQUESTERS="*", **STAFF) as world:
        await _every_way_in(world)
        await _every_message(world)
        await _every_tab(world)
        guesses = _everything_known(world)
    database = tmp_path / "kyc.db"
    assert empty_prints(database) == [], "nothing was tried there"
    assert confirmed_by_columns(database, guesses) == {}
    assert confirmed_by_bytes(database, guesses) == {}


async def test_the_search_finds_what_the_version_before_had_left_in_the_file(tmp_path: Path) -> None:
    """The same search finds every digest that the version before had left in the file."""
    async with journey(tmp_path) as world:
        await world.ask(**PERSON)
        await world.settle()
        await open_home(world, ANALYST)
        guesses, sealer = _everything_known(world), world.sealer
    database = tmp_path / "kyc.db"
    before_prints(database, sealer)
    assert confirmed_by_columns(database, guesses) == {
        "receipts.body_hash": {"sha256 of a callback"},
        "photos.sha256": {"sha256 of a file (image/jpeg)"},
    }


async def test_what_was_heard_before_the_upgrade_or_under_another_key_is_still_a_repeat(tmp_path: Path) -> None:
    """A result, a forged callback and a selfie: over the upgrade, then over a new key."""
    async with _outside() as (slack, smile_id, clock):
        environment = settings_for(
            slack,
            smile_id,
            database=tmp_path / "kyc.db",
            socket_mode=False,
            KYC_SLACK_POSTS_PER_SECOND="1000",
            KYC_SEEN_BEFORE="30d",
        )
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.ask(id_number=PERSON["id_number"])
            await world.settle()
            assert await post(world, json.dumps(FORGED)) == 401
            told, kept, job = world.thread(), await fates(world), world.job()
        before_prints(tmp_path / "kyc.db", world.sealer)
        old_key = environment["KYC_ENCRYPTION_KEYS"]
        for keys in (old_key, f"{Sealer.new_key()},{old_key}"):
            async with bot_between(slack, smile_id, environment | {"KYC_ENCRYPTION_KEYS": keys}, clock=clock) as world:
                clock.move(minutes=2)
                assert await smile_id.send_callback(job.job_id, job.messages[-1]) == 200
                assert await post(world, json.dumps(FORGED), url=job.callback_url) == 401
                await world.settle()
                assert (world.thread(), await fates(world)) == (told, kept)
        async with bot_between(slack, smile_id, environment | {"KYC_ENCRYPTION_KEYS": keys}, clock=clock) as world:
            await world.ask(id_number="33333333333")
            await world.settle()
            assert "Possible fraud: this selfie was already used with a different ID number" in world.thread()[-1]


@asynccontextmanager
async def _outside() -> AsyncIterator[tuple[SlackSandbox, SmileIDSandbox, MovedClock]]:
    """Stand-ins that outlive the bot's process."""
    clock = MovedClock()
    slack = SlackSandbox(clock=clock)
    smile_id = SmileIDSandbox(
        partner_id="0421", api_key="sandbox-api-key", story="approved", callback_delay_seconds=0, clock=clock
    )
    await slack.start()
    await smile_id.start()
    try:
        yield slack, smile_id, clock
    finally:
        await smile_id.stop()
        await slack.stop()


async def _every_way_in(world: Journey) -> None:
    world.smile_id.stories_by_id_number[PERSON["id_number"]] = "provisional"
    await world.ask(liveness=8, **PERSON)
    await world.settle()
    await world.ask(selfie=blurred(), id_number="11111111111")
    await world.work()
    await press(world, ids.SEND_HELD)
    await world.settle()
    await write(world, WHOLE, "selfie.jpg")
    await world.analyst.click(await said_directly(world), ids.SEND_MESSAGE)
    await world.settle()
    rows = [batches.person(0), batches.person(1, "00000000001")]
    await batches.drop(world, {"people.csv": batches.csv_of(rows), "photos.zip": batches.zip_of(batches.photos(2))})
    await batches.send(world)
    # By a link, with the photos that the customer took.
    customer = await agreed(world, id_number="44444444444")
    await customer.hand_in()
    await world.settle()


async def _every_message(world: Journey) -> None:
    """Beside what Smile ID says by itself: what anybody sends, and what a reviewer writes."""
    url = next(iter(world.smile_id.jobs.values())).callback_url
    assert await post(world, json.dumps(FORGED), url=url) == 401
    assert await post(world, PERSON["id_number"], url=url) == 400
    # Newer cards are of checks that wait because their selfie was seen: there is nothing to decide about them.
    decidable = next(card for card in cards(world) if "[Approve]" in world.slack.plain(card))
    await press_on(world, REVIEWER, decidable, f"{ids.REVIEW_DECIDE}:rejected")
    form = await world.slack.person(REVIEWER).modal()
    await form.choose(ids.REASON, "tampered")
    await form.fill(ids.WORDS, PERSON["last_name"])
    assert stands(await form.submit())
    await world.settle()


async def _every_tab(world: Journey) -> None:
    world.slack.add_user(MANAGER, "dayo")
    for user in (ANALYST, REVIEWER, MANAGER):
        await open_home(world, user)


def _everything_known(world: Journey) -> Guesses:
    guesses = Guesses()
    guesses.add_texts({**PERSON, "country": "NG", "id_type": "BVN"})
    guesses.add_texts({"number of the message": NUMBER, "date of birth": "1990-01-02", "country": "NG"})
    for file in world.slack.files.values():
        guesses.add(f"a file ({file.mimetype})", file.content)
    for name, body in _messages(world):
        guesses.add_json(name, body)
    for call in world.slack.calls:
        if call.method == "views.publish":
            guesses.add_json("a Home tab", _view(call.arguments["view"]))
    for job in world.smile_id.jobs.values():
        for entry, data in job.entries.items():
            guesses.add(f"{entry} of a zip", data)
        guesses.add_texts({"job id": job.job_id, "user id": job.user_id, "Smile ID's job id": job.smile_job_id})
        guesses.add("a callback token", job.callback_url.rpartition("/")[2])
    return guesses


def _messages(world: Journey) -> Iterator[tuple[str, dict[str, Any]]]:
    for sent in world.smile_id.callbacks:
        yield "a callback", sent.body
    for job in world.smile_id.jobs.values():
        for message in (*job.messages, *job.record):
            yield "a message on record", message
    yield "a forged callback", FORGED


def _view(argument: Any) -> dict[str, Any]:
    found = json.loads(argument) if isinstance(argument, str) else argument
    assert isinstance(found, dict)
    return found
