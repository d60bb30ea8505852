"""Delivers what is to be said: in order, at Slack's pace, at least once, and once in effect.

Before a message is posted the intent is committed. When the answer is lost, our own metadata is looked for in
Slack before anything is posted again. What cannot be delivered where it belongs goes to the requester directly;
what cannot be delivered at all ends where an operator sees it.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.access import Access, Role
from bot.blocks import thread, words
from bot.blocks.thread import Said, Told
from bot.domain.backoff import retry_in
from bot.domain.checks import Check, Post, PostKind
from bot.domain.id_types import IDTypes
from bot.domain.outcomes import Outcome, Reading, ResultCodes
from bot.errors import SlackNotSent, SlackRateLimited, SlackRefused, SlackUncertain
from bot.settings import Settings
from bot.slack.web import Found, SlackWeb
from bot.smile_id.wire import parse_message
from storage import attempts, checks, outbox, receipts
from storage.database import Database, Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
LOOK_AFTER = timedelta(seconds=5)
"""Slack may show a message this late; looked for earlier, it would be posted twice."""
MAX_TRIES = 60
"""With waits of up to five minutes, about five hours of Slack being away."""

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
_AUTH = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope"})
"""An operator must act; the post waits."""
_NO_UPDATE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
_FINAL_KINDS = frozenset(
    {
        PostKind.RESULT,
        PostKind.RESULT_UNCONFIRMED,
        PostKind.FAILURE,
        PostKind.CONTRADICTION,
        PostKind.SECOND_FINAL,
        PostKind.UNKNOWN_CODE,
        PostKind.ID_UNVERIFIED,
        PostKind.APPROVAL_UNCONFIRMED,
    }
)
"""Before these the thread's first message is looked for: a reply to nothing would land in the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What a post is built from, read in one go."""

    check: Check | None
    reading: Reading | None
    received_at: datetime | None
    told: Told
    claimed: bool
    about: Post | None
    sent_at: datetime | None


