"""Checks (table `verifications`), their photos, and the guarded moves between states."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from bot.domain.check.check import CONSENT_NOTICE, CUSTOMER, Check, PhotoKind, PhotoRef, PhotosBy, Request
from bot.domain.check.masking import same_number, same_reference
from bot.domain.check.states import FINAL, ReviewReason, State, check_move
from bot.domain.results.assurance import Liveness
from bot.domain.results.codes import ResultMeaning
from bot.domain.results.record_match import NOTHING_COMPARED, Comparison, RecordMatch
from bot.domain.review.review import Proposal
from bot.errors import EditedMeanwhile, IllegalMove, RecordAltered
from storage import audit, blind_index, check_facts, slack_removals
from storage.engine import macs, record_versions
from storage.engine.database import Transaction, any_moment, load, params
from storage.engine.sql import Row

SUBMISSION = "submission"
"""Topic woken when a check is due to be sent."""

AGAIN = "again"
"""Among what was let pass: this person was checked before, and shall be once more."""

_USED_AMONG = 50
"""As many checks as say which ID types a person works with now."""
_MADE = ("id_info", "customer_reference", "record")
"""Fields that `_intact` makes of the columns `_OF_MADE`; all others have a column of their name."""
_OF_MADE = ("applicant_sealed", "name_match", "dob_match", "phone_match")
_OTHERWISE = {
    # NULL from before there were links.
    "photos_by": f"COALESCE(v.photos_by, '{PhotosBy.ATTACHED.value}') AS photos_by",
    "attempts": "(SELECT COUNT(*) FROM attempts a WHERE a.ref = v.ref) AS attempts",
    "review": "(SELECT r.state FROM reviews r WHERE r.ref = v.ref AND r.round = v.round) AS review",
    "called": """
        COALESCE((SELECT LENGTH(r.events) FROM reviews r WHERE r.ref = v.ref AND r.round = v.round), 0) AS called
        """,
}
_FIELDS = [field.name for field in fields(Check) if field.name not in _MADE]
# What is looked up by its name stands first, since a row looks for it from its beginning.
_COLUMNS = ", ".join([*(f"v.{name}" for name in _OF_MADE), *(_OTHERWISE.get(name, f"v.{name}") for name in _FIELDS)])
"""What a check is loaded from, and nothing else: each value takes its time."""


def add(tx: Transaction, request: Request, *, ref: str, now: datetime) -> None:
    """Store a request. A `ref` or a form that is taken raises ConstraintFailed."""
    tx.run(
        """
        INSERT INTO verifications (
            ref, state, country, id_type, applicant_sealed, number_print, reference_print, requester, team,
            channel, thread_ts, view_id, consent_at, consent_by, consent_notice, asked_at, due_at, let_pass,
            batch, batch_row, liveness_images, photos_by)
        VALUES (
            :ref, :state, :country, :id_type, :applicant, :number_print, :reference_print, :requester, :team,
            :channel, :thread_ts, :view_id, :consent_at, :consent_by, :notice, :now, :due_at, :let_pass,
            :batch, :batch_row, :liveness_images, :photos_by)
        """,
        ref=ref,
        **params(request) | _begun(request, due_at=now),
        **_applicant(tx, ref, request),
        now=now,
        let_pass=AGAIN if request.again else "",
        liveness_images=_liveness_images(request.photos),
    )
    _add_photos(tx, ref, request.photos)


def _begun(request: Request, *, due_at: datetime) -> dict[str, Any]:
    """Where a round begins: due to be sent on the word of who asks, or with the customer, who is asked for consent."""
    if request.photos_by is PhotosBy.LINK:
        waits = {"state": State.AWAITING_PHOTOS, "due_at": None, "photos_by": PhotosBy.LINK}
        return waits | {"consent_by": "", "notice": ""}
    # NULL, as in rows from before there were links.
    begins = {"state": State.REQUESTED, "due_at": due_at, "photos_by": None}
    return begins | {"consent_by": request.requester, "notice": CONSENT_NOTICE}


def _applicant(tx: Transaction, ref: str, request: Request) -> dict[str, Any]:
    """The sealed column, and the keyed hashes by which it is found again."""
    applicant = {"id_info": dict(request.id_info), "customer_reference": request.customer_reference}
    number = request.id_info.get("id_number", "")
    reference = request.customer_reference
    return {
        "applicant": tx.sealer.seal(json.dumps(applicant), place=blind_index.applicant_place(ref)),
        "number_print": number
        and tx.sealer.fingerprint(same_number(request.country, number), purpose=blind_index.NUMBER),
        "reference_print": reference
        and tx.sealer.fingerprint(same_reference(reference), purpose=blind_index.REFERENCE),
    }


def begin_round(tx: Transaction, ref: str, request: Request, *, due_at: datetime, now: datetime) -> None:
    """Start the next round of a check with the form's values; the row's results are cleared."""
    tx.run(
        """
        UPDATE verifications SET
            state = :state, round = round + 1, country = :country, id_type = :id_type,
            applicant_sealed = :applicant, number_print = :number_print, reference_print = :reference_print,
            reason = NULL, verdict = NULL, verdict_outcome = NULL, verdict_why = NULL, decision = NULL,
            decided_at = NULL, decided_by = NULL, decision_reason = NULL, failure = NULL, failure_words = NULL,
            photos_checked_at = NULL, sent_at = NULL, ended_at = NULL, held = NULL, held_note = '{}',
            let_pass = :let_pass, tries = 0, leased_until = NULL, due_at = :due_at, paused_seconds = :paused,
            record_match = NULL, name_match = NULL, dob_match = NULL, phone_match = NULL, liveness = NULL,
            consent_at = :consent_at, consent_by = :consent_by, consent_notice = :notice, photos_by = :photos_by,
            asked_again = asked_again || :asker
        WHERE ref = :ref
        """,
        ref=ref,
        **params(request) | _begun(request, due_at=due_at),
        **_applicant(tx, ref, request),
        paused=(due_at - now).total_seconds(),
        let_pass=AGAIN if request.again else "",
        asker=f"{request.requester} ",
    )
    keep_photos(tx, ref, request.photos)


def edit(
    tx: Transaction,
    ref: str,
    request: Request,
    *,
    due_at: datetime,
    let_pass: Collection[str],
    paused: timedelta,
    now: datetime,
) -> None:
    """Replace what a check holds that has not been sent. Raises IllegalMove once sending it has begun.

    A worker of another instance that has it keeps it, and begins anew (`due.lease_again`); `UnderWay` sees to our own.
    `paused` is added to the time that does not count as ours; a later round counts from its new consent on.
    """
    sql = """
        UPDATE verifications SET
            country = :country, id_type = :id_type, applicant_sealed = :applicant, number_print = :number_print,
            reference_print = :reference_print, held = NULL, held_note = '{}', let_pass = :let_pass, tries = 0,
            leased_until = CASE WHEN leased_by <> :instance THEN leased_until END, due_at = :due_at, edits = edits + 1,
            paused_seconds = CASE WHEN round > 1 THEN :ahead
                WHEN paused_seconds + :paused > 0 THEN paused_seconds + :paused ELSE 0 END,
            consent_at = :consent_at, consent_by = :requester, consent_notice = :notice,
            asked_again = CASE WHEN requester = :requester THEN asked_again ELSE asked_again || :asker END
        WHERE ref = :ref AND state = 'requested'
        """
    changed = tx.change(
        sql,
        ref=ref,
        **params(request),
        **_applicant(tx, ref, request),
        due_at=due_at,
        let_pass=",".join(sorted(let_pass)),
        ahead=(due_at - now).total_seconds(),
        paused=paused.total_seconds(),
        asker=f"{request.requester} ",
        notice=CONSENT_NOTICE,
        instance=tx.instance,
    )
    # The worker may have recorded its attempt since the form was opened.
    if not changed:
        raise IllegalMove(f"{ref} is no longer waiting to be sent")


def also_asked_by(tx: Transaction, ref: str, person: str) -> None:
    """Record that somebody else had a part in asking for this check: they may not decide it. A repeat does nothing."""
    tx.change(
        """
        UPDATE verifications SET asked_again = asked_again || :person || ' '
        WHERE ref = :ref AND requester <> :person
          AND replace(' ' || asked_again, ' ' || :person || ' ', '') = ' ' || asked_again
        """,
        ref=ref,
        person=person,
    )


def require_unedited(tx: Transaction, check: Check) -> None:
    """Raises EditedMeanwhile where the check has been edited, or was run again, since it was read."""
    # Photos are loaded and judged outside any transaction: what is known of the old ones must not stand for the new.
    row = tx.one("SELECT edits, round FROM verifications WHERE ref = :ref", ref=check.ref)
    if (row["edits"], row["round"]) != (check.edits, check.round):
        raise EditedMeanwhile(f"{check.ref} was edited")


def prints_of(tx: Transaction, country: str, number: str, reference: str) -> list[str]:
    """Under every key, how a number and a customer reference are found again."""
    return [*blind_index.numbers(tx.sealer, country, number), *blind_index.references(tx.sealer, reference)]


def keep_photos(tx: Transaction, ref: str, photos: Sequence[PhotoRef]) -> None:
    """These photos, and no others: those before them are still in Slack, and are erased there when their time comes."""
    row = tx.one("SELECT requester, consent_by, asked_at FROM verifications WHERE ref = :ref", ref=ref)
    # Photos that a customer took are no files: there is nothing in Slack to erase.
    before = set(tx.column("SELECT DISTINCT file_id FROM photos WHERE ref = :ref AND file_id <> ''", ref=ref))
    gone = before - {photo.file_id for photo in photos}
    # Before a customer has agreed, nobody has: whoever asked has attached them, as far as is known.
    author = row["consent_by"] or row["requester"]
    slack_removals.keep_earlier(tx, ref, gone, author=author, at=any_moment(row["asked_at"]))
    tx.run("DELETE FROM photos WHERE ref = :ref", ref=ref)
    _add_photos(tx, ref, photos)
    _set(tx, ref, liveness_images=_liveness_images(photos))


def photos_taken(tx: Transaction, ref: str, *, agreed_at: datetime, notice: str, now: datetime) -> None:
    """The customer behind a link has agreed and taken the photos: what goes to Smile ID goes on their consent.

    How long they took does not count as ours. A repeat, with photos taken once more, changes nothing else.
    """
    row = tx.one("SELECT round, asked_at, consent_at, consent_by FROM verifications WHERE ref = :ref", ref=ref)
    # A later round counts from its consent on.
    since = any_moment(row["asked_at"]) if row["round"] == 1 else agreed_at
    paused = max(timedelta(0), now - since).total_seconds()
    consent = {"consent_at": agreed_at, "consent_by": CUSTOMER, "consent_notice": notice}
    _set(tx, ref, paused_seconds=paused, **consent)


def _add_photos(tx: Transaction, ref: str, photos: Sequence[PhotoRef]) -> None:
    for photo in photos:
        tx.insert("photos", ref=ref, **params(photo))


def _liveness_images(photos: Sequence[PhotoRef]) -> int:
    return sum(photo.kind is PhotoKind.LIVENESS for photo in photos)


def find_by_view(tx: Transaction, view_id: str) -> str | None:
    """The reference that a submitted form was given."""
    ref: str | None = tx.value("SELECT ref FROM verifications WHERE view_id = :view_id", view_id=view_id)
    return ref


def asked_by_message(tx: Transaction, ref: str) -> tuple[str, str] | None:
    """Channel and ts of the message that asked for it; None for a form, or a row of a file."""
    view_id = str(tx.value("SELECT view_id FROM verifications WHERE ref = :ref", ref=ref) or "")
    kind, _, place = view_id.partition(":")
    channel, _, ts = place.partition(":")
    return (channel, ts) if kind == "message" and ts else None


def find(tx: Transaction, ref: str, *, sealed: bool = True) -> Check | None:
    """With `sealed=False` nothing personal is opened from its seal: it is as if none had been given."""
    row = tx.row(f"SELECT {_COLUMNS} FROM verifications v WHERE v.ref = :ref", ref=ref)
    return _check(tx, row, sealed=sealed) if row is not None else None


def get(tx: Transaction, ref: str, *, sealed: bool = True) -> Check:
    """A check that must exist; `sealed` as in `find`."""
    return _check(tx, tx.one(f"SELECT {_COLUMNS} FROM verifications v WHERE v.ref = :ref", ref=ref), sealed=sealed)


def get_all(tx: Transaction, refs: Sequence[str], *, opens_for: str | None = None) -> list[Check]:
    """These checks, which must exist, in this order; with `opens_for` only those are opened that this person asked for.

    For a page: the heads of their records are examined together, and read by one statement. `attempts` is counted
    outside the heads: nothing may be shown or done by it here.
    """
    if not refs:
        return []  # of an empty list SQLite reads the whole table to find nothing
    altered = tx.altered_heads(refs)
    # CROSS JOIN: by these few checks, and never through all of the table.
    sql = f"SELECT {_COLUMNS} FROM {tx.dialect.each(':refs')} p CROSS JOIN verifications v ON v.ref = p.value"
    rows = {row["ref"]: row for row in tx.rows(sql, refs=json.dumps(refs))}
    return [
        _altered(row) if ref in altered else _intact(tx, row, sealed=opens_for in (None, row["requester"]))
        for ref, row in ((ref, rows[ref]) for ref in refs)
    ]


def used_types(tx: Transaction, requester: str) -> dict[tuple[str, str], datetime]:
    """Countries and ID types of this person's latest checks, the last one first, and when each was asked for."""
    sql = """
        SELECT country, id_type, asked_at FROM verifications WHERE requester = :requester
        ORDER BY asked_at DESC LIMIT :most
        """
    used: dict[tuple[str, str], datetime] = {}
    for row in tx.rows(sql, requester=requester, most=_USED_AMONG):
        used.setdefault((row["country"], row["id_type"]), any_moment(row["asked_at"]))
    return used


