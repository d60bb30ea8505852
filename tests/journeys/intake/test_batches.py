"""Files of applicants: read, shown, confirmed, sent; each row ends where it belongs, and what needs eyes is told."""

import asyncio
import base64
import csv
import io
import json
import sqlite3
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image, ImageFilter

from bot.domain.applicants.batch import BatchState
from bot.domain.check.states import State
from bot.domain.outbox import encode_fault
from bot.errors import FileCode
from bot.intake import batch_commits
from bot.intake import batches as intake
from bot.outbox import refresh
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, Message
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.world import BOT_USER_ID
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from storage import batches as stored_batches
from tests.journeys.world import (
    ADMIN,
    PHOTOS,
    REVIEWER,
    SELFIE,
    Journey,
    MovedClock,
    bot_between,
    journey,
    patient_slack,
)

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
HEADER = ["country", "id_type", "id_number", "first_name", "last_name", "customer_reference", "selfie"]
TABLES = Path(__file__).parents[2] / "data" / "tables"
GOOD, UNKNOWN = "00000000000", "22222222222"
"""Smile ID's sandbox approves its own test number and knows no other."""


def person(n: int, number: str = GOOD, **more: str) -> dict[str, str]:
    row = {
        "country": "NG",
        "id_type": "BVN",
        "id_number": number,
        "first_name": f"Invented{n}",
        "last_name": "Person",
        "customer_reference": f"CUST-{n}",
        "selfie": f"{n}.jpg",
    }
    return row | more


def csv_of(rows: Sequence[Mapping[str, str]], header: Sequence[str] = HEADER) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, header, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def blurred() -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(SELFIE)).filter(ImageFilter.GaussianBlur(9)).save(out, "JPEG", quality=95)
    return out.getvalue()


async def drop(world: Journey, files: Mapping[str, bytes]) -> Message:
    """A mention with these files; gives the batch's own message, once the file was read."""
    uploaded = [await world.analyst.upload(data, name) for name, data in files.items()]
    seen = len(world.slack.ephemerals(ANALYST))
    await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}>", files=uploaded)
    await world.slack.wait_for(lambda: len(world.slack.ephemerals(ANALYST)) > seen)
    assert "Reading the file" in world.slack.ephemerals(ANALYST)[-1].text
    await world.work()
    return batch_message(world)


def batch_message(world: Journey) -> Message:
    return [m for m in world.slack.messages(CHANNEL) if "file of customers" in m.text and m.thread_ts is None][-1]


def told(world: Journey) -> list[str]:
    root = batch_message(world)
    return [world.slack.plain(m) for m in world.slack.thread(CHANNEL, root.ts) if m.ts != root.ts]


def bots_files(world: Journey) -> dict[str, SlackFile]:
    return {file.name: file for _message, file in world.slack.bot_files(CHANNEL)}


def lines(file: SlackFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))


async def send(world: Journey, action: str = ids.BATCH_CONFIRM) -> None:
    assert (await world.analyst.click(batch_message(world), action)).ok
    for _round in range(4):
        await world.settle()
        world.clock.move(seconds=4)


def photos(count: int, data: bytes = SELFIE) -> dict[str, bytes]:
    return {f"{n}.jpg": data for n in range(count)}


def info(world: Journey, n: int = -1) -> dict[str, Any]:
    found = list(world.smile_id.jobs.values())[n].info
    assert found is not None
    return found


# Every kind of file


