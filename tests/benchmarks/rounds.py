"""Rounds of two things in turn: what slows the machine in between slows both."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

ROUNDS = 5
"""Enough for a median that one bad second does not move."""


@dataclass(frozen=True)
class Cost:
    """Of one round, in seconds."""

    elapsed: float
    processor: float
    """Of this process, all threads."""


async def costs(*works: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> list[list[Cost]]:
    """What each work costs in each round; the works take turns, after one round that does not count."""
    found: list[list[Cost]] = [[] for _ in works]
    for turn in range(rounds + 1):
        for work, so_far in zip(works, found, strict=True):
            began, spent = time.perf_counter(), time.process_time()
            await work()
            if turn:
                so_far.append(Cost(time.perf_counter() - began, time.process_time() - spent))
    return found


def times_as_fast(ours: list[Cost], peers: list[Cost]) -> list[float]:
    """Round by round: 0.5 means that ours took twice as long."""
    return [peer.elapsed / own.elapsed for own, peer in zip(ours, peers, strict=True)]


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them (0 to 1) do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def typical(costs: list[Cost]) -> float:
    """Median of the elapsed seconds."""
    return median(cost.elapsed for cost in costs)
