"""Batches: a file of applicants is read for a preview, and its rows become checks once the requester confirms."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.access.permissions import Permission
from bot.access.process import Process
from bot.access.rights import Right, Role
from bot.capture import link_actions
from bot.domain.applicants import Applicant, PhotoSource, ReadApplicants, read
from bot.domain.applicants.batch import Batch, BatchState
from bot.domain.backoff import retry_in
from bot.domain.check.check import PhotoRef, PhotosBy, Request
from bot.domain.check.references import reference
from bot.domain.check.request import FileInfo, photos_of
from bot.domain.mentions.incoming import IncomingMessage, brings_applicants
from bot.domain.outbox import AdminAlert, encode_fault
from bot.errors import DatabaseFault, FileCode, FileUnusable, PhotoUnusable, Refusal, Refused, SlackError, WrongKey
from bot.intake import batch_commits, file_approvals
from bot.intake.service import free_reference
from bot.outbox import alerts, link_files, refresh
from bot.outbox.look_ups import LookUp, LookUps
from bot.slack.batch_files import BatchFiles
from bot.slack.client import SlackClient
from bot.slack.file_objects import attached_files, uploaders
from bot.submission import lifecycle
from bot.submission.budget import Budget
from storage import audit, batches, checks, leases, trail_check
from storage.audit import BOT
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=30)
"""Longer than the largest file takes to be read."""
MAX_TRIES = 8
KEY_WAITS = tuple(timedelta(minutes=wait) for wait in (1, 10, 60, 360, 480, 480, 480))
"""Between the tries of a file that is sealed with a key which is not configured: 31 hours, so that an operator has a
day to put it back. The first ones are short: another instance may have the key, and take the file up."""
LOOK_EVERY = timedelta(days=1)
"""How often a file that waits is looked for in Slack."""
ANSWERED_WITHIN = timedelta(days=30)
"""A preview that is older is not looked for any more."""
RELEASED_WITHIN = timedelta(days=7)
"""How long an operator may release the preview of a file that could not be posted."""
CHUNK = 10
"""Rows that become checks, or are cancelled, by one function: it runs to its end, and forms wait for it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Batches(Process):
    slack: SlackClient
    bundles: BatchFiles
    look_ups: LookUps

    # What people do

    async def accept(self, incoming: IncomingMessage) -> tuple[str, bool]:
        """Stores a message with a table or a zip; returns the batch's id, and whether it is new."""
        batch_id, is_new = await self.database.write(self._store, incoming, self.now())
        log.info("batch.asked", batch=batch_id, new=is_new)
        return batch_id, is_new

    def _store(self, tx: Transaction, incoming: IncomingMessage, now: datetime) -> tuple[str, bool]:
        known = batches.find_by_message(tx, incoming)
        if known is not None:
            return known, False
        batch_id = reference(self.rng.getrandbits(40), prefix="B")
        while batches.find(tx, batch_id) is not None:
            batch_id = reference(self.rng.getrandbits(40), prefix="B")
        files = [file.id for file in incoming.files if brings_applicants(file)]
        batches.add(tx, batch_id, incoming, files, now=now)
        audit.record(tx, at=now, actor=incoming.user, act="batch.asked", ref=batch_id)
        return batch_id, True

    async def confirm(
        self, user: str, batch_id: str, *, with_repeats: bool = False, with_hidden: bool = False, by_link: bool = False
    ) -> None:
        """The requester says that every customer has agreed; a long file then waits for a second person.

        `by_link`: each of them is asked, and takes the photos, behind a link of their own. Raises Refused.
        """
        batch = await self._known(batch_id)
        if batch.requester != user:
            raise Refused(Refusal.BATCH_NOT_YOURS)
        batch = await self._opened(batch)
        if by_link and not self.settings.offers_links:
            raise Refused(Refusal.LINKS_OFF)
        if by_link and "by_link" not in batch.preview:
            raise Refused(Refusal.BATCH_MOVED_ON)
        if not await self.database.write(
            file_approvals.confirm,
            batch_id,
            by=user,
            with_repeats=with_repeats,
            with_hidden=with_hidden,
            by_link=by_link,
            now=self.now(),
            budget=Budget.of(self),
            rule=self._approval_rule(),
        ):
            raise Refused(Refusal.BATCH_MOVED_ON)

    def _approval_rule(self) -> file_approvals.ApprovalRule | None:
        most = self.settings.batch_approval
        if most is None:
            return None
        people = self.access.people_who_may(Right.APPROVE_FILE)
        return file_approvals.ApprovalRule(most=most, people=people, an_admin=self.access.an_admin())

    async def approve(self, user: str, batch_id: str) -> None:
        """A second person lets a long file be sent. Raises Refused."""
        batch = await self._to_approve(user, batch_id)
        left = Refused(Refusal.APPROVAL_ASKER_LEFT, person=batch.requester)
        (await self.access.may(batch.requester, Right.START)).require(left)
        if batch.is_by_link and not self.settings.offers_links:
            raise Refused(Refusal.APPROVAL_LINKS_OFF, admin=self.access.an_admin())
        await self.database.write(file_approvals.approve, batch_id, by=user, now=self.now(), budget=Budget.of(self))
        log.info("batch.approved", batch=batch_id)

    async def reject(self, user: str, batch_id: str) -> None:
        """A second person refuses a long file. Raises Refused."""
        await self._to_approve(user, batch_id)
        await self.database.write(file_approvals.reject, batch_id, by=user, now=self.now())
        log.info("batch.rejected", batch=batch_id)

    async def _to_approve(self, user: str, batch_id: str) -> Batch:
        no_right = Refused(Refusal.APPROVAL_NOT_YOURS, admin=self.access.an_admin())
        (await self.access.may(user, Right.APPROVE_FILE)).require(no_right)
        batch = await self._opened(await self._known(batch_id))
        if user in file_approvals.suppliers(batch):
            raise Refused(Refusal.APPROVAL_OWN)
        return batch

    async def pause(self, user: str, batch_id: str) -> None:
        if (await self._opened(await self._visible(user, batch_id))).is_by_link:
            # Its customers are under way: what they hand in goes to Smile ID at once, and nothing is there to be held.
            raise Refused(Refusal.BATCH_MOVED_ON)
        await self._move(user, batch_id, BatchState.PAUSED, of=[BatchState.SENDING])

    async def resume(self, user: str, batch_id: str) -> None:
        """Sends the others, which count for the day on which they go on."""
        batch = await self._visible(user, batch_id)
        budget = Budget.of(self)

        def commit(tx: Transaction, now: datetime) -> bool:
            if not batch_commits.move(tx, batch_id, BatchState.SENDING, of=[BatchState.PAUSED], by=user, now=now):
                return False
            budget.resume(tx, batch_id, person=batch.requester, now=now)
            tx.wake(checks.SUBMISSION)
            return True

        if not await self.database.write(commit, self.now()):
            raise Refused(Refusal.BATCH_MOVED_ON)

    async def cancel(self, user: str, batch_id: str) -> None:
        """Cancels what was not sent yet. Rows are cancelled in chunks, and `tick` resumes after a restart."""
        of = [BatchState.PREVIEW, BatchState.CONFIRMED, BatchState.SENDING, BatchState.PAUSED]
        await self._move(user, batch_id, BatchState.CANCELLED, of=of)
        await self.cancel_rows(batch_id, by=user)

    async def cancel_rows(self, batch_id: str, *, by: str = BOT) -> None:
        now = self.now()

        def cancel_some(tx: Transaction) -> int:
            refs = batches.unsent(tx, batch_id, limit=CHUNK)
            for ref in refs:
                lifecycle.cancel(tx, ref, by=by, now=now, tell=False)
            return len(refs)

        while await self.database.write(cancel_some):
            pass

    async def tick(self) -> None:
        """Cancels the remaining rows of files that were given up, after a restart; ends unanswered requests."""
        for batch_id in await self.database.write(file_approvals.expire, now=self.now()):
            log.info("batch.not_approved", batch=batch_id)
        for batch_id in await self.database.read(batches.half_given_up):
            await self.cancel_rows(batch_id)

    async def look_at_messages(self) -> None:
        """Files that wait for somebody: each day their messages are updated, so that one which was deleted is missed.

        Those that nobody was ever shown come to their end.

        Its buttons are the only way on, Slack does not tell of a deletion, and while a file waits nothing else would
        update it. A preview that nobody has answered for long is left: whoever misses it sends the file again.
        """
        now = self.now()
        asked_after, since = now - ANSWERED_WITHIN, now - LOOK_EVERY
        for batch_id in await self.database.read(batches.untouched, asked_after=asked_after, since=since, now=now):
            await self.database.write(refresh.look_at_file, batch_id, now=now)
        for batch_id in await self.database.write(batch_commits.end_unshown, before=now - RELEASED_WITHIN, now=now):
            log.info("batch.refused", batch=batch_id, error=FileCode.NOT_SHOWN.value)

    async def _move(self, user: str, batch_id: str, target: BatchState, *, of: Sequence[BatchState]) -> None:
        await self._visible(user, batch_id)
        if not await self.database.write(batch_commits.move, batch_id, target, of=of, by=user, now=self.now()):
            raise Refused(Refusal.BATCH_MOVED_ON)

    async def _visible(self, user: str, batch_id: str) -> Batch:
        """A file that this person may pause, resume and cancel. Raises Refused."""
        batch = await self._known(batch_id)
        await self.access.require_to_see(user, batch.requester, Refused(Refusal.BATCH_NOT_YOURS))
        return batch

    async def _known(self, batch_id: str) -> Batch:
        """Without its preview, which may not open: to cancel a file nothing of it is needed."""
        batch = await self.database.read(batches.find, batch_id, sealed=False)
        if batch is None:
            raise Refused(Refusal.BATCH_MOVED_ON)
        return batch

    async def _opened(self, batch: Batch) -> Batch:
        """With its preview. Raises Refused where that does not open; if it was altered, a file that waits has ended."""
        try:
            return await self.database.read(batch_commits.opened, batch.id)
        except FileUnusable as unusable:
            log.info("batch.refused", batch=batch.id, error=unusable.code.value)
            if batch.state in (BatchState.PREVIEW, BatchState.APPROVAL):
                await self._refuse(batch, encode_fault(unusable.code, unusable.facts))
            raise Refused(Refusal.BATCH_ALTERED) from unusable
        except WrongKey as fault:
            await self._tell_key(batch, fault)
            raise Refused(Refusal.BATCH_SEALED) from fault

    async def _tell_key(self, batch: Batch, fault: WrongKey) -> None:
        """Admins, once: an operator may have left a key out of a setting, and puts it back."""
        log.warning("batch.key_unknown", batch=batch.id, error=str(fault))
        kind, admins = f"file_key:{batch.id}", self.access.people(Role.ADMIN)
        await self.database.write(
            alerts.alert_once, kind, AdminAlert.KEY_OF_FILE, recipients=admins, now=self.now(), batch=batch.id
        )

    # What the bot does by itself

    async def claim(self, limit: int) -> list[str]:
        if not await self.access.is_settled():
            return []
        now = self.now()
        return await self.database.write(batches.claim_due, now=now, until=now + LEASE, limit=limit)

    async def give_up(self, batch_ids: Sequence[str]) -> None:
        await self.database.write(leases.give_up, "batches", "id", batch_ids, now=self.now())

    async def work(self, batch_id: str) -> None:
        """Reads a batch, or makes checks of it. Retries with backoff, a bounded number of times."""
        batch = await self.database.read(batches.get, batch_id, sealed=False)
        try:
            batch = await self.database.read(batch_commits.opened, batch_id)
            if batch.state is BatchState.READING:
                await self._preview(batch)
            elif batch.state is BatchState.CONFIRMED:
                await self._start(batch)
        except (FileUnusable, PhotoUnusable) as unusable:
            log.info("batch.refused", batch=batch_id, error=unusable.code.value)
            await self._refuse(batch, encode_fault(unusable.code, unusable.facts))
        except SlackError as fault:
            log.warning("batch.try_failed", batch=batch_id, error=str(fault))
            await self._retry(batch, gives_up_as=FileCode.SLACK_AWAY)
        except WrongKey as fault:
            # Left to the pool as others of the database, it would be tried each few seconds, for ever.
            await self._tell_key(batch, fault)
            wait = KEY_WAITS[min(batch.tries, len(KEY_WAITS) - 1)]
            await self._retry(batch, gives_up_as=FileCode.FAULT, wait=wait)
        except DatabaseFault:
            raise
        except Exception:
            # A fault of ours: left to the pool, the file would be tried for ever, and its sender hear nothing.
            log.exception("batch.fault", batch=batch_id)
            await self._retry(batch, gives_up_as=FileCode.FAULT, alert=AdminAlert.FAULT_IN_FILE)

    async def _retry(
        self, batch: Batch, *, gives_up_as: FileCode, alert: AdminAlert | None = None, wait: timedelta | None = None
    ) -> None:
        """Later, after `wait` or the usual backoff; `alert` is for admins, once the file is given up."""
        tries = batch.tries + 1
        if tries >= MAX_TRIES:
            await self._refuse(batch, encode_fault(gives_up_as, {}), alert=alert)
            return
        wait = wait or retry_in(tries, jitter=self.rng.random())
        await self.database.write(batches.reschedule, batch.id, of=batch.state, at=self.now() + wait)

    async def _refuse(self, batch: Batch, fault: str, *, alert: AdminAlert | None = None) -> None:
        """If it is still where the attempt found it: whoever has lost the lease refuses nothing of another worker's."""
        now, admins = self.now(), self.access.people(Role.ADMIN)

        def commit(tx: Transaction) -> bool:
            is_refused = batch_commits.refuse(tx, batch.id, fault, of=batch.state, now=now)
            if is_refused and alert is not None:
                alerts.alert(tx, "file_fault", alert, recipients=admins, now=now, ref=batch.id)
            return is_refused

        if await self.database.write(commit):
            await self.cancel_rows(batch.id)

    async def _read(self, batch: Batch) -> tuple[ReadApplicants, frozenset[str]]:
        """What is in the files now, and who uploaded them."""
        message = await self.slack.message(channel=batch.channel, ts=batch.source_ts, thread_ts=batch.source_thread_ts)
        if message is None:
            raise FileUnusable(FileCode.MESSAGE_GONE)
        found = await self.slack.describe(attached_files(message))
        loose = [file for file in found if not brings_applicants(file)]
        async with self.bundles.open(batch.files) as (files, _bundle):
            reading = await asyncio.to_thread(
                read, files, loose, id_types=self.id_types, today=self.today(), limits=self.bundles.limits
            )
            # Slack names who uploaded a file with the file itself; a message may hold no more than its id.
            suppliers = {*uploaders(message), *(file.supplied_by for file in files)} - {""}
        return reading, frozenset(suppliers)

    async def _preview(self, batch: Batch) -> None:
        reading, suppliers = await self._read(batch)
        now = self.now()
        earlier = await self._earlier(batch, now) if self.settings.seen_before else None
        preview = await self.database.read(
            batch_commits.preview_of, reading, self.id_types, self.settings, earlier=earlier
        )
        preview["suppliers"] = sorted(suppliers)
        # Sealed with it: who may read what is in the file. No MAC covers the file's own row.
        preview["readers"] = [batch.channel, batch.requester]
        total = sum(not one.hidden for one in reading.applicants)
        await self.database.write(batch_commits.show_preview, batch.id, preview, total=total, now=now)
        log.info("batch.read", batch=batch.id, rows=total)

    async def _earlier(self, batch: Batch, now: datetime) -> batch_commits.EarlierChecks:
        sees_all = await self.access.may(batch.requester, Right.SEE_WHOLE) is Permission.YES
        if sees_all:
            try:
                await self.look_ups.require(batch.requester, LookUp.SEEN_BEFORE)
            except Refused as no:
                raise FileUnusable(FileCode.LOOKED_UP_TOO_OFTEN) from no
        return batch_commits.EarlierChecks(
            since=now - self.settings.seen_before, requester=None if sees_all else batch.requester
        )

    async def _start(self, batch: Batch) -> None:
        """Makes checks of the rows, in chunks; after a restart it resumes where it was."""
        self._require_links(batch)
        await self._require_confirmed(batch)
        # Of the table too, which a row with loose photos never opens again.
        reading, suppliers = await self._read(batch)
        if batch_commits.digest(reading) != batch.preview["digest"]:
            raise FileUnusable(FileCode.CHANGED)
        # A file that an older version has read is compared by how many they are.
        if batch.preview.get("sendable") not in (None, batch_commits.sendable(reading)):
            raise FileUnusable(FileCode.OTHER_ROWS)
        ready = _chosen(batch, reading)
        if len(ready) != batch.chosen:
            raise FileUnusable(FileCode.OTHER_ROWS)
        for start in range(0, len(ready), CHUNK):
            await self.database.write(self._insert, batch, ready[start : start + CHUNK], sorted(suppliers), self.now())

        def send(tx: Transaction) -> None:
            # Does nothing where the requester cancelled the batch meanwhile.
            now = self.now()
            is_sending = batch_commits.move(
                tx, batch.id, BatchState.SENDING, of=[BatchState.CONFIRMED], by=BOT, now=now
            )
            if is_sending and batch.is_by_link:
                link_files.made(tx, batch.id, by=batch.requester, now=now)
            tx.wake(checks.SUBMISSION)

        await self.database.write(send)
        log.info("batch.started", batch=batch.id, rows=len(ready))

    def _require_links(self, batch: Batch) -> None:
        """Raises FileUnusable: its rows would wait for photos behind links that nobody ever gets."""
        if batch.is_by_link and not self.settings.offers_links:
            raise FileUnusable(FileCode.LINKS_OFF)

    async def _require_confirmed(self, batch: Batch) -> None:
        await self.database.write(batch_commits.begin, batch.id, now=self.now())
        own = await self.database.read_long(trail_check.before_lines_of, batch.id)
        while not own.is_over:
            # Many lines may have been added since the file came. Each page by itself, so that other long reads go on.
            own = await self.database.read_long(trail_check.compare_lines_of, own)
        await self.database.read(batch_commits.require_confirmed, batch, own)

    def _insert(
        self, tx: Transaction, batch: Batch, applicants: Sequence[Applicant], suppliers: Sequence[str], now: datetime
    ) -> None:
        if batches.get(tx, batch.id, sealed=False).state is not BatchState.CONFIRMED:
            # The requester cancelled it between two chunks.
            return
        rows = [one.row for one in applicants]
        known = batches.rows_known(tx, batch.id, first=min(rows), last=max(rows))
        for applicant in (one for one in applicants if one.row not in known):
            ref = free_reference(tx, self.rng)
            lifecycle.accept(tx, _request(batch, applicant), ref=ref, now=now, budget=None)
            for person in sorted(set(suppliers) - {batch.requester}):
                checks.also_asked_by(tx, ref, person)
            if batch.is_by_link:
                hours = self.settings.link_hours
                link_actions.make(tx, ref, by=batch.requester, hours=hours, rng=self.rng, now=now, in_file=True)


