"""One queue of reviews, in one order, behind Home, `/kyc list review` and *Next*."""

from datetime import UTC, datetime, timedelta

from bot.domain.check.states import State
from bot.domain.review.queue import OpenReview, Queue, QueueFilter

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
REMI, ZOE, AMINA = "U0REMI00001", "U0ZOE000001", "U0AMINA0001"


def waiting(
    ref: str,
    hours: int,
    *,
    state: State = State.IN_REVIEW,
    asked: str = AMINA,
    claimed_by: str | None = None,
    proposed_by: str | None = None,
) -> OpenReview:
    return OpenReview(
        ref=ref,
        state=state,
        country="NG",
        requesters=frozenset({asked}),
        claimed_by=claimed_by,
        proposed_by=proposed_by,
        opened_at=NOW - timedelta(hours=hours),
    )


FOUND = [
    waiting("K-OTHERS", 9, claimed_by=ZOE),
    waiting("K-MYWORD", 8, claimed_by=REMI, proposed_by=REMI),
    waiting("K-OWN", 7, asked=REMI),
    waiting("K-UNSENT", 6, state=State.REQUESTED),
    waiting("K-SECOND", 5, claimed_by=ZOE, proposed_by=ZOE),
    waiting("K-FREE", 4),
    waiting("K-MINE", 1, claimed_by=REMI),
]


def queue(viewer: str = REMI) -> Queue:
    return Queue.of(FOUND, viewer=viewer, now=NOW, due=timedelta(hours=8))


def refs(of: Queue) -> list[str]:
    return [one.ref for one in of.found]


def test_own_claims_come_first_and_what_waits_for_others_last() -> None:
    """Within each part the oldest first; nothing of the reader's own, unless they are an admin."""
    assert refs(queue().for_reviewer(overrides=False)) == [
        "K-MINE",
        "K-UNSENT",
        "K-SECOND",
        "K-FREE",
        "K-OTHERS",
        "K-MYWORD",
    ]
    assert "K-OWN" in refs(queue().for_reviewer(overrides=True))


def test_next_follows_the_queue_through_what_its_reader_may_decide() -> None:
    """Neither others' claims, nor own requests and proposals, nor a check that has no result yet."""
    skipped: list[str] = []
    while (one := queue().next_up(but=skipped)) is not None:
        skipped.append(one.ref)
    assert skipped == ["K-MINE", "K-SECOND", "K-FREE"]


def test_every_number_of_a_filter_is_that_of_its_list() -> None:
    counted = {which: queue().count(which) for which in QueueFilter}
    assert counted == {
        QueueFilter.ALL: 7,
        QueueFilter.MINE: 2,
        QueueFilter.UNCLAIMED: 3,
        QueueFilter.SECOND: 2,
        QueueFilter.OVERDUE: 1,
    }
    assert [one.ref for one in queue().matching(QueueFilter.OVERDUE)] == ["K-OTHERS"]
