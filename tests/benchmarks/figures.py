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
        missed = "" if self.is_kept else " **missed**"
        goal = f"{self.goal.value} {_short(self.bound)} {self.unit}" if self.goal else "–"
        return f"| {self.work} | {self.beside} | {goal} | {_short(self.median)} {self.unit}{missed} | {spread} |"


HEAD = "| work | beside | goal | median | lowest to highest |\n| --- | --- | --- | --- | --- |"


def _short(value: float) -> str:
    """Three figures, as nobody can tell more from a shared machine."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