def require_intact(tx: Transaction, ref: str) -> None:
    """Raises RecordAltered: whoever clicks hears it at once, and not only when their click is stored."""
    if tx.altered([ref]):
        raise RecordAltered(ref)


def examine_after(tx: Transaction, last: str) -> str:
    """Compare the records of the next checks with their MACs; the last of them, empty after the last of all.

    Then all together are compared with their sum: a check that was taken away whole is looked at by nobody.
    """
    refs = macs.refs_after(tx.connection, last)
    tx.altered(refs)
    if not refs and tx.macs is not None and not record_versions.fit(tx.connection, tx.sealer):
        tx.macs.note_older()
    return refs[-1] if refs else ""


def photos(tx: Transaction, ref: str) -> list[PhotoRef]:
    """Selfie first, then the liveness images in order."""
    rows = tx.rows("SELECT * FROM photos WHERE ref = :ref ORDER BY kind DESC, position", ref=ref)
    return [load(PhotoRef, row) for row in rows]


def postpone(tx: Transaction, ref: str, *, until: datetime, counts: bool = True) -> None:
    """Retry at `until`; `counts` adds to the tries since the last step forward."""
    # A result may have come meanwhile, or the requester may have withdrawn it: then there is nothing to retry.
    sql = """
        UPDATE verifications SET due_at = :until, leased_until = NULL, tries = tries + :counts
        WHERE ref = :ref AND state IN ('requested', 'submitting')
        """
    tx.run(sql, until=until, counts=counts, ref=ref)


