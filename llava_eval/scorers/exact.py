"""Answers compared as they are: GQA."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np

from llava_eval.answers.exact import gqa_answer
from llava_eval.errors import DataError, brief
from llava_eval.intervals import t_interval
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import Reading, Scorer, by_group, mean_of
from llava_eval.stats import Array, Numbers, cluster_numbers, jackknife_error

METRICS = ("accuracy", "binary", "open", "distribution")
STRUCTURAL = ("choose", "compare", "logical", "query", "verify")
SEMANTIC = {
    "attr": "attribute",
    "cat": "category",
    "global": "scene",
    "obj": "object",
    "rel": "relation",
}


def score_gqa(sample: Sample, text: str) -> Reading | None:
    """Return 1.0 if the converted answer is the reference to the letter, else 0.0.

    Every answer can be read, the empty one too: nothing is ever left unparsed. A sample of the
    test split has no reference and no score.
    """
    if not sample.references:
        return None
    answer = gqa_answer(text)
    return Reading(float(answer == sample.references[0]), answer)


def summarize_gqa(scores: Sequence[Score]) -> Summary:
    """Compute accuracy, overall and per type of question, and the distribution figure.

    Args:
        scores: With a value each; their samples carry the groups "structural", "semantic",
            "detailed" and "global".

    Returns:
        Accuracies in percent with an interval clustered by image; "open" are the questions of
        structural type "query", "binary" all others. `distribution` is no percentage, and lower
        is better. It grows with the number of questions, and drawing rows again pushes it
        upwards; so its error is a jackknife over images, and its interval is for sets of this
        size. A note has it with two digits, as the script prints it.

    Source: GQA's `eval.py` by Hudson and Manning, in LLaVA's variant without the scene graphs
    and choices that the test-dev split lacks.
    Departs: The script aborts if an answer is missing; this is over the rows that have one. It
    prints 0 for validity and plausibility, which nobody can compute on this split; here they
    are left out, like its tables by number of words and of reasoning steps. Its own long names
    of the semantic types never reach its output because of a stale variable; here they do.
    Detailed types are an addition. An accuracy over no question is None, not 0.
    """
    opened = [score for score in scores if score.sample.groups["structural"] == "query"]
    binary = [score for score in scores if score.sample.groups["structural"] != "query"]
    spread = distribution(scores)
    metrics = {
        "accuracy": mean_of(scores),
        "binary": _accuracy(binary),
        "open": _accuracy(opened),
        "distribution": _distribution_estimate(scores, spread),
    }
    groups = {name: {"accuracy": mean_of(group)} for name, group in _types(scores).items()}
    notes = {} if spread is None else {"distribution": f"{spread:.2f} (lower is better)"}
    return Summary(metrics, groups, notes)


def distribution(scores: Sequence[Score]) -> float | None:
    """Compare how often each answer is given with how often it is right.

    Returns:
        Chi-square between answers and references within each global group (all colours, all
        animals, ...), averaged with the groups' sizes as weights, divided by 100. An answer
        that is no reference in its group does not count by itself. None if no question has a
        global group.

    Source: GQA's `eval.py`, `chiSquare`.
    Departs: Terms are summed exactly, so that the order of the rows moves no digit.
    """
    right: defaultdict[str, Counter[str]] = defaultdict(Counter)
    given: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for score in scores:
        group = score.sample.groups.get("global", "")
        if group:
            right[group][score.sample.references[0]] += 1
            given[group][str(score.parsed)] += 1
    if not right:
        return None
    weighted = math.fsum(
        counts.total() * (given[group][answer] - expected) ** 2 / expected
        for group, counts in right.items()
        for answer, expected in counts.items()
    )
    return weighted / sum(counts.total() for counts in right.values()) / 100


def _distribution_estimate(scores: Sequence[Score], spread: float | None) -> Estimate:
    """Add a standard error to the distribution figure, and an interval from 0 upwards."""
    grouped = [score for score in scores if score.sample.groups.get("global", "")]
    if spread is None or not grouped:
        return Estimate(spread, None, None, len(scores))
    owner = cluster_numbers([score.sample.cluster for score in grouped])
    if owner.max() == 0:
        return Estimate(spread, None, None, len(scores))
    totals, groups = _answer_counts(grouped, owner)
    error = jackknife_error(totals, partial(_chi_square, groups=groups))
    low, high = t_interval(spread, error, float(owner.max()))
    return Estimate(spread, max(0.0, low), high, len(scores), error)


def _answer_counts(scores: Sequence[Score], owner: Numbers) -> tuple[Array, Numbers]:
    """Count references and given answers by image.

    Returns:
        Shape (images, 2, references), where what is no reference of its group is not counted;
        and the group of each reference, by number.
    """
    pairs = sorted({(s.sample.groups["global"], s.sample.references[0]) for s in scores})
    place = {pair: number for number, pair in enumerate(pairs)}
    totals = np.zeros((owner.max() + 1, 2, len(pairs) + 1))
    for cluster, score in zip(owner, scores, strict=True):
        group = score.sample.groups["global"]
        totals[cluster, 0, place[group, score.sample.references[0]]] += 1
        totals[cluster, 1, place.get((group, str(score.parsed)), -1)] += 1
    return totals[..., :-1], cluster_numbers([group for group, _ in pairs])


def _chi_square(totals: Array, groups: Numbers) -> Array:
    """Return the distribution figure of counts of shape (..., 2, references)."""
    right, given = totals[..., 0, :], totals[..., 1, :]
    terms = np.where(right > 0, (given - right) ** 2 / np.maximum(right, 1), 0.0)
    member = np.eye(groups.max() + 1)[groups]
    weighted = (terms @ member) * (right @ member)
    return np.asarray(weighted.sum(axis=-1) / right.sum(axis=-1) / 100)


def _accuracy(scores: Sequence[Score]) -> Estimate:
    return mean_of(scores) if scores else Estimate(None, None, None, 0)


def _types(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Sort scores by structural, semantic and detailed type, under names that differ."""
    groups = by_group(scores, "structural")
    groups |= {SEMANTIC[name]: g for name, g in by_group(scores, "semantic").items()}
    taken = {*STRUCTURAL, *SEMANTIC.values()}
    for name, group in by_group(scores, "detailed").items():
        groups[f"detailed: {name}" if name in taken else name] = group
    return groups


def check_gqa(sample: Sample) -> None:
    """Check that a sample with a reference has one, and types that the metrics know.

    Raises:
        DataError: It has not.
    """
    if not sample.references:
        return
    if len(sample.references) != 1 or not sample.references[0]:
        raise DataError(f"the answer is {list(sample.references)}, must be one text")
    for name, known in (("structural", STRUCTURAL), ("semantic", tuple(SEMANTIC))):
        if sample.groups[name] not in known:
            raise DataError(
                f"types: {name} is {brief(sample.groups[name])}, must be one of {', '.join(known)}"
            )


GQA = Scorer(
    1,
    METRICS,
    score_gqa,
    summarize_gqa,
    check_gqa,
    references="the answer, in lower case",
    groups=("structural", "semantic"),
    grows=("distribution",),
    unbounded=("distribution",),
)
