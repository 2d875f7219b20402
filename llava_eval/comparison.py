"""A candidate against a baseline: paired differences, and a verdict that CI can act on.

find_sides -> read_side -> score_side -> what_keeps_apart -> measure -> holm -> verdict_of
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llava_eval.errors import UsageError, nearest
from llava_eval.identity import Difference
from llava_eval.measure import Measured, measure, unchanged
from llava_eval.pairing import holm
from llava_eval.records import DataSet, Score
from llava_eval.scorers.paired import PAIRED, full_scale
from llava_eval.scoring import usable_scores
from llava_eval.sides import (
    find_sides,
    read_side,
    recorded_changes,
    rows_of,
    same_answers,
    score_side,
    scorer_notes,
    unanswered_words,
    what_keeps_apart,
)
from llava_eval.task import TABLE, Task, load_task

SIGNIFICANT = 0.05
# The verdict of a comparison is the first of these that a task of it has.
EXIT_CODES = {"regression": 3, "refused": 4, "inconclusive": 4, "pass": 0}


@dataclass(frozen=True)
class TaskComparison:
    """One task of both runs.

    Attributes:
        task: Its name.
        metric: The primary metric.
        unit: "percent" or "points".
        max_drop: The drop that is allowed, in the unit.
        measured: Values, difference, tests; empty where the two were refused.
        p_holm: The test's p, corrected for the number of tasks.
        verdict: "pass", "regression", "inconclusive" or "refused".
        apart: What keeps the two apart; they are measured only if that is forced.
        recorded: What else differs: field to baseline's and candidate's value.
        notes: What else a reader should know.
    """

    task: str
    metric: str
    unit: str
    max_drop: float
    measured: Measured = field(default_factory=Measured)
    p_holm: float | None = None
    verdict: str = "refused"
    apart: tuple[Difference, ...] = ()
    recorded: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline.

    Attributes:
        baseline: Folder of the baseline.
        candidate: Folder of the candidate.
        max_drop: The drop that is allowed, in percent of a metric's full scale.
        forced: Whether runs were compared that should not be.
        tasks: In the order of the table.
        notes: About the whole.
    """

    baseline: str
    candidate: str
    max_drop: float
    forced: bool
    tasks: tuple[TaskComparison, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The worst verdict: regression, then refused, then inconclusive, then pass."""
        found = {task.verdict for task in self.tasks}
        return next(verdict for verdict in EXIT_CODES if verdict in found)

    @property
    def exit_code(self) -> int:
        """0 pass, 3 regression, 4 inconclusive or refused."""
        return EXIT_CODES[self.verdict]


def compare(
    baseline: str | Path,
    candidate: str | Path,
    max_drop: float = 0.5,
    force: bool = False,
    tasks: Sequence[str] | str | None = None,
    data: str | None = None,
    tasks_dir: Path | None = None,
) -> Comparison:
    """Compare two runs, or two folders of runs, task by task.

    Both sides are scored anew by today's scorer from their predictions, and paired by id.

    Args:
        baseline: A run folder, or a folder of them with one run per task.
        candidate: The same.
        max_drop: The drop that is allowed, in percent of a metric's full scale: percentage
            points, or 20 points of MME's 2,000 for each percent.
        force: Compare what is not comparable too; the outcome says so.
        tasks: Names, or one text of names with commas between; by default all of the baseline.
        data: Where the rows are; by default where the candidate found them.
        tasks_dir: A folder of the user's own cards.

    Returns:
        The differences and a verdict for each task and for the whole.

    Raises:
        LlavaEvalError: Anything that a user can put right.
    """
    if not (math.isfinite(max_drop) and max_drop >= 0):
        raise UsageError(f"--max-drop {max_drop:g}: must be 0 or more")
    left, right = find_sides(Path(baseline)), find_sides(Path(candidate))
    names = _names(tasks, left, right)
    titles = (str(baseline), str(candidate))
    found = compare_folders(names, left, right, max_drop, force, data, tasks_dir, titles)
    extra = [] if tasks else [name for name in right if name not in left]
    notes = [f"{name}: not in the baseline, not compared" for name in _in_order(extra)]
    return dataclasses.replace(found, notes=tuple(notes))


def compare_folders(
    names: Sequence[str],
    left: Mapping[str, Path],
    right: Mapping[str, Path],
    max_drop: float = 0.5,
    force: bool = False,
    data: str | None = None,
    tasks_dir: Path | None = None,
    titles: tuple[str, str] = ("baseline", "candidate"),
) -> Comparison:
    """Compare two sets of run folders, task by task.

    Args:
        names: The tasks.
        left: Run folders of the baseline by task.
        right: Of the candidate.
        max_drop, force, data, tasks_dir: As in `compare`.
        titles: What the two are called.

    Raises:
        LlavaEvalError: Anything that a user can put right.
    """
    found = [
        _compare_task(load_task(name, tasks_dir), left, right, max_drop, force, data)
        for name in names
    ]
    forced = any(task.apart for task in found) and force
    return Comparison(*titles, max_drop, forced, tuple(_judge(found)))


def _names(
    tasks: Sequence[str] | str | None, left: Mapping[str, Path], right: Mapping[str, Path]
) -> list[str]:
    if tasks is None:
        return _in_order(left)
    given = tasks.split(",") if isinstance(tasks, str) else tasks
    names = list(dict.fromkeys(name.strip() for name in given if name.strip()))
    if not names:
        raise UsageError("--tasks: names no task; give names with commas between")
    for name in names:
        if name not in {**left, **right}:
            raise UsageError(f"--tasks {name}: in neither side; {nearest(name, left)}")
    return names


def _in_order(names: Sequence[str] | Mapping[str, Path]) -> list[str]:
    return sorted(names, key=lambda n: (TABLE.index(n) if n in TABLE else len(TABLE), n))


def _compare_task(
    task: Task,
    left: Mapping[str, Path],
    right: Mapping[str, Path],
    max_drop: float,
    force: bool,
    data: str | None,
) -> TaskComparison:
    metric = PAIRED[task.scorer].get(task.primary)
    allowed = max_drop * full_scale(task.scorer, task.primary) / 100
    found = TaskComparison(task.name, task.primary, task.unit, allowed)
    for name, side in (("baseline", left), ("candidate", right)):
        if task.name not in side:
            absent = Difference("task", f"the {name} has no run of it")
            return dataclasses.replace(found, apart=(absent,))
    sides = read_side(left[task.name]), read_side(right[task.name])
    rows = rows_of(task, sides[1], data, force)
    scores = [score_side(task, side, rows) for side in sides]
    apart = tuple(what_keeps_apart(task, sides, scores))
    found = dataclasses.replace(
        found,
        apart=apart,
        recorded=recorded_changes(sides),
        notes=(*scorer_notes(task, sides), *_row_notes(rows, scores)),
    )
    if apart and not force:
        return found
    usable = [usable_scores(task, of) for of in scores]
    measured = measure(metric, *usable) if metric else Measured()
    if metric is None:
        alone = f"no sample has a part of its own in {task.primary}: no paired test"
        found = dataclasses.replace(found, notes=(*found.notes, alone))
    if not measured.samples and same_answers(*sides):
        measured = unchanged(len(rows.samples))
    return dataclasses.replace(found, measured=measured, verdict="inconclusive")


def _row_notes(rows: DataSet, scores: Sequence[Sequence[Score]]) -> list[str]:
    """Say what keeps either side from being the benchmark's number."""
    drawn = [f"a draw of {len(rows.samples):,} samples"] if rows.drawn else []
    unanswered = list(dict.fromkeys(unanswered_words(of) for of in scores))
    return drawn + [words for words in unanswered if words]


def _judge(tasks: Sequence[TaskComparison]) -> list[TaskComparison]:
    """Correct the tests for their number and give each task that was measured its verdict."""
    tested = [task for task in tasks if task.measured.p is not None and task.verdict != "refused"]
    corrected = holm([task.measured.p or 0.0 for task in tested])
    p_holm = {task.task: p for task, p in zip(tested, corrected, strict=True)}
    judged = [dataclasses.replace(task, p_holm=p_holm.get(task.task)) for task in tasks]
    return [
        task if task.verdict == "refused" else dataclasses.replace(task, verdict=verdict_of(task))
        for task in judged
    ]


def verdict_of(task: TaskComparison) -> str:
    """Give a verdict on one measured task.

    Returns:
        "regression" if the drop is larger than allowed and no accident (p after Holm below
        0.05); "pass" if the 95 % interval excludes a drop that is larger than allowed;
        "inconclusive" if neither can be said.
    """
    difference = task.measured.difference
    if difference.value is None:
        return "inconclusive"
    significant = task.p_holm is not None and task.p_holm < SIGNIFICANT
    if -difference.value > task.max_drop and significant:
        return "regression"
    if difference.low is not None and -difference.low <= task.max_drop:
        return "pass"
    return "inconclusive"
