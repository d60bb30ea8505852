"""What may be told to the customer of a check, for whoever may see the check."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.access.process import Process
from bot.domain.check.check import Check
from bot.domain.results.customer_texts import CustomerText, CustomerTexts
from bot.outbox.look_ups import LookUps


@dataclass(slots=True, kw_only=True, eq=False)
class CustomerMessages(Process):
    texts: CustomerTexts
    look_ups: LookUps

    async def for_check(self, user: str, ref: str) -> tuple[Check, Sequence[CustomerText]]:
        """The check and what may be said now, by language; no texts while there is nothing to say. Raises Refused."""
        check = await self.visible_check(user, ref)
        await self.look_ups.require_for(user, check)
        self.looked(user, "customer_text.shown", ref=ref)
        return check, self.texts.of(check)
