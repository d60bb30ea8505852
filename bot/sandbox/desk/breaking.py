"""*Break something*: the table of what can go wrong, and what is wrong just now.

Everything ends by itself: after some seconds, after it has struck once, or at once. It is made of the faults that the
stand-ins offer tests too, and of the one thing that can happen to the bot: SIGKILL.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bot.sandbox.desk.demo import Bot
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import Fault as SmileIDFault
from bot.sandbox.smile_id import SentCallback, SmileIDSandbox

WAITS_FOR = timedelta(minutes=10)
"""So long something waits for the request that it is to strike."""
NO_CALLBACK_YET = "No callback has been sent yet: ask for a check first."
_POSTS = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral"})
_FORGED = "Zm9yZ2VkIGJ5IHRoZSBkZXNrIG9mIHRoZSBkZW1vLCBub3QgYnkgU21pbGU="
_STALE = timedelta(days=1)
_NOTICED_SECONDS = 1.0


class Part(StrEnum):
    """Whom it happens to."""

    BOT = "kyc-bot"
    SLACK = "Slack"
    SMILE_ID = "Smile ID"
    CALLBACKS = "Smile ID's callbacks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One thing that can go wrong."""

    title: str
    shows: str
    """What people should see, in one line."""
    part: Part
    lasts: timedelta | None = None
    """Until it ends by itself; None: it happens once."""
    strikes_once: bool = False
    """Ends with the request that it strikes."""

    @property
    def bound(self) -> str:
        """How it ends, in words."""
        if self.strikes_once:
            return "strikes once"
        return "happens at once" if self.lasts is None else f"ends after {self.lasts.seconds} s"


