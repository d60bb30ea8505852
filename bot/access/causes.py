"""Why somebody is refused, where the cause is neither theirs nor Slack's slowness but the bot's own credentials.

They hear that, at once and with whom to tell, instead of *try again*.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bot.access.permissions import Access
from bot.errors import Refusal, Refused, SmileIDError

ASK_SECONDS = 1.0
"""How long somebody waits for Smile ID's answer: the trigger of a form lives three seconds, and who asks is looked up
too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    access: Access
    slack_refuses: Callable[[], str | None]
    """Slack's word for why it refuses the bot token; None while it does not."""
    smile_id_refuses: Callable[[], bool]
    """Whether Smile ID refused partner id and API key when it was last asked for anything."""
    ask_smile_id: Callable[[], Awaitable[object]]
    """Asks for something harmless, after which `smile_id_refuses` tells what was answered. Raises SmileIDError."""

    def true_cause(self, refused: Refused) -> Refused:
        """The same refusal, unless Slack could not tell who somebody is because it refuses the bot."""
        if refused.code is not Refusal.NOT_SURE:
            return refused
        if self.access.workspace.fault is not None:
            return Refused(Refusal.WRONG_WORKSPACE, admin=self.access.an_admin())
        return self.refused_by_slack() or refused

    def refused_by_slack(self) -> Refused | None:
        code = self.slack_refuses()
        return Refused(Refusal.SLACK_REFUSES_US, reason=code, admin=self.access.an_admin()) if code else None

    async def require_smile_id(self) -> None:
        """Raises Refused while Smile ID refuses us: whoever asks for a check must not fill in a form in vain.

        After a refusal Smile ID is asked once more, there and then: it may have been about that one job, and a key that
        was mended meanwhile must work at once.
        """
        if not self.smile_id_refuses():
            return
        with suppress(SmileIDError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                await self.ask_smile_id()
        if self.smile_id_refuses():
            raise Refused(Refusal.SMILE_ID_REFUSES_US, admin=self.access.an_admin())
