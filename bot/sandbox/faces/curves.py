"""Outlines, in units of a picture 600 wide and 800 high."""

import math
from collections.abc import Sequence

Point = tuple[float, float]


def curve(points: Sequence[Point], *, closed: bool = True, steps: int = 8) -> list[Point]:
    """A smooth line through all points (Catmull-Rom)."""
    count = len(points)
    spans = range(count if closed else count - 1)

    def at(index: int) -> Point:
        return points[index % count] if closed else points[min(max(index, 0), count - 1)]

    found: list[Point] = []
    for span in spans:
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = at(span - 1), at(span), at(span + 1), at(span + 2)
        for step in range(steps):
            t = step / steps
            a, b = t * t, t * t * t
            found.append(
                (
                    0.5
                    * (2 * x1 + (x2 - x0) * t + (2 * x0 - 5 * x1 + 4 * x2 - x3) * a + (3 * x1 - x0 - 3 * x2 + x3) * b),
                    0.5
                    * (2 * y1 + (y2 - y0) * t + (2 * y0 - 5 * y1 + 4 * y2 - y3) * a + (3 * y1 - y0 - 3 * y2 + y3) * b),
                )
            )
    return found if closed else [*found, points[-1]]


def oval(x: float, y: float, across: float, down: float) -> list[Point]:
    """An ellipse by its centre and half axes."""
    turns = [math.tau * n / 28 for n in range(28)]
    return [(x + across * math.cos(turn), y + down * math.sin(turn)) for turn in turns]


def mirrored(half: Sequence[Point], x: float) -> list[Point]:
    """A closed outline from its right half, given as distances from the axis `x`, from top to bottom."""
    return [*((x + dx, y) for dx, y in half), *((x - dx, y) for dx, y in reversed(half) if dx)]


def brush(points: Sequence[Point], *widths: float) -> list[Point]:
    """The outline of a brush stroke along a curve; its width goes through the widths given."""
    line = curve(points, closed=False, steps=6)
    left, right = [], []
    for index, (x, y) in enumerate(line):
        before, after = line[max(index - 1, 0)], line[min(index + 1, len(line) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1.0
        way = index / (len(line) - 1) * (len(widths) - 1)
        low = min(int(way), len(widths) - 2)
        half = (widths[low] + (widths[low + 1] - widths[low]) * (way - low)) / 2
        left.append((x - dy / length * half, y + dx / length * half))
        right.append((x + dy / length * half, y - dx / length * half))
    return [*left, *reversed(right)]
