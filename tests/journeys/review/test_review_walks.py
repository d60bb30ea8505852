"""Random walks with reviewers in them: two of them, and the one who asked, do anything while Smile ID says anything."""

import contextlib
import secrets
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.check.states import FINAL, STICKY_REASONS, State
from bot.domain.results.codes import Outcome
from bot.domain.review.review import Agreement, Decision, ReviewState, agreement
from bot.errors import Refused
from bot.sandbox.demo import ANALYST
from storage import reviews
from storage.engine.database import Transaction
from tests.journeys.results.test_walks import CODES, UNVERIFIED, Walk
from tests.journeys.world import ADMIN, REVIEWER

pytestmark = pytest.mark.endurance

WHO = st.sampled_from([REVIEWER, ADMIN, ANALYST])


class ReviewWalk(Walk):
    """The same check and the same Smile ID, which says anything."""

    def __init__(self) -> None:
        super().__init__()
        self.forms = count()

    def begin_with(self, code: str) -> None:
        """Something has been said: with nothing to decide on, most of a walk would be refusals."""
        self.begin()
        self.smile_id_puts_on_record(code)
        self.run(self._deliver(self.said(code), 200, works=True))

    def somebody_claims_or_hands_it_on(self, who: str) -> None:
        self._try(lambda: self.world.bot.review.claim(who, self.ref))
        self._try(lambda: self.world.bot.review.hand_on(who, self.ref, REVIEWER, form_id=secrets.token_hex(6)))

    def somebody_reviews_it(
        self,
        *,
        who: str,
        decision: Decision,
        meanwhile: str | None,
        overrides: bool,
        against: bool,
        again: bool,
        second: str | None,
        agrees: bool,
    ) -> None:
        """From the claim to the second person's word, with Smile ID speaking while the form is open."""
        self._try(lambda: self.world.bot.review.claim(who, self.ref, reopens=again))
        check = self.run(self.world.check(self.ref))
        seen = check.version_token
        if against and check.state is State.REJECTED:
            decision = Decision.APPROVED
        elif against:
            decision = Decision.REJECTED
        if meanwhile is not None and not against:
            self.run(self._deliver(self.said(meanwhile), 200, works=True))
        self._try(
            lambda: self.world.bot.review.decide(
                who,
                self.ref,
                decision,
                form_id=f"V{next(self.forms)}",
                seen=seen,
                reason="other",
                own_words="as I see it",
                overrides=overrides,
            )
        )
        review = self.run(self.world.bot.database.read(reviews.find, self.ref))
        if review is not None and review.proposal is not None and second is not None:
            proposed_at = review.proposal.at.isoformat()
            if agrees:
                self._try(lambda: self.world.bot.review.agree(second, self.ref, proposed_at))
            else:
                disagree = self.world.bot.review.disagree
                form_id = secrets.token_hex(6)
                self._try(
                    lambda: disagree(second, self.ref, proposed_at, form_id=form_id, own_words="I see two people")
                )
        self._try(lambda: self.world.bot.review.release(who, self.ref))

    def a_minute_is_looked_at(self) -> None:
        self.run(self.world.bot.reminders.tick())
        self.run(self.world.work())

    def _try(self, act: Any) -> None:
        async def tried() -> None:
            with contextlib.suppress(Refused):
                await act()
            await self.world.work()

        self.run(tried())

    # What holds whoever does what

    def nothing_is_shown_that_smile_ids_record_does_not_hold(self) -> None:
        """A reviewer's approval says whose it is; Smile ID's stands nowhere without its record."""
        if not self.ref or self.approved_on_record:
            return
        for text in (*self.world.thread(), self.slack.plain(self.world.root())):
            bare = text.replace("Approved by a reviewer", "").replace("decided before: Approved", "")
            assert "Approved —" not in bare
            assert not bare.startswith("Approved")

    def the_row_agrees_with_itself(self) -> None:
        if not self.ref:
            return
        check = self.run(self.world.check(self.ref))
        assert (check.reason is not None) is (check.state is State.IN_REVIEW)
        decided = check.decision is not None and check.review is not ReviewState.OPEN
        assert (check.ended_at is not None) is (check.state in FINAL or (check.state is State.IN_REVIEW and decided))
        if check.state is State.APPROVED:
            assert self.approved_on_record

    def who_asked_decides_nothing_and_against_smile_id_it_takes_two(self) -> None:
        if not self.ref:
            return

        def read(tx: Transaction) -> list[Any]:
            return reviews.decisions(tx, self.ref)

        made = self.run(self.world.bot.database.read(read))
        check = self.run(self.world.check(self.ref))
        for decided in made:
            assert ANALYST not in (decided.by, decided.confirmed_by)
            assert decided.by != decided.confirmed_by
        if check.review is ReviewState.DECIDED:
            latest = made[-1]
            assert check.decision is latest.decision
            verdict = check.verdict_outcome if check.state in FINAL else None
            against = verdict is not None and agreement(latest.decision, verdict) is Agreement.CONTRADICTS
            disputed = check.reason in STICKY_REASONS and latest.decision is not Decision.NEW_PHOTOS
            if against or disputed:
                assert latest.confirmed_by is not None
        told = [text for text in self.world.thread() if " by @" in text.split(" — ")[0]]
        assert len(told) == len(made)

    def a_disputed_check_never_reads_as_final(self) -> None:
        if not self.ref:
            return
        check = self.run(self.world.check(self.ref))
        if check.decision is None or check.review is not ReviewState.OPEN:
            return
        self.run(self.world.work())
        assert "Needs review" in self.slack.plain(self.world.root())

    def what_is_final_and_undecided_waits_for_nobody_unless_people_were_called(self) -> None:
        if not self.ref:
            return
        check = self.run(self.world.check(self.ref))
        if check.state is State.APPROVED and check.decision is None and check.verdict_outcome is Outcome.APPROVED:
            assert "Rejected" not in self.slack.plain(self.world.root())

    def every_card_says_the_same(self) -> None:
        self.run(self.world.work())
        found = [self.slack.plain(m) for m in self.slack.messages("C0KYCREV001") if m.thread_ts in (None, m.ts)]
        found = [text for text in found if "[Details]" in text]
        for text in found[:-1]:
            assert "Decide on the newer card" in text
            assert text.splitlines()[-1] == "[Details]", "one check, one place to act"

    def check_everything(self) -> None:
        self.nothing_is_shown_that_smile_ids_record_does_not_hold()
        self.the_row_agrees_with_itself()
        self.who_asked_decides_nothing_and_against_smile_id_it_takes_two()
        self.a_disputed_check_never_reads_as_final()
        self.what_is_final_and_undecided_waits_for_nobody_unless_people_were_called()
        self.every_card_says_the_same()


