"""Builds the posts in the threads of requests and batches, and direct messages, from what is stored at delivery."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.access.process import Process
from bot.access.rights import Role
from bot.domain.applicants.batch import COUNTED_FOR, Batch, BatchState
from bot.domain.capture.links import LinkEnding
from bot.domain.check.check import Check, PhotosBy
from bot.domain.check.states import POLLED_REASONS, ReviewReason, State
from bot.domain.id_types.id_types import IDType
from bot.domain.mentions.incoming import is_direct
from bot.domain.outbox import UPDATES, Message, Post, PostKind
from bot.domain.results.assurance import Doubt
from bot.domain.results.attempt import Receipt
from bot.domain.results.codes import Outcome, ResultMeaning
from bot.domain.review.review import Agreement, ReviewDecision
from bot.outbox.builders import Builders, File, FromDatabase
from bot.outbox.recipients import Context, parent_of
from bot.settings import Settings
from bot.slack.blocks import batch, batch_links, capture, file_approval, held, photos, private, results, thread
from bot.slack.blocks.results import EarlierDecision, NotifiedParties, ResultFacts
from storage import attempts, batches, capture_links, checks, outbox, receipts, review_requests, reviews
from storage.engine.database import Transaction

SOON = timedelta(minutes=1)
"""A check that is due later than this, without a failed attempt, is due at a time that somebody chose."""

_Build = Callable[[Transaction, Post, Check], Message | None]


@dataclass(slots=True, kw_only=True, eq=False)
class ThreadPosts(Process):
    read: Callable[[Receipt], ResultMeaning]
    """Interprets a stored message of Smile ID's."""

    def builders(self) -> Builders:
        by_kind: dict[PostKind, _Build] = {
            PostKind.REQUEST: self._request,
            PostKind.PROGRESS: self._request,
            PostKind.HELD: _question,
            PostKind.HELD_ANSWERED: _answered_question,
            PostKind.CANCELLED: _cancelled,
            PostKind.LINK_LOST: self._link_lost,
            PostKind.PHOTOS_ASKED: _photos_asked,
            PostKind.FAILURE: self._failure,
            PostKind.OVERDUE: lambda tx, post, check: results.overdue(check, notified=self._notified(tx, post)),
            PostKind.REVIEW_REQUESTED: self._review_requested,
            PostKind.DECIDED: _decided,
            PostKind.CONFIRMED: self._confirmed,
            **dict.fromkeys(results.BY_KIND, self._result),
        }
        return {
            PostKind.ALERT: FromDatabase(_alert),
            PostKind.BATCH: FromDatabase(_batch),
            PostKind.BATCH_LOST: FromDatabase(_batch_lost),
            PostKind.BATCH_PROGRESS: FromDatabase(_batch),
            PostKind.BATCH_APPROVAL: FromDatabase(_approval),
            PostKind.BATCH_APPROVAL_CARD: FromDatabase(_approval),
            PostKind.BATCH_LINKS_LOST: FromDatabase(self._links_lost),
            PostKind.BATCH_FAULTS: FromDatabase(self._file_of_batch),
            PostKind.BATCH_RESULTS: FromDatabase(self._file_of_batch),
            **{kind: _of_check(build) for kind, build in by_kind.items()},
        }

    def _file_of_batch(self, tx: Transaction, post: Post, context: Context) -> File | None:
        return _file_of_batch(tx, post, context.batch, self.settings)

    def _request(self, tx: Transaction, post: Post, check: Check) -> Message:
        attempt, now = attempts.latest(tx, check.ref) if not check.is_altered else None, self.now()
        waiting = now - attempt.sent_at if attempt is not None and attempt.sent_at else timedelta(0)
        is_polled = check.state is State.PROCESSING or check.reason in POLLED_REASONS
        is_claimed = attempt is not None and attempt.claim_receipt is not None
        return thread.request_message(
            check,
            self._entry(check),
            waiting=waiting if is_polled and waiting >= self.settings.poll_after else None,
            unconfirmed=is_claimed and check.ended_at is not None,
            later=check.due_at if _is_chosen_time(check, now) else None,
            link=capture_links.latest(tx, check.ref) if check.photos_by is PhotosBy.LINK else None,
        )

    def _result(self, tx: Transaction, post: Post, check: Check) -> Message | None:
        facts = self._facts(tx, post, check)
        return results.BY_KIND[post.kind](facts) if facts is not None else None

    def _confirmed(self, tx: Transaction, post: Post, check: Check) -> Message | None:
        """Replaces *not yet confirmed*; whom else we notified is repeated from the message that it changes."""
        parent = parent_of(tx, post)
        if parent is not None and parent.kind is PostKind.APPROVAL_UNCONFIRMED:
            return results.approval_since_confirmed(check)
        facts = self._facts(tx, replace(parent or post, receipt=post.receipt), check)
        return results.result(replace(facts, doubt=None), confirmed=True) if facts is not None else None

    def _failure(self, tx: Transaction, post: Post, check: Check) -> Message:
        by, is_override = post.payload.get("by"), "override" in post.payload
        return results.failure(check, notified=self._notified(tx, post), by=by, is_override=is_override)

    def _review_requested(self, tx: Transaction, post: Post, check: Check) -> Message | None:
        asked = review_requests.find(tx, post.payload["request"])
        return results.review_requested(check, asked, notified=self._notified(tx, post)) if asked else None

    def _facts(self, tx: Transaction, post: Post, check: Check) -> ResultFacts | None:
        receipt = receipts.find(tx, post.receipt) if post.receipt else None
        if receipt is None:
            return None
        return ResultFacts(
            check=check,
            entry=self._entry(check),
            reading=self.read(receipt),
            at=receipt.received_at,
            notified=self._notified(tx, post),
            first=Outcome(post.payload.get("first", Outcome.FAILED.value)),
            doubt=Doubt(post.payload["doubt"]) if "doubt" in post.payload else None,
            earlier=_earlier_decision(tx, post, check),
        )

    def _notified(self, tx: Transaction, post: Post) -> NotifiedParties:
        """Who else was notified: the parent of a post that calls somebody is the notice that went to them."""
        notice = outbox.find(tx, post.parent_id) if post.parent_id else None
        delivered = notice.kind if notice is not None and outbox.delivered(tx, notice.id) else None
        return NotifiedParties(
            reviewers=delivered is PostKind.REVIEW_NOTICE,
            reviewer_mentions=self.access.mentions(Role.REVIEWER),
            admins=delivered is PostKind.ALERT,
        )

    def _link_lost(self, tx: Transaction, post: Post, check: Check) -> Message | None:
        """None once there is another link, or nothing that one would be of use for."""
        link = capture_links.latest(tx, check.ref)
        is_newest = link is not None and post.payload["number"] == str(link.number)
        if check.state is not State.AWAITING_PHOTOS or not is_newest:
            return None
        return capture.not_delivered(check, are_offered=self.settings.offers_links)

    def _links_lost(self, tx: Transaction, post: Post, context: Context) -> Message | None:
        """None once nothing waits for a link, or there are newer ones."""
        found = context.batch
        if found is None or not _is_for_readers(tx, found, post):
            return None
        if not capture_links.of_file(tx, found.id, waiting=True):
            return None
        newest = outbox.link_files(tx, found.id)[-1]
        if newest.id.partition(":")[2] != post.id.partition(":")[2]:
            return None
        return batch_links.lost(found, are_offered=self.settings.offers_links)

    def _entry(self, check: Check) -> IDType | None:
        return self.id_types.find(check.country, check.id_type)


