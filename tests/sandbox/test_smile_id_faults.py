"""Failures on demand, as a client meets them: what it sees, and whether the stand-in acted."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.sandbox.smile_id import Fault, SmileIDSandbox, run

from .smile_id_partner import API_KEY, PARTNER_ID, Stage, files_of, info, prep_body, set_up, zipped

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_up() as stage:
        yield stage


def seen(stage: Stage) -> tuple[str, bool, int | None]:
    last = stage.sandbox.requests[-1]
    return last.call, last.acted, last.status


async def test_a_status_is_answered_instead_of_acting(stage: Stage) -> None:
    stage.sandbox.fail_next("upload", Fault.status(502, "<html>Bad Gateway</html>", {"Server": "front"}))
    response = await stage.prepare()
    assert (response.status_code, response.text) == (502, "<html>Bad Gateway</html>")
    assert response.headers["server"] == "front"
    assert not stage.sandbox.jobs
    assert seen(stage) == ("upload", False, 502)


async def test_a_body_may_be_json_or_bytes_and_a_limit_says_when_to_come_back(stage: Stage) -> None:
    error = {"error": "System Error", "code": "2201"}
    stage.sandbox.fail_next("upload", Fault.status(500, error), Fault.status(200, b"\xff"), Fault.rate_limited(7))
    system_error, bytes_, limited = [await stage.prepare() for _ in range(3)]
    assert system_error.json() == error
    assert bytes_.content == b"\xff"
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")


async def test_faults_apply_to_their_call_alone_in_order_and_once(stage: Stage) -> None:
    stage.sandbox.fail_next("put", Fault.status(503), Fault.status(500))
    url = (await stage.prepare()).json()["upload_url"]
    assert [(await stage.put(url)).status_code for _ in range(3)] == [503, 500, 200]
    assert stage.sandbox.jobs["job-1"].upload_count == 1
    with pytest.raises(ValueError, match="no call"):
        stage.sandbox.fail_next("uplaod", Fault.status(500))


async def test_a_hook_is_asked_for_each_request(stage: Stage) -> None:
    asked: list[tuple[str, int]] = []

    def every_second(call: str, number: int) -> Fault | None:
        asked.append((call, number))
        return Fault.status(500) if number % 2 == 0 else None

    stage.sandbox.fault = every_second
    statuses = [(await stage.prepare(prep_body(f"job-{n}"))).status_code for n in range(3)]
    assert statuses == [200, 500, 200]
    assert asked == [("upload", 1), ("upload", 2), ("upload", 3)]


@pytest.mark.parametrize(("fault", "acted"), [(Fault.reset_before(), False), (Fault.reset_after(), True)])
async def test_a_reset_tears_the_connection_with_or_without_acting(stage: Stage, fault: Fault, acted: bool) -> None:
    stage.sandbox.fail_next("upload", fault)
    with pytest.raises(httpx.ReadError):
        await stage.prepare()
    assert bool(stage.sandbox.jobs) is acted
    assert seen(stage) == ("upload", acted, None)


@pytest.mark.parametrize(("fault", "count"), [(Fault.reset_before(), 0), (Fault.reset_after(), 1)])
async def test_a_reset_during_the_put_leaves_the_zip_taken_or_not(stage: Stage, fault: Fault, count: int) -> None:
    url = (await stage.prepare()).json()["upload_url"]
    stage.sandbox.fail_next("put", fault)
    with pytest.raises(httpx.TransportError):
        await stage.put(url, zipped(files_of(info())) + bytes(5_000_000))
    assert stage.sandbox.jobs["job-1"].upload_count == count


@pytest.mark.parametrize(("fault", "acted"), [(Fault.hang_before(0.3), False), (Fault.hang_after(0.3), True)])
async def test_a_client_that_does_not_wait_finds_it_done_or_not(stage: Stage, fault: Fault, acted: bool) -> None:
    stage.sandbox.fail_next("upload", fault)
    with pytest.raises(httpx.ReadTimeout):
        await stage.http.post(f"{stage.sandbox.base_url}/upload", json=prep_body(), timeout=0.1)
    await asyncio.sleep(0.4)
    assert bool(stage.sandbox.jobs) is acted


@pytest.mark.parametrize("fault", [Fault.hang_before(0.05), Fault.hang_after(0.05)])
async def test_a_client_that_waits_gets_its_answer(stage: Stage, fault: Fault) -> None:
    stage.sandbox.fail_next("upload", fault)
    assert (await stage.prepare()).status_code == 200


async def test_half_an_answer_is_less_than_was_announced(stage: Stage) -> None:
    stage.sandbox.fail_next("upload", Fault.half_answer())
    received = b""
    async with stage.http.stream("POST", f"{stage.sandbox.base_url}/upload", json=prep_body()) as response:
        announced = int(response.headers["content-length"])
        pieces = response.aiter_raw()
        received += await anext(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)
    assert len(received) == announced // 2
    assert seen(stage) == ("upload", True, 200)


async def test_half_of_an_empty_answer_is_no_answer_either(stage: Stage) -> None:
    url = (await stage.prepare()).json()["upload_url"]
    stage.sandbox.fail_next("put", Fault.half_answer())
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.put(url)
    assert stage.sandbox.jobs["job-1"].upload_count == 1


async def test_hooks_run_before_and_after_acting_and_once_it_is_answered(stage: Stage) -> None:
    moments: list[tuple[str, int]] = []

    def note(name: str) -> Any:
        def hook() -> None:
            moments.append((name, len(stage.sandbox.jobs)))

        return hook

    async def answered() -> None:
        note("answered")()

    stage.sandbox.fail_next("upload", Fault.call(note("before"), note("after"), answered=answered))
    assert (await stage.prepare()).status_code == 200
    await stage.sandbox.wait_for(lambda: len(moments) == 3)
    assert moments == [("before", 0), ("after", 1), ("answered", 1)]


CLIENT = """
import sys, httpx
url, path = sys.argv[1:]
with open(path, "rb") as zip_file:
    httpx.put(url, content=zip_file.read(), headers={"Content-Type": "application/zip"}, timeout=30)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_client_killed_before_or_after_acting_leaves_the_zip_taken_or_not(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, moment: str
) -> None:
    package = tmp_path_factory.mktemp("zip") / "package.zip"
    package.write_bytes(zipped(files_of(info())))
    url = (await stage.prepare()).json()["upload_url"]
    client: asyncio.subprocess.Process | None = None

    async def kill() -> None:
        assert client is not None
        client.kill()
        await client.wait()

    stage.sandbox.fail_next("put", Fault.call(**{moment: kill}))
    client = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, url, str(package))
    assert await client.wait() == -9
    await asyncio.sleep(0.2)
    assert stage.sandbox.jobs["job-1"].upload_count == (moment == "after")


