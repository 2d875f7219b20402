"""Dots with intervals: rows of names, and in each row a dot per model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from llava_eval.records import Estimate
from llava_eval.report.figures.style import INK, PAPER, SMALL, Look
from llava_eval.tables import show

MOST_WRITTEN = 3  # models whose numbers can be written beside their dots
WRITTEN_LINE, LINE = 0.12, 0.065  # inches of a row for each model
SPREAD = 0.72  # of a row's height, over which its models are spread


@dataclass(frozen=True)
class Dots:
    """The numbers of one model, a row each.

    Attributes:
        look: How they are drawn.
        estimates: By row; None where there is no number.
        hollow: Rows whose marker is hollow.
    """

    look: Look
    estimates: Sequence[Estimate | None]
    hollow: frozenset[int] = frozenset()


def row_height(models: int) -> float:
    """Return the height of a row in inches: no marker or text touches the next."""
    return 0.06 + (WRITTEN_LINE if models <= MOST_WRITTEN else LINE) * max(1, models)


def places(models: int) -> list[float]:
    """Return where in a row its models stand, from the top; the row is 1 high.

    >>> places(1)
    [0.0]
    """
    if models == 1:
        return [0.0]
    step = SPREAD / models
    return [round(step * (k - (models - 1) / 2), 6) for k in range(models)]


def draw_rows(axes: Axes, names: Sequence[str]) -> None:
    """Draw the rows themselves: names, and a shade behind every other one."""
    for row in range(1, len(names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=INK, alpha=0.05, linewidth=0)
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def draw_dots(axes: Axes, dots: Sequence[Dots]) -> None:
    """Draw the numbers of models into rows, with their intervals."""
    for offset, each in zip(places(len(dots)), dots, strict=True):
        for row, estimate in enumerate(each.estimates):
            if estimate is not None and estimate.value is not None:
                size = 4.0 if len(dots) <= MOST_WRITTEN else 3.2
                _draw_dot(axes, estimate, row + offset, each.look, size, row in each.hollow)


def _draw_dot(
    axes: Axes, estimate: Estimate, y: float, look: Look, size: float, hollow: bool
) -> None:
    assert estimate.value is not None
    if estimate.low is not None and estimate.high is not None:
        ends = [estimate.low, estimate.high]
        axes.plot(ends, [y, y], color=look.colour, linewidth=1.1, solid_capstyle="butt")
    axes.plot(
        [estimate.value],
        [y],
        linestyle="none",
        marker=look.marker,
        markersize=size,
        color=look.colour,
        markerfacecolor=PAPER if hollow else look.colour,
        clip_on=False,
        zorder=3,
    )


def write_numbers(axes: Axes, dots: Sequence[Dots], text: Callable[[Estimate], str] = show) -> None:
    """Write every number at the right end of its row."""
    for offset, each in zip(places(len(dots)), dots, strict=True):
        for row, estimate in enumerate(each.estimates):
            if estimate is not None:
                axes.text(
                    1.015,
                    row + offset,
                    text(estimate),
                    transform=axes.get_yaxis_transform(),
                    va="center_baseline",
                    fontsize=SMALL,
                )


def handle(look: Look) -> Line2D:
    """Return a marker on its interval, for a legend."""
    return Line2D([], [], color=look.colour, marker=look.marker, linewidth=1.1)


def ends(estimates: Sequence[Estimate | None]) -> tuple[float, float] | None:
    """Return the lowest and the highest value that is drawn; None if there is none."""
    drawn = [e for e in estimates if e is not None and e.value is not None]
    values = [float(v) for e in drawn for v in (e.value, e.low, e.high) if v is not None]
    return (float(np.min(values)), float(np.max(values))) if values else None