def _of_check(build: _Build) -> FromDatabase:
    def read(tx: Transaction, post: Post, context: Context) -> Message | None:
        check = context.check
        if check is None:
            return None
        # Whatever a post was to say rests on the record, and on what hangs on it.
        message = thread.altered(check) if check.is_altered else build(tx, post, check)
        return private.directly(message, check) if message is not None and _is_moved(post, context) else message

    return FromDatabase(read)


def _alert(_tx: Transaction, post: Post, _context: Context) -> Message:
    return private.alert(post.payload.get("fault", ""), post.payload)


def _question(tx: Transaction, post: Post, check: Check) -> Message | None:
    """None once it has been answered, or another question has taken its place."""
    if check.held is None or check.held != post.payload.get("held"):
        return None
    return held.question(check, _earlier(tx, check), is_reminder="reminder" in post.payload)


def _answered_question(_tx: Transaction, post: Post, check: Check) -> Message:
    by = post.payload.get("by", check.requester)
    return held.answered(check, by=by, how=post.payload.get("how", ""), held=post.payload.get("held", ""))


def _cancelled(_tx: Transaction, post: Post, check: Check) -> Message:
    ending = post.payload.get("ending")
    by = post.payload.get("by", check.requester)
    return thread.cancelled(check, by=by, ending=LinkEnding(ending) if ending else None)


