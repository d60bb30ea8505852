"""*Break something*: what is wrong just now, and what that does.

It is made of the faults that the stand-ins offer tests too, and of the one thing that can happen to the bot: SIGKILL.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.sandbox.desk.breakages import BREAKAGES, Breakage
from bot.sandbox.desk.demo import Bot
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import Fault as SmileIDFault
from bot.sandbox.smile_id import SentCallback, SmileIDSandbox

NO_CALLBACK_YET = "No callback has been sent yet: ask for a check first."
_POSTS = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral"})
_FORGED = "Zm9yZ2VkIGJ5IHRoZSBkZXNrIG9mIHRoZSBkZW1vLCBub3QgYnkgU21pbGU="
_STALE = timedelta(days=1)
_NOTICED_SECONDS = 1.0


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
        self._show_files()

    def mend(self, key: str | None = None) -> None:
        """End this, or everything. Harmless where nothing is wrong."""
        for one in [key] if key is not None else list(self.running):
            self._end(one)
        self._changed()

    def _end(self, key: str) -> None:
        running = self.running.pop(key, None)
        if running is not None:
            running.timer.cancel()
        self._show_files()

    def _show_files(self) -> None:
        self._slack.world.takes_slack_files = not self._is_on("slack-hides-files")

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
