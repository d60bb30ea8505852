"""Sending one check's selfie to Smile ID, over TLS and with 150 ms to each answer, beside Smile ID's own library."""

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import certifi
import uvloop
from smile_id_core import WebApi

from bot.domain.results.codes import ResultCodes
from bot.network import Outbound
from bot.runtime.bot import Timeouts
from bot.runtime.outgoing import CONNECTIONS
from bot.settings import NetworkSettings
from bot.smile_id.client import V1Client
from bot.smile_id.interface import Accepted, Checkpoint, JobPhoto, JobRequest
from bot.smile_id.v1 import SmileIDV1
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import Cost, costs, times_as_fast
from tests.benchmarks.smile_id_peer import smile_id_peer

LATENCY_MS = 150
THREADS = 32
COUNT = 128
"""Submissions of a round."""
CALLS = 2
"""Of a submission, one after the other."""
PARTNER_ID, API_KEY, CALLBACK = "0421", "benchmark-api-key", "https://kyc.example/smile-id/callback/token"
ID_INFO = {"country": "NG", "id_type": "BVN", "id_number": "00000000000"}
SELFIE = Path(__file__).parents[2] / "bot" / "sandbox" / "data" / "photos" / "selfie.jpg"


def request(number: int) -> JobRequest:
    return JobRequest(
        job_id=f"job-{number}",
        user_id=f"user-{number}",
        callback_url=CALLBACK,
        id_info=ID_INFO,
        consent_at=datetime.now(UTC),
        labels={},
        selfie=JobPhoto(data=SELFIE.read_bytes()),
    )


async def by_us(smile_id: SmileIDV1, *, at_once: int) -> None:
    left = iter(range(COUNT))

    async def some() -> None:
        for number in left:
            asked = request(number)
            checkpoint = await smile_id.submit(asked, None)
            assert isinstance(checkpoint, Checkpoint)
            assert isinstance(await smile_id.submit(asked, checkpoint.state), Accepted)

    await asyncio.gather(*(some() for _ in range(at_once)))


def by_the_sdk(origin: str) -> None:
    """As its readme shows it: a session of its own for each call."""
    options = {"return_job_status": False, "return_history": False, "return_images": False}

    def one(number: int) -> None:
        job = {"job_id": f"job-{number}", "user_id": f"user-{number}", "job_type": 1}
        images = [{"image_type_id": 0, "file_name": str(SELFIE)}]
        WebApi(PARTNER_ID, CALLBACK, API_KEY, f"{origin}/v1").submit_job(
            job, images, {**ID_INFO, "entered": "true"}, options
        )

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, range(COUNT)))


async def measured() -> list[list[Cost]]:
    """Costs of the SDK, of ours with 32 at once, and with 128."""
    with tempfile.TemporaryDirectory() as folder, smile_id_peer(Path(folder), milliseconds=LATENCY_MS) as (origin, ca):
        # As on any machine: the stand-in's authority is one among all the others, which `requests` reads for each call.
        bundle = Path(folder) / "authorities.pem"
        bundle.write_text(f"{certifi.contents()}\n{ca.read_text(encoding='ascii')}", encoding="utf-8")
        os.environ |= {"REQUESTS_CA_BUNDLE": str(bundle), "NO_PROXY": "127.0.0.1"}
        outbound = Outbound.of(NetworkSettings.load({"KYC_CA_FILE": str(ca)}), own=[origin])
        async with outbound.http(timeout=Timeouts().smile_id, connections=CONNECTIONS) as http:
            client = V1Client(
                http=http,
                base_url=f"{origin}/v1",
                partner_id=PARTNER_ID,
                api_key=API_KEY,
                now=lambda: datetime.now(UTC),
            )
            smile_id = SmileIDV1(client=client, codes=ResultCodes({}))
            return await costs(
                lambda: asyncio.to_thread(by_the_sdk, origin),
                lambda: by_us(smile_id, at_once=32),
                lambda: by_us(smile_id, at_once=128),
                rounds=3,
            )


def figures() -> list[Figure]:
    sdk, few, many = uvloop.run(measured())
    beside = f"official SDK, {THREADS} threads"

    def figure(work: str, rounds: list[float], goal: Goal, bound: float) -> Figure:
        return Figure(work=work, beside=beside, rounds=rounds, unit="×", goal=goal, bound=bound)

    def processor(ours: list[Cost]) -> list[float]:
        return [own.processor / peer.processor for own, peer in zip(ours, sdk, strict=True)]

    def latency(work: str, ours: list[Cost], at_once: int, bound: float) -> Figure:
        """1.0: nothing but the wait for the answers takes time. However fast the machine is, it cannot be more."""
        shortest = COUNT / at_once * CALLS * LATENCY_MS / 1000
        rounds = [shortest / own.elapsed for own in ours]
        return Figure(work=work, beside="the latency alone", rounds=rounds, unit="×", goal=Goal.AT_LEAST, bound=bound)

    return [
        figure("submissions, 32 at once", times_as_fast(few, sdk), Goal.AT_LEAST, 4.2),
        figure("the same, the processor's time", processor(few), Goal.AT_MOST, 0.08),
        latency("the same submissions", few, 32, 0.8),
        figure("submissions, 128 at once", times_as_fast(many, sdk), Goal.AT_LEAST, 8),
        figure("the same, the processor's time", processor(many), Goal.AT_MOST, 0.08),
        latency("the same submissions", many, COUNT, 0.5),
    ]
