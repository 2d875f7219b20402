"""One section of the page per task: numbers by group, counts, and how each was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llava_eval.bounds import show_bounds
from llava_eval.records import Estimate, Result
from llava_eval.report.browse_rows import cut
from llava_eval.report.measures import failure_reasons, in_natural_order
from llava_eval.report.page_links import SampleLinks
from llava_eval.report.page_provenance import not_recorded, provenance_of, reproduce
from llava_eval.report.page_table import run_anchor, show_interval, show_number
from llava_eval.report.subject import Subject, TaskRun

MOST_REASONS = 5  # of failed requests
MOST_OF_A_REASON = 200  # characters
Fact = list[tuple[str, str]]  # pieces of text, each with its link or ""


@dataclass(frozen=True)
class GroupView:
    """A row of the table of groups.

    Attributes:
        name: Of the group.
        link: To its samples; "" if there is none.
        samples: Number of samples that its primary metric is over.
        figures: (value, interval, sort key, number of samples if it is another) per metric.
    """

    name: str
    link: str
    samples: str
    figures: list[tuple[str, str, str, str]]


@dataclass(frozen=True)
class RunView:
    """One model in one task.

    Attributes:
        anchor: Where numbers of the table lead to.
        model: Title of its row.
        headline: The primary metric, as text.
        interval: Its interval.
        metrics: Headings of the table of groups.
        groups: The table's rows.
        facts: Counts and whatever else must be known, a line each, in pieces of text and link.
        provenance: What is recorded, by heading.
        commands: That make the number again.
        lacking: What these lack, one line each.
    """

    anchor: str
    model: str
    headline: str
    interval: str
    metrics: list[str]
    groups: list[GroupView]
    facts: list[Fact]
    provenance: dict[str, list[tuple[str, str]]]
    commands: list[str]
    lacking: list[str]


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


def task_views(subject: Subject, browsed: Sequence[str] = ()) -> list[TaskView]:
    """Return the sections of the page, in the order of the table.

    Args:
        subject: What the page is about.
        browsed: Names of the tasks that have samples in the page.
    """
    return [_task(subject, name, browsed) for name in subject.tasks]


def _task(subject: Subject, name: str, browsed: Sequence[str]) -> TaskView:
    runs = subject.of_task(name)
    card, result = runs[0].task, runs[0].result
    return TaskView(
        name,
        card.title,
        card.asks,
        result.unit,
        result.primary,
        card.citation.paper,
        [_run(subject, run, SampleLinks(subject, run, browsed)) for run in runs],
    )


def _run(subject: Subject, run: TaskRun, links: SampleLinks) -> RunView:
    result = run.result
    metrics, groups = _groups(result, links)
    return RunView(
        run_anchor(subject, run.task.name, run.model),
        run.model,
        show_number(result.headline.value),
        show_interval(result.headline),
        metrics,
        groups,
        facts_of(run, links),
        provenance_of(run),
        reproduce(run),
        not_recorded(run),
    )


def _groups(result: Result, links: SampleLinks) -> tuple[list[str], list[GroupView]]:
    """Lay out groups as rows and metrics as columns; some groups have metrics of their own."""
    ordered = {name: result.groups[name] for name in in_natural_order(list(result.groups))}
    parts = [("all", result.metrics), *ordered.items()]
    names = list(dict.fromkeys(name for _, figures in parts for name in figures))
    return names, [_group(part, figures, names, result.primary, links) for part, figures in parts]


def _group(
    name: str,
    figures: Mapping[str, Estimate],
    metrics: Sequence[str],
    primary: str,
    links: SampleLinks,
) -> GroupView:
    most = max((figure.n for figure in figures.values()), default=0)
    samples = figures[primary].n if primary in figures else most
    cells = [_figure(figures.get(metric), samples) for metric in metrics]
    return GroupView(name, links.to_group(name), f"{samples:,}", cells)


def _figure(estimate: Estimate | None, samples: int) -> tuple[str, str, str, str]:
    if estimate is None:
        return "", "", "", ""
    value = estimate.value
    return (
        show_number(value),
        show_interval(estimate),
        "" if value is None else repr(value),
        "" if estimate.n == samples else f"of {estimate.n:,}",
    )


def facts_of(run: TaskRun, links: SampleLinks) -> list[Fact]:
    """Say what must be known beside the numbers of a result, one line each.

    Args:
        run: Of one task.
        links: To its samples.
    """
    return [_counts(run.result, links), *([(line, "")] for line in _plain_facts(run))]


def _counts(result: Result, links: SampleLinks) -> Fact:
    counts = {"unparsed": result.unparsed, "failed": result.failed, "missing": result.missing}
    fact = [(f"{result.n:,} samples: ", "")]
    for place, (what, count) in enumerate(counts.items()):
        fact += [(", ", "")] if place else []
        fact.append((f"{count:,} {what}", links.to_outcome(what, count)))
    return fact


def _plain_facts(run: TaskRun) -> Iterator[str]:
    result = run.result
    if reasons := failure_reasons(run):
        shown = list(reasons.items())[:MOST_REASONS]
        left = sum(reasons.values()) - sum(count for _, count in shown)
        words = [f"{cut(reason, MOST_OF_A_REASON)}: {count:,}" for reason, count in shown]
        yield "failed, " + "; ".join([*words, *([f"other reasons: {left:,}"] if left else [])])
    if result.ungraded:
        yield f"{result.ungraded:,} answers wait for a judge or a server"
    if result.drawn:
        yield (
            f"a draw of {result.n:,} of {result.full_n:,} questions; intervals are for all of them"
        )
    if result.mini:
        yield "mini split: not comparable with published numbers"
    elif not result.known:
        yield f"{result.n:,} rows are no known version of the benchmark"
    if result.bounds:
        yield f"{result.primary}: {show_bounds(result)}"
    if result.judge:
        yield f"graded by {result.judge}, dialect {result.dialect}"
    yield from (f"{name}: {text}" for name, text in result.notes.items())
