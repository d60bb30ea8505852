"""What a benchmark says: a figure with its goal and its spread."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

RATIO = "×"
"""The unit of what is measured beside something else."""


class Goal(Enum):
    """Which side of the bound is the good one."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


_KEEPS: dict[Goal, Callable[[float, float], bool]] = {Goal.AT_LEAST: operator.ge, Goal.AT_MOST: operator.le}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table."""

    work: str
    """What was done: `repeated callback, 32 at once`."""
    site: str = ""
    """Where, if the same is done at several sites: then these are the rows of their table, and each work a column."""
    beside: str = "–"
    """What it is measured against: `bare handler`; a dash where it stands alone."""
    rounds: Sequence[float]
    """One value of each round, in `unit`."""
    unit: str
    """`RATIO` of what stands beside it, `ms`, `/s`, `MB`."""
    goal: Goal | None = None
    """None: it is measured to be known, and nothing is asked of it."""
    bound: float = 0.0
    """What the goal asks of the median."""
    by_processor: bool = False
    """Of the processor's time on both sides or of memory: a busy machine moves it little."""

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def is_kept(self) -> bool:
        return self.goal is None or _KEEPS[self.goal](self.median, self.bound)

    def is_far_worse_than(self, before: float) -> bool:
        """Whether it is less than half as good as the median `before`: no machine makes that of it by itself."""
        if self.goal is None:
            return False
        generous = before / 2 if self.goal is Goal.AT_LEAST else before * 2
        return not _KEEPS[self.goal](self.median, generous)

    def row(self) -> str:
        """As a row of Markdown: work, beside, goal, median with the lowest and highest round."""
        spread = f"{_short(min(self.rounds))} to {_short(max(self.rounds))}"
        found = f"{_short(self.median)} {self.unit}{self._missed}"
        return f"| {self.work} | {self.beside} | {self._asked or '–'} | {found} | {spread} |"

    def head(self) -> str:
        """Of the column of its work: the goal, or the unit alone."""
        asked = self._asked or self.unit
        return f"{self.work} ({asked})" if asked else self.work

    def cell(self) -> str:
        """Median, lowest and highest round, below `head()` and beside its site."""
        return f"{_short(self.median)} ({_short(min(self.rounds))}–{_short(max(self.rounds))}){self._missed}"

    @property
    def _asked(self) -> str:
        return f"{self.goal.value} {_short(self.bound)} {self.unit}" if self.goal else ""

    @property
    def _missed(self) -> str:
        return "" if self.is_kept else " **missed**"


HEAD = "| work | beside | goal | median | lowest to highest |\n| --- | --- | --- | --- | --- |"


def _short(value: float) -> str:
    """Three figures, as nobody can tell more from a shared machine."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