async def test_a_client_that_dies_in_the_middle_of_its_zip_leaves_none(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    url = httpx.URL((await stage.prepare()).json()["upload_url"])
    _, writer = await asyncio.open_connection(url.host, url.port)
    head = f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\n"
    writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode() + b"half")
    await writer.drain()
    await stage.sandbox.wait_for(lambda: stage.sandbox.requests[-1].call == "put")
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert seen(stage) == ("put", False, None)
    assert stage.sandbox.jobs["job-1"].upload_count == 0
    assert not caplog.records


async def test_waiting_for_what_never_happens_ends(stage: Stage) -> None:
    with pytest.raises(TimeoutError):
        await stage.sandbox.wait_for(lambda: False, timeout_seconds=0.05)


async def test_a_taken_port_is_an_error_of_start(stage: Stage) -> None:
    taken = httpx.URL(stage.sandbox.base_url).port
    assert taken
    second = SmileIDSandbox(partner_id=PARTNER_ID, api_key=API_KEY, port=taken)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


async def test_the_command_says_where_it_listens_and_stops_when_cancelled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    serving = asyncio.create_task(run(0, PARTNER_ID, API_KEY, "rejected"))
    printed = ""
    while not printed:
        await asyncio.sleep(0.01)
        printed = capsys.readouterr().out
    url = printed.removeprefix("Smile ID sandbox at ").strip()
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/services")).status_code == 200
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/services")