@BOTH
async def test_a_table_with_its_photos_in_the_same_message(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        message = await drop(world, {"people.csv": csv_of([person(0), person(1)]), **photos(2)})
        shown = world.slack.plain(message)
        assert "2 rows: 1 ready, 1 looks like a repeat." in shown
        assert "Row 3: the same person as row 2" in shown
        assert not world.smile_id.jobs
        await send(world, ids.BATCH_CONFIRM_ALL)
        assert len(world.smile_id.jobs) == 2
        shown = world.slack.plain(batch_message(world))
        assert "Done · B-" in shown
        assert "2 approved" in shown
        assert "2 of 2 ended (100 %)" in shown
        (results,) = [file for name, file in bots_files(world).items() if "results" in name]
        rows = lines(results)
        assert [(row["row"], row["result"]) for row in rows] == [("2", "Approved"), ("3", "Approved")]
        assert all(row["reference"].startswith("K-") for row in rows)
        assert "CUST-" not in results.content.decode("utf-8-sig")
        # Plain approvals stand in the counts and the file alone.
        assert [text for text in told(world) if "row " in text] == []
        assert f"@amina Results of {_batch_id(world)}" in told(world)[-1]


def _batch_id(world: Journey) -> str:
    text = batch_message(world).text
    return next(word.strip(".") for word in text.replace("·", " ").split() if word.startswith("B-"))


@pytest.mark.parametrize("kind", ["zip beside", "all in one zip", "xlsx", "json"])
async def test_every_kind_of_file_becomes_checks(tmp_path: Path, kind: str) -> None:
    rows = [person(0), person(1, "11111111111")]
    liveness = {f"live/liveness_{n}.jpg": (PHOTOS / f"liveness_{n}.jpg").read_bytes() for n in range(8)}
    with_liveness = [*HEADER, "liveness"]
    rows[0]["liveness"] = "live"
    match kind:
        case "zip beside":
            files = {"people.csv": csv_of(rows, with_liveness), "photos.zip": zip_of({**photos(2), **liveness})}
        case "all in one zip":
            table = {"in/people.csv": csv_of(rows, with_liveness)}
            files = {"everything.zip": zip_of({**table, **photos(2), **liveness})}
        case "xlsx":
            book = openpyxl.Workbook()
            for cells in (with_liveness, *([row.get(name, "") for name in with_liveness] for row in rows)):
                book.worksheets[0].append(cells)
            out = io.BytesIO()
            book.save(out)
            files = {"people.xlsx": out.getvalue(), "photos.zip": zip_of({**photos(2), **liveness})}
        case _:
            inline = base64.b64encode(SELFIE).decode()
            frames = [base64.b64encode(frame).decode() for frame in liveness.values()]
            people: list[dict[str, Any]] = [
                {**person(0), "selfie_base64": inline, "liveness_base64": frames},
                {**person(1, "11111111111"), "selfie_base64": inline},
            ]
            for one in people:
                del one["selfie"]
            files = {"people.json": json.dumps(people).encode()}
    async with journey(tmp_path) as world:
        message = await drop(world, files)
        assert "2 rows: 2 ready." in world.slack.plain(message)
        await send(world)
        sent = {info(world, n)["id_info"]["id_number"]: info(world, n) for n in range(2)}
        types = [image["image_type_id"] for image in sent[GOOD]["images"]]
        assert types == ([2] + [6] * 8 if kind == "json" else [0] + [4] * 8)
        assert [image["image_type_id"] for image in sent["11111111111"]["images"]] == ([2] if kind == "json" else [0])


async def test_a_list_saved_with_macros_is_read(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await drop(world, {"people.xlsm": (TABLES / "applicants.xlsm").read_bytes(), "ada.jpg": SELFIE})
        assert "1 row: 1 ready." in world.slack.plain(message)


# What is told


async def test_every_row_ends_in_its_state_and_only_what_needs_a_person_is_posted(tmp_path: Path) -> None:
    rows = [
        person(0),
        person(1, UNKNOWN),
        person(2, "1234"),
        person(3, "33333333333", selfie="missing.jpg"),
        person(4, "44444444444", selfie="4.jpg"),
        person(5, "=1+1"),
    ]
    archive = zip_of(
        {"people.csv": csv_of(rows), "0.jpg": SELFIE, "1.jpg": SELFIE, "2.jpg": SELFIE, "4.jpg": blurred()}
    )
    async with journey(tmp_path) as world:
        message = await drop(world, {"everything.zip": archive})
        shown = world.slack.plain(message)
        assert "6 rows: 3 ready, 3 with faults." in shown
        assert "Row 4, id_number: A BVN has 11 digits" in shown
        assert "Row 5, selfie" in shown
        for secret in ("1234", UNKNOWN, "Invented"):
            assert secret not in json.dumps(message.blocks)
        faults = lines(next(file for name, file in bots_files(world).items() if "faults" in name))
        assert {row["row"] for row in faults} == {"4", "5", "7"}
        await send(world)
        texts = told(world)
        assert any("row 3 · K-" in text and "No result" in text for text in texts)
        assert any("row 6 · K-" in text and "The selfie looks blurred" in text for text in texts)
        assert not any("row 2 · K-" in text for text in texts)
        assert "1 needs your answer" in world.slack.plain(batch_message(world))
        question = next(m for m in world.slack.thread(CHANNEL, message.ts) if ids.SEND_HELD in str(m.blocks))
        await world.analyst.click(question, ids.SEND_HELD)
        for _round in range(4):
            await world.settle()
            world.clock.move(seconds=4)
        results = lines(next(file for name, file in bots_files(world).items() if "results" in name))
        by_row = {row["row"]: row for row in results}
        assert set(by_row) == {"2", "3", "6"}
        assert by_row["2"]["result"] == "Approved"
        assert by_row["3"]["result"] == "No result"
        assert by_row["2"]["id_number_ending"] == "000"
        # Of this row something was told before, so its end is told too.
        told_of_it = [text for text in told(world) if "row 6 · K-" in text]
        assert "Sent anyway" in told_of_it[0]
        assert "Approved" in told_of_it[1]
        assert "Done · B-" in world.slack.plain(batch_message(world))


# Deciding


async def test_only_who_sent_the_file_confirms_it_and_twice_is_once(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*", KYC_ADMINS=ADMIN) as world:
        message = await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        musa = world.slack.person(ADMIN)
        await musa.click(message, ids.BATCH_CONFIRM)
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ADMIN)))
        assert "Only the person who sent the file" in world.slack.ephemerals(ADMIN)[-1].text
        await world.work()
        assert not world.smile_id.jobs
        await send(world)
        await world.analyst.click(message, ids.BATCH_CONFIRM, stale=True)
        await send_nothing(world)
        assert "has changed meanwhile" in world.slack.ephemerals(ANALYST)[-1].text
        assert len(world.smile_id.jobs) == 1


