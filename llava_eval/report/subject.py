"""What a report is about: runs, their rows and scores, and the table they stand in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llava_eval.comparison import Comparison, compare_folders
from llava_eval.errors import LlavaEvalError, RunError, UsageError
from llava_eval.leaderboard import build_leaderboard
from llava_eval.leaderboard.board import Leaderboard
from llava_eval.leaderboard.build import read_entry
from llava_eval.paths import FOLDER, kind_of
from llava_eval.records import DataSet, Result, Score
from llava_eval.samples import read_samples
from llava_eval.scorers import SCORERS
from llava_eval.scoring import usable_scores
from llava_eval.sides import Side, read_side, rows_among, score_side
from llava_eval.store import find_runs
from llava_eval.task import Task, load_task


@dataclass(frozen=True)
class TaskRun:
    """One task of one model.

    Attributes:
        model: Title of its row of the table; no two models have the same.
        folder: The run folder.
        task: The card.
        result: As it is stored.
        side: `run.json`, predictions and a judge's replies.
        data: The rows that were asked; None where they cannot be read.
        scores: By today's scorer, in the order of `data`; none without rows.
        why_no_rows: Why there are none, in one line; "" where there are, or nobody wanted any.
        again: The primary metric by today's scorer and judge's replies, over the run's own rows;
            None where it cannot be told.
    """

    model: str
    folder: Path
    task: Task
    result: Result
    side: Side
    data: DataSet | None = None
    scores: tuple[Score, ...] = ()
    why_no_rows: str = ""
    again: float | None = None

    @property
    def stale(self) -> str:
        """Say that the stored number is not what its answers give today; "" if it is."""
        stored = self.result.headline.value
        if self.again is None or (stored is not None and math.isclose(self.again, stored)):
            return ""
        was = "none" if stored is None else f"{stored:,.1f}"
        return (
            f"{self.model}, {self.task.name}: result.json says {was}, but scored again it is "
            f"{self.again:,.1f}, as differences and samples show it; `llava-eval score` shows "
            "all of it, the run's own command writes it anew"
        )


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        board: The table, published rows included.
        runs: In the order of the table's columns, then of its rows.
        models: Titles of the measured rows, in the order of the table.
        comparison: Of exactly two models, the first one being the baseline; None if there are
            fewer or more, or they have no task in common whose rows can be read.
    """

    board: Leaderboard
    runs: tuple[TaskRun, ...]
    models: tuple[str, ...]
    comparison: Comparison | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the table."""
        return tuple(dict.fromkeys(run.task.name for run in self.runs))

    def of_task(self, name: str) -> tuple[TaskRun, ...]:
        """Return the runs of one task, in the order of the models."""
        return tuple(run for run in self.runs if run.task.name == name)


def read_subject(
    paths: Sequence[str | Path],
    data: str | None = None,
    tasks_dir: Path | None = None,
    force: bool = False,
    samples: bool = True,
    max_drop: float = 0.5,
) -> Subject:
    """Read runs, their rows and what they stand beside.

    Args:
        paths: Run folders, or folders of them. Rows of the table are in this order, so that the
            first of two models is the baseline.
        data: Where the rows are; by default where each run found them.
        tasks_dir: A folder of the user's own cards.
        force: Take other rows than those of the run, and compare what is not comparable.
        samples: Whether to read the rows; without them there are no scores and no comparison.
        max_drop: The drop that a comparison allows, in percent of a metric's full scale.

    Returns:
        Everything that a page or a figure shows. Rows that cannot be read are no error: the run
        says why.

    Raises:
        UsageError: A path is no folder, there is no finished run, a task is not known, or the
            drop is below 0.
        RunError: A run folder is broken.
        PredictionsError: A file of predictions or grades is broken.
    """
    if not (math.isfinite(max_drop) and max_drop >= 0):
        raise UsageError(f"--max-drop {max_drop:g}: must be 0 or more")
    folders = _folders([Path(path) for path in paths])
    board = build_leaderboard(folders, tasks_dir=tasks_dir)
    rows = _Rows(data, force) if samples else None
    runs = [
        _read_run(line.name, cell.entry.folder, tasks_dir, rows)
        for column in board.columns
        for line in board.lines
        if (cell := line.cells.get(column.key)) and cell.entry
    ]
    if not runs:
        raise UsageError("no finished run to report on; name a run folder or a folder of them")
    measured = {run.model for run in runs}
    models = tuple(line.name for line in board.lines if line.name in measured and not line.source)
    comparison = _compared(runs, models, data, tasks_dir, force, max_drop)
    return Subject(board, tuple(runs), models, comparison)


def _folders(paths: Sequence[Path]) -> list[Path]:
    """Return the run folders in the order of the paths, each once."""
    found: dict[Path, Path] = {}
    for path in paths:
        if kind_of(path, RunError) != FOLDER:
            raise UsageError(f"{path}: no such folder of runs")
        for folder in find_runs([path]):
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


@dataclass
class _Rows:
    """Reads rows, those of one source once: images of several runs are then the same files."""

    data: str | None
    force: bool
    read: dict[tuple[str, str], DataSet] = field(default_factory=dict)

    def of(self, task: Task, side: Side) -> DataSet:
        key = (task.name, self.data or side.source)
        if key not in self.read:
            self.read[key] = read_samples(task, key[1])
        return rows_among(self.read[key], side, self.force)


def _read_run(model: str, folder: Path, tasks_dir: Path | None, rows: _Rows | None) -> TaskRun:
    entry, side = read_entry(folder), read_side(folder)
    try:
        task = load_task(entry.result.task, tasks_dir)
    except UsageError as error:
        raise UsageError(f"{folder}: {error}; a card of your own? give --tasks-dir") from error
    if rows is None:
        return TaskRun(model, folder, task, entry.result, side)
    try:
        data = rows.of(task, side)
        scores = score_side(task, side, data)
    except LlavaEvalError as error:
        return TaskRun(model, folder, task, entry.result, side, why_no_rows=str(error))
    again = _headline(task, scores) if data.digest == entry.result.data else None
    return TaskRun(model, folder, task, entry.result, side, data, tuple(scores), "", again)


def _headline(task: Task, scores: Sequence[Score]) -> float | None:
    """Return the primary metric of scores; None if nobody answered or it is undefined."""
    usable = usable_scores(task, scores)
    if not usable:
        return None
    return SCORERS[task.scorer].summarize(usable).metrics[task.primary].value


def _compared(
    runs: Sequence[TaskRun],
    models: Sequence[str],
    data: str | None,
    tasks_dir: Path | None,
    force: bool,
    max_drop: float,
) -> Comparison | None:
    """Compare two models in the tasks of the first whose rows both could be read."""
    if len(models) != 2:
        return None
    left, right = ({r.task.name: r.folder for r in runs if r.model == model} for model in models)
    unread = {run.task.name for run in runs if run.data is None}
    names = [name for name in left if name in right and name not in unread]
    if not names:
        return None
    return compare_folders(
        names,
        left,
        right,
        max_drop=max_drop,
        data=data,
        tasks_dir=tasks_dir,
        force=force,
        titles=(models[0], models[1]),
    )
