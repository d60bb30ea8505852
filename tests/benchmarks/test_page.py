"""The tables of docs/performance.md: what a figure says, and where it is written."""

from importlib import import_module

import pytest

from tests.benchmarks.figures import HEAD, Figure, Goal
from tests.benchmarks.page import GROWTH, GUARDED, PAGE, SUBJECTS, marks, medians, tables, written


def figure(*rounds: float, goal: Goal | None = Goal.AT_LEAST, bound: float = 0.3) -> Figure:
    return Figure(work="repeated callback", beside="bare handler", rounds=rounds, unit="×", goal=goal, bound=bound)


def test_a_figure_says_its_median_and_its_spread() -> None:
    row = figure(0.41, 0.39, 0.5).row()
    assert row == "| repeated callback | bare handler | ≥ 0.300 × | 0.410 × | 0.390 to 0.500 |"


@pytest.mark.parametrize(
    ("goal", "bound", "kept"),
    [(Goal.AT_LEAST, 2, True), (Goal.AT_LEAST, 2.1, False), (Goal.AT_MOST, 2, True), (Goal.AT_MOST, 1.9, False)],
)
def test_a_goal_is_kept_by_the_median_and_a_missed_one_says_so(goal: Goal, bound: float, kept: bool) -> None:
    found = figure(1, 2, 9, goal=goal, bound=bound)
    assert found.is_kept == kept
    assert ("missed" in found.row()) != kept


def test_a_figure_without_a_goal_is_never_missed() -> None:
    found = figure(0.41, 0.39, 0.5, goal=None)
    assert found.row() == "| repeated callback | bare handler | – | 0.410 × | 0.390 to 0.500 |"
    assert found.is_kept
    assert not found.is_far_worse_than(100)


def test_sites_are_rows_beside_a_column_for_each_work_and_what_is_of_none_comes_below() -> None:
    rate = Figure(work="checks", site="SQLite", rounds=[50, 49, 52], unit="/s")
    late = Figure(work="a form", site="two instances", rounds=[310], unit="ms", goal=Goal.AT_MOST, bound=300)
    ways = Figure(work="round trips", site="two instances", rounds=[60.0], unit="")
    assert tables([rate, late, figure(1), ways]).splitlines() == [
        "| site | checks (/s) | a form (≤ 300 ms) | round trips |",
        "| --- | --- | --- | --- |",
        "| SQLite | 50.0 (49.0–52.0) | – | – |",
        "| two instances | – | 310 (310–310) **missed** | 60.0 (60.0–60.0) |",
        "",
        *HEAD.splitlines(),
        figure(1).row(),
    ]


def test_medians_are_read_of_what_is_of_no_site() -> None:
    there = Figure(work="checks", site="SQLite", rounds=[50], unit="/s")
    page = written("{}\n{}".format(*marks("slack")), "slack", [there, figure(1.5)])
    assert medians(page, "slack") == {"repeated callback": 1.5}


@pytest.mark.parametrize(("goal", "far"), [(Goal.AT_LEAST, 2.1), (Goal.AT_MOST, 0.49)])
def test_half_as_good_as_the_page_says_is_no_regression_and_less_is_one(goal: Goal, far: float) -> None:
    said = medians(written("{}\n{}".format(*marks("slack")), "slack", [figure(1234.5, goal=goal)]), "slack")
    assert said == {"repeated callback": 1234.0}
    assert not figure(1, goal=goal).is_far_worse_than(1)
    assert not figure(1, goal=goal).is_far_worse_than(2 if goal is Goal.AT_LEAST else 0.5)
    assert figure(1, goal=goal).is_far_worse_than(far)


def test_what_ci_holds_has_its_figures_on_the_page() -> None:
    assert set(GUARDED) < set(SUBJECTS)
    assert all(medians(PAGE.read_text(encoding="utf-8"), subject) for subject in GUARDED)


def test_new_figures_take_the_place_of_the_old_ones_alone() -> None:
    begin, end = marks("callbacks")
    page = f"# Before\n{begin}\nold\n{end}\nafter\n"
    once = written(page, "callbacks", [figure(1)])
    assert once == f"# Before\n{begin}\n{HEAD}\n{figure(1).row()}\n{end}\nafter\n"
    assert written(once, "callbacks", [figure(1)]) == once


def test_a_subject_without_a_place_is_no_silence() -> None:
    with pytest.raises(ValueError, match="no place for callbacks"):
        written("# Performance\n", "callbacks", [])


@pytest.mark.slow
def test_every_subject_can_be_measured_and_has_a_table_with_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for subject in SUBJECTS:
        assert callable(import_module(f"tests.benchmarks.{subject}").figures)
        begin, end = marks(subject)
        table = page.partition(begin)[2].partition(end)[0].strip()
        if subject == GROWTH and not table:
            continue  # hours of a machine's time: its place says that nobody has measured yet
        assert medians(page, subject), f"docs/performance.md lacks the figures of {subject}"
