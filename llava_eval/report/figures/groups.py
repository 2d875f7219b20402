"""The numbers of a benchmark's groups: tasks, categories, types, capabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llava_eval.records import Estimate, Result
from llava_eval.report.figures.dots import Dots, draw_dots, draw_rows, ends, handle, row_height
from llava_eval.report.figures.style import (
    DOUBLE,
    add_legend,
    add_note,
    label,
    labels,
    look,
    new_figure,
    nice_limits,
    set_ticks,
    styled,
)
from llava_eval.report.measures import in_natural_order
from llava_eval.report.subject import TaskRun
from llava_eval.scorers.yes_no import COGNITION, PERCEPTION

ALL = "all"
INTEGRATION = "integration: "
MOST_ROWS = 30  # of one grouping; the largest groups, if it has more
# What is drawn side by side, where a group's figure is more than the benchmark's metric.
METRICS = {
    "pope": ("f1", "precision", "recall", "accuracy"),
    "mme": ("score",),
    "llava_bench": ("relative_score",),
}
TOPS = {"score": {"points": 200.0}}  # of a group's metric, by unit; otherwise 100


@dataclass(frozen=True)
class Grouping:
    """Groups that stand together.

    Attributes:
        heading: "" where the groups say themselves what they are.
        names: Keys of `Result.groups`, or `ALL`.
    """

    heading: str
    names: tuple[str, ...]


@styled
def groups(runs: Sequence[TaskRun]) -> Figure | None:
    """Draw the numbers of a task's groups with their 95 % intervals, a row per group.

    Args:
        runs: Of one task, a model each.

    Returns:
        None if no run has groups.
    """
    found = [run.result for run in runs]
    parts = groupings(found)
    if not parts:
        return None
    metrics = metrics_of(found)
    shown = [_largest(part, found, metrics[0]) for part in parts]
    height = row_height(len(runs)) * sum(len(p.names) for p in shown) + 0.2 * len(shown) + 0.35
    figure = new_figure(DOUBLE, height)
    panels = figure.subplots(
        len(shown),
        len(metrics),
        squeeze=False,
        height_ratios=[len(part.names) for part in shown],
        sharex="col",
        sharey="row",
    )
    for line, part in zip(panels, shown, strict=True):
        for axes, metric in zip(line, metrics, strict=True):
            _draw_part(axes, part, found, metric)
    for axes, metric in zip(panels[-1], metrics, strict=True):
        _draw_scale(axes, found, shown, metric)
    names = labels([run.model for run in runs])
    add_legend(figure, [handle(look(place)) for place in range(len(runs))], names)
    add_note(figure, _notes(parts, shown, found, metrics, names))
    return figure


def metrics_of(results: Sequence[Result]) -> tuple[str, ...]:
    """Return which metrics of the groups are drawn, in order: mostly the primary one alone."""
    first = results[0]
    have = {name for result in results for metrics in result.groups.values() for name in metrics}
    wanted = METRICS.get(first.scorer, (first.primary,))
    return tuple(name for name in wanted if name in have) or tuple(sorted(have)[:1])


def groupings(results: Sequence[Result]) -> list[Grouping]:
    """Sort the groups of a task into groupings, in the order of the result.

    Scorers report one grouping after another, and each of them covers all rows: a grouping ends
    where its groups have as many samples as the task. Capabilities of MM-Vet overlap, and have
    their combinations after them; MME's tasks are of two kinds.
    """
    names = list(dict.fromkeys(name for result in results for name in result.groups))
    if not names:
        return []
    if all(name in (*PERCEPTION, *COGNITION) for name in names):
        kinds = {"perception": PERCEPTION, "cognition": COGNITION}
        found = [(kind, tuple(n for n in names if n in of)) for kind, of in kinds.items()]
        return [Grouping(heading, of) for heading, of in found if of]
    combined = tuple(name for name in names if name.startswith(INTEGRATION))
    if combined:
        single = tuple(name for name in names if name not in combined)
        return [Grouping("capability", (ALL, *single)), Grouping("combination", combined)]
    parts = _partition(names, results[0])
    first, *others = parts
    return [Grouping("", (ALL, *first)), *(Grouping("", part) for part in others)]


def _partition(names: Sequence[str], result: Result) -> list[tuple[str, ...]]:
    metric = metrics_of([result])[0]
    whole = result.metrics[metric].n if metric in result.metrics else 0
    parts: list[tuple[str, ...]] = []
    current: list[str] = []
    covered = 0
    for name in names:
        current.append(name)
        covered += result.groups[name][metric].n if name in result.groups else 0
        if covered == whole:
            parts.append(tuple(current))
            current, covered = [], 0
    return [tuple(in_natural_order(part)) for part in parts] if not current else [tuple(names)]


def estimate_of(result: Result, group: str, metric: str) -> Estimate | None:
    """Return the number of a group; None where there is none, or it is undefined."""
    figures = result.metrics if group == ALL else result.groups.get(group, {})
    estimate = figures.get(metric)
    return None if estimate is None or estimate.value is None else estimate


def _largest(part: Grouping, results: Sequence[Result], metric: str) -> Grouping:
    if len(part.names) <= MOST_ROWS:
        return part
    size = {name: _size(name, results, metric) for name in part.names}
    kept = set(sorted(part.names, key=lambda name: -size[name])[:MOST_ROWS])
    return Grouping(part.heading, tuple(name for name in part.names if name in kept))


def _size(group: str, results: Sequence[Result], metric: str) -> int:
    return max((e.n for r in results if (e := estimate_of(r, group, metric))), default=0)


def _labels(names: Sequence[str]) -> list[str]:
    return labels([name.removeprefix(INTEGRATION) for name in names], 40)


def _with_size(name: str, size: int) -> str:
    return f"{name} ({size:,})" if size else name


def _draw_part(axes: Axes, part: Grouping, results: Sequence[Result], metric: str) -> None:
    rows = [[estimate_of(result, name, metric) for name in part.names] for result in results]
    names = [
        _with_size(name, _size(group, results, metric))
        for name, group in zip(_labels(part.names), part.names, strict=True)
    ]
    draw_rows(axes, names)
    draw_dots(axes, [Dots(look(place), row) for place, row in enumerate(rows)])
    if part.heading and axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_title(part.heading, loc="left", fontweight="bold", pad=3)


def _draw_scale(
    axes: Axes, results: Sequence[Result], parts: Sequence[Grouping], metric: str
) -> None:
    drawn = [estimate_of(r, name, metric) for r in results for part in parts for name in part.names]
    top = TOPS.get(metric, {}).get(results[0].unit, 100.0)
    low, high = ends(drawn) or (0.0, top)
    ticks = nice_limits(low, high, max(top, high))
    wide = axes.get_subplotspec().get_gridspec().ncols == 1  # type: ignore[union-attr]
    set_ticks(axes, ticks if wide else ticks[:: max(1, len(ticks) // 3)])
    if not wide:
        axes.set_xlim(ticks[0] - 3, ticks[-1] + 3)
    words = metric.replace("_", " ")
    unit = results[0].unit
    axes.set_xlabel(label(f"{words}, {unit}" + (f" of {top:,.0f}" if unit == "points" else "")))


def _notes(
    parts: Sequence[Grouping],
    shown: Sequence[Grouping],
    results: Sequence[Result],
    metrics: Sequence[str],
    names: Sequence[str],
) -> list[str]:
    notes = ["Lines are 95 % intervals; the number of samples is in brackets."]
    left = sum(len(p.names) for p in parts) - sum(len(p.names) for p in shown)
    if left:
        notes.append(f"The {MOST_ROWS} largest groups; {left:,} smaller ones are not drawn.")
    for name, result in zip(names, results, strict=True):
        gaps = [
            f"{metric.replace('_', ' ')} of {label(group, 40)}"
            for part in shown
            for group in part.names
            for metric in metrics
            if estimate_of(result, group, metric) is None
        ]
        if gaps:
            listed = ", ".join(gaps[:6]) + (f" and {len(gaps) - 6} more" if len(gaps) > 6 else "")
            notes.append(f"No value, {name}: {listed}.")
    return [" ".join(notes)]
