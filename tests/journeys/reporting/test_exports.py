"""`kyc-bot export`, beside a running bot: every check once, nothing personal, who took it recorded."""

import asyncio
import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from bot.domain.reporting.exports import ExportFormat
from bot.reporting.export_writer import write_recorded
from storage.engine.database import Transaction
from storage.exports import PAGE, ExportRange
from tests.journeys.world import Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

FIELDS = [
    *("ref", "state", "verdict", "decision", "reason", "country", "id_type"),
    *("requester", "asked_at", "ended_at", "attempts", "record_match", "liveness"),
]


async def parts(world: Journey, form: ExportFormat, **wanted: object) -> bytes:
    pages: list[int] = []

    async def on_page(count: int) -> None:
        pages.append(count)

    whole = io.BytesIO()
    await write_recorded(
        world.bot.database,
        form,
        ExportRange(**wanted),  # type: ignore[arg-type]
        whole,
        actor="operator",
        on_page=on_page,
        now=world.clock,
    )
    assert pages == sorted(pages)
    return whole.getvalue()


async def test_every_format_has_the_same_rows_and_no_personal_data(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        approved = await world.ask(id_number="00000000000", first_name="Ada-Clearly-Invented")
        await world.settle()
        waiting = await world.ask(id_number="22222222222")
        as_json = [json.loads(line) for line in (await parts(world, ExportFormat.JSON_LINES)).decode().splitlines()]
        text = (await parts(world, ExportFormat.CSV)).decode("utf-8-sig")
        as_csv = list(csv.DictReader(io.StringIO(text, newline="")))
        book = openpyxl.load_workbook(io.BytesIO(await parts(world, ExportFormat.XLSX)))
        as_xlsx = [[cell.value or "" for cell in row] for row in book.worksheets[0].iter_rows()]

        assert [list(line) for line in as_json] == [FIELDS, FIELDS]
        assert [line["ref"] for line in as_json] == [approved, waiting]
        assert (as_json[0]["state"], as_json[0]["verdict"], as_json[0]["attempts"]) == ("approved", "0810", 1)
        assert (as_json[1]["state"], as_json[1]["ended_at"], as_json[1]["attempts"]) == ("requested", "", 0)
        as_texts = [{name: str(value) for name, value in line.items()} for line in as_json]
        assert as_csv == as_texts
        assert as_xlsx == [FIELDS, *(list(line.values()) for line in as_texts)]
        for personal in ("00000000000", "22222222222", "Ada-Clearly-Invented"):
            assert personal not in text

        def acts(tx: Transaction) -> list[tuple[str, str]]:
            rows = tx.rows("SELECT actor, detail FROM audit WHERE act = 'export.made' ORDER BY seq")
            return [(row["actor"], row["detail"]) for row in rows]

        assert await world.bot.database.read(acts) == [
            ("operator", "jsonl:2"),
            ("operator", "csv:2"),
            ("operator", "xlsx:2"),
        ]


async def test_pages_follow_each_other_without_gap_or_repeat(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask()

        def many(tx: Transaction) -> None:
            columns = [row["name"] for row in tx.rows("SELECT name FROM pragma_table_info('verifications')")]
            copied = ", ".join(name for name in columns if name not in ("ref", "view_id"))
            for n in range(2 * PAGE):
                # Many at the same moment: the reference decides their order.
                tx.run(
                    f"INSERT INTO verifications (ref, view_id, {copied}) SELECT :ref, :ref, {copied} "  # noqa: S608
                    "FROM verifications WHERE ref NOT LIKE 'K-COPY%' LIMIT 1",
                    ref=f"K-COPY{n:05d}",
                )

        await world.bot.database.write(many)
        refs = [json.loads(line)["ref"] for line in (await parts(world, ExportFormat.JSON_LINES)).decode().splitlines()]
        assert len(refs) == len(set(refs)) == 2 * PAGE + 1


async def test_days_are_local_and_both_ends_belong(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        asked = (await world.check(ref)).asked_at
        world.clock.move(days=2)
        await world.ask(id_number="22222222222")

        async def refs(**wanted: object) -> int:
            return len((await parts(world, ExportFormat.JSON_LINES, **wanted)).splitlines())

        assert await refs() == 2
        assert await refs(until=asked) == 0
        assert (
            await refs(since=asked, until=asked.replace(microsecond=asked.microsecond) + (world.clock() - asked) / 2)
            == 1
        )


@pytest.mark.processes
async def test_the_command_line_writes_the_file_to_its_output(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        settings = world.bot.settings
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "SLACK_BOT_TOKEN": "xoxb-sandbox",
            "SLACK_SIGNING_SECRET": "sandbox-secret",
            "SMILE_ID_PARTNER_ID": "0421",
            "SMILE_ID_API_KEY": "sandbox-api-key",
            "KYC_REQUESTERS": "*",
            "KYC_DATABASE": str(settings.database_file),
            "KYC_ENCRYPTION_KEYS": settings.encryption_keys.get_secret_value(),
        }
        span = ["--from", "2020-01-01", "--to", "2100-01-01"]
        command = [sys.executable, "-m", "bot", "export", "--format", "csv", *span]

        def run(stderr: int) -> bytes:
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr) as process:
                out, shown = process.communicate(timeout=GIVE_UP_SECONDS)
            assert process.returncode == 0, shown
            assert not shown
            return bytes(out)

        # A terminal is shown how far it is, on the side; a script hears nothing but the file.
        terminal, side = pty.openpty()
        out = await asyncio.to_thread(run, side)
        assert "1/1" in os.read(terminal, 4096).decode()
        for end in (terminal, side):
            os.close(end)
        assert await asyncio.to_thread(run, subprocess.PIPE) == out
        lines = list(csv.reader(io.StringIO(out.decode("utf-8-sig"), newline="")))
        assert lines[0] == list(FIELDS)
        assert [line[0] for line in lines[1:]] == [ref]
