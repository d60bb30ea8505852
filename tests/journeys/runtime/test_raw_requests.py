"""Ten thousand bad requests to a whole process, as bytes: no error of ours, no more memory, no verdict."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bot.capture.assets import NOTICE
from bot.sandbox.smile_id import SandboxJob
from tests.bad_requests import Bad, Sign, one_of
from tests.journeys.capture.customer import OFFERED
from tests.journeys.intake.test_batch_of_500 import MIB, resident_kib
from tests.journeys.intake.test_slack_payloads import SAMPLES, signature
from tests.journeys.site import Site, site
from tests.journeys.smile import message
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

COUNT = 1_500
WARM = 500
"""After so many the memory is what the process needs for such a day."""
AT_ONCE = 16
MOST_GROWTH_MIB = 32
CUSTOMERS = {"the customer's page": "/c", "a customer's consent": "/c/consent", "a customer's photos": "/c/photos"}
PUBLIC = ("a callback's address", "an address of no check", "Slack's", "liveness", "no route", *CUSTOMERS)
ADMIN = ("readiness", "metrics")


async def answer_to(place: tuple[str, int], bad: Bad) -> int | None:
    """The status; None where the sender leaves without hearing it, or nothing is said."""
    reader, writer = await asyncio.open_connection(*place)
    try:
        with suppress(ConnectionError):
            # It may be refused, and the line cut, before all of it is there.
            writer.write(bad.sent)
            await writer.drain()
        said = b""
        if bad.is_whole:
            with suppress(ConnectionError):
                said = await asyncio.wait_for(reader.read(12), GIVE_UP_SECONDS)
        return int(said[9:12]) if said else None
    finally:
        writer.transport.abort()


async def send(
    place: tuple[str, int], path: str, samples: Sequence[Any], sign: Sign | None, numbers: range
) -> Counter[int | None]:
    """So many, some at once; how often which status came."""
    answers: Counter[int | None] = Counter()
    left = iter(numbers)

    async def sender() -> None:
        for number in left:
            status = await answer_to(place, one_of(random.Random(f"{path} {number}"), samples, path=path, sign=sign))
            assert status is None or status < 500, f"number {number} of {path}: {status}"
            answers[status] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(sender())
    return answers


def results_of(job: SandboxJob) -> list[Any]:
    """Messages about this job that are no result: one that is signed and names a verdict would be one."""
    return [message(job, code, "Nothing that Smile ID says") for code in ("", "9999", "08100", "x")]


def as_a_page(origin: str, route: str, _body: bytes) -> Mapping[str, str]:
    """Headers as the customer's page has them, with a link of nobody."""
    kind = {"Content-Type": "application/octet-stream"} if route.endswith("photos") else {}
    return {"Origin": origin, "Sec-Fetch-Site": "same-origin", "Kyc-Link": "x" * 43, "Kyc-Device": "x" * 22, **kind}


def slack_samples() -> list[Any]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.glob("*.json"))]


async def refused_by_the_process(world: Site) -> dict[str, float]:
    """Answers of 400 and above, by status."""
    async with httpx.AsyncClient(trust_env=False, timeout=GIVE_UP_SECONDS) as http:
        lines = (await http.get(f"{world.admin}/metrics")).text.splitlines()
    found = [line.rsplit(" ", 1) for line in lines if line.startswith("kyc_http_refused_total{")]
    return {name.split('"')[1]: float(value) for name, value in found}


@pytest.mark.parametrize("route", [*PUBLIC, *ADMIN])
async def test_bad_requests_make_no_error_and_no_verdict(route: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with site(socket_mode=False, story="never", KYC_POLL_AFTER="1h", **OFFERED) as world:
        assert world.process is not None
        await world.ask()
        await world.wait_for(lambda: any(job.processed for job in world.smile_id.jobs.values()))
        (job,) = world.smile_id.jobs.values()
        callback = urlsplit(job.callback_url).path
        path = {
            "a callback's address": callback,
            "an address of no check": callback[:-64] + "0" * 64,
            "Slack's": "/slack/events",
            "liveness": "/healthz",
            "readiness": "/readyz",
            "metrics": "/metrics",
            **CUSTOMERS,
        }.get(route, "/nowhere")
        place = urlsplit(world.public if route in PUBLIC else world.admin)
        address = (place.hostname or "", place.port or 0)
        samples: Sequence[Any] = results_of(job)
        sign: Sign | None = None
        if route == "Slack's":
            samples, sign = slack_samples(), signature
        elif route in CUSTOMERS:
            samples, sign = [{"notice": NOTICE, "language": "en"}], partial(as_a_page, world.public, route)

        answers = await send(address, path, samples, sign, range(WARM))
        before = resident_kib(world.process.pid, "VmRSS")
        answers += await send(address, path, samples, sign, range(WARM, COUNT))
        after = resident_kib(world.process.pid, "VmRSS")
        with capsys.disabled():
            print(f"\n{route}: {dict(answers)}; {before // MIB} MiB, then {after // MIB} MiB")

        assert after - before < MOST_GROWTH_MIB * MIB
        assert not {status for status in await refused_by_the_process(world) if status >= "500"}
        levels = Counter(json.loads(line)["level"] for line in world.log().splitlines())
        assert not levels["error"] + levels["critical"], world.log()[-3_000:]
        # It says nothing that was not so before, and hears what is true.
        assert world.replies() == []
        job.record.append(message(job, "0811"))
        assert await world.smile_id.send_callback(job.job_id, message(job, "0811")) == 200
        await world.wait_for_the_end()
        assert "Rejected — " in world.replies()[-1]
