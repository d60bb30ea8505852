"""The command line in a terminal, a pipe and a script: it answers at once, and ends in words and an exit code."""

import asyncio
import base64
import json
import os
import pty
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import certifi
import click
import pytest

from bot import settings_file
from bot.__main__ import main
from bot.domain.reporting.exports import ExportFormat
from bot.sandbox.slack import Fault
from storage import meta
from storage.engine.database import Database
from storage.engine.lock import DatabaseLock
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.site import Ended, bare, kyc_bot, site
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder with a database that no bot works on."""

    folder: Path
    environment: Mapping[str, str]
    """Without anything of Slack or Smile ID."""


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    key = Sealer.new_key()
    database = await Database.open(tmp_path / "kyc.db", sealer=Sealer.from_text([key]), migrate=migrate)
    await database.write(meta.check_key)
    await database.close()
    environment = bare() | {"KYC_DATABASE": str(tmp_path / "kyc.db"), "KYC_ENCRYPTION_KEYS": key}
    return Kept(tmp_path, environment | {"PYTHONPATH": str(ROOT)})


TRIES = 7
"""The quickest of so many: what slows a start down now and then is the machine's other work."""


def seconds(*arguments: str) -> float:
    """What a start of Python costs the processor from beginning to end, however busy the machine is."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("option", ["--version", "-h"])
def test_an_answer_takes_at_most_twice_the_start_of_python_with_click(option: str) -> None:
    # By turns, so that both meet the same machine.
    turns = [(seconds("-c", "import click"), seconds("-m", "bot", option)) for _ in range(TRIES)]
    least, ours = (min(column) for column in zip(*turns, strict=True))
    assert ours <= 2 * least


def test_what_the_command_line_writes_out_is_what_our_rooms_know() -> None:
    """Help imports none of them: formats of an export, and the name of the settings file's variable."""
    (form,) = [option for option in main.commands["export"].params if option.name == "form"]
    (file,) = [option for option in main.params if option.name == "file"]
    assert isinstance(form.type, click.Choice)
    assert list(form.type.choices) == [known.value for known in ExportFormat]
    assert file.envvar == settings_file.VARIABLE


STARTED = """
import gc, os
from bot.command_line import start

start.prepare()
from aiohttp import connector
from bot.network import trusting

verified = connector._SSL_CONTEXT_VERIFIED
print(gc.isenabled(), verified.verify_mode.name, len(verified.get_ca_certs()), len(trusting(None).get_ca_certs()))
print(os.environ["SSL_CERT_FILE"], os.environ.get("SSL_CERT_DIR"))
"""


async def test_a_context_of_aiohttps_own_trusts_nobody_and_ours_trusts_as_told() -> None:
    authorities = certifi.where()
    environment = {**bare(), "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": authorities}
    environment.pop("SSL_CERT_DIR", None)
    ended = await kyc_bot(command=[sys.executable, "-c", STARTED], environment=environment)
    told, paths = ended.out.splitlines()
    *how, theirs, ours = told.split()
    assert (how, theirs, int(ours) > 100) == (["False", "CERT_REQUIRED"], "0", True), ended
    assert paths == f"{authorities} None"


ENDED_WHEN_COLLECTING = """
import gc, os, signal, threading

def watch():
    while not (gc.get_freeze_count() and gc.isenabled()):
        threading.Event().wait(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

from bot.__main__ import main
threading.Thread(target=watch, daemon=True).start()
main(["serve"])
"""


async def test_garbage_is_collected_again_once_the_bot_listens() -> None:
    async with site(start=False) as world:
        ended = await kyc_bot(command=[sys.executable, "-c", ENDED_WHEN_COLLECTING], environment=world.environment)
    assert (ended.code, ended.out.startswith("kyc-bot listens")) == (0, True), ended.err


