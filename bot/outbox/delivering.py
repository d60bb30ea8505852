"""Delivers what is to be said: in order, at Slack's pace, at least once, and once in effect.

Before a message is posted the intent is committed. When the answer is lost, our own metadata is looked for in
Slack before anything is posted again. What cannot be delivered where it belongs goes to the requester directly;
what cannot be delivered at all ends where an operator sees it.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import IO

import structlog

from bot.access import Access, Role, Verdict
from bot.domain.backoff import retry_in
from bot.domain.checks import Check
from bot.domain.outbox import BATCHES, ELSEWHERE, SUMMARIES, UPDATES, Message, Post, PostKind
from bot.errors import SlackNotSent, SlackRateLimited, SlackRefused, SlackUncertain
from bot.outbox import alerts, refresh
from bot.outbox.builders import Builders, DeliveryResult, File, Follower
from bot.outbox.context import Context, context_of
from bot.outbox.recipients import NOT_MISSED, Recipients
from bot.settings import Settings
from bot.slack.web import SHOWN_WITHIN, Found, SlackWeb
from storage import batches, checks, deliveries, outbox
from storage.database import Database, Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=7)
"""Slack may be away, or our token revoked, over a long weekend: what is to be said waits."""
MAX_REFUSALS = 5
"""Slack's no to one message, for a reason that we do not know."""
MAX_FAULTS = 3
"""Faults of our own in one message, before an operator is told."""

_GONE = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "restricted_action_thread_only_channel",
        "thread_not_found",
        "cannot_reply_to_message",
        "team_access_not_granted",
    }
)
"""The conversation is closed to us: the requester hears directly instead."""
_NO_UPDATE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_FOR_REVIEWERS = frozenset({PostKind.REVIEW_NOTICE, PostKind.REVIEW_CALL})
_NO_ACCESS = "the person no longer has access"
_NOT_TOLD = (
    "A direct message was not sent, because the person who asked for the check no longer has access. "
    "kyc-bot receipts list names every such message."
)
_SHARED = "the channel is shared with another company"
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})