def _chosen(batch: Batch, reading: ReadApplicants) -> list[Applicant]:
    """The rows that can be sent, as the requester chose them."""
    repeats = [*batch.preview["repeats"], *batch.preview.get("hidden", {}).get("repeats", ())]
    left_out = set() if batch.with_repeats else {int(row) for row, _why in repeats}
    if batch.is_by_link:
        rows = [one for one in reading.applicants if one.lacks_photos_alone and not one.hidden]
        return [one for one in rows if one.row not in left_out]
    return [
        one
        for one in reading.applicants
        if not one.faults and one.row not in left_out and (batch.with_hidden or not one.hidden)
    ]


def _request(batch: Batch, applicant: Applicant) -> Request:
    assert batch.consent_at is not None
    photos: tuple[PhotoRef, ...] = ()
    if not batch.is_by_link:
        assert applicant.selfie is not None
        photos = photos_of([_file(applicant.selfie)], map(_file, applicant.liveness))
    return Request(
        requester=batch.requester,
        team=batch.team,
        channel=batch.channel,
        thread_ts=batch.message_ts,
        view_id=f"{batch.id}:{applicant.row}",
        country=applicant.country,
        id_type=applicant.id_type,
        id_info=applicant.texts,
        customer_reference=applicant.customer_reference,
        photos=photos,
        photos_by=PhotosBy.LINK if batch.is_by_link else PhotosBy.ATTACHED,
        consent_at=batch.consent_at,
        again=batch.with_repeats,
        batch=batch.id,
        batch_row=applicant.row,
    )


def _file(source: PhotoSource) -> FileInfo:
    return FileInfo(id=source.file_id, inside=source.inside)


def applicants_in(files: Sequence[FileInfo]) -> bool:
    return any(map(brings_applicants, files))