Step = Callable[[ReviewWalk], None]


def _step(name: str, **drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    def taken(walk: ReviewWalk, chosen: dict[str, Any]) -> None:
        getattr(walk, name)(**chosen)

    return st.fixed_dictionaries(drawn).map(lambda chosen: partial(taken, chosen=chosen))


REVIEWS = _step(
    "somebody_reviews_it",
    who=st.sampled_from([REVIEWER, ADMIN, REVIEWER, ADMIN, ANALYST]),
    decision=st.sampled_from(Decision),
    meanwhile=st.sampled_from([None, None, None, "0810", "1211", "0815"]),
    overrides=st.booleans(),
    against=st.booleans(),
    again=st.booleans(),
    second=st.sampled_from([REVIEWER, ADMIN, REVIEWER, ADMIN, ANALYST, None]),
    agrees=st.sampled_from([True, True, False]),
)
SPEAKS = _step("smile_id_puts_on_record", code=st.sampled_from(CODES)) | _step(
    "smile_id_calls_back", code=st.sampled_from(CODES), works=st.booleans()
)
PASSES = _step("time_goes_by", seconds=st.sampled_from([3.0, 130.0, 4_000.0])) | _step("a_minute_is_looked_at")
OTHER = _step("somebody_claims_or_hands_it_on", who=WHO) | _step("the_bot_is_started_again")


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=st.sampled_from(["0812", "0811", "1212", "1210", UNVERIFIED]),
    steps=st.lists(st.tuples(SPEAKS | PASSES | OTHER, REVIEWS), min_size=2, max_size=4),
)
def test_no_sequence_of_clicks_lets_an_ineligible_person_decide(first: str, steps: list[tuple[Step, Step]]) -> None:
    walk = ReviewWalk()
    try:
        walk.begin_with(first)
        walk.check_everything()
        for step in (step for pair in steps for step in pair):
            step(walk)
            walk.check_everything()
    finally:
        walk.teardown()
