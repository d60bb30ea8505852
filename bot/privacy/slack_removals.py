"""Erases in Slack what the bot has forgotten: rewrites our messages, deletes our files, and people's where it may.

The worker of the list that `slack_asks` writes: lease, retry with backoff, one call after the other below Slack's pace.
What Slack refuses stays on the list and is looked at again, ever more seldom; whoever put it there is asked to delete
it, once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.access.process import Process
from bot.domain.backoff import retry_in
from bot.domain.outbox import Post, PostKind
from bot.domain.privacy import slack_removals as rules
from bot.domain.privacy.slack_removals import Removal, RemovalPlace, RemovalState, SlackRemoval, Verdict
from bot.errors import DatabaseUnusable, SlackError, SlackRateLimited, SlackRefused
from bot.outbox.rate_limiter import RateLimiter
from bot.outbox.thread_posts import file_name
from bot.privacy.erased_posts import MOST_CHECKS, ErasedPosts
from bot.slack.client import FoundMessage, SlackClient
from bot.slack.error_codes import THREAD_GONE
from bot.slack.file_objects import is_deleted, pictures, uploader
from storage import audit, batches, leases, outbox, slack_removals
from storage.engine.database import Transaction
from storage.leases import UnderWay

log = structlog.get_logger(__name__)

PAGES = 20
"""So many pages of 200 messages of a thread are looked through."""
LEASE = timedelta(minutes=5)
GATHER = timedelta(minutes=5)
"""What one person is to delete is told in one message: a purge finds much of it in a few minutes."""
ASK_OPERATOR_EVERY = timedelta(minutes=5)
MAX_TRIES = 8
"""With an answer that says nothing of the message or file; then it is listed, and tried again each day."""
_SLACK = "slack"
"""All calls share one pace."""
_FILE_LINK = re.compile(r"(https?://[^\s<>|]+?/files/[A-Z0-9]+/[A-Z0-9]+)(/.*)?")


class _StaysError(Exception):
    """It still stands there, and the bot can do nothing about it."""

    def __init__(self, why: str, *, author: str | None = None, place: RemovalPlace | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.author = author
        self.place = place


@dataclass(slots=True, kw_only=True, eq=False)
class SlackRemovals(Process):
    slack: SlackClient
    posts: ErasedPosts
    as_person: SlackClient | None
    """With the token of somebody who may delete other people's files."""
    note: Callable[[str | None], None]
    """Gets what is wrong with that token, for an operator; None: nothing."""
    pace: RateLimiter
    _under_way: UnderWay = field(init=False, default_factory=UnderWay)
    _is_person_ours: bool = field(init=False, default=False)

    async def tick(self) -> None:
        """Once a day: forget what is done long since. At start: what a new token may be able to delete is due."""
        now = self.now()
        await self.database.write(slack_removals.tidy, before=now - slack_removals.KEPT_FOR)
        if self.as_person is None or self._is_person_ours or not await self.access.is_settled():
            return
        try:
            if await self._person() is not None:
                await self.database.write(slack_removals.try_all_again, at=now)
        except SlackError as fault:
            log.info("slack_removals.token_not_tried", error=str(fault))

    async def claim(self, limit: int) -> list[SlackRemoval]:
        if self.pace.paused() or not await self.access.is_settled():
            # With another workspace's token everything would seem to be gone.
            return []
        now = self.now()
        keys = self._under_way.keys
        return await self.database.write(
            slack_removals.claim_due, now=now, until=now + LEASE, limit=limit, under_way=keys
        )

    async def give_up(self, found: Sequence[SlackRemoval]) -> None:
        await self.database.write(leases.give_up, "slack_removals", "id", [one.id for one in found], now=self.now())

    async def work(self, removal: SlackRemoval) -> None:
        await self._under_way.run(removal.id, lambda: self._attempt(removal))

    async def _attempt(self, removal: SlackRemoval) -> None:
        try:
            why = await self._erase(removal)
        except _StaysError as stays:
            await self._leave(removal, stays.why, author=stays.author, place=stays.place)
        except SlackRateLimited as limited:
            wait = timedelta(seconds=limited.retry_after)
            self.pace.pause(_SLACK, wait)
            await self._retry(removal, "rate limited", wait=wait, counts=False)
        except SlackRefused as no:
            await self._refused(removal, no)
        except SlackError as fault:
            # Slack may be away for long: that says nothing of what is to be erased. To erase twice does no harm.
            await self._retry(removal, str(fault), gives_up=False)
        except DatabaseUnusable as fault:
            # A disk that is full for a moment, say: the row is as good as any other.
            log.warning("slack_removal.not_stored", ref=removal.ref, error=str(fault))
            await self._retry(removal, "the database could not be used", counts=False)
        except Exception:
            # A fault of ours with one row must not hold up the others.
            log.exception("slack_removal.fault", ref=removal.ref)
            await self._retry(removal, "a fault of ours")
        else:
            await self._done(removal, why)
        finally:
            self.pace.pause(_SLACK)

    async def _erase(self, removal: SlackRemoval) -> str | None:
        """None, or why nothing was left to erase. Raises SlackError, or that it stays."""
        match removal.what:
            case Removal.MESSAGE:
                await self._rewrite(removal)
                return None
            case Removal.UPLOAD:
                return await self._delete_ours(removal.place)
            case Removal.FILE:
                return await self._delete_theirs(removal)
            case Removal.WRITTEN:
                return await self._look_for(removal)
            case Removal.THREAD:
                await self._look_through(removal)
                return None

    async def _rewrite(self, removal: SlackRemoval) -> None:
        said = await self.posts.in_place(removal)
        channel, ts = removal.place.channel, removal.place.ts
        try:
            await self.slack.update(channel=channel, ts=ts, text=said.text, blocks=said.blocks)
        except SlackRefused as no:
            if no.code not in rules.DELETED_INSTEAD:
                raise
            await self.slack.delete(channel=channel, ts=ts)

    async def _delete_ours(self, place: RemovalPlace) -> str | None:
        file = place.file
        if not file:
            found = await self._find_upload(place)
            if found is None or found.file_id is None:
                return "file_not_found"
            file = found.file_id
        await self.slack.delete_file(file)
        return None

    async def _find_upload(self, place: RemovalPlace) -> FoundMessage | None:
        """One of an older version, which kept no ids of files: by its name, in the thread where it was posted.

        That of the file's message, or of an earlier one, which was deleted since. Raises SlackRefused where such a
        thread is gone and no other has it: the upload may be in Slack all the same.
        """

        def threads_of(tx: Transaction) -> tuple[Post, list[str]] | None:
            post = outbox.find(tx, place.post)
            batch = batches.find(tx, post.payload["batch"]) if post is not None else None
            if post is None or batch is None or not batch.message_ts:
                return None
            message = outbox.find(tx, f"{PostKind.BATCH.value}:{batch.id}")
            return post, [batch.message_ts, *reversed(message.former if message is not None else ())]

        known = await self.database.read(threads_of)
        if known is None:
            return None
        (post, threads), gone = known, None
        since = post.created_at - timedelta(minutes=1)
        for ts in dict.fromkeys(threads):
            try:
                found = await self.slack.find_file(
                    channel=place.channel, thread_ts=ts, name=file_name(post), since=since
                )
            except SlackRefused as no:
                if no.code not in THREAD_GONE:
                    raise
                gone = no
            else:
                if found is not None:
                    return found
        if gone is not None:
            raise gone
        return None

    async def _delete_theirs(self, removal: SlackRemoval) -> str | None:
        file = removal.place.file
        if await self.database.read(slack_removals.is_needed, file, but=removal.ref):
            return rules.SHARED
        try:
            found = await self.slack.file(file)
        except SlackRefused as no:
            if no.code not in rules.UNSEEN:
                raise
            # The bot was removed from its channel, say: somebody else's token may see it still.
            author, place = None, removal.place
        else:
            if is_deleted(found):
                return "file_deleted"
            author = uploader(found) or None
            link = _FILE_LINK.fullmatch(str(found.get("permalink") or ""))
            place = replace(removal.place, link=link[1] if link else "")
        if author is not None and author == await self.slack.bot_user_id():
            await self.slack.delete_file(file)
            return None
        person = await self._person()
        if person is None:
            why = rules.NOBODY_LETS if self.as_person is None else rules.LETS_NO_MORE
            raise _StaysError(why if place.link or author else "file_not_found", author=author, place=place)
        try:
            await person.delete_file(file)
        except SlackRefused as no:
            if no.refuses_us:
                self._is_person_ours = False
                self.note(f"Slack does not take it ({no.code})")
                raise _StaysError(rules.LETS_NO_MORE, author=author, place=place) from no
            if no.code in rules.UNSEEN and place.link:
                raise _StaysError(rules.CANNOT_SEE, author=author, place=place) from no
            if rules.verdict_of(Removal.FILE, no.code, refuses_us=False) is Verdict.LEFT:
                raise _StaysError(no.code, author=author, place=place) from no
            raise
        return None

    async def _person(self) -> SlackClient | None:
        """With that token, once Slack has said that it belongs to our workspace; in another, no file would be found."""
        if self.as_person is None or self._is_person_ours:
            return self.as_person
        try:
            me = await self.as_person.whoami()
        except SlackRefused as no:
            self.note(f"Slack does not take it ({no.code})")
            return None
        fault = self.access.workspace.misfit(me)
        self.note("it belongs to another workspace" if fault else None)
        self._is_person_ours = fault is None
        return self.as_person if self._is_person_ours else None

    async def _look_for(self, removal: SlackRemoval) -> str | None:
        place = removal.place
        found = await self.slack.message(channel=place.channel, ts=place.ts, thread_ts=place.thread_ts or None)
        if found is None:
            return "message_not_found"
        link = await self.slack.permalink(channel=place.channel, ts=place.ts)
        author = str(found.get("user") or "") or None
        raise _StaysError(rules.STILL_WRITTEN, author=author, place=replace(place, link=link))

    async def _look_through(self, removal: SlackRemoval) -> None:
        """Puts the photos that people posted in a thread on the list; in another's thread, those since the request."""
        place, me = removal.place, await self.slack.bot_user_id()
        found: dict[str, str | None] = {}
        cursor = None
        for _page in range(PAGES):
            page = await self.slack.thread(channel=place.channel, ts=place.ts, limit=200, cursor=cursor)
            for message in page.messages:
                if message.get("user") != me and str(message.get("ts")) > place.thread_ts:
                    found.update(dict.fromkeys(pictures(message), str(message.get("user") or "") or None))
            if not (cursor := page.cursor):
                break
        if found:
            await self.database.write(_store_found, removal.ref, found, self.now())

    # What follows

    async def _refused(self, removal: SlackRemoval, no: SlackRefused) -> None:
        match rules.verdict_of(removal.what, no.code, refuses_us=no.refuses_us):
            case Verdict.GONE:
                await self._done(removal, no.code)
            case Verdict.LEFT:
                await self._leave(removal, no.code)
            case Verdict.OURS:
                log.error("slack.refuses_us", error=no.code)
                await self._retry(removal, no.code, wait=ASK_OPERATOR_EVERY, counts=False)
            case Verdict.UNKNOWN:
                await self._retry(removal, no.code)

    async def _done(self, removal: SlackRemoval, why: str | None) -> None:
        await self.database.write(_store_done, removal, why, self.now())
        log.info("slack_removal.done", ref=removal.ref, what=removal.what.value, why=why)

    async def _leave(
        self, removal: SlackRemoval, why: str, *, author: str | None = None, place: RemovalPlace | None = None
    ) -> None:
        author = author or removal.author
        left = replace(removal, why=why, author=author, place=place or removal.place)
        await self.database.write(_store_left, left, self.now())
        if removal.state is not RemovalState.LEFT:
            log.warning("slack_removal.left", ref=removal.ref, what=removal.what.value, error=why)

    async def _retry(
        self,
        removal: SlackRemoval,
        error: str,
        *,
        wait: timedelta | None = None,
        counts: bool = True,
        gives_up: bool = True,
    ) -> None:
        if counts and gives_up and removal.tries + 1 >= MAX_TRIES:
            await self._leave(removal, error)
            return
        wait = wait or retry_in(removal.tries + 1, jitter=self.rng.random())
        log.info("slack_removal.try_failed", ref=removal.ref, what=removal.what.value, error=error)
        await self.database.write(slack_removals.reschedule, removal.id, at=self.now() + wait, why=error, counts=counts)


