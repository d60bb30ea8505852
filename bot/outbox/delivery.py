"""Delivers what is to be said: in order, at Slack's pace, at least once, and shown once.

This is the worker's part: claim, lease, retry with backoff, give up. How a message, an update and a file are delivered
stands in a file each; what follows from it, in `after_delivery`. What cannot be delivered where it belongs goes to the
requester directly; what cannot be delivered at all ends where an operator sees it.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from bot.access.permissions import Access, Permission, Role
from bot.domain.backoff import retry_in
from bot.domain.outbox import FILES, UPDATES, Message, OperatorAlert, Post, PostKind, encode_fault
from bot.errors import SlackNotSent, SlackRateLimited, SlackRefused, SlackUncertain
from bot.outbox import after_delivery
from bot.outbox.builders import Builders, DeliveryResult, File, Follower
from bot.outbox.context import Context, context_of
from bot.outbox.file_delivery import FileDelivery
from bot.outbox.lost_answers import LostAnswers
from bot.outbox.message_delivery import MessageDelivery
from bot.outbox.outcomes import (
    AccessLost,
    Delivered,
    DeliveryOutcome,
    Dropped,
    Failed,
    Postponed,
    Redirected,
    Reissued,
    Spread,
    ToAuthor,
)
from bot.outbox.pacing import Pacing
from bot.outbox.recipients import NOT_MISSED, Recipients
from bot.outbox.update_delivery import UpdateDelivery
from bot.settings import Settings
from bot.slack.client import VISIBLE_WITHIN, SlackClient
from bot.slack.error_codes import BLOCKS_REFUSED, CONVERSATION_CLOSED, MESSAGE_FIXED
from storage import deliveries, outbox
from storage.engine.database import Database, Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""After a crash a post waits this long for its next attempt. One that outlasts it, such as the upload of a large
export, is kept to itself by `_under_way`."""
GIVE_UP_AFTER = timedelta(days=7)
"""Slack may be away, or our token revoked, over a long weekend: what is to be said waits."""
MAX_REFUSALS = 5
"""Slack's no to one message, for a reason that we do not know."""
MAX_FAULTS = 3
"""Faults of our own in one message, before an operator is told."""
ASK_OPERATOR_EVERY = timedelta(minutes=5)
"""How often a post is tried while Slack refuses the bot itself and only an operator can help."""
_MOST_TEXT = 3000
"""Characters of a message whose blocks Slack refused."""


