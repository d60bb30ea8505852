"""Subscriptions to direct messages about checks, in addition to the threads."""

from collections.abc import Collection, Mapping
from datetime import datetime

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.check import Check
from bot.domain.outbox import PostKind
from bot.domain.review.review import FOR_REVIEWERS, Subscription
from bot.errors import Refusal, Refused
from storage import audit, outbox, subscriptions
from storage.engine.database import Transaction


class Subscriptions(Process):
    async def offered(self, user: str) -> tuple[frozenset[Subscription], bool]:
        """A person's choices, and whether those for reviewers are open to them. Raises Refused."""
        reviewer = await self.access.may(user, Right.REVIEW)
        if reviewer is not Permission.YES:
            no_role = Refusal.NOT_SURE if reviewer is Permission.UNKNOWN else Refusal.NO_NOTICES
            (await self.access.may(user, Right.CHOOSE_NOTICES)).require(Refused(no_role))
        return await self.database.read(subscriptions.chosen, user), reviewer is Permission.YES

    async def choose(self, user: str, chosen: Collection[Subscription]) -> None:
        """Replace a person's choices; those that are not open to them are left out. Raises Refused."""
        _before, is_reviewer = await self.offered(user)
        allowed = {choice for choice in chosen if is_reviewer or choice not in FOR_REVIEWERS}
        await self.database.write(_choose, user, allowed, now=self.now())


def _choose(tx: Transaction, user: str, chosen: Collection[Subscription], *, now: datetime) -> None:
    subscriptions.choose(tx, user, chosen)
    audit.record(tx, at=now, actor=user, act="notices.chosen", detail=",".join(sorted(chosen)))


def notify(
    tx: Transaction,
    check: Check,
    choice: Subscription,
    *,
    event: str,
    now: datetime,
    payload: Mapping[str, str],
    receipt: str | None = None,
    but: str | None = None,
) -> None:
    """Notify everybody who subscribed to this kind of event, once each.

    Reviewers learn of other people's checks, requesters of their own. Their rights are checked at delivery: roles
    change meanwhile.
    """
    for person in subscriptions.who_chose(tx, choice):
        concerns = person not in check.requesters if choice in FOR_REVIEWERS else person == check.requester
        if person == but or not concerns:
            continue
        outbox.enqueue(
            tx,
            PostKind.PERSONAL,
            key=f"{choice.value}:{event}:{person}",
            ref=check.ref,
            destination=person,
            receipt=receipt,
            payload={**payload, "choice": choice.value},
            now=now,
        )
