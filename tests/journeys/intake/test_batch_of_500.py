"""Five hundred applicants in one zip: shown at once, sent within bounds, told at Slack's pace, right to the row."""

import asyncio
import csv
import io
import sqlite3
import tempfile
import time
import zipfile
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from bot.outbox.refresh import UPDATE_EVERY
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Message
from bot.sandbox.slack.world import BOT_USER_ID
from bot.slack.blocks import ids
from tests.conftest import Took
from tests.journeys.site import site
from tests.journeys.world import PHOTOS, SELFIE
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

COUNT = 500
WITH_LIVENESS = 25
MIB = 1024


def everything() -> bytes:
    """One zip: the table and all photos."""
    frames = [(PHOTOS / f"liveness_{n}.jpg").read_bytes() for n in range(8)]
    table = io.StringIO()
    write = csv.writer(table)
    write.writerow(["country", "id_type", "id_number", "customer_reference", "selfie", "liveness"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for n in range(COUNT):
            folder = f"{n}/frames" if n % (COUNT // WITH_LIVENESS) == 0 else ""
            write.writerow(["NG", "BVN", number(n), f"CUST-{n}", f"{n}/selfie.jpg", folder])
            archive.writestr(f"{n}/selfie.jpg", SELFIE)
            for position, frame in enumerate(frames if folder else ()):
                archive.writestr(f"{n}/frames/liveness_{position}.jpg", frame)
        archive.writestr("applicants.csv", table.getvalue())
    return out.getvalue()


def number(n: int) -> str:
    """Smile ID's sandbox knows none of them but the first, and says so in several ways."""
    return f"{n:011d}"


def resident_kib(pid: int, what: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1])


def due_moments(database: Path) -> list[datetime]:
    """When the updates of the file's message were to go out."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT due_at FROM posts WHERE kind = 'batch_progress' ORDER BY seq").fetchall()
    return [datetime.fromisoformat(due_at) for (due_at,) in rows]


def batch_message(messages: list[Message]) -> Message | None:
    return next((m for m in messages if "file of customers" in m.text and m.thread_ts is None), None)


async def test_five_hundred_applicants_in_one_zip(capsys: pytest.CaptureFixture[str], took: Took) -> None:
    data = await asyncio.to_thread(everything)
    async with site(
        story="approved", KYC_SLACK_POSTS_PER_SECOND="50", KYC_RESULTS_WITH_CUSTOMER_REFERENCE="true"
    ) as world:
        slack, process = world.slack, world.process
        assert process is not None
        amina = slack.person(ANALYST)
        before = resident_kib(process.pid, "VmRSS")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "everything.zip"
            await asyncio.to_thread(path.write_bytes, data)
            uploaded = await amina.upload(path, "everything.zip")
            started = time.monotonic()
            await amina.say(CHANNEL, f"<@{BOT_USER_ID}>", files=[uploaded])
            await slack.wait_for(lambda: batch_message(slack.messages(CHANNEL)) is not None)
            preview_seconds = time.monotonic() - started
            message = batch_message(slack.messages(CHANNEL))
            assert message is not None
            assert f"{COUNT} rows: {COUNT} ready." in slack.plain(message)
            took(preview_seconds, less_than=5)

            started = time.monotonic()
            await amina.click(message, ids.BATCH_CONFIRM)
            await slack.wait_for(lambda: bool(slack.bot_files(CHANNEL)), 10 * GIVE_UP_SECONDS)
            all_seconds = time.monotonic() - started
        peak = resident_kib(process.pid, "VmHWM")
        updates = [call for call in slack.calls if call.method == "chat.update"]
        moments = [float(edition.replaced_ts) for edition in message.edited]
        (_message, file) = next((m, f) for m, f in slack.bot_files(CHANNEL) if "results" in f.name)
        rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))

        jobs = {job.partner_params["customer_reference"]: job for job in world.smile_id.jobs.values()}
        assert len(jobs) == len(world.smile_id.jobs) == COUNT
        assert [row["row"] for row in rows] == [str(n + 2) for n in range(COUNT)]
        for n, row in enumerate(rows):
            job = jobs[f"CUST-{n}"]
            assert row["customer_reference"] == f"CUST-{n}"
            assert row["reference"] == job.partner_params["reference"]
            assert job.info is not None
            assert job.info["id_info"]["id_number"] == number(n)
            assert len(job.info["images"]) == (9 if n % (COUNT // WITH_LIVENESS) == 0 else 1)
            assert job.upload_count == 1
            assert row["code"] == job.record[-1]["ResultCode"]
        # Slack takes fifty updates a minute from an app. On a busy machine one may wait, and the next come right after.
        assert all(sum(at <= other < at + 60 for other in moments) <= 50 for at in moments)
        assert all(later - earlier >= UPDATE_EVERY for earlier, later in pairwise(due_moments(world.database)))
        with capsys.disabled():
            print(
                f"\n{COUNT} applicants, {len(data) // 1024 // 1024} MiB of zip: preview in {preview_seconds:.1f} s, "
                f"all ended in {all_seconds:.0f} s; "
                f"memory {before // MIB} MiB before, {peak // MIB} MiB at the highest; "
                f"{len(updates)} updates of the message"
            )
        assert peak - before < 200 * MIB
