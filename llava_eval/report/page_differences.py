"""Two runs against each other, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from llava_eval.comparison import Comparison, TaskComparison
from llava_eval.report.page_table import show_number


@dataclass(frozen=True)
class DifferenceView:
    """One task of both runs; texts are empty where it could not be compared."""

    task: str
    metric: str
    verdict: str
    notes: list[str]
    baseline: str = ""
    candidate: str = ""
    difference: str = ""
    interval: str = ""
    sort: str = ""
    p: str = ""
    gained: str = ""
    lost: str = ""
    samples: str = ""


@dataclass(frozen=True)
class DifferencesView:
    """All of them, and the runs."""

    baseline: str
    candidate: str
    verdict: str
    max_drop: str
    lines: list[DifferenceView]
    notes: tuple[str, ...]


def differences_view(comparison: Comparison | None) -> DifferencesView | None:
    """Return the paired differences; None where there are not two runs to compare."""
    if comparison is None:
        return None
    return DifferencesView(
        comparison.baseline,
        comparison.candidate,
        comparison.verdict,
        f"{comparison.max_drop:g} %",
        [_line(task) for task in comparison.tasks],
        comparison.notes,
    )


def _line(task: TaskComparison) -> DifferenceView:
    found = task.measured
    notes = [*(each.words for each in task.apart), *task.notes]
    if not found.samples:
        return DifferenceView(task.task, task.metric, task.verdict, notes)
    change = found.difference
    return DifferenceView(
        task.task,
        task.metric,
        task.verdict,
        notes,
        show_number(found.baseline),
        show_number(found.candidate),
        show_signed(change.value),
        _interval(change.low, change.high),
        "" if change.value is None else repr(change.value),
        "" if task.p_holm is None else show_p(task.p_holm),
        f"{len(found.gained):,}",
        f"{len(found.lost):,}",
        f"{found.samples:,}",
    )


def _interval(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f"{show_signed(low)} to {show_signed(high)}"


def show_signed(value: float | None) -> str:
    """Write a difference with its sign; zero has none.

    >>> show_signed(-1.26), show_signed(0.04), show_signed(2.0)
    ('−1.3', '0.0', '+2.0')
    """
    if value is None:
        return "undefined"
    text = f"{value:+,.1f}"
    return text[1:] if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def show_p(value: float) -> str:
    """Write a p value.

    >>> show_p(0.00004), show_p(0.0123)
    ('<0.0001', '0.0123')
    """
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"