async def test_what_speaks_to_nobody_asks_for_no_token(kept: Kept) -> None:
    copy = str(kept.folder / "copy.db")
    for arguments in (
        ["backup", copy],
        ["restore", copy],
        ["receipts", "list"],
        ["export", "--format", "csv"],
        ["summary"],
    ):
        ended = await kyc_bot(*arguments, environment=kept.environment)
        assert (ended.code, ended.err) == (0, ""), arguments
    released = await kyc_bot("receipts", "release", "R-1", environment=kept.environment)
    assert (released.code, "nothing that waits is called R-1" in released.err) == (1, True)
    for arguments in (["backup", copy], ["export", "--format", "csv"]):
        ended = await kyc_bot(*arguments)
        heading, *told = ended.err.splitlines()
        assert (ended.code, heading, [line.partition(":")[0].strip() for line in told]) == (
            2,
            "These settings do not fit:",
            ["KYC_ENCRYPTION_KEYS"],
        )


async def test_a_folder_with_packages_of_our_names_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "__init__.py").write_text("")
    # `python -m` looks for them in the current folder first.
    script = f"cd {tmp_path} && exec {sys.executable} -m bot --version"
    ended = await kyc_bot(command=["sh", "-c", script])
    assert (ended.code, ended.out) == (1, "")
    assert f"handlers would come from {tmp_path / 'handlers'}, not from {ROOT / 'handlers'}" in ended.err
    assert "Traceback" not in ended.err


# What becomes of the output

PRINTING = (
    ["--version"],
    ["-h"],
    ["sandbox", "env", "--slack-port", "1", "--smile-id-port", "2"],
    ["summary", "--json"],
    ["export", "--format", "csv"],
    ["backup", "copy.db"],
)


def into(stdout: int, arguments: list[str], kept: Kept) -> Ended:
    """The command with another output than a pipe that is read."""
    ended = subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        env=kept.environment,
        cwd=kept.folder,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=GIVE_UP_SECONDS,
        check=False,
    )
    return Ended(code=ended.returncode, out="", err=ended.stderr.decode())


async def test_a_full_disk_is_told_in_words(kept: Kept) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for arguments in PRINTING:
            ended = await asyncio.to_thread(into, full, arguments, kept)
            expected = Ended(code=1, out="", err="kyc-bot cannot go on: No space left on device\n")
            assert ended == expected, arguments
    finally:
        os.close(full)


async def test_a_demo_whose_reader_goes_away_ends_with_its_bot(tmp_path: Path) -> None:
    first = f"exec {sys.executable} -m bot demo --once | head -n 1"
    ended = await kyc_bot(command=["sh", "-c", first], environment=bare() | {"TMPDIR": str(tmp_path)})
    assert ended.err == ""
    assert re.fullmatch(r"Slack stand-in +http://\S+\n", ended.out)
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


async def test_a_bot_whose_log_and_output_are_full_does_its_work() -> None:
    async with site(start=False) as world:
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            process = await asyncio.create_subprocess_exec(
                *world.command, "serve", env=world.environment, stdout=full, stderr=full
            )
        finally:
            os.close(full)
        world.process = process
        await world.wait_for(lambda: world.slack.socket_count == 1)
        await world.ask()
        await world.wait_for_the_end()
        assert "Approved — face and ID number verified" in world.replies()[0]
        process.terminate()
        await asyncio.wait_for(process.wait(), GIVE_UP_SECONDS)


async def test_a_reader_who_has_seen_enough_is_told_nothing(kept: Kept) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        for arguments in PRINTING:
            ended = await asyncio.to_thread(into, write, arguments, kept)
            assert ended == Ended(code=1, out="", err=""), arguments
    finally:
        os.close(write)


async def test_a_terminal_without_our_signs_gets_them_spelled_out(kept: Kept) -> None:
    plain = await kyc_bot("summary", environment=kept.environment)
    spelled = await kyc_bot("summary", environment={**kept.environment, "PYTHONIOENCODING": "iso8859-5"})
    assert not plain.out.isascii()
    assert (spelled.code, spelled.err, spelled.out.isascii()) == (0, "", True)
    assert re.findall(r"[\w:]+", spelled.out) == re.findall(r"[\w:]+", plain.out)


