"""`python -m tests.benchmarks [SUBJECT…] [--write]`: measures, says each figure, and writes docs/performance.md.

Exit code 1 where a goal is missed; with `--guard`, where a ratio by the processor's time is more than twice as bad as
the page says. Each subject is a process of its own: none is measured with what another has left.
"""

import argparse
import compileall
import io
import json
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from bot.runtime import log_config
from bot.settings import LogFormat
from tests.benchmarks.figures import RATIO, Figure, Goal
from tests.benchmarks.page import GROWTH, GUARDED, PAGE, SUBJECTS, medians, tables, written

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 4 * 3600
"""For one subject, after which it is ended; a file of a million checks is an hour's work."""


def measure(subject: str) -> list[Figure]:
    """In a process of its own, whose output of figures is JSON in the last line."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--here", subject],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LONGEST_SECONDS,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return [Figure(**one | {"goal": Goal(one["goal"]) if one["goal"] else None}) for one in found]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    parser.add_argument("--guard", action="store_true", help="hold ratios to half of what the page says; for CI")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.subjects) - SUBJECTS.keys():
        parser.error(f"no such subject: {', '.join(sorted(unknown))}. There are: {', '.join(SUBJECTS)}")
    if asked.here:
        log_config.configure(LogFormat.JSON, io.StringIO())  # as costly as in earnest, and nobody reads it
        (subject,) = asked.subjects
        found: list[Figure] = import_module(f"tests.benchmarks.{subject}").figures()
        print(json.dumps([asdict(figure) | {"goal": figure.goal.value if figure.goal else None} for figure in found]))
        return 0
    for folder in ("bot", "handlers", "storage"):  # so that no start is timed with the making of its bytecode
        compileall.compile_dir(ROOT / folder, quiet=1)
    if asked.guard:
        return 1 if [subject for subject in asked.subjects or GUARDED if not _is_as_before(subject)] else 0
    missed = False
    for subject in asked.subjects or (subject for subject in SUBJECTS if subject != GROWTH):
        figures = measure(subject)
        print(tables(figures), flush=True)
        missed = missed or not all(figure.is_kept for figure in figures)
        if asked.write:
            PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), subject, figures), encoding="utf-8")
    return 1 if missed else 0


def _is_as_before(subject: str) -> bool:
    before = medians(PAGE.read_text(encoding="utf-8"), subject)
    worse = False
    for figure in measure(subject):
        if figure.unit == RATIO and figure.by_processor:
            is_worse = figure.is_far_worse_than(before[figure.work])
            print(f"{figure.row()}{' far worse than on the page' if is_worse else ''}", flush=True)
            worse = worse or is_worse
    return not worse


if __name__ == "__main__":
    sys.exit(main())
