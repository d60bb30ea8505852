"""`kyc-bot demo` as a whole: one address, a workspace that lives, nights that pass, a reset, and a clean end."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.sandbox.demo import ANALYST, CHANNEL, KYC_BOT, free_port
from bot.sandbox.demo.launcher import PEOPLE_WAIT_SECONDS, Demo, open_demo, run
from bot.sandbox.desk import DeskPanel
from bot.sandbox.smile_id.stories import STORIES
from tests.journeys.site import bare, kyc_bot
from tests.journeys.world import PHOTOS
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.demo.clocked import ask, summaries_of_days

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

FINISHED = "Approved — face and ID number verified"


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Of other processes, which tell nobody."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            seen = condition()
            if seen is True or (isinstance(seen, Awaitable) and await seen):
                return
            await asyncio.sleep(0.05)


class Run:
    """The demo as `run` runs it, with its newest workspace in hand."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.demos: list[Demo] = []

    @property
    def address(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+/", "\n".join(self.said))
        return found[0] if found else ""

    def hear(self, demo: Demo) -> DeskPanel:
        self.demos.append(demo)
        return DeskPanel(demo.slack, demo.smile_id, demo)

    async def is_ready(self, count: int = 1) -> Demo:
        """The demo that was begun as the `count`th one, once people can act there."""
        await until(lambda: len(self.demos) >= count and not self.demos[-1].what_is_prepared())
        return self.demos[-1]


@asynccontextmanager
async def running(**options: object) -> AsyncIterator[Run]:
    found = Run()
    task = asyncio.create_task(run(say=found.said.append, desk=found.hear, with_history=False, **options))  # type: ignore[arg-type]
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def replies(demo: Demo) -> list[str]:
    return [demo.slack.plain(m) for m in demo.slack.messages(CHANNEL) if m.thread_ts not in (None, m.ts)]


async def test_one_address_opens_on_a_finished_check() -> None:
    async with running() as found, httpx.AsyncClient(timeout=GIVE_UP_SECONDS, follow_redirects=True) as http:
        demo = await found.is_ready()
        assert len(found.said) == 2
        page = await http.get(found.address)
        assert page.url.path == f"/as/amina/{CHANNEL}"
        assert "face and ID number verified" in page.text
        assert "You are <b>amina</b>" in page.text
        assert any(FINISHED in reply for reply in replies(demo))


async def test_tonight_ends_in_the_days_summary() -> None:
    async with running() as found:
        demo = await found.is_ready()

        def summaries() -> list[str]:
            return summaries_of_days(demo.slack)

        assert summaries() == []
        assert re.fullmatch(r"It is \w+day 00:01 now, .+ later: .+ #kyc-summary\.", await demo.tonight())
        await demo.slack.wait_for(lambda: len(summaries()) == 1)
        assert "1 check" in summaries()[0]
        assert "1 approved" in summaries()[0]
        await demo.tonight()
        await demo.slack.wait_for(lambda: len(summaries()) == 2)


async def test_a_reset_begins_anew_at_the_same_address() -> None:
    async with running() as found, httpx.AsyncClient(timeout=GIVE_UP_SECONDS) as http:
        first = await found.is_ready()
        await first.slack.person(ANALYST).say(CHANNEL, "Before the reset")
        assert "Before the reset" in (await http.get(f"{found.address}as/amina/{CHANNEL}")).text
        answer = await http.post(f"{found.address}desk/reset", json={}, headers={"X-Workspace": "1"})
        assert answer.json()["ok"]
        assert "begins anew" in answer.json()["says"]
        second = await found.is_ready(2)
        assert (second.slack, second.database) != (first.slack, first.database)
        assert not first.database.exists()
        assert len(found.said) == 2
        page = await http.get(f"{found.address}as/amina/{CHANNEL}")
        assert "Before the reset" not in page.text
        assert "face and ID number verified" in page.text


async def test_a_kill_in_the_middle_of_an_upload_is_seen_through_from_the_desk() -> None:
    async with running() as found, httpx.AsyncClient(timeout=GIVE_UP_SECONDS) as http:
        demo = await found.is_ready()
        armed = await http.post(
            f"{found.address}desk/break", json={"breakage": "kill-in-upload"}, headers={"X-Workspace": "1"}
        )
        assert armed.json()["ok"]
        await ask(demo.slack)
        await demo.slack.wait_for(lambda: demo.bot.kills == 1)
        await demo.slack.wait_for(lambda: sum(FINISHED in reply for reply in replies(demo)) == 2)
        await demo.slack.wait_for(lambda: demo.bot.state == "running")
        assert len(demo.smile_id.jobs) == 2
        assert sum(request.call == "put" for request in demo.smile_id.requests) == 2


async def test_a_reset_while_everything_begins_is_heard() -> None:
    async with running() as found:
        await until(lambda: bool(found.demos))
        await found.demos[0].reset()
        demo = await found.is_ready(2)
        assert any(FINISHED in reply for reply in replies(demo))


async def test_nothing_of_the_users_shell_reaches_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack's library asks any proxy that the environment names, for addresses of this machine too."""
    own = ("KYC_PUBLIC_URL", "KYC_DATABASE_FILE", "SLACK_SIGNING_SECRET_FILE", "SMILE_ID_ENVIRONMENT")
    proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "NO_PROXY")
    for name in (*own, *proxies):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_demo(with_history=False) as demo:
        await demo.begin()
        assert any(FINISHED in reply for reply in replies(demo))


