"""Below the waist: predictions to a result, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from llava_eval.bounds import bounds_of
from llava_eval.errors import PredictionsError, brief
from llava_eval.predictions import Grades
from llava_eval.records import DataSet, Estimate, Prediction, Result, Score, Summary
from llava_eval.samples import count_clusters
from llava_eval.scorers import SCORERS, JudgedScorer, Scorer
from llava_eval.scorers.base import score_sample
from llava_eval.stats import narrowed
from llava_eval.task import Task

ANSWERED = ("scored", "unparsed")
DIALECT = "llava"  # the paper's own rules and words


def score_predictions(
    task: Task,
    data: DataSet,
    predictions: Mapping[str, Prediction],
    grades: Grades | None = None,
    judge: str = "",
    dialect: str = DIALECT,
) -> tuple[list[Score], Result]:
    """Score a set of predictions.

    Args:
        task: Whose rule.
        data: All rows; those without a prediction are counted as missing.
        predictions: By sample id.
        grades: A judge's replies by sample id, for a judged benchmark, or one whose rule may
            leave answers for a judge to read.
        judge: Whose replies they are.
        dialect: In whose words the judge was asked.

    Returns:
        One score per row, in the order of the data, and the result over the rows that have
        an answer; without any, as of a judged benchmark that has no grades yet, the metrics
        are undefined.

    Raises:
        PredictionsError: A prediction or grade belongs to no row, no row has an answer, or
            there are grades for a benchmark that has no judge.
    """
    scorer = SCORERS[task.scorer]
    scores = score_samples(task, data, predictions, grades)
    usable = usable_scores(task, scores)
    whose = (judge, dialect) if grades else ("", DIALECT)
    if usable:
        summary = _of_full_set(data, usable, scorer.summarize(usable), scorer.grows)
        summary = _with_replies(scorer, scores, grades or {}, summary)
        return scores, _result(task, data, scores, summary, whose)
    if any(score.status in (*ANSWERED, "ungraded") for score in scores):
        undefined = {name: Estimate(None, None, None, 0) for name in scorer.metrics}
        return scores, _result(task, data, scores, Summary(undefined, {}), whose)
    raise PredictionsError(
        f"{task.name}: none of {len(scores):,} rows has an answer to score; "
        "give predictions of these rows, or run with --retry-failed"
    )


def _with_replies(
    scorer: Scorer | JudgedScorer, scores: Sequence[Score], grades: Grades, summary: Summary
) -> Summary:
    """Note how many replies the judge gave, and how many of them could not be read."""
    if not grades:
        return summary
    if isinstance(scorer, JudgedScorer):
        said = [reply for replies in grades.values() for reply in replies]
        unread = sum(not scorer.readable(reply) for reply in said)
        words = f"{len(said):,} replies, {unread:,} unreadable"
    else:
        left = sum(score.status == "unparsed" for score in scores if score.id in grades)
        words = f"read {len(grades) - left:,} of {len(grades):,} answers that the rule left open"
    return Summary(summary.metrics, summary.groups, {**summary.notes, "judge": words})


def score_samples(
    task: Task,
    data: DataSet,
    predictions: Mapping[str, Prediction],
    grades: Grades | None = None,
) -> list[Score]:
    """Score every row, in the order of the data, without a summary.

    Raises:
        PredictionsError: As `score_predictions`, but for rows without any answer.
    """
    scorer = SCORERS[task.scorer]
    grades = grades or {}
    if grades and not (isinstance(scorer, JudgedScorer) or scorer.match):
        raise PredictionsError(f"{task.name}: no judge scores this benchmark; leave grades out")
    _check_known(data, predictions, "predictions")
    _check_known(data, grades, "grades")
    return [
        score_sample(scorer, s, predictions.get(s.id), grades.get(s.id, ())) for s in data.samples
    ]


def usable_scores(task: Task, scores: Sequence[Score]) -> list[Score]:
    """Return the scores that a summary is made of: answered, in whole circles where they count."""
    scorer = SCORERS[task.scorer]
    if isinstance(scorer, Scorer) and scorer.whole_clusters:
        return _in_whole_clusters(scores)
    return [score for score in scores if score.status in ANSWERED]


def _in_whole_clusters(scores: Sequence[Score]) -> list[Score]:
    """Leave out the clusters of which any sample has no answer."""
    broken = {score.sample.cluster for score in scores if score.status not in ANSWERED}
    return [score for score in scores if score.sample.cluster not in broken]


def _of_full_set(
    data: DataSet, scores: Sequence[Score], summary: Summary, grows: Sequence[str]
) -> Summary:
    """Make the intervals of a draw those of the full set's figures.

    Every cluster that was drawn is known, so that only the others leave anything open. A metric
    that grows with the number of samples says nothing of the full set's.
    """
    if not data.drawn or not data.full_clusters:
        return summary
    share = count_clusters(score.sample for score in scores) / data.full_clusters

    def narrow(figures: Mapping[str, Estimate]) -> dict[str, Estimate]:
        return {
            name: Estimate(figure.value, None, None, figure.n)
            if name in grows
            else narrowed(figure, share)
            for name, figure in figures.items()
        }

    groups = {name: narrow(figures) for name, figures in summary.groups.items()}
    return Summary(narrow(summary.metrics), groups, summary.notes)


def _check_known(data: DataSet, by_id: Mapping[str, object], what: str) -> None:
    known = {sample.id for sample in data.samples}
    unknown = sorted(name for name in by_id if name not in known)
    if unknown:
        raise PredictionsError(
            f"{len(unknown):,} of {len(by_id):,} {what}, {brief(unknown[0])} first, belong "
            f"to no row of {data.source} ({len(data.samples):,} rows, version: {data.version}); "
            "give the data that they were made from"
        )


def _result(
    task: Task, data: DataSet, scores: list[Score], summary: Summary, whose: tuple[str, str]
) -> Result:
    statuses = [score.status for score in scores]
    usable = partial(usable_scores, task)
    clusters = count_clusters(data.samples)
    return Result(
        task=task.name,
        **task.protocol_fields,
        unit=task.unit,
        protocol=task.protocol,
        dialect=whose[1],
        judge=whose[0],
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
        clusters=clusters,
        full_n=data.full_n or len(scores),
        full_clusters=data.full_clusters or clusters,
        bounds=bounds_of(task, scores, usable),
    )
