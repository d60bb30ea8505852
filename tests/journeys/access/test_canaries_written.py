"""Canaries while files are written: the temporary folder of a process is read whenever it does something to a file.

What lies in the clear there, with a name or without, is told by the process itself: nobody else may look into it.
"""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice, product

import openpyxl
import pytest

from storage.engine.database import Transaction
from storage.engine.sealing import Sealer
from tests.journeys.site import Ended, Site, kyc_bot, site
from tests.patience import GIVE_UP_SECONDS
from tests.storage.engine.test_macs import opened
from tests.storage.test_retention import end
from tests.test_whole_file import knows_nameless_files

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="open files are listed by Linux alone"),
]

MANAGER = "U0MEERA0001"
REFS = [f"K-{''.join(digits)}" for digits in islice(product("23456789", repeat=6), 20)]
WATCHED = """
import json, os, sys, tempfile, threading
from pathlib import Path

deadly, canaries, arguments = json.loads(sys.argv[1])
folder, inside = Path(tempfile.gettempdir()), threading.local()

def look():
    for path in [*folder.rglob("*"), *Path("/proc/self/fd").iterdir()]:
        try:
            target = path.readlink() if path.is_symlink() else path
            held = path.read_bytes() if target.is_relative_to(folder) else b""
        except OSError:
            continue
        if any(canary.encode() in held for canary in canaries):
            print("IN THE CLEAR", target, file=sys.stderr, flush=True)

def hear(event, _details):
    if event not in ("open", "os.link", "os.remove", "os.rename") or getattr(inside, "it", False):
        return
    inside.it = True
    look()
    inside.it = False

def call(frame, event, _argument):
    if event == "call" and frame.f_code.co_name == deadly:
        os.kill(os.getpid(), 9)

from bot.__main__ import main
sys.addaudithook(hear)
if deadly:
    sys.setprofile(call)
main(arguments)
"""
"""`kyc-bot`, which looks at its own files before each act on one, and dies where a function of that name is entered."""
PAGE_WRITTEN = "on_page"


@asynccontextmanager
async def filled() -> AsyncIterator[Site]:
    """So many checks that what is written of them fills every buffer; the bot was not started yet."""
    async with site(start=False, KYC_MANAGERS=MANAGER) as world:
        world.slack.add_user(MANAGER, "meera")
        for name in ("tmp", "kept"):
            (world.folder / name).mkdir()
        world.environment["TMPDIR"] = str(world.folder / "tmp")
        sealer = Sealer.from_text([world.environment["KYC_ENCRYPTION_KEYS"]])
        async with opened(world.database, sealer) as database:
            await database.write(all_end)
        yield world


def all_end(tx: Transaction) -> None:
    for ref in REFS:
        end(tx, ref)


def watched(*arguments: str, deadly: str = "") -> Sequence[str]:
    """What is started as `kyc-bot`."""
    return [sys.executable, "-c", WATCHED, json.dumps([deadly, [REFS[-1], "Invented Person"], arguments])]


async def run(world: Site, *arguments: str, deadly: str = "") -> Ended:
    return await kyc_bot(command=watched(*arguments, deadly=deadly), environment=world.environment)


def left(world: Site) -> list[str]:
    """In the temporary folder, and where the files go."""
    return sorted(path.name for name in ("tmp", "kept") for path in (world.folder / name).iterdir())


def refs_in(workbook: bytes) -> list[object]:
    sheet = openpyxl.load_workbook(io.BytesIO(workbook)).worksheets[0]
    return [row[0].value for row in sheet.iter_rows(min_row=2)]


XLSX, CSV = (["export", "--format", form] for form in ("xlsx", "csv"))
OF_A_CUSTOMER = ["subject-report", "--customer-reference", "invented", "--yes"]


async def test_what_a_command_writes_is_in_the_clear_only_where_it_was_asked_for() -> None:
    async with filled() as world:
        file, pipe = world.folder / "kept" / "checks", world.folder / "pipe"
        ended = await run(world, *XLSX, "--output", str(file))
        assert (ended.code, "IN THE CLEAR" in ended.err) == (0, False), ended.err
        assert refs_in(file.read_bytes()) == REFS
        os.mkfifo(pipe)
        for arguments in (XLSX, OF_A_CUSTOMER):
            # All of it waits until somebody reads.
            reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
            ended = await run(world, *arguments, "--output", str(pipe))
            assert (ended.code, "IN THE CLEAR" in ended.err) == (0, False), (arguments, ended.err)
            assert len(await reading) > 0
        assert left(world) == ["checks"]


async def test_a_command_that_is_killed_while_it_writes_leaves_nothing() -> None:
    async with filled() as world:
        into_a_file = [[*CSV, "--output", str(world.folder / "kept" / "checks")]]
        for arguments in [XLSX, *(into_a_file if knows_nameless_files(world.folder) else [])]:
            died = await run(world, *arguments, deadly=PAGE_WRITTEN)
            assert (died.code, "IN THE CLEAR" in died.err) == (-signal.SIGKILL, False), died.err
            assert left(world) == []


async def test_an_export_for_slack_is_nowhere_in_the_clear_and_a_kill_leaves_nothing_of_it() -> None:
    async with filled() as world:
        world.command = watched("serve", deadly=PAGE_WRITTEN)
        await world.start()
        await world.wait_for(lambda: world.slack.socket_count == 1)
        meera = world.slack.person(MANAGER)
        assert (await meera.command("export xlsx")).ok
        assert world.process is not None
        assert await asyncio.wait_for(world.process.wait(), GIVE_UP_SECONDS) == -signal.SIGKILL
        assert left(world) == []
        # It comes nevertheless.
        world.command = watched("serve")
        await world.start()
        await world.wait_for(lambda: len(world.slack.bot_files(meera.direct_channel_id)) == 1)
        ((_message, file),) = world.slack.bot_files(meera.direct_channel_id)
        assert refs_in(file.content) == REFS
        await world.stop()
        assert "IN THE CLEAR" not in world.log()
        assert left(world) == []
