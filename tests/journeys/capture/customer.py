"""A customer behind a capture link, as far as the bot hears of them: what their page sends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Self

import httpx

from bot.capture.assets import NOTICE
from bot.domain.capture.links import LinkStep
from bot.domain.capture.upload import CapturedPhotos, pack
from bot.domain.check.check import PhotosBy, Request
from bot.domain.check.references import reference
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.submission import lifecycle
from bot.submission.budget import Budget
from storage import capture_links
from storage.engine.database import Transaction
from tests.journeys.world import PHOTOS, SELFIE, Journey

TOKEN = "invented-token-" + 28 * "0"
TEST_NUMBER = "00000000000"
PHONE = "invented-device-of-a-phone"
OFFERED: dict[str, Any] = {"KYC_COMPANY_NAME": "Invented Bank", "KYC_PRIVACY_URL": "https://bank.example/privacy"}
"""What a bot needs besides its public address to offer links."""


@cache
def sample() -> CapturedPhotos:
    """Nine photos of nobody, of which no two are alike."""
    liveness = tuple((PHOTOS / f"liveness_{number}.jpg").read_bytes() for number in range(8))
    return CapturedPhotos(liveness=liveness, selfie=SELFIE)


async def post_photos(
    phone: httpx.AsyncClient, origin: str, *, token: str = TOKEN, body: bytes | None = None
) -> httpx.Response:
    """As the page posts them, to a bot that runs as a process."""
    headers = {
        "Kyc-Link": token,
        "Kyc-Device": PHONE,
        "Origin": origin,
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/octet-stream",
    }
    return await phone.post(f"{origin}/c/photos", headers=headers, content=body or pack(sample()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody who has a link, on one device."""

    world: Journey
    ref: str
    token: str
    device: str = PHONE

    def on(self, device: str) -> Self:
        return replace(self, device=device)

    async def open(self) -> None:
        await self.world.bot.capture_links.open(self.token, self.device)

    async def agree(self) -> None:
        await self.world.bot.capture_links.agree(self.token, self.device, notice=NOTICE, language="en")

    async def hand_in(
        self, photos: CapturedPhotos | None = None, *, before: Callable[[], Awaitable[object]] | None = None
    ) -> LinkStep:
        """POST the nine photos; `before` runs while the body is on its way."""
        body = pack(photos or sample())

        async def read() -> bytes:
            if before is not None:
                await before()
            return body

        return await self.world.bot.handover.take(self.token, self.device, read)

    def handing_in(self) -> "asyncio.Task[LinkStep]":
        """The same, while the test goes on."""
        return asyncio.create_task(self.hand_in())


async def asked(
    world: Journey, *, number: int = 1, token: str = TOKEN, hours: float = 24, id_number: str = TEST_NUMBER
) -> Customer:
    """A check whose customer has a link, and has not opened it yet."""
    now, ref = world.clock(), reference(number)
    request = Request(
        requester=ANALYST,
        team="T0SANDBOX01",
        channel=CHANNEL,
        thread_ts=None,
        view_id=f"view-{ref}",
        country="NG",
        id_type="BVN",
        id_info={"id_number": id_number},
        customer_reference="",
        photos=(),
        consent_at=now,
        photos_by=PhotosBy.LINK,
    )
    until = now + timedelta(hours=hours)
    await world.bot.database.write(_ask, request, ref, token, budget=Budget.of(world.bot.preflight), until=until)
    return Customer(world=world, ref=ref, token=token)


async def agreed(
    world: Journey, *, number: int = 1, token: str = TOKEN, hours: float = 24, id_number: str = TEST_NUMBER
) -> Customer:
    """The same, who has opened it and agreed."""
    customer = await asked(world, number=number, token=token, hours=hours, id_number=id_number)
    await customer.open()
    await customer.agree()
    return customer


def _ask(tx: Transaction, request: Request, ref: str, token: str, *, budget: Budget, until: datetime) -> None:
    now = request.consent_at
    lifecycle.accept(tx, request, ref=ref, now=now, budget=budget)
    capture_links.add(tx, ref, token, by=ANALYST, expires_at=until, remind_at=None, now=now)
