"""Below the waist: predictions to a result, without a model."""

from __future__ import annotations

from collections.abc import Mapping

from llava_eval.errors import PredictionsError
from llava_eval.records import DataSet, Prediction, Result, Score, Summary
from llava_eval.scorers import SCORERS
from llava_eval.scorers.base import score_sample
from llava_eval.task import Task


def score_predictions(
    task: Task, data: DataSet, predictions: Mapping[str, Prediction]
) -> tuple[list[Score], Result]:
    """Score a set of predictions.

    Args:
        task: Whose rule.
        data: All rows; those without a prediction are counted as missing.
        predictions: By sample id.

    Returns:
        One score per row, in the order of the data, and the result over the rows that have
        an answer.

    Raises:
        PredictionsError: A prediction belongs to no row, or no row has an answer.
    """
    _check_known(data, predictions)
    scorer = SCORERS[task.scorer]
    scores = [score_sample(scorer, s, predictions.get(s.id)) for s in data.samples]
    answered = [score for score in scores if score.value is not None]
    if not answered:
        raise PredictionsError(f"{task.name}: none of {len(scores):,} rows has an answer to score")
    return scores, _result(task, data, scores, scorer.summarize(answered))


def _check_known(data: DataSet, predictions: Mapping[str, Prediction]) -> None:
    unknown = sorted(predictions.keys() - {sample.id for sample in data.samples})
    if unknown:
        raise PredictionsError(
            f"{len(unknown):,} of {len(predictions):,} predictions, {unknown[0]!r} first, belong "
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
        drawn=data.drawn,
        known=data.known,
        metrics=summary.metrics,
        groups=summary.groups,
    )
