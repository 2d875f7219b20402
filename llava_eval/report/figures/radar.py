"""The radar chart: every benchmark an axis of its own scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llava_eval.leaderboard.board import Column, Leaderboard
from llava_eval.report.figures.series import (
    PUBLISHED,
    Series,
    gap_notes,
    hollow_note,
    measured_series,
    published_note,
    published_series,
    title_of,
    unit_of,
)
from llava_eval.report.figures.style import (
    DOUBLE,
    PAPER,
    SMALL,
    add_legend,
    add_note,
    new_figure,
    number,
    styled,
)
from llava_eval.report.subject import Subject

FEWEST_AXES = 3
RINGS = 4
INNER = 0.2  # radius of the innermost ring: at the centre itself all axes would meet
STEPS = (1, 2, 2.5, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


@styled
def radar(subject: Subject, published: Sequence[str] = PUBLISHED) -> Figure | None:
    """Draw the models' numbers as the first figure of the LLaVA-1.5 paper does.

    Each axis has its own scale, printed under its name. Published rows stand beside numbers of
    the benchmarks' own data only. A number that is not there leaves a gap, and is named.

    Args:
        subject: What to draw.
        published: Names of the published rows to draw.

    Returns:
        None if there are fewer than three benchmarks.
    """
    board = subject.board
    if len(board.columns) < FEWEST_AXES:
        return None
    series = [*measured_series(board), *published_series(board, published)]
    figure = new_figure(DOUBLE, 5.1)
    axes: Any = figure.add_subplot(projection="polar")
    angles = np.linspace(0, 2 * math.pi, len(board.columns), endpoint=False)
    scales = [axis_scale(column, series) for column in board.columns]
    _draw_frame(axes, angles, _names(board, scales))
    handles = [_draw_series(axes, angles, board, scales, each) for each in series]
    add_legend(figure, handles, [each.name for each in series])
    scale = "Each axis runs from the innermost ring to the rim, over the range under its name."
    notes = [scale, hollow_note(board), *gap_notes(board), published_note(board)]
    add_note(figure, [" ".join(filter(None, notes))])
    return figure


def axis_scale(column: Column, series: Sequence[Series]) -> tuple[float, float] | None:
    """Return what inner ring and rim of an axis stand for: round numbers around the values.

    A single value has nothing to be spread from: its axis is the benchmark's whole scale.

    Returns:
        None if there is no value.
    """
    values = [float(e.value or 0.0) for each in series if (e := each.estimate(column.key))]
    if not values:
        return None
    top = column.full_scale
    if len(values) == 1:
        return 0.0, top
    for step in STEPS:
        low = math.floor(min(values) / step) * step
        if low + RINGS * step > top:
            low = max(0.0, top - RINGS * step)
        if low + RINGS * step >= max(values):
            return low, low + RINGS * step
    return 0.0, max(values)


def _names(board: Leaderboard, scales: Sequence[tuple[float, float] | None]) -> list[str]:
    names = []
    for column, scale in zip(board.columns, scales, strict=True):
        unit = " points" if unit_of(board, column.key) == "points" else " %"
        ends = f"{number(scale[0])} to {number(scale[1])}{unit}" if scale else "no value"
        names.append(f"{title_of(column)}\n{ends}")
    return names


def _draw_frame(axes: Any, angles: np.ndarray[Any, Any], names: Sequence[str]) -> None:
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(0, 1)
    axes.set_yticks(np.linspace(INNER, 1, RINGS + 1), [""] * (RINGS + 1))
    axes.set_xticks(angles, names, fontsize=SMALL, linespacing=1.2)
    axes.spines["polar"].set(linewidth=0.6, alpha=0.4)
    axes.grid(alpha=0.25)
    axes.tick_params(axis="x", pad=6)
    for tick, angle in zip(axes.get_xticklabels(), angles, strict=True):
        across = math.sin(angle)
        tick.set_horizontalalignment(
            "center" if abs(across) < 0.1 else "left" if across > 0 else "right"
        )


def _draw_series(
    axes: Any,
    angles: np.ndarray[Any, Any],
    board: Leaderboard,
    scales: Sequence[tuple[float, float] | None],
    series: Series,
) -> Line2D:
    """Draw one row as a closed line that is broken where it has no number."""
    radii = [
        _radius(series, column.key, scale)
        for column, scale in zip(board.columns, scales, strict=True)
    ]
    look, width = series.look, 0.9 if series.published else 1.4
    closed = [*angles, angles[0]], [*radii, radii[0]]
    axes.plot(*closed, color=look.colour, linestyle=look.line, linewidth=width, zorder=2)
    for column, angle, radius in zip(board.columns, angles, radii, strict=True):
        face = PAPER if series.hollow(column.key) else look.colour
        style = {"marker": look.marker, "markerfacecolor": face, "markeredgecolor": look.colour}
        if not math.isnan(radius):
            axes.plot([angle], [radius], color=look.colour, clip_on=False, zorder=3, **style)
    return Line2D(
        [], [], color=look.colour, linestyle=look.line, marker=look.marker, linewidth=width
    )


def _radius(series: Series, task: str, scale: tuple[float, float] | None) -> float:
    estimate = series.estimate(task)
    if estimate is None or estimate.value is None or scale is None:
        return math.nan
    share = (estimate.value - scale[0]) / (scale[1] - scale[0])
    return INNER + (1 - INNER) * share
