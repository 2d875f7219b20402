"""What a row counts when two runs are compared: its own value, or that of its circle."""

from __future__ import annotations

from llava_eval.report.subject import TaskRun
from llava_eval.scorers.paired import PAIRED, MeanMetric
from llava_eval.scoring import usable_scores


def unit_values(run: TaskRun) -> dict[str, float]:
    """Return what each row adds to the primary metric's pairs: by id, a value in [0, 1].

    The units are those that `compare` counts as gained and lost. Every rotation of a circle has
    the circle's value. Rows that the metric leaves out, as ScienceQA's questions without an
    image, have none, and neither have rows without an answer.

    Args:
        run: Of one task, with its scores.
    """
    metric = PAIRED[run.task.scorer].get(run.task.primary)
    usable = usable_scores(run.task, run.scores)
    if isinstance(metric, MeanMetric):
        values = {unit.id: unit.value for unit in metric.units(usable)}
        units = ((score.id, metric.units([score])) for score in usable)
        return {name: values[of[0].id] for name, of in units if of}
    readable = metric is not None and not metric.readable
    return {s.id: float(s.value or 0.0) for s in usable if s.value is not None or readable}


def counts_circles(run: TaskRun) -> bool:
    """Whether the units are circles of MMBench: one for all rows of a cluster."""
    metric = PAIRED[run.task.scorer].get(run.task.primary)
    if not isinstance(metric, MeanMetric):
        return False
    usable = usable_scores(run.task, run.scores)
    return any(unit.id != score.id for score in usable for unit in metric.units([score]))
