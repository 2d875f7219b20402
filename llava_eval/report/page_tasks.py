"""One section of the page per task: numbers by group, counts, and how each was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llava_eval.bounds import show_bounds
from llava_eval.records import Estimate, Result
from llava_eval.report.page_provenance import provenance_of, reproduce
from llava_eval.report.page_table import run_anchor, show_interval, show_number
from llava_eval.report.subject import Subject, TaskRun


@dataclass(frozen=True)
class RunView:
    """One model in one task.

    Attributes:
        anchor: Where numbers of the table lead to.
        model: Title of its row.
        headline: The primary metric, as text.
        interval: Its interval.
        metrics: Headings of the table of groups.
        groups: Name, number of samples, and (value, interval, sort key) per metric.
        facts: Counts and whatever else must be known, one line each.
        provenance: What is recorded, by heading.
        commands: That make the number again.
    """

    anchor: str
    model: str
    headline: str
    interval: str
    metrics: list[str]
    groups: list[tuple[str, str, list[tuple[str, str, str]]]]
    facts: list[str]
    provenance: dict[str, list[tuple[str, str]]]
    commands: list[str]


@dataclass(frozen=True)
class TaskView:
    """One task of the page."""

    name: str
    title: str
    asks: str
    unit: str
    primary: str
    paper: str
    runs: list[RunView]


def task_views(subject: Subject) -> list[TaskView]:
    """Return the sections of the page, in the order of the table."""
    return [_task(subject, name) for name in subject.tasks]


def _task(subject: Subject, name: str) -> TaskView:
    runs = subject.of_task(name)
    card, result = runs[0].task, runs[0].result
    return TaskView(
        name,
        card.title,
        card.asks,
        result.unit,
        result.primary,
        card.citation.paper,
        [_run(subject, run) for run in runs],
    )


def _run(subject: Subject, run: TaskRun) -> RunView:
    result = run.result
    metrics, groups = _groups(result)
    return RunView(
        run_anchor(subject, run.task.name, run.model),
        run.model,
        show_number(result.headline.value),
        show_interval(result.headline),
        metrics,
        groups,
        facts_of(result),
        provenance_of(run),
        reproduce(run),
    )


def _groups(result: Result) -> tuple[list[str], list[tuple[str, str, list[tuple[str, str, str]]]]]:
    """Lay out groups as rows and metrics as columns; some groups have metrics of their own."""
    parts = [("all", result.metrics), *result.groups.items()]
    names = list(dict.fromkeys(name for _, figures in parts for name in figures))
    return names, [
        (part, _samples(figures), [_figure(figures.get(name)) for name in names])
        for part, figures in parts
    ]


def _samples(figures: Mapping[str, Estimate]) -> str:
    return f"{max((figure.n for figure in figures.values()), default=0):,}"


def _figure(estimate: Estimate | None) -> tuple[str, str, str]:
    if estimate is None:
        return "", "", ""
    value = estimate.value
    return (
        show_number(value),
        show_interval(estimate),
        "" if value is None else repr(value),
    )


def facts_of(result: Result) -> list[str]:
    """Say what must be known beside the numbers of a result, one line each."""
    counts = ((result.unparsed, "unparsed"), (result.failed, "failed"), (result.missing, "missing"))
    found = [f"{result.n:,} samples: " + ", ".join(f"{count:,} {what}" for count, what in counts)]
    if result.ungraded:
        found.append(f"{result.ungraded:,} answers wait for a judge or a server")
    if result.drawn:
        found.append(
            f"a draw of {result.n:,} of {result.full_n:,} questions; intervals are for all of them"
        )
    if result.mini:
        found.append("mini split: not comparable with published numbers")
    elif not result.known:
        found.append(f"{result.n:,} rows are no known version of the benchmark")
    if result.bounds:
        found.append(f"{result.primary}: {show_bounds(result)}")
    if result.judge:
        found.append(f"graded by {result.judge}, dialect {result.dialect}")
    return found + [f"{name}: {text}" for name, text in result.notes.items()]