async def test_the_demo_is_told_in_ascii_where_there_is_nothing_else() -> None:
    no_utf8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    demo = await kyc_bot("demo", "--once", "--story", "rejected", environment=bare() | no_utf8)
    assert (demo.code, demo.err, demo.out.isascii()) == (0, "", True)
    assert re.search(r"^RESULT K-\w+ Rejected$", demo.out, re.MULTILINE)


async def test_a_name_that_is_no_text_is_told_all_the_same(kept: Kept) -> None:
    ended = await kyc_bot("restore", os.fsdecode(b"caf\xe9.db"), environment=kept.environment)
    assert (ended.code, ended.err) == (1, "caf\\udce9.db: there is no such file\n")


# Exports

EXPORT = ("export", "--format", "csv", "--output")


def mode(path: Path) -> str:
    return stat.filemode(path.stat().st_mode)


def audited(kept: Kept) -> int:
    with closing(sqlite3.connect(kept.folder / "kyc.db")) as db:
        return int(db.execute("SELECT COUNT(*) FROM audit WHERE act = 'export.made'").fetchone()[0])


async def test_an_export_into_a_file_is_whole_and_for_its_owner_alone(kept: Kept) -> None:
    file, link = kept.folder / "checks.csv", kept.folder / "link.csv"
    link.symlink_to(file)
    shown = await kyc_bot(*EXPORT[:-1], environment=kept.environment)
    assert shown.out.startswith('\ufeff"ref","state",')
    before = files(kept)
    assert await kyc_bot(*EXPORT, str(file), environment=kept.environment) == Ended(code=0, out="", err="")
    assert (file.read_bytes().decode(), mode(file)) == (shown.out, "-rw-------")
    # Over an older one that everybody could read, by a link that stays one.
    file.write_text("older")
    file.chmod(0o644)
    assert (await kyc_bot(*EXPORT, str(link), environment=kept.environment)).code == 0
    assert (file.read_bytes().decode(), mode(file), link.is_symlink()) == (shown.out, "-rw-------", True)
    assert files(kept) == sorted([*before, file])
    assert audited(kept) == 3


async def test_keys_are_changed_and_an_old_one_is_let_go(kept: Kept) -> None:
    old, new = kept.environment["KYC_ENCRYPTION_KEYS"], Sealer.new_key()
    weak = base64.urlsafe_b64encode(bytes(32)).decode()
    outputs = []

    async def run(keys: str, *arguments: str) -> Ended:
        ended = await kyc_bot(*arguments, environment={**kept.environment, "KYC_ENCRYPTION_KEYS": keys})
        outputs.append(ended.out + ended.err)
        return ended

    with DatabaseLock(kept.folder / "kyc.db"):
        busy = await run(f"{new},{old}", "rekey")
    assert (busy.code, "the database is in use by process" in busy.err) == (1, True)
    guessed = await run(f"{weak},{old}", "rekey")
    assert (guessed.code, "encryption key 1 can be guessed" in guessed.err) == (2, True)
    routine = await run(f"{new},{old}", "rekey")
    assert (routine.code, routine.err) == (0, "")
    assert routine.out.splitlines()[-1] == (
        "nothing needs an older key any more; `kyc-bot rekey --forget-old` lets it go"
    )
    leaked = await run(f"{new},{old}", "rekey", "--forget-old")
    assert (leaked.code, leaked.err) == (0, "")
    assert "the older keys are let go: leave only the first one in KYC_ENCRYPTION_KEYS, then start" in leaked.out
    again = await run(f"{new},{old}", "rekey", "--forget-old")
    assert (again.code, "take key 2 (counted from the left) out of it" in again.err) == (1, True)
    lost = await run(old, "backup", str(kept.folder / "with-the-old.backup"))
    assert (lost.code, "Put the older key behind the new one" in lost.err) == (1, True)
    assert (await run(new, "backup", str(kept.folder / "with-the-new.backup"))).code == 0
    for secret in (old, new, weak):
        assert not [output for output in outputs if secret in output or secret[:8] in output]


