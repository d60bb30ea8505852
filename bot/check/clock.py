"""Our clock against the clocks of those we talk to, by the date on their answers."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from bot.check.findings import CALL_SECONDS, Finding, fail, note, ok

CLOCK_OK = timedelta(seconds=60)
CLOCK_WRONG = timedelta(seconds=120)
"""Well before requests are refused: Slack's signed ones at 5 minutes, Smile ID's results 5 minutes ahead."""


async def look(whose: str, url: str, http: httpx.AsyncClient, now: Callable[[], datetime]) -> list[Finding]:
    subject = f"clock against {whose}"
    try:
        asked = now()
        async with asyncio.timeout(CALL_SECONDS):
            answer = await http.head(url)
        between = asked + (now() - asked) / 2
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return [note(subject, "not compared, since there was no answer")]
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return [note(subject, "not compared, since the answer carries no date")]
    ours_ahead = between - theirs.replace(tzinfo=theirs.tzinfo or UTC)
    off = abs(ours_ahead)
    if off <= CLOCK_OK:
        return [ok(subject, f"{round(off.total_seconds())} s apart")]
    text = (
        f"this machine is {_spoken(off)} {'fast' if ours_ahead > timedelta(0) else 'slow'}. "
        "Turn on time synchronisation (NTP): requests and results more than 5 minutes off are refused."
    )
    return [(fail if off > CLOCK_WRONG else note)(subject, text)]


def _spoken(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    if seconds < 180:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
