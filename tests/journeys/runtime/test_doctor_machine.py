"""`kyc-bot check` of the machine itself: ports, folders, files, and names that are no settings."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from click.testing import CliRunner

from bot import settings_file
from bot.__main__ import main
from bot.runtime.doctor import DoctorTimeouts, Surroundings
from bot.runtime.doctor.machine import probe
from bot.sandbox.demo import free_port, start_bot, stop_bot
from bot.settings import Settings
from tests.journeys.runtime.test_doctor import House, a_house
from tests.sandbox.slack_setup import serving
from tests.test_settings import ENOUGH

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


async def check(folder: Path, file: Path | None = None, **more: str) -> list[str]:
    """The lines about the machine."""
    values = ENOUGH | {"KYC_PORT": "0", "KYC_ADMIN_PORT": "0", "KYC_DATABASE": str(folder / "kyc.db")} | more
    around = Surroundings(values=values, file=file)
    async with httpx.AsyncClient() as http:
        return [each.line() for each in await probe(Settings.load(values), around, http, DoctorTimeouts())]


# Ports


async def test_ports_that_are_free_are_told(tmp_path: Path) -> None:
    public, admin = free_port(), free_port()
    lines = await check(tmp_path, KYC_PORT=str(public), KYC_ADMIN_PORT=str(admin))
    assert lines == [f"ok    ports: 127.0.0.1:{public} is free and 127.0.0.1:{admin} is free"]


@pytest.mark.parametrize("name", ["KYC_PORT", "KYC_ADMIN_PORT"])
async def test_a_port_of_somebody_else_fails_with_its_setting(tmp_path: Path, name: str) -> None:
    async with serving(web.Application()) as address:
        port = address.rpartition(":")[2]
        (line,) = await check(tmp_path, None, **{name: port})
    assert line.startswith(f"FAIL  ports: cannot listen on 127.0.0.1:{port}")
    assert f"no kyc-bot answers there. Stop what has it, or set {name} to another port." in line


@pytest.mark.parametrize(("host", "meet"), [("127.0.0.1", True), ("::", True), ("192.0.2.7", False)])
async def test_one_port_for_both_fails_where_they_would_meet(tmp_path: Path, host: str, *, meet: bool) -> None:
    port = str(free_port())
    more = {"KYC_HOST": host, "KYC_PORT": port, "KYC_ADMIN_PORT": port, "KYC_PUBLIC_URL": "https://kyc.example.com"}
    (line,) = await check(tmp_path, None, **more)
    assert ("KYC_PORT and KYC_ADMIN_PORT are both" in line) is meet


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


async def test_the_ports_of_the_running_bot_are_fine(house: House) -> None:
    environment = house.environment(public=False) | {"KYC_PORT": str(free_port()), "KYC_ADMIN_PORT": str(free_port())}
    process = await start_bot(environment)
    try:
        await house.slack.wait_for(lambda: house.slack.socket_count == 1)
        (line,) = [each for each in await check(house.database.parent, None, **environment) if "ports" in each]
    finally:
        assert await stop_bot(process) == 0
    assert line.count("has the running bot") == 2


# Names


async def test_a_name_that_is_no_setting_is_told_with_the_nearest(tmp_path: Path) -> None:
    lines = await check(
        tmp_path,
        KYC_REVIEWER="U0REMI00001",
        SMILE_ID_APIKEY_FILE="/run/key",
        SLACK_TEAM="ours",
        KYC_SETTINGS="/etc/kyc-bot/env",
        SMILE_ID_API_KEY_FILE="/run/key",
        PATH="/bin",
    )
    assert lines == [
        "note  settings: KYC_REVIEWER is no setting, so nothing reads it. Did you mean KYC_REVIEWERS?",
        "note  settings: SLACK_TEAM is no setting, so nothing reads it. docs/settings.md has all of them.",
        "note  settings: SMILE_ID_APIKEY_FILE is no setting, so nothing reads it. Did you mean SMILE_ID_API_KEY?",
    ]


# Files and folders


async def test_a_settings_file_that_others_may_read_is_a_note(tmp_path: Path) -> None:
    file, secret = tmp_path / "env", tmp_path / "key"
    for each in (file, secret):
        each.write_text("")
        each.chmod(0o640)
    assert await check(tmp_path, file, SLACK_SIGNING_SECRET_FILE=str(secret)) == []
    file.chmod(0o644)
    secret.chmod(0o604)
    (line,) = await check(tmp_path, file, SLACK_SIGNING_SECRET_FILE=str(secret))
    assert line == f"note  settings file: other users of this machine may read it. Type chmod o= {file} {secret}"


async def test_the_file_of_heads_is_looked_at_and_not_made(tmp_path: Path) -> None:
    name, place = "head of the trail (KYC_AUDIT_HEAD_FILE)", tmp_path / "mount"
    database = str(tmp_path / "kyc.db")
    (line,) = await check(tmp_path, KYC_DATABASE=database, KYC_AUDIT_HEAD_FILE=str(place / "heads"))
    assert line.startswith(f"FAIL  {name}: {place} does not exist. If this is the bot's user")
    place.mkdir()
    (line,) = await check(tmp_path, KYC_DATABASE=database, KYC_AUDIT_HEAD_FILE=str(place / "heads"))
    assert line == f"ok    {name}: {place / 'heads'} can be written to"
    assert not (place / "heads").exists()
    (line,) = await check(tmp_path, KYC_DATABASE=database, KYC_AUDIT_HEAD_FILE=str(tmp_path / "heads"))
    assert line.startswith(f"note  {name}: {tmp_path / 'heads'} lies beside the database")


async def test_a_backup_folder_is_looked_at_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    (line,) = await check(tmp_path, KYC_BACKUP_DIR=str(folder))
    assert line == f"ok    backup folder (KYC_BACKUP_DIR): {folder} does not exist yet; the first backup makes it"
    assert not folder.exists()
    folder.mkdir()
    assert "can be written to" in (await check(tmp_path, KYC_BACKUP_DIR=str(folder)))[0]
    (line,) = await check(tmp_path, KYC_BACKUP_DIR=str(folder / "far" / "away"))
    assert line.startswith("FAIL  backup folder (KYC_BACKUP_DIR):")
    (folder / "file").write_text("")
    (line,) = await check(tmp_path, KYC_BACKUP_DIR=str(folder / "file"))
    assert "is not a folder" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, which root alone may")
async def test_root_is_told_what_the_bots_user_could_not_open(tmp_path: Path) -> None:
    home, backups, table = tmp_path / "home", tmp_path / "backups", tmp_path / "codes.csv"
    for folder in (home, backups):
        folder.mkdir(mode=0o700)
    os.chown(home, 12345, 12345)
    database = home / "kyc.db"
    for path in (database, home / "kyc.db-wal", home / "kyc.db.lock", table):
        path.write_text("")
        path.chmod(0o600)
    os.chown(database, 12345, 12345)
    lines = await check(home, KYC_BACKUP_DIR=str(backups), KYC_RESULT_CODES=str(table))
    who = "the bot's user 12345 cannot"
    assert [line.removeprefix("FAIL  ") for line in lines] == [
        f"backup folder (KYC_BACKUP_DIR): {backups} cannot be written to by the bot's user 12345. {chown(backups)}",
        f"files: {who} read and write {home}/kyc.db-wal. {chown(home / 'kyc.db-wal')}",
        f"files: {who} read and write {home}/kyc.db.lock. {chown(home / 'kyc.db.lock')}",
        f"files: {who} read {table}. {chown(table)}",
    ]
    for path in (backups, home / "kyc.db-wal", home / "kyc.db.lock", table):
        os.chown(path, 12345, 12345)
    lines = await check(home, KYC_BACKUP_DIR=str(backups), KYC_RESULT_CODES=str(table))
    assert [line for line in lines if line.startswith("FAIL")] == []


def chown(path: Path) -> str:
    return f"As root, type chown 12345: {path}"


# For machines


def test_faults_of_settings_are_told_to_machines_too(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(settings_file.written(ENOUGH | {"KYC_PORT": "seventy"}), encoding="utf-8")
    done = CliRunner().invoke(
        main, ["--settings", str(tmp_path / "env"), "check", "--json"], env=dict.fromkeys(os.environ)
    )
    assert done.exit_code == 2
    told = json.loads(done.output)
    assert told["ok"] is False
    (finding,) = told["findings"]
    assert (finding["mark"], finding["subject"]) == ("fail", "settings")
    assert finding["text"].startswith("KYC_PORT: must be a whole number; for example KYC_PORT=3000")


async def test_every_finding_is_told_to_machines_as_it_is_to_people(house: House) -> None:
    environment = house.environment()
    status, lines = await house.run(environment)
    again, (line,) = await house.run(environment, more=("--json",))
    told = json.loads(line)
    assert (status, again, told["ok"]) == (0, 0, True)
    shown = [f"{each['mark']:<6}{each['subject']}" for each in told["findings"]]
    assert shown == [each.partition(": ")[0] for each in lines]