class Outbox:
    """Says what is due."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackWeb,
        access: Access,
        codes: ResultCodes,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
        dice: random.Random,
        wake_in: Callable[[timedelta], None] = lambda _wait: None,
    ) -> None:
        """`wake_in` is called with the time after which a paused conversation may go on."""
        self._database = database
        self._slack = slack
        self._access = access
        self._codes = codes
        self._id_types = id_types
        self._settings = settings
        self._now = now
        self._dice = dice
        self._wake_in = wake_in
        self._pace = timedelta(seconds=1 / settings.slack_posts_per_second)
        self._paused: dict[str, datetime] = {}

    async def claim(self, limit: int) -> list[Post]:
        """The next post of each conversation that is not paused, ours until the lease ends."""
        now = self._now()
        self._paused = {lane: until for lane, until in self._paused.items() if until > now}
        return await self._database.write(
            outbox.claim_due, now=now, until=now + LEASE, limit=limit, paused=frozenset(self._paused)
        )

    async def work(self, post: Post) -> None:
        """Deliver one post, or settle why not."""
        context = await self._database.read(self._gather, post)
        try:
            await self._deliver(post, context)
        except SlackRateLimited as limited:
            self._pause(post.lane, timedelta(seconds=limited.retry_after))
            await self._again(post, "rate limited", timedelta(seconds=limited.retry_after), in_doubt=False)
        except SlackNotSent as fault:
            await self._again(post, str(fault), None, in_doubt=False)
        except SlackUncertain as fault:
            await self._again(post, str(fault), LOOK_AFTER, in_doubt=True)
        except SlackRefused as no:
            await self._refused(post, context, no)
        else:
            self._pause(post.lane, self._pace)

    async def _deliver(self, post: Post, context: _Context) -> None:
        notice = post.kind is PostKind.REVIEW_NOTICE
        said = await self._notice(post, context) if notice else self._build(post, context)
        if said is None:
            await self._end(post, "dropped", "nothing to say any more")
            return
        deliver = self._update if post.kind in (PostKind.PROGRESS, PostKind.CONFIRMED) else self._post
        try:
            await deliver(post, context, said)
        except SlackRefused as no:
            if no.code not in _BLOCKS_REFUSED or not said.blocks:
                raise
            # Better the bare words than silence.
            log.warning("slack.refuses_blocks", ref=post.ref, post=post.id, error=no.code)
            await deliver(post, context, Said(text=said.text[:3000]))

    # What is said

    def _gather(self, tx: Transaction, post: Post) -> _Context:
        check = checks.get(tx, post.ref) if post.ref else None
        receipt = receipts.get(tx, post.receipt) if post.receipt else None
        reading = None
        if receipt is not None:
            message = parse_message(json.loads(receipt.body))
            reading = self._codes.read(
                code=message.code,
                text=message.text,
                actions=message.actions,
                said_final=message.is_final,
                confidence=message.confidence,
            )
        about = outbox.get(tx, post.about) if post.about else None
        heard = about is not None and outbox.delivered(tx, about.id)
        attempt = attempts.latest(tx, post.ref) if post.ref else None
        return _Context(
            check=check,
            reading=reading,
            received_at=receipt.received_at if receipt else None,
            told=Told(
                reviewers=heard and about is not None and about.kind is PostKind.REVIEW_NOTICE,
                reviewer_mentions=self._access.mentions(Role.REVIEWER),
                operators=heard and about is not None and about.kind is PostKind.ALERT,
            ),
            claimed=attempt is not None and attempt.claim_receipt is not None,
            about=about,
            sent_at=attempt.sent_at if attempt else None,
        )

    def _build(self, post: Post, context: _Context) -> Said | None:
        """The words of one post; None when there is nothing to say any more."""
        if post.kind is PostKind.ALERT:
            return thread.alert(post.note.get("fault", ""), post.note)
        check, reading = context.check, context.reading
        if check is None:
            return None
        entry = self._id_types.find(check.country, check.id_type)
        match post.kind:
            case PostKind.REQUEST | PostKind.PROGRESS:
                waiting = self._now() - (context.sent_at or self._now())
                long = waiting >= self._settings.poll_after
                return thread.request_message(
                    check,
                    entry,
                    waiting=waiting if long else None,
                    unconfirmed=context.claimed and check.ended_at is not None,
                )
            case PostKind.FAILURE:
                return thread.failure(check, told=context.told)
            case PostKind.OVERDUE:
                return thread.overdue(check, told=context.told)
            case _:
                return self._build_result(post, context, check, reading) if reading is not None else None

    def _build_result(self, post: Post, context: _Context, check: Check, reading: Reading) -> Said:
        entry = self._id_types.find(check.country, check.id_type)
        told, at = context.told, context.received_at or self._now()
        first = Outcome(post.note.get("first", Outcome.FAILED.value))
        match post.kind:
            case PostKind.RESULT | PostKind.RESULT_UNCONFIRMED:
                return thread.result(check, entry, reading, told=told, confirmed=post.kind is PostKind.RESULT, at=at)
            case PostKind.CONFIRMED:
                if context.about is not None and context.about.kind is PostKind.APPROVAL_UNCONFIRMED:
                    return thread.approval_since_confirmed(check)
                return thread.result(check, entry, reading, told=told, confirmed=True, at=at)
            case PostKind.APPROVAL_UNCONFIRMED:
                return thread.approval_unconfirmed(check, reading, told=told)
            case PostKind.CONTRADICTION:
                return thread.contradiction(check, first, reading.outcome, told=told)
            case PostKind.SECOND_FINAL:
                return thread.second_final(check, first, reading, told=told)
            case PostKind.SUSPECTS:
                return thread.suspects(check, reading, told=told)
            case PostKind.NOT_FINAL:
                return thread.not_final(check, entry, reading, told=told)
            case _:
                return thread.needs_person(check, entry, reading, told=told)

    async def _notice(self, post: Post, context: _Context) -> Said | None:
        """One line for reviewers, with a link to the request's message."""
        check = context.check
        if check is None:
            return None
        link = None
        if check.message_ts is not None:
            link = await self._slack.permalink(channel=check.channel, ts=check.message_ts)
        title = words.notice_title(post.note.get("tell", ""), context.reading.why if context.reading else None)
        entry = self._id_types.find(check.country, check.id_type)
        return thread.review_notice(check, entry, title=title, link=link)

    # Delivering

    async def _post(self, post: Post, context: _Context, said: Said) -> None:
        check, direct = context.check, post.lane[0] in "UW"
        thread_ts = None
        if check is not None and not direct and post.kind not in (PostKind.REVIEW_NOTICE, PostKind.ALERT):
            thread_ts = check.thread_ts if post.kind is PostKind.REQUEST else check.root_ts
            if thread_ts is None and post.kind is not PostKind.REQUEST:
                await self._redirect(post, check, "the request's message was never posted")
                return
        channel = await self._slack.direct_channel(post.lane) if direct else post.lane
        if post.in_doubt_since is not None and await self._found_again(post, channel, thread_ts):
            return
        ends_thread = thread_ts is not None and post.kind in _FINAL_KINDS
        if ends_thread and check and not await self._slack.thread_stands(channel=channel, ts=thread_ts or ""):
            await self._redirect(post, check, "the thread's first message is gone")
            return
        if direct and check is not None:
            said = thread.directly(said, check)
        await self._database.write(outbox.intend, post.id, now=self._now())
        found = await self._slack.post(
            channel=channel, text=said.text, blocks=said.blocks, post_id=post.id, thread_ts=thread_ts
        )
        await self._done(post, found)

    async def _found_again(self, post: Post, channel: str, thread_ts: str | None) -> bool:
        """Look for a post whose answer was lost. True if this try is over: found, or too early to look."""
        assert post.in_doubt_since is not None
        ripe_at = post.in_doubt_since + LOOK_AFTER
        if self._now() < ripe_at:
            await self._database.write(
                outbox.again, post.id, at=ripe_at, error="waiting to look", in_doubt=True, counts=False
            )
            return True
        oldest = f"{(post.in_doubt_since - timedelta(minutes=1)).timestamp():.6f}"
        found = await self._slack.find_post(channel=channel, post_id=post.id, thread_ts=thread_ts, oldest=oldest)
        if found is None:
            return False
        log.info("post.found_again", ref=post.ref, post=post.id)
        await self._done(post, found)
        return True

    async def _done(self, post: Post, found: Found) -> None:
        def commit(tx: Transaction, now: datetime) -> None:
            outbox.done(tx, post.id, channel=found.channel, ts=found.ts, now=now)
            if post.kind is PostKind.REQUEST and post.ref and post.lane == found.channel:
                checks.posted(tx, post.ref, ts=found.ts)
                # What happened while the message was on its way.
                checks.progress(tx, post.ref, now=now)

        await self._database.write(commit, self._now())

    async def _update(self, post: Post, context: _Context, said: Said) -> None:
        """Update a message in place; doing it twice does no harm, so there is no doubt to settle."""
        check, about = context.check, context.about
        channel, ts = (check.channel, check.message_ts) if check else (None, None)
        if post.kind is PostKind.CONFIRMED:
            channel, ts = (about.channel, about.ts) if about else (None, None)
        if channel is None or ts is None:
            await self._end(post, "dropped", "no message to update")
            return
        await self._slack.update(channel=channel, ts=ts, text=said.text, blocks=said.blocks)
        await self._database.write(outbox.done, post.id, channel=channel, ts=ts, now=self._now())

    # When it does not work

    async def _refused(self, post: Post, context: _Context, no: SlackRefused) -> None:
        is_update = post.kind in (PostKind.PROGRESS, PostKind.CONFIRMED)
        if no.code in _AUTH:
            log.error("slack.refuses_us", error=no.code)
            await self._again(post, no.code, timedelta(minutes=5), in_doubt=False)
        elif is_update and no.code in _GONE | _NO_UPDATE:
            await self._end(post, "dropped", no.code)
        elif no.code in _GONE and context.check is not None and self._is_for_thread(post):
            await self._redirect(post, context.check, no.code)
        elif no.code in _GONE or post.tries >= 5:
            await self._end(post, "failed", no.code)
        else:
            await self._again(post, no.code, None, in_doubt=False)

    def _is_for_thread(self, post: Post) -> bool:
        return post.lane[0] not in "UW" and post.kind not in (PostKind.REVIEW_NOTICE, PostKind.ALERT)

    async def _redirect(self, post: Post, check: Check, why: str) -> None:
        """A reply to nothing would land in the channel's root, in front of everybody: tell the person instead."""
        log.warning("post.redirected", ref=post.ref, post=post.id, error=why)
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            outbox.redirect(tx, post.id, lane=check.requester, now=now, error=why)
            note = {"ref": check.ref, "words": f"A result could not be posted where it was asked for ({why})."}
            outbox.alert(tx, f"undeliverable:{check.channel}", recipients=operators, now=now, note=note)

        await self._database.write(commit, self._now())

    async def _again(self, post: Post, error: str, wait: timedelta | None, *, in_doubt: bool) -> None:
        if post.tries + 1 >= MAX_TRIES:
            await self._end(post, "failed", error)
            return
        log.warning("post.try_failed", ref=post.ref, post=post.id, error=error)
        wait = retry_in(post.tries + 1, jitter=self._dice.random()) if wait is None else wait
        at = self._now() + wait
        await self._database.write(outbox.again, post.id, at=at, error=error, in_doubt=in_doubt)
        self._wake_in(wait)

    async def _end(self, post: Post, state: str, error: str) -> None:
        operators = self._access.people(Role.ADMIN)

        def commit(tx: Transaction, now: datetime) -> None:
            outbox.end(tx, post.id, state=state, error=error, now=now)
            if state == "failed" and post.kind is not PostKind.ALERT:
                note = {"words": f"A message could not be delivered in Slack ({error})."}
                outbox.alert(tx, "undelivered", recipients=operators, now=now, note={**note, "ref": post.ref or ""})

        await self._database.write(commit, self._now())
        if state == "failed":
            log.error("post.failed", ref=post.ref, post=post.id, error=error)

    def _pause(self, lane: str, wait: timedelta) -> None:
        self._paused[lane] = self._now() + wait
        self._wake_in(wait)
