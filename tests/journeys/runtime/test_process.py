"""`kyc-bot` as an operator meets it: starting, stopping, refusing to start, being watched, losing its connections."""

import asyncio
import json
import re
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from bot.sandbox.demo import DemoFailed, free_port
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from storage.engine.sealing import Sealer
from tests.conftest import Took
from tests.journeys.site import Site, bare, kyc_bot, site
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

SECRETS = ("xoxb-sandbox", "xapp-sandbox", "sandbox-secret", "sandbox-api-key")


async def assert_approved_once(world: Site) -> None:
    await world.wait_for_the_end()
    (result,) = world.replies()
    assert "Approved — face and ID number verified" in result
    assert len(world.roots()) == 1
    (job,) = world.smile_id.jobs.values()
    assert job.upload_count == 1


# Stopping


async def test_a_stop_with_a_call_in_flight_takes_less_than_ten_seconds_and_loses_nothing(took: Took) -> None:
    async with site() as world:
        world.smile_id.fail_next("put", Fault.hang_after(GIVE_UP_SECONDS))
        await world.ask()
        await world.smile_id.wait_for(lambda: any(job.upload_count for job in world.smile_id.jobs.values()))
        began = asyncio.get_running_loop().time()
        # Smile ID has not answered yet: the bot does not wait for it.
        assert await world.stop() == 0
        took(asyncio.get_running_loop().time() - began, less_than=10)
        assert world.replies() == []
        await world.start()
        await assert_approved_once(world)


async def test_a_stop_lets_short_calls_come_to_their_end() -> None:
    async with site(socket_mode=False) as world:
        world.smile_id.fail_next("put", Fault.hang_after(1.5))
        await world.ask()
        await world.smile_id.wait_for(lambda: any(job.upload_count for job in world.smile_id.jobs.values()))
        assert await world.stop() == 0
        assert '"event": "check.sent"' in world.log()
        asked = len(world.smile_id.requests)
        await world.start()
        await assert_approved_once(world)
        assert not any(request.call in ("upload", "put") for request in world.smile_id.requests[asked:])


async def test_ctrl_c_stops_like_a_supervisor_does() -> None:
    async with site() as world:
        assert world.process is not None
        world.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(world.process.wait(), GIVE_UP_SECONDS) == 0


async def test_a_bot_that_never_reached_slack_stops_as_well() -> None:
    async with site(start=False) as world:
        await world.slack.stop()
        await world.start()
        assert await world.stop() == 0
        # Who has which role it never learned, and so it says of nobody that they gained or lost one.
        with closing(sqlite3.connect(world.database)) as db:
            acts = [act for (act,) in db.execute("SELECT act FROM audit WHERE act <> 'signing_key.used' ORDER BY seq")]
        assert (acts[0], acts[-1]) == ("bot.started", "bot.stopped")
        assert not any(act.startswith("role.") for act in acts)


# Refusing to start


async def test_a_second_bot_on_the_same_database_refuses_to_start() -> None:
    async with site() as world:
        other = {**world.environment, "KYC_PORT": "0", "KYC_ADMIN_PORT": "0"}
        ended = await kyc_bot("serve", environment=other)
        assert ended.code == 1
        assert world.process is not None
        assert f"the database is in use by process {world.process.pid}" in ended.err
        assert "stop it first" in ended.err
        assert "Traceback" not in ended.err


async def test_a_bot_with_another_key_refuses_to_start() -> None:
    async with site() as world:
        assert await world.stop() == 0
        ended = await kyc_bot("serve", environment={**world.environment, "KYC_ENCRYPTION_KEYS": Sealer.new_key()})
        assert ended.code == 1
        assert "sealed with a key that KYC_ENCRYPTION_KEYS does not hold" in ended.err
        assert "Traceback" not in ended.err


async def test_a_bot_older_than_its_database_refuses_to_start() -> None:
    async with site() as world:
        assert await world.stop() == 0
        await asyncio.to_thread(_as_if_newer, world.database)
        ended = await kyc_bot("serve", environment=world.environment)
        assert ended.code == 1
        assert "the database was written by a newer kyc-bot (m9999_later): update the bot" in ended.err
        assert "Traceback" not in ended.err


def _as_if_newer(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('kyc-bot', 'm9999_later', '')"
        )


async def test_a_database_that_cannot_be_opened_is_told_in_words() -> None:
    async with site(start=False) as world:
        for place in (world.folder / "nowhere" / "kyc.db", world.folder):
            ended = await kyc_bot("serve", environment={**world.environment, "KYC_DATABASE": str(place)})
            assert ended.code == 1, ended.err
            assert "Traceback" not in ended.err
            assert "database" in ended.err


