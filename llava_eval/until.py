"""`--until`: ask at random, more and more, until the interval is narrow enough."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence

from llava_eval.errors import UsageError
from llava_eval.records import DataSet, Estimate
from llava_eval.samples import shuffled_clusters, taken
from llava_eval.scorers import SCORERS, JudgedScorer, Scorer
from llava_eval.task import Task

FIRST = 30  # clusters before the first look: fewer say too little of their own spread
GROWTH = 1.25  # from one look to the next; docs/intervals.md has how often the intervals cover


def check_until(until: float, limit: int | None, tasks: Sequence[Task]) -> None:
    """Check that a run can stop at a precision.

    Raises:
        UsageError: The half-width is no positive number, a limit is given too, or a task's
            metric is not known before a judge has read the answers.
    """
    if not (math.isfinite(until) and until > 0):
        raise UsageError(f"--until {until:g}: must be more than 0, in the unit of the metric")
    if limit is not None:
        raise UsageError("--until and --limit: both say how much to ask; give one of them")
    for task in tasks:
        if isinstance(SCORERS[task.scorer], JudgedScorer):
            raise UsageError(
                f"--until: {task.name} is graded by a judge afterwards, so its precision is "
                "not known while answers come; leave it out, or give --limit"
            )


def check_scored_here(tasks: Sequence[Task], data: Sequence[DataSet]) -> None:
    """Check that answers can be scored while they come.

    Raises:
        UsageError: No row of a task has a reference: only the benchmark's server knows them.
    """
    for task, rows in zip(tasks, data, strict=True):
        scorer = SCORERS[task.scorer]
        if isinstance(scorer, Scorer) and not any(scorer.score(s, "") for s in rows.samples):
            raise UsageError(
                f"--until: {task.name}: the rows of {rows.source} have no references, so its "
                "precision is not known while answers come; leave it out, or give --limit"
            )


def growing_draws(data: DataSet, answered: Container[str], seed: int = 0) -> Iterator[DataSet]:
    """Yield larger and larger draws of whole clusters, each holding the one before.

    Which they are depends on the rows and the seed alone, so that a run that was cut off meets
    the same again. A draw is passed over where all of the next one is answered already.

    Args:
        data: The full set.
        answered: Ids that have an answer; may grow from one draw to the next.
        seed: Of the order in which clusters are taken.

    Yields:
        Data sets; the last is the full set.
    """
    clusters = shuffled_clusters(data, seed)
    counts = draw_sizes(len(clusters))
    for count, following in zip(counts, [*counts[1:], 0], strict=True):
        ahead = [sample.id for cluster in clusters[:following] for sample in cluster]
        if not ahead or not all(name in answered for name in ahead):
            yield taken(data, clusters[:count])


def draw_sizes(n_clusters: int) -> list[int]:
    """Return how many clusters there are at each look; the last is all of them.

    >>> draw_sizes(60)
    [30, 38, 48, 60]
    """
    sizes = [min(FIRST, n_clusters)]
    while sizes[-1] < n_clusters:
        sizes.append(min(n_clusters, math.ceil(sizes[-1] * GROWTH)))
    return sizes


def narrow_enough(estimate: Estimate, until: float) -> bool:
    """Tell whether the larger side of an interval is at most `until`.

    >>> narrow_enough(Estimate(85.0, 83.9, 85.8, 500), 1.0)
    False
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return False
    return max(estimate.high - estimate.value, estimate.value - estimate.low) <= until
