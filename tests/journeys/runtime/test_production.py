"""A production installation does the whole job without the stand-ins, and with or without charts."""

import asyncio
import shutil
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot import __version__
from bot.command_line.stand_ins import NO_SANDBOX
from bot.sandbox.demo import CHANNEL, free_port
from bot.sandbox.slack import Fault
from bot.slack.blocks import ids
from tests.journeys.production import build_wheel, install, made_once
from tests.journeys.site import Ended, Site, bare, kyc_bot, site
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.installation]

MANAGER = "U0MUSA00001"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "wheel", build_wheel)


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without charts: what `requirements.lock` names."""
    return made_once(
        tmp_path_factory, "plain", lambda folder: install(wheel, folder / "production", lock="requirements.lock")
    )


@pytest.fixture(scope="module")
def charted(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the README installs it."""
    return made_once(
        tmp_path_factory,
        "charted",
        lambda folder: install(wheel, folder / "production", lock="requirements-charts.lock"),
    )


def test_the_wheel_holds_the_bot_its_data_and_no_stand_in(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        (about,) = [packed.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    assert {"bot/__main__.py", "bot/data/result-codes.csv", "bot/data/id-types.csv", "handlers/__init__.py"} <= {*names}
    assert [name for name in names if "sandbox" in name or name.startswith("tests")] == []
    assert f"\nVersion: {__version__}\n" in about


async def test_it_works_from_any_folder_for_its_environment_alone(plain: Path, tmp_path: Path) -> None:
    for name in ("bot", "handlers", "storage"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')")
    script = f"cd {tmp_path} && exec {plain} check --new-key"
    ended = await kyc_bot(command=["sh", "-c", script])
    assert (ended.code, ended.err, len(ended.out.strip())) == (0, "", 44)
    # But no code of others is run in the place of ours, wherever it comes from.
    ours = plain.parent.parent
    shadowed = await kyc_bot("--version", command=[str(plain)], environment=bare() | {"PYTHONPATH": str(tmp_path)})
    assert (shadowed.code, shadowed.out) == (1, "")
    assert "kyc-bot does not start" in shadowed.err
    for name in ("bot", "handlers", "storage"):
        assert f"{name} would come from {tmp_path / name}, not from {ours}" in shadowed.err
    assert "Traceback" not in shadowed.err


async def test_a_package_of_another_distribution_in_its_environment_is_refused(wheel: Path, tmp_path: Path) -> None:
    program = install(wheel, tmp_path / "shared", lock="requirements.lock")
    (handlers,) = program.parent.parent.glob("lib/python*/site-packages/handlers/__init__.py")
    handlers.write_text("def handle(): ...")
    ended = await kyc_bot("serve", command=[str(program)])
    assert (ended.code, ended.out) == (1, "")
    assert f"{handlers} was replaced, perhaps by another distribution" in ended.err
    shutil.rmtree(handlers.parent)
    ended = await kyc_bot("serve", command=[str(program)])
    assert (ended.code, "handlers is missing beside" in ended.err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--once"],
        ["sandbox", "slack", "--port", "1"],
        ["sandbox", "smile-id", "--port", "1", "--partner-id", "0421", "--api-key", "k"],
    ],
    ids=["demo", "slack", "smile-id"],
)
async def test_a_command_of_the_sandbox_says_that_there_is_none(plain: Path, arguments: list[str]) -> None:
    ended = await kyc_bot(*arguments, command=[str(plain)])
    assert ended == Ended(code=1, out="", err=f"{NO_SANDBOX}\n")


async def test_the_other_commands_need_no_stand_in(plain: Path) -> None:
    version, key, manifest, help_ = [
        await kyc_bot(*arguments, command=[str(plain)])
        for arguments in (["--version"], ["check", "--new-key"], ["manifest"], ["demo", "--help"])
    ]
    assert {ended.code for ended in (version, key, manifest, help_)} == {0}
    assert version.out == f"kyc-bot, version {__version__}\n"
    assert len(key.out.strip()) == 44
    assert "socket_mode_enabled: true" in manifest.out


async def test_without_charts_a_summary_comes_without_a_picture(plain: Path) -> None:
    async with a_manager(plain) as world:
        await share(world)
        assert "Shared in" in said(world)
        assert "the file follows in its thread" in said(world)
        assert "picture" not in said(world)
        await world.wait_for_posts()
        assert endings(world) == [".csv"]
        assert charts(world) == []


async def test_with_charts_a_summary_comes_with_its_picture(charted: Path) -> None:
    async with a_manager(charted) as world:
        await share(world)
        assert "the picture and the file follow" in said(world)
        await world.wait_for_posts()
        assert endings(world) == [".csv", ".png"]
        assert charts(world) == ["done"]


async def test_a_picture_that_waits_while_charts_are_removed_is_dropped(charted: Path, plain: Path) -> None:
    async with a_manager(charted) as world:
        tried = asyncio.Event()

        def no_upload(method: str, _number: int) -> Fault | None:
            if method != "files.getUploadURLExternal":
                return None
            tried.set()
            return Fault.status(503)

        world.slack.fault = no_upload
        await share(world)
        await asyncio.wait_for(tried.wait(), GIVE_UP_SECONDS)
        assert await world.stop() == 0
        assert charts(world) == ["due"]
        world.slack.fault = None
        world.command = [str(plain)]
        await world.start()
        await world.wait_for_posts()
        assert endings(world) == [".csv"]
        assert charts(world) == ["dropped"]


async def test_the_check_tells_that_there_are_no_charts(plain: Path, charted: Path) -> None:
    async with a_manager(plain, start=False) as world:
        environment = world.environment | {"KYC_SUMMARY_CHANNEL": CHANNEL}
        without, with_charts = [
            (await kyc_bot("check", environment=environment, command=[str(each)])).out for each in (plain, charted)
        ]
    assert "\nnote  charts: matplotlib is not installed: summaries come without a picture." in without
    assert "matplotlib" not in with_charts


async def test_a_database_on_a_server_asks_for_what_it_needs(wheel: Path, plain: Path, tmp_path: Path) -> None:
    server = install(wheel, tmp_path / "server", lock="requirements-postgresql.lock")
    nobody = f"postgresql://kyc@127.0.0.1:{free_port()}/kyc"
    async with site(start=False, KYC_DATABASE=nobody) as world:
        for arguments in (["audit", "head"], ["check"]):
            ended = await kyc_bot(*arguments, environment=world.environment, command=[str(plain)])
            assert ended.code == 1
            wanted = "psycopg is not installed: `make install LOCK=requirements-postgresql.lock`"
            assert wanted in ended.out + ended.err
            assert "Traceback" not in ended.err
            ended = await kyc_bot(*arguments, environment=world.environment, command=[str(server)])
            assert ended.code == 1
            assert "no server listens there" in ended.out + ended.err


@asynccontextmanager
async def a_manager(program: Path, *, start: bool = True) -> AsyncIterator[Site]:
    """The installed bot between the stand-ins, and one check that has ended."""
    async with site(start=False, KYC_MANAGERS=MANAGER) as world:
        world.command = [str(program)]
        if start:
            await world.start()
            await world.wait_for(lambda: world.slack.socket_count == 1)
            await world.ask()
            await world.wait_for_the_end()
        yield world


async def share(world: Site) -> None:
    meera = world.slack.person(MANAGER)
    answer = (await meera.command("summary today")).message
    assert answer is not None
    assert (await meera.click(answer, ids.SHARE_SUMMARY)).ok
    await world.wait_for(lambda: "Shared in" in said(world))


def said(world: Site) -> str:
    return "\n".join(world.slack.plain(message) for message in world.slack.ephemerals(MANAGER))


def endings(world: Site) -> list[str]:
    return sorted(Path(file.name).suffix for _message, file in world.slack.bot_files(CHANNEL))


def charts(world: Site) -> list[str]:
    """How each picture's post stands."""
    with closing(sqlite3.connect(f"file:{world.database}?mode=ro", uri=True)) as db:
        return [str(state) for (state,) in db.execute("SELECT state FROM posts WHERE kind = 'summary_chart'")]
