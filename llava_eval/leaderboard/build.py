"""Run folders and published rows to a leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from llava_eval.bounds import show_bounds
from llava_eval.identity import Identity, identity_of, recorded
from llava_eval.leaderboard.board import Cell, Column, Entry, Figure, Leaderboard, Line, key_of
from llava_eval.leaderboard.choose import ALL, Choice, chosen_columns, chosen_lines, in_order
from llava_eval.leaderboard.marks import mark_differences, notes_of_marks
from llava_eval.leaderboard.names import lines_of
from llava_eval.leaderboard.ranks import mark_best, rank
from llava_eval.leaderboard.ties import Ties
from llava_eval.published import Published, PublishedModel, load_published
from llava_eval.records import Estimate, Result
from llava_eval.scorers import SCORERS, JudgedScorer
from llava_eval.scorers.paired import full_scale
from llava_eval.store import RESULT, read_json, read_run, result_from_json
from llava_eval.task import Task, load_task, task_names

LEGEND = (
    "±: the wider side of the 95 % interval; bold or *: the best of the column's own numbers, "
    "and what ties with it"
)


def build_leaderboard(
    folders: Sequence[Path],
    choice: Choice = ALL,
    ranked: bool = True,
    tasks_dir: Path | None = None,
) -> Leaderboard:
    """Put the results of run folders beside the published rows.

    Args:
        folders: As `store.find_runs` returns them; runs without a result are noted.
        choice: Which rows and columns, in which order.
        ranked: Whether to rank runs that are comparable, for which the rows are read and
            their predictions scored again.
        tasks_dir: A folder of the user's own cards: without it, columns of their tasks have the
            task's name for a heading, and their runs are not paired.

    Returns:
        Columns for the tasks that have a result, or that are chosen; for all tasks if there
        are none.

    Raises:
        UsageError: Something chosen, or the folder of cards, is not there.
        RunError: A run folder cannot be read.
        CardError: The published numbers or a card cannot be read.
    """
    published = load_published()
    finished = [folder for folder in folders if (folder / RESULT).exists()]
    entries = [read_entry(folder) for folder in finished]
    columns = chosen_columns(_columns(entries, published, choice, tasks_dir), choice)
    lines = chosen_lines(_lines(entries, published), columns, choice)
    ties = Ties(ranked, tasks_dir)
    lines = mark_differences(columns, lines)
    lines = mark_best(columns, rank(columns, lines, ties) if ranked else lines, ties)
    lines = in_order(columns, lines, choice)
    notes = [f"{folder}: not finished" for folder in folders if folder not in finished]
    return Leaderboard(columns, lines, [*notes, *_notes(columns, lines, published), *ties.notes])


def _lines(entries: Sequence[Entry], published: Published) -> list[Line]:
    cards = {name: load_task(name) for name in task_names()}
    measured = [Line(name, _cells(row, published)) for name, row in lines_of(entries)]
    return measured + [_published_line(model, cards, published) for model in published.models]


def read_entry(folder: Path) -> Entry:
    """Read the result of a run folder, and what is recorded beside it.

    Raises:
        RunError: It is not a finished run of this version.
    """
    result = result_from_json(read_json(folder / RESULT), str(folder / RESULT))
    return Entry(folder, result, identity_of(result), recorded(read_run(folder)))


def _columns(
    entries: Sequence[Entry], published: Published, choice: Choice, tasks_dir: Path | None
) -> list[Column]:
    """Return a column for every task that was measured; the paper's twelve if none was.

    Numbers by different judges are never in one column.
    """
    known = task_names(tasks_dir)
    measured = {entry.result.task for entry in entries}
    wanted = known if not measured or choice.tasks else [n for n in known if n in measured]
    columns = []
    for name in [*wanted, *sorted(measured - set(known))]:
        card = load_task(name, tasks_dir) if name in known else None
        own = [entry for entry in entries if entry.result.task == name]
        judges = dict.fromkeys(_other_judge(entry.result, published) for entry in own) or {"": None}
        for judge in sorted(judges):
            by_judge = [e for e in own if _other_judge(e.result, published) == judge]
            columns.append(_column(name, card, judge, by_judge, published))
    return columns


def _column(
    name: str, card: Task | None, judge: str, entries: Sequence[Entry], published: Published
) -> Column:
    """Return one column; the card may not be at hand, or have no published numbers."""
    identity = published.identity(card) if card and name in published.rows else None
    if identity is None or judge:
        usual = _usual([entry.identity for entry in entries])
        identity = replace(identity, judge=usual.judge) if identity else usual
    title = card.title if card else name
    rule = card or entries[0].result
    return Column(
        name,
        f"{title} ({PurePosixPath(judge).name})" if judge else title,
        identity,
        full_scale(rule.scorer, rule.primary),
        judge,
    )


def _other_judge(result: Result, published: Published) -> str:
    """Return the name of a judge that is not that of the published numbers; else ""."""
    if not isinstance(SCORERS.get(result.scorer), JudgedScorer):
        return ""  # a matcher reads answers, it grades none: its numbers have a mark
    name = result.judge.partition(" (")[0]
    return "" if name == published.setting.judges.get(result.task) else name


def _usual(identities: Sequence[Identity]) -> Identity:
    """Return the identity that most numbers have: of a task that has no published number."""
    counted = Counter(identity.key for identity in identities)
    usual = max(counted, key=lambda key: counted[key])
    return next(identity for identity in identities if identity.key == usual)


def _cells(row: Iterable[Entry], published: Published) -> dict[str, Cell]:
    return {
        key_of(entry.result.task, _other_judge(entry.result, published)): Cell(
            entry.result.primary,
            entry.result.unit,
            entry.result.headline,
            entry,
            figures=tuple(_figures(entry)),
        )
        for entry in row
    }


def _figures(entry: Entry) -> Iterable[Figure]:
    result = entry.result
    for group, metrics in (("", result.metrics), *result.groups.items()):
        for metric, estimate in metrics.items():
            if group or metric != result.primary:
                yield Figure(group, metric, estimate)


def _published_line(model: PublishedModel, cards: dict[str, Task], published: Published) -> Line:
    cells = {}
    for task in cards:
        card, value = cards[task], model.scores.get(task)
        details = model.details.get(task, {})
        figures = [_detail(card, name, detail) for name, detail in details.items()]
        if value is not None or figures:
            estimate = _printed(value, published.rows[task])
            cells[task] = Cell(
                card.primary,
                card.unit,
                estimate,
                source=model.source,
                derived=model.derived.get(task, ""),
                figures=tuple(figures),
            )
    return Line(model.name, cells, model.source)


def _printed(value: float | None, n: int) -> Estimate:
    return Estimate(value, None, None, n)


def _detail(card: Task, name: str, value: float) -> Figure:
    """Read a published detail: one of the scorer's metrics, or the primary one of a group."""
    metric = name in SCORERS[card.scorer].metrics
    group, metric_name = ("", name) if metric else (name, card.primary)
    return Figure(group, metric_name, _printed(value, 0))