async def send_nothing(world: Journey) -> None:
    for _round in range(2):
        await world.settle()
        world.clock.move(seconds=4)


async def test_the_same_message_is_one_batch(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        sent = next(m for m in world.slack.messages(CHANNEL) if m.user == ANALYST)
        await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, sent.ts)
        await world.slack.wait_for(lambda: "read before, as B-" in world.slack.ephemerals(ANALYST)[-1].text)
        await world.work()
        assert len([m for m in world.slack.messages(CHANNEL) if "file of customers" in m.text]) == 1


async def test_paused_resumed_and_the_rest_cancelled(tmp_path: Path) -> None:
    rows = [person(n, f"{n:011d}") for n in range(1, 9)]
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of(rows), **{f"{n}.jpg": SELFIE for n in range(1, 9)}})
        await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)
        for batch_id in await world.bot.batches.claim(2):
            await world.bot.batches.work(batch_id)
        refs = await world.bot.submission.claim(6)
        assert len(refs) == 6
        await world.bot.batches.pause(ANALYST, _batch_id(world))
        for ref in refs:
            await world.bot.submission.work(ref)
        await send_nothing(world)
        assert len(world.smile_id.jobs) == 6
        assert "Paused · B-" in world.slack.plain(batch_message(world))
        await world.analyst.click(batch_message(world), ids.BATCH_RESUME)
        (ref,) = (await world.bot.submission.claim(1))[:1]
        await world.bot.submission.work(ref)
        await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)
        await send_nothing(world)
        assert len(world.smile_id.jobs) == 7
        shown = world.slack.plain(batch_message(world))
        assert "Cancelled · B-" in shown
        assert "1 cancelled" in shown
        assert not [text for text in told(world) if "Cancelled by" in text]
        results = lines(next(file for name, file in bots_files(world).items() if "results" in name))
        assert len(results) == 8