class Outbox:
    """The worker of the outbox."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        access: Access,
        builders: Builders,
        followers: Mapping[PostKind, Follower],
        settings: Settings,
        now: Callable[[], datetime],
        steady: Callable[[], datetime],
        rng: random.Random,
        wake_in: Callable[[timedelta], None] = lambda _wait: None,
    ) -> None:
        """`wake_in` is called with the time after which a paused conversation may go on; `steady` is never set."""
        if missing := set(PostKind) - set(builders):
            # Better no start than a message that nobody can build, found at night.
            raise ValueError(f"no builder of {', '.join(sorted(missing))}")
        self._database = database
        self._access = access
        self._builders = builders
        self._followers = followers
        self._now = now
        self._rng = rng
        self._wake_in = wake_in
        self._recipients = Recipients(access)
        self._pacing = Pacing(per_second=settings.slack_posts_per_second, steady=steady, wake_in=wake_in)
        lost_answers = LostAnswers(database=database, pacing=self._pacing, now=now)
        self._messages = MessageDelivery(
            slack=slack, recipients=self._recipients, lost_answers=lost_answers, builders=builders
        )
        self._updates = UpdateDelivery(slack=slack, recipients=self._recipients, pacing=self._pacing)
        self._files = FileDelivery(slack=slack, recipients=self._recipients, lost_answers=lost_answers)
        self._without_blocks: set[str] = set()
        """Posts whose blocks Slack refused: their text alone goes out."""
        self._refusals: Counter[str] = Counter()
        self._under_way = UnderWay()

    async def claim(self, limit: int) -> list[Post]:
        """The next post of each conversation that is not paused, ours until the lease ends."""
        if not await self._access.is_settled():
            # Who has which role is not known yet: a message could reach somebody who has lost theirs.
            return []
        now = self._now()
        return await self._database.write(
            deliveries.claim_due, now=now, until=now + LEASE, limit=limit, paused=self._pacing.paused()
        )

    async def work(self, post: Post) -> None:
        """Make one attempt to deliver a post, and store how it ended."""
        await self._under_way.run(post.id, lambda: self._attempt(post))

    async def _attempt(self, post: Post) -> None:
        try:
            await self._try(post)
        except Exception:
            # A fault of ours in one message must not hold up its conversation for ever: the next one gets its turn.
            log.exception("post.fault", ref=post.ref, post=post.id)
            await self._retry(post, "a fault of ours")
            if post.tries + 1 == MAX_FAULTS:
                words = encode_fault(OperatorAlert.FAULT_IN_MESSAGE, {})
                await self._database.write(
                    after_delivery.alert, post, words, operators=self._access.people(Role.ADMIN), now=self._now()
                )

    async def _try(self, post: Post) -> None:
        context = await self._database.read(context_of, post)
        try:
            outcome = await self._deliver(post, context)
        except SlackRateLimited as limited:
            wait = timedelta(seconds=limited.retry_after)
            self._pacing.pause(post.destination, wait)
            await self._retry(post, "rate limited", wait=wait, counts=False)
        except SlackNotSent as fault:
            await self._retry(post, str(fault))
        except SlackUncertain as fault:
            # Sooner, the next attempt could only find that it is too early to look.
            await self._retry(post, str(fault), at_least=VISIBLE_WITHIN)
        except SlackRefused as no:
            await self._refused(post, context, no)
        else:
            await self._settle(post, context, outcome)

    async def _deliver(self, post: Post, context: Context) -> DeliveryOutcome:
        match await self._recipients.may_be_told(post, context):
            case Permission.UNKNOWN:
                raise SlackNotSent("whether this person may be told is not known now")
            case Permission.NO:
                return Dropped(after_delivery.NO_ACCESS) if post.kind in NOT_MISSED else AccessLost()
            case Permission.YES:
                pass
        built = await self._builders[post.kind](post)
        if built is None:
            return Dropped("nothing to say any more")
        if isinstance(built, File):
            return await self._files.deliver(post, built)
        message = Message(text=built.text[:_MOST_TEXT]) if post.id in self._without_blocks else built
        delivery = self._updates if post.kind in UPDATES else self._messages
        return await delivery.deliver(post, context, message)

    async def _refused(self, post: Post, context: Context, no: SlackRefused) -> None:
        if no.code in BLOCKS_REFUSED and post.kind not in FILES and post.id not in self._without_blocks:
            # Better the bare text than silence; at the pace of any other message.
            log.warning("slack.refuses_blocks", ref=post.ref, post=post.id, error=no.code)
            self._without_blocks.add(post.id)
            await self._retry(post, no.code, wait=self._pacing.usual, counts=False)
            return
        self._refusals[post.id] += 1
        if no.refuses_us:
            log.error("slack.refuses_us", error=no.code)
            await self._retry(post, no.code, wait=ASK_OPERATOR_EVERY, counts=False)
        elif closed := self._closed(post, context, no.code):
            await self._settle(post, context, closed)
        elif self._refusals[post.id] >= MAX_REFUSALS:
            await self._settle(post, context, Failed(no.code))
        else:
            await self._retry(post, no.code)

    def _closed(self, post: Post, context: Context, code: str) -> DeliveryOutcome | None:
        """What a refusal settles for good, if it is one of those that no later attempt can overcome."""
        if post.kind in UPDATES and code in CONVERSATION_CLOSED | MESSAGE_FIXED:
            return self._updates.closed(post, context, code)
        if code not in CONVERSATION_CLOSED:
            return None
        return Failed(code) if post.kind in FILES else self._messages.closed(post, context, code)

    async def _settle(self, post: Post, context: Context, outcome: DeliveryOutcome) -> None:
        write, now, operators = self._database.write, self._now(), self._access.people(Role.ADMIN)
        follow = self._followers.get(post.kind, _nothing_follows)
        match outcome:
            case Delivered(place=place):
                await write(after_delivery.delivered, post, place, follow=follow, now=now)
            case Postponed(wait=wait):
                await write(deliveries.reschedule, post.id, at=now + wait, error="waiting to look", counts=False)
                self._wake_in(wait)
                return
            case Dropped(why=why):
                await write(after_delivery.dropped, post, why, now=now)
            case Failed(why=why):
                await write(after_delivery.failed, post, why, follow=follow, operators=operators, now=now)
                log.error("post.failed", ref=post.ref, post=post.id, error=why)
            case AccessLost():
                await write(after_delivery.access_lost, post, operators=operators, now=now)
                log.error("post.failed", ref=post.ref, post=post.id, error=after_delivery.NO_ACCESS)
            case Redirected(why=why):
                log.warning("post.redirected", ref=post.ref, post=post.id, error=why)
                await write(after_delivery.redirected, post, outcome, operators=operators, now=now)
            case ToAuthor(author=author, why=why):
                await write(deliveries.redirect, post.id, destination=author, now=now, error=why)
            case Spread(why=why):
                people = self._recipients.reviewers(post, context)
                await write(after_delivery.spread, post, people, why, operators=operators, now=now)
                log.error("post.spread", ref=post.ref, post=post.id, error=why)
            case Reissued():
                await write(after_delivery.reissued, post, outcome, now=now)
            case _:
                assert_never(outcome)
        self._without_blocks.discard(post.id)
        del self._refusals[post.id]

    async def _retry(
        self,
        post: Post,
        error: str,
        *,
        wait: timedelta | None = None,
        at_least: timedelta = timedelta(0),
        counts: bool = True,
    ) -> None:
        """Try again after `wait`, or after the usual backoff. What does not count never lengthens the backoff."""
        # Read once more: if the clock was set during the attempt, the post's time was moved with it.
        newest = await self._database.read(outbox.find, post.id) or post
        if self._now() - newest.created_at > GIVE_UP_AFTER:
            await self._settle(post, await self._database.read(context_of, post), Failed(error))
            return
        log.warning("post.try_failed", ref=post.ref, post=post.id, error=error)
        if wait is None:
            wait = max(retry_in(post.tries + 1, jitter=self._rng.random()), at_least)
        await self._database.write(deliveries.reschedule, post.id, at=self._now() + wait, error=error, counts=counts)
        self._wake_in(wait)


def _nothing_follows(_tx: Transaction, _post: Post, _result: DeliveryResult, _now: datetime) -> None:
    """Most kinds are their own end."""