def _photos_asked(_tx: Transaction, post: Post, check: Check) -> Message | None:
    """None once the check was run again: the photos that were meant are not its photos any more."""
    if post.payload.get("round") != str(check.round):
        return None
    return photos.request(check, by=post.payload["by"], is_direct=post.destination[0] in "UW")


def _decided(tx: Transaction, post: Post, check: Check) -> Message | None:
    decided = _decision(tx, post, check)
    if decided is None:
        return None
    return thread.decided(_as_decided(check, post.payload), decided, with_comment=_has_one_reader(post))


def _decision(tx: Transaction, post: Post, check: Check) -> ReviewDecision | None:
    number = post.payload.get("number")
    return reviews.decided(tx, check.ref, int(post.payload.get("round", check.round)), int(number)) if number else None


def _as_decided(check: Check, payload: Mapping[str, str]) -> Check:
    """The check as it was when a reviewer decided; a post of an older version does not know."""
    if "state" not in payload:
        return check
    reason = ReviewReason(payload["reason"]) if payload["reason"] else None
    return replace(check, state=State(payload["state"]), reason=reason)


def _earlier_decision(tx: Transaction, post: Post, check: Check) -> EarlierDecision | None:
    decided = _decision(tx, post, check)
    if decided is None or "agreement" not in post.payload:
        return None
    return EarlierDecision(decided=decided, agreement=Agreement(post.payload["agreement"]))


def _earlier(tx: Transaction, check: Check) -> Sequence[Check]:
    """Checks that a question may name: those of the same channel."""
    found = (checks.find(tx, ref) for ref in check.held_note.get("seen", ()))
    return [earlier for earlier in found if earlier is not None and earlier.channel == check.channel]


def _is_moved(post: Post, context: Context) -> bool:
    """Whether it was redirected to a direct message because its thread or channel is closed to the bot."""
    if post.kind not in UPDATES:
        return post.destination[0] in "UW"
    check, parent = context.check, context.parent
    return check is not None and parent is not None and parent.channel not in (None, check.channel)


def _has_one_reader(post: Post) -> bool:
    """Whether it goes to its requester alone, not to a channel."""
    return post.destination[0] in "UWD"


def _is_chosen_time(check: Check, now: datetime) -> bool:
    if check.due_at is None or check.held is not None or check.tries:
        return False
    return check.due_at - now > SOON


def _batch(tx: Transaction, post: Post, context: Context) -> Message | None:
    found = context.batch
    if found is None or not _is_for_readers(tx, found, post):
        return None
    # Not for each update on the way: a long file would be gone through for each of its rows.
    count = batches.counts if batches.is_under_way(tx, found.id) else batches.counts_examined
    is_in_place = context.parent is not None and context.parent.kind is PostKind.BATCH_LOST
    return (batch.in_place if is_in_place else batch.message)(found, count(tx, found.id))


