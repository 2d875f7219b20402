"""What answers look like: how long they are, and how often they say yes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from llava_eval.records import Estimate
from llava_eval.report.figures.dots import Dots, draw_dots, draw_rows, handle, row_height
from llava_eval.report.figures.style import (
    DOUBLE,
    INK,
    SINGLE,
    add_legend,
    add_note,
    labels,
    look,
    new_figure,
    set_ticks,
    styled,
)
from llava_eval.report.measures import Lengths, YesShare, answer_lengths, yes_shares
from llava_eval.report.subject import TaskRun

FEWEST_BINS, MOST_BINS = 5, 24
SKEWED = 8  # times the median
MOST_BARS = 3  # models that are drawn as bars; more of them as lines
Numbers = NDArray[np.float64]


@styled
def lengths(runs: Sequence[TaskRun]) -> Figure | None:
    """Draw how many words and how many tokens answers have, as shares of the answers.

    Args:
        runs: Of one task, a model each.

    Returns:
        None if nobody answered.
    """
    measured = [answer_lengths(run) for run in runs]
    if not any(found.words for found in measured):
        return None
    panels = [("words", [found.words for found in measured])]
    if any(found.new_tokens for found in measured):
        panels.append(("new tokens", [found.new_tokens for found in measured]))
    figure = new_figure(DOUBLE if len(panels) == 2 else SINGLE, 1.75)
    for axes, (unit, values) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        _draw_lengths(axes, values, unit)
    names = labels([run.model for run in runs])
    add_legend(figure, [_swatch(place, len(runs)) for place in range(len(runs))], names)
    add_note(figure, [_cut_note(name, found) for name, found in zip(names, measured, strict=True)])
    return figure


def length_bins(values: Sequence[Sequence[int]]) -> Numbers:
    """Return edges of bins, each between two whole numbers, at most 24 if they are of one width.

    Lengths of which a few are far above the others have bins that grow with them.

    >>> length_bins([[1, 1, 5]]).tolist()
    [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    """
    flat = [value for of in values for value in of]
    low, high = min(flat), max(max(flat), min(flat) + FEWEST_BINS - 1)
    if high > MOST_BINS and high > SKEWED * np.median(flat):
        # 0.5 1.5 2.5 3.5 5.5 7.5 11.5 15.5 ...: two bins for each doubling.
        edges = [0.0, 1.0, *(n for k in range(1, 40) for n in (2.0**k, 1.5 * 2.0**k))]
        first = next(place for place, edge in enumerate(edges) if edge > low) - 1
        last = next(place for place, edge in enumerate(edges) if edge > high)
        return np.array([max(0.25, edge - 0.5) for edge in edges[first : last + 1]])
    width = -(-(high - low + 1) // MOST_BINS)
    return np.arange(low - 0.5, high + width + 0.5, width)


def _draw_lengths(axes: Axes, values: Sequence[Sequence[int]], unit: str) -> None:
    bins = length_bins(values)
    room = np.diff(bins)
    if np.ptp(room) > 1e-9:
        axes.set_xscale("log", base=2)
    for place, of in enumerate(values):
        shares = 100 * np.histogram(of, bins)[0] / max(1, len(of))
        style = look(place)
        if len(values) <= MOST_BARS:
            width = room * 0.84 / len(values)
            left = bins[:-1] + room * 0.08 + place * width
            axes.bar(left, shares, width, align="edge", color=style.colour, hatch=style.hatch)
        else:
            axes.stairs(shares, bins, color=style.colour, linestyle=style.line, linewidth=1.2)
    axes.set_ylim(0, None)
    axes.set_xlim(bins[0], bins[-1])
    if np.ptp(room) > 1e-9:
        _tick_doublings(axes, bins)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    axes.grid(axis="y")
    axes.set_xlabel(f"{unit} of an answer")
    axes.set_ylabel("answers, percent")


def _tick_doublings(axes: Axes, bins: Numbers) -> None:
    ticks = [2.0**k for k in range(40) if bins[0] < 2.0**k < bins[-1]]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()


def _swatch(place: int, models: int) -> Patch | Line2D:
    style = look(place)
    if models <= MOST_BARS:
        return Patch(facecolor=style.colour, hatch=style.hatch)
    return Line2D([], [], color=style.colour, linestyle=style.line, linewidth=1.2)


def _cut_note(name: str, found: Lengths) -> str:
    if not found.cut:
        return ""
    return f"{name}: {found.cut:,} of {len(found.words):,} answers cut off at {found.limit} tokens."


@styled
def yes_share(runs: Sequence[TaskRun]) -> Figure | None:
    """Draw how often models say yes, and how often yes is right, for all rows and each group.

    Args:
        runs: Of one task, a model each.

    Returns:
        None if the task does not ask for yes or no, or its rows cannot be read.
    """
    shares = [{share.group: share for share in yes_shares(run)} for run in runs]
    names = list(dict.fromkeys(name for of in shares for name in of))
    if not names:
        return None
    figure = new_figure(DOUBLE, row_height(len(runs)) * len(names) + 0.45)
    axes = figure.subplots()
    draw_rows(axes, ["all", *labels([name for name in names if name], 40)])
    _draw_expected(axes, names, shares)
    draw_dots(
        axes,
        [
            Dots(look(place), [_said(of.get(name)) for name in names])
            for place, of in enumerate(shares)
        ],
    )
    set_ticks(axes, [0, 25, 50, 75, 100])
    axes.set_xlabel("answers that are yes, percent")
    expected = Line2D([], [], color=INK, linewidth=1.2)
    handles = [*(handle(look(place)) for place in range(len(runs))), expected]
    add_legend(figure, handles, [*labels([run.model for run in runs]), "yes is right"])
    add_note(
        figure, [_other_note(run.model, of.get("")) for run, of in zip(runs, shares, strict=True)]
    )
    return figure


def _said(share: YesShare | None) -> Estimate | None:
    if share is None or not share.n:
        return None
    return Estimate(100 * share.yes / share.n, None, None, share.n)


def _draw_expected(axes: Axes, names: Sequence[str], shares: Sequence[dict[str, YesShare]]) -> None:
    for row, name in enumerate(names):
        share = next(of[name] for of in shares if name in of)
        x = 100 * share.expected / max(1, share.n)
        axes.plot([x, x], [row - 0.42, row + 0.42], color=INK, linewidth=1.2)


def _other_note(name: str, share: YesShare | None) -> str:
    if share is None or not share.other:
        return ""
    return f"{labels([name])[0]}: {share.other:,} of {share.n:,} answers are neither yes nor no."