async def test_a_cancel_that_a_restart_cut_short_goes_on(tmp_path: Path) -> None:
    rows = [person(n, f"{n:011d}") for n in range(1, 5)]
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of(rows), **{f"{n}.jpg": SELFIE for n in range(1, 5)}})
        await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)
        for batch_id in await world.bot.batches.claim(2):
            await world.bot.batches.work(batch_id)
        # The move was committed, and nothing after it.
        sending, cancelled = BatchState.SENDING, BatchState.CANCELLED
        moved = await world.bot.database.write(
            batch_commits.move, batch_id, cancelled, of=[sending], by=ANALYST, now=world.clock()
        )
        assert moved
        await send_nothing(world)
        assert not world.smile_id.jobs
        await world.bot.batches.tick()
        await send_nothing(world)
        assert "4 cancelled" in world.slack.plain(batch_message(world))
        assert [file for name, file in bots_files(world).items() if "results" in name]


async def test_a_preview_that_is_cancelled_sends_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await world.analyst.click(batch_message(world), ids.BATCH_CANCEL)
        await send_nothing(world)
        assert "Nothing was sent and nothing was charged." in world.slack.plain(batch_message(world))
        assert not world.smile_id.jobs


async def test_files_that_vanish_before_they_are_sent_send_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        sent = next(m for m in world.slack.messages(CHANNEL) if m.user == ANALYST)
        await world.analyst.delete(sent)
        await send(world)
        assert "The message with the files is no longer there, so nothing was sent." in world.slack.plain(
            batch_message(world)
        )
        assert not world.smile_id.jobs


async def test_a_person_who_was_checked_before_counts_as_a_repeat(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_SEEN_BEFORE="30d", KYC_REQUESTERS="*") as world:
        await world.ask(id_number=UNKNOWN)
        await world.settle()
        # A check of somebody else's, which who sends the file may not see, is no repeat: nobody learns of it by a file.
        world.slack.add_user("U0BIMPE0001", "bimpe")
        world.slack.channels[CHANNEL].members.add("U0BIMPE0001")
        bimpe = world.slack.person("U0BIMPE0001")
        form = await world.fill(await world.form(bimpe), person=bimpe, id_number="33333333333")
        assert (await form.submit()).closed
        other = io.BytesIO()
        Image.open(io.BytesIO(SELFIE)).save(other, "JPEG", quality=70)
        rows = [person(0, UNKNOWN), person(1, "33333333333")]
        message = await drop(world, {"people.csv": csv_of(rows), **photos(2, other.getvalue())})
        shown = world.slack.plain(message)
        assert "2 rows: 1 ready, 1 looks like a repeat." in shown
        # Who is in the channel has the file, and not that check: which row it is, its sender reads alone.
        assert "1 row was checked before. To see which, send me the file in a direct message." in shown
        assert "Row 2" not in shown
        files = {"people.csv": csv_of(rows), **photos(2, other.getvalue())}
        await world.analyst.write("", files=[await world.analyst.upload(data, name) for name, data in files.items()])
        await world.answered()
        await world.work()
        (directly,) = [text for text in world.direct(ANALYST) if "2 rows" in text]
        assert "1 ready, 1 looks like a repeat." in directly
        assert "Row 2: checked before" in directly


