"""Our clock against the clocks of those we talk to, by the date on their answers."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx

from bot.runtime.clock import CLOCK_OK, ahead_of, apart
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, note, ok

CLOCK_WRONG = timedelta(seconds=120)
"""Well before requests are refused: Slack's signed ones at 5 minutes, Smile ID's results 5 minutes ahead."""


async def probe(
    whose: str, url: str, http: httpx.AsyncClient, now: Callable[[], datetime], limits: DoctorTimeouts
) -> list[Finding]:
    subject = f"clock against {whose}"
    try:
        asked = now()
        async with asyncio.timeout(limits.call):
            answer = await http.head(url)
        between = asked + (now() - asked) / 2
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return [note(subject, "not compared, since there was no answer")]
    ahead = ahead_of(answer.headers.get("date"), between)
    if ahead is None:
        return [note(subject, "not compared, since the answer carries no date")]
    if abs(ahead) <= CLOCK_OK:
        return [ok(subject, f"{round(abs(ahead).total_seconds())} s apart")]
    return [(fail if abs(ahead) > CLOCK_WRONG else note)(subject, apart(ahead))]