def move(
    tx: Transaction,
    ref: str,
    target: State,
    *,
    now: datetime,
    reason: ReviewReason | None = None,
    reading: ResultMeaning | None = None,
    liveness: Liveness | None = None,
    actor: str = audit.BOT,
) -> None:
    """Move a check, guarded by the table of states. `reading` is the message that counts; `liveness` says whether a
    verdict that it gives rests on proof of liveness.

    Raises IllegalMove, or LookupError if there is no such check.
    """
    before = tx.one("SELECT state, verdict_outcome FROM verifications WHERE ref = :ref", ref=ref)
    current = State(before["state"])
    check_move(current, target, reason, has_verdict=before["verdict_outcome"] is not None)
    # An unconfirmed or contradicted final result is no verdict: it counts with the move that it makes final.
    # Then why it had failed here before, if it had, is the cause no more.
    counts = reading is not None and reading.is_final is (target in FINAL)
    changed = tx.run(
        """
        UPDATE verifications SET
            state = :target, reason = :reason,
            verdict = COALESCE(:verdict, verdict),
            verdict_outcome = COALESCE(:outcome, verdict_outcome),
            verdict_why = COALESCE(:why, verdict_why),
            failure = CASE WHEN :has_verdict = 1 THEN NULL ELSE failure END,
            failure_words = CASE WHEN :has_verdict = 1 THEN NULL ELSE failure_words END,
            liveness = COALESCE(:liveness, liveness),
            ended_at = CASE WHEN :ends = 1 THEN :now WHEN state = :target THEN ended_at ELSE NULL END,
            due_at = CASE WHEN :target IN ('requested', 'submitting') THEN due_at ELSE NULL END,
            leased_until = CASE WHEN :target IN ('requested', 'submitting') THEN leased_until ELSE NULL END
        WHERE ref = :ref AND state = :current
        """,
        target=target,
        reason=reason,
        verdict=reading.code if reading and counts else None,
        outcome=reading.outcome if reading and counts and target in FINAL else None,
        why=reading.why if reading and counts else None,
        has_verdict=counts and target in FINAL,
        liveness=liveness,
        ends=target in FINAL,
        now=now,
        ref=ref,
        current=current,
    )
    # The state was read above in this transaction, but the caller may have read it long before: a callback, an
    # answer to `job_status` and a click on *Cancel* race each other.
    if changed != 1:
        raise IllegalMove(f"{ref} left {current} meanwhile")
    # With the row itself, so that no caller can forget the audit trail or the managers' figures.
    detail = f"{target.value}:{reason.value}" if reason else target.value
    audit.record(tx, at=now, actor=actor, act="check.moved", ref=ref, detail=detail)
    if target in FINAL or target is State.IN_REVIEW:
        check_facts.note(tx, ref, now=now)


