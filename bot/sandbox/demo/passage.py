"""How the demo lets time pass for its bot and both stand-ins: forward, and no further than it is meant to go."""

import asyncio
import re
import ssl
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx

from bot.sandbox.demo.bot_process import DemoFailed
from bot.sandbox.demo.clock import ClockFile
from bot.sandbox.demo.supervisor import Supervisor

LOOK_EVERY_SECONDS = 0.02
REST_SECONDS = 60.0
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain http on the loopback: a client that loads certificates first takes longer than the bot to rest."""
_WAITING = re.compile(r"^(kyc_outbox_lag_seconds|kyc_oldest_due_seconds\{.*\}) (?!0\.0$).+", re.MULTILINE)


class Passage:
    """Moves the clock file and waits until the bot has come along."""

    def __init__(self, clock: ClockFile, bot: Supervisor, *, admin_url: str) -> None:
        self._clock = clock
        self._bot = bot
        self._admin_url = admin_url

    async def to(self, moment: datetime) -> None:
        """Return once stand-ins and bot have come to the moment; at once where it has passed."""
        await self._go(moment - datetime.now(UTC))

    async def by(self, passed: timedelta) -> None:
        """Let so much time pass at once."""
        await self._go(self._clock.offset + passed)

    async def to_the_present(self) -> None:
        """From the past to the machine's time."""
        await self._go(timedelta(0))

    async def rest(self) -> None:
        """Return once the bot has nothing left to do or to say for now. Raises DemoFailed when it never rests."""
        waits = "nothing heard of it"
        try:
            async with asyncio.timeout(REST_SECONDS), httpx.AsyncClient(verify=_NO_TLS, trust_env=False) as http:
                while waiting := _WAITING.search((await http.get(f"{self._admin_url}/metrics")).text):
                    waits = waiting[0]
                    await asyncio.sleep(LOOK_EVERY_SECONDS)
        except (TimeoutError, httpx.HTTPError) as fault:
            raise DemoFailed(f"the bot did not come to rest ({type(fault).__name__}; last seen: {waits})") from fault

    async def _go(self, offset: timedelta) -> None:
        if offset > self._clock.offset:
            self._clock.set(offset)
            await self._bot.follows(offset)


def until_next(hour: time, zone: ZoneInfo, now: datetime) -> timedelta:
    """How long it is from now to that time of day, and a minute beyond it."""
    local = now.astimezone(zone)
    at = datetime.combine(local.date(), hour, zone)
    if at <= local:
        at = datetime.combine(local.date() + timedelta(days=1), hour, zone)
    return at - local + timedelta(minutes=1)
