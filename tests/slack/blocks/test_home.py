"""However many checks there are and whatever is in them, a Home tab is one that Slack takes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import CheckLinks
from bot.domain.review.queue import QueueFilter
from bot.sandbox.slack.block_rules import faults_in_view, view_is_too_large
from bot.sandbox.slack.reading import pings
from bot.slack.blocks import home, ids
from bot.slack.blocks.home import PAGE, HomeCheck, HomeFigures, OwnChecks
from tests.slack.blocks.samples import AMINA, NOTHING_WAITS, REMI, a_queue, a_review, wild_check, wild_entry
from tests.slack.blocks.test_summary import reported

TEXT = st.one_of(st.text(max_size=80), st.builds(lambda ch, n: ch * n, st.sampled_from("x<&*😀"), st.integers(0, 4000)))
LINK = f"https://acme.slack.example/archives/C0/p{'1' * 400}"
ROWS = st.builds(
    lambda text, reason, link, known, review, waited: HomeCheck(
        check=wild_check(text, state=State.IN_REVIEW, reason=reason),
        entry=wild_entry(text) if known else None,
        review=review,
        links=CheckLinks(thread=LINK, card=LINK) if link else CheckLinks(),
        waited=waited,
    ),
    TEXT,
    st.sampled_from(ReviewReason),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, a_review(), a_review(claimed_by=REMI)]),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)),
)


@pytest.mark.slow
@given(
    own=st.none() | st.builds(OwnChecks, rows=st.lists(ROWS, max_size=PAGE), shown=st.sampled_from(home.OWN)),
    queue=st.none()
    | st.builds(
        lambda rows, matching, is_reviewer: a_queue(*rows, matching=matching, is_reviewer=is_reviewer),
        st.lists(ROWS, max_size=PAGE),
        st.integers(0, 5000),
        st.booleans(),
    ),
    unsure=st.booleans(),
)
def test_every_home_tab_stays_within_the_limits(own: OwnChecks | None, queue: Any, unsure: bool) -> None:
    view = home.home(own=own, queue=queue, figures=None, ask=REMI, unsure=unsure)
    assert faults_in_view(view) == []
    assert not view_is_too_large(view)
    assert len(view["blocks"]) <= 100
    assert not any("channel" in ping or "here" in ping for ping in pings(view["blocks"]) if ping.startswith("<!"))


@given(row=ROWS)
def test_the_fullest_home_tab_stays_within_the_limits(row: HomeCheck) -> None:
    own = OwnChecks(rows=[row] * PAGE, has_older=True, has_newer=True)
    view = home.home(own=own, queue=a_queue(*[row] * PAGE, matching=5000), figures=None)
    assert faults_in_view(view) == []
    assert not view_is_too_large(view)


def test_every_button_says_what_it_does_and_each_check_has_its_own_beside_it() -> None:
    row = HomeCheck(
        check=wild_check("", state=State.IN_REVIEW, reason=ReviewReason.CONTRADICTION),
        entry=None,
        review=a_review(),
        links=CheckLinks(),
    )
    view = home.home(own=OwnChecks(rows=[row]), queue=a_queue(row), figures=None)
    buttons = [
        element
        for block in view["blocks"]
        for element in (*block.get("elements", ()), *filter(None, [block.get("accessory")]))
        if element["type"] == "button"
    ]
    assert all(button["accessibility_label"] for button in buttons)
    assert [button["text"]["text"] for button in buttons].count("Details") == 2
    assert {ids.HOME_START, ids.HOME_FIND, ids.HOME_NOTIFY} <= {button["action_id"] for button in buttons}


def test_who_decides_nothing_starts_nothing_and_has_no_filter_of_claims() -> None:
    view = home.home(own=None, queue=a_queue(is_reviewer=False), figures=None)
    starts, _head, _own, filters = view["blocks"][:4]
    assert [button["action_id"] for button in starts["elements"]] == [ids.HOME_FIND]
    offered = [option["value"] for option in filters["elements"][0]["options"]]
    assert offered == [which.value for which in QueueFilter if which is not QueueFilter.MINE]


def test_a_menu_has_another_name_for_each_choice() -> None:
    """Slack keeps what somebody chose in a menu of the same name, whatever the tab says is chosen."""

    def names(*, waits: Any) -> list[str]:
        view = home.home(own=OwnChecks(rows=[], shown="open"), queue=waits, figures=None)
        return [block["block_id"] for block in view["blocks"] if "block_id" in block]

    assert names(waits=a_queue()) == ["home_queue:overdue:NG", "home_own:open"]
    assert names(waits=NOTHING_WAITS) == ["home_own:open"]
    assert AMINA not in str(names(waits=a_queue()))


def test_a_day_without_checks_has_no_four_numbers() -> None:
    quiet = reported([])
    view = home.home(own=None, queue=None, figures=HomeFigures(today=quiet, yesterday=quiet))
    assert "*Yesterday*: nobody asked for a check." in str(view)
    assert "No final result yet" not in str(view)
