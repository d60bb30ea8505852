"""docs/performance.md: what each subject says, in tables between marks that `make bench WRITE=1` writes between."""

from collections.abc import Mapping, Sequence
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


def written(page: str, subject: str, figures: Sequence[Figure]) -> str:
    """The page with these figures in the place of the subject's earlier ones."""
    begin, end = marks(subject)
    before, found, rest = page.partition(begin)
    if not found:
        raise ValueError(f"docs/performance.md has no place for {subject}: {begin}")
    return f"{before}{begin}\n{tables(figures)}\n{end}{rest.partition(end)[2]}"


def tables(figures: Sequence[Figure]) -> str:
    """One with a row per figure; above it, where several sites are compared, one with a row for each of them."""
    rows = "\n".join([HEAD, *(figure.row() for figure in figures if not figure.site)])
    compared = [figure for figure in figures if figure.site]
    return f"{_matrix(compared)}\n\n{rows}" if compared else rows


def _matrix(figures: Sequence[Figure]) -> str:
    """Sites and works in the order in which they come; a dash where a work was not measured."""
    heads = {figure.work: figure.head() for figure in figures}
    cells = {(figure.site, figure.work): figure.cell() for figure in figures}
    sites = dict.fromkeys(figure.site for figure in figures)
    rows = [
        ["site", *heads.values()],
        ["---"] * (1 + len(heads)),
        *([site, *(cells.get((site, work), "–") for work in heads)] for site in sites),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def medians(page: str, subject: str) -> dict[str, float]:
    """What the page says of each work of a subject that is not compared at several sites."""
    begin, end = marks(subject)
    rows = page.partition(begin)[2].partition(end)[0].partition(HEAD)[2].strip().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {row[0]: float(row[3].split()[0].replace(",", "")) for row in cells}


def marks(subject: str) -> tuple[str, str]:
    return f"<!-- {subject}: written by `make bench ONLY={subject} WRITE=1` -->", f"<!-- end of {subject} -->"
