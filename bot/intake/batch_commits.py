"""The preview of a batch and its transitions, each a plain function inside a transaction of the caller.

So a transition, its line in the audit trail and its posts are committed together. `bot.outbox.refresh` ends a batch
with its last row, since every transition of a row may be the last.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.applicants import Applicant, ReadApplicants
from bot.domain.applicants.batch import CHECKED_BEFORE, Batch, BatchState
from bot.domain.check.check import CONSENT_NOTICE
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import Post, PostKind, decode_fault, encode_fault
from bot.errors import FileCode, FileUnusable, SealBroken, WrongKey
from bot.outbox import refresh
from bot.outbox.builders import Follower
from bot.settings import Settings
from bot.submission.budget import Budget
from bot.submission.preflight import is_test_number
from storage import audit, batches, checks, outbox, preflight_holds, spending
from storage.engine.database import Transaction, to_text
from storage.trail_check import OwnLines

_NAMED_ROWS = 9
"""Of hidden ones, of which a workbook may have a million; one more than a preview names shows that there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierChecks:
    """Which checks count as earlier ones for who sent the file: never one that they may not see."""

    since: datetime
    requester: str | None
    """Whose; None: everybody's."""


def preview_of(
    tx: Transaction, reading: ReadApplicants, id_types: IDTypes, settings: Settings, *, earlier: EarlierChecks | None
) -> dict[str, Any]:
    """Faults and repeats by row. `earlier` None: no check counts as an earlier one."""
    # A table that comes without any photo is meant for links, where they are offered: nothing is wrong with its rows.
    is_for_links = settings.offers_links and reading.has_no_photos
    repeats: dict[bool, list[list[Any]]] = {False: [], True: []}
    for one in reading.applicants:
        if one.repeats is not None:
            repeats[one.hidden].append([one.row, f"the same person as row {one.repeats}"])
        elif earlier is not None and _checked_before(tx, one, id_types, settings, earlier):
            repeats[one.hidden].append([one.row, CHECKED_BEFORE])
    return {
        "table": reading.table,
        "sheet": reading.sheet,
        "above": list(reading.unseen.above),
        "hidden": _hidden(reading, repeats[True]),
        "faults": [
            [found.row, found.column, encode_fault(found.fault.code, found.fault.facts)]
            for one in reading.applicants
            for found in one.faults
            if not one.hidden and not (is_for_links and found.about_photos)
        ],
        "repeats": repeats[False],
        "ignored": list(reading.ignored_columns.values()),
        "ignored_at": [place + 1 for place in reading.ignored_columns],
        "unused": reading.unused_photos,
        "digest": digest(reading),
        "sendable": sendable(reading),
        "kinds": _kinds(one for one in reading.applicants if not one.faults and not one.hidden),
        **({"by_link": _by_link(reading, repeats[False])} if settings.offers_links else {}),
        **({"for_links": True} if is_for_links else {}),
    }


def _kinds(applicants: Iterable[Applicant]) -> list[list[Any]]:
    """How many there are of each country and ID type, the most frequent first."""
    found = Counter((one.country, one.id_type) for one in applicants)
    return [[*kind, count] for kind, count in found.most_common()]


