"""The proof of one check: what was asked, agreed to, answered and decided, as a document that is signed.

Of the customer it holds the site's own reference and the end of the ID number: it proves that a check was made and how,
and is no second place where whole ID numbers lie. What was erased is missing, and it says since when.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.domain.capture.links import CaptureLink
from bot.domain.check.check import CUSTOMER, Check
from bot.domain.check.masking import tail
from bot.errors import RecordAltered
from bot.privacy import signing
from storage import audit, capture_links, checks, proofs, review_requests, reviews
from storage.engine.database import Transaction, to_text

KIND = "proof of a check"
FORMAT = 1
OPERATOR = "operator"

Document = dict[str, Any]


def make(tx: Transaction, ref: str, *, at: datetime) -> bytes | None:
    """The signed proof, with its line in the audit trail; None if there is no such check. Raises RecordAltered."""
    found = document(tx, ref, at=at)
    if found is None:
        return None
    audit.record(tx, at=at, actor=OPERATOR, act="proof.made", ref=ref)
    return signing.sign(found, tx.sealer)


def document(tx: Transaction, ref: str, *, at: datetime) -> Document | None:
    """What is signed, times as the trail has them; None if there is no such check. Raises RecordAltered."""
    check = checks.find(tx, ref)
    if check is None:
        return None
    if check.is_altered:
        raise RecordAltered(ref)
    messages = proofs.messages(tx, ref)
    jobs = proofs.jobs(tx, ref)
    trail, head = audit.lines_of(tx, ref), audit.head(tx)
    return {
        "kind": KIND,
        "format": FORMAT,
        "made_at": _time(at),
        "check": _of_check(check),
        "asked": _asked(check),
        "consent": _consent(check),
        **_links(capture_links.of_check(tx, ref)),
        "jobs": [_job(check, job, [one for one in messages if one.job_id == job.job_id]) for job in jobs],
        "result": _result(check, jobs, messages, trail),
        "review_requests": [
            {"at": _time(one.at), "by": one.person, "round": one.round, "kind": one.kind, "reason": one.reason}
            for one in review_requests.of_check(tx, ref)
        ],
        "decisions": [
            {
                "at": _time(one.at),
                "decision": one.decision,
                "reason": one.reason,
                "by": one.by,
                "agreed_by": one.confirmed_by,
                "override": one.is_override,
            }
            for one in reviews.decisions(tx, ref, sealed=False)
        ],
        "trail": [
            {
                "seq": line.seq,
                "at": _time(line.at),
                "actor": line.actor,
                "act": line.act,
                "detail": line.detail,
                "version": line.version,
                "chain": line.chain,
            }
            for line in trail
        ],
        "trail_ends_at": {"seq": head.seq, "chain": head.chain},
    }


def summary(document: Mapping[str, Any]) -> list[str]:
    """What a verified proof says, a line for each part."""
    check, result, consent = document["check"], document["result"], document["consent"]
    said = [
        f"check {check['ref']}, {check['country']} {check['id_type']}, asked for at {check['asked_at']}",
        f"consent {_given(consent['by'])} at {consent['at']}, by the text of {consent['notice']}"
        if consent["at"]
        else "no consent: the customer has not agreed",
        f"state: {check['state']}",
    ]
    if result["code"] is None:
        said.append("no result of Smile ID counts")
    else:
        how = (
            "confirmed by Smile ID's own record" if result["is_confirmed"] else "not confirmed by Smile ID's own record"
        )
        said.append(f"Smile ID's result: {result['outcome'] or 'not final'}, code {result['code']}, {how}")
    said += [
        f"a person's decision: {one['decision']} ({one['reason']}) at {one['at']}" for one in document["decisions"]
    ]
    said += [
        f"{what} erased at {check[column]}"
        for what, column in (("photos", "photos_erased_at"), ("personal data", "personal_erased_at"))
        if check[column]
    ]
    end = document["trail_ends_at"]
    said.append(f"{len(document['trail'])} lines of the audit trail, which ended at {end['seq']}:{end['chain']}")
    return said


def _given(by: str) -> str:
    return "given by the customer" if by == CUSTOMER else "confirmed"


def _consent(check: Check) -> Document:
    # Until a customer behind a link has agreed, what stands there is when the check was asked for.
    at = check.consent_at if check.consent_by else None
    return {"at": _time(at), "by": check.consent_by or None, "notice": check.consent_notice or None}


def _links(links: Sequence[CaptureLink]) -> Document:
    """Behind which the customer agreed and took the photos; nothing where there never was one."""
    told = [
        {
            "number": link.number,
            "round": link.round,
            "made_by": link.made_by,
            "made_at": _time(link.made_at),
            "opened_at": _time(link.opened_at),
            "agreed_at": _time(link.agreed_at),
            "notice": link.notice,
            "language": link.language,
            "taken_at": _time(link.taken_at),
            "ended_at": _time(link.ended_at),
            "ending": link.ending,
        }
        for link in links
    ]
    return {"links": told} if told else {}


def _of_check(check: Check) -> Document:
    return {
        "ref": check.ref,
        "country": check.country,
        "id_type": check.id_type,
        "asked_at": _time(check.asked_at),
        "asked_by": check.requester,
        "also_asked_by": sorted(check.requesters - {check.requester}),
        "round": check.round,
        "state": check.state,
        "reason": check.reason,
        "ended_at": _time(check.ended_at),
        "photos_erased_at": _time(check.photos_erased_at),
        "personal_erased_at": _time(check.personal_erased_at),
    }


def _asked(check: Check) -> Document:
    """The fields that were filled in, by name; of their values the end of the number, and the site's own reference."""
    return {
        "fields": sorted(name for name, value in check.id_info.items() if value),
        "id_number_ends_with": tail(check.id_info.get("id_number", "")),
        "customer_reference": check.customer_reference,
        "liveness_images": check.liveness_images,
    }


