"""How fast a run answered, call by call, and where its time went."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llava_eval.report.figures.style import (
    COLOURS,
    DOUBLE,
    HATCHES,
    INK,
    SINGLE,
    SMALL,
    add_legend,
    add_note,
    label,
    labels,
    look,
    new_figure,
    styled,
)
from llava_eval.report.measures import Stretch, throughput
from llava_eval.report.subject import TaskRun

# Beside the model, not of its time: an engine's threads prepare pictures meanwhile.
BESIDE = "images"
UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


@styled
def speed(runs: Sequence[TaskRun]) -> Figure | None:
    """Draw the answers over the seconds of a run, and the seconds of its stages.

    A run records some points of its way, up to a hundred a call; time between calls is not
    counted.

    Args:
        runs: Of one task, a model each.

    Returns:
        None if no run records what it took.

    Raises:
        RunError: A run records something else.
    """
    found = [throughput(run) for run in runs]
    if not any(stretch.answered for of in found for stretch in of):
        return None
    times = [stage_seconds(of) for of in found]
    staged = any(times)
    figure = new_figure(DOUBLE if staged else SINGLE, max(1.85, 1.05 + 0.24 * len(runs)))
    panels = figure.subplots(1, 2 if staged else 1, squeeze=False)[0]
    _draw_progress(panels[0], found)
    names = labels([run.model for run in runs], 30)
    if staged:
        _draw_stages(panels[1], times)
    handles = [_line(place) for place in range(len(runs))]
    add_legend(figure, handles, [_with_rate(n, of) for n, of in zip(names, found, strict=True)])
    add_note(figure, [_notes(found)])
    return figure


def stage_seconds(stretches: Sequence[Stretch]) -> dict[str, float]:
    """Add up the seconds of each stage of the model's time, in the order of the engine.

    >>> stage_seconds([Stretch(1, 2.0, stages={"images": 1.0, "decode": 2.0})])
    {'decode': 2.0}
    """
    found: dict[str, float] = {}
    for stretch in stretches:
        for name, seconds in stretch.stages.items():
            if name != BESIDE:
                found[name] = found.get(name, 0.0) + seconds
    return found


def time_unit(times: Sequence[float]) -> tuple[str, float]:
    """Return the unit that times are read best in, and its seconds.

    >>> time_unit([30.0, 7000.0])
    ('minutes', 60.0)
    """
    longest = max(times, default=0.0)
    return next(unit for unit in UNITS if longest >= 3 * unit[1] or unit[1] == 1)


def way(stretches: Sequence[Stretch]) -> tuple[list[tuple[float, float]], list[int]]:
    """Return the points of a run's way, and the places of those where a call ends.

    >>> way([Stretch(4, 2.0, progress=((1.0, 3.0),)), Stretch(2, 1.0, before=4, began=2.0)])
    ([(0.0, 0.0), (1.0, 3.0), (2.0, 4), (3.0, 6)], [0, 2, 3])
    """
    points: list[tuple[float, float]] = [(0.0, 0.0)]
    ends = [0]
    for s in stretches:
        points += [(s.began + seconds, s.before + answered) for seconds, answered in s.progress]
        points.append((s.began + s.seconds, s.before + s.answered))
        ends.append(len(points) - 1)
    return points, ends


def _draw_progress(axes: Axes, found: Sequence[Sequence[Stretch]]) -> None:
    unit, long = time_unit([s.began + s.seconds for of in found for s in of])
    for place, stretches in enumerate(found):
        style = look(place)
        points, ends = way(stretches)
        axes.plot(
            [seconds / long for seconds, _ in points],
            [answered for _, answered in points],
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markevery=ends,
            clip_on=False,
        )
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)
    axes.grid()
    axes.set_xlabel(unit)
    axes.set_ylabel("answers")


def _draw_stages(axes: Axes, times: Sequence[dict[str, float]]) -> None:
    """Draw where the time went, a stacked bar per model, from the top."""
    names = list(dict.fromkeys(name for of in times for name in of))
    unit, long = time_unit([sum(of.values()) for of in times])
    for row, of in enumerate(times):
        left = 0.0
        for place, name in enumerate(names):
            axes.barh(
                row,
                of.get(name, 0.0) / long,
                left=left,
                height=0.62,
                color=COLOURS[place % len(COLOURS)],
                hatch=HATCHES[place % len(HATCHES)],
                edgecolor=INK,
                linewidth=0.3,
                label=label(name, 20) if row == 0 else None,
            )
            left += of.get(name, 0.0) / long
    axes.set_ylim(len(times) - 0.5, -0.5)
    axes.set_yticks([])
    for row in range(len(times)):
        style = look(row)
        axes.plot(
            [-0.03],
            [row],
            transform=axes.get_yaxis_transform(),
            color=style.colour,
            marker=style.marker,
            clip_on=False,
        )
    axes.set_xlim(0, None)
    axes.set_xlabel(f"{unit} of the model's time, by stage")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.03, 1.0),
        ncols=3,
        fontsize=SMALL,
        borderpad=0.1,
        columnspacing=1.0,
        handlelength=1.6,
    )


def _line(place: int) -> Line2D:
    style = look(place)
    return Line2D([], [], color=style.colour, linestyle=style.line, marker=style.marker)


def _with_rate(name: str, stretches: Sequence[Stretch]) -> str:
    answered = sum(stretch.answered for stretch in stretches)
    seconds = sum(stretch.seconds for stretch in stretches)
    return f"{name}: {answered / seconds:,.1f} answers/s" if seconds else f"{name}: no time"


def _notes(found: Sequence[Sequence[Stretch]]) -> str:
    if max(map(len, found)) < 2:
        return "One call each."
    return "A marker ends a call; time between calls is not counted."
