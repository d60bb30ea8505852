"""Who hears of a check by direct message because they chose to, beside what the threads say."""

from collections.abc import Collection, Mapping
from datetime import datetime

from bot.access.permissions import Access, Permission, Role
from bot.domain.check.check import Check
from bot.domain.outbox import PostKind
from bot.domain.review.review import FOR_REVIEWERS, Subscription
from bot.errors import Refusal, Refused
from storage import outbox, subscriptions
from storage.engine.database import Database, Transaction


class Subscriptions:
    """Keeps the choices."""

    def __init__(self, *, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    async def offered(self, user: str) -> tuple[frozenset[Subscription], bool]:
        """What a person has chosen, and whether what reviewers hear of is theirs to choose. Raises Refused."""
        is_reviewer = await self._access.has(user, Role.REVIEWER, Role.ADMIN)
        if is_reviewer is not Permission.YES:
            match await self._access.has(user, Role.REQUESTER):
                case Permission.UNKNOWN:
                    raise Refused(Refusal.NOT_SURE)
                case Permission.NO:
                    raise Refused(Refusal.NOT_SURE if is_reviewer is Permission.UNKNOWN else Refusal.NO_NOTICES)
                case Permission.YES:
                    pass
        return await self._database.read(subscriptions.chosen, user), is_reviewer is Permission.YES

    async def choose(self, user: str, chosen: Collection[Subscription]) -> None:
        """These from now on, as far as they are this person's to choose. Raises Refused."""
        _before, is_reviewer = await self.offered(user)
        allowed = {choice for choice in chosen if is_reviewer or choice not in FOR_REVIEWERS}
        await self._database.write(subscriptions.choose, user, allowed)


def tell(
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
    """Have one event told to everybody who chose to hear of its kind, once each.

    Reviewers hear of checks that others asked for, requesters of their own. Whether they still may know is looked at
    when it is delivered: roles change meanwhile.
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