BREAKAGES: Mapping[str, Breakage] = {
    "kill": Breakage(
        title="Kill the bot now",
        shows="Clicks fail as Slack would say it, the bot comes back within seconds, and every check goes on.",
        part=Part.BOT,
    ),
    "kill-in-upload": Breakage(
        title="Kill the bot in the middle of an upload",
        shows="Ask for a check: the bot dies with the photos on their way, comes back, and posts one result.",
        part=Part.BOT,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "slack-slow": Breakage(
        title="Slack is slow",
        shows="Every answer takes Slack two seconds: messages come late, and none comes twice.",
        part=Part.SLACK,
        lasts=timedelta(seconds=60),
    ),
    "slack-fails": Breakage(
        title="Slack fails",
        shows="Error 500 to everything: forms do not open; what the bot has to say waits, and then comes once.",
        part=Part.SLACK,
        lasts=timedelta(seconds=45),
    ),
    "slack-rate-limits": Breakage(
        title="Slack limits the rate",
        shows="Posts are refused for five seconds each: threads stand still, and then catch up in order.",
        part=Part.SLACK,
        lasts=timedelta(seconds=30),
    ),
    "slack-away": Breakage(
        title="Slack cannot be reached",
        shows="No connection in either direction: clicks fail, results wait, and everything comes when it is back.",
        part=Part.SLACK,
        lasts=timedelta(seconds=60),
    ),
    "slack-answer-lost": Breakage(
        title="An answer of Slack is lost",
        shows="Slack posts the next message, and the line breaks before it says so: it stands there once all the same.",
        part=Part.SLACK,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "socket-cut": Breakage(
        title="Cut Socket Mode",
        shows="The bot's connection to Slack breaks without a word; a click in that second fails, the next one works.",
        part=Part.SLACK,
    ),
    "smile-id-slow": Breakage(
        title="Smile ID is slow",
        shows="Every answer takes five seconds: checks stay longer at “Sending to Smile ID”, and end as always.",
        part=Part.SMILE_ID,
        lasts=timedelta(seconds=90),
    ),
    "smile-id-fails": Breakage(
        title="Smile ID fails",
        shows="Error 503 to everything: checks say “It takes longer than usual”, and are sent after it.",
        part=Part.SMILE_ID,
        lasts=timedelta(seconds=45),
    ),
    "smile-id-rate-limits": Breakage(
        title="Smile ID limits the rate",
        shows="Everything is refused for five seconds: checks are sent a little later, each once.",
        part=Part.SMILE_ID,
        lasts=timedelta(seconds=30),
    ),
    "upload-lost": Breakage(
        title="An upload does not arrive",
        shows="The line breaks before Smile ID has the photos: the bot asks first, then sends them again.",
        part=Part.SMILE_ID,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "upload-unanswered": Breakage(
        title="An upload arrives, its answer does not",
        shows="Smile ID has the photos, and the bot cannot know: it asks, sends nothing twice, and posts one result.",
        part=Part.SMILE_ID,
        lasts=WAITS_FOR,
        strikes_once=True,
    ),
    "callback-doubled": Breakage(
        title="Send the last callback again",
        shows="The bot says thank you, and posts nothing.",
        part=Part.CALLBACKS,
    ),
    "callback-forged": Breakage(
        title="Forge a callback",
        shows="An approval with a wrong signature: the bot refuses it with 401, and no result changes.",
        part=Part.CALLBACKS,
    ),
    "callback-stale": Breakage(
        title="Send a stale callback",
        shows="Signed by Smile ID, but yesterday: the bot refuses it with 401, and no result changes.",
        part=Part.CALLBACKS,
    ),
}


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Calls something after so many seconds."""


def _by_the_loop(seconds: float, act: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, act)


@dataclass(slots=True, kw_only=True)
class Running:
    """Something that is wrong just now."""

    key: str
    breakage: Breakage
    until: datetime
    """By the machine's clock, in its zone."""
    timer: Timer


class Breaker:
    """Lets things go wrong in this demo, and mends them. Takes over the faults of both stand-ins."""

    def __init__(
        self,
        slack: SlackSandbox,
        smile_id: SmileIDSandbox,
        bot: Bot,
        *,
        changed: Callable[[], None],
        later: Later = _by_the_loop,
    ) -> None:
        """`changed` is told whenever something begins or ends."""
        self.running: dict[str, Running] = {}
        self._slack = slack
        self._smile_id = smile_id
        self._bot = bot
        self._changed = changed
        self._later = later
        slack.fault = self._slack_fault
        smile_id.fault = self._smile_id_fault

    async def start(self, key: str) -> str:
        """Says what happened or begins now; one that is on already begins anew. Raises KeyError."""
        breakage = BREAKAGES[key]
        if breakage.lasts is not None:
            self._begin(key, breakage, breakage.lasts)
        act = self._at_once.get(key)
        says = await act(self) if act is not None else ""
        self._changed()
        return says or f"{breakage.title}: on."

    def _begin(self, key: str, breakage: Breakage, lasts: timedelta) -> None:
        self._end(key)
        timer = self._later(lasts.total_seconds(), lambda: self.mend(key))
        until = datetime.now().astimezone() + lasts
        self.running[key] = Running(key=key, breakage=breakage, until=until, timer=timer)

    def mend(self, key: str | None = None) -> None:
        """End this, or everything. Harmless where nothing is wrong."""
        for one in [key] if key is not None else list(self.running):
            self._end(one)
        self._changed()

    def _end(self, key: str) -> None:
        running = self.running.pop(key, None)
        if running is not None:
            running.timer.cancel()

    def _is_on(self, key: str) -> bool:
        return key in self.running

    def _strike(self, key: str) -> bool:
        """Whether this is on; then it was for the last time."""
        if not self._is_on(key):
            return False
        self.mend(key)
        return True

    # What the stand-ins ask for each request

    def _slack_fault(self, method: str, _number: int) -> SlackFault | None:
        if self._is_on("slack-away"):
            return SlackFault.reset_before()
        if self._is_on("slack-fails"):
            return SlackFault.status(500)
        if self._is_on("slack-rate-limits") and method in _POSTS:
            return SlackFault.rate_limited(5)
        if method == "chat.postMessage" and self._strike("slack-answer-lost"):
            return SlackFault.reset_after()
        if self._is_on("slack-slow"):
            return SlackFault.hang_before(2)
        return None

    def _smile_id_fault(self, call: str, _number: int) -> SmileIDFault | None:
        if self._is_on("smile-id-fails"):
            return SmileIDFault.status(503, {"error": "Service Unavailable"})
        if self._is_on("smile-id-rate-limits"):
            return SmileIDFault.rate_limited(5)
        if call == "put":
            if self._strike("kill-in-upload"):
                return SmileIDFault.call(after=self._bot.kill)
            if self._strike("upload-lost"):
                return SmileIDFault.reset_before()
            if self._strike("upload-unanswered"):
                return SmileIDFault.reset_after()
        if self._is_on("smile-id-slow"):
            return SmileIDFault.hang_before(5)
        return None

    # What happens at once

    async def _kill(self) -> str:
        await self._bot.kill()
        return "The bot is dead. It comes back by itself."

    async def _cut(self) -> str:
        count = self._slack.socket_count
        await self._cut_sockets()
        return f"{count} {'connection' if count == 1 else 'connections'} cut. The bot connects again by itself."

    async def _double(self) -> str:
        return await self._send(lambda last: self._smile_id.send_callback(last.job_id, last.body))

    async def _forge(self) -> str:
        approval = {"ResultCode": "0810", "ResultText": "Enroll User", "IsFinalResult": "true"}
        return await self._send(
            lambda last: self._smile_id.send_callback(last.job_id, last.body | approval, signature=_FORGED)
        )

    async def _send_stale(self) -> str:
        old = self._slack.world.clock().astimezone(UTC) - _STALE
        timestamp = f"{old:%Y-%m-%dT%H:%M:%S}.{old.microsecond // 1000:03}Z"
        return await self._send(lambda last: self._smile_id.send_callback(last.job_id, last.body, timestamp=timestamp))

    async def _send(self, send: Callable[[SentCallback], Awaitable[int]]) -> str:
        known = [sent for sent in self._smile_id.callbacks if sent.job_id in self._smile_id.jobs]
        if not known:
            return NO_CALLBACK_YET
        try:
            return f"The bot answered {await send(known[-1])}."
        except ConnectionError:
            return "The bot did not answer."

    async def _leave(self) -> str:
        await self._cut_sockets()
        return ""

    async def _cut_sockets(self) -> None:
        """Returns once both sides have noticed, unless the bot was quicker in connecting again."""
        await self._slack.disconnect_sockets(abrupt=True)
        with contextlib.suppress(TimeoutError):
            await self._slack.wait_for(lambda: self._slack.socket_count == 0, _NOTICED_SECONDS)

    _at_once: Mapping[str, Callable[["Breaker"], Awaitable[str]]] = {
        "kill": _kill,
        "socket-cut": _cut,
        "callback-doubled": _double,
        "callback-forged": _forge,
        "callback-stale": _send_stale,
        "slack-away": _leave,
    }