async def test_the_template_comes_as_a_file(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        message = await drop(world, {"people.csv": b"name\nAda"})
        assert "Nothing was sent" in world.slack.plain(message)
        await world.analyst.click(message, ids.BATCH_TEMPLATE)
        direct = world.analyst.direct_channel_id
        await world.slack.wait_for(lambda: bool(world.slack.bot_files(direct)))
        ((_message, file),) = world.slack.bot_files(direct)
        assert lines(file)[0]["id_number"] == GOOD


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"people.csv": "country,id_type,id_number\nNG,BVN,\xe9".encode("latin-1")}, "UTF-8"),
        ({"people.csv": csv_of([person(n) for n in range(60)])}, "more than 50 rows"),
        ({"people.zip": b"PK\x03\x04 no zip"}, "A file that you sent is damaged"),
        ({"a.csv": csv_of([person(0)]), "b.csv": csv_of([person(1)])}, "I found 2 tables. Send one table"),
        ({"photos.zip": zip_of({"../1.jpg": SELFIE})}, "A file that you sent holds file names"),
        ({"people.json": b"{"}, "JSON"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    async with journey(tmp_path, KYC_BATCH_ROWS="50") as world:
        message = await drop(world, files)
        shown = world.slack.plain(message)
        assert "Nothing was sent" in shown
        assert words in shown
        # Others read this channel, and people name files after customers.
        assert not any(name in shown for name in files)
        assert "[Download template]" in shown


# Restarts


async def test_a_restart_at_each_stage_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0.0, clock=clock)
    rows = [person(n, f"{n:011d}") for n in range(1, 13)]
    archive = zip_of({"people.csv": csv_of(rows), **{f"{n}.jpg": SELFIE for n in range(1, 13)}})
    async with AsyncExitStack() as stack:
        for stand_in in (slack, smile_id):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        environment = settings_for(
            slack, smile_id, database=tmp_path / "kyc.db", socket_mode=False, KYC_SLACK_POSTS_PER_SECOND="1000"
        )

        async def restarted() -> Any:
            return bot_between(slack, smile_id, environment, clock=clock)

        async with await restarted() as world:
            uploaded = await world.analyst.upload(archive, "everything.zip")
            await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}>", files=[uploaded])
            await slack.wait_for(lambda: bool(slack.ephemerals(ANALYST)))
            assert await world.bot.batches.claim(2)
        clock.move(minutes=31)
        async with await restarted() as world:
            await world.work()
            await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)
            assert await world.bot.batches.claim(2)
        clock.move(minutes=31)
        async with await restarted() as world:
            for batch_id in await world.bot.batches.claim(2):
                await world.bot.batches.work(batch_id)
            for ref in (await world.bot.submission.claim(32))[:3]:
                await world.bot.submission.work(ref)
        clock.move(minutes=11)
        async with await restarted() as world:
            await send_nothing(world)
            await send_nothing(world)
            assert len(smile_id.jobs) == 12
            assert {job.upload_count for job in smile_id.jobs.values()} == {1}
            results = lines(next(file for name, file in bots_files(world).items() if "results" in name))
            assert [row["row"] for row in results] == [str(n) for n in range(2, 14)]


async def test_a_results_file_whose_answer_was_lost_is_posted_once(tmp_path: Path) -> None:
    from bot.sandbox.slack import Fault

    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        world.slack.fail_next("files.completeUploadExternal", Fault.reset_after())
        await send(world)
        for _round in range(4):
            world.clock.move(seconds=30)
            await world.work()
        names = [file.name for _message, file in world.slack.bot_files(CHANNEL)]
        assert len([name for name in names if "results" in name]) == 1


