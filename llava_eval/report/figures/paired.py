"""Paired differences: what a candidate gained and lost against a baseline."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llava_eval.comparison import TaskComparison
from llava_eval.measure import Measured
from llava_eval.records import Estimate
from llava_eval.report.figures.dots import Dots, draw_dots, draw_rows, ends, handle, row_height
from llava_eval.report.figures.style import (
    COLOURS,
    DOUBLE,
    INK,
    SMALL,
    Look,
    add_legend,
    add_note,
    label,
    new_figure,
    nice_limits,
    set_ticks,
    styled,
)
from llava_eval.report.subject import Subject

LOOKS = {
    "pass": Look(COLOURS[0], "o", "-", ""),
    "inconclusive": Look(COLOURS[1], "D", "-", ""),
    "regression": Look(COLOURS[4], "s", "-", ""),
}


COLUMNS = (94, 126, 156, 190)  # right ends beside the axes, in points


@styled
def paired(subject: Subject) -> Figure | None:
    """Draw the difference of two models in each benchmark: candidate minus baseline.

    With its 95 % interval, the drop that is allowed, and how many samples were gained and lost.
    MME, in points, has its own axis.

    Returns:
        None if there is no comparison, or nothing in it was measured.
    """
    comparison = subject.comparison
    if comparison is None:
        return None
    drawn = [task for task in comparison.tasks if task.measured.difference.value is not None]
    blocks = [[t for t in drawn if t.unit == unit] for unit in sorted({t.unit for t in drawn})]
    if not blocks:
        return None
    height = row_height(1) * len(drawn) + 0.65 * len(blocks) + 0.05
    figure = new_figure(DOUBLE, height)
    panels = figure.subplots(
        len(blocks), 1, squeeze=False, height_ratios=[len(block) + 0.8 for block in blocks]
    )
    titles = {column.task: column.title for column in reversed(subject.board.columns)}
    for axes, block in zip(panels[:, 0], blocks, strict=True):
        _draw_block(axes, block, [label(titles.get(t.task, t.task), 18) for t in block])
    _add_legend(figure, drawn)
    add_note(figure, _notes(subject, drawn, titles))
    return figure


def _draw_block(axes: Axes, block: Sequence[TaskComparison], names: Sequence[str]) -> None:
    draw_rows(axes, names)
    for verdict, look in LOOKS.items():
        marked = [task.measured.difference if task.verdict == verdict else None for task in block]
        draw_dots(axes, [Dots(look, marked)])
    for row, task in enumerate(block):
        axes.plot([-task.max_drop] * 2, [row - 0.4, row + 0.4], color=INK, linewidth=0.8)
        _write_row(axes, _counts(task.measured), row)
    span = ends([task.measured.difference for task in block]) or (0.0, 0.0)
    drop = max(task.max_drop for task in block)
    set_ticks(axes, nice_limits(min(span[0], -drop, -1.0), max(span[1], drop, 1.0)))
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    unit = "percentage points" if block[0].unit == "percent" else block[0].unit
    axes.set_xlabel(f"difference in {unit}")
    _write_row(axes, ("difference", "gained", "lost", "of"), -0.85)


def _write_row(axes: Axes, cells: Sequence[str], y: float) -> None:
    """Write a row of the columns beside the axes."""
    for end, cell in zip(COLUMNS, cells, strict=True):
        axes.annotate(
            cell,
            (1, y),
            (end, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            fontsize=SMALL,
            annotation_clip=False,
        )


def _counts(found: Measured) -> tuple[str, ...]:
    return (
        show_difference(found.difference),
        f"+{len(found.gained):,}",
        f"−{len(found.lost):,}",
        f"{found.samples:,}",
    )


def show_difference(estimate: Estimate) -> str:
    """Write a difference with its sign and its interval.

    >>> show_difference(Estimate(-5.68, -9.71, -1.66, 118))
    '−5.7 [−9.7, −1.7]'
    """
    if estimate.value is None:
        return "undefined"
    numbers = [estimate.value, estimate.low, estimate.high]
    texts = [f"{n:+.1f}".replace("-", "−") for n in numbers if n is not None]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]" if len(texts) == 3 else texts[0]


def _add_legend(figure: Figure, drawn: Sequence[TaskComparison]) -> None:
    verdicts = [name for name in LOOKS if any(task.verdict == name for task in drawn)]
    margin = Line2D([], [], color=INK, linewidth=0.8, marker="|", linestyle="none", markersize=7)
    handles = [*(handle(LOOKS[name]) for name in verdicts), margin]
    add_legend(figure, handles, [*verdicts, "drop that is allowed"])


def _notes(subject: Subject, drawn: Sequence[TaskComparison], titles: dict[str, str]) -> list[str]:
    assert subject.comparison is not None
    sides = f"{label(subject.models[1])} minus {label(subject.models[0])}"
    notes = [f"{sides}, paired by sample, with 95 % intervals."]
    left = [task for task in subject.comparison.tasks if task not in drawn]
    if left:
        notes.append(f"Not drawn: {'; '.join(_why_not(task, titles) for task in left)}.")
    if subject.comparison.forced:
        notes.append("Forced: these runs are not comparable.")
    return [" ".join(notes)]


def _why_not(task: TaskComparison, titles: dict[str, str]) -> str:
    words = "refused: " + task.apart[0].words if task.apart else "no difference to measure"
    return f"{label(titles.get(task.task, task.task), 18)} ({label(words, 80)})"