def decide(tx: Transaction, ref: str, proposal: Proposal, *, now: datetime) -> None:
    """Store a reviewer's decision in addition to Smile ID's verdict, never in its place."""
    sql = """
        UPDATE verifications SET decision = :decision, decided_at = :now, decided_by = :by, decision_reason = :reason,
            ended_at = COALESCE(ended_at, :now)
        WHERE ref = :ref
        """
    tx.run(sql, decision=proposal.decision, now=now, by=proposal.by, reason=proposal.reason, ref=ref)


def reopen(tx: Transaction, ref: str) -> None:
    """A decided check in review had ended; its review is open again, so it has not."""
    # A final result may have come since: then it has ended, whatever people decide.
    tx.run("UPDATE verifications SET ended_at = NULL WHERE ref = :ref AND state = 'in_review'", ref=ref)


def end_as_decided(tx: Transaction, ref: str) -> None:
    """The second review was given up: the check ended when it was decided."""
    tx.run("UPDATE verifications SET ended_at = COALESCE(ended_at, decided_at) WHERE ref = :ref", ref=ref)


def compared(tx: Transaction, ref: str, found: Comparison) -> None:
    """Store how the entered data compares with the authority's record, as far as known."""
    matches = {"record": found.outcome, "name": found.name, "dob": found.dob, "phone": found.phone}
    known = {f"{what}_match": None if match is RecordMatch.NOT_COMPARED else match for what, match in matches.items()}
    _set(tx, ref, **known)


