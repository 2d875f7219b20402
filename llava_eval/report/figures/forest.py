"""The forest plot: every benchmark's number and its interval, per model."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llava_eval.leaderboard.board import Column, Leaderboard
from llava_eval.report.figures.dots import (
    MOST_WRITTEN,
    Dots,
    draw_dots,
    draw_rows,
    ends,
    handle,
    row_height,
    write_numbers,
)
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
    add_legend,
    add_note,
    new_figure,
    nice_limits,
    set_ticks,
    styled,
)
from llava_eval.report.subject import Subject


@styled
def forest(subject: Subject, published: Sequence[str] = PUBLISHED) -> Figure | None:
    """Draw every benchmark's number with its 95 % interval, a row per benchmark.

    Percentages share one axis; a number in points, MME's, has its own below.

    Args:
        subject: What to draw.
        published: Names of the published rows to draw; they have no interval.

    Returns:
        None if no benchmark has a number.
    """
    board = subject.board
    series = [*measured_series(board), *published_series(board, published)]
    blocks = [block for unit in _units(board) if (block := _columns(board, series, unit))]
    if not blocks:
        return None
    tall = row_height(len(series))
    figure = new_figure(DOUBLE, tall * sum(map(len, blocks)) + 0.45 * len(blocks) + 0.1)
    panels = figure.subplots(
        len(blocks), 1, squeeze=False, height_ratios=[len(block) for block in blocks]
    )
    for axes, block in zip(panels[:, 0], blocks, strict=True):
        _draw_block(axes, board, series, block)
    add_legend(figure, [handle(each.look) for each in series], [each.name for each in series])
    notes = [hollow_note(board), *gap_notes(board), published_note(board)]
    add_note(figure, ["Lines are 95 % intervals. " + " ".join(filter(None, notes))])
    return figure


def _units(board: Leaderboard) -> list[str]:
    found = {unit_of(board, column.key) for column in board.columns}
    return sorted(found)  # percent before points


def _columns(board: Leaderboard, series: Sequence[Series], unit: str) -> list[Column]:
    """Return the columns of a unit in which somebody has a number."""
    return [
        column
        for column in board.columns
        if unit_of(board, column.key) == unit and any(s.estimate(column.key) for s in series)
    ]


def _draw_block(
    axes: Axes, board: Leaderboard, series: Sequence[Series], block: Sequence[Column]
) -> None:
    tasks = [column.key for column in block]
    dots = [
        Dots(
            each.look,
            [each.estimate(task) for task in tasks],
            frozenset(row for row, task in enumerate(tasks) if each.hollow(task)),
        )
        for each in series
    ]
    draw_rows(axes, [title_of(column) for column in block])
    draw_dots(axes, dots)
    span = ends([estimate for each in dots for estimate in each.estimates])
    assert span is not None
    set_ticks(axes, nice_limits(*span, max(column.full_scale for column in block)))
    unit = unit_of(board, tasks[0])
    axes.set_xlabel(unit if unit == "percent" else f"{unit} of {block[0].full_scale:,.0f}")
    if len(series) <= MOST_WRITTEN:
        write_numbers(axes, dots)