def _batch_lost(tx: Transaction, post: Post, context: Context) -> Message | None:
    """None if its own message is there after all, released by an operator, say; or if the file has ended otherwise."""
    found = context.batch
    message = f"{PostKind.BATCH.value}:{post.payload['batch']}"
    if found is None or not _is_for_readers(tx, found, post):
        return None
    if post.payload.get("ended") == "fixed":
        # Its message was there, and could not be updated.
        return batch.refused_directly(found)
    if outbox.delivered(tx, message):
        return None
    if found.state is BatchState.REFUSED and not found.was_never_shown:
        # What was to say that it goes on has nothing to say now: one of its own says why it does not.
        return batch.lost(found) if "ended" in post.payload else None
    if found.state in (BatchState.PREVIEW, BatchState.REFUSED):
        return batch.lost(found)
    return batch.in_place(found, batches.counts(tx, found.id)) if not found.has_ended else None


def _is_for_readers(tx: Transaction, batch: Batch, post: Post) -> bool:
    """Whether it goes where the file was sent, or to who sent it: else somebody has written that into the database.

    A file that could not be read, or was read by an older version, has no such list.
    """
    readers = batch.preview.get("readers", [batch.channel, batch.requester])
    if readers == [batch.channel, batch.requester] and post.destination in readers:
        return True
    tx.altered_so_far({batch.id})
    return False


def _approval(tx: Transaction, _post: Post, context: Context) -> Message | None:
    found = context.batch
    if found is None or found.consent_at is None:
        return None
    since, before = found.consent_at - COUNTED_FOR, 0
    if found.state is BatchState.APPROVAL:
        before = batches.unapproved_checks(tx, found.requester, since=since, but=found.id)
    return file_approval.card(found, before=before)


def file_name(post: Post) -> str:
    """Of a file about a file of customers: by this it is found in Slack."""
    name = "faults" if post.kind is PostKind.BATCH_FAULTS else f"results-{post.payload.get('what', '')}"
    return f"{post.payload['batch']}-{name}.csv"


def _file_of_batch(tx: Transaction, post: Post, found: Batch | None, settings: Settings) -> File | None:
    if found is None or found.message_ts is None:
        return None
    if post.kind is PostKind.BATCH_RESULTS:
        return _results_of_batch(tx, post, found, settings)
    if not _is_for_readers(tx, found, post):
        return None
    data, comment = batch.faults_csv(found), batch.faults_comment(found)
    return File(channel=found.channel, thread_ts=found.message_ts, name=file_name(post), data=data, comment=comment)


def _results_of_batch(tx: Transaction, post: Post, found: Batch, settings: Settings) -> File | None:
    theirs = [checks.get(tx, ref) for ref in batches.refs(tx, found.id)]
    # After the whole records: by their heads alone a row may count as approved that the file calls altered.
    counts = batches.counts_examined(tx, found.id)
    is_moved = post.destination[0] in "UW"
    channel, thread_ts = found.channel, found.message_ts
    # Where the checks belong: unlike what the file's own row says, their MACs cover it.
    one = next((check for check in theirs if not check.is_altered), None)
    if is_moved:
        if (one is not None and one.requester != post.destination) or not _is_for_readers(tx, found, post):
            tx.altered_so_far({found.id})
            return None
        channel, thread_ts = post.destination, None
    elif one is not None:
        channel, thread_ts = one.channel, one.thread_ts or thread_ts
    with_references = is_moved or is_direct(channel) or settings.results_with_customer_reference
    return File(
        channel=channel,
        thread_ts=thread_ts,
        name=file_name(post),
        data=batch.results_csv(theirs, with_customer_reference=with_references),
        comment=batch.results_comment(found, counts, still_open=post.payload.get("what") == "open", is_moved=is_moved),
    )
