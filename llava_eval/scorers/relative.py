"""Ratings of two answers by a judge: LLaVA-Bench."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from llava_eval.answers.ratings import llava_bench_ratings
from llava_eval.errors import DataError, brief
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import JudgedScorer, Reading, by_group
from llava_eval.scorers.rubric import check_reference, numeric_order
from llava_eval.stats import (
    Array,
    Bootstrap,
    bootstrap,
    cluster_numbers,
    effective_number,
    run_spread,
)

METRICS = ("relative_score", "reference_mean", "model_mean", "official_relative_score")
CATEGORIES = ("complex", "conv", "detail")
UNREAD = (-1.0, -1.0)  # what LLaVA's script notes for a reply that it cannot read


def grade_llava_bench(sample: Sample, replies: tuple[str, ...]) -> Reading | None:
    """Read a judge's replies about one answer, each of them one run of the judge.

    Args:
        sample: Not looked at.
        replies: In the order of the runs; none is no reading yet.

    Returns:
        Value: the model's rating / 10, mean over the readable runs, held to [0, 1] (the script
        takes any number for a rating; the metrics use it as it is). Details: for each run
        1.0 if it could be read, else 0.0; the reference's rating; the model's rating. A reply
        with "nan" or "inf" for a rating is not readable.
    """
    if not replies:
        return None
    details: list[float] = []
    readable = []
    for pair in map(llava_bench_ratings, replies):
        found = _finite(pair)
        details += [float(found), *(pair or UNREAD)]
        readable += [pair] if pair and found else []
    if not readable:
        return Reading(None, None, tuple(details))
    rating = sum(model / len(readable) for _, model in readable)
    words = "; ".join(f"{reference:g} {model:g}" for reference, model in readable)
    return Reading(min(1.0, max(0.0, rating / 10)), words, tuple(details))


def _finite(pair: tuple[float, float] | None) -> bool:
    return pair is not None and all(map(math.isfinite, pair))


def readable_llava_bench(reply: str) -> bool:
    """Whether the ratings of a reply have a part in the metrics."""
    return _finite(llava_bench_ratings(reply))


def summarize_llava_bench(scores: Sequence[Score]) -> Summary:
    """Compare the model's ratings with those of the text-only GPT-4 reference.

    Args:
        scores: Their samples carry the group "category".

    Returns:
        For each category and for all questions, none of it rounded: `relative_score`, 100 x
        mean of the model's ratings / mean of the reference's, over the questions with a
        readable reply (several runs: each question's mean over its readable runs);
        `reference_mean` and `model_mean`, 10 x these means; `official_relative_score`, the
        script's ratio in each run, averaged over the runs, with -1 and -1 for an unreadable
        reply. Notes: what the script prints (relative score, 10 x both means); with several
        runs one such line per run and the mean of their relative scores.

        The standard error is a bootstrap over images. What the judge's runs differ by,
        question by question, is in it, as part of the spread between questions; what they
        differ by as a whole is added, see `stats.run_spread`. A single run cannot tell.

    Source: haotian-liu/LLaVA, `llava/eval/summarize_gpt_review.py`. "all" is over questions,
    not over categories.
    Departs: The script keeps -1 and -1 in both means, so that a judge of whom nothing can be
    read gives 100; in the primary metric an unreadable reply has no part. A mean of zero stops
    the script; here the ratio is undefined. The script joins files by line, this by id.
    """
    ordered = sorted(scores, key=lambda score: numeric_order(score.id))
    with np.errstate(all="ignore"):  # a judge may say inf, and 1e308: such figures are undefined
        table = _rated_table(ordered)
        groups = by_group(ordered, "category")
        sets = [*groups.values(), ordered]
        rows = [_rated(table, place, members) for place, members in enumerate(sets)]
        notes = {
            f"official: {name}": _printed(members)
            for name, members in {"all": ordered, **groups}.items()
        }
    return Summary(rows[-1], dict(zip(groups, rows[:-1], strict=True)), notes)


def _runs(score: Score) -> Array:
    """Return the details of one score, of shape (runs, 3)."""
    return np.array(score.details, dtype=np.float64).reshape(-1, 3)


def _rated_table(scores: Sequence[Score]) -> Bootstrap:
    """Bootstrap the figures of every category and of all: shape (categories + 1, 4)."""
    categories = list(by_group(scores, "category"))
    n_runs = max(len(_runs(score)) for score in scores)
    owner = cluster_numbers([score.sample.cluster for score in scores])
    totals = np.zeros((owner.max() + 1, len(categories), n_runs + 1, 3))
    for cluster, score in zip(owner, scores, strict=True):
        place = categories.index(score.sample.groups["category"])
        totals[cluster, place] += _rated_cells(score, n_runs)
    shape = totals.shape[1:]
    figures = partial(_ratios, shape=shape)
    return bootstrap(totals.reshape(len(totals), -1), figures, clusters=_clusters(totals))


def _clusters(totals: Array) -> Array:
    """Return the effective number of images that each figure is over.

    Args:
        totals: Shape (images, categories, 1 + runs, 3).

    Returns:
        Shape (categories + 1, 4).
    """
    read, asked = totals[..., 0, 0], totals[..., 1:, 0].max(axis=-1)
    numbers = [
        effective_number(np.concatenate([n, n.sum(axis=1, keepdims=True)], axis=1))
        for n in (read, asked)
    ]
    return np.stack([*[numbers[0]] * 3, numbers[1]], axis=-1)


def rated_sums(
    scores: Sequence[Score], clusters: Sequence[int], n_clusters: int
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the sums that the figures over all questions are made of.

    Args:
        scores: In any order.
        clusters: Number of each score's cluster.
        n_clusters: How many there are.

    Returns:
        Shape (clusters, (1 + runs) x 3), and what turns their sums into the four figures.
    """
    n_runs = max(len(_runs(score)) for score in scores)
    totals = np.zeros((n_clusters, n_runs + 1, 3))
    for cluster, score in zip(clusters, scores, strict=True):
        totals[cluster] += _rated_cells(score, n_runs)

    def figures(sums: Array) -> Array:
        return _ratios(sums, (1, n_runs + 1, 3))[..., -1, :]

    return totals.reshape(n_clusters, -1), figures


def _rated_cells(score: Score, n_runs: int) -> Array:
    """Return what a score adds to the sums: shape (1 + runs, 3).

    Row 0 is the mean over the readable runs, the others are the runs as the script has them;
    each is a count and the two ratings, zeros where there is nothing to count.
    """
    cells = np.zeros((n_runs + 1, 3))
    runs = _runs(score)
    readable = runs[runs[:, 0] == 1]
    if len(readable):
        cells[0] = readable.mean(axis=0)
    cells[1 : len(runs) + 1] = runs
    cells[1 : len(runs) + 1, 0] = 1
    return cells


def _ratios(totals: Array, shape: tuple[int, ...]) -> Array:
    """Turn sums into the four figures.

    Args:
        totals: Shape (..., categories x (1 + runs) x 3).
        shape: (categories, 1 + runs, 3).

    Returns:
        Shape (..., categories + 1, 4), the last row over all; NaN where undefined.
    """
    cells = totals.reshape(*totals.shape[:-1], *shape)
    cells = np.concatenate([cells, cells.sum(axis=-3, keepdims=True)], axis=-3)
    count, reference, model = np.moveaxis(cells, -1, 0)
    ratio = 100 * model / reference
    held = count[..., 1:] > 0  # a category may lack the later runs
    official = np.where(held, ratio[..., 1:], 0).sum(axis=-1) / held.sum(axis=-1)
    means = (10 * side[..., 0] / count[..., 0] for side in (reference, model))
    figures = np.stack([ratio[..., 0], *means, official], axis=-1)
    return np.where(np.isfinite(figures), figures, np.nan)


def _rated(table: Bootstrap, place: int, scores: Sequence[Score]) -> dict[str, Estimate]:
    """Return the row of a table that belongs to these scores."""
    readable = sum(score.value is not None for score in scores)
    return {
        name: table.estimate((place, i), n, run_spread(parts))
        for i, (name, n, parts) in enumerate(
            zip(METRICS, (readable, readable, readable, len(scores)), _parts(scores), strict=True)
        )
    }


def _parts(scores: Sequence[Score]) -> tuple[Array, Array, Array, Array]:
    """Return what each reply adds to each of the four figures, a ratio linearised.

    Returns:
        Four arrays of shape (scores, runs); NaN where there is no reply that counts.
    """
    runs = np.full((len(scores), max(len(_runs(score)) for score in scores), 3), np.nan)
    for row, score in zip(runs, scores, strict=True):
        row[: len(score.details) // 3] = _runs(score)
    read = np.where(runs[..., :1] == 1, runs[..., 1:], np.nan)
    reference, model = 10 * read[..., 0], 10 * read[..., 1]
    return _parts_of_ratio(read), reference, model, _parts_of_ratio(runs[..., 1:])


def _parts_of_ratio(pairs: Array) -> Array:
    """Return 100 x (model - ratio x reference) / mean of references: shape (scores, runs)."""
    given = ~np.isnan(pairs[..., 0])
    if not given.any():
        return pairs[..., 0]
    reference, model = (float(pairs[..., side][given].mean()) for side in (0, 1))
    if reference == 0:
        return np.full(given.shape, np.nan)
    return 100 * (pairs[..., 1] - model / reference * pairs[..., 0]) / reference


def _printed(scores: Sequence[Score]) -> str:
    """Write what the script prints for these scores; "undefined" where it stops."""
    n_runs = max(len(_runs(score)) for score in scores)
    lines = []
    for run in range(n_runs):
        pairs = [_runs(score)[run, 1:] for score in scores if len(_runs(score)) > run]
        reference, model = (round(mean, 3) for mean in np.asarray(pairs).mean(0).tolist())
        if reference == 0:
            return "undefined"
        lines.append((round(model / reference * 100, 1), reference * 10, model * 10))
    text = "; ".join(f"{score} {round(one, 1)} {round(two, 1)}" for score, one, two in lines)
    mean = round(sum(line[0] for line in lines) / n_runs, 1)
    return text if n_runs == 1 else f"{text}; mean {mean}"


def check_llava_bench(sample: Sample) -> None:
    """Check that a sample has a category and the reference that the judge compares with.

    Raises:
        DataError: It has not.
    """
    category = sample.groups["category"]
    if category not in CATEGORIES:
        raise DataError(f"the category is {brief(category)}, must be {' or '.join(CATEGORIES)}")
    check_reference(sample)


LLAVA_BENCH = JudgedScorer(
    1,
    METRICS,
    grade_llava_bench,
    readable_llava_bench,
    summarize_llava_bench,
    check_llava_bench,
    references="a reference answer; what the judge knows of the image is the hint",
    groups=("category",),
)