async def test_a_click_that_the_bot_never_answers_fails_after_ten_seconds() -> None:
    async with open_demo(with_history=False) as demo:
        await demo.begin()
        process = demo.bot._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)  # its connection stays open, so nothing else says that no answer comes
        try:
            reply = await demo.slack.person(ANALYST).command("list")
        finally:
            process.send_signal(signal.SIGCONT)
        assert (reply.ok, reply.error) == (False, "operation_timeout")
        assert PEOPLE_WAIT_SECONDS <= reply.seconds < GIVE_UP_SECONDS


async def test_the_story_that_was_asked_for_is_played_after_the_history() -> None:
    async with open_demo(story="rejected", with_history=False) as demo:
        await demo.begin()
        assert demo.smile_id.story == "rejected"
        assert any(FINISHED in reply for reply in replies(demo))
        assert demo.smile_id.pace.review_delay_seconds < 60


# The command


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The command as a process, and the address that it prints."""
    process = await asyncio.create_subprocess_exec(
        *KYC_BOT, *arguments, env=bare() | {"PYTHONUNBUFFERED": "1"}, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found is not None, line
        yield process, found[0]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_served(address: str) -> None:
    async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, follow_redirects=True) as http:

        async def shows_a_result() -> bool:
            return "face and ID number verified" in (await http.get(address)).text

        await until(shows_a_result)


def bots_of(pid: int) -> list[int]:
    """The bots that this process started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in children]


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_demo_ends_with_its_bot_when_told_to(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with started("demo", "--no-history", "--port", str(free_port())) as (process, address):
        await is_served(address)
        (bot,) = bots_of(process.pid)
        assert len(entries(tmp_path)) == 1
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), GIVE_UP_SECONDS) == 0
        assert not _is_alive(bot)
    assert entries(tmp_path) == []


async def test_a_demo_that_is_killed_leaves_no_bot_behind() -> None:
    async with started("demo", "--no-history") as (process, address):
        await is_served(address)
        (bot,) = bots_of(process.pid)
        process.kill()
        await until(lambda: not _is_alive(bot))


ONE_CHECK = ("demo", "--once", "--story", "silent")
"""Its result comes five seconds later, when the bot asks for it: time enough to be broken off."""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)], ids=["TERM", "HUP", "INT"]
)
@pytest.mark.parametrize("moment", ["starting", "playing"])
async def test_one_check_that_is_broken_off_leaves_neither_bot_nor_folder(
    number: signal.Signals, code: int, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with started(*ONE_CHECK) as (process, _address):
        await until(lambda: len(bots_of(process.pid)) == 1)
        (bot,) = bots_of(process.pid)
        if moment == "playing":
            await said(process, "@amina sends it")
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), GIVE_UP_SECONDS) == code
        assert not _is_alive(bot)
    assert entries(tmp_path) == []