def _notes(columns: Sequence[Column], lines: Sequence[Line], published: Published) -> list[str]:
    cells = [cell for line in lines for cell in line.cells.values()]
    legend = LEGEND
    if any(cell.rank for cell in cells):
        legend += "; #: rank among numbers that are comparable, = if shared"
    if any(cell.counts for cell in cells):
        legend += "; u: unparsed answers, f: failed requests"
    used = {line.source for line in lines if line.source}
    return [
        legend,
        *notes_of_marks(columns, lines),
        *_judges(columns, published),
        *_sample_counts(columns, lines),
        *_undefined(columns, lines),
        *_bounds(columns, lines),
        *(f"[{name}] {text}" for name, text in published.sources.items() if name in used),
    ]


def _judges(columns: Sequence[Column], published: Published) -> Iterable[str]:
    """Say who graded a column that is not the published judge's."""
    for column in columns:
        if column.judge:
            usual = published.setting.judges.get(column.task)
            instead = f" instead of {usual}" if usual else ""
            yield f"{column.key}: judge {column.identity.judge}{instead}"


def _undefined(columns: Sequence[Column], lines: Sequence[Line]) -> Iterable[str]:
    """Name the answers that have no number though nothing is missing to make one."""
    for column in columns:
        for line in lines:
            entry = cell.entry if (cell := line.cells.get(column.key)) else None
            result = entry.result if entry else None
            if result and result.headline.value is None and not result.ungraded:
                yield f"{column.key} of {line.name}: {result.primary} is undefined for its answers"


def _bounds(columns: Sequence[Column], lines: Sequence[Line]) -> Iterable[str]:
    """Say what the numbers would be that lack answers."""
    for column in columns:
        for line in lines:
            entry = cell.entry if (cell := line.cells.get(column.key)) else None
            if entry and entry.result.bounds:
                yield f"{column.key} of {line.name}: {show_bounds(entry.result)}"


def _sample_counts(columns: Sequence[Column], lines: Sequence[Line]) -> Iterable[str]:
    """Say how many samples a row has where they are not as many as the column's."""
    names: dict[str, list[str]] = {}
    for line in lines:
        counts = [
            f"{column.key} {cell.n:,}"
            for column in columns
            if (cell := line.cells.get(column.key)) and cell.n and cell.n != column.identity.n
        ]
        if counts:
            names.setdefault(", ".join(counts), []).append(line.name)
    return (f"samples of {', '.join(of)}: {counts}" for counts, of in names.items())
