"""Checks and results for the tests, and every message and view that can be built of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.capture.links import CaptureLink, LinkEnding, LinkStep
from bot.domain.check.check import Check
from bot.domain.check.states import ReviewReason, State
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.outbox import CheckLinks, Message, PostKind
from bot.domain.reporting.figures import Report, report
from bot.domain.reporting.periods import Period, PeriodKind
from bot.domain.results.codes import Outcome, ResultCodes, ResultMeaning
from bot.domain.results.record_match import NOTHING_COMPARED, RecordMatch
from bot.domain.results.trust_rules import Source
from bot.domain.review.home_choices import HomeChoices
from bot.domain.review.queue import QueueFilter
from bot.domain.review.review import (
    Agreement,
    Decision,
    Note,
    Proposal,
    ReminderCause,
    Review,
    ReviewDecision,
    ReviewState,
    Subscription,
)
from bot.errors import Refusal, Refused
from bot.slack.blocks import (
    command_help,
    find,
    form,
    home,
    photos,
    private,
    record,
    refusals,
    results,
    review,
    review_calls,
    review_forms,
    thread,
)
from bot.slack.blocks.command_help import HelpPart
from bot.slack.blocks.home import PAGE, HomeCheck, HomeFigures, OwnChecks, ReviewQueue
from bot.slack.blocks.photos import AskedFor, ShownPhoto
from bot.slack.blocks.results import EarlierDecision, NotifiedParties, ResultFacts

DATA = files("bot") / "data"
CODES = ResultCodes.parse((DATA / "result-codes.csv").read_text("utf-8"))
ID_TYPES = IDTypes.parse((DATA / "id-types.csv").read_text("utf-8"))

ASKED_AT = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
AMINA, REMI = "U0AMINA00001", "U0REMI00001"
REF = "K-7F3K2Q"

CHECK = Check(
    ref=REF,
    state=State.PROCESSING,
    reason=None,
    verdict=None,
    verdict_outcome=None,
    verdict_why=None,
    failure=None,
    failure_words=None,
    country="NG",
    id_type="BVN",
    requester=AMINA,
    channel="C0KYC",
    thread_ts=None,
    message_ts="1700000000.000100",
    asked_at=ASKED_AT,
    photos_checked_at=ASKED_AT,
    sent_at=ASKED_AT,
    ended_at=None,
    consent_at=ASKED_AT,
    consent_by=AMINA,
    consent_notice="2026-11",
    tries=0,
    id_info={"id_number": "22212340000", "first_name": "Ada", "dob": "1990-01-02"},
    customer_reference="C-17",
    liveness_images=8,
    record=replace(NOTHING_COMPARED, name=RecordMatch.MATCHES, dob=RecordMatch.MATCHES),
)

NOBODY_TOLD = NotifiedParties()
REVIEWERS_TOLD = NotifiedParties(reviewers=True, reviewer_mentions=f"<@{REMI}>")
ADMINS_TOLD = NotifiedParties(admins=True)

ALL_ACTIONS = {
    "Liveness_Check": "Passed",
    "Register_Selfie": "Approved",
    "Selfie_Provided": "Passed",
    "Verify_ID_Number": "Verified",
    "Return_Personal_Info": "Returned",
    "Selfie_To_ID_Authority_Compare": "Completed",
    "Selfie_To_ID_Card_Compare": "Not Applicable",
    "Selfie_To_Registered_Selfie_Compare": "Not Applicable",
    "Human_Review_Compare": "Not Applicable",
    "Human_Review_Liveness_Check": "Not Applicable",
    "Human_Review_Update_Selfie": "Not Applicable",
    "Update_Registered_Selfie_On_File": "Not Applicable",
}
"""The twelve of a real message."""


def bvn() -> IDType:
    found = ID_TYPES.find("NG", "BVN")
    assert found is not None
    return found


def read(code: str, *, text: str = "", actions: Mapping[str, str] | None = None) -> ResultMeaning:
    """A message with this code, its ID number verified."""
    return CODES.read(code=code, text=text, actions=ALL_ACTIONS if actions is None else actions, confidence="99")


def wild_check(text: str, *, state: State = State.PROCESSING, reason: ReviewReason | None = None) -> Check:
    """A check in which all text of other people is `text`."""
    return replace(
        CHECK,
        state=state,
        reason=reason,
        verdict=text if state in {State.APPROVED, State.REJECTED} else None,
        country=text,
        id_type=text,
        id_info=dict.fromkeys((*form.LABELS, text), text),
        customer_reference=text,
        failure_words=text,
        consent_notice="2026-11",
    )


def wild_entry(text: str) -> IDType:
    return replace(bvn(), country=text, country_name=text, id_type=text, label=text, example=text)


def wild_reading(text: str, outcome: Outcome, like: ResultMeaning) -> ResultMeaning:
    """A message in which everything that Smile ID writes is `text`, known Actions among unknown ones."""
    actions = {text: text, "Liveness_Check": text, "Verify_ID_Number": text, f"{text}x": "Passed"}
    return replace(like, code=text, text=text, outcome=outcome, actions=actions, confidence=text)


def thread_messages(
    check: Check, entry: IDType | None, reading: ResultMeaning, notified: NotifiedParties, text: str
) -> dict[str, Callable[[], Message]]:
    """Every message that `bot.slack.blocks.thread` can build."""
    facts = ResultFacts(
        check=check,
        entry=entry,
        reading=reading,
        at=ASKED_AT + timedelta(seconds=9),
        notified=notified,
        first=Outcome.REJECTED,
    )
    final = replace(facts, reading=replace(reading, outcome=Outcome.APPROVED))
    beside = replace(facts, earlier=EarlierDecision(decided=decided(text), agreement=Agreement.AGREES))
    by_kind = results.BY_KIND
    return {
        "request": lambda: thread.request_message(check, entry),
        "request, waiting": lambda: thread.request_message(check, entry, waiting=timedelta(minutes=6)),
        "request, unconfirmed": lambda: thread.request_message(check, entry, unconfirmed=True),
        "result": lambda: results.result(facts, confirmed=True),
        "result, unconfirmed": lambda: results.result(facts, confirmed=False),
        "not final": lambda: by_kind[PostKind.NOT_FINAL](facts),
        "needs person": lambda: by_kind[PostKind.UNKNOWN_CODE](facts),
        "approval unconfirmed": lambda: by_kind[PostKind.APPROVAL_UNCONFIRMED](facts),
        "approval since confirmed": lambda: results.approval_since_confirmed(check),
        "contradiction": lambda: by_kind[PostKind.CONTRADICTION](facts),
        "second final": lambda: by_kind[PostKind.SECOND_FINAL](final),
        "suspects": lambda: by_kind[PostKind.SUSPECTS](facts),
        "overdue": lambda: results.overdue(check, notified=notified),
        "failure": lambda: results.failure(check, notified=notified),
        "decided": lambda: thread.decided(check, decided(text), with_comment=True),
        "result beside a decision": lambda: results.result(beside, confirmed=True),
        "cancelled": lambda: thread.cancelled(check, by=check.requester),
        "photos asked": lambda: photos.request(check, by=REMI, is_direct=False),
        "photos asked, directly": lambda: photos.request(check, by=REMI, is_direct=True),
        "old result": lambda: by_kind[PostKind.OLD_RESULT](facts),
        "alert": lambda: private.alert(text, {"ref": REF}),
        "alert with words": lambda: private.alert("refused", {"ref": REF, "words": text}),
        "directly": lambda: private.directly(by_kind[PostKind.NOT_FINAL](facts), check),
    }


def decided(text: str, *, by: str = REMI) -> ReviewDecision:
    return ReviewDecision(
        number=1,
        decision=Decision.REJECTED,
        reason="tampered",
        by=by,
        confirmed_by=AMINA,
        is_override=True,
        at=ASKED_AT,
        words=text,
    )


def a_link(step: LinkStep = LinkStep.MADE, ending: LinkEnding | None = None) -> CaptureLink:
    """The first of a check, whose customer has come so far."""
    steps = list(LinkStep)
    reached, until = steps[: steps.index(step) + 1], ASKED_AT + timedelta(hours=24)
    return CaptureLink(
        ref=REF,
        number=1,
        round=1,
        made_by=AMINA,
        made_at=ASKED_AT,
        expires_at=until,
        told_at=ASKED_AT,
        remind_at=None,
        opened_at=ASKED_AT if LinkStep.OPENED in reached else None,
        device_sha256=None,
        agreed_at=ASKED_AT if LinkStep.AGREED in reached else None,
        notice=None,
        language=None,
        taken_at=ASKED_AT if LinkStep.TAKEN in reached else None,
        ended_at=until if ending is not None else None,
        ending=ending,
        tries=0,
    )


def a_review(
    state: ReviewState = ReviewState.OPEN,
    *,
    claimed_by: str | None = None,
    proposal: Proposal | None = None,
    decision: ReviewDecision | None = None,
) -> Review:
    return Review(
        ref=REF,
        round=1,
        state=state,
        opened_at=ASKED_AT,
        claimed_by=claimed_by,
        claimed_at=ASKED_AT if claimed_by else None,
        touched_at=ASKED_AT if claimed_by else None,
        proposal=proposal,
        decided=decision,
        reminded="",
        notes=2,
    )


def review_messages(
    check: Check, entry: IDType | None, reading: ResultMeaning, text: str
) -> dict[str, Callable[[], Message]]:
    """Every message that `bot.slack.blocks.review` can build."""
    proposal = Proposal(decision=Decision.APPROVED, reason="other", by=REMI, at=ASKED_AT, is_override=False, words=text)

    def card(of: Review, round_: int = 1) -> Message:
        return review.card(
            check, entry, of, round_=round_, title="Needs review", link=None, reading=reading, mentions=f"<@{REMI}>"
        )

    return {
        "card": lambda: card(a_review()),
        "card, claimed": lambda: card(a_review(claimed_by=REMI)),
        "card, proposed": lambda: card(a_review(claimed_by=REMI, proposal=proposal)),
        "card, decided": lambda: card(a_review(ReviewState.DECIDED, decision=decided(text))),
        "card, open again": lambda: card(a_review(decision=decided(text))),
        "card, settled": lambda: card(a_review(ReviewState.SETTLED)),
        "card, run again": lambda: card(a_review(), round_=check.round + 1),
        "second person": lambda: review_calls.second_person_request(
            check, entry, proposal, whom=f"<@{REMI}>", links=CheckLinks()
        ),
        "handed on": lambda: review_calls.handover(
            check, entry, by=REMI, to=AMINA, links=CheckLinks(), below_a_card=False
        ),
        "reminder": lambda: review_calls.reminder(
            check,
            entry,
            ReminderCause.IDLE,
            whom=f"<@{REMI}>",
            claimer=REMI,
            waited=timedelta(hours=5),
            links=CheckLinks(),
        ),
        "personal": lambda: review_calls.personal_notice(
            check, entry, title="Approved", choice=Subscription.RESULTS, links=CheckLinks()
        ),
    }


def listing(checks: list[Check], entry: IDType | None, shown: str = "mine") -> Message:
    rows = [find.CheckRow(check=check, entry=entry, link=None) for check in checks]
    return find.listing(rows, shown=shown, offers=list(find.LABELS), has_older=True, has_newer=True)


def private_messages(check: Check, entry: IDType | None, text: str) -> dict[str, Callable[[], Message]]:
    """Every message that `bot.slack.blocks.private` can build."""
    return {
        "status": lambda: record.status(check, entry, a_review(), link=None),
        "listing": lambda: listing([check] * 10, entry),
        "empty listing": lambda: listing([], entry),
        "help": lambda: command_help.message(set(HelpPart)),
        "help for a word": lambda: command_help.message(set(HelpPart), unknown=text),
    }


def a_queue(*rows: HomeCheck, matching: int = 45, own: int = 2, is_reviewer: bool = True) -> ReviewQueue:
    """The second page of what waits, narrowed."""
    return ReviewQueue(
        rows=rows,
        choices=HomeChoices(queue=QueueFilter.OVERDUE, country="NG", page=1 if matching > PAGE else 0),
        matching=matching,
        total=matching,
        counts=dict.fromkeys(QueueFilter, matching),
        countries=[("Nigeria", "NG"), ("Kenya", "KE")],
        due=timedelta(hours=4),
        own=own,
        is_reviewer=is_reviewer,
    )


NOTHING_WAITS = ReviewQueue(
    rows=[],
    choices=HomeChoices(),
    matching=0,
    total=0,
    counts=dict.fromkeys(QueueFilter, 0),
    countries=[],
    due=timedelta(hours=4),
)


def _queued(check: Check, entry: IDType | None, text: str) -> HomeCheck:
    proposal = Proposal(decision=Decision.APPROVED, reason="other", by=REMI, at=ASKED_AT, is_override=False, words=text)
    link = f"https://files.example/{'p' * 200}"
    return HomeCheck(
        check=check,
        entry=entry,
        review=a_review(claimed_by=REMI, proposal=proposal),
        links=CheckLinks(thread=link, card=link),
        waited=timedelta(hours=5),
        is_overdue=True,
    )


def _report() -> Report:
    day = ASKED_AT.date()
    return report(
        [],
        Period(kind=PeriodKind.DAY, first=day, last=day),
        zone=ZoneInfo("Africa/Lagos"),
        as_of=ASKED_AT + timedelta(days=1),
        review_due=timedelta(hours=4),
        began=ASKED_AT - timedelta(days=90),
    )


def _photos(text: str) -> list[ShownPhoto]:
    """As many as there can be, of files with the wildest names."""
    named = [f"https://files.example/{number}/{text}" for number in range(8)]
    return [
        ShownPhoto(name=f"Liveness image {number}", file_id=f"F{number}", link=link, is_image=bool(number % 2))
        for number, link in enumerate([*named, "javascript:alert(1)"])
    ]


def views(
    check: Check, entry: IDType | None, reading: ResultMeaning, text: str, many: int
) -> dict[str, dict[str, Any]]:
    """Every view except the form."""
    message = private.MessageDetails(
        at=ASKED_AT,
        source=Source.CALLBACK,
        reading=reading,
        authority={text: text, "Name at the authority": text},
        suspects=[text] * 3,
    )
    links = {f"{text}{n}": f"https://files.example/{n}.jpg?a=1&b={'s' * 1200}" for n in range(many)}
    note = Note(author=REMI, at=ASKED_AT, words=text)
    return {
        "details": private.details(
            check, entry, [message] * many, photo_links=links, reviewers=review.decisions_and_notes([note] * many)
        ),
        "record": record.view(
            check, entry, a_review(claimed_by=REMI), [decided(text)] * many, link="https://files.example/p"
        ),
        "photos": photos.photos(check, entry, _photos(text), asked=AskedFor(at=ASKED_AT, thread=None)),
        "photos, links": photos.photos(check, entry, _photos(text), as_links=True),
        "decide": review_forms.decide_form(check, entry, Decision.APPROVED, seen="x" * 100, may_override=True),
        "hand on": review_forms.hand_on_form(check, [REMI]),
        "note": review_forms.note_form(check),
        "home": home.home(
            own=OwnChecks(rows=[_queued(check, entry, text)] * PAGE, has_older=True, has_newer=True),
            queue=a_queue(*[_queued(check, entry, text)] * PAGE),
            figures=HomeFigures(today=_report(), yesterday=_report()),
        ),
        "home, nothing": home.home(own=OwnChecks(rows=[]), queue=NOTHING_WAITS, figures=None),
        "home, filtered away": home.home(own=OwnChecks(rows=[], shown="failed"), queue=a_queue(), figures=None),
        "home, nobody": home.home(own=None, queue=None, figures=None, ask=REMI),
        "home, unsure": home.home(own=None, queue=None, figures=None, unsure=True),
        "notify": review_forms.notify_form(set(Subscription), is_reviewer=True),
        "notify, requester": review_forms.notify_form((), is_reviewer=False),
        "details, links to come": private.details(check, entry, [], photo_links=None),
        "details, no links": private.details(check, entry, [message], photo_links={}),
        "details, bad link": private.details(check, entry, [message], photo_links={text: f"ftp:{text}"}),
        "closed": private.closed_form(refusals.plain_sentence(Refused(Refusal.CANNOT_POST, channel=text))),
        "search": find.form([("NG", text)] * many),
        "found": find.results(
            [find.CheckRow(check=check, entry=entry, link=f"https://files.example/{'p' * 200}")] * 10,
            metadata="",
            has_older=True,
            has_newer=True,
        ),
        "nothing found": find.results([], metadata="", has_older=False, has_newer=False),
    }