class Outbox:
    """Says what is due."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackWeb,
        access: Access,
        builders: Builders,
        followers: Mapping[PostKind, Follower],
        settings: Settings,
        now: Callable[[], datetime],
        steady: Callable[[], datetime],
        dice: random.Random,
        wake_in: Callable[[timedelta], None] = lambda _wait: None,
    ) -> None:
        """`wake_in` is called with the time after which a paused conversation may go on; `steady` is never set."""
        if missing := set(PostKind) - set(builders):
            raise ValueError(f"nobody builds {', '.join(sorted(missing))}")
        self._database = database
        self._slack = slack
        self._access = access
        self._builders = builders
        self._followers = followers
        self._recipients = Recipients(access)
        self._now = now
        self._steady = steady
        self._dice = dice
        self._wake_in = wake_in
        self._pace = timedelta(seconds=1 / settings.slack_posts_per_second)
        self._paused: dict[str, datetime] = {}
        """Until when, in time that is never set."""
        self._bare: set[str] = set()
        """Posts whose blocks Slack refused: their words alone go out."""
        self._refusals: Counter[str] = Counter()
        self._under_way = UnderWay()

    async def claim(self, limit: int) -> list[Post]:
        """The next post of each conversation that is not paused, ours until the lease ends."""
        if not await self._access.is_settled():
            return []
        now, steady = self._now(), self._steady()
        self._paused = {destination: until for destination, until in self._paused.items() if until > steady}
        return await self._database.write(
            deliveries.claim_due, now=now, until=now + LEASE, limit=limit, paused=frozenset(self._paused)
        )

    async def work(self, post: Post) -> None:
        """Deliver one post, or settle why not."""
        await self._under_way.run(post.id, lambda: self._one_try(post))

    async def _one_try(self, post: Post) -> None:
        try:
            await self._try(post)
        except Exception:
            # A fault of ours in one message must not hold up its conversation for ever: the next one gets its turn.
            log.exception("post.fault", ref=post.ref, post=post.id)
            await self._again(post, "a fault of ours", None)
            if post.tries + 1 == MAX_FAULTS:
                words = "A message cannot be told because of a fault in the bot; the log says where."
                await self._database.write(self._alert, post, words, self._now())

    async def _try(self, post: Post) -> None:
        context = await self._database.read(context_of, post)
        try:
            await self._deliver(post, context)
        except SlackRateLimited as limited:
            wait = timedelta(seconds=limited.retry_after)
            self._pause(post.destination, wait)
            await self._again(post, "rate limited", wait, counts=False)
        except SlackNotSent as fault:
            await self._again(post, str(fault), None)
        except SlackUncertain as fault:
            await self._again(post, str(fault), None, at_least=SHOWN_WITHIN)
        except SlackRefused as no:
            await self._refused(post, context, no)

    async def _deliver(self, post: Post, context: Context) -> None:
        match await self._recipients.may_be_told(post, context):
            case Verdict.UNKNOWN:
                raise SlackNotSent("whether this person may be told is not known now")
            case Verdict.NO:
                await self._not_told(post)
                return
            case Verdict.YES:
                pass
        said = await self._builders[post.kind](post)
        if said is None:
            await self._end(post, "dropped", "nothing to say any more")
            return
        if isinstance(said, File):
            await self._upload(post, said)
            return
        deliver = self._update if post.kind in UPDATES else self._post
        try:
            await deliver(post, context, said)
        except SlackRefused as no:
            if no.code not in _BLOCKS_REFUSED or post.id in self._bare:
                raise
            # Better the bare words than silence; at the pace of any other message.
            log.warning("slack.refuses_blocks", ref=post.ref, post=post.id, error=no.code)
            self._bare.add(post.id)
            await self._again(post, no.code, self._pace, counts=False)

    # Delivering

    async def _post(self, post: Post, context: Context, said: Message) -> None:
        check, direct = context.check, post.destination[0] in "UW"
        thread_ts = _card_above(post, context.parent) if post.kind is PostKind.REVIEW_CALL else None
        if check is not None and self._is_for_thread(post):
            opens = post.kind is PostKind.REQUEST
            thread_ts = check.thread_ts if opens else check.root_ts
            if thread_ts is None and not opens:
                await self._redirect(post, check, "the request's message was never posted")
                return
            if await self._is_shared(check):
                await self._redirect(post, check, _SHARED)
                return
        if post.kind in SUMMARIES | BATCHES and await self._is_shared_place(post.destination):
            await self._end(post, "failed", _SHARED)
            return
        if post.kind in _FOR_REVIEWERS and not direct and await self._is_shared_place(post.destination):
            await self._to_each_reviewer(post, context, _SHARED)
            return
        channel = await self._slack.direct_channel(post.destination) if direct else post.destination
        if post.kind is PostKind.REVIEW_CALL and thread_ts and not await self._stands(channel, thread_ts):
            # The card was deleted: what is said below it is for reviewers alone, so it stands by itself.
            thread_ts = None
            alone = await self._builders[post.kind](replace(post, parent_id=None))
            said = alone if isinstance(alone, Message) else said
        if post.in_doubt_since is not None and await self._found_again(post, channel, thread_ts):
            return
        # A reply to nothing would land in the channel itself, in front of everybody.
        if check and thread_ts and not await self._stands(channel, thread_ts):
            await self._redirect(post, check, "the thread's first message is gone")
            return
        said = self._as_taken(post, said)
        await self._database.write(deliveries.intend, post.id, now=self._now())
        try:
            found = await self._slack.post(
                channel=channel, text=said.text, blocks=said.blocks, post_id=post.id, thread_ts=thread_ts
            )
        except (SlackNotSent, SlackRateLimited, SlackRefused):
            await self._database.write(deliveries.not_posted, post.id)
            raise
        finally:
            self._pause(post.destination, self._pace)
        await self._done(post, found)

    async def _upload(self, post: Post, file: File) -> None:
        """A file in a thread or to a person: Slack's answer does not tell where it stands, its name does."""
        if post.kind in BATCHES and await self._is_shared_place(post.destination):
            await self._end(post, "failed", _SHARED)
            return
        if post.in_doubt_since is not None:
            if await self._is_too_early(post):
                return
            found = await self._slack.find_file(
                channel=file.channel, thread_ts=file.thread_ts, name=file.name, since=_since(post)
            )
            if found is not None:
                await self._done(post, found)
                return
        if file.thread_ts and not await self._stands(file.channel, file.thread_ts):
            await self._end(post, "failed", "the thread's first message is gone")
            return
        if file.write is None:
            await self._send_file(post, file, file.data, file.comment)
            return
        with tempfile.TemporaryFile() as kept:
            comment = await file.write(kept)
            await self._send_file(post, file, kept, comment)

    async def _send_file(self, post: Post, file: File, data: bytes | IO[bytes], comment: str) -> None:
        await self._database.write(deliveries.intend, post.id, now=self._now())
        try:
            await self._slack.upload(
                channel=file.channel,
                thread_ts=file.thread_ts,
                name=file.name,
                data=data,
                comment=comment,
                alt_text=file.alt_text,
            )
        except (SlackNotSent, SlackRateLimited, SlackRefused):
            await self._database.write(deliveries.not_posted, post.id)
            raise
        finally:
            self._pause(post.destination, self._pace)
        await self._done(post, None)

    async def _is_shared(self, check: Check) -> bool:
        """Asked once more when a message goes out: Slack may not have answered at the submit, or it came later."""
        return await self._is_shared_place(check.channel, check.requester)

    async def _is_shared_place(self, channel: str, user: str = "") -> bool:
        known = await self._access.channel(channel, user)
        if known is None:
            raise SlackNotSent("whether another company reads this channel is not known now")
        return known.shared

    async def _stands(self, channel: str, ts: str) -> bool:
        return await self._slack.thread_stands(channel=channel, ts=ts)

    def _as_taken(self, post: Post, said: Message) -> Message:
        return Message(text=said.text[:3000]) if post.id in self._bare else said

    async def _found_again(self, post: Post, channel: str, thread_ts: str | None) -> bool:
        """Look for a post whose answer was lost. True if this try is over: found, or too early to look."""
        assert post.in_doubt_since is not None
        if await self._is_too_early(post):
            return True
        found = await self._slack.find_post(channel=channel, post_id=post.id, thread_ts=thread_ts, since=_since(post))
        if found is None:
            return False
        log.info("post.found_again", ref=post.ref, post=post.id)
        await self._done(post, found)
        return True

    async def _is_too_early(self, post: Post) -> bool:
        """Whether Slack may still be about to show a post whose answer was lost; then it is put off."""
        now = self._now()
        assert post.in_doubt_since is not None
        # Read before the clock was set back, the doubt lies ahead: it never waits longer than a fresh one.
        wait = min(post.in_doubt_since + SHOWN_WITHIN - now, SHOWN_WITHIN)
        if wait <= timedelta(0):
            return False
        await self._database.write(deliveries.reschedule, post.id, at=now + wait, error="waiting to look", counts=False)
        self._wake_in(wait)
        return True

    async def _done(self, post: Post, found: Found | None) -> None:
        def commit(tx: Transaction, now: datetime) -> None:
            channel, ts = (found.channel, found.ts) if found else (None, None)
            deliveries.done(tx, post.id, channel=channel, ts=ts, now=now)
            self._follow(tx, post, DeliveryResult.DELIVERED, now)
            if post.kind is PostKind.BATCH and found is not None:
                batches.posted(tx, post.payload["batch"], ts=found.ts)
                refresh.batch_changed(tx, post.payload["batch"], now=now)
            if post.kind is PostKind.REQUEST and post.ref and found is not None:
                if post.destination == found.channel:
                    checks.posted(tx, post.ref, ts=found.ts)
                # What happened while the message was on its way.
                refresh.check_changed(tx, post.ref, now=now)

        await self._database.write(commit, self._now())
        self._forget(post)

    async def _update(self, post: Post, context: Context, said: Message) -> None:
        """Update a message in place; doing it twice does no harm, so there is no doubt to settle."""
        parent = context.parent
        channel, ts = (parent.channel, parent.ts) if parent else (None, None)
        if channel is None or ts is None:
            await self._no_message(post, context, "no message to update")
            return
        if (
            post.kind is PostKind.REVIEW_CARD
            and post.destination[0] in "CG"
            and await self._is_shared_place(post.destination)
        ):
            # What is decided, and why, is not for another company.
            await self._end(post, "failed", _SHARED)
            return
        said = self._as_taken(post, said)
        try:
            await self._slack.update(channel=channel, ts=ts, text=said.text, blocks=said.blocks)
        finally:
            self._pause(post.destination, self._pace)
        await self._database.write(deliveries.done, post.id, channel=channel, ts=ts, now=self._now())
        self._forget(post)

    # When it does not work

    async def _refused(self, post: Post, context: Context, no: SlackRefused) -> None:
        is_update = post.kind in UPDATES
        self._refusals[post.id] += 1
        if no.refuses_us:
            # An operator must act; the post waits.
            log.error("slack.refuses_us", error=no.code)
            await self._again(post, no.code, timedelta(minutes=5), counts=False)
        elif is_update and no.code in _GONE | _NO_UPDATE:
            await self._no_message(post, context, no.code)
        elif no.code in _GONE and context.check is not None and self._is_for_thread(post):
            await self._redirect(post, context.check, no.code)
        elif no.code in _GONE and post.kind in _FOR_REVIEWERS and post.destination[0] in "CG":
            await self._to_each_reviewer(post, context, no.code)
        elif no.code in _GONE or self._refusals[post.id] >= MAX_REFUSALS:
            await self._end(post, "failed", no.code)
        else:
            await self._again(post, no.code, None)

    async def _no_message(self, post: Post, context: Context, error: str) -> None:
        """The message to update is gone, or takes no update any more.

        Progress has nowhere else to stand. That a rejection or failure has been confirmed since is told as the result
        that it is. An approval never needs that: once confirmed it is a message of its own anyway.
        """
        parent, check = context.parent, context.check
        if post.kind is PostKind.CONFIRMED and parent and parent.kind is PostKind.RESULT_UNCONFIRMED and check:
            job_id = parent.id.partition(":")[2]

            def tell(tx: Transaction, now: datetime) -> None:
                outbox.enqueue(
                    tx,
                    PostKind.RESULT,
                    key=job_id,
                    ref=check.ref,
                    destination=check.channel,
                    receipt=post.receipt,
                    payload=parent.payload,
                    parent_id=parent.parent_id,
                    now=now,
                )
                deliveries.end(tx, post.id, state="dropped", error=error, now=now)

            await self._database.write(tell, self._now())
            self._forget(post)
            return
        await self._end(post, "dropped", error)

    def _is_for_thread(self, post: Post) -> bool:
        return post.destination[0] not in "UW" and post.kind not in ELSEWHERE

    async def _redirect(self, post: Post, check: Check, why: str) -> None:
        """A reply to nothing would land in the channel's root, in front of everybody: tell the person instead."""
        log.warning("post.redirected", ref=post.ref, post=post.id, error=why)
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            deliveries.redirect(tx, post.id, destination=check.requester, now=now, error=why)
            payload = {"ref": check.ref, "words": f"A result could not be posted where it was asked for ({why})."}
            alerts.alert(tx, f"undeliverable:{check.channel}", recipients=operators, now=now, payload=payload)

        await self._database.write(commit, self._now())

    async def _to_each_reviewer(self, post: Post, context: Context, why: str) -> None:
        """Their channel is archived or shared, or the bot was put out of it: they hear directly, and the operators of
        that. What calls one person goes to that person alone.
        """
        askers = context.check.askers if context.check else frozenset()
        whom = post.payload.get("whom", "")
        people = [whom] if whom else [one for one in self._access.people(Role.REVIEWER) if one not in askers]

        def commit(tx: Transaction, now: datetime) -> None:
            _copy_to(tx, post, people, now=now)
            deliveries.end(tx, post.id, state="failed", error=why, now=now)
            what = "they hear directly" if people else "and no reviewer is known by name who could hear directly"
            self._alert(tx, post, f"The reviewers' channel cannot be posted in ({why}); {what}.", now)

        await self._database.write(commit, self._now())
        self._forget(post)
        log.error("post.spread", ref=post.ref, post=post.id, error=why)

    async def _again(
        self,
        post: Post,
        error: str,
        wait: timedelta | None,
        *,
        at_least: timedelta = timedelta(0),
        counts: bool = True,
    ) -> None:
        # Looked up again, since the clock may have been set, and the post's time with it, during the try.
        newest = await self._database.read(outbox.find, post.id) or post
        if self._now() - newest.created_at > GIVE_UP_AFTER:
            await self._end(post, "failed", error)
            return
        log.warning("post.try_failed", ref=post.ref, post=post.id, error=error)
        wait = max(retry_in(post.tries + 1, jitter=self._dice.random()), at_least) if wait is None else wait
        await self._database.write(deliveries.reschedule, post.id, at=self._now() + wait, error=error, counts=counts)
        self._wake_in(wait)

    async def _not_told(self, post: Post) -> None:
        """Whoever should have read it alone has lost the right to.

        What nobody else was told stays among the posts that failed, where `receipts list` shows it and `receipts
        release` sends it once the person has the role again; the admins hear of it.
        """
        if post.kind in NOT_MISSED:
            await self._end(post, "dropped", _NO_ACCESS)
            return

        def commit(tx: Transaction, now: datetime) -> None:
            deliveries.end(tx, post.id, state="failed", error=_NO_ACCESS, now=now)
            payload = {"words": _NOT_TOLD, "ref": post.ref or ""}
            alerts.alert(tx, "no_access", recipients=self._access.people(Role.ADMIN), now=now, payload=payload)

        await self._database.write(commit, self._now())
        self._forget(post)
        log.error("post.failed", ref=post.ref, post=post.id, error=_NO_ACCESS)

    async def _end(self, post: Post, state: str, error: str) -> None:
        def commit(tx: Transaction, now: datetime) -> None:
            deliveries.end(tx, post.id, state=state, error=error, now=now)
            if state == "failed":
                self._follow(tx, post, DeliveryResult.FAILED, now)
                self._alert(tx, post, f"A message could not be delivered in Slack ({error}).", now)

        await self._database.write(commit, self._now())
        self._forget(post)
        if state == "failed":
            log.error("post.failed", ref=post.ref, post=post.id, error=error)

    def _alert(self, tx: Transaction, post: Post, words: str, now: datetime) -> None:
        if post.kind is not PostKind.ALERT:
            payload = {"words": words, "ref": post.ref or ""}
            alerts.alert(tx, "undelivered", recipients=self._access.people(Role.ADMIN), now=now, payload=payload)

    def _follow(self, tx: Transaction, post: Post, result: DeliveryResult, now: datetime) -> None:
        if (follower := self._followers.get(post.kind)) is not None:
            follower(tx, post, result, now)

    def _forget(self, post: Post) -> None:
        self._bare.discard(post.id)
        del self._refusals[post.id]

    def _pause(self, destination: str, wait: timedelta) -> None:
        until = self._steady() + wait
        self._paused[destination] = max(until, self._paused.get(destination, until))
        self._wake_in(wait)


def _copy_to(tx: Transaction, post: Post, people: Sequence[str], *, now: datetime) -> None:
    """The same to each of these people directly."""
    for person in people:
        outbox.enqueue(
            tx,
            post.kind,
            key=f"{post.id.partition(':')[2]}:{person}",
            ref=post.ref,
            destination=person,
            receipt=post.receipt,
            payload=post.payload,
            now=now,
        )


def _card_above(post: Post, card: Post | None) -> str | None:
    return card.ts if card is not None and card.channel == post.destination else None


def _since(post: Post) -> datetime:
    """From when on a post whose answer was lost is looked for.

    In doubt since before it was written: it was told by the bot whose backup this database was.
    """
    since = min(post.created_at, post.in_doubt_since or post.created_at)
    return since - timedelta(minutes=1)
