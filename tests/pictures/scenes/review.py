"""What reviewers see and do: cards, calls, forms; and how their decisions are told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.check.check import Check, HoldReason
from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import CheckLinks, Message, PostKind
from bot.domain.results.codes import ResultStory
from bot.domain.review.requests import RequestKind, ReviewRequest
from bot.domain.review.review import (
    OTHER,
    UNANSWERED,
    Audience,
    Decision,
    Note,
    Objection,
    Proposal,
    ReminderCause,
    Review,
    ReviewDecision,
    ReviewState,
    Subscription,
    agreement,
)
from bot.errors import Refusal, Refused
from bot.slack.blocks import (
    ids,
    photos,
    private,
    reasons,
    refusals,
    results,
    review,
    review_actions,
    review_calls,
    review_forms,
    review_next,
    thread,
    words,
)
from bot.slack.blocks.results import EarlierDecision, ResultFacts
from bot.slack.blocks.review_actions import Reader
from tests.pictures.people import AMINA, MUSA, NOW, REMI, ZOLA
from tests.pictures.scene import TWO_MODALS, Place, Scene, Sheet
from tests.pictures.scenes.samples import (
    CHECK_BVN,
    ENTRY,
    LINK,
    RECEIVED_AT,
    REVIEWER_TOLD,
    STATES,
    ended,
    reading,
)

_AT = NOW - timedelta(minutes=5)
OTHER_REF = "K-2M4Q8Z"
IN_REVIEW = replace(CHECK_BVN, state=State.IN_REVIEW, reason=ReviewReason.ID_UNVERIFIED, review=ReviewState.OPEN)
REJECTED = ended(State.REJECTED, reading(ResultStory.FACES_DIFFER), review=ReviewState.OPEN)
OPEN = Review(
    ref=CHECK_BVN.ref,
    round=1,
    state=ReviewState.OPEN,
    opened_at=RECEIVED_AT,
    claimed_by=None,
    claimed_at=None,
    touched_at=None,
    proposal=None,
    decided=None,
    reminded="",
    notes=0,
)
CLAIMED = replace(OPEN, claimed_by=REMI, claimed_at=_AT, touched_at=_AT, notes=2)
_OWN = "His driving licence, seen in the branch, shows the same face & name <b>twice</b>."
PROPOSAL = Proposal(
    decision=Decision.APPROVED, reason="other_documents", by=REMI, at=_AT, is_override=False, words=_OWN
)
_DECIDED = ReviewDecision(
    number=1,
    decision=Decision.REJECTED,
    reason="tampered",
    by=REMI,
    confirmed_by=None,
    is_override=False,
    at=_AT,
)
_BY_TWO = replace(_DECIDED, decision=Decision.APPROVED, reason="other_documents", words=_OWN, confirmed_by=ZOLA)
_BY_ADMIN = replace(_DECIDED, reason=OTHER, words="The customer has withdrawn.", by=AMINA, is_override=True)
_PHOTOS = replace(_DECIDED, decision=Decision.NEW_PHOTOS, reason="covered")

REQUESTED = ReviewRequest(
    id="V0REQUEST01",
    ref=CHECK_BVN.ref,
    round=1,
    kind=RequestKind.REVIEW,
    person=AMINA,
    reason="customer_disputes",
    words="Says that the photo on her card is <old> & *small*.",
    at=_AT,
)


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="review-cards",
            title="Cards for reviewers",
            line="A card for each check that needs eyes, in the reviewers' channel, updated in place; calls below it.",
            scenes=[*_cards(), *_calls()],
        ),
        Sheet(
            name="decisions",
            title="Decisions",
            line="What a reviewer decided, told in the request's thread; and what Smile ID says afterwards.",
            scenes=list(_decisions()),
        ),
        Sheet(
            name="review-forms",
            title="Forms of reviewers",
            line="Modals behind the buttons of a card, and the choice of direct messages.",
            scenes=[*_forms(), *_next()],
            width=TWO_MODALS,
        ),
    ]


def _cards() -> Iterator[Scene]:
    def card(
        caption: str,
        check: Check,
        held: Review | None,
        why: ResultStory,
        kind: PostKind = PostKind.REVIEW_CARD,
        **more: Any,
    ) -> Scene:
        given: dict[str, Any] = {
            "round_": 1,
            "title": words.notice_title("", why),
            "link": LINK,
            "reading": reading(why),
        } | more
        return Scene(
            caption=caption, shows=review.card(check, ENTRY, held, **given), kinds=[kind], place=Place.REVIEWERS
        )

    yield card("New", IN_REVIEW, OPEN, ResultStory.ID_UNVERIFIED, PostKind.REVIEW_NOTICE)
    mentions = f"<@{REMI}> <@{ZOLA}>"
    yield card("New, and reviewers are called by name", REJECTED, OPEN, ResultStory.SPOOF, mentions=mentions)
    still = replace(CHECK_BVN, review=ReviewState.OPEN)
    yield card("New while Smile ID is still looking", still, OPEN, ResultStory.PROVISIONAL, link=None)
    yield card("For information, nobody is waited for", REJECTED, None, ResultStory.FACES_DIFFER)
    yield card("Claimed", IN_REVIEW, CLAIMED, ResultStory.ID_UNVERIFIED)
    yield card("Claimed before Smile ID has said anything", still, CLAIMED, ResultStory.PROVISIONAL, reading=None)
    title = words.notice_title("overdue", None)
    yield card("Smile ID has not answered for a week", still, OPEN, ResultStory.PROVISIONAL, title=title, reading=None,
               unanswered=True)  # fmt: skip
    ended_so = replace(CHECK_BVN, state=State.FAILED, failure=UNANSWERED, review=ReviewState.SETTLED)
    by_remi = replace(CLAIMED, state=ReviewState.SETTLED)
    title = words.FAILURES[UNANSWERED].title
    yield card("The same, ended", ended_so, by_remi, ResultStory.PROVISIONAL, title=title, reading=None)
    held = replace(
        CHECK_BVN,
        state=State.REQUESTED,
        held=HoldReason.SELFIE_SEEN,
        held_note={"other_number": True},
        review=ReviewState.OPEN,
        sent_at=None,
    )
    title = words.notice_title("selfie_seen", None)
    said = reasons.lines([], held, seen="K-3C9T4M")
    yield card(
        "A selfie with another ID number", held, OPEN, ResultStory.SPOOF, title=title, reading=None, requests=said
    )
    cancelled = replace(held, state=State.CANCELLED, held=None)
    said = reasons.lines([replace(REQUESTED, kind=RequestKind.SEND_ANYWAY, reason=OTHER)], cancelled, seen="K-3C9T4M")
    yield card("The same, cancelled", cancelled, OPEN, ResultStory.SPOOF, title=title, reading=None, requests=said)
    over = replace(OPEN, state=ReviewState.SETTLED)
    yield card("The same, closed", cancelled, over, ResultStory.SPOOF, title=title, reading=None, requests=said)
    asked = reasons.lines([REQUESTED], REJECTED)
    yield card("Asked for by a person, who says why", REJECTED, OPEN, ResultStory.FACES_DIFFER, requests=asked)
    objection = Objection(decision=Decision.APPROVED, proposer=REMI, by=ZOLA, at=_AT, words="The licence had expired.")
    disagreed = replace(CLAIMED, objection=objection)
    yield card("A second person disagreed", REJECTED, disagreed, ResultStory.FACES_DIFFER)
    proposed = replace(CLAIMED, proposal=PROPOSAL)
    yield card("A decision against Smile ID's verdict is proposed", REJECTED, proposed, ResultStory.FACES_DIFFER)
    closed = replace(CLAIMED, state=ReviewState.DECIDED)
    yield card("Decided", IN_REVIEW, replace(closed, decided=_DECIDED), ResultStory.ID_UNVERIFIED)
    yield card("Decided by two", REJECTED, replace(closed, decided=_BY_TWO), ResultStory.FACES_DIFFER)
    yield card(
        "Decided by an admin who asked", IN_REVIEW, replace(closed, decided=_BY_ADMIN), ResultStory.ID_UNVERIFIED
    )
    again = replace(CLAIMED, claimed_by=None, claimed_at=None, decided=_DECIDED)
    title = words.notice_title("differs", None)
    yield card("Smile ID differs from the decision", REJECTED, again, ResultStory.FACES_DIFFER, title=title)
    settled = replace(CLAIMED, state=ReviewState.SETTLED)
    yield card(
        "Smile ID's final result has come",
        ended(State.APPROVED, reading(ResultStory.CONFIRMED)),
        settled,
        ResultStory.PROVISIONAL,
    )
    newer = review.NewerCard(link=LINK)
    yield card("A newer card was posted", IN_REVIEW, OPEN, ResultStory.ID_UNVERIFIED, newer=newer)
    yield card("The check was run again", replace(CHECK_BVN, round=2), settled, ResultStory.SPOOF)


def _next() -> Iterator[Scene]:
    """The modal after a decision."""
    read = reading(ResultStory.INCONCLUSIVE)

    def shown(told: str, check: Check, held: Review) -> Any:
        return review_next.next_check(
            check,
            ENTRY,
            held,
            told=told,
            title=words.notice_title("", ResultStory.INCONCLUSIVE),
            link=LINK,
            reading=read,
            viewer=ZOLA,
            skipped=[],
        )

    waits = replace(IN_REVIEW, reason=ReviewReason.SMILE_ID)
    told = review_next.decided(Decision.APPROVED, OTHER_REF, stands=True)
    yield Scene(caption="Decided, and the next check", shows=shown(told, waits, OPEN))
    told = review_next.decided(Decision.REJECTED, OTHER_REF, stands=False)
    proposed = replace(CLAIMED, proposal=PROPOSAL)
    yield Scene(caption="Proposed, and a proposal of another reviewer is next", shows=shown(told, REJECTED, proposed))
    nothing = review_next.nothing_left(review_next.AGREED.format(ref=OTHER_REF), skipped=2)
    yield Scene(caption="Agreed, and nothing is left", shows=nothing)


def _calls() -> Iterator[Scene]:
    def scene(caption: str, said: Message, *kinds: PostKind, place: Place = Place.THREAD) -> Scene:
        return Scene(caption=caption, shows=said, kinds=kinds, place=place)

    said = review_calls.second_person_request(
        REJECTED, ENTRY, PROPOSAL, whom=f"<@{ZOLA}>", links=CheckLinks(thread=LINK)
    )
    yield scene("A second person is needed", said, PostKind.REVIEW_CALL)
    said = review_calls.handover(IN_REVIEW, ENTRY, by=REMI, to=ZOLA, links=CheckLinks(thread=LINK), below_a_card=True)
    yield scene("Reassigned", said, PostKind.REVIEW_CALL)
    for silence, whom in (
        (ReminderCause.UNCLAIMED, ZOLA),
        (ReminderCause.IDLE, REMI),
        (ReminderCause.PROPOSED, ZOLA),
        (ReminderCause.PENDING, ZOLA),
    ):
        check = CHECK_BVN if silence is ReminderCause.PENDING else IN_REVIEW
        waited = timedelta(hours=3, minutes=20)
        said = review_calls.reminder(
            check, ENTRY, silence, whom=f"<@{whom}>", claimer=REMI, waited=waited, links=CheckLinks(thread=LINK)
        )
        yield scene(f"Reminder: {silence.value}", said, PostKind.REVIEW_CALL)
    objection = Objection(decision=Decision.APPROVED, proposer=REMI, by=ZOLA, at=_AT, words="The licence had expired.")
    yield scene("A second person disagrees", review.disagreement(REJECTED, ENTRY, objection), PostKind.REVIEW_CALL)
    title = words.notice_title("", ResultStory.FACES_DIFFER)
    said = review_calls.reminder(
        replace(IN_REVIEW, id_info={}),
        ENTRY,
        ReminderCause.UNCLAIMED,
        whom=f"<@{MUSA}>",
        claimer=None,
        waited=waited,
        links=CheckLinks(thread=LINK),
        below_a_card=False,
        audience=Audience.MANAGERS,
    )
    yield scene("Reminder to a manager", said, PostKind.REVIEW_CALL, place=Place.DIRECT)
    links = CheckLinks(thread=LINK, card=LINK)
    said = review_calls.personal_notice(REJECTED, ENTRY, title=title, choice=Subscription.CARDS, links=links)
    yield scene("To somebody who chose to be told directly", said, PostKind.PERSONAL, place=Place.DIRECT)


def _decisions() -> Iterator[Scene]:
    def decided(caption: str, check: Check, decision: ReviewDecision) -> Scene:
        said = thread.decided(check, decision, with_comment=False)
        return Scene(caption=caption, shows=said, kinds=[PostKind.DECIDED], place=Place.THREAD)

    yield Scene(
        caption="A review is requested",
        shows=results.review_requested(replace(REJECTED, review=ReviewState.OPEN), REQUESTED, notified=REVIEWER_TOLD),
        kinds=[PostKind.REVIEW_REQUESTED],
        place=Place.THREAD,
    )
    yield decided("Rejected by a reviewer", IN_REVIEW, _DECIDED)
    yield decided("Approved by two, against Smile ID's verdict", REJECTED, _BY_TWO)
    yield decided("Decided by an admin who asked", IN_REVIEW, _BY_ADMIN)
    yield decided("New photos asked for", IN_REVIEW, _PHOTOS)
    yield decided("About a row of a file", replace(IN_REVIEW, batch="B-2M4Q8Z", batch_row=17), _DECIDED)
    for decision, why in (
        (_DECIDED, ResultStory.FACES_DIFFER),
        (_DECIDED, ResultStory.CONFIRMED),
        (_DECIDED, ResultStory.AUTHORITY_DOWN),
    ):
        read = reading(why)
        earlier = EarlierDecision(decided=decision, agreement=agreement(decision.decision, read.outcome))
        check = ended(STATES[read.outcome], read)
        facts = ResultFacts(
            check=check, entry=ENTRY, reading=read, at=RECEIVED_AT, notified=REVIEWER_TOLD, earlier=earlier
        )
        said = results.result(facts, confirmed=True)
        caption = f"Smile ID's final result after a decision: {earlier.agreement.value}"
        yield Scene(caption=caption, shows=said, kinds=[PostKind.RESULT], place=Place.THREAD)
    after = replace(REJECTED, decision=Decision.APPROVED, decided_by=REMI, decided_at=_AT, review=ReviewState.DECIDED)
    said = thread.request_message(after, ENTRY)
    yield Scene(caption="The request's message after a decision", shows=said, kinds=[PostKind.PROGRESS])
    said = thread.request_message(replace(after, review=ReviewState.OPEN), ENTRY)
    yield Scene(
        caption="The request's message when a decision is looked at again", shows=said, kinds=[PostKind.PROGRESS]
    )


def _forms() -> Iterator[Scene]:
    yield Scene(
        caption="Send anyway, although the selfie was used with another ID number",
        shows=reasons.send_anyway_form(CHECK_BVN),
    )
    yield Scene(
        caption="Who asked requests a review; another reason without words",
        shows=reasons.form(replace(REJECTED, review=ReviewState.SETTLED)),
        typed={ids.REASON: OTHER},
        errors={ids.WORDS: review_forms.NEEDS_WORDS},
    )
    for decision in Decision:
        form = review_forms.decide_form(IN_REVIEW, ENTRY, decision, seen="", may_override=False)
        yield Scene(caption=f"Decide: {decision.value.replace('_', ' ')}", shows=form)
    form = review_forms.decide_form(IN_REVIEW, ENTRY, Decision.REJECTED, seen="", may_override=True)
    four_eyes = refusals.plain_sentence(Refused(Refusal.FOUR_EYES, ref=CHECK_BVN.ref))
    yield Scene(
        caption="By an admin who asked; another reason without words",
        shows=form,
        typed={ids.REASON: OTHER},
        errors={ids.WORDS: review_forms.NEEDS_WORDS, ids.OVERRIDE: four_eyes},
    )
    form = review_forms.hand_on_form(IN_REVIEW, [REMI, ZOLA])
    yield Scene(
        caption="Reassign",
        shows=form,
        errors={ids.HAND_TO: refusals.SENTENCES[Refusal.HAND_TO_NO_REVIEWER]},
    )
    anybody = review_forms.hand_on_form(IN_REVIEW, None)
    yield Scene(caption="Reassign, where anybody may be a reviewer", shows=anybody)
    for is_own, caption in ((False, "Disagree"), (True, "Take back")):
        form = review_forms.disagree_form(REJECTED, ENTRY, PROPOSAL, is_own=is_own)
        yield Scene(caption=caption, shows=form, typed={ids.WORDS: "The licence had expired."})
    yield Scene(
        caption="Note", shows=review_forms.note_form(IN_REVIEW), typed={ids.WORDS: "Called the branch; they look."}
    )
    yield Scene(
        caption="/kyc notify, for a reviewer", shows=review_forms.notify_form([Subscription.SECOND], is_reviewer=True)
    )
    yield Scene(caption="/kyc notify, for a requester", shows=review_forms.notify_form([], is_reviewer=False))
    found: list[ReviewDecision | Note] = [
        Note(author=MUSA, at=_AT, words="Called the branch; they look."),
        replace(_BY_TWO, at=NOW),
    ]
    reader = Reader(user=REMI, is_reviewer=True, is_admin=False)
    view = private.details(
        IN_REVIEW,
        ENTRY,
        [],
        photo_links={},
        reviewers=review.decisions_and_notes(found),
        jobs=[private.JobIds(job_id="3f0c5f1e-0000-4000-8000-00000000c17a", smile_job_id="0000012345")],
        row=[*review_actions.in_details(IN_REVIEW, OPEN, reader), photos.show_button(IN_REVIEW.ref)],
    )
    yield Scene(caption="The Details, with what reviewers wrote", shows=view)