@pytest.mark.parametrize("name", ["KYC_PORT", "KYC_ADMIN_PORT"])
async def test_a_taken_port_is_told_with_its_number(name: str) -> None:
    async with site(start=False) as world:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = await kyc_bot("serve", environment={**world.environment, name: str(port)})
        assert ended.code == 1
        assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in ended.err
        assert "Traceback" not in ended.err


async def test_every_missing_setting_is_told_at_once() -> None:
    ended = await kyc_bot("serve")
    assert ended.code == 2
    for name in (
        "SLACK_BOT_TOKEN",
        "SMILE_ID_PARTNER_ID",
        "SMILE_ID_API_KEY",
        "KYC_ENCRYPTION_KEYS",
        "KYC_REQUESTERS",
    ):
        assert f"{name}: is required" in ended.err
    assert "Traceback" not in ended.err


async def test_wrong_settings_are_told_without_their_secrets() -> None:
    async with site(start=False) as world:
        wrong = {"SMILE_ID_API_URL": "http://smile.example/v1", "KYC_TIMEZONE": "Lagos", "KYC_PORT": "http"}
        ended = await kyc_bot("serve", environment={**world.environment, **wrong})
        assert ended.code == 2
        assert "KYC_TIMEZONE" in ended.err
        assert "KYC_PORT" in ended.err
        key = {"KYC_ENCRYPTION_KEYS": "not-a-key-at-all"}
        refused = await kyc_bot("serve", environment={**world.environment, **key})
        assert refused.code == 2
        assert "32 bytes" in refused.err
        for secret in (*SECRETS, "not-a-key-at-all", world.environment["KYC_ENCRYPTION_KEYS"]):
            assert secret not in ended.err + ended.out + refused.err + refused.out


# Being watched


async def test_it_starts_with_slack_and_smile_id_unreachable_and_catches_up_when_they_come() -> None:
    async with site(start=False, KYC_PUBLIC_URL="") as world:
        await world.slack.stop()
        await world.smile_id.stop()
        await world.start()
        async with httpx.AsyncClient() as http:
            ready = await http.get(f"{world.admin}/readyz")
            assert ready.status_code == 200
            await world.wait_for(lambda: "products.unknown" in world.log())
            assert "smile_id" in (await http.get(f"{world.admin}/readyz")).json()["degraded"]
            await world.slack.start()
            await world.wait_for(lambda: world.slack.socket_count == 1)
            await world.ask()
            await world.wait_for(lambda: '"event": "check.try_failed"' in world.log())
            await world.smile_id.start()
            await assert_approved_once(world)
            assert (await http.get(f"{world.admin}/readyz")).json()["degraded"] == {}


