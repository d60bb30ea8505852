"""Many customers hand in their photos at once: each is told to wait or that they have arrived, in bounded memory."""

import asyncio
import io
import time
from collections.abc import Sequence
from http import HTTPStatus

import httpx
import pytest
from PIL import Image, ImageFilter

from bot.domain.capture.upload import MAX_BODY_BYTES, CapturedPhotos, pack
from tests.journeys.capture.customer import OFFERED, agreed, post_photos, sample
from tests.journeys.intake.test_batch_of_500 import MIB, resident_kib
from tests.journeys.site import Site, site
from tests.journeys.world import MovedClock, bot_between
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.endurance]

COUNT = 50
MOST_MIB = 150
"""On top of the process at rest, with photos as a phone takes them: about half a megabyte for each customer."""
MOST_OF_LARGEST_MIB = 600
"""The same with the largest photos that there are: 12 MiB for each of those under way, and what decoding them takes."""


def largest() -> CapturedPhotos:
    """Nine photos of nothing, as large together as a body may be, and no two alike."""
    made = []
    for number in range(9):
        noise = Image.effect_noise((2000, 2600), 60 + number).filter(ImageFilter.GaussianBlur(0.4 + number / 20))
        out = io.BytesIO()
        noise.convert("RGB").save(out, "JPEG", quality=50)
        made.append(out.getvalue())
    *liveness, selfie = made
    return CapturedPhotos(liveness=tuple(liveness), selfie=selfie)


async def served(world: Site, tokens: Sequence[str], photos: CapturedPhotos) -> Sequence[float]:
    """Every customer posts at the same moment, and again when they are told to; how long each waited, in seconds."""
    origin, body = world.environment["KYC_PUBLIC_URL"], pack(photos)
    begun = time.monotonic()
    limits = httpx.Limits(max_connections=None)

    async def one(phone: httpx.AsyncClient, token: str) -> float:
        while (answer := await post_photos(phone, origin, token=token, body=body)).status_code != HTTPStatus.OK:
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        return time.monotonic() - begun

    async with (
        asyncio.timeout(4 * GIVE_UP_SECONDS),
        httpx.AsyncClient(timeout=2 * GIVE_UP_SECONDS, limits=limits) as phone,
    ):
        return sorted(await asyncio.gather(*(one(phone, token) for token in tokens)))


@pytest.mark.parametrize(
    ("photos", "count", "most_mib"),
    [
        pytest.param(sample, COUNT, MOST_MIB, id="of-phones"),
        pytest.param(largest, 20, MOST_OF_LARGEST_MIB, id="largest"),
    ],
)
async def test_customers_who_come_all_at_once_are_served_in_bounded_memory(
    capsys: pytest.CaptureFixture[str], photos: object, count: int, most_mib: int
) -> None:
    assert callable(photos)
    taken = await asyncio.to_thread(photos)
    assert len(pack(taken)) <= MAX_BODY_BYTES
    async with site(start=False, socket_mode=False, KYC_CONNECTIONS_PER_SOURCE="256", **OFFERED) as world:
        tokens = [f"{number:043}" for number in range(count)]
        async with bot_between(world.slack, world.smile_id, world.environment, clock=MovedClock()) as inside:
            for number, token in enumerate(tokens):
                await agreed(inside, number=number, token=token)
        await world.start()
        assert world.process is not None
        before = resident_kib(world.process.pid, "VmRSS")
        waited = await served(world, tokens, taken)
        peak = resident_kib(world.process.pid, "VmHWM")
        with capsys.disabled():
            print(
                f"\n{count} customers at once, {len(pack(taken)) / 1e6:.1f} MB each: half were served after "
                f"{waited[count // 2]:.1f} s, all after {waited[-1]:.1f} s; {before // MIB} MiB before, "
                f"{peak // MIB} MiB at the highest"
            )
        assert [job.upload_count for job in world.smile_id.jobs.values()] == [1] * count
        assert peak - before < most_mib * MIB
