"""What a scorer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llava_eval.errors import DataError, brief
from llava_eval.records import Estimate, Prediction, Sample, Score, Summary
from llava_eval.stats import ONE_RUN, RunSpread, share_estimate


class Reading(NamedTuple):
    """What a rule makes of one answer, or of a judge's replies about it.

    Attributes:
        value: In [0, 1]; None only where a judge's reply could not be read.
        parsed: What the rule read; None if it could read nothing: counted as unparsed.
        details: Further figures that the scorer's own summary needs.
    """

    value: float | None
    parsed: str | None
    details: tuple[float, ...] = ()


def wrong_and_right(sample: Sample) -> tuple[Reading, Reading]:
    """Return what a sample without an answer would be at worst and at best: 0 and 1."""
    return Reading(0.0, "", (0.0,)), Reading(1.0, sample.references[0], (1.0,))


@dataclass(frozen=True)
class Scorer:
    """Two pure functions and a version.

    Attributes:
        version: Rises when a golden row changes: part of the protocol digest.
        metrics: Names of the overall metrics that `summarize` returns.
        score: Sample and the model's words to a `Reading`; None for a sample without
            references, which only the benchmark's server can score.
        summarize: Scores of a set to metrics and groups; it gets those that are scored or
            unparsed, at least one.
        check: Raises `DataError` if a sample cannot be scored by this rule.
        references: What a card's column of references must hold, for the documentation.
        groups: Groupings that a card must map to columns; others are reported where they are.
        whole_clusters: Whether `summarize` gets only clusters all of whose samples have an
            answer, since it scores a cluster as one.
        grows: Metrics that grow with the number of samples, so that those of a draw are not
            those of the full set.
        extremes: A sample with references to its worst and its best reading.
        unbounded: Metrics that do not rise with each sample's value, so that these readings do
            not bound them.
        match: Sample and a judge's replies to a `Reading`, for an answer out of which `score`
            reads nothing; None if the judge's cannot be read either.
    """

    version: int
    metrics: tuple[str, ...]
    score: Callable[[Sample, str], Reading | None]
    summarize: Callable[[Sequence[Score]], Summary]
    check: Callable[[Sample], None]
    references: str
    groups: tuple[str, ...] = ()
    whole_clusters: bool = False
    grows: tuple[str, ...] = ()
    extremes: Callable[[Sample], tuple[Reading, Reading]] = wrong_and_right
    unbounded: tuple[str, ...] = ()
    match: Callable[[Sample, tuple[str, ...]], Reading | None] | None = None


@dataclass(frozen=True)
class JudgedScorer:
    """The same for a benchmark whose answers a judge grades.

    Attributes:
        version, metrics, summarize, check, references, groups, grows: As in `Scorer`.
        grade: Sample and the judge's replies about its answer to a `Reading`; None while the
            replies are not enough to read anything.
        readable: Whether a reply can be read at all, so that those that cannot are counted.
    """

    version: int
    metrics: tuple[str, ...]
    grade: Callable[[Sample, tuple[str, ...]], Reading | None]
    readable: Callable[[str], bool]
    summarize: Callable[[Sequence[Score]], Summary]
    check: Callable[[Sample], None]
    references: str
    groups: tuple[str, ...] = ()
    grows: tuple[str, ...] = ()


def score_sample(
    scorer: Scorer | JudgedScorer,
    sample: Sample,
    prediction: Prediction | None,
    replies: tuple[str, ...] = (),
) -> Score:
    """Score one sample; no answer is no value, never a zero.

    Args:
        scorer: The rule.
        sample: With its references.
        prediction: None if there is none for this sample.
        replies: Of the judge, for a judged benchmark, or about what the rule cannot read.

    Returns:
        A score with status "scored", "unparsed", "failed", "missing" or "ungraded".
    """
    if prediction is None:
        return Score(sample.id, None, None, "missing", sample)
    if prediction.failed:
        return Score(sample.id, None, None, "failed", sample)
    if isinstance(scorer, JudgedScorer):
        reading = scorer.grade(sample, replies)
    else:
        reading = scorer.score(sample, prediction.text)
        if scorer.match and replies and reading is not None and reading.parsed is None:
            reading = scorer.match(sample, replies) or reading
    if reading is None:
        return Score(sample.id, None, None, "ungraded", sample)
    status = "unparsed" if reading.parsed is None else "scored"
    return Score(sample.id, reading.value, reading.parsed, status, sample, reading.details)


def mean_of(
    scores: Sequence[Score],
    values: Sequence[float] | None = None,
    runs: RunSpread = ONE_RUN,
) -> Estimate:
    """Average the values of scores, in percent, with an interval clustered by image.

    Args:
        scores: At least one; those without a value are not given here.
        values: One per score, in [0, 1], to average something else than `Score.value`.
        runs: What a judge's runs add to the variance.
    """
    averaged = values if values is not None else [float(s.value or 0.0) for s in scores]
    return share_estimate(averaged, [score.sample.cluster for score in scores], runs)


def by_group(scores: Sequence[Score], grouping: str) -> dict[str, list[Score]]:
    """Sort scores by their group, groups in the order of their names; "" is left out."""
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.sample.groups.get(grouping, ""), []).append(score)
    return {name: found[name] for name in sorted(found) if name}


def reference_among(sample: Sample, allowed: Sequence[str]) -> None:
    """Check that a sample has one reference, out of a closed set.

    Raises:
        DataError: It has none, several, or another one.
    """
    if len(sample.references) != 1 or sample.references[0] not in allowed:
        found = ", ".join(map(brief, sample.references[:3])) or "nothing"
        wanted = " or ".join(map(repr, allowed))
        raise DataError(f"the reference is {found}, must be {wanted}")
