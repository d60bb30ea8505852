"""Delivers posts: in order, at Slack's pace, at least once, and shown once.

This is the worker: claim, lease, retry with backoff, give up. What cannot be delivered where it belongs goes to the
requester directly; what cannot be delivered at all ends where an operator sees it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.backoff import retry_in
from bot.domain.check.check import Check
from bot.domain.dates import seconds_between
from bot.domain.outbox import ADORNMENTS, ENDS, FILES, LINKS, UPDATES, AdminAlert, Message, Post, PostKind
from bot.errors import DatabaseUnusable, SlackNotSent, SlackRateLimited, SlackRefused, SlackUncertain
from bot.outbox.builders import Builders, Built, File, Follower, FromDatabase
from bot.outbox.file_delivery import FileDelivery
from bot.outbox.lost_answers import LostAnswers
from bot.outbox.message_delivery import MessageDelivery, UpdateDelivery
from bot.outbox.outcomes import (
    NO_ACCESS,
    AccessLost,
    Delivered,
    DeliveryOutcome,
    Dropped,
    Failed,
    LinksLost,
    PostEnd,
    Postponed,
)
from bot.outbox.rate_limiter import RateLimiter
from bot.outbox.recipients import NOT_MISSED, SHARED, Context, Recipients, context_of
from bot.slack.client import VISIBLE_WITHIN, SlackClient
from bot.slack.error_codes import BLOCKS_REFUSED, CONVERSATION_CLOSED, MESSAGE_FIXED
from storage import deliveries, leases, outbox, pauses
from storage.engine.database import Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
"""After a crash a post waits this long for its next attempt. `_under_way` keeps a second worker off one that outlasts
it, such as the upload of a large export."""
GIVE_UP_AFTER = timedelta(days=7)
"""Slack may be away, or our token revoked, over a long weekend: posts wait."""
MAX_REFUSALS = 5
"""Slack's refusals of one message, for a reason that we do not know."""
MAX_WITHOUT_ROLE = 12
"""Attempts to bring links to somebody who has no role: for 20 minutes, as roles are looked up anew every ten. A group
that is being edited is without them for a moment, and the customer would wait for a link that nobody has."""
MAX_FAULTS = 3
"""Faults of our own in one message, before an admin gets an alert."""
ASK_OPERATOR_EVERY = timedelta(minutes=5)
"""How often a post is retried while Slack refuses the bot itself and only an operator can help."""
_MOST_TEXT = 3000
"""Characters of a message whose blocks Slack refused."""