def keep_failure(tx: Transaction, ref: str, *, failure: str, words: str | None) -> None:
    """Store why no verdict will come. `words` is our own text, fit for the channel."""
    _set(tx, ref, failure=failure, failure_words=words)


def photos_checked(tx: Transaction, ref: str, hashes: Sequence[tuple[PhotoRef, int, str]], *, now: datetime) -> None:
    """The photos decode: keep size and print of each (its SHA-256, keyed), never its bytes."""
    for photo, size, sha256 in hashes:
        row = f"{ref}:{photo.kind.value}:{photo.position}"
        file_print, sha256_sealed = blind_index.make(tx.sealer, blind_index.FILE, sha256, row=row)
        of = {"ref": ref, "kind": photo.kind, "position": photo.position}
        of_photo = "ref = :ref AND kind = :kind AND position = :position"
        tx.update("photos", of_photo, of, size=size, file_print=file_print, file_sha256_sealed=sha256_sealed)
    sql = "UPDATE verifications SET photos_checked_at = COALESCE(photos_checked_at, :now) WHERE ref = :ref"
    tx.run(sql, now=now, ref=ref)


def forget_photo_checks(tx: Transaction, ref: str) -> None:
    """The photos that were checked have been replaced."""
    _set(tx, ref, photos_checked_at=None)


def stepped(tx: Transaction, ref: str, *, sent_at: datetime | None = None) -> None:
    """Sending made progress: reset the tries."""
    sql = "UPDATE verifications SET tries = 0, sent_at = COALESCE(:sent_at, sent_at) WHERE ref = :ref"
    tx.run(sql, sent_at=sent_at, ref=ref)


