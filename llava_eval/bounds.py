"""What a score would be if the samples without an answer had one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llava_eval.records import Bounds, Result, Score
from llava_eval.scorers import SCORERS, JudgedScorer, Scorer
from llava_eval.scorers.base import Reading
from llava_eval.task import Task

LOST = ("failed", "missing")


def bounds_of(
    task: Task, scores: Sequence[Score], usable: Callable[[Sequence[Score]], list[Score]]
) -> Bounds | None:
    """Bound the primary metric from below and above.

    Args:
        task: Whose metric.
        scores: One per row.
        usable: Returns those that a summary is made of.

    Returns:
        The scorer's own summary with every failed and missing sample at its worst, and at its
        best; None if there is no such sample. No confidence is in it: these are the least and
        the most that the same answers with any others beside them can be.
    """
    if not any(score.status in LOST for score in scores):
        return None
    scorer = SCORERS[task.scorer]
    if isinstance(scorer, JudgedScorer):
        return Bounds(None, None, "a judge grades the answers")
    if task.primary in scorer.unbounded:
        return Bounds(None, None, f"{task.primary} does not rise with the number of right answers")
    low, high = (
        _primary(task, scorer, usable([_assumed(scorer, score, best) for score in scores]))
        for best in (False, True)
    )
    if low is None or high is None:
        return Bounds(None, None, "undefined without these answers")
    return Bounds(low, high)


def _primary(task: Task, scorer: Scorer, scores: Sequence[Score]) -> float | None:
    return scorer.summarize(scores).metrics[task.primary].value if scores else None


def _assumed(scorer: Scorer, score: Score, best: bool) -> Score:
    """Give a sample without an answer its best or worst; one without references stays out."""
    if score.status not in LOST or scorer.score(score.sample, "") is None:
        return score
    reading: Reading = scorer.extremes(score.sample)[best]
    return Score(score.id, reading.value, reading.parsed, "scored", score.sample, reading.details)


def show_bounds(result: Result) -> str:
    """Say in words what the primary metric would be; "" if every sample has an answer."""
    if result.bounds is None:
        return ""
    without = result.failed + result.missing
    if result.bounds.low is None or result.bounds.high is None:
        return f"no bounds for the {without:,} without an answer: {result.bounds.reason}"
    return (
        f"{result.bounds.low:.1f} if the {without:,} without an answer are all wrong, "
        f"{result.bounds.high:.1f} if all right"
    )
