"""Degrees of correctness by a judge: MM-Vet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llava_eval.answers.ratings import mmvet_correctness, mmvet_runs
from llava_eval.errors import DataError, brief
from llava_eval.intervals import deviation_interval
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import JudgedScorer, Reading, by_group, mean_of
from llava_eval.stats import Array, run_spread

METRICS = ("score", "official_score", "run_std")
CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")
UNREAD_RUN = -1.0  # in the details: outside [0, 1], so no degree of correctness


def numeric_order(name: str) -> tuple[int, str]:
    """Sort key that puts ids in the order of their numbers, as the benchmarks' own files do.

    Figures then depend neither on the order of the rows nor, where a sum of decimals lies on
    the edge between two roundings, on another order than the official tool's.

    >>> sorted(["v1_10", "v1_9"], key=numeric_order)
    ['v1_9', 'v1_10']
    """
    return len(name), name


def grade_mmvet(sample: Sample, replies: tuple[str, ...]) -> Reading | None:
    """Read a judge's replies about one answer; each run may have taken several.

    Args:
        sample: Not looked at.
        replies: In order, unreadable ones included; see `mmvet_runs`.

    Returns:
        Value: mean over the runs that could be read. Details: one figure per finished run,
        -1.0 where it could not be read. None while no run has finished.
    """
    runs = mmvet_runs(replies).scores
    if not runs:
        return None
    readable = [score for score in runs if score is not None]
    details = tuple(UNREAD_RUN if score is None else score for score in runs)
    if not readable:
        return Reading(None, None, details)
    value = sum(readable) / len(readable)
    return Reading(value, "; ".join(f"{score:g}" for score in readable), details)


def readable_mmvet(reply: str) -> bool:
    """Whether a reply is a degree of correctness, so that it is not asked for again."""
    return mmvet_correctness(reply) is not None


def summarize_mmvet(scores: Sequence[Score]) -> Summary:
    """Average the degrees of correctness, for all questions and by what they ask for.

    Args:
        scores: Their samples carry the group "integration", capabilities joined by ", ".

    Returns:
        For all questions, for each capability (a question counts for each of its own) and for
        each integration of capabilities ("integration: know, rec"), none of it rounded:
        `score`, 100 x mean over the questions of each one's mean over its readable runs, and
        `official_score`, in which a run of five unreadable replies is 0.0. Overall also
        `run_std`, the standard deviation of the runs' official totals (undefined for a single
        run; its interval takes the runs for independent and normal). Standard errors of the
        means are clustered by image, and what the runs differ by as a whole is added, see
        `stats.run_spread`. Note: the row of the evaluator's two tables.

    Source: yuweihao/MM-Vet, `mm-vet_evaluator.py`.
    Departs: Five unreadable replies are 0.0 there; in the primary metric they have no part.
    The evaluator refuses results in which a question is missing, and names integrations in an
    order that changes from one start of Python to the next; here the names are sorted.
    """
    ordered = sorted(scores, key=lambda score: numeric_order(score.id))
    groups = _mmvet_groups(ordered)
    totals = _run_means(ordered)
    metrics = {**_graded(ordered), "run_std": _run_std(totals, len(ordered))}
    return Summary(
        metrics,
        {name: _graded(members) for name, members in groups.items()},
        {"official": _printed(groups, totals)},
    )


def _run_std(totals: Sequence[float], n: int) -> Estimate:
    if len(totals) < 2:
        return Estimate(None, None, None, n)
    std = float(np.std(totals))
    low, high = deviation_interval(std, len(totals))
    return Estimate(std, low, high, n, std / (2 * len(totals) - 2) ** 0.5)


def _printed(groups: Mapping[str, Sequence[Score]], totals: Sequence[float]) -> str:
    """Write the row of the evaluator's two tables, rounded as it rounds."""
    runs = ", ".join(str(np.round(total, 1)) for total in totals)
    cells = [f"{name} {np.round(np.mean(_run_means(groups[name])), 1)}" for name in groups]
    whole = f"total {np.round(np.mean(totals), 1)}, std {np.round(np.std(totals), 1)}"
    return "; ".join([*cells, f"{whole}, runs {runs}"])


def _mmvet_groups(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Sort scores by capability, in the evaluator's order, and by integration."""
    integrations = by_group(scores, "integration")
    groups = {
        capability: [s for s in scores if capability in s.sample.groups["integration"].split(", ")]
        for capability in CAPABILITIES
    }
    groups |= {f"integration: {name}": members for name, members in integrations.items()}
    return {name: members for name, members in groups.items() if members}


def _graded(scores: Sequence[Score]) -> dict[str, Estimate]:
    readable = [score for score in scores if score.value is not None]
    official = [sum(map(_official, s.details)) / len(s.details) for s in scores]
    runs = _run_table(scores)
    read = run_spread(np.where(runs == UNREAD_RUN, np.nan, runs))
    all_runs = run_spread(np.where(runs == UNREAD_RUN, 0.0, runs))
    return {
        "score": mean_of(readable, runs=read) if readable else Estimate(None, None, None, 0),
        "official_score": mean_of(scores, official, all_runs),
    }


def _run_table(scores: Sequence[Score]) -> Array:
    """Return the figure of every run: shape (scores, runs), NaN where there are fewer."""
    table = np.full((len(scores), max(len(score.details) for score in scores)), np.nan)
    for row, score in zip(table, scores, strict=True):
        row[: len(score.details)] = score.details
    return table


def _official(run: float) -> float:
    return 0.0 if run == UNREAD_RUN else run


def _run_means(scores: Sequence[Score]) -> list[float]:
    """Return 100 x the mean of each run, over the questions that have so many runs."""
    means = []
    for run in range(max(len(score.details) for score in scores)):
        graded = [_official(s.details[run]) for s in scores if len(s.details) > run]
        # One after the other, as the evaluator adds: Python's own sum and numpy's do not, and
        # a capability of 80 questions may lie on the edge between two roundings.
        means.append(float(np.cumsum(graded)[-1] / len(graded) * 100))
    return means


def check_mmvet(sample: Sample) -> None:
    """Check that a sample has capabilities and the ground truth that the judge reads.

    Raises:
        DataError: It has not.
    """
    names = sample.groups["integration"].split(", ")
    for name in names:
        if name not in CAPABILITIES:
            raise DataError(f"the capability is {brief(name)}, must be {' or '.join(CAPABILITIES)}")
    check_reference(sample)


def check_reference(sample: Sample) -> None:
    """Check that a sample has the answer that the judge compares with.

    Raises:
        DataError: It has none, or several.
    """
    if len(sample.references) != 1 or not sample.references[0].strip():
        raise DataError("no reference answer; the judge compares with exactly one")


MMVET = JudgedScorer(
    1,
    METRICS,
    grade_mmvet,
    readable_mmvet,
    summarize_mmvet,
    check_mmvet,
    references="a reference answer",
    groups=("integration",),
)