def _store_done(tx: Transaction, removal: SlackRemoval, why: str | None, now: datetime) -> None:
    slack_removals.done(tx, removal.id, why=why, now=now)
    if not slack_removals.pending(tx, removal.ref):
        audit.record(tx, at=now, actor=audit.BOT, act="slack.erased", ref=removal.ref)


def _store_found(tx: Transaction, ref: str, files: Mapping[str, str | None], now: datetime) -> None:
    wanted = [
        (Removal.FILE, RemovalPlace(file=file), author)
        for file, author in files.items()
        if not slack_removals.is_needed(tx, file, but=ref)
    ]
    slack_removals.add(tx, ref, wanted, at=now)


def _store_left(tx: Transaction, removal: SlackRemoval, now: datetime) -> None:
    again_at = now + rules.look_again_in(removal.tries if removal.state is RemovalState.LEFT else 0)
    slack_removals.leave(tx, removal.id, at=again_at, why=removal.why or "", author=removal.author, place=removal.place)
    if removal.state is not RemovalState.LEFT:
        detail = f"{removal.what.value}:{removal.why}"[:100]
        audit.record(tx, at=now, actor=audit.BOT, act="slack.left", ref=removal.ref, detail=detail)
    if removal.why in rules.FOR_ITS_AUTHOR and removal.author and removal.told is None:
        _tell(tx, removal, removal.author, now)


def _tell(tx: Transaction, removal: SlackRemoval, author: str, now: datetime) -> None:
    """Together with what else this person is to delete, as long as that message was not built."""
    kind = PostKind.DELETION_ASKED
    post_id = outbox.to_be_built(tx, kind, author)
    if post_id is None or _is_full(tx, post_id, removal.ref):
        key = f"{author}:{removal.id}"
        post_id = outbox.enqueue(tx, kind, key=key, destination=author, now=now, due_at=now + GATHER)
    slack_removals.told(tx, removal.id, post_id=post_id)


def _is_full(tx: Transaction, post_id: str, ref: str) -> bool:
    refs = {one.ref for one in slack_removals.told_by(tx, post_id)}
    return ref not in refs and len(refs) >= MOST_CHECKS
