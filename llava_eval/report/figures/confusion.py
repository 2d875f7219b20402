"""Lettered options: which letter was given for which, and which are given too often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llava_eval.report.figures.style import (
    COLOURS,
    DOUBLE,
    INK,
    SINGLE,
    SMALL,
    add_note,
    labels,
    new_figure,
    styled,
)
from llava_eval.report.measures import LetterMatrix, letter_matrix
from llava_eval.report.subject import TaskRun

ACROSS = 3  # models side by side
DARKEST = 0.6  # so that numbers can be read on it, on white and on dark paper
CELL = 0.26  # inches


@styled
def letters(runs: Sequence[TaskRun]) -> Figure | None:
    """Draw for each model the matrix of right and given letters, and the bias of each letter.

    A cell's shade is its share of its row; the bias is how much more often a letter is given
    than it is right.

    Args:
        runs: Of one task, a model each.

    Returns:
        None if the task has no lettered options, or its rows cannot be read.
    """
    names = labels([run.model for run in runs], 30)
    found = [(n, m) for n, run in zip(names, runs, strict=True) if (m := letter_matrix(run))]
    if not found:
        return None
    across = min(ACROSS, len(found))
    down = -(-len(found) // across)
    tall = max(len(matrix.letters) for _, matrix in found) * CELL
    figure = new_figure(SINGLE if across == 1 else DOUBLE, down * (tall + 1.85) + 0.25)
    panels = figure.subplots(
        2 * down, across, squeeze=False, height_ratios=[tall + 0.1, 0.75] * down
    )
    reach = 1.45 * max(2.0, *(100 * abs(b) for _, matrix in found for b in matrix.bias))
    for place in range(across * down):
        row, column = divmod(place, across)
        pair = panels[2 * row, column], panels[2 * row + 1, column]
        if place < len(found):
            _draw_model(pair, *found[place], reach, first=column == 0)
        else:
            for axes in pair:
                axes.set_axis_off()
    left = [name for name in names if name not in dict(found)]
    add_note(figure, [f"No rows to read: {', '.join(left)}."] if left else [])
    return figure


def _draw_model(
    pair: tuple[Axes, Axes], name: str, matrix: LetterMatrix, reach: float, first: bool
) -> None:
    _draw_matrix(pair[0], matrix)
    _draw_bias(pair[1], matrix, reach)
    pair[0].set_title(f"{name}\nn = {matrix.n:,}", fontsize=SMALL)
    if first:
        pair[0].set_ylabel("right letter")
        pair[1].set_ylabel("bias, points")


def _draw_matrix(axes: Axes, matrix: LetterMatrix) -> None:
    counts = np.array(matrix.counts, dtype=float)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    for row, column in np.ndindex(*counts.shape):
        corner = column - 0.5, row - 0.5
        axes.add_patch(_cell(corner, float(shares[row, column]), row == column))
        text = f"{counts[row, column]:,.0f}" if counts[row, column] else "·"
        axes.text(column, row, text, ha="center", va="center_baseline", fontsize=SMALL)
    axes.set_xlim(-0.5, counts.shape[1] - 0.5)
    axes.set_ylim(counts.shape[0] - 0.5, -0.5)
    axes.set_xticks(range(counts.shape[1]), [*matrix.letters, "none"])
    axes.set_yticks(range(counts.shape[0]), list(matrix.letters))
    axes.tick_params(length=0)
    axes.set_xlabel("given letter", labelpad=1)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _cell(corner: tuple[float, float], share: float, right: bool) -> Any:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    colour = to_rgba(COLOURS[0], DARKEST * share)
    edge, width = (to_rgba(INK, 1.0), 0.8) if right else (to_rgba(INK, 0.25), 0.4)
    return Rectangle(corner, 1, 1, facecolor=colour, edgecolor=edge, linewidth=width)


def _draw_bias(axes: Axes, matrix: LetterMatrix, reach: float) -> None:
    bias = [100 * share for share in matrix.bias]
    axes.bar(matrix.letters, bias, width=0.6, color=COLOURS[0], edgecolor=INK, linewidth=0.4)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_ylim(-reach, reach)
    axes.set_xlim(-0.5, len(matrix.letters) + 0.5)  # as wide as the matrix, "none" included
    for place, value in enumerate(bias):
        text = f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0"
        up = value >= 0
        axes.annotate(
            text,
            (place, value),
            (0, 1.5 if up else -1.5),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=SMALL,
        )
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y")