@dataclass(slots=True, kw_only=True, eq=False)
class Outbox(Process):
    slack: SlackClient
    builders: Builders
    followers: Mapping[PostKind, Follower]
    rate_limiter: RateLimiter
    _recipients: Recipients = field(init=False)
    _messages: MessageDelivery = field(init=False)
    _updates: UpdateDelivery = field(init=False)
    _files: FileDelivery = field(init=False)
    _without_blocks: set[str] = field(init=False, default_factory=set)
    """Posts whose blocks Slack refused: their text alone goes out."""
    _refusals: Counter[str] = field(init=False, default_factory=Counter)
    _without_role: Counter[str] = field(init=False, default_factory=Counter)
    """By post, how often its reader was found to have no role."""
    _under_way: UnderWay = field(init=False, default_factory=UnderWay)

    def __post_init__(self) -> None:
        if missing := set(PostKind) - set(self.builders):
            # Better no start than a message that nobody can build, found at night.
            raise ValueError(f"no builder of {', '.join(sorted(missing))}")
        lost_answers = LostAnswers(database=self.database, rate_limiter=self.rate_limiter, now=self.now)
        self._recipients = Recipients(access=self.access)
        self._messages = MessageDelivery(
            slack=self.slack, recipients=self._recipients, lost_answers=lost_answers, build=self._build
        )
        self._updates = UpdateDelivery(slack=self.slack, rate_limiter=self.rate_limiter, now=self.now)
        self._files = FileDelivery(slack=self.slack, lost_answers=lost_answers)

    async def claim(self, limit: int) -> list[Post]:
        """The next post of each conversation that is not paused, ours until the lease ends."""
        if not await self.access.is_settled():
            # Who has which role is not known yet: a message could reach somebody who has lost theirs.
            return []
        now = self.now()
        return await self.database.write(
            deliveries.claim_due,
            now=now,
            until=now + LEASE,
            limit=limit,
            paused=self.rate_limiter.paused(),
            under_way=self._under_way.keys,
        )

    async def give_up(self, posts: Sequence[Post]) -> None:
        await self.database.write(leases.give_up, "posts", "id", [post.id for post in posts], now=self.now())

    async def work(self, post: Post) -> None:
        await self._under_way.run(post.id, lambda: self._attempt(post))
        self.rate_limiter.freed(post.destination)

    async def _attempt(self, post: Post) -> None:
        try:
            await self._try(post)
        except DatabaseUnusable as fault:
            # A disk that is full for more than a few bytes, say: the message is as good as any other.
            log.warning("post.not_stored", ref=post.ref, post=post.id, error=str(fault))
            await self._retry(post, "the database could not be used", counts=False)
        except Exception:
            # A fault of ours in one message must not hold up its conversation for ever: the next one gets its turn.
            log.exception("post.fault", ref=post.ref, post=post.id)
            await self._retry(post, "a fault of ours")
            if post.tries + 1 == MAX_FAULTS:
                await self.database.write(self._end(post).alert, "undelivered", AdminAlert.FAULT_IN_MESSAGE)

    async def _try(self, post: Post) -> None:
        context, built = await self.database.read(self._read, post)
        try:
            outcome = await self._deliver(post, context, built)
        except SlackRateLimited as limited:
            wait = timedelta(seconds=limited.retry_after)
            self.rate_limiter.pause(post.destination, wait)
            await self._retry(post, "rate limited", wait=wait, counts=False, is_unsent=True, is_asked_to_wait=True)
        except SlackNotSent as fault:
            await self._retry(post, str(fault), is_unsent=True)
        except SlackUncertain as fault:
            # Sooner, the next attempt could only find that it is too early to search.
            await self._retry(post, str(fault), at_least=VISIBLE_WITHIN)
        except SlackRefused as no:
            await self._refused(post, context, no)
        else:
            await self._settle(post, outcome, context.check)

    def _read(self, tx: Transaction, post: Post) -> tuple[Context, Built]:
        """The context, and the message where it asks the database alone: one snapshot, one examination of the check."""
        context, builder = context_of(tx, post), self.builders[post.kind]
        return context, builder.build(tx, post, context) if isinstance(builder, FromDatabase) else None

    async def _build(self, post: Post) -> Built:
        builder = self.builders[post.kind]
        if isinstance(builder, FromDatabase):
            _context, built = await self.database.read(self._read, post)
            return built
        return await builder(post)

    async def _deliver(self, post: Post, context: Context, built: Built) -> DeliveryOutcome:
        """What becomes of it; `built` is what was read with the context, if its builder is one `FromDatabase`."""
        permission = await self._recipients.may_read(post, context)
        if not permission.settled(SlackNotSent("whether this person may be told is not known now")):
            return await self._no_access(post)
        if not isinstance(self.builders[post.kind], FromDatabase):
            built = await self._build(post)
        if built is None:
            # Of links it may be news: they may have been turned off meanwhile.
            return (LinksLost if post.kind in LINKS else Dropped)(why="nothing to say any more")
        if await self._recipients.is_kept_out(post):
            return Dropped(why=SHARED) if post.kind in ADORNMENTS else self._messages.closed(post, context, SHARED)
        if isinstance(built, File):
            return await self._files.deliver(post, built)
        message = Message(text=built.text[:_MOST_TEXT]) if post.id in self._without_blocks else built
        delivery = self._updates if post.kind in UPDATES else self._messages
        return await delivery.deliver(post, context, message)

    async def _no_access(self, post: Post) -> DeliveryOutcome:
        """Raises SlackNotSent while its reader may have the role again; SlackError where it cannot be searched for."""
        if post.kind not in LINKS:
            return Dropped(why=NO_ACCESS) if post.kind in NOT_MISSED else AccessLost()
        self._without_role[post.id] += 1
        if self._without_role[post.id] < MAX_WITHOUT_ROLE:
            raise SlackNotSent(NO_ACCESS)
        # It may have come all the same, when they still had the role: its links are not lost, and it is deleted in
        # Slack once they work no more.
        built = await self._build(post) if post.in_doubt_since is not None else None
        found = await self._files.find(post, built) if isinstance(built, File) else None
        return found or LinksLost(why=NO_ACCESS)

    async def _refused(self, post: Post, context: Context, no: SlackRefused) -> None:
        if no.code in BLOCKS_REFUSED and post.kind not in FILES | ADORNMENTS and post.id not in self._without_blocks:
            # Better the bare text than silence; at the pace of any other message.
            log.warning("slack.refuses_blocks", ref=post.ref, post=post.id, error=no.code)
            self._without_blocks.add(post.id)
            await self._retry(post, no.code, wait=self.rate_limiter.usual, counts=False, is_unsent=True)
            return
        self._refusals[post.id] += 1
        if no.refuses_us:
            log.error("slack.refuses_us", error=no.code)
            await self._retry(post, no.code, wait=ASK_OPERATOR_EVERY, counts=False, is_unsent=True)
        elif closed := self._closed(post, context, no.code):
            await self._settle(post, closed)
        elif self._refusals[post.id] >= MAX_REFUSALS:
            await self._settle(post, (Dropped if post.kind in ADORNMENTS else Failed)(why=no.code))
        else:
            await self._retry(post, no.code, is_unsent=True)

    def _closed(self, post: Post, context: Context, code: str) -> DeliveryOutcome | None:
        """The outcome of a refusal that no later attempt can overcome; None for every other refusal."""
        if post.kind in UPDATES and code in CONVERSATION_CLOSED | MESSAGE_FIXED:
            return self._updates.closed(post, context, code)
        if code not in CONVERSATION_CLOSED:
            return None
        return Failed(why=code) if post.kind in FILES else self._messages.closed(post, context, code)

    def _end(self, post: Post) -> PostEnd:
        admins = self.access.people(Role.ADMIN)
        return PostEnd(post=post, follow=self.followers.get(post.kind), admins=admins, now=self.now())

    def _report(self, post: Post, check: Check | None) -> None:
        """What Slack has now; and, where it is how a check ended, that its requester can read it."""
        now = self.now()
        log.info(
            "post.posted",
            ref=post.ref,
            post=post.id,
            kind=post.kind.value,
            seconds=seconds_between(post.created_at, now),
        )
        if post.kind in ENDS and check is not None:
            seconds = seconds_between(check.round_asked_at, now)
            log.info("check.delivered", ref=check.ref, state=check.state.value, seconds=seconds)

    async def _settle(self, post: Post, outcome: DeliveryOutcome, check: Check | None = None) -> None:
        await self.database.write(outcome.store, self._end(post))
        if isinstance(outcome, Postponed):
            self.rate_limiter.wake_in(outcome.wait)
            return
        if isinstance(outcome, Delivered):
            self._report(post, check)
        elif outcome.event:
            log.log(outcome.level, outcome.event, ref=post.ref, post=post.id, error=outcome.why)
        self._without_blocks.discard(post.id)
        del self._refusals[post.id], self._without_role[post.id]

    async def _retry(
        self,
        post: Post,
        error: str,
        *,
        wait: timedelta | None = None,
        at_least: timedelta = timedelta(0),
        counts: bool = True,
        is_unsent: bool = False,
        is_asked_to_wait: bool = False,
    ) -> None:
        """Reschedule after `wait`, or after the usual backoff, which grows only with the attempts that count.

        `is_unsent` if this attempt surely posted nothing: unless an earlier one may have, nothing is to be searched
        for, and the next attempt need not wait until Slack would show it. With `is_asked_to_wait` nobody posts there
        before.
        """
        # Read once more: if the clock was set during the attempt, the post's time was moved with it.
        newest = await self.database.read(outbox.find, post.id) or post
        if self.now() - newest.created_at > GIVE_UP_AFTER:
            await self._settle(post, Failed(why=error))
            return
        log.warning("post.try_failed", ref=post.ref, post=post.id, error=error)
        if wait is None:
            wait = max(retry_in(post.tries + 1, jitter=self.rng.random()), at_least)
        ends_doubt = is_unsent and post.in_doubt_since is None
        now = self.now()

        def commit(tx: Transaction) -> None:
            deliveries.reschedule(tx, post.id, at=now + wait, error=error, counts=counts, ends_doubt=ends_doubt)
            if is_asked_to_wait:
                pauses.keep(tx, post.destination, until=now + wait, now=now)

        await self.database.write(commit)
        self.rate_limiter.wake_in(wait)
