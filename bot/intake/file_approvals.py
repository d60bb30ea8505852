"""A second person for long files (`KYC_BATCH_APPROVAL`): each step a plain function in a transaction of the caller."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.domain.applicants.batch import COUNTED_FOR, Batch, BatchState, sent_by_link
from bot.domain.outbox import PostKind, encode_fault
from bot.errors import FileCode, Refusal, Refused
from bot.intake import batch_commits
from bot.outbox import refresh
from bot.submission.budget import Budget
from storage import audit, batches, outbox
from storage.audit import BOT
from storage.engine.database import Transaction

WAITS_FOR = timedelta(days=7)
"""How long a file waits for a second person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """From how many checks on a file needs a second person, and who that could be."""

    most: int
    people: Collection[str]
    an_admin: str | None


def suppliers(batch: Batch) -> frozenset[str]:
    """Who sent the file, and who uploaded a part of it: none of them approves it."""
    return frozenset({batch.requester, *batch.preview.get("suppliers", ())})


def confirm(
    tx: Transaction,
    batch_id: str,
    *,
    by: str,
    with_repeats: bool,
    with_hidden: bool,
    by_link: bool = False,
    now: datetime,
    budget: Budget,
    rule: ApprovalRule | None,
) -> bool:
    """The requester says that every customer of the file has agreed, or has them asked by link. False if too late.

    It begins, or a second person is asked: counted in the transaction that begins it, so that two files which are
    confirmed at once cannot miss each other. Raises Refused where the day has no room, or nobody could be asked.
    """
    chosen: dict[str, Any] = {
        "by": by,
        "with_repeats": with_repeats,
        "with_hidden": with_hidden,
        "by_link": by_link,
        "now": now,
    }
    if rule is None:
        return batch_commits.confirm(tx, batch_id, budget=budget, **chosen)
    batch = replace(batches.get(tx, batch_id), with_repeats=with_repeats, with_hidden=with_hidden)
    if by_link:
        batch = replace(batch, preview=sent_by_link(batch.preview))
    before = batches.unapproved_checks(tx, by, since=now - COUNTED_FOR, but=batch_id)
    if before + batch.chosen <= rule.most:
        return batch_commits.confirm(tx, batch_id, budget=budget, **chosen)
    budget.require_possible(batch.chosen)
    approvers = sorted(set(rule.people) - suppliers(batch))
    if not approvers:
        left = max(0, rule.most - before)
        raise Refused(Refusal.APPROVAL_BY_NOBODY, most=rule.most, left=left, admin=rule.an_admin)
    return _ask(tx, batch_id, approvers=approvers, **chosen)


def _ask(
    tx: Transaction,
    batch_id: str,
    *,
    by: str,
    approvers: Sequence[str],
    with_repeats: bool,
    with_hidden: bool,
    by_link: bool = False,
    now: datetime,
) -> bool:
    """A second person is asked. False if a click was first."""
    if not batches.await_approval(
        tx,
        batch_id,
        by=by,
        with_repeats=with_repeats,
        with_hidden=with_hidden,
        by_link=by_link,
        now=now,
        until=now + WAITS_FOR,
    ):
        return False
    batch_commits.record_confirmed(tx, batch_id, by=by, by_link=by_link, now=now)
    audit.record(tx, at=now, actor=by, act="batch.approval_asked", ref=batch_id)
    for person in approvers:
        key, payload = f"{batch_id}:{person}", {"batch": batch_id}
        outbox.enqueue(tx, PostKind.BATCH_APPROVAL, key=key, destination=person, payload=payload, now=now)
    refresh.batch_changed(tx, batch_id, now=now)
    return True


def approve(tx: Transaction, batch_id: str, *, by: str, now: datetime, budget: Budget) -> None:
    """Its rows become checks of whoever sent it. Raises Refused where the day has no room, or somebody was first."""
    if not batches.approve(tx, batch_id, by=by, now=now):
        raise Refused(Refusal.APPROVAL_OVER)
    batch = batches.get(tx, batch_id)
    budget.take_file(tx, batch_id, person=batch.requester, checks=batch.chosen, now=now)
    audit.record(tx, at=now, actor=by, act="batch.approved", ref=batch_id)
    _changed(tx, batch_id, now=now)


def reject(tx: Transaction, batch_id: str, *, by: str, now: datetime) -> None:
    """Nothing of it is sent. Raises Refused where somebody was first."""
    _end(tx, batch_id, encode_fault(FileCode.REJECTED, {}), now=now)
    audit.record(tx, at=now, actor=by, act="batch.rejected", ref=batch_id)


def expire(tx: Transaction, *, now: datetime) -> list[str]:
    """Ends the files that nobody has approved in time; returns their ids."""
    late = batches.unapproved(tx, now=now, asked_before=now - WAITS_FOR)
    for batch_id in late:
        _end(tx, batch_id, encode_fault(FileCode.NOT_APPROVED, {"days": WAITS_FOR.days}), now=now)
        audit.record(tx, at=now, actor=BOT, act="batch.approval_expired", ref=batch_id)
    return late


def _end(tx: Transaction, batch_id: str, fault: str, *, now: datetime) -> None:
    # Not its preview: one that does not open would keep all others from their end.
    if batches.get(tx, batch_id, sealed=False).state is not BatchState.APPROVAL:
        raise Refused(Refusal.APPROVAL_OVER)
    batches.refuse(tx, batch_id, fault, fault, of=BatchState.APPROVAL, now=now)
    batch_commits.tell_refused(tx, batch_id, now=now)
    _changed(tx, batch_id, now=now)


def _changed(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    refresh.batch_changed(tx, batch_id, now=now)
    refresh.approval_changed(tx, batch_id, now=now)