def _job(check: Check, job: proofs.ProvenJob, messages: list[proofs.ProvenMessage]) -> Document:
    return {
        "job_id": job.job_id,
        "smile_job_id": job.smile_job_id,
        "user_id": job.user_id,
        "round": job.round,
        "number": job.number,
        "recorded_at": _time(job.created_at),
        "sent_at": _time(job.sent_at),
        "messages": [
            {
                "received_at": _time(one.received_at),
                "source": one.source,
                "code": one.code,
                "treated_as": one.fate,
                # What erasure has left of a message is no longer what Smile ID sent.
                "sha256": one.sha256 if check.personal_erased_at is None else None,
            }
            for one in messages
        ],
    }


def _result(
    check: Check, jobs: list[proofs.ProvenJob], messages: list[proofs.ProvenMessage], trail: list[audit.TrailLine]
) -> Document:
    """Smile ID's word that counts, and when Smile ID's own record, which was asked, had said the same."""
    current = [job for job in jobs if job.round == check.round]
    told = [one for one in messages if one.code == check.verdict and one.job_id in {job.job_id for job in current}]
    begun = min((job.created_at for job in current), default=check.asked_at)
    confirmed = [line.at for line in trail if line.act == "result.confirmed" and line.at >= begun]
    return {
        "code": check.verdict,
        "outcome": check.final_verdict,
        "first_told_at": _time(told[0].received_at) if told else None,
        "is_confirmed": check.final_verdict is not None and not any(job.claim_outcome for job in current),
        # None also of a result from before the trail had these lines.
        "confirmed_at": _time(confirmed[-1]) if confirmed else None,
        "record": {
            "name": check.record.name,
            "date_of_birth": check.record.dob,
            "phone": check.record.phone,
        },
        "liveness": check.liveness,
        "no_result_because": check.failure,
    }


def _time(moment: datetime | None) -> str | None:
    return to_text(moment) if moment is not None else None
