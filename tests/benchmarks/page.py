"""docs/performance.md: one table for each subject, between marks that `make bench WRITE=1` writes between."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.benchmarks.figures import HEAD, Figure

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
GROWTH = "growth"
"""Needs a file of a million checks, so it is measured by itself alone: `make bench-growth`."""
SUBJECTS: Mapping[str, str] = {
    "callbacks": "Smile ID's callbacks",
    "slack": "Slack's requests",
    "submissions": "Submissions",
    "start": "Start and memory",
    "batches": "Files of customers",
    "postgresql": "A site on PostgreSQL",
    GROWTH: "What a large file makes slower",
}
"""A module of this folder with a function `figures()`, and what its table is called."""
GUARDED = ("slack", "start")
"""Those that CI measures: quickly, and by the processor's time."""


def written(page: str, subject: str, figures: Iterable[Figure]) -> str:
    """The page with these figures in the place of the subject's earlier ones."""
    begin, end = marks(subject)
    before, found, rest = page.partition(begin)
    if not found:
        raise ValueError(f"docs/performance.md has no place for {subject}: {begin}")
    rows = "\n".join(figure.row() for figure in figures)
    return f"{before}{begin}\n{HEAD}\n{rows}\n{end}{rest.partition(end)[2]}"


def medians(page: str, subject: str) -> dict[str, float]:
    """What the page says of each work of a subject."""
    begin, end = marks(subject)
    rows = page.partition(begin)[2].partition(end)[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {row[0]: float(row[3].split()[0].replace(",", "")) for row in cells}


def marks(subject: str) -> tuple[str, str]:
    return f"<!-- {subject}: written by `make bench ONLY={subject} WRITE=1` -->", f"<!-- end of {subject} -->"
