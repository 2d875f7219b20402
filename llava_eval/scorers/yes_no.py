"""Yes/no benchmarks: POPE."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llava_eval.answers.yes_no import pope_yes_no
from llava_eval.errors import DataError
from llava_eval.records import Sample, Score, Summary
from llava_eval.scorers.base import Reading, Scorer, reference_among
from llava_eval.stats import bootstrap, cluster_totals

METRICS = ("f1", "accuracy", "precision", "recall", "yes_ratio")
OUTCOMES = ("tp", "fp", "tn", "fn")


def score_pope(sample: Sample, text: str) -> Reading:
    """Return 1.0 and the answer if it equals the label, else 0.0 and the answer."""
    answer = pope_yes_no(text)
    return Reading(float(answer == sample.references[0]), answer)


def summarize_pope(scores: Sequence[Score]) -> Summary:
    """Compute the five figures of each category, and their unweighted means.

    Args:
        scores: With a value each; their samples carry the group "category".

    Returns:
        Percentages; "yes" is the positive class. The interval is a bootstrap over images.

    Source: haotian-liu/LLaVA, `llava/eval/eval_pope.py`; the paper's single number is the mean
    of the three F1.
    Departs: A figure whose denominator is zero is None; the script stops with an exception.
    The script joins labels to answers by line position, this by id.
    """
    categories = sorted({score.sample.groups["category"] for score in scores})
    cells = [
        categories.index(score.sample.groups["category"]) * len(OUTCOMES)
        + OUTCOMES.index(_outcome(score))
        for score in scores
    ]
    totals = cluster_totals(
        [score.sample.cluster for score in scores], cells, len(categories) * len(OUTCOMES)
    )
    table = bootstrap(totals, _figures)
    counts = totals.sum(axis=0).reshape(len(categories), len(OUTCOMES)).sum(axis=1)
    rows = [
        {name: table.estimate((place, i), int(n)) for i, name in enumerate(METRICS)}
        for place, n in enumerate([*counts, len(scores)])
    ]
    return Summary(rows[-1], dict(zip(categories, rows[:-1], strict=True)))


def _outcome(score: Score) -> str:
    """Name the cell of the confusion matrix, as "tp" or "fn"."""
    return ("t" if score.value else "f") + ("p" if score.parsed == "yes" else "n")


def _figures(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn counts into percentages.

    Args:
        totals: Shape (..., categories x 4), counts of tp, fp, tn, fn.

    Returns:
        Shape (..., categories + 1, 5); the last row is the mean of the others.
    """
    cells = totals.reshape(*totals.shape[:-1], -1, len(OUTCOMES))
    tp, fp, tn, fn = np.moveaxis(cells, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        f1 = 2 * precision * recall / (precision + recall)
        n = tp + fp + tn + fn
        figures = np.stack([f1, (tp + tn) / n, precision, recall, (tp + fp) / n], axis=-1)
    mean = figures.mean(axis=-2, keepdims=True)
    return 100 * np.concatenate([figures, mean], axis=-2)


def check_pope(sample: Sample) -> None:
    """Check that a sample has a label and a category.

    Raises:
        DataError: It has not.
    """
    reference_among(sample, ("yes", "no"))
    if not sample.groups["category"]:
        raise DataError("no category; must be adversarial, popular or random")


POPE = Scorer(1, METRICS, score_pope, summarize_pope, check_pope)