async def test_results_stay_out_of_a_channel_that_another_company_reads_by_now(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.clock.move(minutes=11)
        await send(world)
        assert bots_files(world) == {}
        assert any("shared with another company" in line for line in world.direct(ADMIN))


async def test_whoever_writes_the_database_is_not_sent_the_results(tmp_path: Path) -> None:
    """With the customers' references, which stand there only sealed."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await send(world)
        reviewer = world.slack.person(REVIEWER)
        thief = reviewer.direct_channel_id
        first = await reviewer.write("hello")
        await world.work()
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            db.execute("UPDATE batches SET channel = ?, message_ts = ?", [thief, first.ts])
            columns = "kind, lane, priority, note, state, due_at, created_at"
            db.execute(
                f"""
                INSERT INTO posts (id, {columns}) SELECT 'thief', kind, ?, priority, note, 'due', due_at, created_at
                FROM posts WHERE kind = 'batch_results'
                """,  # noqa: S608 - above
                [thief],
            )
        world.clock.move(seconds=30)
        await world.work()
        assert world.slack.bot_files(thief) == []


@pytest.mark.parametrize("kind", ["batch_faults", "batch"])
@pytest.mark.parametrize("beside", ["channel = :thief", "requester = :thief", "id = id"])
async def test_whoever_writes_the_database_is_not_sent_what_is_in_a_file(
    tmp_path: Path, beside: str, kind: str
) -> None:
    """Nor what is wrong with it: titles and values are told where the file was sent."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(0), {**person(1), "country": "Atlantis"}]), **photos(2)})
        reviewer = world.slack.person(REVIEWER)
        thief = REVIEWER if "requester" in beside else reviewer.direct_channel_id
        first = await reviewer.write("hello")
        await world.work()
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            db.execute(f"UPDATE batches SET message_ts = :ts, {beside}", {"thief": thief, "ts": first.ts})  # noqa: S608 - above
            columns = "kind, lane, priority, note, state, due_at, created_at"
            put = f"""
                INSERT INTO posts (id, {columns}) SELECT 'thief', kind, ?, priority, note, 'due', due_at, created_at
                FROM posts WHERE kind = ?
                """  # noqa: S608 - above
            assert db.execute(put, [thief, kind]).rowcount == 1
        world.clock.move(seconds=30)
        await world.work()
        assert world.slack.bot_files(reviewer.direct_channel_id) == []
        assert "B-" not in str(world.direct(REVIEWER))
        assert [line for line in world.direct(ADMIN) if "Record altered" in line]


async def test_a_file_does_not_become_checks_of_whoever_writes_the_database(tmp_path: Path) -> None:
    """Who would see its customers as their own."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            assert db.execute("UPDATE batches SET requester = ?", [REVIEWER]).rowcount == 1
        await world.settle()
        assert world.smile_id.jobs == {}
        assert await world.bot.database.read(lambda tx: tx.value("SELECT COUNT(*) FROM verifications")) == 0
        assert [line for line in world.direct(ADMIN) if "Record altered" in line]


@pytest.mark.parametrize("is_found_before", [True, False])
async def test_a_file_is_done_although_one_of_its_rows_was_altered(tmp_path: Path, *, is_found_before: bool) -> None:
    """That row is not sent, its requester hears of it, and nobody waits for it."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        rows = [person(n, f"2221234567{n}") for n in range(3)]
        world.smile_id.stories_by_id_number |= {row["id_number"]: "approved" for row in rows}
        await drop(world, {"people.csv": csv_of(rows), **photos(3)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        for batch_id in await world.bot.batches.claim(1):
            await world.bot.batches.work(batch_id)
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            altered = db.execute("UPDATE verifications SET channel = 'C0OTHER0001' WHERE batch_row = 3").rowcount
        assert altered == 1
        if is_found_before:
            await world.bot.records.look_on()
        for _round in range(6):
            await world.settle()
            world.clock.move(seconds=4)
        if not is_found_before:
            await world.bot.records.look_on()
            await world.settle()
        assert len(world.smile_id.jobs) == 2
        shown = world.slack.plain(batch_message(world))
        assert "Done · B-" in shown
        assert "3 of 3 ended (100 %)" in shown
        assert "2 approved, 1 record altered." in shown
        (comment,) = [line for line in told(world) if "Results of B-" in line]
        assert "1 row counts as not approved" in comment
        (results,) = [file for name, file in bots_files(world).items() if "results-all" in name]
        assert [row["row"] for row in lines(results) if row["result"] == "Approved"] == ["2", "4"]


async def test_a_file_of_results_counts_its_rows_as_it_tells_them(tmp_path: Path) -> None:
    """What was altered in the rest of a record is known once it is told whole."""
    async with journey(tmp_path) as world:
        world.has_thief = True
        rows = [person(n, f"2221234567{n}") for n in range(3)]
        world.smile_id.stories_by_id_number |= {row["id_number"]: "approved" for row in rows}
        await drop(world, {"people.csv": csv_of(rows), **photos(3)})
        world.slack.fail_next("files.getUploadURLExternal", Fault.rate_limited(300))
        await send(world)
        assert not [line for line in told(world) if "Results of B-" in line]
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            third = "SELECT ref FROM verifications WHERE batch_row = 3"
            assert db.execute(f"UPDATE attempts SET user_id = 'altered' WHERE ref = ({third})").rowcount == 1  # noqa: S608 - above
        for _round in range(3):
            world.clock.move(minutes=10)
            await world.settle()
        (comment,) = [line for line in told(world) if "Results of B-" in line]
        assert "2 approved, 1 record altered." in comment
        assert "1 row counts as not approved" in comment
        (results,) = [file for name, file in bots_files(world).items() if "results-all" in name]
        assert [row["row"] for row in lines(results) if row["result"] == "Approved"] == ["2", "4"]


async def test_no_personal_data_appears_in_logs_or_in_the_channel(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path) as world:
        await drop(world, {"people.csv": csv_of([person(0, UNKNOWN)]), **photos(1)})
        await send(world)
        everything = json.dumps([m.blocks for m in world.slack.messages(CHANNEL) if m.user == BOT_USER_ID])
        for secret in (UNKNOWN, "Invented0", "CUST-0"):
            assert secret not in log_lines.getvalue()
            assert secret not in everything
        assert (await world.check(await world.newest())).state in {State.FAILED, State.REJECTED}


@pytest.mark.parametrize(
    ("setting", "place", "is_named"),
    [("false", "channel", False), ("true", "channel", True), ("false", "direct message", True)],
)
async def test_results_lead_to_the_customer_by_row_and_by_their_own_reference_only_if_wished(
    tmp_path: Path, setting: str, place: str, *, is_named: bool
) -> None:
    async with journey(tmp_path, KYC_RESULTS_WITH_CUSTOMER_REFERENCE=setting) as world:
        amina, files = world.analyst, {"people.csv": csv_of([person(0), person(1, UNKNOWN)]), **photos(2)}
        channel = CHANNEL if place == "channel" else amina.direct_channel_id
        uploaded = [await amina.upload(data, name) for name, data in files.items()]
        if channel == CHANNEL:
            await amina.say(CHANNEL, f"<@{BOT_USER_ID}>", files=uploaded)
        else:
            await amina.write("", files=uploaded)
        await world.answered()
        await world.work()
        preview = [m for m in world.slack.messages(channel) if "file of customers" in m.text][-1]
        assert (await amina.click(preview, ids.BATCH_CONFIRM)).ok
        for _round in range(3):
            await world.settle()
            world.clock.move(seconds=4)
        (results,) = [file for _post, file in world.slack.bot_files(channel) if "results" in file.name]
        told = lines(results)
        assert [line["row"] for line in told] == ["2", "3"]
        assert await world.newest() in {line["reference"] for line in told}
        assert [line.get("customer_reference") for line in told] == (["CUST-0", "CUST-1"] if is_named else [None, None])
        assert "Invented" not in results.content.decode()
        assert GOOD not in results.content.decode()


async def test_a_row_that_ended_runs_again_by_itself_when_its_batch_is_done(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected") as world:
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await send(world)
        ref = await world.newest()
        assert (await world.check(ref)).state.value == "rejected"
        world.smile_id.story = "approved"
        assert "Done · B-" in world.slack.plain(batch_message(world))
        await world.analyst.command(f"rerun {ref}")
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()
        assert (await world.check(ref)).state.value == "approved"
        assert len(world.smile_id.jobs) == 2
        assert [text for text in told(world) if ref in text and "Approved — face and ID number verified" in text]


async def test_a_number_that_was_written_beside_the_bot_is_no_approval_in_a_file_that_ended(tmp_path: Path) -> None:
    """Of how many rows stand where there is no MAC: at the end they are counted from the rows."""
    async with journey(tmp_path, story="rejected") as world:
        world.has_thief = True
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await send(world)
        assert "1 rejected." in world.slack.plain(batch_message(world))
        with closing(sqlite3.connect(world.bot.settings.database_file)) as db, db:
            assert db.execute("UPDATE batch_counts SET what = 'approved' WHERE what = 'rejected'").rowcount == 1
        ref = await world.newest()
        await world.bot.database.write(refresh.check_changed, ref, now=world.clock())
        await world.settle()
        assert "1 rejected." in world.slack.plain(batch_message(world))


@pytest.mark.parametrize("why", ["message gone", "trail", "killed again"])
async def test_rows_of_a_file_that_is_refused_after_a_restart_do_not_wait_for_ever(tmp_path: Path, why: str) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = why == "trail"
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        bot = world.bot.batches
        (batch_id,) = await bot.claim(2)
        batch = await world.bot.database.read(stored_batches.get, batch_id)
        # Its first row is a check; then the process is killed.
        reading, suppliers = await bot._read(batch)
        first = intake._chosen(batch, reading)[:1]
        await world.bot.database.write(bot._insert, batch, first, sorted(suppliers), world.clock())
        if why == "trail":
            with closing(sqlite3.connect(world.path)) as db, db:
                db.execute("INSERT INTO audit (at, actor, act) SELECT MAX(at), 'U9', 'summary.opened' FROM audit")
        else:
            await world.analyst.delete(next(m for m in world.slack.messages(CHANNEL) if m.user == ANALYST))
        if why == "killed again":
            # It was refused, and none of its rows cancelled.
            fault = encode_fault(FileCode.MESSAGE_GONE, {})
            refuse = batch_commits.refuse
            await world.bot.database.write(refuse, batch_id, fault, of=BatchState.CONFIRMED, now=world.clock())
            await bot.tick()
        else:
            await bot.work(batch_id)
        await world.settle()
        assert "nothing was sent" in world.slack.plain(batch_message(world))
        assert await world.bot.database.read(lambda tx: tx.column("SELECT state FROM batches")) == ["refused"]
        assert await world.bot.database.read(lambda tx: tx.column("SELECT state FROM verifications")) == ["cancelled"]
        assert await world.bot.database.read(lambda tx: tx.value("SELECT SUM(checks) FROM spending")) == 0
        assert world.smile_id.jobs == {}


async def test_a_worker_that_has_lost_its_lease_refuses_no_file_that_is_being_sent(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_BATCH_APPROVAL="9") as world:
        await drop(world, {"people.csv": csv_of([person(n, f"2222222222{n}") for n in range(2)]), **photos(2)})
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        bot, database = world.bot.batches, world.bot.database
        (batch_id,) = await bot.claim(2)
        late = await database.read(stored_batches.get, batch_id)
        await bot.work(batch_id)
        await bot._refuse(late, encode_fault(FileCode.MESSAGE_GONE, {}))
        assert await database.read(lambda tx: tx.column("SELECT state FROM batches")) == ["sending"]
        assert await database.read(lambda tx: tx.column("SELECT state FROM verifications")) == ["requested"] * 2
        assert "batch.refused" not in await database.read(lambda tx: tx.column("SELECT act FROM audit"))
        assert await database.read(lambda tx: tx.value("SELECT SUM(checks) FROM spending")) == 2
        await world.settle()
        assert len(world.smile_id.jobs) == 2


@pytest.mark.parametrize("finds", ["no message", "no Slack"])
async def test_a_late_reader_stops_no_file_that_was_confirmed_since(tmp_path: Path, finds: str) -> None:
    async with journey(tmp_path) as world:
        uploaded = [
            await world.analyst.upload(data, name)
            for name, data in {"people.csv": csv_of([person(0), person(1, UNKNOWN)]), **photos(2)}.items()
        ]
        await world.analyst.say(CHANNEL, f"<@{BOT_USER_ID}>", files=uploaded)
        await world.answered()
        bot, goes_on, asked = world.bot.batches, asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            asked.set()
            await goes_on.wait()

        fault = Fault.call() if finds == "no message" else Fault.error("internal_error")
        world.slack.fail_next("conversations.history", replace(fault, run_before=wait))
        (batch_id,) = await bot.claim(2)
        late = asyncio.create_task(bot.work(batch_id))
        await asked.wait()
        # Its lease has run out, another worker reads the file, and its sender confirms it.
        world.clock.move(minutes=31)
        assert await bot.claim(2) == [batch_id]
        await bot.work(batch_id)
        await world.settle()
        assert (await world.analyst.click(batch_message(world), ids.BATCH_CONFIRM)).ok
        assert await bot.claim(2) == [batch_id]
        sent = next(m for m in world.slack.messages(CHANNEL) if m.user == ANALYST)
        sent.deleted = finds == "no message"
        goes_on.set()
        await late
        sent.deleted = False
        # Not refused, and the lease of who begins it is kept.
        world.clock.move(seconds=10)
        assert await bot.claim(2) == []
        await bot.work(batch_id)
        for _round in range(4):
            await world.settle()
            world.clock.move(seconds=4)
        assert await world.bot.database.read(lambda tx: tx.column("SELECT state FROM batches")) == ["done"]
        assert len(world.smile_id.jobs) == 2
