"""What a scorer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llava_eval.errors import DataError
from llava_eval.records import Prediction, Sample, Score, Summary


@dataclass(frozen=True)
class Scorer:
    """Two pure functions and a version.

    Attributes:
        version: Rises when a golden row changes: part of the protocol digest.
        metrics: Names of the overall metrics that `summarize` returns.
        score: Sample and the model's words to (value in [0, 1], parsed answer or None).
        summarize: Scores of a set, all with a value, to metrics and groups.
        check: Raises `DataError` if a sample cannot be scored by this rule.
    """

    version: int
    metrics: tuple[str, ...]
    score: Callable[[Sample, str], tuple[float, str | None]]
    summarize: Callable[[Sequence[Score]], Summary]
    check: Callable[[Sample], None]


def score_sample(scorer: Scorer, sample: Sample, prediction: Prediction | None) -> Score:
    """Score one sample; no answer is no value, never a zero.

    Args:
        scorer: The rule.
        sample: With its references.
        prediction: None if there is none for this sample.

    Returns:
        A score with status "scored", "unparsed", "failed" or "missing".
    """
    if prediction is None:
        return Score(sample.id, None, None, "missing", sample)
    if prediction.failed:
        return Score(sample.id, None, None, "failed", sample)
    value, parsed = scorer.score(sample, prediction.text)
    return Score(sample.id, value, parsed, "unparsed" if parsed is None else "scored", sample)


def reference_among(sample: Sample, allowed: Sequence[str]) -> None:
    """Check that a sample has one reference, out of a closed set.

    Raises:
        DataError: It has none, several, or another one.
    """
    if len(sample.references) != 1 or sample.references[0] not in allowed:
        found = ", ".join(map(repr, sample.references)) or "nothing"
        wanted = " or ".join(map(repr, allowed))
        raise DataError(f"row {sample.id}: the reference is {found}, must be {wanted}")
