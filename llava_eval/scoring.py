"""Below the waist: predictions to a result, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llava_eval.errors import PredictionsError
from llava_eval.predictions import Grades
from llava_eval.records import DataSet, Estimate, Prediction, Result, Score, Summary
from llava_eval.scorers import SCORERS, JudgedScorer, Scorer
from llava_eval.scorers.base import score_sample
from llava_eval.task import Task

ANSWERED = ("scored", "unparsed")


def score_predictions(
    task: Task,
    data: DataSet,
    predictions: Mapping[str, Prediction],
    grades: Grades | None = None,
) -> tuple[list[Score], Result]:
    """Score a set of predictions.

    Args:
        task: Whose rule.
        data: All rows; those without a prediction are counted as missing.
        predictions: By sample id.
        grades: A judge's replies by sample id, for a judged benchmark.

    Returns:
        One score per row, in the order of the data, and the result over the rows that have
        an answer; without any, as of a judged benchmark that has no grades yet, the metrics
        are undefined.

    Raises:
        PredictionsError: A prediction or grade belongs to no row, no row has an answer, or
            there are grades for a benchmark that has no judge.
    """
    scorer = SCORERS[task.scorer]
    grades = grades or {}
    if grades and not isinstance(scorer, JudgedScorer):
        raise PredictionsError(f"{task.name}: no judge scores this benchmark; leave grades out")
    _check_known(data, predictions, "predictions")
    _check_known(data, grades, "grades")
    scores = [
        score_sample(scorer, s, predictions.get(s.id), grades.get(s.id, ())) for s in data.samples
    ]
    answered = [score for score in scores if score.status in ANSWERED]
    usable = answered
    if isinstance(scorer, Scorer) and scorer.whole_clusters:
        usable = _in_whole_clusters(scores)
    if usable:
        return scores, _result(task, data, scores, scorer.summarize(usable))
    if answered or any(score.status == "ungraded" for score in scores):
        undefined = {name: Estimate(None, None, None, 0) for name in scorer.metrics}
        return scores, _result(task, data, scores, Summary(undefined, {}))
    raise PredictionsError(f"{task.name}: none of {len(scores):,} rows has an answer to score")


def _in_whole_clusters(scores: Sequence[Score]) -> list[Score]:
    """Leave out the clusters of which any sample has no answer."""
    broken = {score.sample.cluster for score in scores if score.status not in ANSWERED}
    return [score for score in scores if score.sample.cluster not in broken]


def _check_known(data: DataSet, by_id: Mapping[str, object], what: str) -> None:
    known = {sample.id for sample in data.samples}
    unknown = sorted(name for name in by_id if name not in known)
    if unknown:
        raise PredictionsError(
            f"{len(unknown):,} of {len(by_id):,} {what}, {unknown[0]!r} first, belong "
            f"to no row of {data.source} ({len(data.samples):,} rows, version: {data.version}); "
            "give the data that they were made from"
        )


def _result(task: Task, data: DataSet, scores: list[Score], summary: Summary) -> Result:
    statuses = [score.status for score in scores]
    return Result(
        task=task.name,
        primary=task.primary,
        unit=task.unit,
        protocol=task.protocol,
        data=data.digest,
        source=data.source,
        version=data.version,
        n=len(scores),
        unparsed=statuses.count("unparsed"),
        failed=statuses.count("failed"),
        missing=statuses.count("missing"),
        ungraded=statuses.count("ungraded"),
        drawn=data.drawn,
        known=data.known,
        metrics=summary.metrics,
        groups=summary.groups,
        notes=summary.notes,
    )