def posted(tx: Transaction, ref: str, *, ts: str) -> None:
    """The request's own message is posted."""
    # Found again after its answer was lost, it may have been kept by a try before: threads hang on the first one.
    tx.update("verifications", "ref = :ref AND message_ts IS NULL", {"ref": ref}, message_ts=ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a check is shown."""

    channel: str
    requester: str
    batch: str | None
    is_under_way: bool
    """It waits, is held or is at Smile ID, by its row alone: whether its record was altered is not asked."""


def whereabouts(tx: Transaction, ref: str) -> Whereabouts:
    """Read at each change, so nothing is opened from its seal."""
    sql = """
        SELECT channel, requester, batch,
            state IN ('requested', 'awaiting_photos', 'submitting', 'processing') AND decision IS NULL AS is_under_way
        FROM verifications WHERE ref = :ref
        """
    return load(Whereabouts, tx.one(sql, ref=ref))


def count_by_state(tx: Transaction) -> dict[str, int]:
    """How many checks are in each state, counted by triggers: read every few seconds, so nothing is scanned.

    A check whose record proved altered is in none of them but *altered*: what its row says is a thief's.
    """
    found = Counter({row["state"]: row["n"] for row in tx.rows("SELECT state, n FROM check_counts")})
    altered = tx.altered_so_far()
    sql = f"""
        SELECT v.state FROM {tx.dialect.each(":refs")} r
        CROSS JOIN verifications v ON v.ref = r.value
        """
    found.subtract(tx.column(sql, refs=json.dumps(sorted(altered))))
    # Whoever altered a row may have done it past the triggers: nothing is fewer than none.
    counts = {state: max(0, n) for state, n in found.items() if isinstance(state, str)}
    return counts | {ReviewReason.ALTERED.value: len(altered)} if altered else counts


def _set(tx: Transaction, ref: str, **columns: object) -> None:
    tx.update("verifications", "ref = :ref", {"ref": ref}, **columns)


def _check(tx: Transaction, row: Row, *, sealed: bool = True) -> Check:
    return _altered(row) if tx.altered([row["ref"]]) else _intact(tx, row, sealed=sealed)


def _intact(tx: Transaction, row: Row, *, sealed: bool) -> Check:
    applicant = {}
    if sealed and row["applicant_sealed"] is not None:
        applicant = json.loads(tx.sealer.open(row["applicant_sealed"], place=blind_index.applicant_place(row["ref"])))
    return load(
        Check,
        row,
        id_info=applicant.get("id_info", {}),
        customer_reference=applicant.get("customer_reference", ""),
        record=_compared(row["name_match"], row["dob_match"], row["phone_match"]),
    )


def _compared(*stored: str | None) -> Comparison:
    if not any(stored):
        return NOTHING_COMPARED
    name, dob, phone = (RecordMatch(match or RecordMatch.NOT_COMPARED) for match in stored)
    return Comparison(name=name, dob=dob, phone=phone)


def _altered(row: Row) -> Check:
    """Where an altered record belongs, and nothing that it says of the customer or of what has come of it.

    Built so that no builder can show it as approved, and none fails at a value that the bot would never have written.
    """
    asked_at = any_moment(row["asked_at"])
    return Check(
        ref=row["ref"],
        state=State.IN_REVIEW,
        reason=ReviewReason.ALTERED,
        verdict=None,
        verdict_outcome=None,
        verdict_why=None,
        failure=None,
        failure_words=None,
        country=_text(row["country"]) or "",
        id_type=_text(row["id_type"]) or "",
        requester=_text(row["requester"]) or "",
        channel=_text(row["channel"]) or "",
        thread_ts=_text(row["thread_ts"]),
        message_ts=_text(row["message_ts"]),
        asked_at=asked_at,
        photos_checked_at=None,
        sent_at=None,
        ended_at=None,
        consent_at=asked_at,
        consent_by=_text(row["requester"]) or "",
        consent_notice=CONSENT_NOTICE,
        tries=0,
        round=_number(row["round"]) or 1,
        edits=_number(row["edits"]) or 0,
        batch=_text(row["batch"]),
        batch_row=_number(row["batch_row"]),
        asked_again=frozenset((_text(row["asked_again"]) or "").split()),
    )


def _text(stored: object) -> str | None:
    # Past the schema, somebody may have put another type there.
    return stored if isinstance(stored, str) else None


def _number(stored: object) -> int | None:
    return stored if isinstance(stored, int) else None