def _by_link(reading: ReadApplicants, repeats: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """What could be sent with photos by link: rows with whose photos alone something is wrong, if anything is."""
    could = [one for one in reading.applicants if not one.hidden and one.lacks_photos_alone]
    repeated = len({row for row, _why in repeats} & {one.row for one in could})
    return {"ready": len(could) - repeated, "repeats": repeated, "kinds": _kinds(could)}


def _hidden(reading: ReadApplicants, repeats: list[list[Any]]) -> dict[str, Any]:
    faultless = {one.row for one in reading.applicants if one.hidden and not one.faults}
    repeats = [[row, why] for row, why in repeats if row in faultless]
    return {
        "sheets": list(reading.unseen.sheets),
        "columns": list(reading.unseen.columns.values()),
        "columns_at": [place + 1 for place in reading.unseen.columns],
        "rows": list(reading.hidden_rows[:_NAMED_ROWS]),
        "row_count": len(reading.hidden_rows),
        "ready": len(faultless) - len(repeats),
        "repeats": repeats,
    }


def _checked_before(
    tx: Transaction, one: Applicant, id_types: IDTypes, settings: Settings, earlier: EarlierChecks
) -> bool:
    number = one.texts.get("id_number", "")
    if is_test_number(id_types.find(one.country, one.id_type), number, settings):
        number = ""
    prints = checks.prints_of(tx, one.country, number, one.customer_reference)
    return bool(preflight_holds.earlier(tx, prints, since=earlier.since, but=None, requester=earlier.requester))


def digest(reading: ReadApplicants) -> str:
    """Changes when the files no longer say what was confirmed. Kept sealed: an ID number can be guessed from a hash."""
    rows = [
        [
            *(one.row, one.country, one.id_type, dict(one.texts), one.customer_reference),
            *(str(one.selfie), str(one.liveness), *(["hidden"] if one.hidden else [])),
        ]
        for one in reading.applicants
    ]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def sendable(reading: ReadApplicants) -> str:
    """Changes when other rows can be sent: that also depends on Smile ID's ID types, and on settings."""
    rows = [[one.row, bool(one.faults), one.lacks_photos_alone] for one in reading.applicants]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def show_preview(tx: Transaction, batch_id: str, preview: Mapping[str, Any], *, total: int, now: datetime) -> None:
    """The file was read: its content is posted in the channel, for the requester to confirm."""
    faulty = {row for row, _column, _fault in preview["faults"]}
    repeats = len({row for row, _why in preview["repeats"]} - faulty)
    ready = total - len(faulty) - repeats
    if preview.get("for_links"):
        ready = repeats = 0
    batches.keep_preview(tx, batch_id, preview, total=total, ready=ready, repeats=repeats)
    audit.record(tx, at=now, actor=audit.BOT, act="batch.read", ref=batch_id, detail=str(total))
    channel = _open(tx, batch_id, now=now)
    if preview["faults"]:
        payload = {"batch": batch_id, "what": "faults"}
        key = f"{batch_id}:faults"
        outbox.enqueue(tx, PostKind.BATCH_FAULTS, key=key, destination=channel, payload=payload, now=now)


def followers() -> Mapping[PostKind, Follower]:
    return {
        PostKind.BATCH: _after_message,
        PostKind.BATCH_PROGRESS: _after_update,
        PostKind.BATCH_FAULTS: _after_file,
        PostKind.BATCH_RESULTS: _after_results,
    }


def _after_message(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    """Where it could not be posted, or not anew, nobody but admins would hear that the file waits for somebody."""
    if not delivered:
        _tell_lost(tx, post.payload["batch"], gone=post.payload.get("gone"), now=now)


def _after_update(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    """A refused file has no results that would be sent directly: nobody would hear that it has ended."""
    if delivered:
        return
    batch = batches.get(tx, post.payload["batch"], sealed=False)
    # Once its message has said it, that may be deleted: an update for its rows, when they are erased, say, is no news.
    if batch.state is BatchState.REFUSED and not batches.end_was_shown(tx, batch.id):
        _tell_end(tx, batch, "fixed", now=now)


def _tell_lost(tx: Transaction, batch_id: str, *, gone: str | None = None, now: datetime) -> None:
    batch = batches.get(tx, batch_id, sealed=False)
    if batch.state is BatchState.REFUSED and not batch.was_never_shown:
        _tell_end(tx, batch, "gone", now=now)
        return
    # Its preview may have been lost, too, and been released by an operator: what was told then is no news of this.
    is_of_preview = batch.state is BatchState.PREVIEW or batch.was_never_shown
    key = f"{batch_id}:{gone}" if gone and not is_of_preview else batch_id
    payload = {"batch": batch_id}
    outbox.enqueue(tx, PostKind.BATCH_LOST, key=key, destination=batch.requester, payload=payload, now=now)


def _tell_end(tx: Transaction, batch: Batch, message: str, *, now: datetime) -> None:
    """That it was refused, once, however that is missed; its `message` is `gone`, or `fixed`: it takes no update."""
    # Not the key of what is told of a preview that was lost: an operator may have released that one since.
    key, payload = f"{batch.id}:ended", {"batch": batch.id, "ended": message}
    outbox.enqueue(tx, PostKind.BATCH_LOST, key=key, destination=batch.requester, payload=payload, now=now)


def end_unshown(tx: Transaction, *, before: datetime, now: datetime) -> list[str]:
    """Refuses the files whose preview was given up before then, and tells who sent them; returns their ids.

    Until then an operator may release the preview, once its channel is open again, say.
    """
    lost = batches.unshown(tx, before=before)
    for batch_id in lost:
        refuse(tx, batch_id, encode_fault(FileCode.NOT_SHOWN, {}), of=BatchState.PREVIEW, now=now)
    return lost


def _after_results(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    """What cannot be posted where the file was sent goes to who sent it: its rows have no message of their own."""
    requester = batches.get(tx, post.payload["batch"], sealed=False).requester
    if not delivered and post.destination != requester:
        key = f"{post.id.partition(':')[2]}:directly"
        outbox.enqueue(tx, post.kind, key=key, destination=requester, payload=post.payload, now=now)
    _after_file(tx, post, delivered, now)


def _after_file(tx: Transaction, post: Post, delivered: bool, now: datetime) -> None:
    """A file of many customers' results has left."""
    if delivered:
        audit.record(
            tx, at=now, actor=audit.BOT, act="batch.file_posted", ref=post.payload["batch"], detail=post.kind.value
        )


def opened(tx: Transaction, batch_id: str) -> Batch:
    """With its preview.

    Raises FileUnusable where somebody has altered that: it would be taken up again for ever. Raises WrongKey where it
    is sealed with a key that is not configured, which an operator may put back.
    """
    try:
        return batches.get(tx, batch_id)
    except SealBroken as fault:
        tx.altered_so_far({batch_id})
        raise FileUnusable(FileCode.ALTERED) from fault


def begin(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """It is about to become checks; again after a restart, or once Slack is back.

    This line is chained to the end of the trail that this process remembers. An earlier trail that somebody has put
    back with its own head is seen thereby, at the latest.
    """
    audit.record(tx, at=now, actor=audit.BOT, act="batch.begun", ref=batch_id)


def require_confirmed(tx: Transaction, batch: Batch, own: OwnLines) -> None:
    """Raises FileUnusable where the audit trail does not say who has sent, confirmed and approved the file, and when.

    Whoever writes the database could let a file be sent by its row alone, with a consent that nobody gave: no MAC
    covers it before its rows are checks. A line of the trail cannot be put in or taken out unnoticed
    (`storage.engine.chain`); that is asked here, since the file would be sent before anybody heard of it. `own` is what
    was compared: an index may lead to the lines of another file, or past those of this one.
    """
    lines = own.lines
    said = {(line.act, line.actor, line.at) for line in lines}
    confirmed_at = to_text(batch.consent_at) if batch.consent_at else None
    # Its checks belong to its requester, who sees them whole.
    was_asked = any(line.act == "batch.asked" and line.actor == batch.requester for line in lines)
    is_confirmed = (_confirmed_as(batch.is_by_link), batch.consent_by, confirmed_at) in said
    needed_approval = any(line.act == "batch.approval_asked" for line in lines)
    is_approved = any(line.act == "batch.approved" and line.actor == batch.approved_by for line in lines)
    # What was cancelled was confirmed before.
    was_moved = any(line.act == "batch.moved" for line in lines)
    is_told = was_asked and is_confirmed and (is_approved or not needed_approval) and not was_moved
    if not is_told or not own.hold:
        tx.altered_so_far({batch.id})
        raise FileUnusable(FileCode.ALTERED)


def refuse(tx: Transaction, batch_id: str, fault: str, *, of: BatchState, now: datetime) -> bool:
    """The file cannot be used; `fault` as `encode_fault` writes it. False when it has left the state `of` meanwhile.

    After a restart some of its rows may be checks already: none of them was sent, and they are to be cancelled.
    """
    found = decode_fault(fault)
    code = json.dumps({"code": found[0]}) if found is not None else ""
    is_refused = batches.refuse(tx, batch_id, code, fault, of=of, now=now)
    if is_refused:
        audit.record(tx, at=now, actor=audit.BOT, act="batch.refused", ref=batch_id, detail=found[0] if found else "")
        spending.keep_of_file(tx, batch_id, checks=batches.counts(tx, batch_id).total)
        if of is BatchState.APPROVAL:
            refresh.approval_changed(tx, batch_id, now=now)
        tell_refused(tx, batch_id, now=now)
    _open(tx, batch_id, now=now)
    return is_refused


def tell_refused(tx: Transaction, batch_id: str, *, now: datetime) -> None:
    """To who sent it, directly, if its message was given up: no update and no later post would say it."""
    if outbox.given_up(tx, f"{PostKind.BATCH.value}:{batch_id}"):
        _tell_lost(tx, batch_id, now=now)


def _open(tx: Transaction, batch_id: str, *, now: datetime) -> str:
    channel = batches.get(tx, batch_id, sealed=False).channel
    outbox.enqueue(tx, PostKind.BATCH, key=batch_id, destination=channel, payload={"batch": batch_id}, now=now)
    refresh.batch_changed(tx, batch_id, now=now)
    return channel


def move(
    tx: Transaction, batch_id: str, target: BatchState, *, of: Sequence[BatchState], by: str, now: datetime
) -> bool:
    """False when the batch has left the states `of` meanwhile: another click, or the worker, was first."""
    if not batches.move(tx, batch_id, target, of=of, now=now):
        return False
    audit.record(tx, at=now, actor=by, act="batch.moved", ref=batch_id, detail=target.value)
    if target is BatchState.CANCELLED:
        # Rows that are checks are given back one by one, as far as they can be cancelled.
        spending.keep_of_file(tx, batch_id, checks=batches.counts(tx, batch_id).total)
        _forget_unopened(tx, batch_id)
        refresh.approval_changed(tx, batch_id, now=now)
    refresh.batch_changed(tx, batch_id, now=now)
    return True


def _forget_unopened(tx: Transaction, batch_id: str) -> None:
    """A preview that does not open would keep the message of a cancelled file from saying so."""
    try:
        batches.get(tx, batch_id)
    except SealBroken:
        tx.altered_so_far({batch_id})
        batches.forget_preview(tx, batch_id)
    except WrongKey:
        batches.forget_preview(tx, batch_id)


def _confirmed_as(by_link: bool) -> str:
    return "batch.links_chosen" if by_link else "batch.consent_confirmed"


def record_confirmed(tx: Transaction, batch_id: str, *, by: str, by_link: bool, now: datetime) -> None:
    detail = "" if by_link else CONSENT_NOTICE
    audit.record(tx, at=now, actor=by, act=_confirmed_as(by_link), ref=batch_id, detail=detail)


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
) -> bool:
    """The requester says that every customer of the file has agreed, or has them asked by link. False if too late.

    Raises Refused where the day has no room for all of its rows: a file begins whole, or not yet.
    """
    if not batches.confirm(
        tx, batch_id, by=by, with_repeats=with_repeats, with_hidden=with_hidden, by_link=by_link, now=now
    ):
        return False
    budget.take_file(tx, batch_id, person=by, checks=batches.get(tx, batch_id).chosen, now=now)
    record_confirmed(tx, batch_id, by=by, by_link=by_link, now=now)
    refresh.batch_changed(tx, batch_id, now=now)
    return True
