"""What one message does to one check: the rules of trust, case by case, and what no sequence of messages can do."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.domain.check.states import FINAL, STICKY_REASONS, ReviewReason, State, check_move
from bot.domain.outbox import PostKind
from bot.domain.results import trust_rules
from bot.domain.results.codes import AGAINST_APPROVAL, Outcome, ResultMeaning, ResultStory, is_graver
from bot.domain.results.trust_rules import (
    Disposition,
    Situation,
    Source,
    Transition,
    pick_record,
    settle_unconfirmed,
)

CALLBACK, RECORD = Source.CALLBACK, Source.JOB_STATUS


def message(code: str, outcome: Outcome, why: ResultStory) -> ResultMeaning:
    return ResultMeaning(code=code, text="", outcome=outcome, why=why)


APPROVED = message("0810", Outcome.APPROVED, ResultStory.CONFIRMED)
APPROVED_BY_PERSON = message("1210", Outcome.APPROVED, ResultStory.CONFIRMED)
REJECTED = message("0811", Outcome.REJECTED, ResultStory.FACES_DIFFER)
SPOOF = message("0907", Outcome.REJECTED, ResultStory.SPOOF)
FAILED = message("0001", Outcome.FAILED, ResultStory.PHOTO_UNUSABLE)
ID_NOT_FOUND = message("1013", Outcome.REJECTED, ResultStory.ID_NOT_FOUND)
AUTHORITY_DOWN = message("1015", Outcome.FAILED, ResultStory.AUTHORITY_DOWN)
PROVISIONAL = message("0814", Outcome.IN_PROGRESS, ResultStory.SUSPECTED_SPOOF)
HARMLESS = message("0814", Outcome.IN_PROGRESS, ResultStory.PROVISIONAL)
NOT_YET_APPROVED = message("0810", Outcome.IN_PROGRESS, ResultStory.NOT_FINAL)
INCONCLUSIVE = message("0815", Outcome.IN_PROGRESS, ResultStory.INCONCLUSIVE)
UNVERIFIED = message("0810", Outcome.ID_UNVERIFIED, ResultStory.ID_UNVERIFIED)
UNKNOWN = message("0899", Outcome.UNKNOWN, ResultStory.UNKNOWN_CODE)
ID_DETAILS = message("1012", Outcome.INFORMATION, ResultStory.ID_DETAILS)
SUSPECTS = message("5211", Outcome.INFORMATION, ResultStory.SUSPECTS)
NO_SUSPECTS = message("5210", Outcome.INFORMATION, ResultStory.ANTIFRAUD)

MESSAGES = [
    *(APPROVED, APPROVED_BY_PERSON, REJECTED, SPOOF, FAILED, ID_NOT_FOUND, AUTHORITY_DOWN, PROVISIONAL),
    *(HARMLESS, NOT_YET_APPROVED, INCONCLUSIVE, UNVERIFIED, UNKNOWN, ID_DETAILS, SUSPECTS, NO_SUSPECTS),
]


def reviewing(reason: ReviewReason, *, claim: Outcome | None = None) -> Situation:
    return Situation(state=State.IN_REVIEW, reason=reason, claim=claim)


def told(*codes: str) -> frozenset[str]:
    return frozenset(codes)


NOT_SENT = Situation(state=State.REQUESTED)
SENDING = Situation(state=State.SUBMITTING)
WAITING = Situation(state=State.PROCESSING)
UNDER_REVIEW = replace(reviewing(ReviewReason.SMILE_ID), codes_told=told("0814"), story=ResultStory.SUSPECTED_SPOOF)
CODE_UNKNOWN = replace(reviewing(ReviewReason.UNKNOWN_CODE), codes_told=told("0899"))
TOLD_HARMLESS = replace(reviewing(ReviewReason.SMILE_ID), codes_told=told("0814"), story=ResultStory.PROVISIONAL)
UNSURE = replace(reviewing(ReviewReason.SMILE_ID), codes_told=told("0815"), story=ResultStory.INCONCLUSIVE)
ID_NOT_VERIFIED = replace(
    reviewing(ReviewReason.ID_UNVERIFIED), codes_told=told("0810"), story=ResultStory.ID_UNVERIFIED
)
CLAIMED_APPROVED = Situation(state=State.PROCESSING, claim=Outcome.APPROVED)
CLAIMED_REJECTED = Situation(state=State.PROCESSING, claim=Outcome.REJECTED)
CLAIMED_FAILED = Situation(state=State.PROCESSING, claim=Outcome.FAILED)
UNCONFIRMED_APPROVAL = reviewing(ReviewReason.UNCONFIRMED, claim=Outcome.APPROVED)
UNCONFIRMED_REJECTION = Situation(state=State.REJECTED, claim=Outcome.REJECTED, verdict=Outcome.REJECTED)
ENDED_APPROVED = Situation(state=State.APPROVED, verdict=Outcome.APPROVED)
ENDED_REJECTED = Situation(state=State.REJECTED, verdict=Outcome.REJECTED)
ENDED_FAILED = Situation(state=State.FAILED, verdict=Outcome.FAILED)
GAVE_UP = Situation(state=State.FAILED)
GOES_ON = replace(UNDER_REVIEW, has_failed_here=True)
FORGOTTEN = replace(GAVE_UP, is_forgotten=True)
GAVE_UP_CLAIMED_APPROVED = Situation(state=State.FAILED, claim=Outcome.APPROVED)
GAVE_UP_CLAIMED_FAILED = Situation(state=State.FAILED, claim=Outcome.FAILED)
CANCELLED = Situation(state=State.CANCELLED)
TWO_FINALS = reviewing(ReviewReason.SECOND_FINAL)
CONTRADICTED = reviewing(ReviewReason.CONTRADICTION)

SMILE_ID = (State.IN_REVIEW, ReviewReason.SMILE_ID)
UNKNOWN_CODE = (State.IN_REVIEW, ReviewReason.UNKNOWN_CODE)
ID_UNVERIFIED = (State.IN_REVIEW, ReviewReason.ID_UNVERIFIED)
SECOND_FINAL = (State.IN_REVIEW, ReviewReason.SECOND_FINAL)
CONTRADICTION = (State.IN_REVIEW, ReviewReason.CONTRADICTION)
TO_APPROVED, TO_REJECTED, TO_FAILED = ((state, None) for state in (State.APPROVED, State.REJECTED, State.FAILED))

Move = tuple[State, ReviewReason | None] | None

CASES: list[tuple[str, Situation, ResultMeaning, Source, Disposition, Move, PostKind | None]] = [
    # A final result by callback is a claim and moves nothing.
    ("claim: approval", WAITING, APPROVED, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim: rejection", WAITING, REJECTED, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim: failure", WAITING, FAILED, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim: ID not found", WAITING, ID_NOT_FOUND, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim while sending", SENDING, APPROVED, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim after human review", UNDER_REVIEW, APPROVED_BY_PERSON, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim after an unknown code", CODE_UNKNOWN, REJECTED, CALLBACK, Disposition.CLAIMED, None, None),
    ("claim repeated", CLAIMED_APPROVED, APPROVED, CALLBACK, Disposition.AGREES, None, None),
    ("claim of the same class", CLAIMED_REJECTED, SPOOF, CALLBACK, Disposition.AGREES, None, None),
    # Smile ID's own record settles.
    ("record: approval", WAITING, APPROVED, RECORD, Disposition.COUNTED, TO_APPROVED, PostKind.RESULT),
    ("record: rejection", WAITING, REJECTED, RECORD, Disposition.COUNTED, TO_REJECTED, PostKind.RESULT),
    ("record: failure", WAITING, FAILED, RECORD, Disposition.COUNTED, TO_FAILED, PostKind.RESULT),
    ("record while sending", SENDING, REJECTED, RECORD, Disposition.COUNTED, TO_REJECTED, PostKind.RESULT),
    (
        "record after human review",
        UNDER_REVIEW,
        APPROVED_BY_PERSON,
        RECORD,
        Disposition.COUNTED,
        TO_APPROVED,
        PostKind.RESULT,
    ),
    ("record after an unknown code", CODE_UNKNOWN, APPROVED, RECORD, Disposition.COUNTED, TO_APPROVED, PostKind.RESULT),
    ("record after no ID", ID_NOT_VERIFIED, APPROVED, RECORD, Disposition.COUNTED, TO_APPROVED, PostKind.RESULT),
    ("record confirms approval", CLAIMED_APPROVED, APPROVED, RECORD, Disposition.COUNTED, TO_APPROVED, PostKind.RESULT),
    ("record confirms rejection", CLAIMED_REJECTED, SPOOF, RECORD, Disposition.COUNTED, TO_REJECTED, PostKind.RESULT),
    ("record confirms late", UNCONFIRMED_APPROVAL, APPROVED, RECORD, Disposition.COUNTED, TO_APPROVED, PostKind.RESULT),
    (
        "record confirms what was told",
        UNCONFIRMED_REJECTION,
        REJECTED,
        RECORD,
        Disposition.AGREES,
        None,
        PostKind.CONFIRMED,
    ),
    ("record says it again", ENDED_APPROVED, APPROVED, RECORD, Disposition.AGREES, None, None),
    # Another final class.
    (
        "record contradicts",
        CLAIMED_APPROVED,
        REJECTED,
        RECORD,
        Disposition.COUNTED,
        CONTRADICTION,
        PostKind.CONTRADICTION,
    ),
    (
        "record contradicts too",
        CLAIMED_REJECTED,
        APPROVED,
        RECORD,
        Disposition.COUNTED,
        CONTRADICTION,
        PostKind.CONTRADICTION,
    ),
    (
        "record: failure instead",
        CLAIMED_APPROVED,
        FAILED,
        RECORD,
        Disposition.COUNTED,
        CONTRADICTION,
        PostKind.CONTRADICTION,
    ),
    (
        "contradicts late",
        UNCONFIRMED_APPROVAL,
        REJECTED,
        RECORD,
        Disposition.COUNTED,
        CONTRADICTION,
        PostKind.CONTRADICTION,
    ),
    (
        "contradicts told",
        UNCONFIRMED_REJECTION,
        APPROVED,
        RECORD,
        Disposition.COUNTED,
        CONTRADICTION,
        PostKind.CONTRADICTION,
    ),
    ("second callback", CLAIMED_APPROVED, REJECTED, CALLBACK, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    (
        "second after approved",
        ENDED_APPROVED,
        REJECTED,
        CALLBACK,
        Disposition.COUNTED,
        SECOND_FINAL,
        PostKind.SECOND_FINAL,
    ),
    (
        "second after rejected",
        ENDED_REJECTED,
        APPROVED,
        RECORD,
        Disposition.COUNTED,
        SECOND_FINAL,
        PostKind.SECOND_FINAL,
    ),
    ("second after failed", ENDED_FAILED, APPROVED, CALLBACK, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    (
        "second after told",
        UNCONFIRMED_REJECTION,
        APPROVED,
        CALLBACK,
        Disposition.COUNTED,
        SECOND_FINAL,
        PostKind.SECOND_FINAL,
    ),
    ("same class again", ENDED_REJECTED, SPOOF, CALLBACK, Disposition.AGREES, None, None),
    # Not there yet is never a contradiction.
    ("record in progress", CLAIMED_APPROVED, PROVISIONAL, RECORD, Disposition.LATE, None, None),
    ("record has the ID message", CLAIMED_APPROVED, ID_DETAILS, RECORD, Disposition.INFORMATION, None, None),
    ("record knows no ID", CLAIMED_APPROVED, ID_NOT_FOUND, RECORD, Disposition.LATE, None, None),
    ("record: authority down", CLAIMED_REJECTED, AUTHORITY_DOWN, RECORD, Disposition.LATE, None, None),
    ("record unverified", CLAIMED_APPROVED, UNVERIFIED, RECORD, Disposition.LATE, None, None),
    (
        "record confirms an ID message",
        CLAIMED_FAILED,
        AUTHORITY_DOWN,
        RECORD,
        Disposition.COUNTED,
        TO_FAILED,
        PostKind.RESULT,
    ),
    # What is not final.
    ("provisional", WAITING, PROVISIONAL, CALLBACK, Disposition.COUNTED, SMILE_ID, PostKind.NOT_FINAL),
    ("provisional in the record", WAITING, PROVISIONAL, RECORD, Disposition.COUNTED, SMILE_ID, PostKind.NOT_FINAL),
    ("provisional while sending", SENDING, PROVISIONAL, CALLBACK, Disposition.COUNTED, SMILE_ID, PostKind.NOT_FINAL),
    ("provisional repeated", UNDER_REVIEW, PROVISIONAL, RECORD, Disposition.AGREES, None, None),
    ("another provisional", UNDER_REVIEW, INCONCLUSIVE, CALLBACK, Disposition.COUNTED, None, PostKind.NOT_FINAL),
    (
        "the same code for a graver cause",
        TOLD_HARMLESS,
        PROVISIONAL,
        RECORD,
        Disposition.COUNTED,
        SMILE_ID,
        PostKind.NOT_FINAL,
    ),
    ("the same code for less", UNDER_REVIEW, HARMLESS, RECORD, Disposition.AGREES, None, None),
    ("a graver provisional", UNSURE, PROVISIONAL, CALLBACK, Disposition.COUNTED, SMILE_ID, PostKind.NOT_FINAL),
    (
        "provisional after unknown",
        CODE_UNKNOWN,
        PROVISIONAL,
        CALLBACK,
        Disposition.COUNTED,
        SMILE_ID,
        PostKind.NOT_FINAL,
    ),
    (
        "provisional after no ID",
        ID_NOT_VERIFIED,
        PROVISIONAL,
        CALLBACK,
        Disposition.COUNTED,
        SMILE_ID,
        PostKind.NOT_FINAL,
    ),
    ("provisional after a claim", CLAIMED_REJECTED, PROVISIONAL, CALLBACK, Disposition.LATE, None, None),
    ("provisional after the end", ENDED_APPROVED, PROVISIONAL, CALLBACK, Disposition.LATE, None, None),
    (
        "provisional after giving up and a claim",
        GAVE_UP_CLAIMED_FAILED,
        PROVISIONAL,
        RECORD,
        Disposition.LATE,
        None,
        None,
    ),
    ("provisional after a failure", ENDED_FAILED, PROVISIONAL, RECORD, Disposition.LATE, None, None),
    # Unknown codes and unverified IDs call a person, and never move what is settled.
    ("unknown", WAITING, UNKNOWN, CALLBACK, Disposition.COUNTED, UNKNOWN_CODE, PostKind.UNKNOWN_CODE),
    ("unknown in the record", SENDING, UNKNOWN, RECORD, Disposition.COUNTED, UNKNOWN_CODE, PostKind.UNKNOWN_CODE),
    ("unknown repeated", CODE_UNKNOWN, UNKNOWN, CALLBACK, Disposition.AGREES, None, None),
    ("unknown under review", UNDER_REVIEW, UNKNOWN, CALLBACK, Disposition.COUNTED, None, PostKind.UNKNOWN_CODE),
    ("unknown after a claim", CLAIMED_APPROVED, UNKNOWN, CALLBACK, Disposition.COUNTED, None, PostKind.UNKNOWN_CODE),
    ("unknown after the end", ENDED_APPROVED, UNKNOWN, CALLBACK, Disposition.COUNTED, None, PostKind.UNKNOWN_CODE),
    ("unverified", WAITING, UNVERIFIED, CALLBACK, Disposition.COUNTED, ID_UNVERIFIED, PostKind.ID_UNVERIFIED),
    (
        "unverified in the record",
        WAITING,
        UNVERIFIED,
        RECORD,
        Disposition.COUNTED,
        ID_UNVERIFIED,
        PostKind.ID_UNVERIFIED,
    ),
    ("unverified repeated", ID_NOT_VERIFIED, UNVERIFIED, RECORD, Disposition.AGREES, None, None),
    (
        "unverified under review",
        UNDER_REVIEW,
        UNVERIFIED,
        RECORD,
        Disposition.COUNTED,
        SMILE_ID,
        PostKind.ID_UNVERIFIED,
    ),
    ("unverified after a claim", CLAIMED_REJECTED, UNVERIFIED, CALLBACK, Disposition.LATE, None, None),
    ("unverified after the end", ENDED_APPROVED, UNVERIFIED, CALLBACK, Disposition.LATE, None, None),
    # Information beside the verdict.
    ("ID details", WAITING, ID_DETAILS, CALLBACK, Disposition.INFORMATION, None, None),
    ("ID details after the end", ENDED_REJECTED, ID_DETAILS, RECORD, Disposition.INFORMATION, None, None),
    ("no suspects", WAITING, NO_SUSPECTS, CALLBACK, Disposition.INFORMATION, None, None),
    ("suspects", WAITING, SUSPECTS, CALLBACK, Disposition.INFORMATION, None, PostKind.SUSPECTS),
    ("suspects after the end", ENDED_APPROVED, SUSPECTS, CALLBACK, Disposition.INFORMATION, None, PostKind.SUSPECTS),
    ("suspects beside two finals", TWO_FINALS, SUSPECTS, CALLBACK, Disposition.INFORMATION, None, PostKind.SUSPECTS),
    (
        "suspects repeated",
        replace(ENDED_APPROVED, codes_told=told("5211")),
        *(SUSPECTS, RECORD, Disposition.INFORMATION, None, None),
    ),
    # We had given up and said so.
    ("failure after giving up", GAVE_UP, FAILED, CALLBACK, Disposition.AGREES, None, None),
    ("result after giving up", GAVE_UP, APPROVED, RECORD, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    ("claim after giving up", GAVE_UP, REJECTED, CALLBACK, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    (
        "an open claim is confirmed after giving up",
        *(GAVE_UP_CLAIMED_APPROVED, APPROVED, RECORD, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    ),
    (
        "an unverified number after giving up",
        *(GAVE_UP, UNVERIFIED, RECORD, Disposition.COUNTED, SECOND_FINAL, PostKind.ID_UNVERIFIED),
    ),
    (
        "spoof suspected after giving up",
        GAVE_UP,
        PROVISIONAL,
        CALLBACK,
        Disposition.COUNTED,
        SMILE_ID,
        PostKind.NOT_FINAL,
    ),
    ("repeated after giving up", GOES_ON, PROVISIONAL, RECORD, Disposition.AGREES, None, None),
    ("another doubt after giving up", GOES_ON, INCONCLUSIVE, RECORD, Disposition.COUNTED, None, PostKind.NOT_FINAL),
    ("the result after all", GOES_ON, APPROVED, RECORD, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    ("the claim after all", GOES_ON, REJECTED, CALLBACK, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    ("unverified after all", GOES_ON, UNVERIFIED, RECORD, Disposition.COUNTED, SECOND_FINAL, PostKind.ID_UNVERIFIED),
    ("no result after all", GOES_ON, FAILED, RECORD, Disposition.COUNTED, TO_FAILED, PostKind.RESULT),
    ("claim of no result after all", GOES_ON, FAILED, CALLBACK, Disposition.CLAIMED, None, None),
    (
        "a result against that claim",
        replace(GOES_ON, claim=Outcome.FAILED),
        *(APPROVED, RECORD, Disposition.COUNTED, CONTRADICTION, PostKind.CONTRADICTION),
    ),
    ("an open claim agrees with giving up", GAVE_UP_CLAIMED_FAILED, FAILED, RECORD, Disposition.AGREES, None, None),
    # The customer was erased since: nobody could decide what it says.
    ("result after the erasure", FORGOTTEN, APPROVED, RECORD, Disposition.MISFIT, None, None),
    ("claim after the erasure", FORGOTTEN, REJECTED, CALLBACK, Disposition.MISFIT, None, None),
    ("unverified after the erasure", FORGOTTEN, UNVERIFIED, RECORD, Disposition.MISFIT, None, None),
    ("unknown after the erasure", FORGOTTEN, UNKNOWN, RECORD, Disposition.MISFIT, None, None),
    ("provisional after the erasure", FORGOTTEN, PROVISIONAL, RECORD, Disposition.MISFIT, None, None),
    ("suspects after the erasure", FORGOTTEN, SUSPECTS, RECORD, Disposition.INFORMATION, None, None),
    (
        "a verdict is contradicted after the erasure",
        replace(ENDED_REJECTED, is_forgotten=True),
        *(APPROVED, RECORD, Disposition.COUNTED, SECOND_FINAL, PostKind.SECOND_FINAL),
    ),
    # Fits no move.
    ("not yet sent", NOT_SENT, APPROVED, RECORD, Disposition.MISFIT, None, None),
    ("cancelled", CANCELLED, APPROVED, RECORD, Disposition.MISFIT, None, None),
    ("after two finals", TWO_FINALS, APPROVED, RECORD, Disposition.MISFIT, None, None),
    ("after a contradiction", CONTRADICTED, REJECTED, CALLBACK, Disposition.MISFIT, None, None),
    ("in progress after a contradiction", CONTRADICTED, PROVISIONAL, RECORD, Disposition.MISFIT, None, None),
    ("unknown after two finals", TWO_FINALS, UNKNOWN, CALLBACK, Disposition.MISFIT, None, None),
]


@pytest.mark.parametrize(
    ("now", "said", "source", "fate", "move", "tell"), [pytest.param(*c[1:], id=c[0]) for c in CASES]
)
def test_one_message_does_to_a_check_what_the_rules_of_trust_say(
    now: Situation, said: ResultMeaning, source: Source, fate: Disposition, move: Move, tell: PostKind | None
) -> None:
    ruling = trust_rules.rule(said, source, now)

    assert (ruling.fate, ruling.move, ruling.tell) == (fate, move, tell)
    assert ruling.claims is (fate is Disposition.CLAIMED)


@pytest.mark.parametrize("now", [CLAIMED_APPROVED, CLAIMED_REJECTED, UNCONFIRMED_APPROVAL, UNCONFIRMED_REJECTION])
@pytest.mark.parametrize("said", [APPROVED, REJECTED, FAILED])
def test_a_claim_ends_with_any_final_word_of_the_record_on_the_face(now: Situation, said: ResultMeaning) -> None:
    assert trust_rules.rule(said, RECORD, now).ends_claim


@pytest.mark.parametrize("said", [PROVISIONAL, ID_NOT_FOUND, ID_DETAILS, UNVERIFIED, UNKNOWN])
def test_a_claim_keeps_waiting_while_the_record_has_no_final_result(said: ResultMeaning) -> None:
    assert not trust_rules.rule(said, RECORD, UNCONFIRMED_APPROVAL).ends_claim


@pytest.mark.parametrize(
    ("now", "said", "source", "first"),
    [
        (CLAIMED_APPROVED, REJECTED, RECORD, Outcome.APPROVED),
        (CLAIMED_REJECTED, APPROVED, CALLBACK, Outcome.REJECTED),
        (ENDED_REJECTED, APPROVED, RECORD, Outcome.REJECTED),
        (GAVE_UP, APPROVED, RECORD, Outcome.FAILED),
        (GAVE_UP_CLAIMED_APPROVED, APPROVED, RECORD, Outcome.FAILED),
    ],
)
def test_of_two_results_that_differ_the_first_is_the_one_that_people_know(
    now: Situation, said: ResultMeaning, source: Source, first: Outcome
) -> None:
    assert trust_rules.rule(said, source, now).against is first


@pytest.mark.parametrize("said", MESSAGES)
@pytest.mark.parametrize("source", list(Source))
def test_reviewers_are_called_for_what_only_a_person_can_settle(said: ResultMeaning, source: Source) -> None:
    called = trust_rules.rule(said, source, WAITING).calls_reviewer

    assert called is (said in (UNVERIFIED, UNKNOWN, SUSPECTS))


@pytest.mark.parametrize(
    ("now", "move", "tell"),
    [
        pytest.param(CLAIMED_REJECTED, TO_REJECTED, PostKind.RESULT_UNCONFIRMED, id="rejection"),
        pytest.param(CLAIMED_FAILED, TO_FAILED, PostKind.RESULT_UNCONFIRMED, id="failure"),
        pytest.param(
            replace(CLAIMED_REJECTED, state=State.SUBMITTING),
            *(TO_REJECTED, PostKind.RESULT_UNCONFIRMED),
            id="rejection while sending",
        ),
        pytest.param(
            CLAIMED_APPROVED,
            *((State.IN_REVIEW, ReviewReason.UNCONFIRMED), PostKind.APPROVAL_UNCONFIRMED),
            id="an approval is not told as one",
        ),
        pytest.param(
            replace(UNDER_REVIEW, claim=Outcome.APPROVED),
            *((State.IN_REVIEW, ReviewReason.UNCONFIRMED), PostKind.APPROVAL_UNCONFIRMED),
            id="approval after human review",
        ),
        pytest.param(GAVE_UP_CLAIMED_APPROVED, SECOND_FINAL, PostKind.SECOND_FINAL, id="after giving up"),
        pytest.param(GAVE_UP_CLAIMED_FAILED, None, None, id="failure after giving up"),
        pytest.param(replace(FORGOTTEN, claim=Outcome.APPROVED), None, None, id="after the erasure"),
    ],
)
def test_a_result_that_stays_unconfirmed_is_posted_as_unconfirmed(
    now: Situation, move: Move, tell: PostKind | None
) -> None:
    ruling = settle_unconfirmed(now)

    assert ruling is not None
    assert (ruling.move, ruling.tell) == (move, tell)


@pytest.mark.parametrize(
    "now",
    [
        *(NOT_SENT, WAITING, UNDER_REVIEW, UNCONFIRMED_APPROVAL, UNCONFIRMED_REJECTION, ENDED_APPROVED, GAVE_UP),
        *(replace(NOT_SENT, claim=Outcome.APPROVED), replace(CANCELLED, claim=Outcome.REJECTED), CANCELLED),
        *(replace(TWO_FINALS, claim=Outcome.APPROVED), replace(CONTRADICTED, claim=Outcome.REJECTED)),
    ],
)
def test_waiting_says_nothing_without_a_claim_or_twice(now: Situation) -> None:
    assert settle_unconfirmed(now) is None


@pytest.mark.parametrize(
    ("messages", "chosen"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([ID_DETAILS, NO_SUSPECTS, SUSPECTS], None, id="no verdict"),
        pytest.param([APPROVED], 0, id="the result"),
        pytest.param([ID_DETAILS, APPROVED], 1, id="the verdict stands behind the ID message"),
        pytest.param([ID_NOT_FOUND, PROVISIONAL], 1, id="a face message before an ID one"),
        pytest.param([ID_NOT_FOUND], 0, id="an ID message alone"),
        pytest.param([APPROVED_BY_PERSON, PROVISIONAL, ID_DETAILS], 0, id="the newest"),
        pytest.param([REJECTED, APPROVED], 0, id="the newest of two finals"),
        pytest.param([PROVISIONAL, APPROVED], 1, id="a final one before one that is not"),
        pytest.param([UNKNOWN, APPROVED], 0, id="an unknown one is not overlooked"),
        pytest.param([PROVISIONAL, INCONCLUSIVE], 0, id="the newest that is not final"),
    ],
)
def test_the_record_is_the_newest_message_that_bears_a_verdict(
    messages: list[ResultMeaning], chosen: int | None
) -> None:
    assert pick_record(messages) == chosen


@dataclass
class Sequence:
    """A check as the processes keep it: state, claim, verdict, and what people were told."""

    state: State = State.SUBMITTING
    reason: ReviewReason | None = None
    claim: Outcome | None = None
    claim_code: str | None = None
    verdict: Outcome | None = None
    has_failed_here: bool = False
    story: ResultStory | None = None
    tells: list[tuple[PostKind, str]] = field(default_factory=list)

    def situation(self) -> Situation:
        return Situation(
            state=self.state,
            reason=self.reason,
            claim=self.claim,
            verdict=None if self.state is State.IN_REVIEW else self.verdict,
            codes_told=frozenset(code for _, code in self.tells),
            has_failed_here=self.has_failed_here,
            story=self.story,
        )

    def apply(self, ruling: Transition, said: ResultMeaning) -> None:
        if ruling.claims:
            self.claim, self.claim_code = said.outcome, said.code
        if ruling.ends_claim:
            self.claim = None
        if ruling.move is not None:
            check_move(self.state, *ruling.move, has_verdict=self.verdict is not None)
            self.state, self.reason = ruling.move
            if said.is_final and self.state is not State.IN_REVIEW:
                self.verdict, self.has_failed_here = said.outcome, False
            counts = said.is_final is (self.state in FINAL)
            if counts and not (self.state is State.IN_REVIEW and is_graver(self.story, said.why)):
                self.story = said.why
        if ruling.tell is not None:
            self.tells.append((ruling.tell, said.code))


class AnySequenceOfMessages(RuleBasedStateMachine):
    """Callbacks, Smile ID's record, waiting, and our own giving up, in every order."""

    def __init__(self) -> None:
        super().__init__()
        self.check = Sequence()
        self.record: set[Outcome] = set()
        self.heard: set[Outcome] = set()
        self.claims: dict[Outcome, ResultMeaning] = {}
        self.last: tuple[ResultMeaning, Source] | None = None
        self.doubts: set[ResultStory] = set()
        """What people know of that speaks against an approval."""

    @initialize(state=st.sampled_from([State.REQUESTED, State.SUBMITTING, State.PROCESSING]))
    def begin(self, state: State) -> None:
        self.check.state = state

    @rule(said=st.sampled_from(MESSAGES), source=st.sampled_from(list(Source)))
    def hear(self, said: ResultMeaning, source: Source) -> None:
        before, known = self.check.state, self._known()
        gave_up = before is State.FAILED and self.check.verdict is None and self.check.claim is None
        ruling = trust_rules.rule(said, source, self.check.situation())
        self.check.apply(ruling, said)
        self.last = (said, source)
        if ruling.fate is Disposition.MISFIT:
            assert ruling == Transition(fate=Disposition.MISFIT)
            return
        if source is RECORD:
            self.record.add(said.outcome)
        if ruling.fate in (Disposition.COUNTED, Disposition.AGREES) and said.why in AGAINST_APPROVAL:
            self.doubts.add(said.why)
        if ruling.claims:
            self.claims[said.outcome] = said
        if said is UNVERIFIED and gave_up:
            assert (self.check.state, self.check.reason) == SECOND_FINAL
        elif said.outcome is Outcome.IN_PROGRESS and gave_up:
            assert (self.check.state, self.check.reason) == SMILE_ID
        elif not said.is_final and before in {State.APPROVED, State.REJECTED, State.FAILED}:
            assert self.check.state is before
        late = said.is_id_message and source is RECORD
        if said.is_final and known is not None and known is not said.outcome and not late:
            assert self.check.state is State.IN_REVIEW
            assert self.check.reason in {ReviewReason.SECOND_FINAL, ReviewReason.CONTRADICTION}

    def _known(self) -> Outcome | None:
        """The final result that this check is known to have, told or claimed."""
        if self.check.state is State.FAILED:
            return self.check.verdict or Outcome.FAILED
        now = self.check.situation()
        goes_on = now.has_failed_here and now.reason is ReviewReason.SMILE_ID
        return now.claim or now.verdict or (Outcome.FAILED if goes_on else None)

    @precondition(lambda self: self.last is not None)
    @rule()
    def hear_the_same_again(self) -> None:
        assert self.last is not None
        said, source = self.last
        before = list(self.check.tells)
        self.check.apply(trust_rules.rule(said, source, self.check.situation()), said)
        if source is RECORD:
            self.record.add(said.outcome)
        assert self.check.tells == before

    @rule()
    def wait_for_confirmation_in_vain(self) -> None:
        ruling = settle_unconfirmed(self.check.situation())
        if ruling is not None:
            assert self.check.claim is not None
            said = self.claims[self.check.claim]
            self.check.apply(ruling, said)
            assert settle_unconfirmed(self.check.situation()) is None

    @precondition(lambda self: self.check.state in {State.REQUESTED, State.SUBMITTING})
    @rule()
    def give_up(self) -> None:
        self._go_to(State.FAILED)

    @precondition(lambda self: self.check.state is State.REQUESTED)
    @rule(target_state=st.sampled_from([State.SUBMITTING, State.CANCELLED]))
    def go_on_or_cancel(self, target_state: State) -> None:
        self._go_to(target_state)

    @precondition(lambda self: self.check.state is State.SUBMITTING)
    @rule()
    def be_sent(self) -> None:
        self._go_to(State.PROCESSING)

    def _go_to(self, state: State) -> None:
        """A move of our own; what was heard before it would be heard anew."""
        check_move(self.check.state, state)
        self.check.state, self.last = state, None
        self.check.has_failed_here = state is State.FAILED

    @invariant()
    def is_approved_only_by_smile_ids_own_record(self) -> None:
        if self.check.state is State.APPROVED:
            assert Outcome.APPROVED in self.record

    @invariant()
    def says_confirmed_only_what_the_record_holds(self) -> None:
        codes = {said.code: said.outcome for said in MESSAGES if said.is_final}
        for tell, code in self.check.tells:
            if tell in {PostKind.RESULT, PostKind.CONFIRMED}:
                assert codes[code] in self.record
            if tell is PostKind.RESULT_UNCONFIRMED:
                assert codes[code] is not Outcome.APPROVED

    @invariant()
    def one_person_never_approves_against_the_gravest_doubt(self) -> None:
        if self.check.state is State.IN_REVIEW and self.check.reason not in STICKY_REASONS:
            assert not any(is_graver(doubt, self.check.story) for doubt in self.doubts)

    @invariant()
    def has_a_reason_exactly_in_review(self) -> None:
        assert (self.check.reason is not None) is (self.check.state is State.IN_REVIEW)

    @invariant()
    def tells_each_ending_once(self) -> None:
        endings = [
            t for t, _ in self.check.tells if t in {PostKind.RESULT, PostKind.SECOND_FINAL, PostKind.CONTRADICTION}
        ]
        assert len(endings) == len(set(endings))
        assert len([t for t in endings if t is not PostKind.RESULT]) <= 1


TestAnySequenceOfMessages = pytest.mark.slow(AnySequenceOfMessages.TestCase)
TestAnySequenceOfMessages.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)
