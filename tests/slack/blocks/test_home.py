"""However many checks there are and whatever is in them, a Home tab is one that Slack takes."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import ReviewReason, State
from bot.domain.review.review import Decision, Proposal
from bot.sandbox.slack.block_rules import faults_in_view, view_is_too_large
from bot.sandbox.slack.reading import pings
from bot.slack.blocks import find, home
from bot.slack.blocks.home import MINE, QUEUE, QueuedCheck, ReviewQueue
from tests.slack.blocks.samples import AMINA, REMI, a_review, wild_check, wild_entry

TEXT = st.one_of(st.text(max_size=80), st.builds(lambda ch, n: ch * n, st.sampled_from("x<&*😀"), st.integers(0, 4000)))
ROWS = st.builds(
    lambda text, reason, link, known: find.CheckRow(
        check=wild_check(text, state=State.IN_REVIEW, reason=reason),
        entry=wild_entry(text) if known else None,
        link=f"https://acme.slack.example/archives/C0/p{'1' * 400}" if link else None,
    ),
    TEXT,
    st.sampled_from(ReviewReason),
    st.booleans(),
    st.booleans(),
)
QUEUED = st.builds(
    QueuedCheck,
    row=ROWS,
    review=st.sampled_from([a_review(), a_review(claimed_by=REMI)]),
    waited=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)),
)


@given(
    mine=st.none() | st.lists(ROWS, max_size=MINE),
    queue=st.none() | st.builds(ReviewQueue, first=st.lists(QUEUED, max_size=QUEUE), more=st.integers(0, 5000)),
    unsure=st.booleans(),
)
def test_every_home_tab_stays_within_the_limits(
    mine: list[find.CheckRow] | None, queue: ReviewQueue | None, unsure: bool
) -> None:
    view = home.home(mine=mine, queue=queue, today=None, ask=REMI, unsure=unsure)
    assert faults_in_view(view) == []
    assert not view_is_too_large(view)
    assert len(view["blocks"]) <= 100
    assert not any("channel" in ping or "here" in ping for ping in pings(view["blocks"]) if ping.startswith("<!"))


@given(row=ROWS, queued=QUEUED)
def test_the_fullest_home_tab_stays_within_the_limits(row: find.CheckRow, queued: QueuedCheck) -> None:
    view = home.home(
        mine=[row] * MINE, queue=ReviewQueue(viewer="U0AMINA0001", first=[queued] * QUEUE, more=5000), today=None
    )
    assert faults_in_view(view) == []
    assert not view_is_too_large(view)


def test_every_button_says_what_it_does() -> None:
    """Those that stand in the tab itself; those of a review are held with its card."""
    view = home.home(mine=[], queue=None, today=None)
    found = [
        element for block in view["blocks"] for element in block.get("elements", ()) if element["type"] == "button"
    ]
    assert found
    assert all(button["accessibility_label"] for button in found)


def test_my_own_proposal_is_mine_to_take_back_and_not_to_agree_to() -> None:
    check = wild_check("", state=State.IN_REVIEW, reason=ReviewReason.CONTRADICTION)
    proposal = Proposal(decision=Decision.APPROVED, reason="other", by=REMI, at=check.asked_at, is_override=False)
    queued = QueuedCheck(
        row=find.CheckRow(check=check, entry=None, link=None),
        review=a_review(claimed_by=REMI, proposal=proposal),
        waited=timedelta(0),
    )
    for viewer, offered in ((REMI, ["Take back"]), (AMINA, ["Agree", "Disagree"])):
        view = home.home(mine=None, queue=ReviewQueue(viewer=viewer, first=[queued], more=0), today=None)
        (actions,) = [block for block in view["blocks"] if block["type"] == "actions"]
        labels = [element["text"]["text"] for element in actions["elements"]]
        assert labels == [*offered, "Details", "Note"]
