"""While a customer's photos pass the bot, it writes its database and its log, and no other file: the kernel says so.

The process is watched with strace from the moment the link is opened until the page hears *taken*: each opening for
writing, each write, each mapping that writes, and whatever else makes a file, with a name or without one.
"""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.capture.assets import NOTICE
from bot.domain.capture.upload import pack
from tests.journeys.capture.customer import OFFERED, PHONE, TOKEN, asked, post_photos
from tests.journeys.capture.test_many_customers import largest
from tests.journeys.site import Site, site
from tests.journeys.world import MovedClock, bot_between
from tests.patience import GIVE_UP_SECONDS
from tests.strace import why_not

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

OPENS = ("open", "openat", "openat2", "open_by_handle_at")
WRITES = (
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendfile",
    "copy_file_range",
    "splice",
    "tee",
    "ftruncate",
)
MAKES = ("creat", "memfd_create", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat")
MAKES_MORE = ("mknod", "mknodat", "mkdir", "mkdirat", "truncate", "io_uring_setup")
"""Nothing here calls the last one; whoever wrote through it would be seen by nothing else."""
CALLS = (*OPENS, *WRITES, "mmap", *MAKES, *MAKES_MORE)


@asynccontextmanager
async def watched(pid: int, folder: Path) -> AsyncIterator[None]:
    """One log for each thread, so that no line is torn; no byte of what is written stands there, paths do."""
    # A call that this machine's kernel does not have is no fault.
    calls = ",".join(f"?{call}" for call in CALLS)
    kernel = await asyncio.create_subprocess_exec(
        *("strace", "-ff", "-y", "-s", "0", "-e", f"trace={calls}", "-e", "signal=none"),
        *("-p", str(pid), "-o", str(folder / "calls")),
        stderr=asyncio.subprocess.PIPE,
    )
    assert kernel.stderr is not None
    assert b"attached" in await asyncio.wait_for(kernel.stderr.readline(), GIVE_UP_SECONDS)
    try:
        yield
    finally:
        if kernel.returncode is None:
            kernel.send_signal(signal.SIGINT)
        await kernel.communicate()


def written(lines: Sequence[str]) -> Iterator[str]:
    """Path of each file that is opened for writing or written; the whole line of a call that makes one."""
    for line in lines:
        if (call := re.match(r"(\w+)\((.*)", line)) is None:
            continue
        name, rest = call.groups()
        if name in OPENS:
            if re.search(r"\bO_(?:WRONLY|RDWR|CREAT|TMPFILE)\b", rest):
                # Where it led, else what was tried.
                found = re.search(r"= \d+<(.+?)>$", rest) or re.search('"(.*?)"', rest)
                yield found[1] if found else line
        elif name in WRITES:
            yield from re.findall(r"\d<(/.*?)>(?=[,)])", rest)
        elif name == "mmap":
            if "PROT_WRITE" in rest and "MAP_SHARED" in rest:
                yield from re.findall(r"\d<(/.*?)>(?=,)", rest)
        elif name in (*MAKES, *MAKES_MORE):
            yield line


def of_logs(folder: Path) -> set[str]:
    return {path for log in folder.iterdir() for path in written(log.read_text(encoding="utf-8").splitlines())}


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Where strace writes."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


async def test_photos_pass_and_no_file_is_written_but_database_and_log(calls: Path) -> None:
    photos = await asyncio.to_thread(largest)
    async with site(start=False, **OFFERED) as world:
        async with bot_between(world.slack, world.smile_id, world.environment, clock=MovedClock()) as inside:
            await asked(inside)
        await world.start()
        await world.wait_for_posts()
        assert world.process is not None
        async with watched(world.process.pid, calls):
            await handed_in(world, pack(photos))
        paths = of_logs(calls)
        database = str(world.database)
        own = {database, f"{database}-wal", f"{database}-shm", str(world.folder / "bot.log")}
        await world.wait_for_the_end()
        assert [job.upload_count for job in world.smile_id.jobs.values()] == [1]
    # The watch saw the commits of the way, so it would have seen the rest.
    assert f"{database}-wal" in paths
    assert paths - own == set()


async def handed_in(world: Site, body: bytes) -> None:
    """A customer's page: open, agree, hand the photos in, until it hears that Smile ID has them."""
    origin = world.environment["KYC_PUBLIC_URL"]
    own = {"Origin": origin, "Kyc-Link": TOKEN, "Kyc-Device": PHONE, "Content-Type": "application/json"}
    async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, trust_env=False) as phone:
        assert (await phone.get(f"{origin}/c")).status_code == 200
        for what, said in (("open", {}), ("consent", {"notice": NOTICE, "language": "en"})):
            answer = await phone.post(f"{origin}/c/{what}", headers=own, content=json.dumps(said))
            assert answer.status_code == 200, answer.text
        answer = await post_photos(phone, origin, body=body)
        assert (answer.status_code, answer.json()) == (200, {"step": "taken"})


WRITER = """
import ctypes, mmap, os, sys, tempfile, threading
sys.stdin.readline()
def spool():
    with tempfile.SpooledTemporaryFile(max_size=1, dir=sys.argv[1]) as file:
        file.write(b"face" * 1000)
        file.flush()
thread = threading.Thread(target=spool)
thread.start()
thread.join()
os.memfd_create("hidden")
with open(sys.argv[1] + "/named", "w+b") as file:
    file.truncate(4096)
    mmap.mmap(file.fileno(), 4096)[0] = 1
os.rename(sys.argv[1] + "/named", sys.argv[1] + "/renamed")
"""


async def test_the_watch_sees_whatever_writes(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(tmp_path / "there")), stdin=asyncio.subprocess.PIPE
    )
    async with watched(writer.pid, calls):
        await asyncio.wait_for(writer.communicate(b"\n"), GIVE_UP_SECONDS)
    assert writer.returncode == 0
    seen = of_logs(calls)
    there = str(tmp_path / "there")
    assert any(path.startswith(there) and "named" not in path for path in seen), "a file without a name, of a thread"
    assert f"{there}/named" in seen
    assert {line.partition("(")[0] for line in seen} >= {"memfd_create", "rename"}