async def test_an_export_that_fails_leaves_the_older_file_as_it_was(kept: Kept) -> None:
    file = kept.folder / "checks.csv"
    file.write_text("older")
    before = files(kept)
    wrong_key = {**kept.environment, "KYC_ENCRYPTION_KEYS": Sealer.new_key()}
    failed = await kyc_bot(*EXPORT, str(file), environment=wrong_key)
    assert (failed.code, file.read_text(), files(kept)) == (1, "older", before)
    nowhere = kept.folder / "nowhere" / "checks.csv"
    refused = await kyc_bot(*EXPORT, str(nowhere), environment=kept.environment)
    assert refused == Ended(code=1, out="", err=f"Error: {nowhere} cannot be written: No such file or directory.\n")
    full = await kyc_bot(*EXPORT, "/dev/full", environment=kept.environment)
    assert full == Ended(code=1, out="", err="Error: /dev/full cannot be written: No space left on device.\n")
    assert mode(Path("/dev/full")).startswith("c")
    database = await kyc_bot(*EXPORT, str(kept.folder / "kyc.db"), environment=kept.environment)
    assert (database.code, "that is the database" in database.err) == (2, True)
    assert (kept.folder / "kyc.db").read_bytes().startswith(b"SQLite")


async def test_what_left_in_an_export_is_on_record_even_if_its_reader_went_away(kept: Kept) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = await asyncio.to_thread(into, write, list(EXPORT[:-1]), kept)
    os.close(write)
    assert (ended.code, audited(kept)) == (1, 1)


async def test_a_workbook_is_not_written_into_a_terminal(kept: Kept) -> None:
    terminal, side = pty.openpty()
    try:
        ended = await asyncio.to_thread(into, side, ["export", "--format", "xlsx"], kept)
        assert (ended.code, "--output FILE" in ended.err) == (2, True)
        assert audited(kept) == 0
        arguments = ["export", "--format", "xlsx", "--output", "checks.xlsx"]
        assert (await asyncio.to_thread(into, side, arguments, kept)).code == 0
        os.set_blocking(terminal, False)
        with pytest.raises(BlockingIOError):
            os.read(terminal, 1)
    finally:
        os.close(side)
        os.close(terminal)
    assert (kept.folder / "checks.xlsx").read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--format", "csv", "--from", "2026-11-02", "--to", "2026-11-01"],
        ["export", "--format", "csv", "--to", "9999-12-31"],
        ["export", "--format", "csv", "--from", "0001-01-01"],
        ["summary", "--day", "0001-01-01"],
        ["summary", "--day", "yesterday"],
        ["demo", "--story", "bliss"],
        ["demo", "--port", "65536"],
        ["sandbox", "slack", "--port", "65536"],
        ["sandbox", "slack", "--port", "0", "--page-port", "-1"],
        ["sandbox", "smile-id", "--port", "x", "--partner-id", "1", "--api-key", "k"],
        ["sandbox", "env", "--slack-port", "99999", "--smile-id-port", "1"],
    ],
    ids=" ".join,
)
async def test_what_cannot_be_meant_is_a_fault_of_usage(kept: Kept, arguments: list[str]) -> None:
    ended = await kyc_bot(*arguments, environment=kept.environment)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")
    assert "Traceback" not in ended.err


async def test_without_any_output_there_is_a_word_for_it(kept: Kept) -> None:
    closed = f"exec {sys.executable} -m bot export --format csv >&-"
    ended = await kyc_bot(command=["sh", "-c", closed], environment=kept.environment)
    assert (ended.code, "There is no output to write to" in ended.err) == (2, True)


