"""Draws the managers' chart: outcomes of the checks, and of the periods before, readable on a phone.

Every bar has its number and name, and a pattern in addition to its colour. matplotlib is loaded only here, and only to
draw. It comes with the extra `charts`: an installation without it sends summaries without a picture.
"""

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = 7.2
_DOTS = 150
"""Together 1080 pixels: as wide as a phone, and sharp there."""
_INK = "#222222"
_QUIET = "#666666"

STYLES = {
    "approved": ("#0072B2", ""),
    "rejected": ("#D55E00", "//"),
    "no result": ("#999999", "xx"),
    "other photos": ("#CC79A7", ".."),
    "cancelled": ("#DDDDDD", ""),
    "still open": ("#F0E442", "\\\\"),
}
"""Colour and pattern; colours that people with colour blindness can distinguish (Okabe and Ito, 2008)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One period of the lower part."""

    label: str
    asked: int
    parts: Sequence[tuple[str, int]]
    """Names of `STYLES` and counts, from the bottom up."""
    rate: str
    """As text; empty where there are too few checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    title: str
    subtitle: str
    counts: Sequence[tuple[str, int]]
    """Names of `STYLES` and counts."""
    bars: Sequence[Bar]
    """Oldest first; the last is what the picture is of."""
    bars_title: str


def can_draw() -> bool:
    """Whether matplotlib is installed, without loading it, which would take a second and 40 MiB."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(chart: Chart) -> bytes:
    """A PNG of 1080 by 1080 pixels. Takes about a second the first time: call it in a thread."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - heavy, and seldom needed
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(_INCHES, _INCHES), dpi=_DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.05, 0.955, chart.title, fontsize=19, fontweight="bold", color=_INK, va="center")
    figure.text(0.05, 0.905, chart.subtitle, fontsize=_fitting(chart.subtitle), color=_QUIET, va="center")
    has_bars = len(chart.bars) > 1
    _counts(figure.add_axes((0.31, 0.52 if has_bars else 0.1, 0.6, 0.35 if has_bars else 0.75)), chart.counts)
    if has_bars:
        figure.text(0.05, 0.465, chart.bars_title, fontsize=13.5, color=_INK, fontweight="bold", va="center")
        _bars(figure.add_axes((0.05, 0.09, 0.9, 0.31)), chart.bars)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _fitting(line: str) -> float:
    """The largest size at which a line fits the picture: 66 characters at 13.5 points."""
    return 13.5 * min(1.0, 66 / max(len(line), 1))


def _counts(axes: "Axes", counts: Sequence[tuple[str, int]]) -> None:
    """One bar for each outcome, the name before and the number behind it."""
    most = max((count for _name, count in counts), default=0) or 1
    for row, (name, count) in enumerate(counts):
        colour, pattern = STYLES[name]
        axes.barh(row, count, height=0.68, color=colour, hatch=pattern, edgecolor=_INK, linewidth=0.8)
        axes.text(
            count + most * 0.025, row, str(count), va="center_baseline", fontsize=17, fontweight="bold", color=_INK
        )
    axes.set_yticks(range(len(counts)), [name.capitalize() for name, _count in counts], fontsize=15, color=_INK)
    axes.set_ylim(max(len(counts), 4) - 0.4, -0.6)
    axes.set_xlim(0, most * 1.15)
    axes.set_xticks([])
    _bare(axes)


def _bars(axes: "Axes", bars: Sequence[Bar]) -> None:
    """One column for each period, made of its outcomes; the number above, the rate below the name."""
    most = max(bar.asked for bar in bars) or 1
    for column, bar in enumerate(bars):
        bottom = 0
        for name, count in bar.parts:
            colour, pattern = STYLES[name]
            axes.bar(
                column, count, bottom=bottom, width=0.72, color=colour, hatch=pattern, edgecolor=_INK, linewidth=0.6
            )
            bottom += count
        weight = "bold" if column == len(bars) - 1 else "normal"
        axes.text(
            column, bar.asked + most * 0.03, str(bar.asked), ha="center", va="bottom", fontsize=14, fontweight=weight
        )
    labels = [f"{bar.label}\n{bar.rate or '–'}" for bar in bars]
    axes.set_xticks(range(len(bars)), labels, fontsize=11.5, color=_INK)
    for label in axes.get_xticklabels()[-1:]:
        label.set_fontweight("bold")
    axes.set_xlim(-0.5, len(bars) - 0.5)
    axes.set_ylim(0, most * 1.18)
    axes.set_yticks([])
    _bare(axes)


def _bare(axes: "Axes") -> None:
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
