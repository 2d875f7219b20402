"""Whether a difference between two numbers of the table is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from llava_eval.errors import LlavaEvalError, UsageError
from llava_eval.leaderboard.board import Cell, Entry
from llava_eval.measure import measure
from llava_eval.records import Estimate, Score
from llava_eval.scorers.paired import PAIRED
from llava_eval.scoring import usable_scores
from llava_eval.sides import read_side, rows_of, score_side
from llava_eval.task import load_task

NORMAL_95 = 1.959963984540054


class Ties:
    """Tells which numbers of one identity cannot be told apart.

    Attributes:
        paired: Whether to score the predictions of two runs again, to pair them by sample.
        tasks_dir: A folder of the user's own cards.
        notes: Why that could not be done, where it could not.
    """

    def __init__(self, paired: bool, tasks_dir: Path | None = None) -> None:
        self.paired = paired
        self.tasks_dir = tasks_dir
        self.notes: dict[str, None] = {}
        self._scores: dict[Path, list[Score]] = {}

    def tied(self, left: Cell, right: Cell) -> bool:
        """Say whether the difference of two numbers is not shown.

        Two measured ones: zero is in the 95 % interval of their paired difference, as
        `compare` has it; without the rows, of their unpaired one. A measured and a published
        one: its interval holds the published value, taken as it is printed. Two published
        ones: they are printed alike.
        """
        if left.estimate.value is None or right.estimate.value is None:
            return False
        if left.entry and right.entry:
            return self._tied_runs(left.entry, right.entry)
        if left.entry is None and right.entry is None:
            return left.estimate.value == right.estimate.value
        measured, published = (left, right) if left.entry else (right, left)
        return _holds(measured.estimate, published.estimate.value)

    def _tied_runs(self, left: Entry, right: Entry) -> bool:
        if self.paired:
            try:
                return _holds(self._difference(left, right), 0.0)
            except LlavaEvalError as error:
                self.notes[f"{left.result.task}: ranks are from unpaired intervals: {error}"] = None
        return _tied_unpaired(left.result.headline, right.result.headline)

    def _difference(self, left: Entry, right: Entry) -> Estimate:
        """Return the difference of two runs of one task, paired by sample."""
        task = load_task(left.result.task, self.tasks_dir)
        metric = PAIRED[task.scorer].get(task.primary)
        if metric is None:
            raise UsageError(f"{task.primary} of {task.scorer} cannot be paired")
        return measure(metric, self._read(left), self._read(right)).difference

    def _read(self, entry: Entry) -> Sequence[Score]:
        """Score a run's predictions, once."""
        if entry.folder not in self._scores:
            task = load_task(entry.result.task, self.tasks_dir)
            side = read_side(entry.folder)
            rows = rows_of(task, side, None, force=False)
            self._scores[entry.folder] = usable_scores(task, score_side(task, side, rows))
        return self._scores[entry.folder]


def _holds(estimate: Estimate, value: float | None) -> bool:
    """Whether a value is in an interval; nothing is shown where there is none."""
    if estimate.low is None or estimate.high is None or value is None:
        return True
    return estimate.low <= value <= estimate.high


def _tied_unpaired(left: Estimate, right: Estimate) -> bool:
    if None in (left.value, right.value, left.error, right.error):
        return True
    half = NORMAL_95 * math.hypot(left.error or 0.0, right.error or 0.0)
    return abs((left.value or 0.0) - (right.value or 0.0)) <= half
