"""`/kyc export`: a file by direct message, for managers and admins alone, once, whatever happens on the way."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from bot.domain.outbox import PostKind
from bot.domain.reporting.exports import ExportFormat
from bot.errors import Refusal, Refused
from bot.sandbox.demo import ANALYST, settings_for
from bot.sandbox.slack import Fault, Person
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import export as words
from bot.slack.blocks.refusals import SENTENCES, sentence
from storage import exports
from storage.engine.database import Transaction
from storage.exports import ExportLine, ExportRange
from tests.journeys.world import ADMIN, REVIEWER, Journey, MovedClock, bot_between, journey, patient_slack

pytestmark = pytest.mark.anyio

MANAGER = "U0MEERA0001"
FORMULA = '=HYPERLINK("https://evil.example","=1+1")'
NEUTRAL = {
    "jsonl": FORMULA,
    "xlsx": f"'{FORMULA}",
    # A program that splits the line by itself would find the formula behind the comma.
    "csv": """'=HYPERLINK("https://evil.example",'"=1+1")""",
}


@asynccontextmanager
async def office(folder: Path, *, clock: MovedClock | None = None, managers: str = MANAGER) -> AsyncIterator[Journey]:
    clock = clock or MovedClock()
    slack = patient_slack(clock)
    slack.add_user(MANAGER, "meera")
    async with journey(folder, slack=slack, clock=clock, KYC_MANAGERS=managers) as world:
        yield world


def meera(world: Journey) -> Person:
    return world.slack.person(MANAGER)


async def say(person: Person, typed: str) -> str:
    reply = await person.command(f"export {typed}")
    assert reply.ok, reply
    return reply.text


def files(world: Journey, user: str = MANAGER) -> list[SlackFile]:
    return [file for _message, file in world.slack.bot_files(world.slack.person(user).direct_channel_id)]


def read_back(file: SlackFile) -> list[dict[str, str]]:
    match file.name.rpartition(".")[2]:
        case "csv":
            return list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))
        case "jsonl":
            lines = [json.loads(line) for line in file.content.decode().splitlines()]
            return [{name: str(value) for name, value in line.items()} for line in lines]
        case _:
            sheet = openpyxl.load_workbook(io.BytesIO(file.content)).worksheets[0]
            assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
            header, *rows = [[str(cell.value or "") for cell in row] for row in sheet.iter_rows()]
            return [dict(zip(header, row, strict=True)) for row in rows]


async def in_the_database(world: Journey) -> list[dict[str, str]]:
    lines: list[ExportLine] = await world.bot.database.read(exports.page, ExportRange(), None)
    return [{name: str(value) for name, value in asdict(line).items()} for line in lines]


async def audited(world: Journey) -> list[tuple[str, str]]:
    def acts(tx: Transaction) -> list[tuple[str, str]]:
        rows = tx.rows("SELECT actor, detail FROM audit WHERE act = 'export.made' ORDER BY seq")
        return [(row["actor"], row["detail"]) for row in rows]

    return await world.bot.database.read(acts)


async def some_checks(world: Journey) -> list[str]:
    """One approved, one failed for a reason that a spreadsheet would calculate, one open."""
    refs = [await world.ask(id_number="00000000000", first_name="Ada-Clearly-Invented")]
    await world.settle()
    refs.append(await world.ask(id_number="22222222222"))
    await world.bot.details.cancel(ANALYST, refs[-1])

    def set_reason(tx: Transaction) -> None:
        tx.run("UPDATE verifications SET failure = :reason WHERE ref = :ref", reason=FORMULA, ref=refs[-1])

    await world.bot.database.write(set_reason)
    refs.append(await world.ask(id_number="33333333333"))
    return refs


async def copies(world: Journey, count: int) -> None:
    """As many more checks like the first."""

    def copy(tx: Transaction) -> None:
        columns = [row["name"] for row in tx.rows("SELECT name FROM pragma_table_info('verifications')")]
        copied = ", ".join(name for name in columns if name not in ("ref", "view_id"))
        for n in range(count):
            tx.run(
                f"INSERT INTO verifications (ref, view_id, {copied}) SELECT :ref, :ref, {copied} "  # noqa: S608
                "FROM verifications WHERE ref NOT LIKE 'K-COPY%' LIMIT 1",
                ref=f"K-COPY{n:06d}",
            )

    await world.bot.database.write(copy)


@pytest.mark.parametrize("form", list(ExportFormat))
async def test_a_manager_gets_every_check_as_a_file_and_it_is_recorded(tmp_path: Path, form: ExportFormat) -> None:
    async with office(tmp_path) as world:
        refs = await some_checks(world)
        answer = await say(meera(world), form.value)
        assert answer == (
            f"I am preparing 3 checks as {words.NAMES[form]}, all there are; it comes as a file by direct message."
        )
        assert await audited(world) == []
        await world.bot.outbox.work((await due(world, PostKind.EXPORT_FILE))[0])

        [(message, file)] = world.slack.bot_files(meera(world).direct_channel_id)
        told = await in_the_database(world)
        assert [line["ref"] for line in told] == refs
        assert told[1]["reason"] == FORMULA
        told[1]["reason"] = NEUTRAL[form]
        assert read_back(file) == told
        assert message.text.startswith("Export X-")
        assert f"3 checks as {words.NAMES[form]}" in message.text
        assert await audited(world) == [(MANAGER, f"{form.value}:3")]
        for personal in (b"00000000000", b"22222222222", b"Ada-Clearly-Invented"):
            assert personal not in file.content
        # A short one is told by its file alone.
        assert len(world.direct(MANAGER)) == 1


async def due(world: Journey, kind: PostKind) -> list[Any]:
    """Posts of one kind, claimed; the others go out."""
    found = []
    for _round in range(50):
        for post in await world.bot.outbox.claim(32):
            if post.kind is kind:
                found.append(post)
            else:
                await world.bot.outbox.work(post)
        await asyncio.sleep(0.002)
    return found


async def test_admins_may_export_and_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        old = await world.ask()
        world.clock.move(days=1)
        new = await world.ask(id_number="22222222222")
        musa = world.slack.person(ADMIN)
        zone_day = (world.clock() + timedelta(hours=1)).date()
        yesterday = zone_day - timedelta(days=1)
        for typed in ("today", "yesterday jsonl", f"csv {yesterday}..{zone_day}", "csv 2020-01-01"):
            await say(musa, typed)
        await world.work()
        by_name = {
            file.name.rsplit("-", 2)[0]: [line["ref"] for line in read_back(file)] for file in files(world, ADMIN)
        }
        assert by_name == {
            f"kyc-checks-{zone_day}": [new],
            f"kyc-checks-{yesterday}": [old],
            f"kyc-checks-{yesterday}-to-{zone_day}": [old, new],
        }
        assert sorted(await audited(world)) == [(ADMIN, "csv:1"), (ADMIN, "csv:2"), (ADMIN, "jsonl:1")]
        assert await say(musa, "csv 2020-01-01") == SENTENCES[Refusal.EXPORT_EMPTY]


@pytest.mark.parametrize("user", [ANALYST, REVIEWER])
async def test_people_without_the_role_are_refused_and_get_no_file(tmp_path: Path, user: str) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        told = sentence(Refused(Refusal.EXPORT_NOT_A_MANAGER, admin=ADMIN))
        assert await say(world.slack.person(user), "csv") == told
        await world.work()
        assert files(world, user) == []
        assert await audited(world) == []


async def test_a_person_whom_slack_does_not_confirm_is_asked_to_try_again(tmp_path: Path) -> None:
    async with office(tmp_path, managers="*") as world:
        await world.ask()
        world.slack.fail_next("users.info", *[Fault.status(500)] * 2)
        assert await say(meera(world), "csv") == SENTENCES[Refusal.NOT_SURE]


@pytest.mark.parametrize("typed", ["pdf", "csv xlsx", "csv monday", "xlsx 2026-11-31", "2026-11-15..2026-11-01"])
async def test_an_unknown_word_is_answered_with_help(tmp_path: Path, typed: str) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        said = await say(meera(world), typed)
        assert "2026-11-01..2026-11-15" in said
        await world.work()
        assert files(world) == []


async def test_a_repeated_request_during_an_export_makes_no_second_file(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        assert "preparing 1 check" in await say(meera(world), "week")
        assert await say(meera(world), "week") == SENTENCES[Refusal.EXPORT_UNDER_WAY]
        assert "preparing 1 check" in await say(meera(world), "week xlsx")
        await world.work()
        assert len(files(world)) == 2
        # Once it is there, the same may be asked for again.
        assert "preparing 1 check" in await say(meera(world), "week")
        await world.work()
        assert len(files(world)) == 3


async def test_an_export_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        for number in ("00000000000", "11111111111"):
            await world.ask(id_number=number)
        small = replace(world.bot.exports, most=1)
        with pytest.raises(Refused) as refused:
            await small.ask(MANAGER, "csv")
        assert sentence(refused.value).startswith("That is 2 checks; a file for Slack holds at most 1.")
        assert "fewer days" in sentence(refused.value)


async def test_a_lost_answer_does_not_double_the_file(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        await say(meera(world), "xlsx")
        world.slack.fail_next("files.completeUploadExternal", Fault.reset_after())
        await world.work()
        assert await audited(world) == []
        for _round in range(3):
            world.clock.move(seconds=30)
            await world.work()
        assert len(files(world)) == 1
        assert await audited(world) == [(MANAGER, "xlsx:1")]


async def test_an_export_that_did_not_arrive_can_be_requested_once_more(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        await say(meera(world), "csv")
        world.slack.fail_next("files.upload", Fault.status(500))
        world.slack.fail_next("files.completeUploadExternal", Fault.rate_limited(20), Fault.status(503))
        for _round in range(6):
            await world.work()
            world.clock.move(seconds=30)
        assert [len(read_back(file)) for file in files(world)] == [1]
        assert await audited(world) == [(MANAGER, "csv:1")]


async def test_a_restart_in_the_middle_finishes_it_once(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    slack.add_user(MANAGER, "meera")
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", clock=clock)
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(
            slack,
            smile_id,
            database=tmp_path / "kyc.db",
            socket_mode=False,
            KYC_SLACK_POSTS_PER_SECOND="1000",
            KYC_MANAGERS=MANAGER,
        )
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.ask()
            await say(meera(world), "jsonl")
            # Stopped while Slack has the bytes, and the share is on its way.
            slack.fail_next("files.completeUploadExternal", Fault.hang_after(30))
            [post] = await due(world, PostKind.EXPORT_FILE)
            sending = asyncio.create_task(world.bot.outbox.work(post))
            await slack.wait_for(lambda: len(files(world)) == 1)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.bot.database.write(_start)
            for _round in range(3):
                clock.move(seconds=10)
                await world.work()
            assert len(files(world)) == 1
            assert await audited(world) == [(MANAGER, "jsonl:1")]
            # And one that was only stored before the stop.
            await say(meera(world), "csv")
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.bot.database.write(_start)
            await world.work()
            assert [file.name.rpartition(".")[2] for file in files(world)] == ["jsonl", "csv"]
            assert await audited(world) == [(MANAGER, "jsonl:1"), (MANAGER, "csv:1")]
    finally:
        await smile_id.stop()
        await slack.stop()


def _start(tx: Transaction) -> None:
    """What a starting process does with the leases of the one before."""
    tx.run("UPDATE posts SET leased_until = NULL")


class HurriedClock(MovedClock):
    """Runs away at each look while it is hurried."""

    def __init__(self) -> None:
        super().__init__()
        self.hurried = False

    def __call__(self) -> Any:
        if self.hurried:
            self.move(seconds=1)
        return super().__call__()


async def test_a_long_export_reports_its_progress_in_one_message(tmp_path: Path) -> None:
    clock = HurriedClock()
    async with office(tmp_path, clock=clock) as world:
        await world.ask()
        await world.settle()
        await copies(world, 12_000)
        asked_at = clock()
        await say(meera(world), "jsonl")
        [post] = await due(world, PostKind.EXPORT_FILE)
        channel = meera(world).direct_channel_id
        [message] = [m for m in world.slack.messages(channel) if not m.files]
        assert "12,001 checks as JSON Lines" in world.slack.plain(message)
        clock.hurried = True
        sending = asyncio.create_task(world.bot.outbox.work(post))
        while not sending.done():
            for update in await world.bot.outbox.claim(4):
                await world.bot.outbox.work(update)
        await sending
        clock.hurried = False
        for _round in range(3):
            clock.move(seconds=10)
            await world.work()
        shown = [edition.text for edition in message.edited] + [message.text]
        steps = [text for text in shown if "rows written" in text]
        assert len(steps) >= 3, shown
        assert all("12,001 checks" in text for text in steps)
        updates = [call.at for call in world.slack.calls if call.method == "chat.update"]
        updates = [at for at in updates if at > asked_at]
        assert min(later - earlier for earlier, later in pairwise(updates)) >= timedelta(seconds=3)
        assert message.text.startswith("Export done · X-")
        assert message.text.endswith("Open the file in this conversation. 12,001 checks.")
        [file] = files(world)
        refs = [line["ref"] for line in read_back(file)]
        assert len(refs) == len(set(refs)) == 12_001
        assert await audited(world) == [(MANAGER, "jsonl:12001")]


async def test_a_former_manager_gets_no_file_and_a_message(tmp_path: Path) -> None:
    async with office(tmp_path, managers="S0MANAGERS1") as world:
        world.slack.add_usergroup("S0MANAGERS1", [MANAGER])
        await world.bot.access.refresh()
        await world.ask()
        await say(meera(world), "csv")
        world.slack.add_usergroup("S0MANAGERS1", [])
        await world.bot.access.changed("S0MANAGERS1")
        await world.work()
        assert files(world) == []
        assert await audited(world) == []
        assert ["not sent" in text for text in world.direct(MANAGER)] == [True]


async def test_when_slack_takes_no_files_the_person_and_the_admins_are_notified(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        await say(meera(world), "csv")
        world.slack.fail_next("files.getUploadURLExternal", *[Fault.error("file_uploads_disabled")] * 5)
        for _round in range(8):
            await world.work()
            world.clock.move(minutes=30)
        assert files(world) == []
        assert any("Slack did not take the file" in text for text in world.direct(MANAGER))
        assert any("could not be delivered" in text for text in world.direct(ADMIN))
        assert await audited(world) == []