@pytest.mark.parametrize("moment", ["starting", "playing"])
async def test_one_check_that_is_killed_leaves_no_bot_behind(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with started(*ONE_CHECK) as (process, _address):
        await until(lambda: len(bots_of(process.pid)) == 1)
        (bot,) = bots_of(process.pid)
        if moment == "playing":
            await said(process, "@amina sends it")
        process.kill()
        await until(lambda: not _is_alive(bot))


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(GIVE_UP_SECONDS):
        async for line in process.stdout:
            if words in line.decode():
                return
    pytest.fail(f"ended without {words!r}")


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_port_that_is_taken_is_said_in_words() -> None:
    async with started("sandbox", "slack", "--port", "0") as (_process, address):
        port = address.rsplit(":", 1)[1].strip("/")
        ended = await kyc_bot("demo", "--no-history", "--port", port)
    assert ended.code == 1
    assert "Cannot listen: " in ended.err


@pytest.mark.parametrize("command", [["demo"], ["sandbox", "smile-id", "--port=0", "--partner-id=1", "--api-key=k"]])
async def test_help_lists_the_stories_and_an_unknown_one_is_refused_with_them(command: list[str]) -> None:
    shown = await kyc_bot(*command, "--help")
    assert shown.code == 0
    words = " ".join(shown.out.split())
    for name, story in STORIES.items():
        assert f"{name} {story.purpose}" in words
    refused = await kyc_bot(*command, "--story", "bliss")
    assert refused.code == 2
    assert all(name in refused.err for name in STORIES)


async def test_a_story_without_an_end_is_told_at_once_and_not_waited_for() -> None:
    ended = await kyc_bot("demo", "--once", "--story", "never")
    assert (ended.code, ended.out) == (1, "")
    assert "no final result ever comes" in ended.err


async def test_a_story_without_callbacks_ends_soon_enough() -> None:
    ended = await kyc_bot("demo", "--once", "--story", "silent")
    assert ended.code == 0, ended.err
    assert re.search(r"^RESULT K-\w+ Approved$", ended.out, re.MULTILINE)


# Settings for a bot by hand


async def test_the_printed_settings_fit_both_stand_ins(tmp_path: Path) -> None:
    async with started("sandbox", "slack", "--port", "0") as (_slack, slack_url):
        smile = ("sandbox", "smile-id", "--port", "0", "--partner-id", "0421", "--api-key", "sandbox-api-key")
        async with started_smile_id(*smile) as smile_port:
            slack_port = slack_url.rsplit(":", 1)[1].strip("/")
            ports = ("--slack-port", slack_port, "--smile-id-port", smile_port, "--port", str(free_port()))
            printed = await kyc_bot("sandbox", "env", *ports, "--database", str(tmp_path / "kyc.db"))
            assert printed.code == 0, printed.err
            settings = dict(line.split("=", 1) for line in printed.out.splitlines())
            assert not [value for value in settings.values() if re.search(r"[^\w:/.=,-]", value)]
            environment = bare() | settings | {"KYC_ADMIN_PORT": "0", "PYTHONUNBUFFERED": "1"}
            checked = await kyc_bot("check", environment=environment)
            print(checked.out)
            bot = await asyncio.create_subprocess_exec(
                *KYC_BOT, "serve", env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                assert bot.stdout is not None
                line = await asyncio.wait_for(bot.stdout.readline(), GIVE_UP_SECONDS)
                assert b"listens" in line
                await _ask(slack_url)
            finally:
                bot.terminate()
                await bot.wait()


@asynccontextmanager
async def started_smile_id(*arguments: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *KYC_BOT, *arguments, env=bare() | {"PYTHONUNBUFFERED": "1"}, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)).decode()
        yield line.strip().removesuffix("/v1").rsplit(":", 1)[1]
    finally:
        process.kill()
        await process.wait()


async def _ask(slack_url: str) -> None:
    """A check by the stand-in's own endpoints, until its result stands in the channel."""
    values = {
        "country": "NG", "id_type": "BVN", "id_number": "00000000000", "selfie": str(PHOTOS / "selfie.jpg"),
        "consent": ["consented"],
    }  # fmt: skip
    async with httpx.AsyncClient(base_url=slack_url, timeout=GIVE_UP_SECONDS) as http:

        async def opens_the_form() -> bool:
            return bool((await http.post("/sandbox/command", json={"user": "amina", "text": ""})).json()["ok"])

        async def shows_the_result() -> bool:
            shown = (await http.get("/sandbox/messages")).json()["messages"]
            return any(FINISHED in message["plain"] for message in shown)

        await until(opens_the_form)
        filled = await http.post("/sandbox/fill", json={"user": "amina", "values": values})
        assert filled.json()["ok"], filled.text
        sent = await http.post("/sandbox/submit", json={"user": "amina"})
        assert sent.json()["ok"], sent.text
        await until(shows_the_result)
