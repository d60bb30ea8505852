"""What the benchmark of PostgreSQL makes of its rounds, and what it says where one fails."""

from pathlib import Path

import pytest

from tests.benchmarks.figures import RATIO
from tests.benchmarks.page import PAGE, tables
from tests.benchmarks.postgresql import Round, Tally, at, figures_of
from tests.faults.instances import Instance


def of(rate: float, round_trips: float | None = None) -> Round:
    return Round(rate=rate, tell=20.0, answer=10.0, round_trips=round_trips)


def tallies() -> list[Tally]:
    """SQLite, and a site whose round trips somebody counts."""
    sqlite, server = Tally(name="SQLite"), Tally(name="one instance")
    for fast, slow in ((50.0, 25.0), (100.0, 25.0), (40.0, 30.0)):
        sqlite.note(of(fast), beside=of(fast))
        server.note(of(slow, round_trips=60.0), beside=of(fast))
    return [sqlite, server]


def test_each_site_is_compared_with_sqlite_in_the_same_round() -> None:
    (found,) = [figure for figure in figures_of(tallies()) if figure.unit == RATIO]
    assert (found.work, found.site, found.beside) == ("of SQLite's rate", "one instance", "SQLite")
    assert found.rounds == [0.5, 0.25, 0.75]


def test_round_trips_stand_there_where_somebody_counted_them() -> None:
    found = {figure.site: figure.rounds for figure in figures_of(tallies()) if figure.work == "round trips of a check"}
    assert found == {"one instance": [60.0] * 3}


def test_no_two_figures_are_of_the_same_cell_and_a_form_alone_has_a_goal() -> None:
    found = figures_of(tallies())
    assert len({(figure.site, figure.work) for figure in found}) == len(found)
    assert {figure.work for figure in found if figure.goal} == {"a form to its answer"}


def test_the_table_on_the_page_has_the_columns_that_are_measured() -> None:
    head = tables(figures_of(tallies())).splitlines()[0]
    assert head in PAGE.read_text(encoding="utf-8").splitlines()


def test_a_failure_says_where_it_was_and_what_the_instances_said_last(tmp_path: Path) -> None:
    instance = Instance("instance1", {}, tmp_path)
    instance.log.write_text("the server does not answer")
    with pytest.raises(TimeoutError) as failed, at("round 1 of two instances", [instance]):
        raise TimeoutError
    said = "\n".join(failed.value.__notes__)
    assert "round 1 of two instances" in said
    assert "instance1 does not run" in said
    assert "the server does not answer" in said
