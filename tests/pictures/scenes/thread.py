"""The message of a request through its life, and all that is said in its thread, to reviewers and to admins."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.check.check import Check, HoldReason
from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import AdminAlert, Message, PostKind, encode_fault
from bot.domain.results.assurance import Doubt
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.domain.results.record_match import NOTHING_COMPARED, RecordMatch
from bot.domain.review.review import UNANSWERED
from bot.slack.blocks import private, results, thread, words
from bot.slack.blocks.results import NotifiedParties, ResultFacts
from tests.pictures.people import AMINA, MUSA, NOW, REMI, REQUESTS
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import (
    ADMINS_TOLD,
    CHECK_BVN,
    DIFFERS,
    ENTRY,
    NOBODY_SET_UP,
    RECEIVED_AT,
    REVIEWER_CALLED,
    REVIEWER_IS_WHO_ASKED,
    REVIEWER_TOLD,
    STATES,
    ended,
    reading,
)
from tests.slack.blocks.samples import ID_TYPES

FINAL = [why for why in ResultStory if reading(why).is_final]
_BEGUN = replace(CHECK_BVN, state=State.REQUESTED, photos_checked_at=None, sent_at=None)
_FAILURE_WORDS = {
    "photo": "Liveness image 3: The file is not a JPEG or PNG photo. Attach another one.",
    "input": "This user was deleted at Smile ID; another user id is needed.",
    "refused": "Smile ID has not enabled production for us. Ask Smile ID, or use the sandbox.",
}


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="request",
            title="The message of a request",
            line="One message in the channel, updated in place while the check goes its way.",
            scenes=list(_request()),
        ),
        Sheet(
            name="results",
            title="Results",
            line="Every final result of Smile ID, told in the thread of the request to who asked.",
            scenes=[*_results(), *_confirmation(), *_assurance()],
        ),
        Sheet(
            name="not-final",
            title="Not final",
            line="What Smile ID says before its final word, and an approval that its record does not show yet.",
            scenes=list(_not_final()),
        ),
        Sheet(
            name="needs-a-person",
            title="Needs review",
            line="What no machine may settle, told in the thread; and what admins hear.",
            scenes=[*_needs_person(), *_elsewhere()],
        ),
        Sheet(
            name="failures",
            title="Ends without a result",
            line="Checks not sent, refused or cancelled, told in the thread; and answers that got lost.",
            scenes=[*_failures(), *_unanswered()],
        ),
    ]


def _request() -> Iterator[Scene]:
    def scene(caption: str, check: Check, kind: PostKind = PostKind.PROGRESS, **more: object) -> Scene:
        entry = ID_TYPES.find(check.country, check.id_type)
        said = thread.request_message(check, entry, **more)  # type: ignore[arg-type]
        return Scene(caption=caption, shows=said, kinds=[kind])

    yield scene("Received", _BEGUN, PostKind.REQUEST)
    yield scene("Held by a question", replace(_BEGUN, held=HoldReason.PHOTOS))
    yield scene("To be sent at a time that was chosen", _BEGUN, later=NOW + timedelta(hours=16))
    yield scene("Sending takes several tries", replace(_BEGUN, state=State.SUBMITTING, tries=2, photos_checked_at=NOW))
    yield scene("At Smile ID", CHECK_BVN)
    yield scene("No answer for six minutes", CHECK_BVN, waiting=timedelta(minutes=6))
    yield scene("No answer for two days", CHECK_BVN, waiting=timedelta(days=2))
    for reason in ReviewReason:
        yield scene(
            f"In review: {words.REVIEW_NAMES[reason]}", replace(CHECK_BVN, state=State.IN_REVIEW, reason=reason)
        )
    yield scene("Approved", ended(State.APPROVED, reading(ResultStory.CONFIRMED)))
    yield scene("Rejected", ended(State.REJECTED, reading(ResultStory.FACES_DIFFER)))
    yield scene(
        "Rejected, not yet confirmed", ended(State.REJECTED, reading(ResultStory.FACES_DIFFER)), unconfirmed=True
    )
    yield scene("No result", ended(State.FAILED, reading(ResultStory.AUTHORITY_DOWN)))
    yield scene("Cancelled", replace(_BEGUN, state=State.CANCELLED))
    ghana = replace(CHECK_BVN, country="GH", id_type="GHANA_CARD", id_info={"id_number": "GHA-000000000-0"})
    yield scene("Another country; a third of the number is never more than four characters", ghana)
    gone = replace(ended(State.APPROVED, reading(ResultStory.CONFIRMED)), id_info={})
    yield scene("After its personal data were deleted", gone)


def _post(kind: PostKind, check: Check, reading: ResultMeaning, notified: NotifiedParties, **more: Any) -> Message:
    """A post about a message of Smile ID."""
    facts = {"entry": ENTRY, "at": RECEIVED_AT, **more}
    return results.BY_KIND[kind](ResultFacts(check=check, reading=reading, notified=notified, **facts))


def _results() -> Iterator[Scene]:
    for why in FINAL:
        read = reading(why)
        check = ended(STATES[read.outcome], read)
        notified = ADMINS_TOLD if words.STORIES[why].calls_admins else REVIEWER_TOLD
        said = _post(PostKind.RESULT, check, read, notified)
        yield Scene(caption=words.STORIES[why].name, shows=said, kinds=[PostKind.RESULT], place=Place.THREAD)


def _confirmation() -> Iterator[Scene]:
    read = reading(ResultStory.SPOOF)
    check = ended(State.REJECTED, read)
    said = _post(PostKind.RESULT_UNCONFIRMED, check, read, REVIEWER_CALLED)
    yield Scene(
        caption="A rejection that Smile ID's record does not show yet; reviewers are called in the thread",
        shows=said,
        kinds=[PostKind.RESULT_UNCONFIRMED],
        place=Place.THREAD,
    )
    said = _post(PostKind.RESULT, check, read, REVIEWER_TOLD)
    yield Scene(
        caption="The same message once it is confirmed", shows=said, kinds=[PostKind.CONFIRMED], place=Place.THREAD
    )
    row = replace(check, batch="B-2M4Q8Z", batch_row=17)
    said = _post(PostKind.RESULT, row, read, REVIEWER_TOLD)
    yield Scene(caption="A row of a file of customers", shows=said, kinds=[PostKind.RESULT], place=Place.THREAD)
    ours = reading(ResultStory.REFUSED)
    said = _post(PostKind.RESULT, ended(State.FAILED, ours), ours, NOBODY_SET_UP, at=RECEIVED_AT + timedelta(hours=5))
    yield Scene(
        caption="Ours to mend, and no admin could be told", shows=said, kinds=[PostKind.RESULT], place=Place.THREAD
    )


def _assurance() -> Iterator[Scene]:
    """What an approval leaves open."""
    read = reading(ResultStory.CONFIRMED)

    def scene(caption: str, doubt: Doubt | None = None, **more: Any) -> Scene:
        check = ended(State.APPROVED, read, **more)
        said = _post(PostKind.RESULT, check, read, REVIEWER_TOLD, doubt=doubt)
        return Scene(caption=caption, shows=said, kinds=[PostKind.RESULT], place=Place.THREAD)

    yield scene("Approved, and the record is about somebody else", Doubt.RECORD_DIFFERS, record=DIFFERS)
    yield scene("The same where nobody is called for it (KYC_NAME_DIFFERS=tell)", record=DIFFERS)
    yield scene("Approved, and the name matches in part", record=replace(NOTHING_COMPARED, name=RecordMatch.PARTLY))
    yield scene("Approved, and no name was compared", record=NOTHING_COMPARED)
    yield scene("Approved without liveness images", liveness_images=0)
    yield scene(
        "Approved without liveness images where reviewers look at that (KYC_LIVENESS=review)",
        Doubt.LIVENESS_NOT_PROVEN,
        liveness_images=0,
    )
    late = ended(State.APPROVED, read, record=DIFFERS)
    yield Scene(
        caption="The authority's record came after the approval",
        shows=_post(PostKind.RECORD_DIFFERS, late, read, REVIEWER_TOLD, doubt=Doubt.RECORD_DIFFERS),
        kinds=[PostKind.RECORD_DIFFERS],
        place=Place.THREAD,
    )


def _not_final() -> Iterator[Scene]:
    for why in (ResultStory.PROVISIONAL, ResultStory.SUSPECTED_SPOOF, ResultStory.INCONCLUSIVE, ResultStory.NOT_FINAL):
        said = _post(PostKind.NOT_FINAL, CHECK_BVN, reading(why), REVIEWER_TOLD)
        yield Scene(caption=words.STORIES[why].name, shows=said, kinds=[PostKind.NOT_FINAL], place=Place.THREAD)
    approved = reading(ResultStory.CONFIRMED)
    unconfirmed = replace(CHECK_BVN, state=State.IN_REVIEW, reason=ReviewReason.UNCONFIRMED)
    yield Scene(
        caption="An approval that Smile ID's record does not show",
        shows=_post(PostKind.APPROVAL_UNCONFIRMED, unconfirmed, approved, REVIEWER_TOLD),
        kinds=[PostKind.APPROVAL_UNCONFIRMED],
        place=Place.THREAD,
    )
    yield Scene(
        caption="The same message once it does; the approval follows as a message of its own",
        shows=results.approval_since_confirmed(unconfirmed),
        kinds=[PostKind.CONFIRMED],
        place=Place.THREAD,
    )
    yield Scene(
        caption=words.STORIES[ResultStory.SUSPECTS].name,
        shows=_post(PostKind.SUSPECTS, CHECK_BVN, reading(ResultStory.SUSPECTS), REVIEWER_TOLD),
        kinds=[PostKind.SUSPECTS],
        place=Place.THREAD,
    )


def _needs_person() -> Iterator[Scene]:
    in_review = replace(CHECK_BVN, state=State.IN_REVIEW, reason=ReviewReason.UNKNOWN_CODE)
    unknown, unverified = reading(ResultStory.UNKNOWN_CODE), reading(ResultStory.ID_UNVERIFIED)
    approved, rejected = reading(ResultStory.CONFIRMED), reading(ResultStory.FACES_DIFFER)

    def scene(caption: str, said: Message, kind: PostKind) -> Scene:
        return Scene(caption=caption, shows=said, kinds=[kind], place=Place.THREAD)

    said = _post(PostKind.UNKNOWN_CODE, in_review, unknown, REVIEWER_TOLD)
    yield scene("A code that nobody knows", said, PostKind.UNKNOWN_CODE)
    said = _post(PostKind.UNKNOWN_CODE, in_review, unknown, REVIEWER_CALLED)
    yield scene("The same without a channel of reviewers: they are called here", said, PostKind.UNKNOWN_CODE)
    said = _post(PostKind.UNKNOWN_CODE, in_review, unknown, REVIEWER_IS_WHO_ASKED)
    yield scene("The same when the only reviewer is who asked", said, PostKind.UNKNOWN_CODE)
    said = _post(PostKind.UNKNOWN_CODE, in_review, unknown, NOBODY_SET_UP)
    yield scene("The same when no reviewers are set up", said, PostKind.UNKNOWN_CODE)
    said = _post(PostKind.UNKNOWN_CODE, ended(State.APPROVED, approved), unknown, REVIEWER_TOLD)
    yield scene("An unknown code after a result", said, PostKind.UNKNOWN_CODE)
    said = _post(PostKind.ID_UNVERIFIED, in_review, unverified, REVIEWER_TOLD)
    yield scene("An approval without a verified ID number", said, PostKind.ID_UNVERIFIED)
    said = _post(PostKind.CONTRADICTION, in_review, rejected, REVIEWER_TOLD, first=Outcome.APPROVED)
    yield scene("What was received and Smile ID's record differ", said, PostKind.CONTRADICTION)
    said = _post(
        PostKind.SECOND_FINAL, ended(State.REJECTED, rejected), approved, REVIEWER_TOLD, first=Outcome.REJECTED
    )
    yield scene("A second, different final result", said, PostKind.SECOND_FINAL)
    said = _post(PostKind.OLD_RESULT, CHECK_BVN, approved, REVIEWER_TOLD)
    yield scene("A result of an attempt that was run again since", said, PostKind.OLD_RESULT)
    yield scene("No result for seven days", results.overdue(CHECK_BVN, notified=REVIEWER_TOLD), PostKind.OVERDUE)


def _elsewhere() -> Iterator[Scene]:
    payload = {"ref": CHECK_BVN.ref, "words": f"Smile ID refuses our requests. {_FAILURE_WORDS['refused']}"}
    yield Scene(
        caption="To an admin: Smile ID refuses our requests",
        shows=private.alert("smile_id:2220", payload),
        kinds=[PostKind.ALERT],
        place=Place.DIRECT,
    )
    sealed = {"words": encode_fault(AdminAlert.RECORDS_SEALED, {"checks": "1412 checks"}), "once": "1"}
    yield Scene(
        caption="To an admin: every record got its MAC for the first time",
        shows=private.alert("macs_made", sealed),
        kinds=[PostKind.ALERT],
        place=Place.DIRECT,
    )
    no_backup = {"words": "No backup could be taken: the folder backups cannot be used: No space left on device."}
    yield Scene(
        caption="To an admin: no backup could be taken",
        shows=private.alert("backup", no_backup),
        kinds=[PostKind.ALERT],
        place=Place.DIRECT,
    )


def _unanswered() -> Iterator[Scene]:
    for caption, payload in (
        ("An answer that never reached its person", {"channel": REQUESTS}),
        ("The same, by a fault of ours", {"channel": "D0", "code": "E-41C2"}),
    ):
        said = private.unanswered(payload)
        yield Scene(caption=caption, shows=said, kinds=[PostKind.ANSWER], place=Place.DIRECT)


def _failures() -> Iterator[Scene]:
    for failure, story in words.FAILURES.items():
        check = replace(_BEGUN, state=State.FAILED, failure=failure, failure_words=_FAILURE_WORDS.get(failure))
        notified = ADMINS_TOLD if story.calls_admins or failure in ("smile_id_away", "fault") else NOBODY_SET_UP
        yield Scene(
            caption=f"{story.name} ({failure})",
            shows=results.failure(check, notified=notified, by=REMI if failure == UNANSWERED else None),
            kinds=[PostKind.FAILURE],
            place=Place.THREAD,
        )
    cancelled = replace(_BEGUN, state=State.CANCELLED)
    for by, caption in ((AMINA, "Cancelled by who asked"), (MUSA, "Cancelled by somebody else")):
        yield Scene(
            caption=caption,
            shows=thread.cancelled(cancelled, by=by),
            kinds=[PostKind.CANCELLED],
            place=Place.THREAD,
        )
    check = replace(_BEGUN, state=State.FAILED, failure="photo", failure_words=_FAILURE_WORDS["photo"])
    yield Scene(
        caption="The same by direct message, since the thread is gone",
        shows=private.directly(results.failure(check, notified=NOBODY_SET_UP), check),
        kinds=[PostKind.FAILURE],
        place=Place.DIRECT,
    )