async def test_a_table_that_cannot_be_read_is_told_in_words(kept: Kept) -> None:
    ended = await kyc_bot("summary", environment={**kept.environment, "KYC_ID_TYPES": str(kept.folder / "no.csv")})
    assert ended == Ended(code=2, out="", err="no.csv cannot be read (FileNotFoundError)\n")


# Ctrl-C

STRUCK = """
import os, sys

number, event, needle, *arguments = json.loads(sys.argv[1])
armed = True

def hear(heard, details):
    global armed
    if armed and heard == event and needle in str(details):
        armed = False
        os.kill(os.getpid(), number)

from bot import settings_file
from bot.__main__ import main
sys.addaudithook(hear)
main(arguments)
"""
"""The command line, struck by a signal at the moment of an audit event of Python's that names the needle."""


async def struck(number: int, event: str, needle: str, *arguments: str, environment: Mapping[str, str]) -> Ended:
    program = json.dumps([number, event, needle, *arguments])
    command = [sys.executable, "-c", f"import json{STRUCK}", program]
    return await kyc_bot(command=command, environment=environment)


def files(kept: Kept) -> list[Path]:
    """All but the lock, which stays where it was once taken."""
    return sorted(path for path in kept.folder.iterdir() if path.suffix != ".lock")


async def test_a_command_that_is_interrupted_ends_without_a_traceback(kept: Kept) -> None:
    copy, another = kept.folder / "copy.db", kept.folder / "another.db"
    assert (await kyc_bot("backup", str(copy), environment=kept.environment)).code == 0
    before = files(kept)
    for number, event, needle, arguments in (
        (signal.SIGINT, "import", "bot.settings", ["serve"]),
        (signal.SIGINT, "import", "bot.settings", ["check"]),
        (signal.SIGINT, "import", "yaml", ["manifest"]),
        (signal.SIGINT, "import", "stories", ["demo", "--once"]),
        (signal.SIGINT, "sqlite3.connect", "kyc.db", ["summary"]),
        (signal.SIGINT, "sqlite3.connect", "kyc.db", ["export", "--format", "xlsx"]),
        (signal.SIGINT, "sqlite3.connect", "kyc.db", ["receipts", "list"]),
        (signal.SIGINT, "sqlite3.connect", "kyc.db", ["receipts", "release", "R-1"]),
        (signal.SIGINT, "sqlite3.connect", "kyc.db", ["backup", str(another)]),
        (signal.SIGINT, "sqlite3.connect", ".another.db-", ["backup", str(another)]),
        (signal.SIGINT, "sqlite3.connect", "/another.db", ["backup", str(another)]),
        (signal.SIGINT, "sqlite3.connect", "kyc.db", ["restore", str(copy)]),
        (signal.SIGTERM, "sqlite3.connect", "kyc.db", ["export", "--format", "csv"]),
        (signal.SIGTERM, "sqlite3.connect", ".another.db-", ["backup", str(another)]),
        (signal.SIGHUP, "sqlite3.connect", ".another.db-", ["backup", str(another)]),
    ):
        ended = await struck(number, event, needle, *arguments, environment=kept.environment)
        assert "Traceback" not in ended.err, (arguments, ended.err)
        assert (ended.code, ended.out) == (128 + number, ""), (arguments, ended)
        assert files(kept) == before, arguments


async def test_ctrl_c_ends_a_check_that_waits_for_slack() -> None:
    async with site(start=False) as world:
        world.slack.fail_next("auth.test", Fault.hang_after(GIVE_UP_SECONDS))
        process = await asyncio.create_subprocess_exec(
            *world.command,
            "check",
            env=world.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await world.wait_for(lambda: any(call.method == "auth.test" for call in world.slack.calls))
        process.send_signal(signal.SIGINT)
        _out, err = await asyncio.wait_for(process.communicate(), GIVE_UP_SECONDS)
        assert (process.returncode, err.decode().split()) == (130, ["Interrupted."])