async def test_it_answers_those_who_watch_it_under_the_names_they_know() -> None:
    async with site(socket_mode=False) as world, httpx.AsyncClient() as http:
        await world.ask()
        await world.wait_for_the_end()
        alive = await http.get(f"{world.public}/healthz")
        assert alive.status_code == 200
        ready = await http.get(f"{world.admin}/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"ready": True, "faults": [], "degraded": {}}
        assert (await http.post(f"{world.public}/smile-id/callback/{'0' * 64}", json={})).status_code == 404
        assert list((await http.get(f"{world.admin}/readyz")).json()["degraded"]) == ["callbacks"]
        text = (await http.get(f"{world.admin}/metrics")).text
        for line in (
            'kyc_checks{state="approved"} 1.0',
            'kyc_checks{state="requested"} 0.0',
            'kyc_oldest_due_seconds{kind="submission"} 0.0',
            'kyc_oldest_due_seconds{kind="results"} 0.0',
            "kyc_outbox_lag_seconds 0.0",
            'kyc_callbacks_total{fate="claimed"} 1.0',
            'kyc_callbacks_total{fate="unknown_token"} 1.0',
            'kyc_slack_requests_total{method="chat.postMessage",result="ok"} 2.0',
            'kyc_smile_id_requests_total{call="upload",result="ok"} 1.0',
            'kyc_smile_id_requests_total{call="put",result="ok"} 1.0',
        ):
            assert line in text, text
        assert re.search(r'kyc_commit_group_size_bucket\{le="1.0"\} [1-9]', text)
        for elsewhere in (f"{world.public}/metrics", f"{world.public}/readyz", f"{world.admin}/slack/events"):
            assert (await http.get(elsewhere)).status_code == 404
        for place in (f"{world.public}/docs", f"{world.public}/"):
            assert (await http.get(place)).status_code == 404
        for answered in (alive, await http.get(f"{world.admin}/metrics"), await http.get(f"{world.admin}/nowhere")):
            assert "server" not in answered.headers
            assert answered.headers["x-content-type-options"] == "nosniff"
            assert answered.headers["cache-control"] == "no-store"
            assert answered.headers["content-type"].startswith("text/plain;")
            assert "charset=utf-8" in answered.headers["content-type"]


async def test_log_lines_are_json_without_secrets_or_addresses() -> None:
    async with site(socket_mode=False) as world:
        world.smile_id.fail_next("put", Fault.status(500), Fault.reset_after())
        world.slack.fail_next("chat.postMessage", SlackFault.status(500))
        await world.ask()
        await world.wait_for_the_end()
        assert await world.stop() == 0
        (job,) = world.smile_id.jobs.values()
        token = job.callback_url.rsplit("/", 1)[1]
        lines = [json.loads(line) for line in world.log().splitlines()]
        assert {line["event"] for line in lines} >= {
            "bot.started",
            "check.requested",
            "attempt.recorded",
            "bot.stopped",
        }
        for line in lines:
            assert set(line) <= {"timestamp", "level", "event", "ref", "job_id", "state", "error"} | {
                "new",
                "tries",
                "learned",
                "post",
                "what",
                "kind",
                "seconds",
                "code",
                "platform",
                "words",
                # A host that data left to for the first time, by its name alone.
                "host",
                "setting",
            }
        for secret in (*SECRETS, token, "http://", "00000000000", world.environment["KYC_ENCRYPTION_KEYS"]):
            assert secret not in world.log()


# Socket Mode


@pytest.mark.parametrize("abrupt", [False, True], ids=["told-to-go", "cut-off"])
async def test_a_lost_socket_comes_back_and_the_bot_goes_on(*, abrupt: bool) -> None:
    async with site() as world:
        opened = _opened(world)
        await world.slack.disconnect_sockets(abrupt=abrupt)
        await world.wait_for(lambda: _opened(world) > opened and world.slack.socket_count == 1)
        await world.ask()
        await assert_approved_once(world)
        assert await world.stop() == 0


async def test_an_address_that_failed_once_is_not_tried_for_ever() -> None:
    async with site(start=False) as world:

        def spend() -> None:
            world.slack._sockets._tickets.clear()

        world.slack.fail_next("apps.connections.open", SlackFault.call(after=spend))
        await world.start()
        await world.wait_for(lambda: world.slack.socket_count == 1)
        assert _opened(world) == 2
        await world.ask()
        await assert_approved_once(world)


def _opened(world: Site) -> int:
    return sum(call.method == "apps.connections.open" for call in world.slack.calls)


# Commands that need no settings


async def test_help_needs_no_settings() -> None:
    for arguments in (["--help"], ["serve", "--help"]):
        ended = await kyc_bot(*arguments)
        assert ended.code == 0
        assert "Usage:" in ended.out
        assert ended.err == ""


async def test_a_new_key_can_be_used_at_once() -> None:
    first, second = await kyc_bot("check", "--new-key"), await kyc_bot("check", "--new-key")
    assert first.code == second.code == 0
    assert first.out != second.out
    Sealer.from_text([first.out.strip()])


async def test_the_manifest_needs_no_settings() -> None:
    sockets, http = await kyc_bot("manifest"), await kyc_bot("manifest", "--url", "https://kyc.example.com")
    assert sockets.code == http.code == 0
    assert "socket_mode_enabled: true" in sockets.out
    assert "https://kyc.example.com/slack/events" in http.out


async def test_usage_faults_are_told_with_exit_2() -> None:
    ended = await kyc_bot("dance")
    assert ended.code == 2
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        pytest.param(["slack"], "/api/api.test", id="slack"),
        pytest.param(["smile-id", "--partner-id", "0421", "--api-key", "k"], "/v1/services", id="smile-id"),
    ],
)
async def test_a_stand_in_runs_by_itself_without_settings(arguments: list[str], path: str) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "sandbox", *arguments, "--port", str(port)),
        env=bare(),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)
        assert str(port) in line.decode()
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://127.0.0.1:{port}{path}")).status_code == 200
        taken = await kyc_bot("sandbox", *arguments, "--port", str(port))
        assert taken.code == 1
        assert "Cannot listen" in taken.err
        # Started in the background of a shell, this very test has Ctrl-C switched off, and hands that on.
        deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        process.send_signal(signal.SIGTERM if deaf else signal.SIGINT)
        await asyncio.wait_for(process.wait(), GIVE_UP_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_bot_that_does_not_start_says_so_to_the_demo() -> None:
    async with site(start=False) as world:
        del world.environment["SLACK_BOT_TOKEN"]
        with pytest.raises(DemoFailed):
            await world.start()
