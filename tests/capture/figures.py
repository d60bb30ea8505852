"""`python -m tests.capture.figures`: sizes and times of the customer's page on this machine, as docs/links.md has them.

The camera is Chromium's, which shows a drawn face; Smile ID is the stand-in, which lets every call wait for 150 ms.
"""

import asyncio
import gzip
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

from bot.capture.assets import ASSETS, PAGE
from bot.domain.capture.upload import CapturedPhotos, pack
from bot.domain.check.photos import prepare
from bot.sandbox.smile_id import Fault
from tests.browser.capture_door import open_door
from tests.browser.capture_world import CaptureSite, make_film, open_browser
from tests.journeys.capture.customer import OFFERED, agreed, post_photos
from tests.journeys.site import site
from tests.journeys.world import MovedClock, bot_between

CALL_SECONDS = 0.15
ROUNDS = 9


def page() -> None:
    plain: Counter[str] = Counter()
    packed: Counter[str] = Counter()
    for asset in (PAGE, *ASSETS.values()):
        kind = asset.name.rpartition(".")[2]
        plain[kind] += len(asset.body)
        packed[kind] += len(gzip.compress(asset.body, mtime=0))
    for kind, size in (*plain.items(), ("together", plain.total())):
        print(f"page, {kind}: {size:,} bytes, {packed[kind] or packed.total():,} by gzip")


async def taken() -> CapturedPhotos:
    """By the page itself."""
    with tempfile.TemporaryDirectory() as folder:
        film = await asyncio.to_thread(make_film, Path(folder) / "face.mjpeg")
        async with open_browser(film=film) as browser, open_door() as door:
            world = CaptureSite(door=door, browser=browser)
            ada = await world.customer(door.make_link(step="agreed"), clock=False)
            await ada.start_camera()
            begun = time.monotonic()
            await ada.press_id("filming-start")
            await ada.sees("review")
            print(f"from the button to nine photos: {time.monotonic() - begun:.1f} s")
            await ada.press_id("review-send")
            await ada.sees("done")
            await world.close()
            return ada.link.photos[0]


def prepared(photos: CapturedPhotos) -> None:
    times = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        for photo in (*photos.liveness, photos.selfie):
            prepare(photo)
        times.append(time.monotonic() - begun)
    print(f"nine photos prepared and judged: {statistics.median(times) * 1000:.0f} ms in one thread")


async def sent(body: bytes) -> None:
    async with site(start=False, socket_mode=False, **OFFERED) as world:
        tokens = [f"{number:043}" for number in range(ROUNDS)]
        async with bot_between(world.slack, world.smile_id, world.environment, clock=MovedClock()) as inside:
            for number, token in enumerate(tokens):
                await agreed(inside, number=number, token=token)
        await world.start()
        world.smile_id.fault = lambda _call, _number: Fault(name="far away", wait_before_seconds=CALL_SECONDS)
        times = []
        async with httpx.AsyncClient(timeout=60, trust_env=False) as phone:
            for token in tokens:
                begun = time.monotonic()
                answer = await post_photos(phone, world.environment["KYC_PUBLIC_URL"], token=token, body=body)
                times.append(time.monotonic() - begun)
                assert answer.status_code == httpx.codes.OK, answer.text
        print(f"from the first byte to *taken*, each call to Smile ID {CALL_SECONDS:.2f} s: "
              f"{statistics.median(times):.2f} s, at most {max(times):.2f} s")  # fmt: skip


async def main() -> None:
    page()
    photos = await taken()
    body = pack(photos)
    selfie, frames = len(photos.selfie), sorted(map(len, photos.liveness))
    print(f"upload: {len(body):,} bytes, of which the selfie {selfie:,}, each image {frames[0]:,} to {frames[-1]:,}")
    prepared(photos)
    await sent(body)


if __name__ == "__main__":
    asyncio.run(main())
