"""A file of customers: how fast its rows reach Smile ID, and how long a form is on its way meanwhile.

The bot is a process of its own. Smile ID is another one, over TLS, which takes a while for each call and says no
results: a row is there once its photos are. The zip of the file is fetched once, from a Slack in this process.
"""

import asyncio
import csv
import io
import re
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import BOT_USER_ID, Message
from bot.slack.blocks import ids
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import percentile
from tests.benchmarks.smile_id_peer import smile_id_peer
from tests.journeys.site import Site, site
from tests.journeys.world import SELFIE

ROWS = 250
ROUNDS = 3
WARM_UP = 20
"""Rows before the first round."""
LONG = 2_000
"""Rows of the file beside which forms are sent."""
FORM_EVERY_SECONDS = 0.15
PATIENCE_SECONDS = 600.0


def figures() -> list[Figure]:
    return asyncio.run(_figures())


async def _figures() -> list[Figure]:
    found = []
    for milliseconds, bound in ((150, 50.0), (0, 85.0)):
        async with _place(milliseconds) as world:
            await _rows_a_second(world, WARM_UP, first=0)
            rates = [await _rows_a_second(world, ROWS, first=turn * ROWS) for turn in range(1, ROUNDS + 1)]
        work = f"rows of a file, {milliseconds} ms per call"
        found.append(Figure(work=work, rounds=rates, unit="/s", goal=Goal.AT_LEAST, bound=bound))
    return [*found, await slowest_form()]


async def slowest_form(say: str = "", **settings: str) -> Figure:
    """Of those that are sent while long files move; `say` is what else is said of the database in `settings`."""
    async with _place(0, **settings) as world:
        await _rows_a_second(world, WARM_UP, first=0)
        # Beside one file some seventy forms are sent: the 99th percentile of these alone is the slowest one.
        waits = [wait for turn in range(1, ROUNDS + 1) for wait in await _waits_of_forms(world, first=turn * LONG)]
    slowest = [percentile(waits, 0.99) * 1e3]
    work = f"a form to its answer, beside files of {LONG:,}{say}: 99th percentile of some two hundred"
    return Figure(work=work, rounds=slowest, unit="ms", goal=Goal.AT_MOST, bound=100.0)


@asynccontextmanager
async def _place(milliseconds: int, **settings: Any) -> AsyncIterator[Site]:
    """A bot whose Smile ID takes so long for each call."""
    with tempfile.TemporaryDirectory() as folder, smile_id_peer(Path(folder), milliseconds=milliseconds) as (there, ca):
        more = {"SMILE_ID_API_URL": f"{there}/v1", "KYC_CA_FILE": str(ca), "KYC_POLL_AFTER": "1h", **settings}
        async with site(socket_mode=False, pace=1_000, **more) as world:
            yield world


async def _rows_a_second(world: Site, rows: int, *, first: int) -> float:
    """From the moment that a file begins to be sent until Smile ID has the photos of its last row."""
    # Nothing is heard of the rows before, so that the bot asks for them after a while: no part of sending others.
    await world.wait_for_asks(timeout_seconds=PATIENCE_SECONDS)
    batch = await _drop(world, rows=rows, first=first)
    return rows / await _sent(world, batch, rows=rows)


async def _waits_of_forms(world: Site, *, first: int) -> list[float]:
    """Seconds from each form's submission to its answer, all while a long file is being sent."""
    waits: list[float] = []
    moving = asyncio.create_task(_sent(world, await _drop(world, rows=LONG, first=first), rows=LONG))
    while not moving.done():
        form = await world.form()
        began = time.perf_counter()
        submission = await form.submit()
        waits.append(time.perf_counter() - began)
        assert submission.closed, submission
        await asyncio.sleep(FORM_EVERY_SECONDS)
    await moving
    return waits


async def _drop(world: Site, *, rows: int, first: int) -> str:
    """Send a file of so many customers, and confirm it once it was read; its id."""
    slack, person = world.slack, world.slack.person(ANALYST)
    seen = len(slack.messages(CHANNEL))
    people = await person.upload(_people(rows, first=first), "people.zip")
    await person.say(CHANNEL, f"<@{BOT_USER_ID}>", files=[people])

    def of_file() -> list[Message]:
        return [m for m in slack.messages(CHANNEL)[seen:] if f"{rows} ready" in slack.plain(m)]

    await world.wait_for(lambda: bool(of_file()), timeout_seconds=PATIENCE_SECONDS)
    message = of_file()[0]
    assert (await person.click(message, ids.BATCH_CONFIRM)).ok
    found = re.search(r"B-\w{6,}", slack.plain(message))
    assert found is not None
    return found[0]


async def _sent(world: Site, batch: str, *, rows: int) -> float:
    """Seconds, by the bot's own record."""
    begun = "SELECT at FROM audit WHERE act = 'batch.moved' AND ref = ? AND detail = 'sending'"
    sent = """
        SELECT COUNT(*), MAX(a.sent_at) FROM attempts a JOIN verifications v ON v.ref = a.ref
        WHERE v.batch = ? AND a.sent_at IS NOT NULL
        """
    with closing(sqlite3.connect(f"file:{world.database}?mode=ro", uri=True)) as db:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := db.execute(sent, (batch,)).fetchone())[0] < rows:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.25)
        (began_at,), ended_at = db.execute(begun, (batch,)).fetchone(), found[1]
    return (datetime.fromisoformat(ended_at) - datetime.fromisoformat(began_at)).total_seconds()


def _people(rows: int, *, first: int) -> bytes:
    """A zip with a table of customers who do not exist, and a selfie for each."""
    table, whole = io.StringIO(), io.BytesIO()
    writer = csv.writer(table)
    writer.writerow(["country", "id_type", "id_number", "first_name", "last_name", "customer_reference", "selfie"])
    for n in range(first, first + rows):
        writer.writerow(["NG", "BVN", f"8{n:08d}00", f"Invented{n}", "Person", f"CUST-{n}", f"{n}.jpg"])
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("people.csv", table.getvalue())
        for n in range(first, first + rows):
            archive.writestr(f"{n}.jpg", SELFIE)
    return whole.getvalue()
